//! The one route: from a request to the answer's status, headers and body.

use std::{collections::VecDeque, convert::Infallible, ops::Range, sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::Body,
    extract::{RawQuery, State},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use songkeep_domain::{
    ErrorCode, ServiceError, ServiceResult, SongId,
    blob::{Blob, BlobError},
    library::StreamTarget,
};
use songkeep_http_kit::{ApiError, ApiResult, FileSender, Path};

use crate::{
    BytesFrom, StreamState,
    body::{Delivery, Segment},
    conditions::Validators,
    range::Selection,
};

/// For the listener's own player only, which asks each time whether it may still play its copy; and not
/// to be re-encoded by anyone on the way.
const CACHE_CONTROL: &str = "private, max-age=0, must-revalidate, no-transform";

/// How long an address of the blob store's holds.
const STORE_ADDRESS_FOR: Duration = Duration::from_secs(5 * 60);

/// When to try again after the blob store failed.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The public routes. Layers that all listeners share (ids, logs, CORS, fallbacks) are the caller's.
pub fn router(state: StreamState) -> Router {
    // `get` answers HEAD too.
    Router::new().route("/public/stream/{song_id}", get(answer)).with_state(state)
}

async fn answer(
    State(state): State<StreamState>,
    method: Method,
    Path(song_id): Path<SongId>,
    RawQuery(query): RawQuery,
    files: Option<Extension<FileSender>>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let access = state.addresses.verify(query.as_deref().unwrap_or_default(), song_id).await;
    let access = access.map_err(|error| unauthenticated().with_source(error))?;
    let grant = state.grants.find(access).await?.ok_or_else(not_found)?;
    if state.bytes_from == BytesFrom::Store
        && method == Method::GET
        && let Some(response) = redirect(&state, &grant.target).await?
    {
        return Ok(response);
    }
    let validators = Validators::of(&grant.target);
    if validators.is_unchanged(&headers) {
        return Ok(not_modified(&validators));
    }
    if method == Method::HEAD {
        // Ranges are defined for GET only.
        return Ok(whole(&validators, &grant.target));
    }
    match validators.select(&headers, grant.target.size_bytes) {
        Selection::Unsatisfiable => Ok(unsatisfiable(grant.target.size_bytes)),
        selection => {
            let (mut response, segments) = begin(&validators, &grant.target, selection);
            let blob = open(&state, &grant.target).await?;
            let (grants, files) = (Arc::clone(&state.grants), files.map(|files| files.0));
            let delivery = Delivery { grants, access, grant, blob, files, segments };
            *response.body_mut() = delivery.into_body();
            Ok(response)
        }
    }
}

/// The answer to a GET that gets bytes, and what its body is made of.
fn begin(
    validators: &Validators,
    target: &StreamTarget,
    selection: Selection,
) -> (Response, VecDeque<Segment>) {
    let (mut response, segments) = match selection {
        Selection::One(range) => {
            let mut response = success(validators, StatusCode::PARTIAL_CONTENT);
            set(&mut response, header::CONTENT_TYPE, target.container.media_type());
            set(&mut response, header::CONTENT_RANGE, &content_range(&range, target.size_bytes));
            (response, VecDeque::from([Segment::Object(range)]))
        }
        Selection::Many(ranges) => {
            let boundary = uuid::Uuid::new_v4().simple().to_string();
            let mut response = success(validators, StatusCode::PARTIAL_CONTENT);
            set(&mut response, header::CONTENT_TYPE, &format!("multipart/byteranges; boundary={boundary}"));
            (response, multipart(&boundary, ranges, target))
        }
        Selection::Whole | Selection::Unsatisfiable => {
            (whole(validators, target), VecDeque::from([Segment::Object(0..target.size_bytes)]))
        }
    };
    let length: u64 = segments.iter().map(Segment::length).sum();
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    (response, segments)
}

/// To where the store serves the bytes; None when clients cannot reach it.
async fn redirect(state: &StreamState, target: &StreamTarget) -> ServiceResult<Option<Response>> {
    let address = state.blobs.presign_get(&target.storage_key, STORE_ADDRESS_FOR).await;
    let Some(address) = address.map_err(ServiceError::internal)? else { return Ok(None) };
    let mut response = StatusCode::FOUND.into_response();
    set(&mut response, header::LOCATION, address.as_str());
    set(&mut response, header::CACHE_CONTROL, "no-store");
    Ok(Some(response))
}

async fn open(state: &StreamState, target: &StreamTarget) -> ServiceResult<Arc<dyn Blob>> {
    let blob = state.blobs.open(&target.storage_key).await.map_err(|error| match error {
        BlobError::Io(_) => {
            ServiceError::unavailable("The song's bytes cannot be read at the moment.", RETRY_AFTER)
                .with_source(error)
        }
        BlobError::NotFound(_) | BlobError::BadKey(_) | BlobError::Full(_) => ServiceError::internal(error),
    })?;
    if blob.size_bytes() != target.size_bytes {
        let (key, real, expected) = (&target.storage_key, blob.size_bytes(), target.size_bytes);
        return Err(ServiceError::internal(format!("object {key} has {real} bytes instead of {expected}")));
    }
    Ok(blob)
}

/// What every answer that is no error carries.
fn success(validators: &Validators, status: StatusCode) -> Response {
    let mut response = status.into_response();
    set(&mut response, header::ACCEPT_RANGES, "bytes");
    set(&mut response, header::CACHE_CONTROL, CACHE_CONTROL);
    set(&mut response, header::CONTENT_DISPOSITION, "inline");
    set(&mut response, header::ETAG, &validators.etag);
    set(&mut response, header::LAST_MODIFIED, &validators.last_modified());
    response
}

/// The answer about all of it, still without its body.
fn whole(validators: &Validators, target: &StreamTarget) -> Response {
    let mut response = success(validators, StatusCode::OK);
    set(&mut response, header::CONTENT_TYPE, target.container.media_type());
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(target.size_bytes));
    response
}

fn not_modified(validators: &Validators) -> Response {
    let mut response = success(validators, StatusCode::NOT_MODIFIED);
    response.headers_mut().remove(header::CONTENT_DISPOSITION);
    // A body of unknown length, because of a known one axum would state the length 0, and in a 304 only
    // the length of the song could stand there.
    *response.body_mut() = Body::from_stream(stream::empty::<Result<Bytes, Infallible>>());
    response
}

fn unsatisfiable(size_bytes: u64) -> Response {
    let sentence = format!("The song has {size_bytes} bytes, none of which are in the range asked for.");
    let mut response = ApiError(ServiceError::new(ErrorCode::RangeNotSatisfiable, sentence)).into_response();
    set(&mut response, header::ACCEPT_RANGES, "bytes");
    set(&mut response, header::CONTENT_RANGE, &format!("bytes */{size_bytes}"));
    response
}

fn unauthenticated() -> ServiceError {
    let sentence = "This address is not valid or has expired. Ask for a new one.";
    ServiceError::new(ErrorCode::Unauthenticated, sentence)
}

fn not_found() -> ServiceError {
    let sentence = "This song is not in your library, or your sign-in has ended.";
    ServiceError::new(ErrorCode::NotFound, sentence)
}

fn content_range(range: &Range<u64>, size_bytes: u64) -> String {
    format!("bytes {}-{}/{size_bytes}", range.start, range.end - 1)
}

/// The body of a `multipart/byteranges` answer (RFC 9110, section 14.6).
fn multipart(boundary: &str, ranges: Vec<Range<u64>>, target: &StreamTarget) -> VecDeque<Segment> {
    let media_type = target.container.media_type();
    let mut segments = VecDeque::new();
    for range in ranges {
        let line_end = if segments.is_empty() { "" } else { "\r\n" };
        let position = content_range(&range, target.size_bytes);
        let head = format!(
            "{line_end}--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {position}\r\n\r\n"
        );
        segments.push_back(Segment::Text(head.into()));
        segments.push_back(Segment::Object(range));
    }
    segments.push_back(Segment::Text(format!("\r\n--{boundary}--\r\n").into()));
    segments
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    // Only a damaged row of the database could hold what does not fit into a header.
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

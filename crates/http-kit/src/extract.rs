//! Extractors that refuse with a problem document, and what a request says of its caller.

use std::{convert::Infallible, time::Duration};

use axum::extract::{
    FromRequest, FromRequestParts, Path as AxumPath, Request,
    path::ErrorKind,
    rejection::{BytesRejection, FailedToBufferBody, PathRejection},
};
use bytes::Bytes;
use http::{HeaderMap, header, request::Parts, uri::Authority};
use serde::de::{DeserializeOwned, IgnoredAny};
use songkeep_domain::{CallContext, ClientInfo, ErrorCode, ServiceError, ServiceResult};
use url::form_urlencoded;

use crate::{
    problem::{ApiError, ApiResult, REQUEST_ID, RequestId},
    shape,
};

/// How long a body that is read whole may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest `traceparent` that is passed on; the format has 55 characters.
const MAX_TRACEPARENT: usize = 64;

/// A JSON object as body. Refuses another content type (415), what is no JSON (400), JSON of another
/// shape (422, naming the value) and what is larger than the route's limit (413).
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> ApiResult<Self> {
        let is_json = is_json(request.headers());
        if !is_json {
            return Err(unsupported().into());
        }
        Ok(Self(from_json(&read_body(request, state).await?)?))
    }
}

/// As [`Json`]; an empty body, of whatever content type, is None.
#[derive(Clone, Copy, Debug, Default)]
pub struct OptionalJson<T>(pub Option<T>);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for OptionalJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> ApiResult<Self> {
        let is_json = is_json(request.headers());
        let body = read_body(request, state).await?;
        if body.is_empty() {
            return Ok(Self(None));
        }
        if !is_json {
            return Err(unsupported().into());
        }
        Ok(Self(Some(from_json(&body)?)))
    }
}

/// The query's values. Refuses wrong ones with 422, naming the value, and undecodable text with 400.
#[derive(Clone, Copy, Debug, Default)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> ApiResult<Self> {
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        if !decodes_to_text(query) {
            return Err(ServiceError::malformed("The query is not valid text.").into());
        }
        let values = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query));
        let value = serde_path_to_error::deserialize(values)
            .map_err(|error| shape::invalid(error.path(), error.inner(), "query"))?;
        Ok(Self(value))
    }
}

/// The path's values. One that does not parse names nothing: 404.
#[derive(Clone, Copy, Debug, Default)]
pub struct Path<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> ApiResult<Self> {
        match AxumPath::<T>::from_request_parts(parts, state).await {
            Ok(AxumPath(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(rejection))
                if !matches!(
                    rejection.kind(),
                    ErrorKind::WrongNumberOfParameters { .. } | ErrorKind::UnsupportedType { .. }
                ) =>
            {
                Err(nothing_here().into())
            }
            // The route and its handler do not fit together.
            Err(rejection) => Err(ServiceError::internal(rejection).into()),
        }
    }
}

/// The program at the other end, as the edge found it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client(pub ClientInfo);

impl<S: Send + Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get().cloned().unwrap_or_default()))
    }
}

/// The address under which the caller reached us, as far as trusted proxies vouch for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestOrigin {
    /// `http` or `https`.
    pub scheme: String,
    /// With the port, where the caller used one.
    pub host: String,
    /// Reached through the web listener's `/api`.
    pub via_web: bool,
}

impl RequestOrigin {
    /// What the edge found, else what the request itself says.
    #[must_use]
    pub fn of(parts: &Parts) -> Self {
        parts.extensions.get().cloned().unwrap_or_else(|| Self::direct(parts))
    }

    /// Scheme and host as in an `Origin` header: lower case, without a default port.
    #[must_use]
    pub fn serialize(&self) -> String {
        let host = self.host.to_ascii_lowercase();
        let default_port = if self.scheme == "https" { ":443" } else { ":80" };
        format!("{}://{}", self.scheme, host.strip_suffix(default_port).unwrap_or(&host))
    }

    /// What the request itself says; our listeners speak plain HTTP.
    pub(crate) fn direct(parts: &Parts) -> Self {
        let host = parts
            .headers
            .get(header::HOST)
            .and_then(|value| value.to_str().ok())
            .or_else(|| parts.uri.authority().map(Authority::as_str))
            .and_then(sane_host)
            .unwrap_or_else(|| "localhost".to_owned());
        Self { scheme: "http".to_owned(), host, via_web: false }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestOrigin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

/// A host with an optional port; None for what could not stand in an address of ours.
pub(crate) fn sane_host(text: &str) -> Option<String> {
    let authority: Authority = text.trim().parse().ok()?;
    let plain = !authority.host().is_empty()
        && authority.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte));
    plain.then(|| authority.as_str().to_owned())
}

/// The context of a service call on behalf of this request, before anybody is signed in.
#[must_use]
pub fn call_context(parts: &Parts) -> CallContext {
    let request_id = parts.extensions.get::<RequestId>().cloned().or_else(|| REQUEST_ID.try_get().ok());
    let traceparent = parts
        .headers
        .get("traceparent")
        .and_then(|value| value.to_str().ok())
        .filter(|text| text.len() <= MAX_TRACEPARENT && text.bytes().all(is_traceparent_byte));
    CallContext {
        actor: None,
        client: parts.extensions.get().cloned().unwrap_or_default(),
        request_id: request_id.map(|id| id.0).unwrap_or_default(),
        traceparent: traceparent.map(str::to_owned),
    }
}

fn is_traceparent_byte(byte: u8) -> bool {
    byte == b'-' || byte.is_ascii_hexdigit()
}

/// The whole body, within the route's limit.
///
/// # Errors
/// 413 when it is larger, 408 when it does not arrive, 400 when the client breaks off.
pub(crate) async fn read_body<S: Send + Sync>(request: Request, state: &S) -> ServiceResult<Bytes> {
    match tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, state)).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)))) => Err(
            ServiceError::new(ErrorCode::PayloadTooLarge, "The body is larger than what is accepted here."),
        ),
        Ok(Err(rejection)) => {
            Err(ServiceError::malformed("The body could not be read to its end.").with_source(rejection))
        }
        Err(_) => Err(ServiceError::new(ErrorCode::RequestTimeout, "The body took too long to arrive.")),
    }
}

pub(crate) fn nothing_here() -> ServiceError {
    ServiceError::new(ErrorCode::NotFound, "There is nothing at this address.")
}

fn unsupported() -> ServiceError {
    ServiceError::new(
        ErrorCode::UnsupportedMediaType,
        "The body must be JSON, with the content type application/json.",
    )
}

/// `application/json` and every `application/…+json`.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence.strip_prefix("application/").is_some_and(|kind| kind == "json" || kind.ends_with("+json"))
}

fn from_json<T: DeserializeOwned>(body: &[u8]) -> ServiceResult<T> {
    let malformed = || ServiceError::malformed("The body is not valid JSON.");
    let text = std::str::from_utf8(body).map_err(|_| malformed())?;
    // First whether it is JSON at all, so that the answer does not depend on which fault comes first.
    serde_json::from_str::<IgnoredAny>(text).map_err(|_| malformed())?;
    // Else a list would be taken as the object's values in their order.
    if text.trim_start().starts_with('[') {
        return Err(ServiceError::invalid("body", "wrong_type", "`body` must be an object."));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        // Some faults show only when a value is really read: half surrogates, numbers without bounds.
        if error.inner().is_data() {
            shape::invalid(error.path(), error.inner(), "body")
        } else {
            malformed()
        }
    })
}

/// Whether percent-encoded text is UTF-8 once decoded.
fn decodes_to_text(encoded: &[u8]) -> bool {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((&byte, after)) = rest.split_first() {
        let escape = (byte == b'%').then(|| hex_pair(after)).flatten();
        decoded.push(escape.unwrap_or(byte));
        rest = if escape.is_some() { &after[2..] } else { after };
    }
    std::str::from_utf8(&decoded).is_ok()
}

fn hex_pair(text: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (high, low) = (digit(*text.first()?)?, digit(*text.get(1)?)?);
    u8::try_from(high * 16 + low).ok()
}

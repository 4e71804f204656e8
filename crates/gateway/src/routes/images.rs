//! Pictures of recordings, at signed addresses that need no sign-in, so that a page can show them in
//! an ordinary `<img>`.

use aws_lc_rs::digest;
use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderName, StatusCode, header};
use serde::Deserialize;
use songkeep_domain::{ErrorCode, ServiceError, SourceProvider, SourceRef};
use songkeep_http_kit::{ApiResult, Path, Query};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::problems::{BadQuery, BadSignature, Missing, Problems};
use crate::{GatewayState, actor::Anyone};

/// What is served from our origin: formats that cannot carry scripts.
const IMAGE_TYPES: [&str; 5] = ["image/jpeg", "image/png", "image/webp", "image/gif", "image/avif"];
/// The address is signed and the picture of a recording hardly ever changes.
const CACHE_CONTROL: &str = "public, max-age=86400, immutable";
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

pub(super) fn routes() -> OpenApiRouter<GatewayState> {
    OpenApiRouter::new().routes(routes!(get_thumbnail))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ThumbnailParams {
    /// The signature that came with the address.
    #[param(required = true, min_length = 32, max_length = 32)]
    sig: Option<String>,
}

/// Bytes, for the description only.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
struct Image(());

/// The picture of a recording
///
/// Addresses come as `thumbnail_url` of a search; they cannot be made up.
#[utoipa::path(
    get, path = "/thumbnails/{provider}/{id}", tag = "images",
    params(
        ("provider" = String, Path, description = "`source_provider` of the recording.", example = "youtube"),
        ("id" = String, Path, description = "`source_id` of the recording.", example = "dQw4w9WgXcQ"),
        ThumbnailParams,
    ),
    responses(
        (status = 200, description = "The picture.", content(
            (Image = "image/jpeg"), (Image = "image/png"), (Image = "image/webp"), (Image = "image/gif"),
            (Image = "image/avif"),
        ), headers(("ETag" = String, description = "For `If-None-Match`."))),
        (status = 304, description = "The client has it already."),
        Problems<(BadQuery, BadSignature, Missing)>,
    ),
)]
async fn get_thumbnail(
    State(state): State<GatewayState>,
    Anyone(ctx): Anyone,
    headers: HeaderMap,
    Path((provider, id)): Path<(String, String)>,
    Query(params): Query<ThumbnailParams>,
) -> ApiResult<Response> {
    let source = SourceProvider::parse(&provider)
        .and_then(|provider| SourceRef::new(provider, &id).ok())
        .ok_or_else(|| ServiceError::not_found("This picture"))?;
    if !params.sig.is_some_and(|signature| state.images.verify(&source, &signature)) {
        return Err(ServiceError::forbidden("The signature in this picture's address does not hold.").into());
    }
    let image = state.search.thumbnail(&ctx, source).await?;
    let media_type = IMAGE_TYPES.into_iter().find(|known| *known == image.media_type);
    let (Some(media_type), Ok(bytes)) = (media_type, STANDARD.decode(&image.data)) else {
        let detail = "What came instead of a picture cannot be shown.";
        return Err(ServiceError::new(ErrorCode::BadGateway, detail).into());
    };
    let hash = digest::digest(&digest::SHA256, &bytes);
    let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]));
    let lasting = [
        (header::CACHE_CONTROL, CACHE_CONTROL),
        (header::ETAG, etag.as_str()),
        // Pictures are public; pages of other origins that we serve may show them.
        (RESOURCE_POLICY, "cross-origin"),
    ];
    if has_already(&headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, lasting).into_response());
    }
    Ok((lasting, [(header::CONTENT_TYPE, media_type)], bytes).into_response())
}

fn has_already(headers: &HeaderMap, etag: &str) -> bool {
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag)
}

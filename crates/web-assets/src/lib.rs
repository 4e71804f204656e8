//! The web page: its files, embedded in the binary, and the router that serves them. It knows nothing
//! of the API that the page talks to.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use rust_embed::RustEmbed;
use songkeep_domain::{ErrorCode, ServiceError};
use songkeep_http_kit::ApiError;

#[derive(RustEmbed)]
#[folder = "static/"]
struct Files;

const SHELL: &str = "index.html";

/// Paths that belong to programs: what is unknown there is a problem document, never the page.
const NOT_PAGES: [&str; 6] = ["api", "health", "internal", "js", "metrics", "ready"];

/// Serves the page and its files. It uses the router's fallback, so merge routes into it, not it into a
/// router with a fallback of its own.
pub fn router() -> Router {
    router_with_media(&[])
}

/// As [`router`], for a page that also plays from `origins`, such as `https://media.example.com`.
/// Entries that are no plain origins are left out.
pub fn router_with_media(origins: &[String]) -> Router {
    let policy: Arc<HeaderValue> = Arc::new(content_policy(origins));
    Router::new().fallback(serve).with_state(policy)
}

async fn serve(State(policy): State<Arc<HeaderValue>>, request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    let name = if path.is_empty() { SHELL } else { path };
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match Files::get(name) {
        Some(_) if !reads => method_not_allowed(),
        Some(file) => answer(name, file, &policy, request.headers()),
        None if reads && is_page(path, request.headers()) => match Files::get(SHELL) {
            Some(shell) => answer(SHELL, shell, &policy, request.headers()),
            None => not_found(),
        },
        None => not_found(),
    }
}

/// Whether an unknown path is a place within the page: a browser asks for a document.
fn is_page(path: &str, headers: &HeaderMap) -> bool {
    let first = path.split('/').next().unwrap_or_default();
    let wants_html = headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/html")));
    wants_html && !NOT_PAGES.contains(&first)
}

fn answer(name: &str, file: rust_embed::EmbeddedFile, policy: &HeaderValue, request: &HeaderMap) -> Response {
    let etag = format!("\"{}\"", &hex::encode(file.metadata.sha256_hash())[..32]);
    let mut response = if is_current(request, &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Response::new(Body::from(file.data));
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(name)));
        response
    };
    let headers = response.headers_mut();
    headers.insert(header::ETAG, HeaderValue::from_str(&etag).expect("hex is visible ASCII"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control(name)));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Links in mails carry tokens in the page's address.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert(
        "permissions-policy",
        HeaderValue::from_static("camera=(), microphone=(), geolocation=(), payment=()"),
    );
    response
}

fn is_current(request: &HeaderMap, etag: &str) -> bool {
    request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|known| {
        known.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
    })
}

fn cache_control(name: &str) -> &'static str {
    // The names of fonts carry their version. Other names carry none, so each use asks whether the file
    // is still the same.
    if name.starts_with("fonts/") { "public, max-age=31536000, immutable" } else { "no-cache" }
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("txt") => "text/plain; charset=utf-8",
        Some("webmanifest") => "application/manifest+json",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// No inline script or style, and nothing from other hosts but media from `origins`.
fn content_policy(origins: &[String]) -> HeaderValue {
    let is_origin = |origin: &&String| {
        origin.split_once("://").is_some_and(|(scheme, host)| {
            matches!(scheme, "http" | "https")
                && !host.is_empty()
                && host
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'))
        })
    };
    let media: String = origins.iter().filter(is_origin).map(|origin| format!(" {origin}")).collect();
    let policy = format!(
        "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         media-src 'self' blob:{media}; connect-src 'self'; font-src 'self'; object-src 'none'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).expect("the parts are visible ASCII")
}

fn not_found() -> Response {
    ApiError(ServiceError::not_found("This page")).into_response()
}

fn method_not_allowed() -> Response {
    let error = ServiceError::new(ErrorCode::MethodNotAllowed, "This file can only be read.");
    let mut response = ApiError(error).into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

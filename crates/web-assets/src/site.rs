//! One web app: a shell, which stands for all of its pages, and the files beside it.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use rust_embed::{EmbeddedFile, RustEmbed};
use songkeep_domain::{ErrorCode, ServiceError};
use songkeep_http_kit::ApiError;

use crate::{
    encoding::{self, ENCODINGS, Encoding},
    policy::content_policy,
};

const SHELL: &str = "index.html";

/// Where the built files are, which is no place for pages.
const BUILT: &str = "_app";

/// Files whose names change with their content.
const IMMUTABLE: &str = "_app/immutable/";

/// The files of a web app and the policy that its pages are sent with.
pub struct Site {
    find: fn(&str) -> Option<EmbeddedFile>,
    policy: HeaderValue,
}

impl Site {
    /// An app whose pages may also play from `media_origins`.
    pub fn new<Files: RustEmbed>(media_origins: &[String]) -> Self {
        let shell = Files::get(SHELL);
        let shell = shell.as_ref().map_or_else(Default::default, |file| String::from_utf8_lossy(&file.data));
        Self { find: Files::get, policy: content_policy(&shell, media_origins) }
    }

    /// Answers for `path`, which begins without a `/` and below the app's own base. An unknown path gets the
    /// shell when a browser asks for a page and `has_pages`.
    pub(crate) fn serve(
        &self,
        path: &str,
        has_pages: bool,
        method: &Method,
        headers: &HeaderMap,
    ) -> Response {
        let name = if path.is_empty() { SHELL } else { path };
        let reads = matches!(*method, Method::GET | Method::HEAD);
        match self.find(name) {
            Some(_) if !reads => method_not_allowed(),
            Some(file) => self.answer(name, file, headers),
            None if reads && has_pages && is_page(path, headers) => match self.find(SHELL) {
                Some(shell) => self.answer(SHELL, shell, headers),
                None => not_found(),
            },
            None => not_found(),
        }
    }

    /// A file by its name. The compressed forms beside it are no files of their own.
    fn find(&self, name: &str) -> Option<EmbeddedFile> {
        let is_form = ENCODINGS.iter().any(|form| name.ends_with(form.suffix()));
        if is_form { None } else { (self.find)(name) }
    }

    fn form(&self, name: &str, form: Encoding) -> Option<EmbeddedFile> {
        (self.find)(&format!("{name}{}", form.suffix()))
    }

    fn answer(&self, name: &str, plain: EmbeddedFile, request: &HeaderMap) -> Response {
        let has_forms = ENCODINGS.iter().any(|form| self.form(name, *form).is_some());
        let chosen = encoding::accepted(request)
            .into_iter()
            .find_map(|form| self.form(name, form).map(|file| (file, Some(form))));
        let (file, form) = chosen.unwrap_or((plain, None));
        // Each form has bytes of its own, and so a tag of its own.
        let etag = format!("\"{}\"", &hex::encode(file.metadata.sha256_hash())[..32]);
        let mut response = if is_current(request, &etag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let mut response = Response::new(Body::from(file.data));
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(name)));
            if let Some(form) = form {
                headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(form.name()));
            }
            response
        };
        let headers = response.headers_mut();
        if has_forms {
            headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        }
        headers.insert(header::ETAG, HeaderValue::from_str(&etag).expect("hex is visible ASCII"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache_control(name)));
        headers.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
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
}

/// Whether an unknown path is a place within the app: a browser asks for a document.
fn is_page(path: &str, headers: &HeaderMap) -> bool {
    let is_built = path.split('/').next() == Some(BUILT);
    let wants_html = headers
        .get_all(header::ACCEPT)
        .iter()
        .any(|accept| accept.to_str().is_ok_and(|accept| accept.contains("text/html")));
    wants_html && !is_built
}

fn is_current(request: &HeaderMap, etag: &str) -> bool {
    request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|known| {
        known.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == etag)
    })
}

fn cache_control(name: &str) -> &'static str {
    // The shell, the service worker and icons keep their names, so each use asks whether they are still the
    // same.
    if name.starts_with(IMMUTABLE) { "public, max-age=31536000, immutable" } else { "no-cache" }
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("webp") => "image/webp",
        Some("ico") => "image/x-icon",
        Some("txt") => "text/plain; charset=utf-8",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

pub(crate) fn not_found() -> Response {
    ApiError(ServiceError::not_found("This page")).into_response()
}

fn method_not_allowed() -> Response {
    let error = ServiceError::new(ErrorCode::MethodNotAllowed, "This file can only be read.");
    let mut response = ApiError(error).into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

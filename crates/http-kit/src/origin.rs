//! Who may call from a browser: the `Origin` rules, and CORS.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts};
use songkeep_domain::{ErrorCode, ServiceError};

use crate::{extract::RequestOrigin, problem::ApiError};

/// The origins that may call besides the request's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OriginPolicy {
    /// Stands for `https://<domain>`.
    pub app_domain: Option<String>,
    /// Origins such as `http://localhost:3000`.
    pub allowed: Vec<String>,
}

impl OriginPolicy {
    fn allows(&self, origin: &str) -> bool {
        let is_app = self.app_domain.as_ref().is_some_and(|domain| {
            origin.strip_prefix("https://").is_some_and(|host| host.eq_ignore_ascii_case(domain))
        });
        is_app || self.allowed.iter().any(|entry| entry.trim_end_matches('/').eq_ignore_ascii_case(origin))
    }
}

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CorsKind {
    /// The JSON API: foreign origins may neither change anything nor use the cookie.
    Api,
    /// Media under signed addresses: any page may play them, listed origins may read them.
    Media,
}

/// Applies the origin rules to every route and fallback of `router`. Answers preflights before
/// anything inside is asked, so it belongs around authentication and limits.
pub fn cors(router: Router, policy: OriginPolicy, kind: CorsKind) -> Router {
    match kind {
        CorsKind::Api => router.layer(from_fn_with_state(Arc::new(policy), guard_api)),
        CorsKind::Media => router.layer(from_fn_with_state(Arc::new(policy), open_media)),
    }
}

/// What the `Origin` header says.
enum Caller {
    /// No browser, or a browser's plain navigation.
    NoOrigin,
    /// Ours or listed; the header, to be echoed.
    Allowed(HeaderValue),
    Foreign,
}

fn caller(policy: &OriginPolicy, parts: &Parts) -> Caller {
    let mut values = parts.headers.get_all(header::ORIGIN).iter();
    let Some(value) = values.next() else { return Caller::NoOrigin };
    let Ok(origin) = value.to_str() else { return Caller::Foreign };
    // `null` is neither ours nor can it be listed: sandboxed frames of any page send it.
    if values.next().is_some() || origin.eq_ignore_ascii_case("null") {
        return Caller::Foreign;
    }
    let is_own = origin.to_ascii_lowercase() == RequestOrigin::of(parts).serialize();
    if is_own || policy.allows(origin) { Caller::Allowed(value.clone()) } else { Caller::Foreign }
}

async fn guard_api(State(policy): State<Arc<OriginPolicy>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let caller = caller(&policy, &parts);
    let mut response = match &caller {
        Caller::Allowed(_) if is_preflight(&parts) => {
            preflight("GET, POST, PATCH, DELETE", "Authorization, Content-Type, Last-Event-ID")
        }
        Caller::Foreign if is_preflight(&parts) || is_guarded(&parts) => refuse(),
        _ => next.run(Request::from_parts(parts, body)).await,
    };
    allow(response.headers_mut(), &caller, "X-Request-Id, Retry-After");
    response
}

async fn open_media(State(policy): State<Arc<OriginPolicy>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let caller = caller(&policy, &parts);
    let mut response = if parts.method == Method::OPTIONS {
        let mut response = match &caller {
            Caller::Allowed(_) if is_preflight(&parts) => {
                preflight("GET, HEAD", "Range, If-Range, If-None-Match")
            }
            _ => StatusCode::NO_CONTENT.into_response(),
        };
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD, OPTIONS"));
        response
    } else {
        next.run(Request::from_parts(parts, body)).await
    };
    let headers = response.headers_mut();
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("cross-origin"),
    );
    allow(headers, &caller, "Content-Range, Accept-Ranges, ETag, Content-Length");
    response
}

fn is_preflight(parts: &Parts) -> bool {
    parts.method == Method::OPTIONS && parts.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Calls that a foreign page must not make: those that change something or act by the cookie.
fn is_guarded(parts: &Parts) -> bool {
    let is_safe = matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
    !is_safe || parts.headers.contains_key(header::COOKIE)
}

fn refuse() -> Response {
    ApiError(ServiceError::new(ErrorCode::OriginNotAllowed, "Pages of this origin may not call here."))
        .into_response()
}

fn preflight(methods: &'static str, request_headers: &'static str) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(request_headers));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

/// Lets an allowed origin read the answer. `Vary` goes on every one, for caches.
fn allow(headers: &mut HeaderMap, caller: &Caller, exposed: &'static str) {
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Caller::Allowed(origin) = caller {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
    }
}

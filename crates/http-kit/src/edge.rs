//! The outermost layer of every listener: request id, panics, who the client is, access log, metrics
//! and security headers.

use std::{
    any::Any,
    hash::{BuildHasher as _, Hasher as _, RandomState},
    net::SocketAddr,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    extract::{ConnectInfo, MatchedPath, Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use futures::FutureExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header, request::Parts};
use http_body::Body as _;
use songkeep_api::{token::ServiceTokens, transport::SERVICE_TOKEN_HEADER};
use songkeep_domain::{ClientInfo, NodeRole, ServiceError};
use uuid::Uuid;

use crate::{
    client::{TrustedProxies, forwarded_client, last_value},
    extract::{RequestOrigin, sane_host},
    problem::{ApiError, REQUEST_ID, RequestId},
};

/// Header that carries the request's id, both ways.
pub(crate) const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// What proxies say of the client; consumed here, and never handed on as the client wrote it.
pub(crate) const FORWARDED_HEADERS: [&str; 8] = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-forwarded-server",
    "x-real-ip",
];

const MAX_REQUEST_ID: usize = 64;
const MAX_USER_AGENT_CHARS: usize = 256;
/// Longest path that goes into the log.
const MAX_LOGGED_PATH: usize = 256;
/// What the log and the metrics say of a request that the client gave up.
const ABANDONED: u16 = 499;

/// How a listener treats what comes in.
#[derive(Clone)]
pub struct EdgeSettings {
    /// Label of the metrics: `web`, `gateway`, `stream` or `internal`.
    pub listener: &'static str,
    pub trusted_proxies: TrustedProxies,
    /// The service tokens by which a web node of ours proves that its `X-Forwarded-*` are true, and the
    /// role they must be made for. None: only `trusted_proxies` count.
    pub peers: Option<(Arc<ServiceTokens>, NodeRole)>,
    /// Whether browsers shall insist on HTTPS.
    pub hsts: bool,
}

/// Puts the edge around a listener's whole router. Inside another edge it does nothing.
pub fn edge(router: Router, settings: EdgeSettings) -> Router {
    router.layer(from_fn_with_state(Arc::new(settings), pass))
}

/// Marks a request that an edge has seen.
#[derive(Clone, Copy)]
struct Passed;

/// The template of the route that answered, left on the answer by mounted routers: the edge sees only
/// the outer request.
#[derive(Clone)]
pub(crate) struct RouteTemplate(pub String);

async fn pass(State(settings): State<Arc<EdgeSettings>>, request: Request, next: Next) -> Response {
    if request.extensions().get::<Passed>().is_some() {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let request_id = request_id(&parts.headers);
    identify(&settings, &mut parts);
    parts.extensions.insert(Passed);
    parts.extensions.insert(request_id.clone());
    let record = Record::start(settings.listener, &parts, &request_id);
    let request = Request::from_parts(parts, body);

    // Polled inside the guard too: a service may panic before it returns its future.
    let guarded = AssertUnwindSafe(async { next.run(request).await }).catch_unwind();
    let answer = REQUEST_ID.scope(request_id.clone(), guarded).await;
    let mut response = answer.unwrap_or_else(|panic| {
        let error = ServiceError::internal(HandlerPanic(panic_text(panic.as_ref())));
        REQUEST_ID.sync_scope(request_id.clone(), || ApiError(error).into_response())
    });
    secure(&settings, response.headers_mut());
    if let Ok(value) = HeaderValue::from_str(&request_id.0) {
        response.headers_mut().insert(REQUEST_ID_HEADER, value);
    }
    record.finish(&response);
    response
}

#[derive(Debug, thiserror::Error)]
#[error("a handler panicked: {0}")]
struct HandlerPanic(String);

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
}

/// The caller's id when it is fit for logs, else a new one.
fn request_id(headers: &HeaderMap) -> RequestId {
    let sane = |text: &&str| {
        (1..=MAX_REQUEST_ID).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let given = headers.get(REQUEST_ID_HEADER).and_then(|value| value.to_str().ok()).filter(sane);
    RequestId(given.map_or_else(|| new_id().to_string(), str::to_owned))
}

/// A UUIDv7 whose random part is unique but no secret: it costs no system call.
fn new_id() -> Uuid {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Each state has other keys, from a random start.
    let number = || u128::from(RandomState::new().build_hasher().finish());
    let random = ((number() << 64) | number()).to_be_bytes();
    let [random @ .., _, _, _, _, _, _] = random;
    uuid::Builder::from_unix_timestamp_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(0), &random)
        .into_uuid()
}

/// Finds out who the client is and under which address it reached us, and takes away what says so in
/// the request, true or not.
fn identify(settings: &EdgeSettings, parts: &mut Parts) {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
    let trusted = peer.is_some_and(|ip| settings.trusted_proxies.contains(ip))
        || is_our_web_node(settings, &parts.headers);
    let mut origin = RequestOrigin::direct(parts);
    let mut ip = peer;
    let headers = &parts.headers;
    if trusted {
        ip = forwarded_client(headers, &settings.trusted_proxies).or(peer);
        match last_value(headers, "x-forwarded-proto") {
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => "https".clone_into(&mut origin.scheme),
            Some(scheme) if scheme.eq_ignore_ascii_case("http") => "http".clone_into(&mut origin.scheme),
            _ => {}
        }
        if let Some(host) = last_value(headers, "x-forwarded-host").and_then(sane_host) {
            origin.host = host;
        }
        origin.via_web = last_value(headers, "x-forwarded-prefix").is_some_and(|prefix| prefix == "/api");
    }
    let user_agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let user_agent = user_agent.map(|text| cut(text, MAX_USER_AGENT_CHARS).to_owned());
    parts.extensions.insert(ClientInfo { ip, user_agent });
    parts.extensions.insert(origin);
    for name in FORWARDED_HEADERS {
        parts.headers.remove(name);
    }
    if settings.peers.is_some() {
        parts.headers.remove(SERVICE_TOKEN_HEADER);
    }
}

/// Whether the request carries a web node's token for this listener.
fn is_our_web_node(settings: &EdgeSettings, headers: &HeaderMap) -> bool {
    let Some((tokens, role)) = &settings.peers else { return false };
    headers
        .get(SERVICE_TOKEN_HEADER)
        .and_then(|value| value.to_str().ok())
        .and_then(|token| tokens.verify(token, *role).ok())
        .is_some_and(|caller| caller.issuer == NodeRole::Web)
}

/// Adds the security headers that the answer does not set itself.
fn secure(settings: &EdgeSettings, headers: &mut HeaderMap) {
    const DEFAULTS: [(HeaderName, &str); 5] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if settings.hsts {
        let two_years = HeaderValue::from_static("max-age=63072000; includeSubDomains");
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(two_years);
    }
}

/// One line of the access log and its metrics, also for a request that nobody waits for any more.
struct Record {
    listener: &'static str,
    method: Method,
    /// Without the query: tokens stand there.
    path: String,
    route: Option<String>,
    request_id: String,
    started: Instant,
    finished: bool,
}

impl Record {
    fn start(listener: &'static str, parts: &Parts, request_id: &RequestId) -> Self {
        Self {
            listener,
            method: parts.method.clone(),
            path: cut(parts.uri.path(), MAX_LOGGED_PATH).to_owned(),
            route: parts.extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned()),
            request_id: request_id.0.clone(),
            started: Instant::now(),
            finished: false,
        }
    }

    fn finish(mut self, response: &Response) {
        self.finished = true;
        if let Some(RouteTemplate(route)) = response.extensions().get() {
            self.route = Some(route.clone());
        }
        let declared = response
            .headers()
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .filter(|_| self.method != Method::HEAD);
        self.write(response.status().as_u16(), declared.or_else(|| response.body().size_hint().exact()));
    }

    fn write(&self, status: u16, bytes: Option<u64>) {
        let elapsed = self.started.elapsed();
        let ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let Self { listener, method, path, request_id, .. } = self;
        if matches!(path.as_str(), "/health" | "/ready" | "/metrics") {
            tracing::debug!(listener, %method, path, status, ms, bytes, request_id, "request");
        } else {
            tracing::info!(listener, %method, path, status, ms, bytes, request_id, "request");
        }
        let route = self.route.clone().unwrap_or_else(|| "unmatched".to_owned());
        metrics::counter!(
            "songkeep_http_requests_total",
            "listener" => self.listener,
            "method" => method_label(method),
            "route" => route.clone(),
            "status" => status.to_string(),
        )
        .increment(1);
        metrics::histogram!(
            "songkeep_http_request_seconds", "listener" => self.listener, "route" => route,
        )
        .record(elapsed.as_secs_f64());
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.finished {
            self.write(ABANDONED, None);
        }
    }
}

/// The first so many characters.
fn cut(text: &str, chars: usize) -> &str {
    // Most are short, and need not be walked.
    if text.len() <= chars {
        return text;
    }
    text.char_indices().nth(chars).map_or(text, |(end, _)| &text[..end])
}

/// From a fixed set, for a client may make up methods.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

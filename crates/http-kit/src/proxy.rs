//! The reverse proxy to another process of ours. Bodies stream both ways, frame by frame: ranges,
//! events, backpressure and the end of either connection pass through.

use std::{
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    body::Body,
    extract::Request,
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri, Version, header,
    uri::{Authority, PathAndQuery, Scheme},
};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, Error as ClientError, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use songkeep_api::{
    outage::{Outage, Pauses},
    token::ServiceTokens,
    transport::SERVICE_TOKEN_HEADER,
};
use songkeep_domain::{ErrorCode, NodeRole, ServiceError, ServiceResult};
use tokio::time::Instant;

use crate::{
    edge::{FORWARDED_HEADERS, REQUEST_ID_HEADER},
    extract::{RequestOrigin, call_context, nothing_here},
    mount::has_dot_segment,
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// Shorter than our listeners keep idle connections, so that none is used just as it is closed.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(20);
const POOL_IDLE_CONNECTIONS: usize = 64;
/// When clients may try again after the other process failed.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Headers that concern one connection only (RFC 9110, 7.6.1), besides those `Connection` names.
const HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    // Answered by our own listener as soon as the body is read.
    header::EXPECT,
];

/// The address of a service cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{url:?} is no address of a service: it must be like http://gateway:8000, without query or user")]
pub struct InvalidTarget {
    pub url: String,
}

/// Another process's public listener. A clone shares the connections.
#[derive(Clone)]
pub struct ProxyTarget(Arc<Target>);

#[derive(Clone)]
struct Target {
    client: Client<HttpConnector, Upload>,
    authority: Authority,
    /// Path before every request's own, without a slash at its end; mostly empty.
    base_path: String,
    caller: NodeRole,
    service: NodeRole,
    tokens: Arc<ServiceTokens>,
    answer_timeout: Duration,
    outage: Arc<Outage>,
}

impl ProxyTarget {
    /// `base_url` is the listener's address, such as `http://gateway:8000`.
    ///
    /// # Errors
    /// When it is no plain HTTP address.
    pub fn new(
        base_url: &str,
        caller: NodeRole,
        service: NodeRole,
        tokens: Arc<ServiceTokens>,
    ) -> Result<Self, InvalidTarget> {
        let invalid = || InvalidTarget { url: without_user(base_url) };
        let uri: Uri = base_url.trim().parse().map_err(|_| invalid())?;
        let is_plain = uri.scheme() == Some(&Scheme::HTTP) && uri.query().is_none();
        let authority = uri
            .authority()
            .filter(|authority| is_plain && !authority.as_str().contains('@'))
            .ok_or_else(invalid)?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .pool_max_idle_per_host(POOL_IDLE_CONNECTIONS)
            .build(connector);
        Ok(Self(Arc::new(Target {
            client,
            authority: authority.clone(),
            base_path: uri.path().trim_end_matches('/').to_owned(),
            caller,
            service,
            tokens,
            answer_timeout: ANSWER_TIMEOUT,
            outage: Arc::default(),
        })))
    }

    /// How long the other process may take to begin its answer once it has the request; 30 s unless
    /// said otherwise. The answer's body may take any time.
    #[must_use]
    pub fn with_answer_timeout(mut self, timeout: Duration) -> Self {
        Arc::make_mut(&mut self.0).answer_timeout = timeout;
        self
    }

    /// # Errors
    /// 502, 503 or 504 when the other process gives no answer; 404 and 405 for what is not forwarded.
    pub(crate) async fn forward(&self, request: Request) -> ServiceResult<Response> {
        self.0.forward(request).await
    }
}

impl Target {
    async fn forward(&self, request: Request) -> ServiceResult<Response> {
        if has_dot_segment(request.uri().path()) {
            return Err(nothing_here());
        }
        if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
            return Err(ServiceError::new(ErrorCode::MethodNotAllowed, "This method is not allowed here."));
        }
        let (head, body) = self.outgoing(request)?;
        let body = Arc::new(Mutex::new(body));
        let mut pauses = Pauses::new();
        let answer = loop {
            let upload = Upload { body: body.clone(), progress: Arc::new(Progress::default()) };
            match self.answer(&head, upload).await? {
                // Nothing was sent, of the body neither: it can wait for a process that restarts.
                Err(error) if error.is_connect() && self.outage.goes_on() => {
                    tokio::time::sleep(pauses.next_pause()).await;
                }
                answer => break answer,
            }
        };
        let (mut parts, body) = answer.map_err(|error| self.no_answer(error))?.into_parts();
        self.outage.is_over();
        strip_hop_by_hop(&mut parts.headers);
        // The connection to our client has a version of its own.
        parts.version = Version::default();
        Ok(Response::from_parts(parts, Body::new(body)).into_response())
    }

    /// One attempt, with the client's error when the other process gave no answer.
    async fn answer(
        &self,
        head: &http::request::Parts,
        upload: Upload,
    ) -> ServiceResult<Result<http::Response<Incoming>, ClientError>> {
        let progress = upload.progress.clone();
        let mut call = pin!(self.client.request(http::Request::from_parts(head.clone(), upload)));
        loop {
            // Counted anew with every piece of the request: a long upload is no slow answer.
            let deadline = progress.last() + self.answer_timeout;
            match tokio::time::timeout_at(deadline, &mut call).await {
                Ok(answer) => return Ok(answer),
                Err(_) if progress.last() + self.answer_timeout > deadline => {}
                Err(_) if progress.waits_for_client.load(Ordering::Relaxed) => {
                    return Err(ServiceError::new(
                        ErrorCode::RequestTimeout,
                        "The body took too long to arrive.",
                    ));
                }
                Err(elapsed) => {
                    return Err(self.failure(ErrorCode::GatewayTimeout, "takes too long to answer", elapsed));
                }
            }
        }
    }

    /// What is sent to the other process.
    fn outgoing(&self, request: Request) -> ServiceResult<(http::request::Parts, Body)> {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let uri = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.authority.clone())
            .path_and_query(format!("{}{path}", self.base_path))
            .build()
            .map_err(|_| ServiceError::malformed("The address cannot be read."))?;
        let context = call_context(&parts);
        let origin = RequestOrigin::of(&parts);
        let token = self.tokens.sign(self.caller, self.service, &context)?;

        let mut headers = parts.headers;
        strip_hop_by_hop(&mut headers);
        for name in FORWARDED_HEADERS {
            headers.remove(name);
        }
        // Set anew by the client for the address it calls.
        headers.remove(header::HOST);
        join_cookies(&mut headers);
        let mut set = |name: HeaderName, value: &str| match HeaderValue::from_str(value) {
            Ok(value) => drop(headers.insert(name, value)),
            Err(_) => drop(headers.remove(name)),
        };
        set(HeaderName::from_static(SERVICE_TOKEN_HEADER), &token);
        set(HeaderName::from_static("x-forwarded-proto"), &origin.scheme);
        set(HeaderName::from_static("x-forwarded-host"), &origin.host);
        if origin.via_web {
            set(HeaderName::from_static("x-forwarded-prefix"), "/api");
        }
        if let Some(ip) = context.client.ip {
            set(HeaderName::from_static("x-forwarded-for"), &ip.to_string());
        }
        if !context.request_id.is_empty() {
            set(REQUEST_ID_HEADER, &context.request_id);
        }

        let (mut outgoing, ()) = http::Request::new(()).into_parts();
        outgoing.method = parts.method;
        outgoing.uri = uri;
        outgoing.headers = headers;
        Ok((outgoing, body))
    }

    fn no_answer(&self, error: ClientError) -> ServiceError {
        if error.is_connect() {
            self.failure(ErrorCode::Unavailable, "cannot be reached at the moment", error)
        } else {
            self.failure(ErrorCode::BadGateway, "gave an answer that could not be used", error)
        }
    }

    fn failure(
        &self,
        code: ErrorCode,
        words: &str,
        source: impl Into<songkeep_domain::error::BoxError>,
    ) -> ServiceError {
        ServiceError {
            retry_after: Some(RETRY_AFTER),
            ..ServiceError::new(code, format!("The {} service {words}.", self.service))
        }
        .with_source(source)
    }
}

/// An address for an error message: never with a password in it.
fn without_user(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}{}", &url[..scheme + 3], &url[at + 1..]),
        _ => url.to_owned(),
    }
}

fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// HTTP/2 splits the cookie into many headers; HTTP/1.1 knows one.
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() < 2 {
        return;
    }
    if let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}

/// How far the request's body has got.
struct Progress {
    last: Mutex<Instant>,
    /// The client owes the next piece, not the other process its answer.
    waits_for_client: AtomicBool,
}

impl Default for Progress {
    fn default() -> Self {
        Self { last: Mutex::new(Instant::now()), waits_for_client: AtomicBool::new(false) }
    }
}

impl Progress {
    fn last(&self) -> Instant {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(&self) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// The request's body on its way, watched. It is shared with whoever sends it again when no connection was
/// made; only one of them reads it.
struct Upload {
    body: Arc<Mutex<Body>>,
    progress: Arc<Progress>,
}

impl Upload {
    fn body(&self) -> MutexGuard<'_, Body> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl http_body::Body for Upload {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.progress.waits_for_client.store(true, Ordering::Relaxed);
        let frame = ready!(Pin::new(&mut *self.body()).poll_frame(cx));
        self.progress.waits_for_client.store(false, Ordering::Relaxed);
        self.progress.step();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body().size_hint()
    }
}

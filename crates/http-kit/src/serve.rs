//! Listening, serving, and an end that lets requests finish.

use std::{convert::Infallible, fmt, io, net::SocketAddr, time::Duration};

use axum::{Router, extract::ConnectInfo};
use http::{HeaderValue, Request, Version, header};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{
        conn::auto,
        graceful::{GracefulShutdown, Watcher},
    },
};
use songkeep_domain::{ErrorCode, ServiceError};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::{
    connection::{AnswerBody, IDLE_TIMEOUT, Phase, TimedIo},
    extract::nothing_here,
    problem::ApiError,
    upload::watch,
};

/// How long a request's head may take to arrive.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes that a request's head may have on HTTP/1, and what is written ahead of a slow client.
const HEAD_BYTES: usize = 64 * 1024;
const MAX_HEADERS: usize = 100;
const MAX_STREAMS: u32 = 200;
/// Pings on HTTP/2 connections, which have no idle timeout.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// Pause after the system has refused to accept, mostly for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// What was accepted last has so long to send its request before idle connections are closed.
const LAST_REQUESTS: Duration = Duration::from_millis(100);

/// A bound socket.
#[derive(Debug)]
pub struct Listener {
    name: &'static str,
    socket: TcpListener,
    addr: SocketAddr,
    head_timeout: Duration,
    draining: CancellationToken,
}

/// An address cannot be listened on. One line that says what to do.
#[derive(Debug)]
pub struct BindError {
    addr: SocketAddr,
    setting: String,
    source: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "address {} ({}) ", self.addr, self.setting)?;
        match self.source.kind() {
            io::ErrorKind::AddrInUse => {
                f.write_str("is in use already; stop what uses it or choose another one")
            }
            io::ErrorKind::AddrNotAvailable => {
                f.write_str("is no address of this machine; choose one that is, or 0.0.0.0 for all")
            }
            io::ErrorKind::PermissionDenied => {
                f.write_str("may not be used by this account; choose a port above 1023")
            }
            _ => f.write_str("cannot be listened on"),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

impl Listener {
    /// `name` is for the log, `setting` names where the address comes from.
    ///
    /// # Errors
    /// When the address is taken or not ours to take.
    pub async fn bind(name: &'static str, setting: &str, addr: SocketAddr) -> Result<Self, BindError> {
        let failed = |source| BindError { addr, setting: setting.to_owned(), source };
        let socket = TcpListener::bind(addr).await.map_err(failed)?;
        let addr = socket.local_addr().map_err(failed)?;
        Ok(Self { name, socket, addr, head_timeout: HEAD_TIMEOUT, draining: CancellationToken::new() })
    }

    /// How long a request's head may take to arrive; 15 s unless said otherwise. Bodies may take any time.
    #[must_use]
    pub fn with_head_timeout(mut self, timeout: Duration) -> Self {
        self.head_timeout = timeout;
        self
    }

    /// Once `draining` is cancelled every answer on HTTP/1 ends its connection, so that clients come back
    /// by another one, maybe to another process. Connections are taken until the shutdown all the same.
    #[must_use]
    pub fn with_draining(mut self, draining: CancellationToken) -> Self {
        self.draining = draining;
        self
    }

    /// With the real port, also when 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }
}

/// Serves HTTP/1.1 and HTTP/2 (without TLS) until `shutdown`; then accepts no more, lets running
/// requests finish for up to `grace`, and cuts what is left.
pub async fn serve(listener: Listener, router: Router, shutdown: CancellationToken, grace: Duration) {
    let Listener { name, socket, addr, head_timeout, draining } = listener;
    tracing::info!(listener = name, %addr, "listening");
    let mut open = Open {
        server: server(),
        router,
        head_timeout,
        draining,
        graceful: GracefulShutdown::new(),
        connections: JoinSet::new(),
    };
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            // Keeps the set as small as the number of open connections.
            Some(_) = open.connections.join_next() => continue,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => open.take(stream, peer),
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(listener = name, %error, "connections cannot be accepted at the moment");
                let _ = shutdown.run_until_cancelled(tokio::time::sleep(ACCEPT_PAUSE)).await;
            }
        }
    }
    open.draining.cancel();
    for (stream, peer) in already_connected(socket) {
        open.take(stream, peer);
    }
    tokio::time::sleep(LAST_REQUESTS.min(grace)).await;
    let Open { graceful, mut connections, .. } = open;
    if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
        tracing::warn!(
            listener = name,
            left = connections.len(),
            "the time to finish is over: cutting connections"
        );
    }
    connections.shutdown().await;
    tracing::info!(listener = name, "closed");
}

/// Closes the socket; the connections that the system has made for it already, which would be reset.
fn already_connected(socket: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let mut connected = Vec::new();
    // By the socket itself, as the runtime may not have heard of them.
    if let Ok(socket) = socket.into_std() {
        while let Ok((stream, peer)) = socket.accept() {
            let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            connected.extend(stream.ok().map(|stream| (stream, peer)));
        }
    }
    connected
}

/// The open connections of a listener, and what they are served with.
struct Open {
    server: Server,
    router: Router,
    head_timeout: Duration,
    draining: CancellationToken,
    graceful: GracefulShutdown,
    connections: JoinSet<()>,
}

impl Open {
    fn take(&mut self, stream: TcpStream, peer: SocketAddr) {
        // Events and small answers must not wait for a full packet.
        let _ = stream.set_nodelay(true);
        let phase = Phase::new();
        let io = TimedIo::new(stream, phase.clone(), self.head_timeout);
        let conversation = Conversation {
            server: self.server.clone(),
            router: self.router.clone(),
            draining: self.draining.clone(),
            phase,
            peer,
        };
        self.connections.spawn(conversation.hold(io, self.graceful.watcher()));
    }
}

type Server = auto::Builder<TokioExecutor>;

fn server() -> Server {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        // Covers the rest between two requests too; a head's own time is in `connection`.
        .header_read_timeout(IDLE_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .max_headers(MAX_HEADERS);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX))
        .max_concurrent_streams(MAX_STREAMS);
    server
}

/// One connection.
struct Conversation {
    server: Server,
    router: Router,
    draining: CancellationToken,
    phase: Phase,
    peer: SocketAddr,
}

impl Conversation {
    async fn hold(self, io: TimedIo<TcpStream>, watcher: Watcher) {
        let Self { server, router, draining, phase, peer } = self;
        let files = io.files();
        let service = service_fn(move |request: Request<Incoming>| {
            let version = request.version();
            let answering = phase.begin(version);
            let (mut request, upload) = watch(request);
            request.extensions_mut().insert(ConnectInfo(peer));
            if version < Version::HTTP_2 {
                request.extensions_mut().insert(files.clone());
            }
            let (router, phase, draining) = (router.clone(), phase.clone(), draining.clone());
            async move {
                let Ok(mut response) = router.oneshot(request).await;
                // HTTP/2 ends the one request, and not the connection.
                if version < Version::HTTP_2 {
                    let is_read = upload.finish().await;
                    if !is_read {
                        phase.leave_unread();
                    }
                    if !is_read || draining.is_cancelled() {
                        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                    }
                }
                Ok::<_, Infallible>(response.map(|body| AnswerBody { body, _answering: answering }))
            }
        });
        let connection = server.serve_connection(TokioIo::new(io), service).into_owned();
        if let Err(error) = watcher.watch(connection).await {
            tracing::debug!(%peer, error, "a connection ended early");
        }
    }
}

/// Errors that concern only the connection that was being accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

/// Makes problem documents of what no route answers (404) and of methods that a route does not know
/// (405 with `Allow`). Comes after the routes and before the layers.
pub fn fallbacks(router: Router) -> Router {
    method_fallback(router.fallback(|| async { ApiError(nothing_here()) }))
}

/// The half of [`fallbacks`] about methods, for a router that answers unknown paths itself.
pub fn method_fallback(router: Router) -> Router {
    router.method_not_allowed_fallback(|| async {
        ApiError(ServiceError::new(ErrorCode::MethodNotAllowed, "This method is not allowed here."))
    })
}

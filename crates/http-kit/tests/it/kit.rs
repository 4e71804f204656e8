//! What these tests share: a router on a socket, requests, and tokens.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, body::Body, extract::ConnectInfo};
use bytes::Bytes;
use futures::{Stream, stream};
use http::{HeaderMap, Request, Response, StatusCode};
use secrecy::SecretString;
use serde_json::Value;
use songkeep_api::token::ServiceTokens;
use songkeep_domain::{Clock, NodeRole, SystemClock};
use songkeep_http_kit::{EdgeSettings, Listener, TrustedProxies, edge, serve};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt as _;

/// How long anything on this machine may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub fn tokens() -> Arc<ServiceTokens> {
    tokens_by(Arc::new(SystemClock))
}

pub fn tokens_by(clock: Arc<dyn Clock>) -> Arc<ServiceTokens> {
    Arc::new(ServiceTokens::new(&SecretString::from("a secret of thirty-two characters"), clock))
}

pub fn settings(listener: &'static str) -> EdgeSettings {
    EdgeSettings { listener, trusted_proxies: TrustedProxies::default(), peers: None, hsts: false }
}

/// The edge of a listener that believes web nodes of ours.
pub fn settings_for(role: NodeRole) -> EdgeSettings {
    EdgeSettings { peers: Some((tokens(), role)), ..settings("gateway") }
}

pub fn proxies(entries: &[&str]) -> TrustedProxies {
    TrustedProxies::parse(&entries.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
}

pub const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// A router that serves on a socket of its own until dropped.
pub struct Served {
    pub addr: SocketAddr,
    pub shutdown: CancellationToken,
    pub task: JoinHandle<()>,
    _guard: DropGuard,
}

impl Served {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }
}

pub async fn start(router: Router) -> Served {
    start_with(router, ANY_PORT, |listener| listener, Duration::ZERO).await
}

pub async fn start_with(
    router: Router,
    addr: SocketAddr,
    configure: impl FnOnce(Listener) -> Listener,
    grace: Duration,
) -> Served {
    let listener = Listener::bind("test", "TEST_ADDR", addr).await.unwrap();
    let listener = configure(listener);
    let addr = listener.local_addr();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(serve(listener, router, shutdown.clone(), grace));
    Served { addr, _guard: shutdown.clone().drop_guard(), shutdown, task }
}

pub fn client() -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .build()
        .unwrap()
}

pub fn get(path: &str) -> Request<Body> {
    request("GET", path, &[])
}

/// A request as a listener sees it, from 127.0.0.1 unless changed.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header("host", "songs.test:3000");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    from_peer(request.body(Body::empty()).unwrap(), "127.0.0.1")
}

pub fn from_peer(mut request: Request<Body>, ip: &str) -> Request<Body> {
    let peer = SocketAddr::new(ip.parse().unwrap(), 50_000);
    request.extensions_mut().insert(ConnectInfo(peer));
    request
}

pub async fn ask(router: &Router, request: Request<Body>) -> Response<Body> {
    router.clone().oneshot(request).await.unwrap()
}

pub async fn body(response: Response<Body>) -> Bytes {
    axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap()
}

pub async fn json(response: Response<Body>) -> Value {
    serde_json::from_slice(&body(response).await).unwrap()
}

/// The problem document of an answer, checked for its form.
pub async fn problem(response: Response<Body>, status: u16, code: &str) -> Value {
    assert_eq!(response.status(), StatusCode::from_u16(status).unwrap());
    assert_eq!(header(response.headers(), "content-type"), "application/problem+json");
    let problem = json(response).await;
    assert_eq!(problem["status"], status);
    assert_eq!(problem["code"], code);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.ends_with('.'), "{detail:?} is no sentence");
    problem
}

/// A header's value, empty when there is none.
pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// A raw connection, for what no client would send.
pub async fn connect(addr: SocketAddr, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// Reads until what has come contains `end`, or the other side closes.
pub async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    let mut chunk = [0; 4096];
    let reading = async {
        while !String::from_utf8_lossy(&text).contains(end) {
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => break,
                Ok(count) => text.extend_from_slice(&chunk[..count]),
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

/// Reads to the end of the connection.
pub async fn read_to_end(stream: &mut TcpStream) -> String {
    read_until(stream, "\u{0}never\u{0}").await
}

/// Polls until `holds`, with a deadline.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A stream that never yields, and tells by the token when it is dropped.
pub fn silence(dropped: &CancellationToken) -> impl Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    let guard = dropped.clone().drop_guard();
    stream::once(async move {
        let _guard = guard;
        std::future::pending().await
    })
}

/// Everything that is logged on this thread while the guard lives.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn capture(&self) -> tracing::subscriber::DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_ansi(false)
            .with_writer(move || log.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// `router` behind an edge.
pub fn edged(router: Router) -> Router {
    edge(router, settings("gateway"))
}

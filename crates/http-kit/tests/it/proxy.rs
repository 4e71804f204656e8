//! The reverse proxy over real connections: what passes, what does not, and what becomes of failures.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    routing::{any, get as on_get, post},
};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use songkeep_domain::NodeRole;
use songkeep_http_kit::{Mount, ProxyTarget, edge, fallbacks, nest_api};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::Notify,
};
use tokio_util::sync::CancellationToken;

use crate::kit::{
    PATIENCE, Served, client, connect, eventually, header, read_to_end, read_until, settings, silence, start,
    start_with, tokens,
};

fn target(addr: SocketAddr) -> ProxyTarget {
    ProxyTarget::new(&format!("http://{addr}"), NodeRole::Web, NodeRole::Gateway, tokens()).unwrap()
}

/// A web listener in front of a gateway at `addr`.
async fn web_before(target: ProxyTarget) -> Served {
    let page = fallbacks(Router::new().route("/", on_get(|| async { "page" })));
    let router = nest_api(page, Mount::Remote(target.clone()), Mount::Remote(target));
    start(edge(router, settings("web"))).await
}

async fn problem_of(response: reqwest::Response, status: u16, code: &str) -> Value {
    assert_eq!(response.status(), StatusCode::from_u16(status).unwrap());
    assert_eq!(header(response.headers(), "content-type"), "application/problem+json");
    let seconds: u64 = header(response.headers(), "retry-after").parse().unwrap();
    assert!(seconds >= 1);
    let problem: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
    assert_eq!(problem["code"], code);
    assert!(!problem["instance"].as_str().unwrap().is_empty());
    problem
}

#[tokio::test]
async fn ranges_and_statuses_pass_untouched() {
    let song = any(|headers: HeaderMap| async move {
        assert_eq!(header(&headers, "range"), "bytes=2-4");
        assert_eq!(header(&headers, "if-range"), "\"tag\"");
        let answer = [("content-range", "bytes 2-4/10"), ("etag", "\"tag\""), ("accept-ranges", "bytes")];
        (StatusCode::PARTIAL_CONTENT, answer, "234")
    });
    let upstream = start(Router::new().route("/public/stream/{id}", song)).await;
    let web = web_before(target(upstream.addr)).await;
    let answer = client()
        .get(web.url("/api/public/stream/7?token=x"))
        .header("range", "bytes=2-4")
        .header("if-range", "\"tag\"")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 206);
    assert_eq!(header(answer.headers(), "content-range"), "bytes 2-4/10");
    assert_eq!(header(answer.headers(), "content-length"), "3");
    assert_eq!(header(answer.headers(), "etag"), "\"tag\"");
    assert_eq!(answer.text().await.unwrap(), "234");
    let head = client()
        .head(web.url("/api/public/stream/7?token=x"))
        .header("range", "bytes=2-4")
        .header("if-range", "\"tag\"")
        .send()
        .await
        .unwrap();
    assert_eq!((head.status().as_u16(), header(head.headers(), "content-length")), (206, "3"));
}

#[tokio::test]
async fn redirects_are_the_clients_to_follow() {
    let moved = on_get(|| async { (StatusCode::FOUND, [("location", "http://other.test/x")]) });
    let upstream = start(Router::new().route("/moved", moved)).await;
    let web = web_before(target(upstream.addr)).await;
    let answer = client().get(web.url("/api/moved")).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    assert_eq!(header(answer.headers(), "location"), "http://other.test/x");
}

#[tokio::test]
async fn large_bodies_stream_both_ways() {
    let echo =
        post(|request: Request| async move { Body::from_stream(request.into_body().into_data_stream()) });
    let upstream = start(Router::new().route("/echo", echo)).await;
    let web = web_before(target(upstream.addr)).await;
    let chunks =
        stream::iter((0..64_u8).map(|number| Ok::<_, Infallible>(Bytes::from(vec![number; 64 * 1024]))));
    let answer =
        client().post(web.url("/api/echo")).body(reqwest::Body::wrap_stream(chunks)).send().await.unwrap();
    let body = answer.bytes().await.unwrap();
    assert_eq!(body.len(), 64 * 64 * 1024);
    assert!(
        body.chunks(64 * 1024)
            .enumerate()
            .all(|(number, chunk)| chunk.iter().all(|&byte| usize::from(byte) == number))
    );
}

#[tokio::test]
async fn events_arrive_one_by_one() {
    let next = Arc::new(Notify::new());
    let events = on_get(|State(next): State<Arc<Notify>>| async move {
        let events = stream::unfold(0, move |number| {
            let next = next.clone();
            async move {
                if number > 0 {
                    next.notified().await;
                }
                let event = Bytes::from(format!("event: job\ndata: {number}\n\n"));
                Some((Ok::<_, Infallible>(event), number + 1))
            }
        });
        ([("content-type", "text/event-stream")], Body::from_stream(events))
    });
    let upstream = start(Router::new().route("/events", events).with_state(next.clone())).await;
    let web = web_before(target(upstream.addr)).await;
    let mut answer = client().get(web.url("/api/events")).send().await.unwrap();
    for number in 0..5 {
        // The next one is made only after this one has arrived.
        let event = answer.chunk().await.unwrap().unwrap();
        assert_eq!(event, format!("event: job\ndata: {number}\n\n"));
        next.notify_one();
    }
}

#[tokio::test]
async fn a_client_that_leaves_ends_the_upstream_body() {
    let dropped = CancellationToken::new();
    let events = on_get(|State(dropped): State<CancellationToken>| async move {
        let first = stream::once(async { Ok(Bytes::from_static(b": hello\n\n")) });
        Body::from_stream(first.chain(silence(&dropped)))
    });
    let upstream = start(Router::new().route("/events", events).with_state(dropped.clone())).await;
    let web = web_before(target(upstream.addr)).await;
    let mut stream = connect(web.addr, "GET /api/events HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(read_until(&mut stream, ": hello").await.contains("200 OK"));
    assert!(!dropped.is_cancelled());
    drop(stream);
    tokio::time::timeout(PATIENCE, dropped.cancelled()).await.unwrap();
}

#[tokio::test]
async fn a_client_that_leaves_before_the_answer_cancels_the_upstream_request() {
    let (begun, dropped) = (Arc::new(Notify::new()), CancellationToken::new());
    let state = (begun.clone(), dropped.clone());
    let slow = on_get(|State((begun, dropped)): State<(Arc<Notify>, CancellationToken)>| async move {
        let _guard = dropped.drop_guard();
        begun.notify_one();
        std::future::pending::<&'static str>().await
    });
    let upstream = start(Router::new().route("/slow", slow).with_state(state)).await;
    let web = web_before(target(upstream.addr)).await;
    let stream = connect(web.addr, "GET /api/slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    tokio::time::timeout(PATIENCE, begun.notified()).await.unwrap();
    drop(stream);
    tokio::time::timeout(PATIENCE, dropped.cancelled()).await.unwrap();
}

#[tokio::test]
async fn a_slow_client_slows_the_upstream() {
    const CHUNK: usize = 64 * 1024;
    let made = Arc::new(AtomicUsize::new(0));
    let endless = on_get(|State(made): State<Arc<AtomicUsize>>| async move {
        let chunks = stream::repeat_with(move || {
            made.fetch_add(1, Ordering::SeqCst);
            Ok::<_, Infallible>(Bytes::from_static(&[7; CHUNK]))
        });
        Body::from_stream(chunks)
    });
    let upstream = start(Router::new().route("/endless", endless).with_state(made.clone())).await;
    let web = web_before(target(upstream.addr)).await;
    let mut stream = connect(web.addr, "GET /api/endless HTTP/1.1\r\nhost: x\r\n\r\n").await;
    read_until(&mut stream, "\r\n\r\n").await;

    // Nobody reads: the buffers on the way fill up, and then nothing more is made.
    let still = Arc::new(AtomicUsize::new(0));
    let (mut last, mut unchanged) = (0, 0);
    eventually("the upstream stands still", || {
        let now = made.load(Ordering::SeqCst);
        unchanged = if now == last { unchanged + 1 } else { 0 };
        last = now;
        still.store(now, Ordering::SeqCst);
        unchanged >= 50
    })
    .await;
    let stood = still.load(Ordering::SeqCst);
    assert!(stood * CHUNK < 64 * 1024 * 1024, "{stood} chunks were read ahead");

    let mut sink = vec![0; CHUNK];
    for _ in 0..stood {
        stream.read_exact(&mut sink).await.unwrap();
    }
    eventually("the upstream goes on", || made.load(Ordering::SeqCst) > stood).await;
}

#[tokio::test]
async fn a_service_that_is_down_is_a_503() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    drop(socket);
    let web = web_before(target(addr)).await;
    for path in ["/api/auth/me", "/api", "/api/public/stream/7"] {
        let problem = problem_of(client().get(web.url(path)).send().await.unwrap(), 503, "unavailable").await;
        assert!(!problem.to_string().contains(&addr.to_string()));
    }
    assert_eq!(client().get(web.url("/")).send().await.unwrap().text().await.unwrap(), "page");
}

#[tokio::test]
async fn a_request_waits_for_a_service_that_restarts_with_its_body() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    drop(socket);
    let web = web_before(target(addr)).await;
    let back = async {
        // The restart takes a moment.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let echo = Router::new().route("/echo", post(|body: Bytes| async { body }));
        start_with(echo, addr, |listener| listener, Duration::ZERO).await
    };
    let body = vec![b'x'; 300_000];
    let (answer, _served) = tokio::join!(client().post(web.url("/api/echo")).body(body.clone()).send(), back);
    assert_eq!(answer.unwrap().bytes().await.unwrap(), body);
}

#[tokio::test]
async fn a_service_that_answers_rubbish_is_a_502() {
    for rubbish in ["this is not http\r\n\r\n", "HTTP/1.1 abc\r\n\r\n", ""] {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        let upstream = tokio::spawn(async move {
            let (mut stream, _) = socket.accept().await.unwrap();
            read_until(&mut stream, "\r\n\r\n").await;
            stream.write_all(rubbish.as_bytes()).await.unwrap();
        });
        let web = web_before(target(addr)).await;
        let answer = client().get(web.url("/api/auth/me")).send().await.unwrap();
        problem_of(answer, 502, "bad_gateway").await;
        upstream.await.unwrap();
    }
}

#[tokio::test]
async fn a_service_that_never_answers_is_a_504_and_is_let_go() {
    let dropped = CancellationToken::new();
    let never = any(|State(dropped): State<CancellationToken>| async move {
        let _guard = dropped.drop_guard();
        std::future::pending::<&'static str>().await
    });
    let upstream = start(Router::new().route("/never", never).with_state(dropped.clone())).await;
    let web = web_before(target(upstream.addr).with_answer_timeout(Duration::from_millis(200))).await;
    let answer = client().get(web.url("/api/never")).send().await.unwrap();
    problem_of(answer, 504, "gateway_timeout").await;
    tokio::time::timeout(PATIENCE, dropped.cancelled()).await.unwrap();
}

#[tokio::test]
async fn a_long_upload_is_no_slow_answer_but_a_stalled_one_is_the_clients_fault() {
    let length = post(|request: Request| async move {
        let body = axum::body::to_bytes(request.into_body(), usize::MAX).await;
        body.map(|body| body.len().to_string()).unwrap_or_default()
    });
    let upstream = start(Router::new().route("/length", length)).await;
    let web = web_before(target(upstream.addr).with_answer_timeout(Duration::from_millis(400))).await;
    let pieces = stream::unfold(0, |number| async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        (number < 10).then(|| (Ok::<_, Infallible>(Bytes::from_static(b"0123456789")), number + 1))
    });
    let answer =
        client().post(web.url("/api/length")).body(reqwest::Body::wrap_stream(pieces)).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "100");

    let mut stream =
        connect(web.addr, "POST /api/length HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n12").await;
    assert!(read_until(&mut stream, "request_timeout").await.contains(" 408 "));
}

#[tokio::test]
async fn headers_of_one_connection_and_forged_words_stay_where_they_are() {
    let seen = any(|headers: HeaderMap| async move {
        let lines: Vec<[String; 2]> = headers
            .iter()
            .map(|(name, value)| [name.to_string(), value.to_str().unwrap().to_owned()])
            .collect();
        let answer = [
            ("connection", "x-private"),
            ("x-private", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-authenticate", "Basic"),
            ("x-kept", "yes"),
        ];
        (answer, axum::Json(json!(lines)))
    });
    let upstream = start(Router::new().route("/seen", seen)).await;
    let web = web_before(target(upstream.addr)).await;
    let forged = "GET /api/seen?q=1 HTTP/1.1\r\nhost: songs.test:3000\r\n\
        connection: close, x-own, x-forwarded-for\r\nx-own: 1\r\nte: trailers\r\nproxy-authorization: Basic x\r\n\
        upgrade: websocket\r\nexpect: nothing\r\nkeep-alive: 5\r\n\
        x-service-token: forged\r\nx-forwarded-for: 6.6.6.6\r\nx-forwarded-proto: https\r\n\
        x-forwarded-host: evil.test\r\nx-forwarded-prefix: /evil\r\nx-real-ip: 6.6.6.6\r\nforwarded: for=6.6.6.6\r\n\
        authorization: Bearer kept\r\ncookie: a=1\r\nx-request-id: r7\r\n\r\n";
    let mut stream = connect(web.addr, forged).await;
    let answer = read_to_end(&mut stream).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("200 OK"), "{answer}");
    assert!(head.contains("x-kept: yes"));
    for gone in ["x-private", "keep-alive: timeout", "proxy-authenticate"] {
        assert!(!head.contains(gone), "{gone} came back: {head}");
    }
    let lines: Vec<[String; 2]> = serde_json::from_str(body).unwrap();
    let value = |name: &str| {
        let values: Vec<&str> =
            lines.iter().filter(|line| line[0] == name).map(|line| line[1].as_str()).collect();
        values.join("|")
    };
    for gone in
        ["x-own", "te", "proxy-authorization", "upgrade", "expect", "keep-alive", "x-real-ip", "forwarded"]
    {
        assert_eq!(value(gone), "", "{gone} was handed on");
    }
    assert_eq!(value("x-forwarded-for"), "127.0.0.1");
    assert_eq!(value("x-forwarded-proto"), "http");
    assert_eq!(value("x-forwarded-host"), "songs.test:3000");
    assert_eq!(value("x-forwarded-prefix"), "/api");
    assert_eq!(value("host"), upstream.addr.to_string());
    assert_eq!(value("authorization"), "Bearer kept");
    assert_eq!(value("cookie"), "a=1");
    assert_eq!(value("x-request-id"), "r7");
    let caller = tokens().verify(&value("x-service-token"), NodeRole::Gateway).unwrap();
    assert_eq!((caller.issuer, caller.context.request_id.as_str()), (NodeRole::Web, "r7"));
    assert_eq!(caller.context.client.ip, Some("127.0.0.1".parse().unwrap()));
}

#[tokio::test]
async fn connections_to_the_service_are_reused() {
    let peers = Arc::new(std::sync::Mutex::new(std::collections::HashSet::new()));
    let seen = on_get(
        |State(peers): State<Arc<std::sync::Mutex<std::collections::HashSet<SocketAddr>>>>,
         axum::extract::ConnectInfo(peer): axum::extract::ConnectInfo<SocketAddr>| async move {
            peers.lock().unwrap().insert(peer);
            "ok"
        },
    );
    let upstream = start(Router::new().route("/seen", seen).with_state(peers.clone())).await;
    let web = web_before(target(upstream.addr)).await;
    for _ in 0..20 {
        let answer = client().get(web.url("/api/seen")).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "ok");
    }
    assert!(peers.lock().unwrap().len() <= 2, "{peers:?}");
}

#[test]
fn an_address_that_cannot_be_called_is_refused_without_its_password() {
    let make = |url: &str| ProxyTarget::new(url, NodeRole::Web, NodeRole::Gateway, tokens());
    for good in ["http://gateway:8000", "http://gateway:8000/", "http://[::1]:8000/base/", "HTTP://gateway"] {
        assert!(make(good).is_ok(), "{good}");
    }
    for wrong in [
        "",
        "gateway:8000",
        "/gateway",
        "https://gateway",
        "ftp://gateway",
        "http://g?x=1",
        "http://u:secret@g",
    ] {
        let Err(error) = make(wrong) else { panic!("{wrong} passed") };
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

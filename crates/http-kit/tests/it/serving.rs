//! Listening, slow connections, and the end.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, State},
    routing::get as on_get,
};
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use songkeep_http_kit::Listener;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Notify,
};
use tokio_util::sync::CancellationToken;

use crate::kit::{
    ANY_PORT, PATIENCE, Served, client, connect, read_to_end, read_until, silence, start, start_with,
};

const HEAD_TIMEOUT: Duration = Duration::from_millis(500);

async fn start_hurried(router: Router) -> Served {
    start_with(router, ANY_PORT, |listener| listener.with_head_timeout(HEAD_TIMEOUT), Duration::ZERO).await
}

fn hello() -> Router {
    Router::new()
        .route("/", on_get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }))
}

#[tokio::test]
async fn speaks_http_1_and_2_and_knows_the_peer() {
    let served = start(hello()).await;
    let answer = client().get(served.url("/")).send().await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_11);
    assert!(answer.text().await.unwrap().starts_with("127.0.0.1:"));
    let h2c = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let answer = h2c.get(served.url("/")).send().await.unwrap();
    assert_eq!(answer.version(), http::Version::HTTP_2);
    assert!(answer.text().await.unwrap().starts_with("127.0.0.1:"));
}

#[tokio::test]
async fn a_taken_address_is_one_clear_line() {
    let taken = Listener::bind("web", "SONGKEEP_WEB_ADDR", "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let addr = taken.local_addr();
    let error = Listener::bind("web", "SONGKEEP_WEB_ADDR", addr).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "address {addr} (SONGKEEP_WEB_ADDR) is in use already; stop what uses it or choose another one"
        )
    );
    let foreign = "192.0.2.1:8000".parse().unwrap();
    let error = Listener::bind("web", "SONGKEEP_WEB_ADDR", foreign).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("address 192.0.2.1:8000 (SONGKEEP_WEB_ADDR) is no address of this machine")
    );
}

#[tokio::test]
async fn heads_that_do_not_arrive_are_given_up() {
    let served = start_hurried(hello()).await;
    // Nothing, half a head, and the beginning of HTTP/2's preface.
    for text in ["", "GET / HTTP/1.1\r\nhost: ", "PRI * HT"] {
        let mut stream = connect(served.addr, text).await;
        let answer = read_to_end(&mut stream).await;
        assert!(!answer.contains("200"), "{text:?} was answered: {answer}");
    }
}

#[tokio::test]
async fn a_head_that_drips_is_given_up() {
    let served = start_hurried(hello()).await;
    let mut stream = TcpStream::connect(served.addr).await.unwrap();
    let dripping = async {
        let mut byte = [0];
        loop {
            // A closed connection shows as an end or an error of either side.
            if stream.write_all(b"G").await.is_err() {
                break;
            }
            let read = tokio::time::timeout(HEAD_TIMEOUT / 10, stream.read(&mut byte)).await;
            if matches!(read, Ok(Ok(0) | Err(_))) {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, dripping).await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_stays_and_its_next_head_is_timed_anew() {
    const REQUEST: &str = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let served = start_hurried(hello()).await;
    let mut stream = connect(served.addr, "").await;
    for _ in 0..2 {
        stream.write_all(REQUEST.as_bytes()).await.unwrap();
        assert!(read_until(&mut stream, "127.0.0.1:").await.contains("200 OK"));
        // Longer than a head may take, nothing happens.
        assert!(tokio::time::timeout(HEAD_TIMEOUT * 3, stream.read_u8()).await.is_err());
    }
    stream.write_all(b"GET / HT").await.unwrap();
    assert!(!read_to_end(&mut stream).await.contains("200"));
}

#[tokio::test]
async fn a_slow_body_is_not_cut() {
    let slow = on_get(|| async {
        let pieces = stream::unfold(0, |number| async move {
            tokio::time::sleep(HEAD_TIMEOUT / 2).await;
            (number < 6)
                .then(|| (Ok::<_, std::convert::Infallible>(Bytes::from(format!("<{number}>"))), number + 1))
        });
        Body::from_stream(pieces)
    });
    let served = start_hurried(Router::new().route("/", slow)).await;
    let text = client().get(served.url("/")).send().await.unwrap().text().await.unwrap();
    assert_eq!(text, "<0><1><2><3><4><5>");
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_body() {
    let dropped = CancellationToken::new();
    let quiet =
        on_get(
            |State(dropped): State<CancellationToken>| async move { Body::from_stream(silence(&dropped)) },
        );
    let served = start(Router::new().route("/", quiet).with_state(dropped.clone())).await;
    let mut stream = connect(served.addr, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    read_until(&mut stream, "\r\n\r\n").await;
    assert!(!dropped.is_cancelled());
    drop(stream);
    tokio::time::timeout(PATIENCE, dropped.cancelled()).await.unwrap();
}

/// A body that begins, waits for the signal, and ends.
fn in_two_parts(signal: &Arc<Notify>) -> Router {
    let body = on_get(|State(signal): State<Arc<Notify>>| async move {
        let first = stream::once(async { Ok::<_, std::convert::Infallible>(Bytes::from_static(b"first ")) });
        let last = stream::once(async move {
            signal.notified().await;
            Ok(Bytes::from_static(b"last"))
        });
        Body::from_stream(first.chain(last))
    });
    Router::new().route("/", body).with_state(signal.clone())
}

#[tokio::test]
async fn a_running_body_may_finish_within_the_grace_time() {
    let signal = Arc::new(Notify::new());
    let served =
        start_with(in_two_parts(&signal), ANY_PORT, |listener| listener, Duration::from_secs(60)).await;
    let mut idle = connect(served.addr, "").await;
    let mut answer = client().get(served.url("/")).send().await.unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "first ");
    served.shutdown.cancel();
    // Who has asked for nothing is let go, and nobody new comes in.
    assert_eq!(read_to_end(&mut idle).await, "");
    assert!(TcpStream::connect(served.addr).await.is_err());
    assert!(!served.task.is_finished());
    signal.notify_one();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "last");
    assert_eq!(answer.chunk().await.unwrap(), None);
    tokio::time::timeout(PATIENCE, served.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn while_draining_each_answer_ends_its_connection_and_new_ones_are_taken() {
    let draining = CancellationToken::new();
    let configure = |listener: Listener| listener.with_draining(draining.clone());
    let router = Router::new().route("/", on_get(|| async { "hello" }));
    let served = start_with(router, ANY_PORT, configure, Duration::from_secs(60)).await;
    let ask = "GET / HTTP/1.1\r\nHost: songs.test\r\n\r\n";
    let mut old = connect(served.addr, ask).await;
    let answer = read_until(&mut old, "hello").await.to_lowercase();
    assert!(!answer.contains("connection: close"), "{answer}");
    draining.cancel();
    old.write_all(ask.as_bytes()).await.unwrap();
    for mut stream in [old, connect(served.addr, ask).await] {
        let answer = read_to_end(&mut stream).await.to_lowercase();
        assert!(answer.starts_with("http/1.1 200") && answer.contains("\r\nconnection: close"), "{answer}");
    }
}

#[tokio::test]
async fn who_connects_as_the_listener_closes_is_answered() {
    let served = start_with(hello(), ANY_PORT, |listener| listener, Duration::from_secs(60)).await;
    // One runtime thread: the listener gets to see connection and shutdown at once.
    let mut late = std::net::TcpStream::connect(served.addr).unwrap();
    std::io::Write::write_all(&mut late, b"GET / HTTP/1.1\r\nHost: songs.test\r\n\r\n").unwrap();
    served.shutdown.cancel();
    late.set_nonblocking(true).unwrap();
    let mut late = TcpStream::from_std(late).unwrap();
    let answer = read_to_end(&mut late).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn what_runs_longer_than_the_grace_time_is_cut() {
    let signal = Arc::new(Notify::new());
    let served =
        start_with(in_two_parts(&signal), ANY_PORT, |listener| listener, Duration::from_millis(200)).await;
    let mut answer = client().get(served.url("/")).send().await.unwrap();
    assert_eq!(answer.chunk().await.unwrap().unwrap(), "first ");
    served.shutdown.cancel();
    tokio::time::timeout(PATIENCE, served.task).await.unwrap().unwrap();
    assert!(answer.chunk().await.is_err(), "the client learns that it is not the whole");
}

#[tokio::test]
async fn an_answer_to_a_body_that_nobody_read_says_whether_the_connection_goes_on() {
    let served = start(hello()).await;
    let post = |length: usize, rest: &str| {
        format!("POST / HTTP/1.1\r\nHost: songs.test\r\nContent-Length: {length}\r\n{rest}\r\n")
    };
    let mut stream = connect(served.addr, &post(30_000_000, "")).await;
    stream.write_all(&[b'x'; 50_000]).await.unwrap();
    let answer = read_until(&mut stream, "\r\n\r\n").await.to_lowercase();
    assert!(answer.starts_with("http/1.1 405") && answer.contains("\r\nconnection: close"), "{answer}");
    // Who goes on sending is not cut off in the middle of reading that.
    for _ in 0..20 {
        stream.write_all(&[b'x'; 50_000]).await.unwrap();
    }
    assert_eq!(read_until(&mut stream, "\0").await, "", "the end, and no reset");

    // It was never asked for, so it must not be waited for either.
    let mut stream = connect(served.addr, &post(10, "Expect: 100-continue\r\n")).await;
    let answer = read_to_end(&mut stream).await.to_lowercase();
    assert!(answer.starts_with("http/1.1 405") && answer.contains("\r\nconnection: close"), "{answer}");

    // A short one is read, however it arrives, and the next request finds its beginning.
    let mut stream = connect(served.addr, &post(10, "")).await;
    stream.write_all(b"01234").await.unwrap();
    stream.flush().await.unwrap();
    stream.write_all(b"56789GET / HTTP/1.1\r\nHost: songs.test\r\n\r\n").await.unwrap();
    let answers = read_until(&mut stream, "127.0.0.1:").await;
    assert!(answers.starts_with("HTTP/1.1 405") && answers.contains("HTTP/1.1 200"), "{answers}");
    assert!(!answers.to_lowercase().contains("connection: close"), "{answers}");
}

//! Bodies whose bytes the kernel sends out of a file.

use std::{fs::File, io::Write as _, ops::Range, sync::Arc, time::Duration};

use axum::{Extension, Router, body::Body, response::Response, routing::get as on_get};
use bytes::Bytes;
use futures::stream;
use http::header;
use songkeep_http_kit::{FileSender, send_file::MAX_PIECE};
use tokio::{io::AsyncReadExt as _, time::timeout};

use crate::kit::{PATIENCE, client, connect, start};

/// Several pieces, and more than the buffers of a connection hold.
const SIZE: usize = 40 * MAX_PIECE + 4_321;

fn content() -> Vec<u8> {
    (0..SIZE).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect()
}

fn file(bytes: &[u8]) -> Arc<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Arc::new(file)
}

/// Frames that stand for a range of the file, a text before each.
fn answer(sender: FileSender, file: Arc<File>, range: Range<u64>) -> Response {
    let (mut at, mut length, mut parts) = (range.start, 0, Vec::new());
    while at < range.end {
        let end = range.end.min(at + MAX_PIECE as u64);
        parts.push(at..end);
        length += 4 + end - at;
        at = end;
    }
    let frames = parts.into_iter().flat_map(move |part| {
        let (sender, file) = (sender.clone(), Arc::clone(&file));
        let text: Box<dyn FnOnce() -> Bytes + Send> = Box::new(|| Bytes::from_static(b"next"));
        let piece: Box<dyn FnOnce() -> Bytes + Send> = Box::new(move || sender.stand_in(file, part));
        [text, piece]
    });
    // A frame is made when the connection asks for it.
    let frames = stream::iter(frames.map(|frame| Ok::<_, std::io::Error>(frame())));
    Response::builder().header(header::CONTENT_LENGTH, length).body(Body::from_stream(frames)).unwrap()
}

fn expected(content: &[u8], range: Range<usize>) -> Vec<u8> {
    content[range].chunks(MAX_PIECE).flat_map(|piece| [b"next", piece].concat()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pieces_of_a_file_arrive_in_order_between_other_bytes() {
    let content = content();
    let file = file(&content);
    let router = Router::new().route(
        "/{start}",
        on_get(
            async move |axum::extract::Path(start): axum::extract::Path<u64>,
                        Extension(sender): Extension<FileSender>| {
                answer(sender, file, start..SIZE as u64)
            },
        ),
    );
    let served = start(router).await;
    // One client keeps its connection for all of them.
    let client = client();
    for start in [0, 1, 77_777, SIZE - 1, MAX_PIECE, 0] {
        let answer = client.get(served.url(&format!("/{start}"))).send().await.unwrap();
        let body = answer.bytes().await.unwrap();
        assert!(body == expected(&content, start..SIZE), "from {start}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_pauses_gets_the_rest_afterwards() {
    let content = content();
    let file = file(&content);
    let router = Router::new().route(
        "/",
        on_get(async move |Extension(sender): Extension<FileSender>| answer(sender, file, 0..SIZE as u64)),
    );
    let served = start(router).await;
    let mut stream = connect(served.addr, "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    // By then the server waits for room in the socket.
    let mut waiting = 0;
    timeout(PATIENCE, async {
        loop {
            let before = std::mem::replace(&mut waiting, rustix::io::ioctl_fionread(&stream).unwrap());
            if waiting > 0 && waiting == before {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    let mut body = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut body)).await.unwrap().unwrap();
    assert!(body == expected(&content, 0..SIZE));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_was_cut_off_breaks_the_connection() {
    let file = file(&content()[..MAX_PIECE]);
    let router = Router::new().route(
        "/",
        on_get(async move |Extension(sender): Extension<FileSender>| answer(sender, file, 0..SIZE as u64)),
    );
    let served = start(router).await;
    let answer = client().get(served.url("/")).send().await.unwrap();
    assert!(answer.bytes().await.is_err());
}

#[tokio::test]
async fn a_stand_in_that_is_sent_twice_breaks_the_connection() {
    let file = file(b"song");
    let router = Router::new().route(
        "/",
        on_get(async move |Extension(sender): Extension<FileSender>| {
            let frame = sender.stand_in(file, 0..4);
            Body::from_stream(stream::iter([frame.clone(), frame].map(Ok::<_, std::io::Error>)))
        }),
    );
    let served = start(router).await;
    let answer = client().get(served.url("/")).send().await.unwrap();
    assert!(answer.bytes().await.is_err());
}

#[tokio::test]
async fn only_requests_of_http_1_can_have_files_sent() {
    let router = Router::new()
        .route("/", on_get(async |sender: Option<Extension<FileSender>>| sender.is_some().to_string()));
    let served = start(router).await;
    assert_eq!(client().get(served.url("/")).send().await.unwrap().text().await.unwrap(), "true");
    let h2c = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    assert_eq!(h2c.get(served.url("/")).send().await.unwrap().text().await.unwrap(), "false");
}

//! Many listeners who take their time, over real connections.

use std::{net::SocketAddr, time::Duration};

use futures::future::join_all;
use songkeep_http_kit::{Listener, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::world::World;

/// More than the buffers of a connection hold.
const SIZE: usize = 4 * 1024 * 1024;
const LISTENERS: usize = 200;
const PATIENCE: Duration = Duration::from_secs(60);

struct Server {
    addr: SocketAddr,
    shutdown: CancellationToken,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

async fn start(world: &World) -> Server {
    let listener =
        Listener::bind("stream", "SONGKEEP_STREAM_ADDR", "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (addr, shutdown) = (listener.local_addr(), CancellationToken::new());
    tokio::spawn(serve(listener, world.router.clone(), shutdown.clone(), Duration::ZERO));
    Server { addr, shutdown }
}

/// Asks for the song and reads the answer's head; what came with it of the body, too.
async fn connect(addr: SocketAddr, request: &str) -> (TcpStream, String, Vec<u8>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let mut stream = socket.connect(addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut got = Vec::new();
    let end = loop {
        let mut buffer = [0; 1024];
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0, "closed before the head was whole");
        got.extend_from_slice(&buffer[..read]);
        if let Some(end) = got.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let body = got.split_off(end);
    (stream, String::from_utf8(got).unwrap(), body)
}

fn get(world: &World, headers: &str) -> String {
    format!("GET {} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n", world.address())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_listeners_who_stop_reading_hold_nothing_and_stop_nobody() {
    let world = World::new(SIZE).await;
    let server = start(&world).await;
    let request = get(&world, "");
    let waiting = timeout(PATIENCE, join_all((0..LISTENERS).map(|_| connect(server.addr, &request)))).await;
    let waiting = waiting.expect("all are answered");
    assert!(waiting.iter().all(|(_, head, _)| head.starts_with("HTTP/1.1 200 OK\r\n")));
    assert_eq!(world.catalog.inside(), 0, "nobody holds the store");

    // Nobody reads on, and one more listener is served as if alone.
    let (mut stream, head, mut body) = connect(server.addr, &request).await;
    assert!(head.contains(&format!("content-length: {SIZE}\r\n")), "{head}");
    timeout(PATIENCE, stream.read_to_end(&mut body)).await.expect("in time").unwrap();
    assert!(body == world.song);
    assert_eq!(world.catalog.inside(), 0);

    // After a long pause some read on and get the rest, after their right was checked again; the others
    // hang up.
    let asked = world.catalog.calls();
    world.clock.advance(Duration::from_secs(60));
    let rest = waiting.into_iter().take(20).map(|(mut stream, _, mut body)| {
        let song = &world.song;
        async move {
            stream.read_to_end(&mut body).await.unwrap();
            assert!(body == *song);
        }
    });
    timeout(PATIENCE, join_all(rest)).await.expect("in time");
    assert_eq!(world.catalog.inside(), 0);
    assert!(world.catalog.calls() > asked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_who_lost_the_right_while_pausing_gets_a_broken_connection() {
    let world = World::new(8 * SIZE).await;
    let server = start(&world).await;
    let (mut stream, _, mut body) = connect(server.addr, &get(&world, "")).await;
    world.catalog.revoke(world.access);
    world.clock.advance(Duration::from_secs(10));
    // An error or an early end, as the system sees it; never the whole song.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut body)).await.expect("in time");
    assert!(body.len() < world.song.len());
    assert!(world.song.starts_with(&body));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_song_that_is_not_in_memory_is_read_from_the_disk() {
    let world = World::new(SIZE).await;
    let server = start(&world).await;
    let path = world.folder.path().join("blobs").join(&world.target.storage_key);
    let file = std::fs::File::open(path).unwrap();
    file.sync_all().unwrap();
    // All of it, and then parts in between. A file system without disk keeps them, and nothing is lost.
    for (at, length) in [(0, None), (0, None), (300_000, 700_000.try_into().ok())] {
        rustix::fs::fadvise(&file, at, length, rustix::fs::Advice::DontNeed).unwrap();
        let (mut stream, _, mut body) = connect(server.addr, &get(&world, "")).await;
        timeout(PATIENCE, stream.read_to_end(&mut body)).await.expect("in time").unwrap();
        assert!(body == world.song);
    }
}

#[tokio::test]
async fn what_is_not_modified_has_no_length_and_no_body_on_the_wire() {
    let world = World::new(1_000).await;
    let server = start(&world).await;
    let condition = format!("If-None-Match: {}\r\n", world.etag());
    let (mut stream, head, mut body) = connect(server.addr, &get(&world, &condition)).await;
    stream.read_to_end(&mut body).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 304 Not Modified\r\n"), "{head}");
    assert!(!head.contains("content-length") && !head.contains("transfer-encoding"), "{head}");
    assert!(body.is_empty());
}

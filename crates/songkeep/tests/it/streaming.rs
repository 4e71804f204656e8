//! The bytes of songs, from both listeners that carry them: RFC 9110, other origins, rights that end
//! while bytes flow, and many who listen slowly.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use futures::future::join_all;
use reqwest::{Method, Response, StatusCode, header};
use serde_json::json;
use songkeep::backends::Backends;
use songkeep_domain::{
    Clock as _, EmailAddress, JobId, SongId, SourceProvider, SourceRef, SystemClock, UserId, UserRole,
    job::{ImportHints, JobStore as _, NewImport, Published},
    song::{Container, NewSong, SongMetadata, StoredAudio},
    user::{NewUser, UserStore as _},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::sleep,
};

use crate::{
    in_all_topologies,
    kit::{App, Listener, Topology, json_of, problem_of},
};

const SMALL: usize = 200_000;
/// More than all buffers between a player that does not read and the disk.
const LARGE: usize = 64 << 20;
const SOURCE: &str = "ShelvedSong";
/// By when an ended right has ended everywhere.
const REVOKED_WITHIN: Duration = Duration::from_secs(5);

/// Puts a song of `size` bytes into the catalogue, as if somebody had imported it; its bytes.
pub async fn shelve(backends: &Backends, source_id: &str, size: usize) -> Vec<u8> {
    let bytes = noise(size);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&bytes).unwrap();
    let stored = backends.blobs().unwrap().put_file(file.path(), "audio", "mp4").await.unwrap();
    let (now, user_id) = (SystemClock.now(), UserId::new());
    let owner = NewUser {
        id: user_id,
        email: EmailAddress::parse(&format!("{}@shelf.example", source_id.to_lowercase())).unwrap(),
        password_hash: None,
        role: UserRole::User,
        verified_at: Some(now),
        created_at: now,
    };
    let import = NewImport {
        id: JobId::new(),
        user_id,
        source: SourceRef::new(SourceProvider::Youtube, source_id).unwrap(),
        hints: ImportHints::default(),
        max_attempts: 1,
        traceparent: None,
    };
    let song = NewSong {
        id: SongId::new(),
        metadata: SongMetadata { title: format!("Song {source_id}"), ..SongMetadata::default() },
        audio: StoredAudio {
            container: Container::Mp4,
            codec: "opus".to_owned(),
            bitrate_kbps: 128,
            duration_ms: 180_000,
            sha256: stored.sha256,
            storage_key: stored.key,
            size_bytes: stored.size_bytes,
        },
    };
    let store = backends.store().unwrap();
    store.create_user(owner, None).await.unwrap();
    store.enqueue_import(import).await.unwrap();
    let claimed = store.claim_job("a shelf", Duration::from_secs(60)).await.unwrap().unwrap();
    let published = store.publish_import(&claimed.claim, song).await.unwrap();
    assert!(matches!(published, Published::Done { .. }));
    bytes
}

/// Takes a shelved song into a listener's library; its id.
pub async fn take(listener: &Listener<'_>, source_id: &str) -> String {
    let job = listener.import(source_id).await;
    assert_eq!(job["status"], "completed", "{job}");
    job["song_id"].as_str().unwrap().to_owned()
}

/// The address of a song's bytes on the web listener.
pub async fn web_stream_url(listener: &Listener<'_>, song: &str) -> String {
    let app = listener.app;
    let url = format!("{}/api/stream/{song}", app.web);
    let answer = app.client.get(url).bearer_auth(&listener.access).send().await.unwrap();
    let url = json_of(answer, StatusCode::OK).await["stream_url"].as_str().unwrap().to_owned();
    assert!(url.starts_with(&app.web), "{url}");
    url
}

/// Different at each place, and quickly made.
fn noise(size: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let word = (state >> 8).to_le_bytes();
        // The words of a whole page follow from the first, which is enough to tell places apart.
        for step in 0..512_u64 {
            bytes.extend_from_slice(&(u64::from_le_bytes(word) ^ step).to_le_bytes());
        }
    }
    bytes.truncate(size);
    bytes
}

async fn start(topology: Topology, size: usize) -> (App, Vec<u8>) {
    let mut bytes = Vec::new();
    let settings = [("CORS_ALLOWED_ORIGINS", "https://listed.example")];
    let app =
        App::start_after(topology, &settings, async |backends| bytes = shelve(backends, SOURCE, size).await);
    let app = app.await;
    (app, bytes)
}

in_all_topologies! {
    async fn both_listeners_answer_as_rfc_9110_wants(topology: Topology) {
        let (app, bytes) = start(topology, SMALL).await;
        let ada = app.listener("ada@example.com").await;
        let song = take(&ada, SOURCE).await;
        for url in [ada.stream_url(&song).await, web_stream_url(&ada, &song).await] {
            the_whole_song_has_its_headers(&app, &url, &bytes).await;
            parts_are_parts(&app, &url, &bytes).await;
            conditions_hold(&app, &url, &bytes).await;
            other_origins_may_play_and_listed_ones_may_read(&app, &url, &bytes).await;
        }
        app.stop().await;
    }
}

async fn ask(app: &App, method: Method, url: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = app.client.request(method, url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

fn text<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

async fn the_whole_song_has_its_headers(app: &App, url: &str, bytes: &[u8]) {
    let size = bytes.len().to_string();
    // Nothing on the way may press what is pressed already.
    let encodings = ("accept-encoding", "br, gzip, deflate, zstd");
    let answer = ask(app, Method::GET, url, &[encodings]).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!((text(&answer, "content-length"), text(&answer, "content-encoding")), (size.as_str(), ""));
    assert_eq!(text(&answer, "content-type"), "audio/mp4");
    assert_eq!(text(&answer, "accept-ranges"), "bytes");
    assert_eq!(text(&answer, "cross-origin-resource-policy"), "cross-origin");
    assert!(text(&answer, "cache-control").starts_with("private"));
    let etag = text(&answer, "etag").to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 10, "{etag}");
    assert!(text(&answer, "last-modified").ends_with(" GMT"));
    assert!(answer.bytes().await.unwrap() == *bytes, "other bytes");

    let head = ask(app, Method::HEAD, url, &[("range", "bytes=0-9")]).await;
    assert_eq!((head.status(), text(&head, "content-length")), (StatusCode::OK, size.as_str()));
    assert_eq!(text(&head, "etag"), etag);
    assert!(head.bytes().await.unwrap().is_empty());

    let options = ask(app, Method::OPTIONS, url, &[]).await;
    assert_eq!(options.status(), StatusCode::NO_CONTENT);
    assert_eq!(text(&options, "allow"), "GET, HEAD, OPTIONS");
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let answer = ask(app, method.clone(), url, &[]).await;
        assert!(text(&answer, "allow").contains("GET"), "{method}");
        assert_eq!(problem_of(answer, StatusCode::METHOD_NOT_ALLOWED).await, "method_not_allowed");
    }
}

async fn parts_are_parts(app: &App, url: &str, bytes: &[u8]) {
    let size = bytes.len();
    for (range, expected) in [
        ("bytes=0-0".to_owned(), 0..1),
        ("bytes=10-".to_owned(), 10..size),
        ("bytes=-1".to_owned(), size - 1..size),
        ("bytes=-99999999".to_owned(), 0..size),
        (format!("bytes={}-{}", size - 1, size), size - 1..size),
        ("bytes=100000-150000".to_owned(), 100_000..150_001),
    ] {
        let answer = ask(app, Method::GET, url, &[("range", &range)]).await;
        assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        let place = format!("bytes {}-{}/{size}", expected.start, expected.end - 1);
        assert_eq!(text(&answer, "content-range"), place, "{range}");
        assert!(answer.bytes().await.unwrap() == bytes[expected], "{range}: other bytes");
    }
    for range in [format!("bytes={size}-"), "bytes=-0".to_owned(), "bytes=99999999-99999999".to_owned()] {
        let answer = ask(app, Method::GET, url, &[("range", &range)]).await;
        assert_eq!(text(&answer, "content-range"), format!("bytes */{size}"), "{range}");
        assert_eq!(problem_of(answer, StatusCode::RANGE_NOT_SATISFIABLE).await, "range_not_satisfiable");
    }
    for range in ["bytes=x-y", "bytes=9-2", "items=0-9", "bytes", "bytes=", "bytes=1", "bytes=--1"] {
        let answer = ask(app, Method::GET, url, &[("range", range)]).await;
        assert_eq!((answer.status(), text(&answer, "content-range")), (StatusCode::OK, ""), "{range}");
        assert_eq!(answer.bytes().await.unwrap().len(), size, "{range}");
    }
    let answer = ask(app, Method::GET, url, &[("range", "bytes=0-3, 1000-1007,-2")]).await;
    assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
    let kind = text(&answer, "content-type").to_owned();
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let length: usize = text(&answer, "content-length").parse().unwrap();
    let body = answer.bytes().await.unwrap();
    assert_eq!(body.len(), length);
    let mut expected = Vec::new();
    for (index, part) in [0..4, 1_000..1_008, size - 2..size].into_iter().enumerate() {
        let line_end = if index == 0 { "" } else { "\r\n" };
        let (first, last) = (part.start, part.end - 1);
        let head = format!(
            "{line_end}--{boundary}\r\nContent-Type: audio/mp4\r\nContent-Range: bytes {first}-{last}/{size}\r\n\r\n"
        );
        expected.extend_from_slice(head.as_bytes());
        expected.extend_from_slice(&bytes[part]);
    }
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    assert!(body == expected, "{}", String::from_utf8_lossy(&body));
}

async fn conditions_hold(app: &App, url: &str, bytes: &[u8]) {
    let known = ask(app, Method::HEAD, url, &[]).await;
    let (etag, modified) = (text(&known, "etag"), text(&known, "last-modified"));
    let weak = format!("W/{etag}");
    let long_ago = "Sat, 01 Jan 2000 00:00:00 GMT";
    for (condition, part) in
        [(etag, true), (modified, true), (&weak, false), ("\"x\"", false), (long_ago, false), ("x", false)]
    {
        let answer = ask(app, Method::GET, url, &[("range", "bytes=2-5"), ("if-range", condition)]).await;
        let (status, length) =
            if part { (StatusCode::PARTIAL_CONTENT, 4) } else { (StatusCode::OK, bytes.len()) };
        assert_eq!(answer.status(), status, "If-Range: {condition}");
        assert_eq!(answer.bytes().await.unwrap().len(), length);
    }
    let list = format!("\"x\", {weak}");
    for headers in [
        &[("if-none-match", etag)][..],
        &[("if-none-match", list.as_str())],
        &[("if-none-match", "*"), ("range", "bytes=0-1")],
        &[("if-modified-since", modified)],
    ] {
        for method in [Method::GET, Method::HEAD] {
            let answer = ask(app, method, url, headers).await;
            assert_eq!(answer.status(), StatusCode::NOT_MODIFIED, "{headers:?}");
            assert_eq!((text(&answer, "etag"), text(&answer, "content-type")), (etag, ""));
            assert!(answer.bytes().await.unwrap().is_empty());
        }
    }
    for headers in [
        &[("if-none-match", "\"x\""), ("if-modified-since", modified)][..],
        &[("if-modified-since", long_ago)],
        &[("if-modified-since", "yesterday")],
    ] {
        assert_eq!(ask(app, Method::GET, url, headers).await.status(), StatusCode::OK, "{headers:?}");
    }
}

async fn other_origins_may_play_and_listed_ones_may_read(app: &App, url: &str, bytes: &[u8]) {
    let listed = ask(app, Method::GET, url, &[("origin", "https://listed.example"), ("range", "bytes=0-1")]);
    let listed = listed.await;
    assert_eq!(listed.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(text(&listed, "access-control-allow-origin"), "https://listed.example");
    assert_eq!(text(&listed, "access-control-allow-credentials"), "true");
    let exposed = text(&listed, "access-control-expose-headers");
    for name in ["Content-Range", "Accept-Ranges", "ETag", "Content-Length"] {
        assert!(exposed.contains(name), "{exposed}");
    }
    assert!(text(&listed, "vary").to_lowercase().contains("origin"));

    let preflight = [
        ("origin", "https://listed.example"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "range"),
    ];
    let answer = ask(app, Method::OPTIONS, url, &preflight).await;
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    assert_eq!(text(&answer, "access-control-allow-origin"), "https://listed.example");
    assert!(text(&answer, "access-control-allow-methods").contains("GET"));
    assert!(text(&answer, "access-control-allow-headers").contains("Range"));

    for origin in
        ["https://evil.example", "null", "https://listed.example.evil.example", "http://listed.example"]
    {
        let answer = ask(app, Method::GET, url, &[("origin", origin)]).await;
        assert_eq!(answer.status(), StatusCode::OK, "{origin}");
        assert_eq!(text(&answer, "access-control-allow-origin"), "", "{origin}");
        assert_eq!(text(&answer, "cross-origin-resource-policy"), "cross-origin");
        assert_eq!(answer.bytes().await.unwrap().len(), bytes.len());
    }
    // A page must be able to read why it hears nothing.
    let (bare, _) = url.split_once('?').unwrap();
    let answer = ask(app, Method::GET, bare, &[("origin", "https://listed.example")]).await;
    assert_eq!(text(&answer, "access-control-allow-origin"), "https://listed.example");
    assert_eq!(problem_of(answer, StatusCode::UNAUTHORIZED).await, "unauthenticated");
}

/// Reads on without haste until the body ends before its time.
pub async fn ends_early(mut body: Response, what: &str) {
    let mut received = 0;
    let started = Instant::now();
    // What was in the buffers when the right ended still arrives.
    let deadline = started + REVOKED_WITHIN + Duration::from_secs(3);
    loop {
        match body.chunk().await {
            Ok(Some(chunk)) => received += chunk.len(),
            Ok(None) => panic!("{what} came whole: {received} bytes"),
            Err(_) => return,
        }
        assert!(Instant::now() < deadline, "{what} still flows after {:?}", started.elapsed());
        sleep(Duration::from_millis(10)).await;
    }
}

/// A song's bytes that have begun to come.
pub async fn begin(app: &App, url: &str) -> Response {
    let mut body = app.client.get(url).send().await.unwrap();
    assert_eq!(body.status(), StatusCode::OK);
    assert!(body.chunk().await.unwrap().is_some());
    body
}

in_all_topologies! {
    async fn bytes_stop_with_the_session_and_with_the_library_entry(topology: Topology) {
        let (app, _) = start(topology, LARGE).await;
        let (ada, bob) = (app.listener("ada@example.com").await, app.listener("bob@example.com").await);
        let song = take(&ada, SOURCE).await;
        assert_eq!(take(&bob, SOURCE).await, song);
        let mut urls = Vec::new();
        for listener in [&ada, &bob] {
            urls.extend([listener.stream_url(&song).await, web_stream_url(listener, &song).await]);
        }
        let flowing = join_all(urls.iter().map(|url| begin(&app, url))).await;

        let removed = ada.call(Method::DELETE, &format!("/library/{song}")).send().await.unwrap();
        assert_eq!(removed.status(), StatusCode::NO_CONTENT);
        let cookie = format!("refresh_token={}", bob.refresh);
        let out = app.call(Method::POST, "/auth/logout").header(header::COOKIE, cookie).send().await.unwrap();
        assert_eq!(out.status(), StatusCode::OK);
        let ended_at = Instant::now();

        let what = ["Ada's", "Ada's through the web port", "Bob's", "Bob's through the web port"];
        join_all(flowing.into_iter().zip(what).map(|(body, what)| ends_early(body, what))).await;
        for (url, what) in urls.iter().zip(what) {
            loop {
                let answer = app.client.get(url).send().await.unwrap();
                if answer.status() == StatusCode::NOT_FOUND {
                    assert_eq!(problem_of(answer, StatusCode::NOT_FOUND).await, "not_found");
                    break;
                }
                assert!(ended_at.elapsed() < REVOKED_WITHIN, "{what}: {}", answer.status());
                sleep(Duration::from_millis(50)).await;
            }
        }
        // Who takes the song back hears it again, by a new address.
        assert_eq!(take(&ada, SOURCE).await, song);
        drop(begin(&app, &ada.stream_url(&song).await).await);
        app.stop().await;
    }
}

const SLOW_LISTENERS: usize = 300;
const SLOW_THROUGH_WEB: usize = 60;
/// For what takes milliseconds on an idle machine; the traps took 30 s and more.
const RESPONSIVE: Duration = Duration::from_secs(4);

in_all_topologies! {
    async fn three_hundred_slow_listeners_are_in_nobodys_way(topology: Topology) {
        let (app, bytes) = start(topology, 8 << 20).await;
        let ada = app.listener("ada@example.com").await;
        let song = take(&ada, SOURCE).await;
        let (direct, through_web) = (ada.stream_url(&song).await, web_stream_url(&ada, &song).await);
        let urls = std::iter::repeat_n(&direct, SLOW_LISTENERS)
            .chain(std::iter::repeat_n(&through_web, SLOW_THROUGH_WEB));
        let mut slow = join_all(urls.map(|url| listen_slowly(url))).await;

        // What all of them begin with comes first, from a service on the same machine.
        let opened = Instant::now();
        loop {
            let started = Instant::now();
            assert_eq!(ada.library().await.len(), 1);
            if started.elapsed() < RESPONSIVE / 8 {
                break;
            }
            assert!(opened.elapsed() < Duration::from_secs(30), "the library takes {:?}", started.elapsed());
        }
        for round in 0..20 {
            let started = Instant::now();
            assert_eq!(ada.library().await.len(), 1);
            assert_eq!(ada.get("/jobs").await["jobs"].as_array().unwrap().len(), 1);
            let part = app.client.get(&direct).header(header::RANGE, "bytes=1000-1999").send().await.unwrap();
            assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
            assert!(part.bytes().await.unwrap() == bytes[1_000..2_000]);
            assert!(started.elapsed() < RESPONSIVE, "round {round} took {:?}", started.elapsed());
        }
        let started = Instant::now();
        let bob = app.listener("bob@example.com").await;
        let edit = json!({ "title": "Mine" });
        take(&bob, SOURCE).await;
        let edited = bob.call(Method::PATCH, &format!("/library/{song}")).json(&edit).send().await.unwrap();
        assert_eq!(edited.status(), StatusCode::OK);
        assert!(started.elapsed() < RESPONSIVE * 2, "a newcomer took {:?}", started.elapsed());

        // All of them are still being served.
        for listener in &mut slow {
            let mut more = vec![0; 100_000];
            listener.read_exact(&mut more).await.unwrap();
        }
        drop(slow);
        app.stop().await;
    }
}

/// Has had the first bytes of a song and takes no more, with hardly any buffer for what comes.
async fn listen_slowly(url: &str) -> TcpStream {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 << 10).unwrap();
    let mut stream = socket.connect(host.parse().unwrap()).await.unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
    stream
}

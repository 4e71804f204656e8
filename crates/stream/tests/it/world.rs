//! A byte server over files, a fake catalog, a fake bus and a clock moved by hand, with one song that
//! one listener may hear.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use secrecy::SecretString;
use songkeep_api::{
    Problem,
    token::{StreamAccess, StreamTokens},
};
use songkeep_blob::FileBlobs;
use songkeep_domain::{
    Clock, SessionId, SongId, Timestamp, UserId, blob::BlobStore, library::StreamTarget, song::Container,
};
use songkeep_stream::{StreamPorts, StreamState, router};
use songkeep_testkit::clock::ManualClock;
use tower::ServiceExt;

use crate::fakes::{FakeBus, FakeCatalog};

/// Wed, 15 Nov 1995 06:25:24 GMT and a bit.
pub const CREATED_AT: Timestamp = Timestamp::from_micros(816_416_724_700_000);
pub const LAST_MODIFIED: &str = "Wed, 15 Nov 1995 06:25:24 GMT";

pub struct World {
    pub folder: tempfile::TempDir,
    pub router: Router,
    pub catalog: Arc<FakeCatalog>,
    pub bus: Arc<FakeBus>,
    pub clock: Arc<ManualClock>,
    pub tokens: StreamTokens,
    pub access: StreamAccess,
    pub target: StreamTarget,
    pub song: Vec<u8>,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn problem(&self) -> Problem {
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem: Problem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem.status, self.status.as_u16());
        assert!(problem.detail.ends_with('.'), "{}", problem.detail);
        problem
    }
}

pub fn secret() -> SecretString {
    SecretString::from("the internal secret of these tests")
}

impl World {
    /// With a song of so many bytes.
    pub async fn new(size: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blobs = FileBlobs::open(&folder.path().join("blobs")).unwrap();
        let song: Vec<u8> = (0..size).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect();
        let source = folder.path().join("source");
        std::fs::write(&source, &song).unwrap();
        let stored = blobs.put_file(&source, "audio", "mp4").await.unwrap();
        let target = StreamTarget {
            storage_key: stored.key,
            container: Container::Mp4,
            size_bytes: stored.size_bytes,
            sha256: stored.sha256,
            created_at: CREATED_AT,
        };
        let access =
            StreamAccess { user_id: UserId::new(), session_id: SessionId::new(), song_id: SongId::new() };
        let catalog = Arc::new(FakeCatalog::default());
        catalog.allow(access, target.clone());
        let bus = Arc::new(FakeBus::default());
        let clock = Arc::new(ManualClock::new());
        let tokens = StreamTokens::new(&secret(), Arc::clone(&clock) as Arc<dyn Clock>);
        let state = StreamState::new(StreamPorts {
            catalog: Arc::clone(&catalog) as _,
            blobs: Arc::new(blobs),
            bus: Arc::clone(&bus) as _,
            tokens: tokens.clone(),
            clock: Arc::clone(&clock) as _,
        });
        Self { folder, router: router(state), catalog, bus, clock, tokens, access, target, song }
    }

    pub fn token(&self) -> String {
        self.tokens.sign(self.access, Duration::from_secs(600)).unwrap()
    }

    /// The address that the listener was given.
    pub fn address(&self) -> String {
        self.address_with(&self.token())
    }

    pub fn address_with(&self, token: &str) -> String {
        format!("/public/stream/{}?token={token}", self.access.song_id)
    }

    pub fn etag(&self) -> String {
        format!("\"{}\"", self.target.sha256)
    }

    /// The answer, its body not read yet.
    pub async fn begin(
        &self,
        method: Method,
        address: &str,
        headers: &[(&str, &str)],
    ) -> http::Response<Body> {
        let mut request = Request::builder().method(method).uri(address);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    pub async fn request(&self, method: Method, address: &str, headers: &[(&str, &str)]) -> Answer {
        let (parts, body) = self.begin(method, address, headers).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// GET of the song by the listener's own address.
    pub async fn get(&self, headers: &[(&str, &str)]) -> Answer {
        self.request(Method::GET, &self.address(), headers).await
    }

    pub async fn head(&self, headers: &[(&str, &str)]) -> Answer {
        self.request(Method::HEAD, &self.address(), headers).await
    }

    /// Status of a GET by that address.
    pub async fn status(&self, address: &str) -> u16 {
        self.request(Method::GET, address, &[]).await.status.as_u16()
    }
}

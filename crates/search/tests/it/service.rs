//! What callers rely on, asked through the local and the HTTP client alike.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use songkeep_api::search::{Search, SearchClient, SearchRpc};
use songkeep_domain::{
    Actor, CallContext, ErrorCode, SessionId, SourceProvider, SourceRef, UserId, UserRole,
    media::{HitKind, SongSource, SourceError, SourceHit, SourceImage},
};
use songkeep_search::{SearchPorts, SearchService, SearchSettings};
use songkeep_testkit::remote;
use tokio::sync::Semaphore;

/// A source that knows a few songs, counts what it is asked and fails on demand.
struct FakeSource {
    searches: AtomicUsize,
    others: AtomicUsize,
    /// What the next calls fail with, last come first.
    failures: Mutex<Vec<SourceError>>,
    /// Calls wait here for a permit.
    gate: Semaphore,
    image_type: &'static str,
}

impl FakeSource {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            searches: AtomicUsize::new(0),
            others: AtomicUsize::new(0),
            failures: Mutex::default(),
            gate: Semaphore::new(10_000),
            image_type: "image/jpeg",
        })
    }

    fn fail_next(&self, error: SourceError) {
        self.failures.lock().unwrap().push(error);
    }

    async fn pass<T>(&self, answer: T) -> Result<T, SourceError> {
        let _permit = self.gate.acquire().await.unwrap();
        let failure = self.failures.lock().unwrap().pop();
        failure.map_or(Ok(answer), Err)
    }
}

fn known(id: &str) -> SourceHit {
    SourceHit {
        source: SourceRef::new(SourceProvider::Youtube, id).unwrap(),
        title: format!("Song {id}"),
        artists: vec!["Band".to_owned()],
        album: Some("Album".to_owned()),
        channel: None,
        channel_verified: false,
        duration_sec: Some(200),
        view_count: None,
        kind: HitKind::OfficialAudio,
        is_live: false,
    }
}

#[async_trait::async_trait]
impl SongSource for FakeSource {
    async fn search(&self, query: &str, limit: u32) -> Result<Vec<SourceHit>, SourceError> {
        self.searches.fetch_add(1, Ordering::SeqCst);
        let found = if query.contains("nothing") { 0 } else { limit };
        self.pass((0..found).map(|n| known(&format!("song-{n:06}"))).collect()).await
    }

    async fn describe(&self, source: &SourceRef) -> Result<SourceHit, SourceError> {
        self.others.fetch_add(1, Ordering::SeqCst);
        self.pass(known(source.id())).await
    }

    async fn thumbnail(&self, _: &SourceRef) -> Result<SourceImage, SourceError> {
        self.others.fetch_add(1, Ordering::SeqCst);
        let image = SourceImage {
            bytes: Bytes::from_static(b"\xff\xd8picture"),
            media_type: self.image_type.to_owned(),
        };
        self.pass(image).await
    }
}

/// The same service through both clients.
async fn clients(source: &Arc<FakeSource>) -> [SearchClient; 2] {
    let build = || {
        let ports = SearchPorts { source: Arc::clone(source) as Arc<dyn SongSource> };
        let settings =
            SearchSettings { source_timeout: Duration::from_secs(30), ..SearchSettings::default() };
        Arc::new(SearchService::new(ports, settings))
    };
    let remote = remote::serve(Arc::new(SearchRpc(build()))).await;
    [SearchClient::local(build()), SearchClient::http(remote)]
}

fn listener() -> CallContext {
    CallContext {
        request_id: "a-test".to_owned(),
        ..CallContext::for_actor(Actor {
            user_id: UserId::new(),
            session_id: SessionId::new(),
            role: UserRole::User,
        })
    }
}

fn query(q: &str, limit: u32) -> Search {
    Search { q: q.to_owned(), limit }
}

#[tokio::test]
async fn answers_ranked_hits_within_the_limit_and_counts_all() {
    for client in clients(&FakeSource::new()).await {
        let answer = client.search(&listener(), query("song band", 3)).await.unwrap();
        assert_eq!((answer.hits.len(), answer.total_candidates), (3, 20));
        assert_eq!(answer.version, "1");
        assert!(answer.hits.is_sorted_by(|a, b| a.confidence_score >= b.confidence_score));
    }
}

#[tokio::test]
async fn needs_a_signed_in_listener() {
    for client in clients(&FakeSource::new()).await {
        let nobody = CallContext { request_id: "a-test".to_owned(), ..CallContext::default() };
        let error = client.search(&nobody, query("song", 5)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Unauthenticated);
    }
}

#[tokio::test]
async fn refuses_bad_input_without_asking_the_source() {
    let source = FakeSource::new();
    for client in clients(&source).await {
        for (q, limit, field) in [
            ("", 5, "q"),
            ("   ", 5, "q"),
            ("a\0b", 5, "q"),
            ("a\nb", 5, "q"),
            (&"x".repeat(301), 5, "q"),
            ("https://example.com/song", 5, "q"),
            ("https://www.youtube.com/playlist?list=PL123", 5, "q"),
            ("song", 0, "limit"),
            ("song", 51, "limit"),
        ] {
            let error = client.search(&listener(), query(q, limit)).await.unwrap_err();
            assert_eq!(error.code, ErrorCode::Invalid, "{q:?}");
            assert_eq!(error.fields[0].field, field, "{q:?}");
        }
        assert!(client.search(&listener(), query(&"é".repeat(300), 50)).await.is_ok());
    }
    assert_eq!(source.others.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn equal_questions_reach_the_source_once() {
    let source = FakeSource::new();
    let [client, _] = clients(&source).await;
    for (q, limit) in [("Daft Punk", 3), ("  daft   PUNK ", 10), ("daft punk", 50)] {
        client.search(&listener(), query(q, limit)).await.unwrap();
    }
    assert_eq!(source.searches.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn equal_questions_at_the_same_time_reach_the_source_once() {
    let source = FakeSource::new();
    let [client, _] = clients(&source).await;
    let closed = source.gate.acquire_many(10_000).await.unwrap();
    let asked: Vec<_> = (0..20)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.search(&listener(), query("same", 5)).await })
        })
        .collect();
    drop(closed);
    for answer in asked {
        assert_eq!(answer.await.unwrap().unwrap().hits.len(), 5);
    }
    assert_eq!(source.searches.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_source_that_is_down_is_said_so_and_not_remembered() {
    for client in clients(&FakeSource::new()).await {
        let empty = client.search(&listener(), query("nothing at all", 5)).await.unwrap();
        assert_eq!((empty.hits.len(), empty.total_candidates), (0, 0));
    }
    let source = FakeSource::new();
    for client in clients(&source).await {
        for failure in [SourceError::Timeout, SourceError::Unavailable("secret detail".to_owned())] {
            source.fail_next(failure);
            let error = client.search(&listener(), query("song", 5)).await.unwrap_err();
            assert_eq!(error.code, ErrorCode::SearchUnavailable);
            assert!(error.retry_after.is_some_and(|after| after >= Duration::from_secs(1)));
            assert!(!error.detail.contains("secret"));
        }
        assert_eq!(client.search(&listener(), query("song", 5)).await.unwrap().hits.len(), 5);
    }
}

#[tokio::test]
async fn a_pasted_link_or_id_is_the_only_hit() {
    let source = FakeSource::new();
    for client in clients(&source).await {
        for q in ["https://youtu.be/dQw4w9WgXcQ?si=x", " www.youtube.com/watch?v=dQw4w9WgXcQ ", "dQw4w9WgXcQ"]
        {
            let answer = client.search(&listener(), query(q, 10)).await.unwrap();
            assert_eq!(answer.hits.len(), 1);
            assert_eq!(answer.hits[0].hit.source.id(), "dQw4w9WgXcQ");
            assert!((answer.hits[0].confidence_score - 1.0).abs() < f64::EPSILON);
            assert_eq!(answer.hits[0].reasons.len(), 1);
        }
    }
    assert_eq!(source.searches.load(Ordering::SeqCst), 0);
    assert_eq!(source.others.load(Ordering::SeqCst), 2, "described once by each service");
}

#[tokio::test]
async fn a_link_to_nothing_finds_nothing_and_a_word_like_an_id_is_searched_for() {
    let source = FakeSource::new();
    for client in clients(&source).await {
        source.fail_next(SourceError::NotFound);
        let answer = client.search(&listener(), query("https://youtu.be/dQw4w9WgXcQ", 10)).await.unwrap();
        assert_eq!(answer.hits.len(), 0);
        source.fail_next(SourceError::NotFound);
        let answer = client.search(&listener(), query("Maroon5Hits", 10)).await.unwrap();
        assert_eq!(answer.hits.len(), 10);
        source.fail_next(SourceError::Timeout);
        let error = client.search(&listener(), query("https://youtu.be/aaaaaaaaaaa", 10)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::SearchUnavailable);
    }
}

#[tokio::test]
async fn pictures_need_no_sign_in_and_are_fetched_once() {
    let source = FakeSource::new();
    let nobody = CallContext { request_id: "a-test".to_owned(), ..CallContext::default() };
    let song = known("dQw4w9WgXcQ").source;
    for client in clients(&source).await {
        for _ in 0..3 {
            let image = client.thumbnail(&nobody, song.clone()).await.unwrap();
            assert_eq!((image.media_type.as_str(), image.data.as_str()), ("image/jpeg", "/9hwaWN0dXJl"));
        }
    }
    assert_eq!(source.others.load(Ordering::SeqCst), 2, "once by each service");
}

#[tokio::test]
async fn a_picture_that_is_absent_or_no_picture_is_not_found() {
    let source = FakeSource::new();
    let scripted =
        Arc::new(FakeSource { image_type: "image/svg+xml", ..Arc::into_inner(FakeSource::new()).unwrap() });
    let song = known("dQw4w9WgXcQ").source;
    for client in clients(&source).await {
        source.fail_next(SourceError::NotFound);
        let error = client.thumbnail(&listener(), song.clone()).await.err().unwrap();
        assert_eq!(error.code, ErrorCode::NotFound);
        source.fail_next(SourceError::Timeout);
        let error = client.thumbnail(&listener(), song.clone()).await.err().unwrap();
        assert_eq!(error.code, ErrorCode::SearchUnavailable);
        assert!(client.thumbnail(&listener(), song.clone()).await.is_ok(), "failures are not remembered");
    }
    for client in clients(&scripted).await {
        let error = client.thumbnail(&listener(), song.clone()).await.err().unwrap();
        assert_eq!(error.code, ErrorCode::NotFound);
    }
}

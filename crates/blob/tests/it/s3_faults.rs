//! What an S3 service and the network before it do at their worst.

use std::{
    io::ErrorKind,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, TryStreamExt};
use http::Method;
use songkeep_blob::{S3Blobs, S3Settings};
use songkeep_domain::{
    Clock, SystemClock, Timestamp,
    blob::{Blob, BlobError, BlobStore},
};
use songkeep_testkit::{
    fault_proxy::{
        Action::{Answer, Cut, Hold, Lose, Pass},
        FaultProxy,
    },
    s3::S3Server,
};

use crate::{
    s3::{OwnCase, own_cases},
    world::{eventually, keys, noise, read, s3_settings, write_source},
};

/// Of one attempt in these tests.
const PATIENCE: Duration = Duration::from_secs(3);
/// Three parts.
const LONG: usize = 20_000_000;

pub fn cases(server: &S3Server) -> Vec<OwnCase> {
    own_cases! { s3_settings(server);
        what_fails_once_or_twice_is_tried_again,
        what_fails_for_good_is_an_error_in_time,
        a_service_that_never_answers_is_an_error_in_time,
        a_full_service_is_told_as_full,
        an_answer_that_breaks_off_is_fetched_again,
        wrong_bytes_never_come_of_broken_answers,
        a_slow_listener_holds_no_connection,
        a_range_that_failed_during_a_pause_is_fetched_again,
        a_failed_upload_is_aborted_and_shows_nothing,
        a_dropped_upload_is_aborted,
        a_lost_answer_to_the_completion_is_no_failure,
        a_file_that_changes_under_way_is_not_stored,
        uploads_that_nobody_aborted_are_cleared_away_when_old,
        a_service_that_cannot_list_uploads_has_none,
        a_store_starts_without_its_service,
    }
}

struct Setup {
    folder: tempfile::TempDir,
    proxy: FaultProxy,
    blobs: Arc<S3Blobs>,
}

impl Setup {
    /// The bucket is there.
    async fn new(settings: S3Settings) -> Self {
        let upstream = settings.endpoint.strip_prefix("http://").unwrap().to_owned();
        let proxy = FaultProxy::start(upstream).await;
        let settings = S3Settings { endpoint: proxy.endpoint(), ..settings };
        let blobs = Arc::new(S3Blobs::connect_with_patience(settings, PATIENCE).unwrap());
        blobs.check().await.unwrap();
        Self { folder: tempfile::tempdir().unwrap(), proxy, blobs }
    }

    fn source(&self, bytes: &[u8]) -> PathBuf {
        write_source(self.folder.path(), bytes)
    }

    async fn put(&self, bytes: &[u8]) -> Result<String, BlobError> {
        Ok(self.blobs.put_file(&self.source(bytes), "audio", "mp4").await?.key)
    }

    async fn open(&self, bytes: &[u8]) -> Arc<dyn Blob> {
        self.blobs.open(&self.put(bytes).await.unwrap()).await.unwrap()
    }
}

fn is_object_read(method: &Method, path: &str) -> bool {
    method == Method::GET && path.contains("/audio/")
}

fn is_part(method: &Method, path: &str) -> bool {
    method == Method::PUT && path.contains("partNumber=")
}

fn is_abort(method: &Method, path: &str) -> bool {
    method == Method::DELETE && path.contains("uploadId=")
}

fn is_completion(method: &Method, path: &str) -> bool {
    method == Method::POST && path.contains("uploadId=")
}

fn in_an_hour() -> Timestamp {
    SystemClock.now().plus(Duration::from_secs(3600))
}

async fn what_fails_once_or_twice_is_tried_again(settings: S3Settings) {
    let setup = Setup::new(settings).await;
    let bytes = noise(LONG);
    for (status, code) in [(500, "InternalError"), (503, "SlowDown"), (502, ""), (429, "")] {
        // Every request fails the first time.
        let mut known = Vec::new();
        setup.proxy.plan(move |method, path| {
            let request = (method.clone(), path.to_owned());
            if known.contains(&request) {
                Pass
            } else {
                known.push(request);
                Answer(status, code)
            }
        });
        let key = setup.put(&bytes).await.unwrap();
        let blob = setup.blobs.open(&key).await.unwrap();
        assert!(read(&blob, 0..u64::MAX).await.unwrap() == bytes);
        assert_eq!(keys(&*setup.blobs).await.len(), 1);
        setup.blobs.delete(&key).await.unwrap();
    }
}

async fn what_fails_for_good_is_an_error_in_time(settings: S3Settings) {
    let setup = Setup::new(settings).await;
    let blob = setup.open(&noise(300_000)).await;
    let key = setup.put(b"x").await.unwrap();
    setup.proxy.plan(|_, _| Answer(500, "InternalError"));
    let started = Instant::now();
    assert!(matches!(setup.put(b"y").await, Err(BlobError::Io(_))));
    assert!(matches!(setup.blobs.open(&key).await, Err(BlobError::Io(_))));
    assert!(matches!(setup.blobs.stat(&key).await, Err(BlobError::Io(_))));
    assert!(matches!(setup.blobs.delete(&key).await, Err(BlobError::Io(_))));
    assert!(matches!(setup.blobs.check().await, Err(BlobError::Io(_))));
    assert!(setup.blobs.list().try_next().await.is_err());
    assert!(setup.blobs.delete_abandoned_uploads(in_an_hour()).await.is_err());
    assert!(read(&blob, 0..10).await.is_err());
    assert!(started.elapsed() < Duration::from_secs(20));
    // Three attempts each, no more.
    assert_eq!(setup.proxy.count(is_object_read), 3);
    setup.proxy.plan(|_, _| Pass);
    assert_eq!(read(&blob, 0..10).await.unwrap().len(), 10);
}

async fn a_service_that_never_answers_is_an_error_in_time(settings: S3Settings) {
    let setup = Setup::new(settings).await;
    let blob = setup.open(&noise(300_000)).await;
    setup.proxy.plan(|_, _| Hold);
    let started = Instant::now();
    let (checked, got) = tokio::join!(setup.blobs.check(), read(&blob, 0..10));
    let Err(BlobError::Io(error)) = checked else { panic!("the check passed") };
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(got.unwrap_err().kind(), ErrorKind::TimedOut);
    assert!(started.elapsed() < 4 * PATIENCE, "{:?}", started.elapsed());
}

async fn a_full_service_is_told_as_full(settings: S3Settings) {
    let setup = Setup::new(settings).await;
    for (status, code) in [(507, "XMinioStorageFull"), (400, "QuotaExceeded")] {
        setup.proxy.plan(move |method, _| if method == Method::PUT { Answer(status, code) } else { Pass });
        for bytes in [noise(10), noise(LONG)] {
            assert!(matches!(setup.put(&bytes).await, Err(BlobError::Full(_))), "{code}");
        }
        assert_eq!(setup.proxy.count(|method, _| method == Method::PUT), 2, "not tried again");
    }
    assert_eq!(keys(&*setup.blobs).await.len(), 0);
}

async fn an_answer_that_breaks_off_is_fetched_again(settings: S3Settings) {
    let setup = Setup::new(settings).await;
    let bytes = noise(3_000_000);
    let blob = setup.open(&bytes).await;
    setup.proxy.plan_times(2, Cut(100_000), is_object_read);
    assert!(read(&blob, 0..u64::MAX).await.unwrap() == bytes);
}

async fn wrong_bytes_never_come_of_broken_answers(settings: S3Settings) {
    let setup = Setup::new(settings).await;
    let bytes = noise(3_000_000);
    let blob = setup.open(&bytes).await;
    let mut answers = 0;
    setup.proxy.plan(move |method, path| {
        answers += usize::from(is_object_read(method, path));
        if answers > 2 { Cut(100_000) } else { Pass }
    });
    let mut stream = Arc::clone(&blob).read(0..3_000_000);
    let mut got = Vec::new();
    let error = loop {
        match stream.next().await.expect("the stream does not end as if it were whole") {
            Ok(chunk) => got.extend_from_slice(&chunk),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert!(!got.is_empty() && got == bytes[..got.len()]);
    // An answer to another question is none.
    setup.proxy.plan(|_, _| Answer(200, "Welcome"));
    assert!(read(&blob, 0..10).await.is_err());
}

async fn a_slow_listener_holds_no_connection(settings: S3Settings) {
    let setup = Setup::new(settings).await;
    let bytes = noise(5_000_000);
    let blob = setup.open(&bytes).await;
    setup.proxy.plan(|_, _| Pass);
    let mut stream = Arc::clone(&blob).read(0..5_000_000);
    let mut got = stream.try_next().await.unwrap().unwrap().to_vec();
    let proxy = &setup.proxy;
    eventually("the next range is fetched", || proxy.count(is_object_read) == 2 && proxy.under_way() == 0)
        .await;
    // What others do meanwhile shows that nothing more is fetched for it.
    for _ in 0..20 {
        assert_eq!(read(&blob, 0..0).await.unwrap(), b"");
        setup.blobs.check().await.unwrap();
    }
    assert_eq!(proxy.count(is_object_read), 2);
    while let Some(chunk) = stream.try_next().await.unwrap() {
        got.extend_from_slice(&chunk);
    }
    assert!(got == bytes);
    assert!(proxy.count(is_object_read) <= 8, "ranges are long");
}

async fn a_range_that_failed_during_a_pause_is_fetched_again(settings: S3Settings) {
    let setup = Setup::new(settings).await;
    let bytes = noise(2_000_000);
    let blob = setup.open(&bytes).await;
    let mut answers = 0;
    setup.proxy.plan(move |method, path| {
        answers += usize::from(is_object_read(method, path));
        if (2..=4).contains(&answers) { Answer(503, "SlowDown") } else { Pass }
    });
    let mut stream = Arc::clone(&blob).read(0..2_000_000);
    let mut got = stream.try_next().await.unwrap().unwrap().to_vec();
    eventually("the next range has failed", || setup.proxy.count(is_object_read) == 4).await;
    while let Some(chunk) = stream.try_next().await.unwrap() {
        got.extend_from_slice(&chunk);
    }
    assert!(got == bytes);
}

async fn a_failed_upload_is_aborted_and_shows_nothing(settings: S3Settings) {
    let setup = Setup::new(settings).await;
    let bytes = noise(LONG);
    setup.proxy.plan(|method, path| {
        if is_part(method, path) && path.contains("partNumber=2") { Answer(500, "") } else { Pass }
    });
    assert!(matches!(setup.put(&bytes).await, Err(BlobError::Io(_))));
    eventually("it is aborted", || setup.proxy.count(is_abort) == 1 && setup.proxy.under_way() == 0).await;
    assert_eq!(setup.blobs.delete_abandoned_uploads(in_an_hour()).await.unwrap(), 0);
    assert_eq!(keys(&*setup.blobs).await.len(), 0);
    setup.proxy.plan(|_, _| Pass);
    let key = setup.put(&bytes).await.unwrap();
    assert_eq!(keys(&*setup.blobs).await, [key]);
}

async fn a_dropped_upload_is_aborted(settings: S3Settings) {
    let setup = Setup::new(settings).await;
    setup.proxy.plan(|method, path| if is_part(method, path) { Hold } else { Pass });
    let source = setup.source(&noise(LONG));
    let blobs = Arc::clone(&setup.blobs);
    let put = tokio::spawn(async move { blobs.put_file(&source, "audio", "mp4").await });
    eventually("the first part is on its way", || setup.proxy.count(is_part) == 1).await;
    put.abort();
    eventually("it is aborted", || setup.proxy.count(is_abort) == 1 && setup.proxy.under_way() == 0).await;
    assert_eq!(setup.proxy.count(is_part), 1, "nothing more is sent");
    assert_eq!(setup.blobs.delete_abandoned_uploads(in_an_hour()).await.unwrap(), 0);
    assert_eq!(keys(&*setup.blobs).await.len(), 0);
}

async fn a_lost_answer_to_the_completion_is_no_failure(settings: S3Settings) {
    let setup = Setup::new(settings).await;
    let bytes = noise(LONG);
    setup.proxy.plan_times(1, Lose(500), is_completion);
    let key = setup.put(&bytes).await.unwrap();
    assert!(setup.proxy.count(is_completion) > 1);
    let blob = setup.blobs.open(&key).await.unwrap();
    assert!(read(&blob, 0..u64::MAX).await.unwrap() == bytes);
}

async fn a_file_that_changes_under_way_is_not_stored(settings: S3Settings) {
    let setup = Setup::new(settings).await;
    let bytes = noise(LONG);
    let source = setup.source(&bytes);
    let changed = source.clone();
    // After the first pass, before the last part is read.
    setup.proxy.plan(move |method, path| {
        if method == Method::POST && path.contains("uploads") {
            let mut bytes = std::fs::read(&changed).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            std::fs::write(&changed, bytes).unwrap();
        }
        Pass
    });
    assert!(matches!(setup.blobs.put_file(&source, "audio", "mp4").await, Err(BlobError::Io(_))));
    eventually("it is aborted", || setup.proxy.count(is_abort) == 1 && setup.proxy.under_way() == 0).await;
    assert_eq!(keys(&*setup.blobs).await.len(), 0);
}

async fn uploads_that_nobody_aborted_are_cleared_away_when_old(settings: S3Settings) {
    let setup = Setup::new(settings).await;
    let alive = setup.put(b"alive").await.unwrap();
    setup.proxy.plan(|method, path| {
        let fails = is_abort(method, path) || (is_part(method, path) && path.contains("partNumber=2"));
        if fails { Answer(403, "AccessDenied") } else { Pass }
    });
    for extension in ["mp4", "ogg"] {
        let source = setup.source(&noise(LONG));
        assert!(setup.blobs.put_file(&source, "audio", extension).await.is_err());
    }
    eventually("both aborts failed", || setup.proxy.count(is_abort) == 2 && setup.proxy.under_way() == 0)
        .await;
    setup.proxy.plan(|_, _| Pass);
    let an_hour_ago = SystemClock.now().minus(Duration::from_secs(3600));
    assert_eq!(setup.blobs.delete_abandoned_uploads(an_hour_ago).await.unwrap(), 0);
    assert_eq!(setup.blobs.delete_abandoned_uploads(in_an_hour()).await.unwrap(), 2);
    assert_eq!(setup.blobs.delete_abandoned_uploads(in_an_hour()).await.unwrap(), 0);
    assert_eq!(keys(&*setup.blobs).await, [alive]);
}

async fn a_service_that_cannot_list_uploads_has_none(settings: S3Settings) {
    let setup = Setup::new(settings).await;
    setup.proxy.plan(|_, path| if path.contains("uploads") { Answer(501, "NotImplemented") } else { Pass });
    assert_eq!(setup.blobs.delete_abandoned_uploads(in_an_hour()).await.unwrap(), 0);
}

async fn a_store_starts_without_its_service(settings: S3Settings) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = S3Settings { endpoint: format!("http://{free}"), ..settings };
    let blobs = S3Blobs::connect(settings).unwrap();
    let Err(BlobError::Io(error)) = blobs.check().await else { panic!("the check passed") };
    assert_eq!(error.kind(), ErrorKind::NotConnected);
    let folder = tempfile::tempdir().unwrap();
    let put = blobs.put_file(&write_source(folder.path(), b"x"), "audio", "mp4").await;
    assert!(matches!(put, Err(BlobError::Io(_))));
}

/// Alone, as it takes the service from all others.
pub async fn a_service_killed_during_an_upload_shows_nothing_of_it(server: &mut S3Server) {
    let setup = Setup::new(s3_settings(server)).await;
    let before = setup.put(b"before").await.unwrap();
    let blob = setup.blobs.open(&before).await.unwrap();
    let bytes = noise(LONG);
    let source = setup.source(&bytes);
    setup.proxy.plan(
        |method, path| {
            if is_part(method, path) && path.contains("partNumber=2") { Hold } else { Pass }
        },
    );
    let blobs = Arc::clone(&setup.blobs);
    let put = tokio::spawn(async move { blobs.put_file(&source, "audio", "mp4").await });
    let second_is_under_way =
        |method: &Method, path: &str| is_part(method, path) && path.contains("partNumber=2");
    eventually("the second part is on its way", || setup.proxy.count(second_is_under_way) == 1).await;
    server.stop();
    setup.proxy.plan(|_, _| Pass);
    assert!(matches!(put.await.unwrap(), Err(BlobError::Io(_))));
    assert!(setup.blobs.check().await.is_err());
    assert!(read(&blob, 0..10).await.is_err());
    eventually("its abort was tried in vain", || {
        setup.proxy.count(is_abort) == 3 && setup.proxy.under_way() == 0
    })
    .await;

    server.restart().unwrap();
    // It answers some moments before it finds what it has: its buckets, then their objects.
    let deadline = Instant::now() + Duration::from_secs(30);
    while let Err(error) = setup.blobs.check().await {
        assert!(Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    while let Err(error) = read(&blob, 0..10).await {
        assert!(Instant::now() < deadline, "{error}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(keys(&*setup.blobs).await, [before]);
    assert_eq!(read(&blob, 0..10).await.unwrap(), b"before");
    assert_eq!(setup.blobs.delete_abandoned_uploads(in_an_hour()).await.unwrap(), 1);
    let key = setup.put(&bytes).await.unwrap();
    assert!(read(&setup.blobs.open(&key).await.unwrap(), 0..u64::MAX).await.unwrap() == bytes);
}

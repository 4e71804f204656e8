//! The file form of the blob store, over folders made for each test.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use aws_lc_rs::digest;
use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt, future::join_all};
use songkeep_blob::FileBlobs;
use songkeep_domain::{
    Clock, SystemClock,
    blob::{Blob, BlobError, BlobStore},
};

struct Setup {
    folder: tempfile::TempDir,
    blobs: FileBlobs,
}

impl Setup {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let blobs = FileBlobs::open(&folder.path().join("blobs")).unwrap();
        Self { folder, blobs }
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.path().join("blobs").join(key)
    }

    fn source(&self, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join("source");
        fs::write(&path, bytes).unwrap();
        path
    }

    async fn put(&self, bytes: &[u8]) -> String {
        self.blobs.put_file(&self.source(bytes), "audio", "mp4").await.unwrap().key
    }

    async fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> =
            self.blobs.list().map_ok(|info| info.key).try_collect::<Vec<_>>().await.unwrap();
        keys.sort();
        keys
    }

    fn uploads(&self) -> usize {
        fs::read_dir(self.path(".uploads")).unwrap().count()
    }
}

/// Bytes that repeat nowhere within a chunk.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes: Vec<u8> = (0..length.div_ceil(8)).flat_map(|_| next().to_le_bytes()).collect();
    bytes.truncate(length);
    bytes
}

fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

async fn read(blob: &Arc<dyn Blob>, range: std::ops::Range<u64>) -> std::io::Result<Vec<u8>> {
    let chunks: Vec<Bytes> = Arc::clone(blob).read(range).try_collect().await?;
    Ok(chunks.concat())
}

/// Writes the file back and drops it from the page cache.
fn chill(path: &Path) {
    let file = fs::File::open(path).unwrap();
    file.sync_all().unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
}

fn age(path: &Path, by: Duration) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - by).unwrap();
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn what_was_put_is_named_by_its_hash_and_comes_back_unchanged() {
    let setup = Setup::new();
    let bytes = noise(3_000_001);
    let stored = setup.blobs.put_file(&setup.source(&bytes), "audio", "mp4").await.unwrap();
    let hash = sha256(&bytes);
    assert_eq!(stored.key, format!("audio/{}/{hash}.mp4", &hash[..2]));
    assert_eq!((stored.sha256, stored.size_bytes), (hash, 3_000_001));
    let blob = setup.blobs.open(&stored.key).await.unwrap();
    assert_eq!(blob.size_bytes(), 3_000_001);
    assert_eq!(read(&blob, 0..u64::MAX).await.unwrap(), bytes);
    assert_eq!(setup.uploads(), 0);
}

#[tokio::test]
async fn every_range_reads_the_same_bytes_as_the_source_warm_and_cold() {
    let setup = Setup::new();
    let bytes = noise(1_000_003);
    let key = setup.put(&bytes).await;
    let blob = setup.blobs.open(&key).await.unwrap();
    let chunk = 128 * 1024;
    for (start, end) in [
        (0, 0),
        (0, 1),
        (0, chunk),
        (1, chunk + 1),
        (chunk - 1, chunk + 1),
        (500_000, 999_999),
        (4_095, 4_097),
        (1_000_002, 1_000_003),
        (0, 1_000_003),
    ] {
        let expected = &bytes[start..end];
        let range = start as u64..end as u64;
        assert_eq!(read(&blob, range.clone()).await.unwrap(), expected, "{range:?} warm");
        chill(&setup.path(&key));
        assert_eq!(read(&blob, range.clone()).await.unwrap(), expected, "{range:?} cold");
    }
}

#[tokio::test]
async fn chunks_are_neither_empty_nor_larger_than_a_buffer() {
    let setup = Setup::new();
    let key = setup.put(&noise(1_000_000)).await;
    let chunks: Vec<Bytes> =
        setup.blobs.open(&key).await.unwrap().read(1..1_000_000).try_collect().await.unwrap();
    assert!(chunks.iter().all(|chunk| (1..=128 * 1024).contains(&chunk.len())));
}

#[tokio::test]
async fn a_range_beyond_the_end_is_cut_there() {
    let setup = Setup::new();
    let key = setup.put(b"0123456789").await;
    let blob = setup.blobs.open(&key).await.unwrap();
    assert_eq!(read(&blob, 8..100).await.unwrap(), b"89");
    assert_eq!(read(&blob, 10..20).await.unwrap(), b"");
    assert_eq!(read(&blob, 500..u64::MAX).await.unwrap(), b"");
    #[expect(clippy::reversed_empty_ranges, reason = "that is the point")]
    let backwards = 5..2;
    assert_eq!(read(&blob, backwards).await.unwrap(), b"");
}

#[tokio::test]
async fn an_object_without_bytes_can_be_kept_too() {
    let setup = Setup::new();
    let key = setup.put(b"").await;
    let blob = setup.blobs.open(&key).await.unwrap();
    assert_eq!((blob.size_bytes(), read(&blob, 0..10).await.unwrap()), (0, Vec::new()));
}

#[tokio::test]
async fn a_file_that_was_cut_while_open_gives_an_error_and_no_wrong_bytes() {
    let setup = Setup::new();
    let bytes = noise(400_000);
    let key = setup.put(&bytes).await;
    let blob = setup.blobs.open(&key).await.unwrap();
    fs::File::options().write(true).open(setup.path(&key)).unwrap().set_len(200_000).unwrap();
    let mut stream = blob.read(0..400_000);
    let mut got = Vec::new();
    let error = loop {
        match stream.next().await {
            Some(Ok(chunk)) => got.extend_from_slice(&chunk),
            Some(Err(error)) => break error,
            None => panic!("the stream ended as if it were whole"),
        }
    };
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert_eq!(got, &bytes[..200_000]);
}

#[tokio::test]
async fn the_same_bytes_put_by_many_at_once_are_one_object() {
    let setup = Setup::new();
    let bytes = noise(500_000);
    let source = setup.source(&bytes);
    let puts = join_all((0..16).map(|_| setup.blobs.put_file(&source, "audio", "mp4"))).await;
    let keys: Vec<String> = puts.into_iter().map(|put| put.unwrap().key).collect();
    assert!(keys.iter().all(|key| *key == keys[0]));
    assert_eq!(setup.keys().await, [keys[0].clone()]);
    assert_eq!(setup.uploads(), 0);
    let blob = setup.blobs.open(&keys[0]).await.unwrap();
    assert_eq!(read(&blob, 0..500_000).await.unwrap(), bytes);
}

#[tokio::test]
async fn putting_the_same_bytes_again_renews_the_time_and_heals_the_object() {
    let setup = Setup::new();
    let key = setup.put(b"whole").await;
    setup.blobs.open(&key).await.unwrap();
    fs::write(setup.path(&key), "who").unwrap();
    age(&setup.path(&key), Duration::from_secs(48 * 3600));
    let old = setup.blobs.stat(&key).await.unwrap().unwrap();
    assert!(SystemClock.now().since(old.modified_at) > Duration::from_secs(47 * 3600));
    assert_eq!(setup.put(b"whole").await, key);
    let new = setup.blobs.stat(&key).await.unwrap().unwrap();
    assert!(SystemClock.now().since(new.modified_at) < Duration::from_secs(3600));
    assert_eq!(new.size_bytes, 5);
    let blob = setup.blobs.open(&key).await.unwrap();
    assert_eq!(read(&blob, 0..5).await.unwrap(), b"whole");
}

#[tokio::test]
async fn an_open_object_outlives_its_deletion_but_cannot_be_opened_again() {
    let setup = Setup::new();
    let bytes = noise(700_000);
    let key = setup.put(&bytes).await;
    let blob = setup.blobs.open(&key).await.unwrap();
    setup.blobs.delete(&key).await.unwrap();
    assert!(matches!(setup.blobs.open(&key).await, Err(BlobError::NotFound(missing)) if missing == key));
    assert_eq!(setup.blobs.stat(&key).await.unwrap(), None);
    assert_eq!(read(&blob, 0..700_000).await.unwrap(), bytes);
    assert_eq!(setup.put(&bytes).await, key);
    let again = setup.blobs.open(&key).await.unwrap();
    assert_eq!(read(&again, 0..700_000).await.unwrap(), bytes);
}

#[tokio::test]
async fn an_object_deleted_by_another_process_cannot_be_opened_either() {
    let setup = Setup::new();
    let key = setup.put(b"shared").await;
    setup.blobs.open(&key).await.unwrap();
    let other = FileBlobs::open(&setup.folder.path().join("blobs")).unwrap();
    other.delete(&key).await.unwrap();
    assert!(matches!(setup.blobs.open(&key).await, Err(BlobError::NotFound(_))));
}

#[tokio::test]
async fn deleting_what_is_not_there_is_a_success() {
    let setup = Setup::new();
    let key = setup.put(b"x").await;
    setup.blobs.delete(&key).await.unwrap();
    setup.blobs.delete(&key).await.unwrap();
    let never = format!("covers/00/{}.webp", "0".repeat(64));
    setup.blobs.delete(&never).await.unwrap();
    assert_eq!(setup.blobs.stat(&never).await.unwrap(), None);
}

#[tokio::test]
async fn keys_that_we_never_made_are_refused_by_every_method() {
    let setup = Setup::new();
    let hash = "a".repeat(64);
    fs::write(setup.folder.path().join("secret"), "s").unwrap();
    for key in ["", "../secret", "audio/../../secret", &format!("audio/bb/{hash}.mp4"), ".uploads/x.part"] {
        assert!(matches!(setup.blobs.open(key).await, Err(BlobError::BadKey(_))), "open {key:?}");
        assert!(matches!(setup.blobs.stat(key).await, Err(BlobError::BadKey(_))), "stat {key:?}");
        assert!(matches!(setup.blobs.delete(key).await, Err(BlobError::BadKey(_))), "delete {key:?}");
    }
    for (prefix, extension) in
        [("..", "mp4"), ("audio/x", "mp4"), ("audio", "../mp4"), ("", ""), (".uploads", "mp4")]
    {
        let put = setup.blobs.put_file(&setup.source(b"x"), prefix, extension).await;
        assert!(matches!(put, Err(BlobError::BadKey(_))), "put {prefix:?} {extension:?}");
    }
    assert!(setup.folder.path().join("secret").exists());
}

#[tokio::test]
async fn a_source_that_is_not_there_is_an_error_and_leaves_nothing() {
    let setup = Setup::new();
    let put = setup.blobs.put_file(&setup.folder.path().join("nowhere"), "audio", "mp4").await;
    assert!(matches!(put, Err(BlobError::Io(error)) if error.kind() == ErrorKind::NotFound));
    assert_eq!((setup.keys().await.len(), setup.uploads()), (0, 0));
}

#[tokio::test]
async fn the_list_has_every_object_and_nothing_else() {
    let setup = Setup::new();
    let mut keys = Vec::new();
    for number in 0..40_u32 {
        keys.push(setup.put(&number.to_le_bytes()).await);
    }
    keys.push(setup.blobs.put_file(&setup.source(b"picture"), "covers", "webp").await.unwrap().key);
    keys.sort();
    // What lies around: an upload, a foreign file, a foreign folder, a badly named object.
    fs::write(setup.path(".uploads/dead.part"), "half").unwrap();
    fs::write(setup.path("README"), "hello").unwrap();
    fs::write(setup.path("readme"), "hello").unwrap();
    fs::create_dir_all(setup.path("lost+found/aa")).unwrap();
    fs::write(setup.path(&keys[0]).with_extension("mp4.bak"), "copy").unwrap();
    assert_eq!(setup.keys().await, keys);
}

#[tokio::test]
async fn what_a_killed_process_left_is_no_object_and_is_cleared_away_when_old() {
    let setup = Setup::new();
    let key = setup.put(b"alive").await;
    for name in ["one.part", "two.part"] {
        fs::write(setup.path(".uploads").join(name), "half a song").unwrap();
        age(&setup.path(".uploads").join(name), Duration::from_secs(2 * 3600));
    }
    fs::write(setup.path(".uploads/running.part"), "half a song").unwrap();
    // A new process finds the folder as it is.
    let blobs = FileBlobs::open(&setup.folder.path().join("blobs")).unwrap();
    let before = SystemClock.now().minus(Duration::from_secs(3600));
    assert_eq!(blobs.delete_abandoned_uploads(before).await.unwrap(), 2);
    assert_eq!(blobs.delete_abandoned_uploads(before).await.unwrap(), 0);
    assert!(setup.path(".uploads/running.part").exists());
    assert_eq!(setup.keys().await, [key]);
}

#[tokio::test]
async fn a_put_that_is_dropped_publishes_nothing_and_cleans_up() {
    let setup = Setup::new();
    let source = setup.folder.path().join("source");
    fs::File::create(&source).unwrap().set_len(256 * 1024 * 1024).unwrap();
    let mut put = Box::pin(setup.blobs.put_file(&source, "audio", "mp4"));
    assert!((&mut put).now_or_never().is_none());
    eventually("the copy begins", || setup.uploads() == 1).await;
    drop(put);
    eventually("the temporary file is gone", || setup.uploads() == 0).await;
    assert_eq!(setup.keys().await.len(), 0);
}

#[tokio::test]
async fn a_store_that_cannot_be_written_says_so() {
    let setup = Setup::new();
    setup.blobs.check().await.unwrap();
    assert_eq!(setup.uploads(), 0);
    // As when the disk is not mounted: the folder is there, but not what was in it.
    fs::remove_dir(setup.path(".uploads")).unwrap();
    assert!(setup.blobs.check().await.is_err());
    assert!(setup.blobs.put_file(&setup.source(b"x"), "audio", "mp4").await.is_err());
}

#[tokio::test]
async fn many_readers_of_many_objects_each_get_their_own_bytes() {
    let setup = Setup::new();
    let mut objects = Vec::new();
    for number in 0..8_u8 {
        let mut bytes = noise(300_000);
        bytes[0] = number;
        objects.push((setup.put(&bytes).await, bytes));
    }
    let readers = (0..64).map(|number| {
        let (key, bytes) = &objects[number % objects.len()];
        let setup = &setup;
        async move {
            let blob = setup.blobs.open(key).await.unwrap();
            let start = number * 1_000;
            assert_eq!(read(&blob, start as u64..300_000).await.unwrap(), &bytes[start..]);
        }
    });
    join_all(readers).await;
}

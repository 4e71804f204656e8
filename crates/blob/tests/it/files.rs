//! What only files can do or suffer: the page cache, files that were cut, what lies around in a folder.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use futures::{FutureExt, StreamExt, TryStreamExt};
use songkeep_blob::FileBlobs;
use songkeep_domain::{
    Clock, SystemClock,
    blob::{BlobError, BlobStore},
};

use crate::world::{eventually, noise, read};

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

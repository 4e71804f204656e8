//! A fresh store for one case, of either form, and what cases have in common.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use aws_lc_rs::digest;
use bytes::Bytes;
use futures::TryStreamExt;
use songkeep_blob::{FileBlobs, S3Blobs, S3Settings};
use songkeep_domain::blob::{Blob, BlobStore};
use songkeep_testkit::s3::S3Server;

pub struct World {
    /// For sources, and for the store if it is one of files.
    folder: tempfile::TempDir,
    pub blobs: Arc<dyn BlobStore>,
    /// As another process has it.
    pub others: Arc<dyn BlobStore>,
}

impl World {
    pub fn files() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let open = || Arc::new(FileBlobs::open(&folder.path().join("blobs")).unwrap());
        let (blobs, others) = (open(), open());
        Self { folder, blobs, others }
    }

    /// On a bucket of its own, which is not there yet.
    pub fn s3(server: &S3Server) -> Self {
        let settings = s3_settings(server);
        let connect = || Arc::new(S3Blobs::connect(settings.clone()).unwrap());
        Self { folder: tempfile::tempdir().unwrap(), blobs: connect(), others: connect() }
    }

    pub fn source(&self, bytes: &[u8]) -> PathBuf {
        write_source(self.folder.path(), bytes)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub async fn put(&self, bytes: &[u8]) -> String {
        self.blobs.put_file(&self.source(bytes), "audio", "mp4").await.unwrap().key
    }

    pub async fn keys(&self) -> Vec<String> {
        keys(&*self.blobs).await
    }
}

/// For a bucket that no other case uses.
pub fn s3_settings(server: &S3Server) -> S3Settings {
    static BUCKETS: AtomicU32 = AtomicU32::new(1);
    S3Settings {
        endpoint: server.endpoint(),
        access_key: server.access_key().into(),
        secret_key: server.secret_key().into(),
        bucket: format!("songs-{}", BUCKETS.fetch_add(1, Ordering::Relaxed)),
        region: "us-east-1".to_owned(),
        public_endpoint: None,
        create_bucket: true,
    }
}

pub fn write_source(folder: &Path, bytes: &[u8]) -> PathBuf {
    static SOURCES: AtomicU32 = AtomicU32::new(1);
    let path = folder.join(format!("source-{}", SOURCES.fetch_add(1, Ordering::Relaxed)));
    fs::write(&path, bytes).unwrap();
    path
}

/// Of all objects, in order.
pub async fn keys(blobs: &dyn BlobStore) -> Vec<String> {
    let mut keys: Vec<String> = blobs.list().map_ok(|info| info.key).try_collect().await.unwrap();
    keys.sort();
    keys
}

/// Bytes that repeat nowhere within a chunk.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes = vec![0; length];
    for word in bytes.chunks_mut(8) {
        word.copy_from_slice(&next().to_le_bytes()[..word.len()]);
    }
    bytes
}

pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

pub async fn read(blob: &Arc<dyn Blob>, range: Range<u64>) -> std::io::Result<Vec<u8>> {
    let chunks: Vec<Bytes> = Arc::clone(blob).read(range).try_collect().await?;
    Ok(chunks.concat())
}

pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

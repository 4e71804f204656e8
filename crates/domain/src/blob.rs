//! The port to where audio and images are kept. Objects are content-addressed and never change.

use std::{fs::File, ops::Range, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use url::Url;

use crate::Timestamp;

#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    #[error("no object {0}")]
    NotFound(String),
    #[error("{0:?} is not a valid key")]
    BadKey(String),
    #[error("no space left in the blob store")]
    Full(#[source] std::io::Error),
    #[error("the blob store failed")]
    Io(#[source] std::io::Error),
}

pub type BlobResult<T> = Result<T, BlobError>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBlob {
    /// `<prefix>/<aa>/<sha256>.<extension>`.
    pub key: String,
    /// Lower-case hex.
    pub sha256: String,
    pub size_bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobInfo {
    pub key: String,
    pub size_bytes: u64,
    pub modified_at: Timestamp,
}

/// An open object. One in files keeps its bytes readable even when it is deleted meanwhile; one in S3
/// then gives an error.
pub trait Blob: Send + Sync + 'static {
    fn size_bytes(&self) -> u64;

    /// The bytes of `range` (clamped to the size), in chunks of some 128–256 KiB. Holds no thread,
    /// lock or connection of a pool between chunks.
    fn read(self: Arc<Self>, range: Range<u64>) -> BoxStream<'static, std::io::Result<Bytes>>;

    /// The open file that holds the bytes, at the same positions; None when they are elsewhere.
    fn file(&self) -> Option<&Arc<File>> {
        None
    }

    /// Whether bytes of [`Blob::file`] are in memory, as far as that can be told at once.
    fn is_cached(&self, _range: &Range<u64>) -> bool {
        false
    }
}

#[async_trait]
pub trait BlobStore: Send + Sync + 'static {
    /// Copies a file in, hashing on the way, and returns once it is durable. Putting the same bytes
    /// again is a success that renews the object's time.
    async fn put_file(&self, source: &Path, prefix: &str, extension: &str) -> BlobResult<StoredBlob>;

    async fn open(&self, key: &str) -> BlobResult<Arc<dyn Blob>>;

    /// None when there is no such object.
    async fn stat(&self, key: &str) -> BlobResult<Option<BlobInfo>>;

    /// Deleting what is not there is a success.
    async fn delete(&self, key: &str) -> BlobResult<()>;

    /// Every object, in no order.
    fn list(&self) -> BoxStream<'_, BlobResult<BlobInfo>>;

    /// Removes what dropped uploads left behind before then; how many.
    async fn delete_abandoned_uploads(&self, before: Timestamp) -> BlobResult<u64>;

    /// # Errors
    /// When the store cannot be used.
    async fn check(&self) -> BlobResult<()>;

    /// An address at which a client may fetch the object from the store itself, for so long; None when
    /// clients cannot reach the store. Tells nothing about whether the object is there.
    async fn presign_get(&self, _key: &str, _lifetime: Duration) -> BlobResult<Option<Url>> {
        Ok(None)
    }
}

//! The port to where audio and images are kept. Objects are content-addressed and never change.

use std::{ops::Range, path::Path, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

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

/// An open object; keeps its bytes readable even when it is deleted meanwhile.
pub trait Blob: Send + Sync + 'static {
    fn size_bytes(&self) -> u64;

    /// The bytes of `range` (clamped to the size), in chunks of some 128–256 KiB. Holds no thread,
    /// lock or connection of a pool between chunks.
    fn read(self: Arc<Self>, range: Range<u64>) -> BoxStream<'static, std::io::Result<Bytes>>;
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
}

//! A blob store in memory whose objects can be aged, lost and refused.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    ops::Range,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::BoxStream};
use songkeep_domain::{
    Clock as _, SystemClock, Timestamp,
    blob::{Blob, BlobError, BlobInfo, BlobResult, BlobStore, StoredBlob},
};

struct Object {
    size_bytes: u64,
    modified_at: Timestamp,
}

type Interruption = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

#[derive(Default)]
pub struct MemoryBlobs {
    objects: Mutex<BTreeMap<String, Object>>,
    /// No space is left.
    pub full: AtomicBool,
    /// Listing fails.
    pub unlistable: AtomicBool,
    /// This many objects vanish right after they were put.
    pub lose_puts: AtomicUsize,
    /// What happens while somebody looks at an object.
    at_stat: Mutex<HashMap<String, Interruption>>,
}

impl MemoryBlobs {
    /// An object that was put that long ago.
    pub fn insert(&self, key: &str, age: Duration) {
        let object = Object { size_bytes: 10, modified_at: SystemClock.now().minus(age) };
        self.objects.lock().unwrap().insert(key.to_owned(), object);
    }

    pub fn keys(&self) -> Vec<String> {
        self.objects.lock().unwrap().keys().cloned().collect()
    }

    pub fn has(&self, key: &str) -> bool {
        self.objects.lock().unwrap().contains_key(key)
    }

    /// Does something right before the next `stat` of this object is answered.
    pub fn at_stat<F: Future<Output = ()> + Send + 'static>(
        &self,
        key: &str,
        what: impl FnOnce() -> F + Send + 'static,
    ) {
        self.at_stat.lock().unwrap().insert(key.to_owned(), Box::new(|| what().boxed()));
    }
}

#[async_trait]
impl BlobStore for MemoryBlobs {
    async fn put_file(&self, source: &Path, prefix: &str, extension: &str) -> BlobResult<StoredBlob> {
        let bytes = tokio::fs::read(source).await.map_err(BlobError::Io)?;
        if self.full.load(Ordering::SeqCst) {
            return Err(BlobError::Full(io::ErrorKind::StorageFull.into()));
        }
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        let sha256 = format!("{:064x}", hasher.finish()).chars().rev().collect::<String>();
        let key = format!("{prefix}/{}/{sha256}.{extension}", &sha256[..2]);
        let size_bytes = u64::try_from(bytes.len()).unwrap();
        let lost =
            self.lose_puts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if lost.is_err() {
            let object = Object { size_bytes, modified_at: SystemClock.now() };
            self.objects.lock().unwrap().insert(key.clone(), object);
        }
        Ok(StoredBlob { key, sha256, size_bytes })
    }

    async fn open(&self, key: &str) -> BlobResult<Arc<dyn Blob>> {
        struct Nothing;
        impl Blob for Nothing {
            fn size_bytes(&self) -> u64 {
                0
            }

            fn read(self: Arc<Self>, _range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
                futures::stream::empty().boxed()
            }
        }
        if self.has(key) { Ok(Arc::new(Nothing)) } else { Err(BlobError::NotFound(key.to_owned())) }
    }

    async fn stat(&self, key: &str) -> BlobResult<Option<BlobInfo>> {
        let interruption = self.at_stat.lock().unwrap().remove(key);
        if let Some(interruption) = interruption {
            interruption().await;
        }
        let objects = self.objects.lock().unwrap();
        Ok(objects.get(key).map(|object| BlobInfo {
            key: key.to_owned(),
            size_bytes: object.size_bytes,
            modified_at: object.modified_at,
        }))
    }

    async fn delete(&self, key: &str) -> BlobResult<()> {
        self.objects.lock().unwrap().remove(key);
        Ok(())
    }

    fn list(&self) -> BoxStream<'_, BlobResult<BlobInfo>> {
        if self.unlistable.load(Ordering::SeqCst) {
            let error = BlobError::Io(io::Error::other("cannot be listed"));
            return futures::stream::iter([Err(error)]).boxed();
        }
        let infos: Vec<_> = self
            .objects
            .lock()
            .unwrap()
            .iter()
            .map(|(key, object)| {
                Ok(BlobInfo {
                    key: key.clone(),
                    size_bytes: object.size_bytes,
                    modified_at: object.modified_at,
                })
            })
            .collect();
        futures::stream::iter(infos).boxed()
    }

    async fn delete_abandoned_uploads(&self, _before: Timestamp) -> BlobResult<u64> {
        Ok(3)
    }

    async fn check(&self) -> BlobResult<()> {
        Ok(())
    }
}

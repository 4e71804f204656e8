//! The blob store over a folder:
//!
//! ```text
//! <folder>/<prefix>/<aa>/<sha256>.<extension>   objects
//! <folder>/.uploads/<random>.part               what is being copied in
//! ```

use std::{
    fs::{self, Metadata},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use moka::{future::Cache, policy::EvictionPolicy};
use songkeep_domain::{
    Timestamp,
    blob::{Blob, BlobError, BlobInfo, BlobResult, BlobStore, StoredBlob},
};

use crate::{
    buffers::BufferPool,
    key,
    open_file::OpenFile,
    upload::{UPLOADS, Upload, store},
};

/// Files that stay open after use; far below what a process may have open.
const MAX_OPEN_FILES: u64 = 256;
/// After so long without a reader a file is closed, so that a deleted one gives its space back.
const OPEN_FILE_IDLE: Duration = Duration::from_secs(60);

/// Objects as files in a folder of one file system, which several processes may share.
pub struct FileBlobs {
    folder: Arc<Path>,
    buffers: Arc<BufferPool>,
    open_files: Cache<String, Arc<OpenFile>>,
}

impl FileBlobs {
    /// Makes the folder when it is missing. Blocks for a moment.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder.join(UPLOADS))?;
        let open_files = Cache::builder()
            .max_capacity(MAX_OPEN_FILES)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(OPEN_FILE_IDLE)
            .build();
        Ok(Self { folder: Arc::from(folder), buffers: Arc::default(), open_files })
    }

    /// # Errors
    /// `BadKey`.
    fn path(&self, key: &str) -> BlobResult<PathBuf> {
        key::check(key)?;
        Ok(self.folder.join(key))
    }
}

#[async_trait]
impl BlobStore for FileBlobs {
    async fn put_file(&self, source: &Path, prefix: &str, extension: &str) -> BlobResult<StoredBlob> {
        key::check_parts(prefix, extension)?;
        // A thread of the blocking pool cannot be dropped, so it is told when its caller was.
        let stop = StopOnDrop::default();
        let work = {
            let (folder, source, stop) = (Arc::clone(&self.folder), source.to_owned(), Arc::clone(&stop.0));
            let (prefix, extension) = (prefix.to_owned(), extension.to_owned());
            move || store(&folder, &mut fs::File::open(source)?, &prefix, &extension, &stop)
        };
        let stored = blocking(work).await.map_err(failed)?;
        self.open_files.invalidate(&stored.key).await;
        Ok(stored)
    }

    async fn open(&self, key: &str) -> BlobResult<Arc<dyn Blob>> {
        if let Some(file) = self.open_files.get(key).await {
            // Another process may have deleted or replaced it, or this one between opening and caching.
            if file.has_a_name() {
                return Ok(file);
            }
            self.open_files.invalidate(key).await;
        }
        let path = self.path(key)?;
        let buffers = Arc::clone(&self.buffers);
        match blocking(move || OpenFile::open(&path, buffers)).await {
            Ok(file) => {
                let file = Arc::new(file);
                self.open_files.insert(key.to_owned(), Arc::clone(&file)).await;
                Ok(file)
            }
            Err(error) if is_missing(&error) => Err(BlobError::NotFound(key.to_owned())),
            Err(error) => Err(failed(error)),
        }
    }

    async fn stat(&self, key: &str) -> BlobResult<Option<BlobInfo>> {
        let path = self.path(key)?;
        match blocking(move || fs::metadata(path)).await {
            Ok(metadata) => Ok(metadata.is_file().then(|| info(key.to_owned(), &metadata))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    async fn delete(&self, key: &str) -> BlobResult<()> {
        let path = self.path(key)?;
        let deleted = blocking(move || fs::remove_file(path)).await;
        self.open_files.invalidate(key).await;
        match deleted {
            Err(error) if !is_missing(&error) => Err(failed(error)),
            _ => Ok(()),
        }
    }

    fn list(&self) -> BoxStream<'_, BlobResult<BlobInfo>> {
        // One folder at a time, so that neither a thread nor all names are held between two items.
        let folder = Arc::clone(&self.folder);
        let folders = stream::once(blocking(move || list_fan_out_folders(&folder)))
            .map_ok(|folders| stream::iter(folders.into_iter().map(Ok)))
            .try_flatten();
        let objects = folders.and_then(|inner| {
            let folder = Arc::clone(&self.folder);
            blocking(move || list_objects(&folder, &inner))
        });
        objects
            .map_ok(|objects| stream::iter(objects.into_iter().map(Ok)))
            .try_flatten()
            .map_err(failed)
            .boxed()
    }

    async fn delete_abandoned_uploads(&self, before: Timestamp) -> BlobResult<u64> {
        let uploads = self.folder.join(UPLOADS);
        blocking(move || {
            let mut deleted = 0;
            for entry in fs::read_dir(uploads)? {
                let entry = entry?;
                // One that ends meanwhile is gone by itself.
                let Some(metadata) = unless_missing(entry.metadata())? else { continue };
                if metadata.is_file()
                    && modified_at(&metadata) < before
                    && unless_missing(fs::remove_file(entry.path()))?.is_some()
                {
                    deleted += 1;
                }
            }
            Ok(deleted)
        })
        .await
        .map_err(failed)
    }

    async fn check(&self) -> BlobResult<()> {
        let folder = Arc::clone(&self.folder);
        blocking(move || Upload::start(&folder)?.probe()).await.map_err(failed)
    }
}

/// Becomes true when it goes out of scope, with the future that holds it.
#[derive(Default)]
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

fn failed(error: io::Error) -> BlobError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => BlobError::Full(error),
        _ => BlobError::Io(error),
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn unless_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn modified_at(metadata: &Metadata) -> Timestamp {
    let micros = metadata.mtime().saturating_mul(1_000_000).saturating_add(metadata.mtime_nsec() / 1_000);
    Timestamp::from_micros(micros)
}

fn info(key: String, metadata: &Metadata) -> BlobInfo {
    BlobInfo { key, size_bytes: metadata.len(), modified_at: modified_at(metadata) }
}

/// `<prefix>/<aa>` of all folders that may hold objects. What else lies around is none of ours.
fn list_fan_out_folders(folder: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for prefix in list_names(folder)?.into_iter().filter(|name| key::is_prefix(name)) {
        let inner = unless_missing(list_names(&folder.join(&prefix)))?.unwrap_or_default();
        found.extend(
            inner.into_iter().filter(|name| key::is_fan_out(name)).map(|name| format!("{prefix}/{name}")),
        );
    }
    Ok(found)
}

fn list_objects(folder: &Path, inner: &str) -> io::Result<Vec<BlobInfo>> {
    let mut found = Vec::new();
    for name in unless_missing(list_names(&folder.join(inner)))?.unwrap_or_default() {
        let key = format!("{inner}/{name}");
        if !key::is_key(&key) {
            continue;
        }
        // One that was deleted meanwhile is no error.
        if let Some(metadata) = unless_missing(fs::metadata(folder.join(&key)))?
            && metadata.is_file()
        {
            found.push(info(key, &metadata));
        }
    }
    Ok(found)
}

/// Names that are UTF-8.
fn list_names(folder: &Path) -> io::Result<Vec<String>> {
    fs::read_dir(folder)?
        .filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose())
        .collect()
}

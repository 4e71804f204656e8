//! How an object comes in. A first pass over the file gives its hash and with it its name; a second one
//! sends it, in one request or part by part. The service shows it when it is whole. What dies on the way
//! leaves at most parts of an upload that nobody completed.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::digest;
use bytes::Bytes;
use object_store::{
    MultipartId, ObjectStoreExt, PutPayload,
    multipart::{MultipartStore, PartId},
    path::Path as ObjectPath,
};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{bucket::Bucket, failure::Failure};

/// What is in memory at once. Shorter files go in one request.
const PART_BYTES: u64 = 8 * 1024 * 1024;
/// More are not allowed; larger files have larger parts.
const MAX_PARTS: u64 = 10_000;
const COPY_BYTES: usize = 1024 * 1024;

/// A file that was read once.
pub(crate) struct Source {
    file: File,
    /// Lower-case hex.
    pub(crate) sha256: String,
    pub(crate) size_bytes: u64,
}

impl Source {
    /// Reads the file to its end, on the blocking pool, or until `stop`.
    pub(crate) async fn open(path: &Path, stop: CancellationToken) -> io::Result<Self> {
        let path = path.to_owned();
        blocking(move || Self::read(path, &stop)).await
    }

    fn read(path: PathBuf, stop: &CancellationToken) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let mut hash = digest::Context::new(&digest::SHA256);
        let mut buffer = vec![0; COPY_BYTES];
        let mut size_bytes = 0;
        loop {
            if stop.is_cancelled() {
                return Err(given_up());
            }
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => {
                    hash.update(&buffer[..read]);
                    size_bytes += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { file, sha256: hex::encode(hash.finish()), size_bytes })
    }

    /// Sends it under its name and returns once the service has all of it.
    pub(crate) async fn send(
        self,
        bucket: &Arc<Bucket>,
        path: &ObjectPath,
        stop: CancellationToken,
    ) -> io::Result<()> {
        let part_bytes = PART_BYTES.max(self.size_bytes.div_ceil(MAX_PARTS));
        let size_bytes = self.size_bytes;
        let target = Target { bucket: Arc::clone(bucket), path: path.clone() };
        let sending = Sending {
            source: self,
            sent: 0,
            hash: digest::Context::new(&digest::SHA256),
            target: target.clone(),
            stop,
        };
        if size_bytes <= part_bytes {
            sending.in_one_request().await?;
        } else {
            sending.in_parts(part_bytes).await?;
        }
        target.verify(size_bytes).await
    }
}

#[derive(Clone)]
struct Target {
    bucket: Arc<Bucket>,
    path: ObjectPath,
}

impl Target {
    fn noted(&self, error: &object_store::Error) -> io::Error {
        let failure = Failure::from_store(error);
        self.bucket.note(&failure);
        failure.into()
    }

    async fn verify(&self, size_bytes: u64) -> io::Result<()> {
        let found = self.bucket.store.head(&self.path).await.map_err(|error| self.noted(&error))?.size;
        if found == size_bytes {
            Ok(())
        } else {
            let what = format!("it keeps {found} of {size_bytes} bytes");
            Err(Failure::Nonsense(what).into())
        }
    }
}

/// The second pass over the file.
struct Sending {
    source: Source,
    sent: u64,
    hash: digest::Context,
    target: Target,
    stop: CancellationToken,
}

impl Sending {
    async fn in_one_request(self) -> io::Result<()> {
        let length = self.source.size_bytes;
        let send = |target: Target, bytes| async move {
            target.bucket.store.put(&target.path, PutPayload::from_bytes(bytes)).await
        };
        self.step(length, send).await?;
        Ok(())
    }

    async fn in_parts(mut self, part_bytes: u64) -> io::Result<()> {
        let upload = OpenUpload::begin(self.target.clone()).await?;
        let mut parts = Vec::new();
        while self.sent < self.source.size_bytes {
            let length = part_bytes.min(self.source.size_bytes - self.sent);
            let (id, number) = (upload.id.clone(), parts.len());
            let send = move |target: Target, bytes| async move {
                let payload = PutPayload::from_bytes(bytes);
                target.bucket.store.put_part(&target.path, &id, number, payload).await
            };
            let (sending, part) = self.step(length, send).await?;
            self = sending;
            parts.push(part);
        }
        upload.complete(parts).await
    }

    /// Reads the next bytes and hands them to `send`. All of it on a thread of the blocking pool, also
    /// the sending: a request is signed with the hash of what it carries.
    async fn step<T, F>(
        mut self,
        length: u64,
        send: impl FnOnce(Target, Bytes) -> F + Send + 'static,
    ) -> io::Result<(Self, T)>
    where
        T: Send + 'static,
        F: Future<Output = object_store::Result<T>> + Send,
    {
        let runtime = Handle::current();
        blocking(move || {
            let bytes = self.read(length)?;
            let sent = send(self.target.clone(), bytes);
            let result = runtime.block_on(self.stop.run_until_cancelled(sent)).ok_or_else(given_up)?;
            let result = result.map_err(|error| self.target.noted(&error))?;
            Ok((self, result))
        })
        .await
    }

    /// At the end of the file, fails unless it is what was read the first time: the bytes must not
    /// appear under the name of others.
    fn read(&mut self, length: u64) -> io::Result<Bytes> {
        let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        self.source.file.read_exact_at(&mut bytes, self.sent)?;
        self.hash.update(&bytes);
        self.sent += length;
        if self.sent == self.source.size_bytes
            && hex::encode(self.hash.clone().finish()) != self.source.sha256
        {
            return Err(io::Error::other("the file changed while it was read"));
        }
        Ok(bytes.into())
    }
}

/// An upload in parts, aborted unless it was completed.
struct OpenUpload {
    target: Target,
    id: MultipartId,
    completed: bool,
}

impl OpenUpload {
    async fn begin(target: Target) -> io::Result<Self> {
        let id = target.bucket.store.create_multipart(&target.path).await;
        let id = id.map_err(|error| target.noted(&error))?;
        Ok(Self { target, id, completed: false })
    }

    async fn complete(mut self, parts: Vec<PartId>) -> io::Result<()> {
        let target = &self.target;
        let completed = target.bucket.store.complete_multipart(&target.path, &self.id, parts).await;
        match completed.map_err(Failure::from) {
            // An upload that is gone: as when a first attempt succeeded and its answer was lost. Whether
            // the object is there is looked at next.
            Err(failure) if !failure.is_missing() => return Err(failure.into()),
            _ => {}
        }
        self.completed = true;
        Ok(())
    }
}

impl Drop for OpenUpload {
    fn drop(&mut self) {
        let Ok(runtime) = Handle::try_current() else { return };
        if self.completed {
            return;
        }
        let (target, id) = (self.target.clone(), std::mem::take(&mut self.id));
        runtime.spawn(async move {
            let aborted = target.bucket.store.abort_multipart(&target.path, &id).await;
            if let Err(failure) = aborted.map_err(Failure::from) {
                debug!(%failure, "an upload could not be aborted and is left to the sweeper");
            }
        });
    }
}

fn given_up() -> io::Error {
    io::Error::other("the upload was given up")
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

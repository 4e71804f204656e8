//! An open object and how its bytes are read: first from the page cache, on the async thread itself
//! (`RWF_NOWAIT` never waits for a disk); what is not there is fetched by a thread of the blocking
//! pool, which also asks the kernel to read on.

use std::{
    fs::File,
    io::{self, IoSliceMut},
    num::NonZeroU64,
    ops::Range,
    os::unix::fs::FileExt,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use rustix::{
    fs::{Advice, fadvise, fstat},
    io::{Errno, ReadWriteFlags, preadv2},
};
use songkeep_domain::blob::Blob;

use crate::buffers::{Buffer, BufferPool, CHUNK_BYTES};

/// How far the kernel is asked to read on when the page cache ran dry: some minutes of music, so that
/// a listener goes to the blocking pool a few times per song at most.
const READ_AHEAD_BYTES: u64 = 2 * 1024 * 1024;

pub(crate) struct OpenFile {
    file: Arc<File>,
    size_bytes: u64,
    /// False once the file system said that it cannot tell what is in the page cache.
    nowait: AtomicBool,
    buffers: Arc<BufferPool>,
}

impl OpenFile {
    /// Blocks.
    ///
    /// # Errors
    /// `NotFound` also for what is no regular file.
    pub(crate) fn open(path: &Path, buffers: Arc<BufferPool>) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Self { file: Arc::new(file), size_bytes: metadata.len(), nowait: AtomicBool::new(true), buffers })
    }

    /// False once the file was deleted or replaced, by this process or another. Asks only what the
    /// kernel holds in memory.
    pub(crate) fn has_a_name(&self) -> bool {
        fstat(&self.file).is_ok_and(|stat| stat.st_nlink > 0)
    }

    /// What the page cache holds from `at` on, up to the length of `space`; None when the bytes at `at`
    /// are not in it.
    fn read_cached(&self, at: u64, space: &mut [u8]) -> io::Result<Option<usize>> {
        if !self.nowait.load(Ordering::Relaxed) {
            return Ok(None);
        }
        loop {
            match preadv2(&self.file, &mut [IoSliceMut::new(space)], at, ReadWriteFlags::NOWAIT) {
                Ok(0) => return Err(shorter_than_before()),
                Ok(read) => return Ok(Some(read)),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                    self.nowait.store(false, Ordering::Relaxed);
                    return Ok(None);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Fills `space` from the disk, however long that takes; less only at the end of the file.
    fn read_blocking(&self, at: u64, space: &mut [u8]) -> io::Result<usize> {
        // Only a hint: without it the read works as well, and the next one is slower.
        let _ = fadvise(&self.file, at, NonZeroU64::new(READ_AHEAD_BYTES), Advice::WillNeed);
        let mut filled = 0;
        while filled < space.len() {
            match self.file.read_at(&mut space[filled..], at + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if filled == 0 { Err(shorter_than_before()) } else { Ok(filled) }
    }

    /// The next bytes of a range that is not at its end: at most `length`, at least one.
    async fn read_chunk(self: &Arc<Self>, at: u64, length: usize) -> io::Result<Bytes> {
        // Reads from the page cache never wait, so a fast reader must be made to let others run.
        tokio::task::consume_budget().await;
        let mut buffer = self.buffers.take();
        if let Some(read) = self.read_cached(at, buffer.space(length))? {
            return Ok(buffer.freeze(read));
        }
        let file = Arc::clone(self);
        let read = move || -> io::Result<(Buffer, usize)> {
            let read = file.read_blocking(at, buffer.space(length))?;
            Ok((buffer, read))
        };
        let (buffer, read) = tokio::task::spawn_blocking(read).await.map_err(io::Error::other)??;
        Ok(buffer.freeze(read))
    }
}

impl Blob for OpenFile {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
        let end = range.end.min(self.size_bytes);
        Box::pin(stream::try_unfold((self, range.start), move |(file, at)| async move {
            let length = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX).min(CHUNK_BYTES);
            if length == 0 {
                return Ok(None);
            }
            let chunk = file.read_chunk(at, length).await?;
            let next = at + chunk.len() as u64;
            Ok(Some((chunk, (file, next))))
        }))
    }

    fn file(&self) -> Option<&Arc<File>> {
        Some(&self.file)
    }

    /// Looks at the end only: what the kernel reads ahead and forgets comes in longer stretches.
    fn is_cached(&self, range: &Range<u64>) -> bool {
        !range.is_empty() && matches!(self.read_cached(range.end - 1, &mut [0]), Ok(Some(_)))
    }
}

/// An object never changes, so its file was damaged by someone else.
fn shorter_than_before() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the object is shorter than when it was opened")
}

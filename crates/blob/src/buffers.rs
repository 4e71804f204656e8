//! Buffers for reading, used again and again. A buffer comes back when the `Bytes` made from it is
//! dropped, wherever that happens; so a busy server neither allocates nor clears memory per chunk.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Size of every buffer, and with it of a chunk: large enough to make system calls cheap, small enough
/// to stay in a core's cache until it is sent.
pub(crate) const CHUNK_BYTES: usize = 128 * 1024;

/// Most buffers that are kept while nobody needs them: 8 MiB.
const MAX_IDLE: usize = 64;

#[derive(Default)]
pub(crate) struct BufferPool {
    idle: Mutex<Vec<Vec<u8>>>,
}

impl BufferPool {
    /// The buffer that came back last, as it is the likeliest to be in the core's cache; else a new one.
    pub(crate) fn take(self: &Arc<Self>) -> Buffer {
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let bytes = kept.unwrap_or_else(|| vec![0; CHUNK_BYTES]);
        Buffer { bytes, filled: 0, pool: Arc::clone(self) }
    }

    fn give_back(&self, bytes: Vec<u8>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(bytes);
        }
    }
}

/// `CHUNK_BYTES` of memory, of which the first `filled` mean something.
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    filled: usize,
    pool: Arc<BufferPool>,
}

impl Buffer {
    pub(crate) fn space(&mut self, length: usize) -> &mut [u8] {
        &mut self.bytes[..length]
    }

    /// The first `filled` bytes, without copying them.
    pub(crate) fn freeze(mut self, filled: usize) -> Bytes {
        self.filled = filled;
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.pool.give_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_its_last_bytes_are_dropped() {
        let pool = Arc::new(BufferPool::default());
        let mut buffer = pool.take();
        buffer.space(3).copy_from_slice(b"abc");
        let memory = buffer.bytes.as_ptr();
        let bytes = buffer.freeze(3);
        let part = bytes.slice(1..);
        drop(bytes);
        assert_eq!(&part[..], b"bc");
        assert_ne!(pool.take().bytes.as_ptr(), memory, "still in use");
        drop(part);
        assert_eq!(pool.take().bytes.as_ptr(), memory);
    }

    #[test]
    fn only_so_many_idle_buffers_are_kept() {
        let pool = Arc::new(BufferPool::default());
        let many: Vec<Buffer> = (0..MAX_IDLE + 10).map(|_| pool.take()).collect();
        drop(many);
        assert_eq!(pool.idle.lock().expect("not poisoned").len(), MAX_IDLE);
    }
}

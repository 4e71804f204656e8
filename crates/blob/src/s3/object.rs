//! An open object and how its bytes are read: range after range, each whole in memory before any of it
//! is handed on, the next one on its way meanwhile. So a slow listener holds some megabytes and no
//! connection.

use std::{io, ops::Range, sync::Arc};

use bytes::Bytes;
use futures::stream::{self, BoxStream};
use object_store::{GetOptions, GetRange, ObjectStore, path::Path};
use songkeep_domain::blob::Blob;
use tokio_util::task::AbortOnDropHandle;

use super::{bucket::Bucket, failure::Failure};
use crate::buffers::CHUNK_BYTES;

/// The first range is short: music begins sooner, and a jump elsewhere wastes less.
const FIRST_RANGE_BYTES: u64 = 256 * 1024;
/// Later ranges grow to this. A range costs some milliseconds, however short it is.
const RANGE_BYTES: u64 = 1024 * 1024;

pub(crate) struct S3Object {
    pub(crate) bucket: Arc<Bucket>,
    pub(crate) path: Path,
    pub(crate) size_bytes: u64,
}

impl S3Object {
    async fn fetch(&self, range: Range<u64>) -> Result<Bytes, Failure> {
        let options = GetOptions { range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
        let answer = self.bucket.store.get_opts(&self.path, options).await?;
        // A server that knows another object by this name would give bytes that belong to nothing.
        if answer.meta.size != self.size_bytes {
            return Err(Failure::Nonsense("the object is not as long as when it was opened".to_owned()));
        }
        let bytes = answer.bytes().await?;
        if bytes.len() as u64 != range.end - range.start {
            return Err(Failure::Broken("a range came incomplete".to_owned()));
        }
        Ok(bytes)
    }
}

impl Blob for S3Object {
    fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    fn read(self: Arc<Self>, range: Range<u64>) -> BoxStream<'static, io::Result<Bytes>> {
        let end = range.end.min(self.size_bytes);
        let reading = Reading {
            object: self,
            rest: range.start..end,
            next_length: FIRST_RANGE_BYTES,
            at_hand: Bytes::new(),
            ahead: None,
        };
        Box::pin(stream::try_unfold(reading, |mut reading| async move {
            let chunk = reading.next_chunk().await?;
            Ok(chunk.map(|chunk| (chunk, reading)))
        }))
    }
}

struct Reading {
    object: Arc<S3Object>,
    /// What was not asked for yet.
    rest: Range<u64>,
    next_length: u64,
    at_hand: Bytes,
    ahead: Option<Ahead>,
}

/// A range that is on its way, or already here.
struct Ahead {
    range: Range<u64>,
    bytes: AbortOnDropHandle<Result<Bytes, Failure>>,
}

impl Reading {
    async fn next_chunk(&mut self) -> io::Result<Option<Bytes>> {
        if self.at_hand.is_empty() {
            self.at_hand = match self.ahead.take() {
                Some(ahead) => self.arrive(ahead).await?,
                None => match self.next_range() {
                    Some(range) => self.object.fetch(range).await?,
                    None => return Ok(None),
                },
            };
            self.look_ahead();
        }
        let length = self.at_hand.len().min(CHUNK_BYTES);
        Ok(Some(self.at_hand.split_to(length)))
    }

    fn next_range(&mut self) -> Option<Range<u64>> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.end.min(self.rest.start + self.next_length);
        let range = self.rest.start..end;
        self.rest.start = end;
        self.next_length = (self.next_length * 2).min(RANGE_BYTES);
        Some(range)
    }

    /// On a task of its own, as nobody polls this while the listener is slow.
    fn look_ahead(&mut self) {
        self.ahead = self.next_range().map(|range| {
            let (object, wanted) = (Arc::clone(&self.object), range.clone());
            let fetch = tokio::spawn(async move { object.fetch(wanted).await });
            Ahead { range, bytes: AbortOnDropHandle::new(fetch) }
        });
    }

    async fn arrive(&self, ahead: Ahead) -> io::Result<Bytes> {
        match ahead.bytes.await.map_err(io::Error::other)? {
            // It may have failed long ago, when the listener had just paused.
            Err(failure) if failure.is_transient() => Ok(self.object.fetch(ahead.range).await?),
            result => Ok(result?),
        }
    }
}

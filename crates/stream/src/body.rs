//! A response's bytes on their way: one or several ranges of an object, and in between the lines that
//! separate the parts of a multipart answer. The next chunk is read when the client has taken the last,
//! and nothing is held meanwhile. From time to time, when a chunk is due, the listener's right is
//! checked again.

use std::{collections::VecDeque, io, ops::Range, sync::Arc};

use axum::body::Body;
use bytes::Bytes;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use songkeep_api::token::StreamAccess;
use songkeep_domain::{StoreError, blob::Blob};
use songkeep_http_kit::{FileSender, send_file::MAX_PIECE};

use crate::grants::{Grant, Grants};

/// A piece of a body.
pub(crate) enum Segment {
    Text(Bytes),
    Object(Range<u64>),
}

impl Segment {
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::Object(range) => range.end - range.start,
        }
    }
}

/// Why a body ended early; the client sees a broken connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeliveryError {
    #[error("the listener's right to the song ended")]
    Revoked,
    #[error("the listener's right to the song cannot be checked")]
    Unchecked(#[source] StoreError),
    #[error("the song's bytes cannot be read")]
    Unreadable(#[source] io::Error),
}

pub(crate) struct Delivery {
    pub(crate) grants: Arc<Grants>,
    pub(crate) access: StreamAccess,
    pub(crate) grant: Grant,
    pub(crate) blob: Arc<dyn Blob>,
    /// Sends files on the listener's connection, where that is possible.
    pub(crate) files: Option<FileSender>,
    pub(crate) segments: VecDeque<Segment>,
}

impl Delivery {
    pub(crate) fn into_body(self) -> Body {
        let flow = Flow { delivery: self, reading: None, meter: Meter::start() };
        Body::from_stream(stream::try_unfold(flow, |mut flow| async move {
            match flow.next().await {
                Ok(chunk) => Ok(chunk.map(|chunk| (chunk, flow))),
                Err(error) => {
                    report(&error, flow.delivery.access);
                    Err(error)
                }
            }
        }))
    }

    /// # Errors
    /// When the song must not be heard any more, or that is unknown.
    async fn check(&mut self) -> Result<(), DeliveryError> {
        if self.grants.still_holds(&self.grant, self.access) {
            return Ok(());
        }
        let found = self.grants.find(self.access).await.map_err(DeliveryError::Unchecked)?;
        self.grant = found.ok_or(DeliveryError::Revoked)?;
        Ok(())
    }
}

struct Flow {
    delivery: Delivery,
    /// The bytes that are being read; None when the next ones are taken up with the next chunk.
    reading: Option<BoxStream<'static, io::Result<Bytes>>>,
    meter: Meter,
}

impl Flow {
    async fn next(&mut self) -> Result<Option<Bytes>, DeliveryError> {
        let Some((chunk, is_music)) = self.take_next().await? else { return Ok(None) };
        self.delivery.check().await?;
        if is_music {
            self.meter.count(&chunk);
        }
        Ok(Some(chunk))
    }

    /// The next chunk, and whether it is of the object.
    async fn take_next(&mut self) -> Result<Option<(Bytes, bool)>, DeliveryError> {
        loop {
            if let Some(reading) = &mut self.reading {
                if let Some(chunk) = reading.next().await {
                    return chunk.map(|chunk| Some((chunk, true))).map_err(DeliveryError::Unreadable);
                }
                self.reading = None;
            }
            match self.delivery.segments.pop_front() {
                Some(Segment::Text(text)) => return Ok(Some((text, false))),
                Some(Segment::Object(range)) => {
                    if let Some(chunk) = self.begin(range) {
                        return Ok(Some((chunk, true)));
                    }
                }
                None => return Ok(None),
            }
        }
    }

    /// Begins with a range: gives the frame that stands for its first bytes, or else begins to read them;
    /// puts the rest back.
    fn begin(&mut self, range: Range<u64>) -> Option<Bytes> {
        let delivery = &mut self.delivery;
        let mut first = range.clone();
        let mut frame = None;
        if let (Some(files), Some(file)) = (&delivery.files, delivery.blob.file()) {
            first.end = range.end.min(range.start + MAX_PIECE as u64);
            // The connection's thread must not wait for a disk: what is not in memory is read, with more
            // behind it, and is there when its turn comes.
            if delivery.blob.is_cached(&first) {
                frame = Some(files.stand_in(Arc::clone(file), first.clone()));
            }
        }
        if frame.is_none() {
            self.reading = Some(Arc::clone(&delivery.blob).read(first.clone()));
        }
        if first.end < range.end {
            delivery.segments.push_front(Segment::Object(first.end..range.end));
        }
        frame
    }
}

fn report(error: &DeliveryError, access: StreamAccess) {
    let song = access.song_id;
    match error {
        DeliveryError::Revoked => tracing::info!(%song, "{error}"),
        DeliveryError::Unchecked(source) => tracing::warn!(%song, error = %source, "{error}"),
        DeliveryError::Unreadable(source) => tracing::error!(%song, error = %source, "{error}"),
    }
}

/// Counts a body that flows, and its bytes of music.
struct Meter {
    active: metrics::Gauge,
    bytes: metrics::Counter,
}

impl Meter {
    fn start() -> Self {
        let active = metrics::gauge!("songkeep_stream_active");
        active.increment(1);
        Self { active, bytes: metrics::counter!("songkeep_stream_bytes_total") }
    }

    fn count(&self, chunk: &Bytes) {
        self.bytes.increment(chunk.len() as u64);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.active.decrement(1);
    }
}

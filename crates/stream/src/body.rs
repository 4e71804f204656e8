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
    pub(crate) segments: VecDeque<Segment>,
}

impl Delivery {
    pub(crate) fn into_body(self) -> Body {
        let flow = Flow { delivery: self, object: None, meter: Meter::start() };
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
    /// The range that is being read.
    object: Option<BoxStream<'static, io::Result<Bytes>>>,
    meter: Meter,
}

impl Flow {
    async fn next(&mut self) -> Result<Option<Bytes>, DeliveryError> {
        let Some(chunk) = self.read_next().await? else { return Ok(None) };
        self.delivery.check().await?;
        if self.object.is_some() {
            self.meter.count(&chunk);
        }
        Ok(Some(chunk))
    }

    async fn read_next(&mut self) -> Result<Option<Bytes>, DeliveryError> {
        loop {
            if let Some(object) = &mut self.object {
                if let Some(chunk) = object.next().await {
                    return chunk.map(Some).map_err(DeliveryError::Unreadable);
                }
                self.object = None;
            }
            match self.delivery.segments.pop_front() {
                Some(Segment::Text(text)) => return Ok(Some(text)),
                Some(Segment::Object(range)) => {
                    self.object = Some(Arc::clone(&self.delivery.blob).read(range))
                }
                None => return Ok(None),
            }
        }
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

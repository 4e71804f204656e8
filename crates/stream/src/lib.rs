//! The byte server: `GET|HEAD /public/stream/{song_id}?token=…`. A signed address names listener,
//! session and song; the store says whether that still holds; the bytes come from the blob store as
//! RFC 9110 wants them. While they flow, no connection of a pool, lock or thread is held, so thousands
//! of slow listeners cost memory only.

mod addresses;
mod body;
mod conditions;
mod grants;
pub mod range;
mod route;

use std::sync::Arc;

use songkeep_api::token::StreamTokens;
use songkeep_domain::{Clock, blob::BlobStore, bus::Bus, library::CatalogStore};

pub use route::router;

use crate::{addresses::Addresses, grants::Grants};

/// What the byte server stands on.
#[derive(Clone)]
pub struct StreamPorts {
    pub catalog: Arc<dyn CatalogStore>,
    pub blobs: Arc<dyn BlobStore>,
    pub bus: Arc<dyn Bus>,
    pub tokens: StreamTokens,
    pub clock: Arc<dyn Clock>,
}

/// How bytes reach listeners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BytesFrom {
    /// From us.
    #[default]
    Here,
    /// From the blob store itself, where clients can reach it: they are sent to a signed address that
    /// holds for five minutes, so that a right that ends takes up to so long to end.
    Store,
}

/// The byte server's state. A clone shares it; when the last is gone, it stops listening to the bus.
#[derive(Clone)]
pub struct StreamState {
    addresses: Arc<Addresses>,
    blobs: Arc<dyn BlobStore>,
    grants: Arc<Grants>,
    bytes_from: BytesFrom,
}

impl StreamState {
    /// Must be called inside a Tokio runtime: a task listens to the bus, to forget rights that ended.
    #[must_use]
    pub fn new(ports: StreamPorts) -> Self {
        let StreamPorts { catalog, blobs, bus, tokens, clock } = ports;
        let addresses = Arc::new(Addresses::new(tokens, Arc::clone(&clock)));
        let grants = Arc::new(Grants::new(catalog, bus.as_ref(), clock));
        Self { addresses, blobs, grants, bytes_from: BytesFrom::Here }
    }

    #[must_use]
    pub const fn with_bytes_from(mut self, bytes_from: BytesFrom) -> Self {
        self.bytes_from = bytes_from;
        self
    }
}

//! The search service: asks a source for recordings, ranks what it found and says why. It knows the
//! source only as a port; it keeps nothing but short-lived caches.

pub mod ranking;
mod service;
pub mod text;
mod versions;

pub use service::{SearchPorts, SearchService, SearchSettings};

//! The catalog service: a listener's library, their own words for its songs, and signed leave to read
//! a song's bytes. It serves no bytes itself.

mod service;
mod text;

pub use service::{CatalogPorts, CatalogService, CatalogSettings};

//! The slower way to ask a source: through the download tool, when the source's own search
//! endpoint cannot be read any more.

use async_trait::async_trait;
use songkeep_domain::{
    SourceRef,
    media::{SourceError, SourceHit},
};

/// Search and description by the download tool.
#[async_trait]
pub trait FlatSearch: Send + Sync + 'static {
    /// At most `limit` hits in the source's own order; an empty list when nothing was found.
    async fn flat_search(&self, query: &str, limit: u32) -> Result<Vec<SourceHit>, SourceError>;

    /// One recording by its id.
    async fn describe(&self, source: &SourceRef) -> Result<SourceHit, SourceError>;
}

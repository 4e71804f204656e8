//! The append-only record of sign-ins, administrators' actions and deletions.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{AuditId, Page, PageRequest, StoreResult, Timestamp, UserId};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    pub id: AuditId,
    pub at: Timestamp,
    /// Who did it; None for the system, commands and failed sign-ins.
    pub actor_id: Option<UserId>,
    /// Dotted verb, such as `auth.signin`, `user.disable`, `song.delete`.
    pub action: String,
    /// What it was done to: an id or an address.
    pub target: Option<String>,
    pub ip: Option<String>,
    pub detail: serde_json::Value,
}

#[async_trait]
pub trait AuditStore: Send + Sync + 'static {
    async fn append_audit(&self, entry: AuditEntry) -> StoreResult<()>;

    /// Newest first; `q` is part of action or target.
    async fn list_audit(&self, q: Option<&str>, page: &PageRequest) -> StoreResult<Page<AuditEntry>>;
}

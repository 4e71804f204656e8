//! What the administrator's overview plots: how much went on over time, and the port to where that is kept.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{StoreResult, Timestamp};

/// What one gateway answered in one minute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficMinute {
    /// Whole minutes since 1970.
    pub minute: i64,
    /// All answers.
    pub requests: u64,
    /// Those with a status of 500 or more.
    pub errors: u64,
}

/// A stretch of time in equal parts, of whole minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buckets {
    pub from: Timestamp,
    pub width: Duration,
    pub count: usize,
}

/// What happened in each of some buckets; all lists are as long as these are many.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activity {
    pub requests: Vec<u64>,
    pub errors: Vec<u64>,
    pub imports_completed: Vec<u64>,
    pub imports_failed: Vec<u64>,
    /// Songs that were stored and are there yet.
    pub songs_added: Vec<u64>,
    /// Their bytes.
    pub bytes_added: Vec<u64>,
    pub users_added: Vec<u64>,
}

/// Where what goes on is counted; `EventStore::delete_traffic` forgets it. Each method is one transaction.
#[async_trait]
pub trait OverviewStore: Send + Sync + 'static {
    /// Keeps what a gateway counted. `node` names its process; the same minutes again change nothing.
    async fn record_traffic(&self, node: Uuid, minutes: &[TrafficMinute]) -> StoreResult<()>;

    async fn activity(&self, buckets: &Buckets) -> StoreResult<Activity>;
}

//! What listeners are told while it happens. Events are rows, written with what they tell of; each
//! account counts its own, so that a client can ask for all after the last it saw.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{SongId, StoreResult, Timestamp, UserId, job::Job, library::LibrarySong};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LibraryChange {
    Added,
    Updated,
    Removed,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventBody {
    /// The job as it is now.
    Job { job: Box<Job> },
    /// `song` is None when it was removed.
    Library { change: LibraryChange, song_id: SongId, song: Option<Box<LibrarySong>> },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub user_id: UserId,
    /// 1, 2, 3 … for each account, without gaps, in the order of commits.
    pub seq: i64,
    pub at: Timestamp,
    pub body: EventBody,
}

/// The answer to "what came after `seq`?".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum EventsAfter {
    Events(Vec<Event>),
    /// That `seq` was never given or is forgotten: start afresh.
    Gap,
}

#[async_trait]
pub trait EventStore: Send + Sync + 'static {
    /// The account's events after `seq`, oldest first, at most `limit`.
    async fn list_events_after(&self, user: UserId, seq: i64, limit: u32) -> StoreResult<EventsAfter>;

    /// The account's newest `seq`; 0 before the first event.
    async fn last_event_seq(&self, user: UserId) -> StoreResult<i64>;

    /// Forgets events from before then; how many.
    async fn delete_events(&self, before: Timestamp) -> StoreResult<u64>;

    /// Forgets sessions and tokens that ended or expired before then; how many rows.
    async fn delete_dead_sessions(&self, before: Timestamp) -> StoreResult<u64>;

    /// Forgets what gateways counted before; how many rows.
    async fn delete_traffic(&self, before: Timestamp) -> StoreResult<u64>;
}

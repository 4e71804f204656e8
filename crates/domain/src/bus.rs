//! The port to the message bus: news between processes and shared rate limits. Losing it loses
//! nothing: the database holds the truth and is polled slowly.

use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};

use crate::{JobId, SessionId, UserId, event::Event};

/// News that follows a commit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "snake_case")]
pub enum Notice {
    /// Something happened that an account's clients want to show.
    Event(Box<Event>),
    /// A job waits to be claimed.
    JobReady,
    /// The worker of this job should look whether it was cancelled.
    JobCancelRequested { job_id: JobId },
    /// Access tokens of this session end now.
    SessionEnded { session_id: SessionId },
    /// The account's role, state or sessions changed: forget what is cached of it.
    UserChanged { user_id: UserId },
    /// A subscriber was too slow, or the connection was lost: assume that anything was missed.
    Lagged,
}

/// Where the store tells what it has committed; must not block.
pub trait CommitHook: Send + Sync + 'static {
    fn committed(&self, notices: Vec<Notice>);
}

/// `burst` calls at once, then evenly `burst` per `period`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RateRule {
    /// Label of the limit, such as `signin_ip`; bounded, used in keys and metrics.
    pub name: &'static str,
    pub burst: u32,
    pub period: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateDecision {
    Allowed,
    Refused { retry_after: Duration },
}

#[derive(Debug, thiserror::Error)]
#[error("the bus is unavailable")]
pub struct BusError(#[source] pub crate::error::BoxError);

#[async_trait]
pub trait Bus: Send + Sync + 'static {
    async fn publish(&self, notice: Notice) -> Result<(), BusError>;

    /// Everything published from now on, by anyone. Never ends while the bus lives.
    fn subscribe(&self) -> BoxStream<'static, Notice>;

    /// Counts one call against a limit (GCRA).
    async fn check_rate(&self, rule: RateRule, key: &str) -> Result<RateDecision, BusError>;

    /// # Errors
    /// When the bus cannot be reached.
    async fn check(&self) -> Result<(), BusError>;
}

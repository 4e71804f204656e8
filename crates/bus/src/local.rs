//! The bus of a process that has nobody to share it with.

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, stream::BoxStream};
use songkeep_domain::bus::{Bus, BusError, CommitHook, Notice, RateDecision, RateRule};
use tokio::sync::broadcast;
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};

use crate::limits::RateLimits;

/// Notices that a subscriber may be behind before it misses some. One of them is at most a job or a
/// song with its texts, so this is a few megabytes when it is full.
const CAPACITY: usize = 1_024;

/// [`Bus`] and [`CommitHook`] within one process.
pub struct LocalBus {
    notices: broadcast::Sender<Notice>,
    limits: RateLimits,
}

impl LocalBus {
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { notices: broadcast::Sender::new(CAPACITY), limits: RateLimits::new() })
    }

    fn tell(&self, notice: Notice) {
        // An error means that nobody listens, which is nobody's fault.
        let _ = self.notices.send(notice);
    }
}

impl CommitHook for LocalBus {
    fn committed(&self, notices: Vec<Notice>) {
        for notice in notices {
            self.tell(notice);
        }
    }
}

#[async_trait]
impl Bus for LocalBus {
    async fn publish(&self, notice: Notice) -> Result<(), BusError> {
        self.tell(notice);
        Ok(())
    }

    fn subscribe(&self) -> BoxStream<'static, Notice> {
        BroadcastStream::new(self.notices.subscribe())
            .map(|received| match received {
                Ok(notice) => notice,
                Err(BroadcastStreamRecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "a subscriber of the bus was too slow and missed notices");
                    Notice::Lagged
                }
            })
            .boxed()
    }

    async fn check_rate(&self, rule: RateRule, key: &str) -> Result<RateDecision, BusError> {
        Ok(self.limits.check(rule, key))
    }

    async fn check(&self) -> Result<(), BusError> {
        Ok(())
    }
}

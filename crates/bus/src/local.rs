//! The bus of a process that has nobody to share it with.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use songkeep_domain::bus::{Bus, BusError, CommitHook, Notice, RateDecision, RateRule};

use crate::{fanout::Fanout, limits::RateLimits};

/// [`Bus`] and [`CommitHook`] within one process.
pub struct LocalBus {
    fanout: Fanout,
    limits: RateLimits,
}

impl LocalBus {
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { fanout: Fanout::new(), limits: RateLimits::new() })
    }
}

impl CommitHook for LocalBus {
    fn committed(&self, notices: Vec<Notice>) {
        for notice in notices {
            self.fanout.tell(notice);
        }
    }
}

#[async_trait]
impl Bus for LocalBus {
    async fn publish(&self, notice: Notice) -> Result<(), BusError> {
        self.fanout.tell(notice);
        Ok(())
    }

    fn subscribe(&self) -> BoxStream<'static, Notice> {
        self.fanout.subscribe()
    }

    async fn check_rate(&self, rule: RateRule, key: &str) -> Result<RateDecision, BusError> {
        Ok(self.limits.check(rule, key))
    }

    async fn check(&self) -> Result<(), BusError> {
        Ok(())
    }
}

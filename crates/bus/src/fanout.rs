//! Hands notices to the subscribers within the process.

use futures::{StreamExt as _, stream::BoxStream};
use songkeep_domain::bus::Notice;
use tokio::sync::broadcast;
use tokio_stream::wrappers::{BroadcastStream, errors::BroadcastStreamRecvError};

/// Notices that a subscriber may be behind before it misses some. One of them is at most a job or a
/// song with its texts, so this is a few megabytes when it is full.
const CAPACITY: usize = 1_024;

/// Subscriptions end with it.
pub(crate) struct Fanout(broadcast::Sender<Notice>);

impl Fanout {
    pub fn new() -> Self {
        Self(broadcast::Sender::new(CAPACITY))
    }

    pub fn tell(&self, notice: Notice) {
        // An error means that nobody listens, which is nobody's fault.
        let _ = self.0.send(notice);
    }

    pub fn subscribe(&self) -> BoxStream<'static, Notice> {
        BroadcastStream::new(self.0.subscribe())
            .map(|received| match received {
                Ok(notice) => notice,
                Err(BroadcastStreamRecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "a subscriber of the bus was too slow and missed notices");
                    Notice::Lagged
                }
            })
            .boxed()
    }

    /// For tasks in the background, which do not keep subscriptions alive.
    pub fn weak(&self) -> WeakFanout {
        WeakFanout(self.0.downgrade())
    }
}

#[derive(Clone)]
pub(crate) struct WeakFanout(broadcast::WeakSender<Notice>);

impl WeakFanout {
    pub fn tell(&self, notice: Notice) {
        if let Some(sender) = self.0.upgrade() {
            Fanout(sender).tell(notice);
        }
    }
}

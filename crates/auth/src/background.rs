//! What goes on after the answer, so that its duration tells nothing: mails above all.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Tasks at once; a mail server that hangs must not fill the memory.
const MOST_TASKS: u32 = 256;

pub(crate) struct Background(Arc<Semaphore>);

impl Background {
    pub fn new() -> Self {
        Self(Arc::new(Semaphore::new(MOST_TASKS as usize)))
    }

    /// Runs `work` beside the caller; when too much runs already, not at all.
    pub fn spawn(&self, what: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        match Arc::clone(&self.0).try_acquire_owned() {
            Ok(permit) => {
                tokio::spawn(async move {
                    work.await;
                    drop(permit);
                });
            }
            Err(_) => tracing::warn!(what, "too much is going on in the background; this is left out"),
        }
    }

    /// Waits for everything that was spawned before.
    pub async fn finish(&self) {
        // The semaphore is never closed.
        let _ = self.0.acquire_many(MOST_TASKS).await;
    }
}

//! What the engine asks of those who do the work.

use async_trait::async_trait;
use songkeep_domain::{
    job::{ClaimedJob, ImportFailure, Published},
    song::NewSong,
};

use crate::JobReporter;

/// How work that went well ends. Effect and end of a job are one fenced store call, so that neither
/// stands without the other and a job that was lost meanwhile publishes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// The engine is to publish this song; it tries again while the database is unavailable and the
    /// lease lives.
    Publish(Box<NewSong>),
    /// The handler has made the one fenced call itself (`link_existing`).
    Ended(Published),
}

#[async_trait]
pub trait JobHandler: Send + Sync + 'static {
    /// One attempt. The future is dropped when the job is cancelled, lost, out of time or handed
    /// back: dropping must stop all work on it. A panic counts as an internal failure.
    async fn run(&self, job: &ClaimedJob, reporter: &JobReporter) -> Result<Completion, ImportFailure>;

    /// Whether work can go well at all just now. It is asked after an attempt that failed for a passing
    /// reason, and again until it can: no job is claimed meanwhile, so that a node without space or
    /// storage does not use up the attempts of all jobs.
    ///
    /// # Errors
    /// Why not, in words for the log.
    async fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

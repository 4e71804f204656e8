//! How an engine behaves; tests bring shorter times.

use std::time::Duration;

use crate::RetryPolicy;

#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Name of this node in the owner of leases; each engine adds a part that is unique per start.
    pub node: String,
    /// Jobs worked on at once.
    pub slots: usize,
    /// How long a job is ours without a heartbeat. Heartbeats come every third of it, the reaper
    /// every half.
    pub lease: Duration,
    /// How long running jobs may go on after the shutdown began; then they are handed back.
    pub grace: Duration,
    /// Longest time for one attempt.
    pub job_timeout: Duration,
    /// How often to look for jobs when no news comes: what makes a lost bus harmless.
    pub poll: Duration,
    pub retry: RetryPolicy,
    /// A node whose clock is further than this from the database's claims nothing.
    pub max_clock_skew: Duration,
    pub clock_check_every: Duration,
    /// How often the gauges of the queue are refreshed.
    pub stats_every: Duration,
    /// Shortest time between two reports when only the percentage moved.
    pub progress_gap: Duration,
    /// Shortest time between two reports when the stage or title changed.
    pub stage_gap: Duration,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            node: "node".to_owned(),
            slots: 2,
            lease: Duration::from_secs(30),
            grace: Duration::from_secs(20),
            job_timeout: Duration::from_secs(30 * 60),
            poll: Duration::from_secs(5),
            retry: RetryPolicy::default(),
            max_clock_skew: Duration::from_secs(10),
            clock_check_every: Duration::from_secs(60),
            stats_every: Duration::from_secs(15),
            progress_gap: Duration::from_secs(1),
            stage_gap: Duration::from_millis(250),
        }
    }
}

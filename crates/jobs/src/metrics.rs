//! Names and labels of the engine's metrics. All labels come from closed lists.

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use songkeep_domain::job::{ClaimedJob, FailureCode, QueueStats, Reaped};

const CLAIMED: &str = "songkeep_jobs_claimed_total";
const FINISHED: &str = "songkeep_jobs_finished_total";
const REAPED: &str = "songkeep_jobs_reaped_total";
const RUNNING: &str = "songkeep_jobs_running";
const WAIT: &str = "songkeep_jobs_wait_seconds";
const RUN: &str = "songkeep_jobs_run_seconds";
const QUEUE: &str = "songkeep_jobs_queue";
const OLDEST_DUE: &str = "songkeep_jobs_oldest_due_seconds";

pub(crate) fn describe() {
    describe_counter!(CLAIMED, "Jobs taken by this process");
    describe_counter!(FINISHED, "Attempts that ended here, by outcome and failure code");
    describe_counter!(REAPED, "Expired leases dealt with, by what became of the job");
    describe_gauge!(RUNNING, "Jobs being worked on by this process");
    describe_histogram!(WAIT, "Time between the moment a job was due and its claim");
    describe_histogram!(RUN, "Time from claim to the end of an attempt");
    describe_gauge!(QUEUE, "Jobs in the database, by status");
    describe_gauge!(OLDEST_DUE, "Age of the oldest job that is due");
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Completed,
    /// Failed, and queued again.
    Retried(FailureCode),
    Failed(FailureCode),
    Cancelled,
    /// Somebody else has the job, or nobody until the reaper comes by.
    Lost,
    HandedBack,
}

impl Outcome {
    pub const fn labels(self) -> (&'static str, &'static str) {
        match self {
            Self::Completed => ("completed", ""),
            Self::Retried(code) => ("retried", code.as_str()),
            Self::Failed(code) => ("failed", code.as_str()),
            Self::Cancelled => ("cancelled", ""),
            Self::Lost => ("lost", ""),
            Self::HandedBack => ("handed_back", ""),
        }
    }
}

pub(crate) fn claimed(job: &ClaimedJob) {
    counter!(CLAIMED).increment(1);
    histogram!(WAIT).record(job.waited.as_secs_f64());
}

pub(crate) fn finished(outcome: Outcome, seconds: f64) {
    let (outcome, code) = outcome.labels();
    counter!(FINISHED, "outcome" => outcome, "code" => code).increment(1);
    histogram!(RUN, "outcome" => outcome).record(seconds);
}

pub(crate) fn reaped(reaped: Reaped) {
    for (outcome, count) in
        [("requeued", reaped.requeued), ("failed", reaped.failed), ("cancelled", reaped.cancelled)]
    {
        counter!(REAPED, "outcome" => outcome).increment(count);
    }
}

pub(crate) fn queue(stats: &QueueStats) {
    for (status, count) in [
        ("queued", stats.queued),
        ("processing", stats.processing),
        ("completed", stats.completed),
        ("failed", stats.failed),
        ("cancelled", stats.cancelled),
    ] {
        gauge!(QUEUE, "status" => status).set(count as f64);
    }
    gauge!(OLDEST_DUE).set(stats.oldest_due_secs);
}

/// Counts a running job for as long as it lives.
pub(crate) struct RunningGauge;

impl RunningGauge {
    pub fn new() -> Self {
        gauge!(RUNNING).increment(1.0);
        Self
    }
}

impl Drop for RunningGauge {
    fn drop(&mut self) {
        gauge!(RUNNING).decrement(1.0);
    }
}

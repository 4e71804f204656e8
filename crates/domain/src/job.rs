//! Import jobs: their states, why they fail, and the port through which they are queued and run.
//! The database is the truth; a bus only says "look".

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{JobId, Page, PageRequest, SongId, SourceRef, StoreResult, Timestamp, UserId, song::NewSong};

macro_rules! text_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }
        }
    };
}

text_enum!(
    JobStatus {
        /// Waiting for a worker, for the first time or again after a passing failure.
        Queued = "queued",
        Processing = "processing",
        Completed = "completed",
        Failed = "failed",
        Cancelled = "cancelled",
    }
);

impl JobStatus {
    /// Live jobs may still become anything; at most one per account and source.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Queued | Self::Processing)
    }
}

text_enum!(
    /// Where a job that is being worked on stands.
    ImportStage {
        Queued = "queued",
        PreparingTools = "preparing tools",
        Resolve = "resolve",
        Download = "download",
        Process = "process",
        Store = "store",
        Publish = "publish",
        Done = "done",
    }
);

text_enum!(
    /// Why an import failed. Each class has a sentence for listeners and a retry policy.
    FailureCode {
        Unavailable = "unavailable",
        Private = "private",
        AgeRestricted = "age_restricted",
        GeoBlocked = "geo_blocked",
        Live = "live",
        TooLong = "too_long",
        TooLarge = "too_large",
        BotCheck = "bot_check",
        RateLimited = "rate_limited",
        NoFormat = "no_format",
        NoJsRuntime = "no_js_runtime",
        UnsupportedUrl = "unsupported_url",
        BlockedAddress = "blocked_address",
        Timeout = "timeout",
        DiskFull = "disk_full",
        ToolBroken = "tool_broken",
        Internal = "internal",
    }
);

impl FailureCode {
    /// One sentence that a listener understands.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Unavailable => "This video is not available any more, so it can't be imported.",
            Self::Private => "This video is private, so it can't be imported.",
            Self::AgeRestricted => "This video needs a signed-in adult, so it can't be imported.",
            Self::GeoBlocked => "This video is blocked in the country of this server.",
            Self::Live => "This is a live stream. Import it after it has ended.",
            Self::TooLong => "This recording is longer than this server allows.",
            Self::TooLarge => "This recording is larger than this server allows.",
            Self::BotCheck => {
                "YouTube asks this server to prove that it is no robot. Imports carry on by themselves later."
            }
            Self::RateLimited => "YouTube asks us to slow down. Imports carry on by themselves later.",
            Self::NoFormat => "No audio that we can store was offered for this video.",
            Self::NoJsRuntime => {
                "The server's JavaScript runtime is missing or too old. Tell your administrator."
            }
            Self::UnsupportedUrl => "This link is not of a site that this server imports from.",
            Self::BlockedAddress => "The source pointed to an address that this server must not contact.",
            Self::Timeout => "The source took too long to answer.",
            Self::DiskFull => "The server's disk is full. Tell your administrator.",
            Self::ToolBroken => "The download tool did not understand the source's answer.",
            Self::Internal => "Something went wrong on the server. Try again, or tell your administrator.",
        }
    }

    /// Whether trying again by itself may help.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(
            self,
            Self::BotCheck
                | Self::RateLimited
                | Self::Timeout
                | Self::DiskFull
                | Self::ToolBroken
                | Self::Internal
        )
    }
}

/// A failed attempt: its class, and what the tools said, for administrators only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}: {detail}", code.as_str())]
pub struct ImportFailure {
    pub code: FailureCode,
    /// Last lines of the tool; cut to 2,000 characters.
    pub detail: String,
}

impl ImportFailure {
    #[must_use]
    pub fn new(code: FailureCode, detail: impl Into<String>) -> Self {
        let mut detail: String = detail.into();
        if let Some((at, _)) = detail.char_indices().nth(2_000) {
            detail.truncate(at);
        }
        Self { code, detail }
    }
}

/// What the importing listener says of a recording: it may fill their own entry where the source
/// gives nothing better, never the shared song.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportHints {
    pub title: Option<String>,
    pub artist: Option<String>,
    /// At most 8 KiB of JSON.
    pub candidate_meta: Option<serde_json::Value>,
}

/// How far a running job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobProgress {
    pub stage: ImportStage,
    /// 0..=100 over all stages.
    pub percent: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    pub id: JobId,
    pub user_id: UserId,
    pub source: SourceRef,
    /// The source's title once known, the hint's before, the id at first.
    pub title: String,
    pub status: JobStatus,
    pub progress: JobProgress,
    /// Attempts begun so far.
    pub attempt: u32,
    /// Why the last attempt failed; kept while a retry waits.
    pub failure_code: Option<FailureCode>,
    /// For administrators only.
    pub failure_detail: Option<String>,
    pub song_id: Option<SongId>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct NewImport {
    pub id: JobId,
    pub user_id: UserId,
    pub source: SourceRef,
    pub hints: ImportHints,
    pub max_attempts: u32,
    pub traceparent: Option<String>,
}

/// What became of a wish to import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// A new job waits.
    Created(Job),
    /// The same account already has a live job for the same source.
    Existing(Job),
    /// The song exists: it is in the library now, and the job is `completed`.
    Linked(Job),
}

impl Enqueued {
    #[must_use]
    pub fn into_job(self) -> Job {
        match self {
            Self::Created(job) | Self::Existing(job) | Self::Linked(job) => job,
        }
    }
}

/// What became of a wish to change a job. Jobs of other accounts are `NotFound`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobChange {
    Changed(Job),
    /// The job's state does not allow it (cancel a finished one, retry a live one).
    NotNow(Job),
    NotFound,
}

/// The right to work on a job: only the holder of the current fence may change it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub job_id: JobId,
    /// Grows with each claim of the job.
    pub fence: i64,
}

#[derive(Clone, Debug)]
pub struct ClaimedJob {
    pub claim: Claim,
    pub job: Job,
    pub hints: ImportHints,
    pub max_attempts: u32,
    pub traceparent: Option<String>,
    /// Microseconds between the moment the job was due and this claim.
    pub waited: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heartbeat {
    Extended {
        cancel_requested: bool,
    },
    /// Somebody else has the job, or it is finished: stop at once.
    Lost,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// Song, library entry and job state were written together.
    Done { song_id: SongId },
    /// The claim was lost; nothing was written.
    Lost,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobFilter {
    /// None: of all accounts (administrators).
    pub user_id: Option<UserId>,
    pub status: Option<JobStatus>,
    /// Part of the title or the source id, any case.
    pub q: Option<String>,
}

/// What the reaper did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reaped {
    /// Leases that had run out, queued again.
    pub requeued: u64,
    /// Leases that had run out for the last time allowed.
    pub failed: u64,
    /// Leases that had run out on jobs whose cancellation was asked for.
    pub cancelled: u64,
}

/// Counts for metrics and the administrator's overview.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct QueueStats {
    pub queued: u64,
    pub processing: u64,
    pub completed: u64,
    pub failed: u64,
    pub cancelled: u64,
    /// Age of the oldest job that is due, in seconds.
    pub oldest_due_secs: f64,
}

/// Where jobs are kept. Each method is one transaction, `lease` and `run_at` use the database's
/// clock, and every visible change writes a `job` event in the same transaction.
#[async_trait]
pub trait JobStore: Send + Sync + 'static {
    /// See [`Enqueued`]. Idempotent by account and source while a job is live.
    async fn enqueue_import(&self, new: NewImport) -> StoreResult<Enqueued>;

    /// With `user`, only a job of that account.
    async fn find_job(&self, id: JobId, user: Option<UserId>) -> StoreResult<Option<Job>>;

    /// Newest first.
    async fn list_jobs(&self, filter: &JobFilter, page: &PageRequest) -> StoreResult<Page<Job>>;

    /// A queued job becomes `cancelled` at once, a running one when its worker hears of it.
    async fn cancel_job(&self, id: JobId, user: Option<UserId>) -> StoreResult<JobChange>;

    /// Queues a failed or cancelled job again with fresh attempts; `NotNow` too while another live
    /// job does the same.
    async fn retry_job(&self, id: JobId, user: Option<UserId>) -> StoreResult<JobChange>;

    /// Takes the next due job whose source nobody else is working on, oldest first within a priority.
    async fn claim_job(&self, owner: &str, lease: Duration) -> StoreResult<Option<ClaimedJob>>;

    /// Extends the lease; with `title`, also names the job.
    async fn heartbeat(
        &self,
        claim: &Claim,
        lease: Duration,
        progress: JobProgress,
        title: Option<&str>,
    ) -> StoreResult<Heartbeat>;

    /// Writes song, library entry and completion together. When a song of the same source exists by
    /// now, it is linked instead and `song` is dropped.
    async fn publish_import(&self, claim: &Claim, song: NewSong) -> StoreResult<Published>;

    /// Completes a job whose song exists already; None when there is no such song.
    async fn link_existing(&self, claim: &Claim) -> StoreResult<Option<Published>>;

    /// Ends an attempt. With `retry_in`, the job is queued again for then; else it is `failed`.
    /// False when the claim was lost.
    async fn fail_job(
        &self,
        claim: &Claim,
        failure: &ImportFailure,
        retry_in: Option<Duration>,
    ) -> StoreResult<bool>;

    /// The worker stopped because cancellation was asked for.
    async fn finish_cancelled(&self, claim: &Claim) -> StoreResult<bool>;

    /// Hands a job back unfinished (shutdown); the attempt does not count.
    async fn release_job(&self, claim: &Claim) -> StoreResult<bool>;

    /// Deals with leases that have run out.
    async fn reap_expired(&self) -> StoreResult<Reaped>;

    /// How long until the next queued job is due; None when none waits.
    async fn next_due_in(&self) -> StoreResult<Option<Duration>>;

    async fn queue_stats(&self) -> StoreResult<QueueStats>;

    /// Forgets jobs that finished before then; how many.
    async fn delete_finished_jobs(&self, before: Timestamp) -> StoreResult<u64>;

    /// The database's clock, to compare one's own with.
    async fn database_now(&self) -> StoreResult<Timestamp>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_the_round_trip() {
        for code in FailureCode::ALL {
            assert_eq!(FailureCode::parse(code.as_str()), Some(*code));
            assert!(code.sentence().ends_with('.'));
        }
        for stage in ImportStage::ALL {
            assert_eq!(ImportStage::parse(stage.as_str()), Some(*stage));
        }
    }
}

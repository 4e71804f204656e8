//! The download service: import jobs and the news of them.

use serde::{Deserialize, Serialize};
use songkeep_domain::{
    JobId, Page, PageRequest,
    event::EventsAfter,
    job::{Job, JobStatus},
};

use crate::service::service;

/// What to import, as the client put it: either `source_provider` with `source_id`, or `url`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Import {
    pub source_provider: Option<String>,
    pub source_id: Option<String>,
    pub url: Option<String>,
    pub title: Option<String>,
    pub artist: Option<String>,
    /// At most 8 KiB of JSON.
    pub candidate_meta: Option<serde_json::Value>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListJobs {
    pub status: Option<JobStatus>,
    pub page: PageRequest,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListEvents {
    pub after_seq: i64,
    pub limit: u32,
}

service! {
    /// Import jobs of the caller, and the caller's events.
    role Download, trait DownloadApi, client DownloadClient, remote RemoteDownload, rpc DownloadRpc;

    /// Queues an import, or answers the live job for the same source, or links a song that exists.
    /// `invalid` for unknown providers, ids outside the grammar and overlong hints.
    [Gateway; idempotent] fn import(Import) -> Job;

    /// `not_found` for jobs of other accounts too.
    [Gateway; idempotent] fn get_job(JobId) -> Job;

    [Gateway; idempotent] fn list_jobs(ListJobs) -> Page<Job>;

    /// `conflict` when it is finished.
    [Gateway] fn cancel_job(JobId) -> Job;

    /// `conflict` unless it failed or was cancelled.
    [Gateway] fn retry_job(JobId) -> Job;

    [Gateway; idempotent] fn list_events(ListEvents) -> EventsAfter;

    /// The newest `seq` of the caller's events.
    [Gateway; idempotent] fn last_event_seq(()) -> i64;
}

//! The download service over its ports. Jobs of other accounts are not found.

use std::sync::Arc;

use async_trait::async_trait;
use songkeep_api::download::{DownloadApi, Import, ListEvents, ListJobs};
use songkeep_domain::{
    CallContext, ErrorCode, JobId, Page, ServiceError, ServiceResult,
    event::{EventStore, EventsAfter},
    job::{Enqueued, Job, JobChange, JobFilter, JobStatus, JobStore, NewImport},
};

use crate::request::{read_hints, read_source};

const MAX_LIMIT: u32 = 500;

/// What the service stands on.
#[derive(Clone)]
pub struct DownloadPorts {
    pub jobs: Arc<dyn JobStore>,
    pub events: Arc<dyn EventStore>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DownloadSettings {
    /// Attempts that a job gets before a passing failure becomes final.
    pub max_attempts: u32,
}

impl Default for DownloadSettings {
    fn default() -> Self {
        Self { max_attempts: 5 }
    }
}

/// Serves [`DownloadApi`].
pub struct DownloadService {
    ports: DownloadPorts,
    settings: DownloadSettings,
}

impl DownloadService {
    #[must_use]
    pub const fn new(ports: DownloadPorts, settings: DownloadSettings) -> Self {
        Self { ports, settings }
    }
}

#[async_trait]
impl DownloadApi for DownloadService {
    async fn import(&self, ctx: &CallContext, request: Import) -> ServiceResult<Job> {
        let actor = ctx.require_user()?;
        let source = read_source(&request)?;
        let new = NewImport {
            id: JobId::new(),
            user_id: actor.user_id,
            source,
            hints: read_hints(request)?,
            max_attempts: self.settings.max_attempts.max(1),
            traceparent: ctx.traceparent.clone(),
        };
        let enqueued = self.ports.jobs.enqueue_import(new).await?;
        count_import(match &enqueued {
            Enqueued::Created(_) => "created",
            Enqueued::Existing(_) => "existing",
            Enqueued::Linked(_) => "linked",
        });
        Ok(enqueued.into_job())
    }

    async fn get_job(&self, ctx: &CallContext, id: JobId) -> ServiceResult<Job> {
        let actor = ctx.require_user()?;
        self.ports.jobs.find_job(id, Some(actor.user_id)).await?.ok_or_else(no_such_job)
    }

    async fn list_jobs(&self, ctx: &CallContext, request: ListJobs) -> ServiceResult<Page<Job>> {
        let actor = ctx.require_user()?;
        if !(1..=MAX_LIMIT).contains(&request.page.limit) {
            let detail = format!("The limit must be between 1 and {MAX_LIMIT}.");
            return Err(ServiceError::invalid("limit", "out_of_range", detail));
        }
        let filter = JobFilter { user_id: Some(actor.user_id), status: request.status, q: None };
        Ok(self.ports.jobs.list_jobs(&filter, &request.page).await?)
    }

    async fn cancel_job(&self, ctx: &CallContext, id: JobId) -> ServiceResult<Job> {
        let actor = ctx.require_user()?;
        match self.ports.jobs.cancel_job(id, Some(actor.user_id)).await? {
            JobChange::Changed(job) => Ok(job),
            JobChange::NotNow(_) => Err(ServiceError::new(
                ErrorCode::Conflict,
                "This import is finished; there is nothing to cancel.",
            )),
            JobChange::NotFound => Err(no_such_job()),
        }
    }

    async fn retry_job(&self, ctx: &CallContext, id: JobId) -> ServiceResult<Job> {
        let actor = ctx.require_user()?;
        match self.ports.jobs.retry_job(id, Some(actor.user_id)).await? {
            JobChange::Changed(job) => Ok(job),
            JobChange::NotNow(job) => Err(ServiceError::new(ErrorCode::Conflict, why_no_retry(job.status))),
            JobChange::NotFound => Err(no_such_job()),
        }
    }

    async fn list_events(&self, ctx: &CallContext, request: ListEvents) -> ServiceResult<EventsAfter> {
        let actor = ctx.require_user()?;
        let limit = request.limit.clamp(1, MAX_LIMIT);
        Ok(self.ports.events.list_events_after(actor.user_id, request.after_seq, limit).await?)
    }

    async fn last_event_seq(&self, ctx: &CallContext, (): ()) -> ServiceResult<i64> {
        let actor = ctx.require_user()?;
        Ok(self.ports.events.last_event_seq(actor.user_id).await?)
    }
}

fn no_such_job() -> ServiceError {
    ServiceError::not_found("This import")
}

const fn why_no_retry(status: JobStatus) -> &'static str {
    match status {
        JobStatus::Queued | JobStatus::Processing => "This import is under way already.",
        JobStatus::Completed => "This import is completed; the song is in your library.",
        JobStatus::Failed | JobStatus::Cancelled => "Another import of the same recording is under way.",
    }
}

fn count_import(outcome: &'static str) {
    metrics::counter!("songkeep_imports_requested_total", "outcome" => outcome).increment(1);
}

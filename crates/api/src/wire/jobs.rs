//! Imports.

use serde::{Deserialize, Serialize};
use songkeep_domain::{Timestamp, job};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Either `source_provider` with `source_id`, or `url`.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct ImportRequest {
    #[schema(example = "youtube")]
    pub source_provider: Option<String>,
    #[schema(example = "dQw4w9WgXcQ")]
    pub source_id: Option<String>,
    pub url: Option<String>,
    /// A hint for the caller's own entry, where the source gives nothing better.
    pub title: Option<String>,
    pub artist: Option<String>,
    /// At most 8 KiB.
    #[schema(value_type = Option<Object>)]
    pub candidate_meta: Option<serde_json::Value>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Job {
    pub id: Uuid,
    pub user_id: Uuid,
    pub source_provider: String,
    pub source_id: String,
    pub title: String,
    /// queued, processing, completed, failed, cancelled.
    #[schema(example = "processing")]
    pub status: String,
    /// queued, preparing tools, resolve, download, process, store, publish, done.
    #[schema(example = "download")]
    pub stage: String,
    /// Per cent over all stages.
    #[schema(minimum = 0, maximum = 100)]
    pub progress: u8,
    pub attempt: u32,
    pub failure_code: Option<String>,
    /// One sentence for the listener.
    pub failure_reason: Option<String>,
    pub song_id: Option<Uuid>,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl From<job::Job> for Job {
    fn from(job: job::Job) -> Self {
        Self {
            id: job.id.0,
            user_id: job.user_id.0,
            source_provider: job.source.provider().as_str().to_owned(),
            source_id: job.source.id().to_owned(),
            title: job.title,
            status: job.status.as_str().to_owned(),
            stage: job.progress.stage.as_str().to_owned(),
            progress: job.progress.percent,
            attempt: job.attempt,
            failure_code: job.failure_code.map(|code| code.as_str().to_owned()),
            failure_reason: job.failure_code.map(|code| code.sentence().to_owned()),
            song_id: job.song_id.map(|id| id.0),
            created_at: job.created_at,
            updated_at: job.updated_at,
        }
    }
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListJobsParams {
    /// queued, processing, completed, failed or cancelled.
    pub status: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// 1..500.
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct JobList {
    pub jobs: Vec<Job>,
    pub next_cursor: Option<String>,
}

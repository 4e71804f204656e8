//! What administrators see and do.

use serde::{Deserialize, Serialize};
use songkeep_domain::{
    Timestamp,
    audit::AuditEntry,
    job,
    library::SongSummary,
    user::{self, UserSummary},
};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Job;

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AdminListParams {
    pub q: Option<String>,
    pub status: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// 1..500.
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AdminUser {
    pub id: Uuid,
    pub email: String,
    pub role: String,
    pub verified: bool,
    pub disabled: bool,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    pub song_count: u64,
    pub storage_bytes: u64,
}

impl AdminUser {
    #[must_use]
    pub fn new(user: user::User, song_count: u64, storage_bytes: u64) -> Self {
        Self {
            id: user.id.0,
            email: user.email,
            role: user.role.as_str().to_owned(),
            verified: user.verified_at.is_some(),
            disabled: user.disabled_at.is_some(),
            created_at: user.created_at,
            song_count,
            storage_bytes,
        }
    }
}

impl From<UserSummary> for AdminUser {
    fn from(row: UserSummary) -> Self {
        Self::new(row.user, row.song_count, row.storage_bytes)
    }
}

/// An account after an administrator changed it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AdminAccount {
    pub id: Uuid,
    pub email: String,
    #[schema(example = "user")]
    pub role: String,
    pub verified: bool,
    pub disabled: bool,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<user::User> for AdminAccount {
    fn from(user: user::User) -> Self {
        Self {
            id: user.id.0,
            email: user.email,
            role: user.role.as_str().to_owned(),
            verified: user.verified_at.is_some(),
            disabled: user.disabled_at.is_some(),
            created_at: user.created_at,
        }
    }
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AdminUserList {
    pub users: Vec<AdminUser>,
    pub next_cursor: Option<String>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AdminSong {
    pub id: Uuid,
    pub title: String,
    pub artist: Option<String>,
    pub album: Option<String>,
    pub duration_sec: f64,
    pub source_provider: String,
    pub source_id: String,
    pub storage_key: String,
    pub size_bytes: u64,
    pub owners: u64,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<SongSummary> for AdminSong {
    fn from(row: SongSummary) -> Self {
        let song = row.song;
        #[expect(clippy::cast_precision_loss, reason = "durations are far below 2^52 ms")]
        let duration_sec = song.audio.duration_ms as f64 / 1_000.0;
        Self {
            id: song.id.0,
            title: song.metadata.title,
            artist: song.metadata.artist,
            album: song.metadata.album,
            duration_sec,
            source_provider: song.source.provider().as_str().to_owned(),
            source_id: song.source.id().to_owned(),
            storage_key: song.audio.storage_key,
            size_bytes: song.audio.size_bytes,
            owners: row.owners,
            created_at: song.created_at,
        }
    }
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AdminSongList {
    pub songs: Vec<AdminSong>,
    pub next_cursor: Option<String>,
}

/// A job with what the tools said.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AdminJob {
    #[serde(flatten)]
    pub job: Job,
    /// Last lines of the tool.
    pub failure_detail: Option<String>,
}

impl From<job::Job> for AdminJob {
    fn from(job: job::Job) -> Self {
        Self { failure_detail: job.failure_detail.clone(), job: job.into() }
    }
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AdminJobList {
    pub jobs: Vec<AdminJob>,
    pub next_cursor: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct SetRoleRequest {
    /// `user` or `admin`.
    #[schema(example = "admin")]
    pub role: String,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AuditRow {
    pub id: Uuid,
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    pub actor_id: Option<Uuid>,
    pub action: String,
    pub target: Option<String>,
    pub ip: Option<String>,
    #[schema(value_type = Object)]
    pub detail: serde_json::Value,
}

impl From<AuditEntry> for AuditRow {
    fn from(entry: AuditEntry) -> Self {
        Self {
            id: entry.id.0,
            at: entry.at,
            actor_id: entry.actor_id.map(|id| id.0),
            action: entry.action,
            target: entry.target,
            ip: entry.ip,
            detail: entry.detail,
        }
    }
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AuditList {
    pub entries: Vec<AuditRow>,
    pub next_cursor: Option<String>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AdminJobStats {
    pub queued: u64,
    pub processing: u64,
    pub completed: u64,
    pub failed: u64,
    pub cancelled: u64,
    /// Age of the oldest job that is due.
    pub oldest_due_secs: f64,
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AdminStatsParams {
    /// How far the series goes back, 1..720.
    #[param(minimum = 1, maximum = 720, default = 24)]
    pub hours: Option<u32>,
}

/// What went on in equal parts of time, oldest first; all lists are equally long.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AdminSeries {
    /// Length of a bucket.
    #[schema(example = 900)]
    pub bucket_seconds: u32,
    /// Where the first bucket begins; the last one is going on.
    #[schema(value_type = String, format = DateTime)]
    pub from: Timestamp,
    /// Answers of the API; the minute that is going on is not counted yet.
    pub requests: Vec<u64>,
    /// Those of them with a status of 500 or more.
    pub errors: Vec<u64>,
    /// Imports that were completed in the bucket.
    pub imports_completed: Vec<u64>,
    /// Imports that failed for good in the bucket.
    pub imports_failed: Vec<u64>,
    /// Bytes of all songs at the end of each bucket, from today's walked backwards: what was deleted since
    /// is left out.
    pub storage_bytes: Vec<u64>,
    /// Songs at the end of each bucket, as `storage_bytes`.
    pub songs: Vec<u64>,
    /// Accounts at the end of each bucket, as `storage_bytes`.
    pub users: Vec<u64>,
}

impl From<crate::admin::Series> for AdminSeries {
    fn from(series: crate::admin::Series) -> Self {
        Self {
            bucket_seconds: series.bucket_seconds,
            from: series.from,
            requests: series.requests,
            errors: series.errors,
            imports_completed: series.imports_completed,
            imports_failed: series.imports_failed,
            storage_bytes: series.storage_bytes,
            songs: series.songs,
            users: series.users,
        }
    }
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AdminStats {
    pub users: u64,
    pub songs: u64,
    pub library_entries: u64,
    pub storage_bytes: u64,
    pub jobs: AdminJobStats,
    pub series: AdminSeries,
}

impl From<crate::admin::Stats> for AdminStats {
    fn from(stats: crate::admin::Stats) -> Self {
        let jobs = stats.jobs;
        Self {
            users: stats.users,
            songs: stats.songs,
            library_entries: stats.library_entries,
            storage_bytes: stats.storage_bytes,
            jobs: AdminJobStats {
                queued: jobs.queued,
                processing: jobs.processing,
                completed: jobs.completed,
                failed: jobs.failed,
                cancelled: jobs.cancelled,
                oldest_due_secs: jobs.oldest_due_secs,
            },
            series: stats.series.into(),
        }
    }
}

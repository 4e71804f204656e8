//! The public JSON: what outside clients rely on. Fields and names are fixed; adding is welcome.

use serde::{Deserialize, Serialize};
use songkeep_domain::{
    Timestamp,
    audit::AuditEntry,
    job,
    library::{LibrarySong, SongSummary},
    user::{self, UserSummary},
};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::search::RankedHit;

/// A sentence for people.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Detail {
    pub detail: String,
}

#[derive(Clone, Deserialize, ToSchema)]
pub struct SignUpRequest {
    #[schema(example = "ada@example.com", max_length = 254)]
    pub email: String,
    #[schema(min_length = 8, max_length = 256, format = Password)]
    pub password: String,
}

#[derive(Clone, Serialize, ToSchema)]
pub struct SignUpAnswer {
    pub detail: String,
    /// Whether the address must be verified before sign-in.
    pub verification_required: bool,
    /// Only when the operator exposes it (development and tests).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification_token: Option<String>,
}

#[derive(Clone, Deserialize, ToSchema)]
pub struct VerifyEmailRequest {
    pub token: String,
}

#[derive(Clone, Deserialize, ToSchema)]
pub struct SetUpRequest {
    /// From the link that the server printed at its start.
    pub token: String,
    #[schema(max_length = 254)]
    pub email: String,
    #[schema(min_length = 8, max_length = 256, format = Password)]
    pub password: String,
}

#[derive(Clone, Deserialize, ToSchema)]
pub struct SignInRequest {
    pub email: String,
    #[schema(format = Password)]
    pub password: String,
}

/// For clients without a cookie jar; browsers send the cookie.
#[derive(Clone, Default, Deserialize, ToSchema)]
pub struct RefreshRequest {
    pub refresh_token: Option<String>,
}

#[derive(Clone, Serialize, ToSchema)]
pub struct TokenAnswer {
    pub access_token: String,
    /// Always `bearer`.
    #[schema(example = "bearer")]
    pub token_type: &'static str,
    /// Seconds.
    pub expires_in: u64,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Me {
    pub id: Uuid,
    pub email: String,
    #[schema(example = "user")]
    pub role: String,
    pub verified: bool,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<user::User> for Me {
    fn from(user: user::User) -> Self {
        Self {
            id: user.id.0,
            verified: user.verified_at.is_some(),
            role: user.role.as_str().to_owned(),
            email: user.email,
            created_at: user.created_at,
        }
    }
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SearchParams {
    /// Words, a YouTube link, or a video id.
    #[param(required = true, min_length = 1, max_length = 300)]
    pub q: Option<String>,
    /// 1..50.
    #[param(minimum = 1, maximum = 50, default = 10)]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Candidate {
    #[schema(example = "youtube")]
    pub source_provider: String,
    #[schema(example = "dQw4w9WgXcQ")]
    pub source_id: String,
    pub title: String,
    pub channel: Option<String>,
    pub duration_sec: Option<u32>,
    /// 0..1.
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub confidence_score: f64,
    /// Why it ranks where it does.
    pub reasons: Vec<String>,
    /// Absolute, of this server.
    pub thumbnail_url: String,
    pub view_count: Option<u64>,
    /// The stored song, when somebody imported it already.
    pub song_id: Option<Uuid>,
    pub in_library: bool,
    pub artists: Vec<String>,
    pub album: Option<String>,
}

impl Candidate {
    #[must_use]
    pub fn new(ranked: RankedHit, thumbnail_url: String, song_id: Option<Uuid>, in_library: bool) -> Self {
        let hit = ranked.hit;
        Self {
            source_provider: hit.source.provider().as_str().to_owned(),
            source_id: hit.source.id().to_owned(),
            channel: hit.channel.or_else(|| hit.artists.first().cloned()),
            title: hit.title,
            duration_sec: hit.duration_sec,
            confidence_score: ranked.confidence_score,
            reasons: ranked.reasons,
            thumbnail_url,
            view_count: hit.view_count,
            song_id,
            in_library,
            artists: hit.artists,
            album: hit.album,
        }
    }
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ScoringMeta {
    /// How many recordings were ranked before the limit.
    pub total_candidates: u32,
    /// Version of the ranking.
    pub version: String,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SearchAnswer {
    /// Best first.
    pub candidates: Vec<Candidate>,
    pub scoring_meta: ScoringMeta,
}

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

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Song {
    pub id: Uuid,
    pub title: String,
    pub artist: Option<String>,
    pub album: Option<String>,
    pub duration_sec: f64,
    pub source_provider: String,
    pub source_id: String,
    pub source_channel: Option<String>,
    pub codec: String,
    pub bitrate_kbps: u32,
    /// EBU R 128, once analysed.
    pub loudness_lufs: Option<f64>,
    /// Absolute and signed; null when there is no cover.
    pub cover_url: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub added_at: Timestamp,
}

impl From<LibrarySong> for Song {
    fn from(entry: LibrarySong) -> Self {
        let song = entry.song;
        #[expect(clippy::cast_precision_loss, reason = "durations are far below 2^52 ms")]
        let duration_sec = song.audio.duration_ms as f64 / 1_000.0;
        Self {
            id: song.id.0,
            title: entry.title,
            artist: entry.artist,
            album: entry.album,
            duration_sec,
            source_provider: song.source.provider().as_str().to_owned(),
            source_id: song.source.id().to_owned(),
            source_channel: song.metadata.channel,
            codec: song.audio.codec,
            bitrate_kbps: song.audio.bitrate_kbps,
            loudness_lufs: song.loudness_lufs,
            cover_url: None,
            added_at: entry.added_at,
        }
    }
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListLibraryParams {
    /// Words that must all occur in title, artist or album.
    #[param(max_length = 300)]
    pub q: Option<String>,
    /// added_at, title, artist, album or duration, with `-` in front for descending.
    #[param(example = "-added_at")]
    pub sort: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// 1..500.
    #[param(minimum = 1, maximum = 500, default = 200)]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Library {
    pub songs: Vec<Song>,
    pub next_cursor: Option<String>,
    /// Songs that match, over all pages.
    pub total: u64,
}

/// What is absent stays; null returns to what the source says.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct UpdateEntryRequest {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 500)]
    pub title: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 500)]
    pub artist: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 500)]
    pub album: Option<Option<String>>,
}

/// Tells `null` (`Some(None)`) from absent (`None`).
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StreamAnswer {
    /// Absolute; holds a token, so keep it out of logs.
    pub stream_url: String,
    /// Seconds.
    pub expires_in: u64,
}

/// Data of `event: library`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LibraryEvent {
    /// added, updated or removed.
    pub change: String,
    pub song_id: Uuid,
    pub song: Option<Song>,
}

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

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AdminStats {
    pub users: u64,
    pub songs: u64,
    pub library_entries: u64,
    pub storage_bytes: u64,
    pub jobs: AdminJobStats,
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
        }
    }
}

/// `GET /health`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Health {
    #[schema(example = "ok")]
    pub status: &'static str,
    pub service: String,
}

/// `GET /ready`: 200 when every dependency is well, else 503.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// `ready` or `not_ready`.
    pub status: String,
    pub dependencies: Vec<DependencyState>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DependencyState {
    #[schema(example = "database")]
    pub name: String,
    pub ok: bool,
    /// Whether this process is not ready without it.
    pub required: bool,
    /// What is wrong, in a few words without secrets.
    pub detail: Option<String>,
}

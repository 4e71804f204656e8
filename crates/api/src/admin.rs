//! The admin service: what administrators see and do. Every method but `record_traffic` needs the role
//! `admin`.

use serde::{Deserialize, Serialize};
use songkeep_domain::{
    JobId, Page, PageRequest, SongId, Timestamp, UserId, UserRole,
    audit::AuditEntry,
    job::{Job, JobFilter, QueueStats},
    library::{SongFilter, SongSummary},
    overview::TrafficMinute,
    user::{User, UserFilter, UserSummary},
};
use uuid::Uuid;

use crate::service::service;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListUsers {
    pub filter: UserFilter,
    pub page: PageRequest,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListSongs {
    pub filter: SongFilter,
    pub page: PageRequest,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListAllJobs {
    pub filter: JobFilter,
    pub page: PageRequest,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListAudit {
    pub q: Option<String>,
    pub page: PageRequest,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SetRole {
    pub user_id: UserId,
    pub role: UserRole,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SetDisabled {
    pub user_id: UserId,
    pub disabled: bool,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct GetStats {
    /// How far the series goes back, 1..=720.
    pub hours: u32,
}

/// What a gateway counted in minutes that are over.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RecordTraffic {
    /// Names the gateway's process.
    pub node: Uuid,
    pub minutes: Vec<TrafficMinute>,
}

/// What went on in equal parts of time; all lists are equally long, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    pub bucket_seconds: u32,
    /// Where the first bucket begins; the last one is going on.
    pub from: Timestamp,
    /// Answers of all gateways.
    pub requests: Vec<u64>,
    /// Those of them with a status of 500 or more.
    pub errors: Vec<u64>,
    pub imports_completed: Vec<u64>,
    pub imports_failed: Vec<u64>,
    /// At the end of each bucket, as the songs that are there now tell: what was deleted since is left out.
    pub storage_bytes: Vec<u64>,
    /// As `storage_bytes`.
    pub songs: Vec<u64>,
    /// As `storage_bytes`.
    pub users: Vec<u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    pub users: u64,
    pub songs: u64,
    pub library_entries: u64,
    /// Bytes of all stored songs.
    pub storage_bytes: u64,
    pub jobs: QueueStats,
    pub series: Series,
}

service! {
    /// What administrators see and do.
    role Admin, trait AdminApi, client AdminClient, remote RemoteAdmin, rpc AdminRpc;

    [Gateway; idempotent] fn list_users(ListUsers) -> Page<UserSummary>;
    [Gateway; idempotent] fn list_songs(ListSongs) -> Page<SongSummary>;
    [Gateway; idempotent] fn list_jobs(ListAllJobs) -> Page<Job>;
    [Gateway; idempotent] fn list_audit(ListAudit) -> Page<AuditEntry>;
    /// None, as gateways of before the series ask, is the last day.
    [Gateway; idempotent] fn stats(Option<GetStats>) -> Stats;

    /// Counts what a gateway answered; it needs no account. The same minutes again change nothing.
    [Gateway; idempotent] fn record_traffic(RecordTraffic) -> ();

    /// `conflict` when it would leave no administrator.
    [Gateway] fn set_role(SetRole) -> User;
    /// `conflict` when it would leave no administrator.
    [Gateway] fn set_disabled(SetDisabled) -> User;
    [Gateway] fn cancel_job(JobId) -> Job;
    [Gateway] fn retry_job(JobId) -> Job;
    [Gateway] fn delete_song(SongId) -> ();
}

//! The admin service: what administrators see and do. Every method needs the role `admin`.

use serde::{Deserialize, Serialize};
use songkeep_domain::{
    JobId, Page, PageRequest, SongId, UserId, UserRole,
    audit::AuditEntry,
    job::{Job, JobFilter, QueueStats},
    library::{SongFilter, SongSummary},
    user::{User, UserFilter, UserSummary},
};

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

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    pub users: u64,
    pub songs: u64,
    pub library_entries: u64,
    /// Bytes of all stored songs.
    pub storage_bytes: u64,
    pub jobs: QueueStats,
}

service! {
    /// What administrators see and do.
    role Admin, trait AdminApi, client AdminClient, remote RemoteAdmin, rpc AdminRpc;

    [Gateway] fn list_users(ListUsers) -> Page<UserSummary>;
    [Gateway] fn list_songs(ListSongs) -> Page<SongSummary>;
    [Gateway] fn list_jobs(ListAllJobs) -> Page<Job>;
    [Gateway] fn list_audit(ListAudit) -> Page<AuditEntry>;
    [Gateway] fn stats(()) -> Stats;

    /// `conflict` when it would leave no administrator.
    [Gateway] fn set_role(SetRole) -> User;
    /// `conflict` when it would leave no administrator.
    [Gateway] fn set_disabled(SetDisabled) -> User;
    [Gateway] fn cancel_job(JobId) -> Job;
    [Gateway] fn retry_job(JobId) -> Job;
    [Gateway] fn delete_song(SongId) -> ();
}

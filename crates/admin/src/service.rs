//! The admin service over its ports. A deed's record is written before the deed, so that nothing an
//! administrator does goes unrecorded, even when the process dies in between; what is refused leaves none.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use songkeep_api::admin::{
    AdminApi, GetStats, ListAllJobs, ListAudit, ListSongs, ListUsers, RecordTraffic, SetDisabled, SetRole,
    Stats,
};
use songkeep_domain::{
    Actor, AuditId, CallContext, Clock, ErrorCode, JobId, Page, PageRequest, ServiceError, ServiceResult,
    SongId, UserId, UserRole,
    audit::{AuditEntry, AuditStore},
    job::{Job, JobChange, JobStatus, JobStore},
    library::{CatalogStore, SongSummary},
    overview::OverviewStore,
    user::{User, UserFilter, UserStore, UserSummary},
};
use tokio::sync::Mutex;

use crate::series;

const MAX_LIMIT: u32 = 500;
/// Minutes of one report: two days.
const MAX_MINUTES: usize = 2 * 24 * 60;
/// Longest filter of a list in characters.
const MAX_QUERY_CHARS: usize = 300;

/// What the service stands on.
#[derive(Clone)]
pub struct AdminPorts {
    pub users: Arc<dyn UserStore>,
    pub catalog: Arc<dyn CatalogStore>,
    pub jobs: Arc<dyn JobStore>,
    pub audit: Arc<dyn AuditStore>,
    pub overview: Arc<dyn OverviewStore>,
    pub clock: Arc<dyn Clock>,
}

/// Serves [`AdminApi`].
pub struct AdminService {
    ports: AdminPorts,
    /// Held while the set of administrators changes, so that two of them cannot remove each other
    /// through the same process.
    admins: Mutex<()>,
}

impl AdminService {
    #[must_use]
    pub fn new(ports: AdminPorts) -> Self {
        Self { ports, admins: Mutex::new(()) }
    }

    async fn record(
        &self,
        ctx: &CallContext,
        actor: &Actor,
        action: &str,
        target: String,
        detail: serde_json::Value,
    ) -> ServiceResult<()> {
        let entry = AuditEntry {
            id: AuditId::new(),
            at: self.ports.clock.now(),
            actor_id: Some(actor.user_id),
            action: action.to_owned(),
            target: Some(target),
            ip: ctx.client.ip.map(|ip| ip.to_string()),
            detail,
        };
        Ok(self.ports.audit.append_audit(entry).await?)
    }

    async fn get_user(&self, id: UserId) -> ServiceResult<User> {
        self.ports.users.find_user(id).await?.ok_or_else(no_such_user)
    }

    /// The access token may be older than the loss of the role; what changes the set of administrators
    /// looks again.
    async fn require_standing_admin(&self, actor: &Actor) -> ServiceResult<()> {
        let user = self.ports.users.find_user(actor.user_id).await?;
        if user.is_some_and(|user| is_enabled_admin(&user)) {
            Ok(())
        } else {
            Err(ServiceError::forbidden("Only an administrator may do this."))
        }
    }

    async fn has_admin_besides(&self, id: UserId) -> ServiceResult<bool> {
        let filter = UserFilter::default();
        let mut page = PageRequest::first(MAX_LIMIT);
        loop {
            let found = self.ports.users.list_users(&filter, &page).await?;
            if found.items.iter().any(|row| row.user.id != id && is_enabled_admin(&row.user)) {
                return Ok(true);
            }
            match found.next_cursor {
                Some(cursor) => page.cursor = Some(cursor),
                None => return Ok(false),
            }
        }
    }

    async fn get_job(&self, id: JobId) -> ServiceResult<Job> {
        self.ports.jobs.find_job(id, None).await?.ok_or_else(no_such_job)
    }
}

#[async_trait]
impl AdminApi for AdminService {
    async fn list_users(&self, ctx: &CallContext, request: ListUsers) -> ServiceResult<Page<UserSummary>> {
        ctx.require_admin()?;
        check_list(&request.page, request.filter.q.as_deref())?;
        Ok(self.ports.users.list_users(&request.filter, &request.page).await?)
    }

    async fn list_songs(&self, ctx: &CallContext, request: ListSongs) -> ServiceResult<Page<SongSummary>> {
        ctx.require_admin()?;
        check_list(&request.page, request.filter.q.as_deref())?;
        Ok(self.ports.catalog.list_songs(&request.filter, &request.page).await?)
    }

    async fn list_jobs(&self, ctx: &CallContext, request: ListAllJobs) -> ServiceResult<Page<Job>> {
        ctx.require_admin()?;
        check_list(&request.page, request.filter.q.as_deref())?;
        Ok(self.ports.jobs.list_jobs(&request.filter, &request.page).await?)
    }

    async fn list_audit(&self, ctx: &CallContext, request: ListAudit) -> ServiceResult<Page<AuditEntry>> {
        ctx.require_admin()?;
        check_list(&request.page, request.q.as_deref())?;
        Ok(self.ports.audit.list_audit(request.q.as_deref(), &request.page).await?)
    }

    async fn stats(&self, ctx: &CallContext, request: Option<GetStats>) -> ServiceResult<Stats> {
        ctx.require_admin()?;
        let buckets = series::buckets(request.map_or(24, |request| request.hours), self.ports.clock.now())?;
        let activity = self.ports.overview.activity(&buckets).await?;
        let totals = self.ports.catalog.library_totals().await?;
        let jobs = self.ports.jobs.queue_stats().await?;
        Ok(Stats {
            users: totals.users,
            songs: totals.songs,
            library_entries: totals.library_entries,
            storage_bytes: totals.storage_bytes,
            jobs,
            series: series::of(&buckets, activity, &totals),
        })
    }

    async fn record_traffic(&self, _: &CallContext, request: RecordTraffic) -> ServiceResult<()> {
        if request.minutes.len() > MAX_MINUTES {
            let detail = format!("At most {MAX_MINUTES} minutes can be recorded at once.");
            return Err(ServiceError::invalid("minutes", "too_many", detail));
        }
        Ok(self.ports.overview.record_traffic(request.node, &request.minutes).await?)
    }

    async fn set_role(&self, ctx: &CallContext, request: SetRole) -> ServiceResult<User> {
        let actor = ctx.require_admin()?;
        let _changing = self.admins.lock().await;
        self.require_standing_admin(actor).await?;
        let user = self.get_user(request.user_id).await?;
        if user.role == request.role {
            return Ok(user);
        }
        let removes_admin = is_enabled_admin(&user) && request.role != UserRole::Admin;
        if removes_admin && !self.has_admin_besides(user.id).await? {
            return Err(last_admin());
        }
        let detail = json!({ "from": user.role.as_str(), "to": request.role.as_str() });
        self.record(ctx, actor, "user.set_role", user.id.to_string(), detail).await?;
        let now = self.ports.clock.now();
        let changed =
            self.ports.users.set_role(user.id, request.role, now).await?.ok_or_else(no_such_user)?;
        // Another node may have removed the others meanwhile: then nobody wins.
        if removes_admin && !self.ports.users.has_admin().await? {
            self.ports.users.set_role(user.id, user.role, now).await?;
            return Err(last_admin());
        }
        Ok(changed)
    }

    async fn set_disabled(&self, ctx: &CallContext, request: SetDisabled) -> ServiceResult<User> {
        let actor = ctx.require_admin()?;
        let _changing = self.admins.lock().await;
        self.require_standing_admin(actor).await?;
        if request.disabled && request.user_id == actor.user_id {
            return Err(ServiceError::new(
                ErrorCode::Conflict,
                "You cannot disable your own account; another administrator can.",
            ));
        }
        let user = self.get_user(request.user_id).await?;
        if user.disabled_at.is_some() == request.disabled {
            return Ok(user);
        }
        let action = if request.disabled { "user.disable" } else { "user.enable" };
        self.record(ctx, actor, action, user.id.to_string(), json!({ "email": user.email })).await?;
        let now = self.ports.clock.now();
        let changed =
            self.ports.users.set_disabled(user.id, request.disabled, now).await?.ok_or_else(no_such_user)?;
        // The caller stood as administrator a moment ago; another node may have changed that meanwhile.
        if request.disabled && is_enabled_admin(&user) && !self.ports.users.has_admin().await? {
            self.ports.users.set_disabled(user.id, false, now).await?;
            return Err(last_admin());
        }
        Ok(changed)
    }

    async fn cancel_job(&self, ctx: &CallContext, id: JobId) -> ServiceResult<Job> {
        let actor = ctx.require_admin()?;
        let job = self.get_job(id).await?;
        if !job.status.is_live() {
            return Err(nothing_to_cancel());
        }
        self.record(ctx, actor, "job.cancel", id.to_string(), describe(&job)).await?;
        match self.ports.jobs.cancel_job(id, None).await? {
            JobChange::Changed(job) => Ok(job),
            JobChange::NotNow(_) => Err(nothing_to_cancel()),
            JobChange::NotFound => Err(no_such_job()),
        }
    }

    async fn retry_job(&self, ctx: &CallContext, id: JobId) -> ServiceResult<Job> {
        let actor = ctx.require_admin()?;
        let job = self.get_job(id).await?;
        if !matches!(job.status, JobStatus::Failed | JobStatus::Cancelled) {
            return Err(no_retry());
        }
        self.record(ctx, actor, "job.retry", id.to_string(), describe(&job)).await?;
        match self.ports.jobs.retry_job(id, None).await? {
            JobChange::Changed(job) => Ok(job),
            JobChange::NotNow(_) => Err(no_retry()),
            JobChange::NotFound => Err(no_such_job()),
        }
    }

    async fn delete_song(&self, ctx: &CallContext, id: SongId) -> ServiceResult<()> {
        let actor = ctx.require_admin()?;
        let song = self.ports.catalog.find_song(id).await?.ok_or_else(no_such_song)?;
        let detail = json!({ "source": song.source.key(), "title": song.metadata.title });
        self.record(ctx, actor, "song.delete", id.to_string(), detail).await?;
        let was_there = self.ports.catalog.delete_song(id, self.ports.clock.now()).await?;
        if was_there { Ok(()) } else { Err(no_such_song()) }
    }
}

fn is_enabled_admin(user: &User) -> bool {
    user.role == UserRole::Admin && user.disabled_at.is_none()
}

fn describe(job: &Job) -> serde_json::Value {
    json!({ "source": job.source.key(), "user_id": job.user_id, "status": job.status.as_str() })
}

fn check_list(page: &PageRequest, q: Option<&str>) -> ServiceResult<()> {
    if !(1..=MAX_LIMIT).contains(&page.limit) {
        let detail = format!("The limit must be between 1 and {MAX_LIMIT}.");
        return Err(ServiceError::invalid("limit", "out_of_range", detail));
    }
    let Some(q) = q else { return Ok(()) };
    if q.chars().any(char::is_control) {
        let detail = "The filter must not contain control characters.";
        return Err(ServiceError::invalid("q", "control_characters", detail));
    }
    if q.chars().count() > MAX_QUERY_CHARS {
        let detail = format!("The filter must not be longer than {MAX_QUERY_CHARS} characters.");
        return Err(ServiceError::invalid("q", "too_long", detail));
    }
    Ok(())
}

fn no_such_user() -> ServiceError {
    ServiceError::not_found("This account")
}

fn no_such_job() -> ServiceError {
    ServiceError::not_found("This import")
}

fn no_such_song() -> ServiceError {
    ServiceError::not_found("This song")
}

fn last_admin() -> ServiceError {
    ServiceError::new(
        ErrorCode::Conflict,
        "This is the last administrator. Make another account administrator first.",
    )
}

fn nothing_to_cancel() -> ServiceError {
    ServiceError::new(ErrorCode::Conflict, "This import is finished; there is nothing to cancel.")
}

fn no_retry() -> ServiceError {
    ServiceError::new(ErrorCode::Conflict, "Only a failed or cancelled import can be tried again.")
}

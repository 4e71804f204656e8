//! What administrators see and do.

use axum::extract::State;
use http::StatusCode;
use songkeep_api::{
    admin::{GetStats, ListAllJobs, ListAudit, ListSongs, ListUsers, SetDisabled, SetRole},
    wire::{
        AdminAccount, AdminJob, AdminJobList, AdminListParams, AdminSong, AdminSongList, AdminStats,
        AdminStatsParams, AdminUser, AdminUserList, AuditList, AuditRow, SetRoleRequest,
    },
};
use songkeep_domain::{
    JobId, ServiceError, SongId, UserId, UserRole,
    job::{JobFilter, JobStatus},
    library::SongFilter,
    user::{UserFilter, UserStatus},
};
use songkeep_http_kit::{ApiResult, Json, Path, Query};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    jobs::STATUSES,
    problems::{BadBody, BadQuery, Clash, Missing, NeedsAdmin, Problems},
};
use crate::{GatewayState, actor::AdminOnly, validate};

/// Rows of a page when the call does not say.
const PAGE: u32 = 50;

pub(super) fn routes() -> OpenApiRouter<GatewayState> {
    OpenApiRouter::new()
        .routes(routes!(list_users))
        .routes(routes!(disable_user))
        .routes(routes!(enable_user))
        .routes(routes!(set_user_role))
        .routes(routes!(list_all_songs))
        .routes(routes!(delete_song))
        .routes(routes!(list_all_jobs))
        .routes(routes!(retry_any_job))
        .routes(routes!(cancel_any_job))
        .routes(routes!(get_stats))
        .routes(routes!(list_audit))
}

/// All accounts, newest first
///
/// `q` is part of the address; `status` is active, disabled or unverified.
#[utoipa::path(
    get, path = "/admin/users", tag = "admin", security(("bearer" = [])),
    params(AdminListParams),
    responses(
        (status = 200, description = "One page of accounts.", body = AdminUserList),
        Problems<(NeedsAdmin, BadQuery)>,
    ),
)]
async fn list_users(
    State(state): State<GatewayState>,
    AdminOnly(ctx): AdminOnly,
    Query(params): Query<AdminListParams>,
) -> ApiResult<axum::Json<AdminUserList>> {
    let parse = |text: &str| match text {
        "active" => Some(UserStatus::Active),
        "disabled" => Some(UserStatus::Disabled),
        "unverified" => Some(UserStatus::Unverified),
        _ => None,
    };
    let filter = UserFilter {
        q: validate::text("q", params.q)?,
        status: validate::word("status", params.status.as_deref(), parse, "active, disabled, unverified")?,
    };
    let request = ListUsers { filter, page: validate::page(params.cursor, params.limit, PAGE)? };
    let page = state.admin.list_users(&ctx, request).await?.map(AdminUser::from);
    Ok(axum::Json(AdminUserList { users: page.items, next_cursor: page.next_cursor }))
}

/// Disable an account and end its sessions
#[utoipa::path(
    post, path = "/admin/users/{id}/disable", tag = "admin", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "An account.")),
    responses(
        (status = 200, description = "The account as it is now.", body = AdminAccount),
        Problems<(NeedsAdmin, Missing, Clash)>,
    ),
)]
async fn disable_user(
    State(state): State<GatewayState>,
    AdminOnly(ctx): AdminOnly,
    Path(id): Path<Uuid>,
) -> ApiResult<axum::Json<AdminAccount>> {
    let request = SetDisabled { user_id: UserId(id), disabled: true };
    Ok(axum::Json(state.admin.set_disabled(&ctx, request).await?.into()))
}

/// Let a disabled account sign in again
#[utoipa::path(
    post, path = "/admin/users/{id}/enable", tag = "admin", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "An account.")),
    responses(
        (status = 200, description = "The account as it is now.", body = AdminAccount),
        Problems<(NeedsAdmin, Missing, Clash)>,
    ),
)]
async fn enable_user(
    State(state): State<GatewayState>,
    AdminOnly(ctx): AdminOnly,
    Path(id): Path<Uuid>,
) -> ApiResult<axum::Json<AdminAccount>> {
    let request = SetDisabled { user_id: UserId(id), disabled: false };
    Ok(axum::Json(state.admin.set_disabled(&ctx, request).await?.into()))
}

/// Make an account an administrator, or an ordinary one again
#[utoipa::path(
    post, path = "/admin/users/{id}/role", tag = "admin", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "An account.")),
    responses(
        (status = 200, description = "The account as it is now.", body = AdminAccount),
        Problems<(NeedsAdmin, BadBody, Missing, Clash)>,
    ),
)]
async fn set_user_role(
    State(state): State<GatewayState>,
    AdminOnly(ctx): AdminOnly,
    Path(id): Path<Uuid>,
    Json(body): Json<SetRoleRequest>,
) -> ApiResult<axum::Json<AdminAccount>> {
    let role = UserRole::parse(&body.role)
        .ok_or_else(|| ServiceError::invalid("role", "unknown", "role must be user or admin."))?;
    let request = SetRole { user_id: UserId(id), role };
    Ok(axum::Json(state.admin.set_role(&ctx, request).await?.into()))
}

/// All stored songs, newest first
///
/// `q` is part of title, artist or source id; songs have no `status`.
#[utoipa::path(
    get, path = "/admin/songs", tag = "admin", security(("bearer" = [])),
    params(AdminListParams),
    responses(
        (status = 200, description = "One page of songs.", body = AdminSongList),
        Problems<(NeedsAdmin, BadQuery)>,
    ),
)]
async fn list_all_songs(
    State(state): State<GatewayState>,
    AdminOnly(ctx): AdminOnly,
    Query(params): Query<AdminListParams>,
) -> ApiResult<axum::Json<AdminSongList>> {
    validate::absent("status", params.status.as_deref())?;
    let request = ListSongs {
        filter: SongFilter { q: validate::text("q", params.q)? },
        page: validate::page(params.cursor, params.limit, PAGE)?,
    };
    let page = state.admin.list_songs(&ctx, request).await?.map(AdminSong::from);
    Ok(axum::Json(AdminSongList { songs: page.items, next_cursor: page.next_cursor }))
}

/// Take a song out of all libraries and delete it
#[utoipa::path(
    delete, path = "/admin/songs/{id}", tag = "admin", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "A song.")),
    responses((status = 204, description = "It is gone."), Problems<(NeedsAdmin, Missing)>),
)]
async fn delete_song(
    State(state): State<GatewayState>,
    AdminOnly(ctx): AdminOnly,
    Path(id): Path<Uuid>,
) -> ApiResult<StatusCode> {
    state.admin.delete_song(&ctx, SongId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Everybody's jobs, newest first
///
/// `q` is part of title or source id; `status` as in `/jobs`.
#[utoipa::path(
    get, path = "/admin/jobs", tag = "admin", security(("bearer" = [])),
    params(AdminListParams),
    responses(
        (status = 200, description = "One page of jobs.", body = AdminJobList),
        Problems<(NeedsAdmin, BadQuery)>,
    ),
)]
async fn list_all_jobs(
    State(state): State<GatewayState>,
    AdminOnly(ctx): AdminOnly,
    Query(params): Query<AdminListParams>,
) -> ApiResult<axum::Json<AdminJobList>> {
    let filter = JobFilter {
        user_id: None,
        status: validate::word("status", params.status.as_deref(), JobStatus::parse, STATUSES)?,
        q: validate::text("q", params.q)?,
    };
    let request = ListAllJobs { filter, page: validate::page(params.cursor, params.limit, PAGE)? };
    let page = state.admin.list_jobs(&ctx, request).await?.map(AdminJob::from);
    Ok(axum::Json(AdminJobList { jobs: page.items, next_cursor: page.next_cursor }))
}

/// Try anybody's failed or cancelled job again
#[utoipa::path(
    post, path = "/admin/jobs/{id}/retry", tag = "admin", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "A job.")),
    responses(
        (status = 200, description = "The job as it is now.", body = AdminJob),
        Problems<(NeedsAdmin, Missing, Clash)>,
    ),
)]
async fn retry_any_job(
    State(state): State<GatewayState>,
    AdminOnly(ctx): AdminOnly,
    Path(id): Path<Uuid>,
) -> ApiResult<axum::Json<AdminJob>> {
    Ok(axum::Json(state.admin.retry_job(&ctx, JobId(id)).await?.into()))
}

/// Cancel anybody's job
#[utoipa::path(
    post, path = "/admin/jobs/{id}/cancel", tag = "admin", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "A job.")),
    responses(
        (status = 200, description = "The job as it is now.", body = AdminJob),
        Problems<(NeedsAdmin, Missing, Clash)>,
    ),
)]
async fn cancel_any_job(
    State(state): State<GatewayState>,
    AdminOnly(ctx): AdminOnly,
    Path(id): Path<Uuid>,
) -> ApiResult<axum::Json<AdminJob>> {
    Ok(axum::Json(state.admin.cancel_job(&ctx, JobId(id)).await?.into()))
}

/// Sizes of everything, and what went on lately
///
/// The series has about a hundred buckets, whatever the hours.
#[utoipa::path(
    get, path = "/admin/stats", tag = "admin", security(("bearer" = [])),
    params(AdminStatsParams),
    responses(
        (status = 200, description = "The counts.", body = AdminStats),
        Problems<(NeedsAdmin, BadQuery)>,
    ),
)]
async fn get_stats(
    State(state): State<GatewayState>,
    AdminOnly(ctx): AdminOnly,
    Query(params): Query<AdminStatsParams>,
) -> ApiResult<axum::Json<AdminStats>> {
    let request = GetStats { hours: params.hours.unwrap_or(24) };
    Ok(axum::Json(state.admin.stats(&ctx, Some(request)).await?.into()))
}

/// Sign-ins, administrators' actions and deletions, newest first
///
/// `q` is part of action or target; entries have no `status`.
#[utoipa::path(
    get, path = "/admin/audit", tag = "admin", security(("bearer" = [])),
    params(AdminListParams),
    responses(
        (status = 200, description = "One page of entries.", body = AuditList),
        Problems<(NeedsAdmin, BadQuery)>,
    ),
)]
async fn list_audit(
    State(state): State<GatewayState>,
    AdminOnly(ctx): AdminOnly,
    Query(params): Query<AdminListParams>,
) -> ApiResult<axum::Json<AuditList>> {
    validate::absent("status", params.status.as_deref())?;
    let request = ListAudit {
        q: validate::text("q", params.q)?,
        page: validate::page(params.cursor, params.limit, PAGE)?,
    };
    let page = state.admin.list_audit(&ctx, request).await?.map(AuditRow::from);
    Ok(axum::Json(AuditList { entries: page.items, next_cursor: page.next_cursor }))
}

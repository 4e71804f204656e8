//! Imports and their jobs.

use axum::extract::{DefaultBodyLimit, State};
use http::StatusCode;
use songkeep_api::{
    download::{Import, ListJobs},
    wire::{ImportRequest, Job, JobList, ListJobsParams},
};
use songkeep_domain::{JobId, job::JobStatus};
use songkeep_http_kit::{ApiResult, Json, Path, Query};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::problems::{BadBody, BadQuery, Clash, Limited, Missing, NeedsToken, Problems};
use crate::{GatewayState, actor::SignedIn, validate};

/// Leaves room for the 8 KiB of `candidate_meta` in any notation.
const MAX_IMPORT_BODY: usize = 32 * 1024;
/// The states of jobs, for people.
pub(super) const STATUSES: &str = "queued, processing, completed, failed, cancelled";

pub(super) fn routes() -> OpenApiRouter<GatewayState> {
    let import =
        OpenApiRouter::new().routes(routes!(import_song)).layer(DefaultBodyLimit::max(MAX_IMPORT_BODY));
    OpenApiRouter::new()
        .merge(import)
        .routes(routes!(list_jobs))
        .routes(routes!(get_job, cancel_job))
        .routes(routes!(retry_job))
}

/// Import a recording into the caller's library
///
/// The same wish again answers the job that is under way; a song that is stored already is linked at
/// once and its job is `completed`.
#[utoipa::path(
    post, path = "/songs/import", tag = "jobs", security(("bearer" = [])),
    responses(
        (status = 202, description = "The job that does it.", body = Job),
        Problems<(NeedsToken, BadBody, Limited)>,
    ),
)]
async fn import_song(
    State(state): State<GatewayState>,
    SignedIn(ctx, access): SignedIn,
    Json(body): Json<ImportRequest>,
) -> ApiResult<(StatusCode, axum::Json<Job>)> {
    state.limiter.import(access.actor.user_id).await?;
    let request = Import {
        source_provider: body.source_provider,
        source_id: body.source_id,
        url: body.url,
        title: body.title,
        artist: body.artist,
        candidate_meta: body.candidate_meta,
    };
    let job = state.download.import(&ctx, request).await?;
    Ok((StatusCode::ACCEPTED, axum::Json(job.into())))
}

/// The caller's jobs, newest first
#[utoipa::path(
    get, path = "/jobs", tag = "jobs", security(("bearer" = [])),
    params(ListJobsParams),
    responses(
        (status = 200, description = "One page of jobs.", body = JobList),
        Problems<(NeedsToken, BadQuery)>,
    ),
)]
async fn list_jobs(
    State(state): State<GatewayState>,
    SignedIn(ctx, _): SignedIn,
    Query(params): Query<ListJobsParams>,
) -> ApiResult<axum::Json<JobList>> {
    let request = ListJobs {
        status: validate::word("status", params.status.as_deref(), JobStatus::parse, STATUSES)?,
        page: validate::page(params.cursor, params.limit, 50)?,
    };
    let page = state.download.list_jobs(&ctx, request).await?.map(Job::from);
    Ok(axum::Json(JobList { jobs: page.items, next_cursor: page.next_cursor }))
}

/// One job
#[utoipa::path(
    get, path = "/jobs/{id}", tag = "jobs", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "A job of the caller.")),
    responses((status = 200, description = "The job.", body = Job), Problems<(NeedsToken, Missing)>),
)]
async fn get_job(
    State(state): State<GatewayState>,
    SignedIn(ctx, _): SignedIn,
    Path(id): Path<Uuid>,
) -> ApiResult<axum::Json<Job>> {
    Ok(axum::Json(state.download.get_job(&ctx, JobId(id)).await?.into()))
}

/// Cancel a job
///
/// One that is being worked on becomes `cancelled` within seconds.
#[utoipa::path(
    delete, path = "/jobs/{id}", tag = "jobs", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "A job of the caller.")),
    responses(
        (status = 200, description = "The job as it is now.", body = Job),
        Problems<(NeedsToken, Missing, Clash)>,
    ),
)]
async fn cancel_job(
    State(state): State<GatewayState>,
    SignedIn(ctx, _): SignedIn,
    Path(id): Path<Uuid>,
) -> ApiResult<axum::Json<Job>> {
    Ok(axum::Json(state.download.cancel_job(&ctx, JobId(id)).await?.into()))
}

/// Try a failed or cancelled job again
#[utoipa::path(
    post, path = "/jobs/{id}/retry", tag = "jobs", security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "A job of the caller.")),
    responses(
        (status = 200, description = "The job as it is now.", body = Job),
        Problems<(NeedsToken, Missing, Clash)>,
    ),
)]
async fn retry_job(
    State(state): State<GatewayState>,
    SignedIn(ctx, _): SignedIn,
    Path(id): Path<Uuid>,
) -> ApiResult<axum::Json<Job>> {
    Ok(axum::Json(state.download.retry_job(&ctx, JobId(id)).await?.into()))
}

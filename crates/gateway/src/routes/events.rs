//! `GET /events`.

use axum::{
    extract::State,
    response::{IntoResponse, Response, Sse, sse::KeepAlive},
};
use http::{HeaderMap, HeaderName, header};
use songkeep_http_kit::ApiResult;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::problems::{NeedsToken, Problems};
use crate::{
    GatewayState,
    actor::SignedIn,
    feed::{Feed, ResumeFrom},
};

/// Asks proxies in front of us to pass each event on at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

pub(super) fn routes() -> OpenApiRouter<GatewayState> {
    OpenApiRouter::new().routes(routes!(follow_events))
}

/// What happens in the caller's library and jobs, while it happens
///
/// Server-sent events: `event: job` with a Job as data, `event: library` with a LibraryEvent, and
/// `event: reset` when the client must load everything afresh. A comment comes at least every 15 s.
/// The stream ends with the access token or the session; connect again to carry on after the last id.
#[utoipa::path(
    get, path = "/events", tag = "events", security(("bearer" = [])),
    params(("Last-Event-ID" = Option<String>, Header,
            description = "Id of the last event that the client saw. Without it: from now on.")),
    responses(
        (status = 200, description = "The events.", body = String, content_type = "text/event-stream"),
        Problems<(NeedsToken,)>,
    ),
)]
async fn follow_events(
    State(state): State<GatewayState>,
    SignedIn(ctx, access): SignedIn,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let last_id = headers.get("last-event-id").map(|id| id.to_str().unwrap_or("not ours"));
    let keep_alive = KeepAlive::new().interval(state.settings.events.keep_alive).text("still here");
    let feed = Feed::open(state, ctx, access, ResumeFrom::parse(last_id)).await?;
    let events = Sse::new(feed.into_stream()).keep_alive(keep_alive);
    Ok(([(header::CACHE_CONTROL, "no-store"), (X_ACCEL_BUFFERING, "no")], events).into_response())
}

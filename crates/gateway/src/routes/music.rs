//! Search, and the addresses of the library's bytes.

use std::collections::HashMap;

use axum::extract::State;
use songkeep_api::{
    search::Search,
    wire::{Candidate, ScoringMeta, SearchAnswer, SearchParams, StreamAnswer},
};
use songkeep_domain::{ServiceError, SongId, library::SourceStatus};
use songkeep_http_kit::{ApiResult, Path, Query, RequestOrigin};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::problems::{BadQuery, Limited, Missing, NeedsToken, Problems, SearchDown};
use crate::{GatewayState, actor::SignedIn, urls, validate};

pub(super) fn routes() -> OpenApiRouter<GatewayState> {
    OpenApiRouter::new().routes(routes!(search_songs)).routes(routes!(get_stream_url))
}

/// Find recordings at the source, best first
#[utoipa::path(
    get, path = "/songs/search", tag = "music", security(("bearer" = [])),
    params(SearchParams),
    responses(
        (status = 200, description = "What was found; the list may be empty.", body = SearchAnswer),
        Problems<(NeedsToken, BadQuery, Limited, SearchDown)>,
    ),
)]
async fn search_songs(
    State(state): State<GatewayState>,
    SignedIn(ctx, access): SignedIn,
    origin: RequestOrigin,
    Query(params): Query<SearchParams>,
) -> ApiResult<axum::Json<SearchAnswer>> {
    let q = validate::text("q", params.q)?
        .ok_or_else(|| ServiceError::invalid("q", "required", "Say in q what to search for."))?;
    let limit = validate::limit(params.limit, 10, 1..=50)?;
    state.limiter.search(access.actor.user_id).await?;
    let found = state.search.search(&ctx, Search { q, limit }).await?;
    let known: HashMap<_, _> = if found.hits.is_empty() {
        HashMap::new()
    } else {
        let sources = found.hits.iter().map(|ranked| ranked.hit.source.clone()).collect();
        let statuses = state.catalog.source_statuses(&ctx, sources).await?;
        statuses.into_iter().map(|status| (status.source.clone(), status)).collect()
    };
    let candidate = |ranked: songkeep_api::search::RankedHit| {
        let source = &ranked.hit.source;
        let known: Option<&SourceStatus> = known.get(source);
        let thumbnail = urls::thumbnail_url(&origin, source, &state.images.sign(source));
        let in_library = known.is_some_and(|status| status.in_library);
        Candidate::new(ranked, thumbnail, known.map(|status| status.song_id.0), in_library)
    };
    Ok(axum::Json(SearchAnswer {
        candidates: found.hits.into_iter().map(candidate).collect(),
        scoring_meta: ScoringMeta { total_candidates: found.total_candidates, version: found.version },
    }))
}

/// An address from which the song can be played for a while
#[utoipa::path(
    get, path = "/stream/{song_id}", tag = "music", security(("bearer" = [])),
    params(("song_id" = Uuid, Path, description = "A song of the caller's library.")),
    responses(
        (status = 200, description = "Where its bytes are.", body = StreamAnswer),
        Problems<(NeedsToken, Missing)>,
    ),
)]
async fn get_stream_url(
    State(state): State<GatewayState>,
    SignedIn(ctx, _): SignedIn,
    origin: RequestOrigin,
    Path(song_id): Path<Uuid>,
) -> ApiResult<axum::Json<StreamAnswer>> {
    let song = SongId(song_id);
    let grant = state.catalog.grant_stream(&ctx, song).await?;
    let settings = &state.settings;
    let base = settings.public_stream_base.as_deref();
    let stream_url = urls::stream_url(&origin, base, settings.stream_port, song, &grant.token);
    Ok(axum::Json(StreamAnswer { stream_url, expires_in: grant.expires_in }))
}

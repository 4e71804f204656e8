//! Search, the caller's library, and the addresses of its bytes.

use std::collections::HashMap;

use axum::extract::State;
use http::StatusCode;
use songkeep_api::{
    catalog::{ListLibrary, UpdateEntry},
    search::Search,
    wire::{
        Candidate, Library, ListLibraryParams, ScoringMeta, SearchAnswer, SearchParams, Song, StreamAnswer,
        UpdateEntryRequest,
    },
};
use songkeep_domain::{
    ServiceError, SongId,
    library::{EntryEdit, LibrarySort, SourceStatus},
};
use songkeep_http_kit::{ApiResult, Json, Path, Query, RequestOrigin};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::problems::{BadBody, BadQuery, Limited, Missing, NeedsToken, Problems, SearchDown};
use crate::{GatewayState, actor::SignedIn, urls, validate};

pub(super) fn routes() -> OpenApiRouter<GatewayState> {
    OpenApiRouter::new()
        .routes(routes!(search_songs))
        .routes(routes!(list_library))
        .routes(routes!(update_library_song, remove_library_song))
        .routes(routes!(get_stream_url))
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

/// The caller's songs
#[utoipa::path(
    get, path = "/library", tag = "music", security(("bearer" = [])),
    params(ListLibraryParams),
    responses(
        (status = 200, description = "One page of the library.", body = Library),
        Problems<(NeedsToken, BadQuery)>,
    ),
)]
async fn list_library(
    State(state): State<GatewayState>,
    SignedIn(ctx, _): SignedIn,
    Query(params): Query<ListLibraryParams>,
) -> ApiResult<axum::Json<Library>> {
    const SORTS: &str = "added_at, title, artist, album, duration, and these with - in front";
    let page = validate::page(params.cursor, params.limit, 200)?;
    let sort = validate::word("sort", params.sort.as_deref(), LibrarySort::parse, SORTS)?;
    let request = ListLibrary {
        q: validate::text("q", params.q)?,
        sort: sort.unwrap_or_default(),
        cursor: page.cursor,
        limit: page.limit,
    };
    let list = state.catalog.list_library(&ctx, request).await?;
    Ok(axum::Json(Library {
        songs: list.songs.into_iter().map(Song::from).collect(),
        next_cursor: list.next_cursor,
        total: list.total,
    }))
}

/// Change title, artist or album of the caller's own entry
#[utoipa::path(
    patch, path = "/library/{song_id}", tag = "music", security(("bearer" = [])),
    params(("song_id" = Uuid, Path, description = "A song of the caller's library.")),
    responses(
        (status = 200, description = "The entry as it is now.", body = Song),
        Problems<(NeedsToken, BadBody, Missing)>,
    ),
)]
async fn update_library_song(
    State(state): State<GatewayState>,
    SignedIn(ctx, _): SignedIn,
    Path(song_id): Path<Uuid>,
    Json(body): Json<UpdateEntryRequest>,
) -> ApiResult<axum::Json<Song>> {
    let edit = EntryEdit { title: body.title, artist: body.artist, album: body.album };
    let request = UpdateEntry { song_id: SongId(song_id), edit };
    Ok(axum::Json(state.catalog.update_entry(&ctx, request).await?.into()))
}

/// Take a song out of the caller's library
#[utoipa::path(
    delete, path = "/library/{song_id}", tag = "music", security(("bearer" = [])),
    params(("song_id" = Uuid, Path, description = "A song of the caller's library.")),
    responses((status = 204, description = "It is out."), Problems<(NeedsToken, Missing)>),
)]
async fn remove_library_song(
    State(state): State<GatewayState>,
    SignedIn(ctx, _): SignedIn,
    Path(song_id): Path<Uuid>,
) -> ApiResult<StatusCode> {
    state.catalog.remove_entry(&ctx, SongId(song_id)).await?;
    Ok(StatusCode::NO_CONTENT)
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

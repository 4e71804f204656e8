//! The caller's library: its songs, artists and albums.

use axum::extract::State;
use http::StatusCode;
use songkeep_api::{
    catalog::{ListAlbums, ListArtists, ListLibrary, UpdateEntry},
    wire::{
        Album, AlbumList, Artist, ArtistList, Library, ListAlbumsParams, ListArtistsParams,
        ListLibraryParams, Song, UpdateEntryRequest,
    },
};
use songkeep_domain::{
    SongId,
    library::{EntryEdit, LibrarySort},
};
use songkeep_http_kit::{ApiResult, Json, Path, Query};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::problems::{BadBody, BadQuery, Missing, NeedsToken, Problems};
use crate::{GatewayState, actor::SignedIn, validate};

/// Rows of a page when the call does not say.
const PAGE: u32 = 200;

pub(super) fn routes() -> OpenApiRouter<GatewayState> {
    OpenApiRouter::new()
        .routes(routes!(list_library))
        .routes(routes!(list_artists))
        .routes(routes!(list_albums))
        .routes(routes!(update_library_song, remove_library_song))
        .routes(routes!(restore_library_song))
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
    const SORTS: &str = "newest, oldest, title, artist, album, duration, added_at, and these from title on \
         with - in front";
    let page = validate::page(params.cursor, params.limit, PAGE)?;
    let sort = validate::word("sort", params.sort.as_deref(), LibrarySort::parse, SORTS)?;
    let request = ListLibrary {
        q: validate::text("q", params.q)?,
        artist: validate::name("artist", params.artist)?,
        album: validate::name("album", params.album)?,
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

/// The artists of the caller's songs
#[utoipa::path(
    get, path = "/library/artists", tag = "music", security(("bearer" = [])),
    params(ListArtistsParams),
    responses(
        (status = 200, description = "One page of artists.", body = ArtistList),
        Problems<(NeedsToken, BadQuery)>,
    ),
)]
async fn list_artists(
    State(state): State<GatewayState>,
    SignedIn(ctx, _): SignedIn,
    Query(params): Query<ListArtistsParams>,
) -> ApiResult<axum::Json<ArtistList>> {
    let page = validate::page(params.cursor, params.limit, PAGE)?;
    let request = ListArtists { q: validate::text("q", params.q)?, cursor: page.cursor, limit: page.limit };
    let found = state.catalog.list_artists(&ctx, request).await?;
    Ok(axum::Json(ArtistList {
        artists: found.groups.items.into_iter().map(Artist::from).collect(),
        next_cursor: found.groups.next_cursor,
        total: found.total,
        unknown_count: found.unknown_count,
    }))
}

/// The albums of the caller's songs
#[utoipa::path(
    get, path = "/library/albums", tag = "music", security(("bearer" = [])),
    params(ListAlbumsParams),
    responses(
        (status = 200, description = "One page of albums.", body = AlbumList),
        Problems<(NeedsToken, BadQuery)>,
    ),
)]
async fn list_albums(
    State(state): State<GatewayState>,
    SignedIn(ctx, _): SignedIn,
    Query(params): Query<ListAlbumsParams>,
) -> ApiResult<axum::Json<AlbumList>> {
    let page = validate::page(params.cursor, params.limit, PAGE)?;
    let request = ListAlbums {
        q: validate::text("q", params.q)?,
        artist: validate::name("artist", params.artist)?,
        cursor: page.cursor,
        limit: page.limit,
    };
    let found = state.catalog.list_albums(&ctx, request).await?;
    Ok(axum::Json(AlbumList {
        albums: found.groups.items.into_iter().map(Album::from).collect(),
        next_cursor: found.groups.next_cursor,
        total: found.total,
        unknown_count: found.unknown_count,
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
///
/// It can be restored for an hour.
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

/// Put a removed song back as it was
///
/// For an hour after it was removed, with its own words and its place. Nothing happens when it is there.
#[utoipa::path(
    post, path = "/library/{song_id}/restore", tag = "music", security(("bearer" = [])),
    params(("song_id" = Uuid, Path, description = "A song that was in the caller's library.")),
    responses(
        (status = 200, description = "The entry as it is now.", body = Song),
        Problems<(NeedsToken, Missing)>,
    ),
)]
async fn restore_library_song(
    State(state): State<GatewayState>,
    SignedIn(ctx, _): SignedIn,
    Path(song_id): Path<Uuid>,
) -> ApiResult<axum::Json<Song>> {
    Ok(axum::Json(state.catalog.restore_entry(&ctx, SongId(song_id)).await?.into()))
}

//! The catalog service over its ports. Everything is the caller's own: a song outside of the caller's
//! library is not found, whoever else has it.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use songkeep_api::{
    catalog::{CatalogApi, LibraryList, ListAlbums, ListArtists, ListLibrary, StreamGrant, UpdateEntry},
    token::{StreamAccess, StreamTokens},
};
use songkeep_domain::{
    CallContext, Clock, PageRequest, ServiceError, ServiceResult, SongId, SourceRef,
    library::{
        AlbumSummary, ArtistSummary, CatalogStore, EntryEdit, GroupPage, GroupQuery, LibraryQuery,
        LibrarySong, SourceStatus,
    },
};

use crate::text::{MAX_NAME_CHARS, MAX_QUERY_CHARS, clean};

const MAX_LIMIT: u32 = 500;
const MAX_SOURCES: usize = 200;

/// What the service stands on.
#[derive(Clone)]
pub struct CatalogPorts {
    pub store: Arc<dyn CatalogStore>,
    pub tokens: StreamTokens,
    pub clock: Arc<dyn Clock>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatalogSettings {
    /// How long a stream URL holds beyond twice the song's length, which leaves room for pauses.
    pub stream_url_ttl: Duration,
}

impl Default for CatalogSettings {
    fn default() -> Self {
        Self { stream_url_ttl: Duration::from_secs(90) }
    }
}

/// Serves [`CatalogApi`].
pub struct CatalogService {
    ports: CatalogPorts,
    settings: CatalogSettings,
}

impl CatalogService {
    #[must_use]
    pub const fn new(ports: CatalogPorts, settings: CatalogSettings) -> Self {
        Self { ports, settings }
    }
}

#[async_trait]
impl CatalogApi for CatalogService {
    async fn source_statuses(
        &self,
        ctx: &CallContext,
        sources: Vec<SourceRef>,
    ) -> ServiceResult<Vec<SourceStatus>> {
        let actor = ctx.require_user()?;
        if sources.len() > MAX_SOURCES {
            let detail = format!("At most {MAX_SOURCES} recordings can be asked for at once.");
            return Err(ServiceError::invalid("sources", "too_many", detail));
        }
        if sources.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.ports.store.list_source_statuses(actor.user_id, &sources).await?)
    }

    async fn list_library(&self, ctx: &CallContext, request: ListLibrary) -> ServiceResult<LibraryList> {
        let actor = ctx.require_user()?;
        let query = LibraryQuery {
            q: filter("q", request.q, MAX_QUERY_CHARS)?,
            artist: filter("artist", request.artist, MAX_NAME_CHARS)?,
            album: filter("album", request.album, MAX_NAME_CHARS)?,
            sort: request.sort,
            page: page(request.cursor, request.limit)?,
        };
        let found = self.ports.store.list_library(actor.user_id, &query).await?;
        Ok(LibraryList { songs: found.songs.items, next_cursor: found.songs.next_cursor, total: found.total })
    }

    async fn list_artists(
        &self,
        ctx: &CallContext,
        request: ListArtists,
    ) -> ServiceResult<GroupPage<ArtistSummary>> {
        let actor = ctx.require_user()?;
        let query = GroupQuery {
            q: filter("q", request.q, MAX_QUERY_CHARS)?,
            artist: None,
            page: page(request.cursor, request.limit)?,
        };
        Ok(self.ports.store.list_artists(actor.user_id, &query).await?)
    }

    async fn list_albums(
        &self,
        ctx: &CallContext,
        request: ListAlbums,
    ) -> ServiceResult<GroupPage<AlbumSummary>> {
        let actor = ctx.require_user()?;
        let query = GroupQuery {
            q: filter("q", request.q, MAX_QUERY_CHARS)?,
            artist: filter("artist", request.artist, MAX_NAME_CHARS)?,
            page: page(request.cursor, request.limit)?,
        };
        Ok(self.ports.store.list_albums(actor.user_id, &query).await?)
    }

    async fn get_library_song(&self, ctx: &CallContext, song: SongId) -> ServiceResult<LibrarySong> {
        let actor = ctx.require_user()?;
        self.ports.store.find_library_song(actor.user_id, song).await?.ok_or_else(no_such_song)
    }

    async fn update_entry(&self, ctx: &CallContext, request: UpdateEntry) -> ServiceResult<LibrarySong> {
        let actor = ctx.require_user()?;
        let edit = clean_edit(request.edit)?;
        let (user, now) = (actor.user_id, self.ports.clock.now());
        self.ports.store.update_entry(user, request.song_id, &edit, now).await?.ok_or_else(no_such_song)
    }

    async fn remove_entry(&self, ctx: &CallContext, song: SongId) -> ServiceResult<()> {
        let actor = ctx.require_user()?;
        let was_there = self.ports.store.remove_entry(actor.user_id, song, self.ports.clock.now()).await?;
        if was_there { Ok(()) } else { Err(no_such_song()) }
    }

    async fn restore_entry(&self, ctx: &CallContext, song: SongId) -> ServiceResult<LibrarySong> {
        let actor = ctx.require_user()?;
        let now = self.ports.clock.now();
        self.ports.store.restore_entry(actor.user_id, song, now).await?.ok_or_else(no_such_song)
    }

    async fn grant_stream(&self, ctx: &CallContext, song_id: SongId) -> ServiceResult<StreamGrant> {
        let actor = ctx.require_user()?;
        let (user_id, session_id) = (actor.user_id, actor.session_id);
        let entry = self.ports.store.find_library_song(user_id, song_id).await?.ok_or_else(no_such_song)?;
        let length = Duration::from_millis(entry.song.audio.duration_ms);
        let lifetime = self.settings.stream_url_ttl + length * 2;
        let token = self.ports.tokens.sign(StreamAccess { user_id, session_id, song_id }, lifetime)?;
        Ok(StreamGrant { token, expires_in: lifetime.as_secs() })
    }
}

fn no_such_song() -> ServiceError {
    ServiceError::not_found("This song")
}

/// The filter of a list; blank is none.
fn filter(field: &str, text: Option<String>, max_chars: usize) -> ServiceResult<Option<String>> {
    let text = text.map(|text| clean(field, &text, max_chars)).transpose()?;
    Ok(text.filter(|text| !text.is_empty()))
}

fn page(cursor: Option<String>, limit: u32) -> ServiceResult<PageRequest> {
    if !(1..=MAX_LIMIT).contains(&limit) {
        let detail = format!("The limit must be between 1 and {MAX_LIMIT}.");
        return Err(ServiceError::invalid("limit", "out_of_range", detail));
    }
    Ok(PageRequest { cursor, limit })
}

/// A title may not be empty. An empty artist or album means what null means: back to what the source
/// says, so that clearing a field of a form undoes the edit.
fn clean_edit(edit: EntryEdit) -> ServiceResult<EntryEdit> {
    let title = clean_value("title", edit.title)?;
    if matches!(&title, Some(Some(title)) if title.is_empty()) {
        return Err(ServiceError::invalid("title", "required", "The title must not be empty."));
    }
    let or_source = |value: Option<Option<String>>| value.map(|text| text.filter(|text| !text.is_empty()));
    Ok(EntryEdit {
        title,
        artist: or_source(clean_value("artist", edit.artist)?),
        album: or_source(clean_value("album", edit.album)?),
    })
}

fn clean_value(field: &str, value: Option<Option<String>>) -> ServiceResult<Option<Option<String>>> {
    value.map(|text| text.map(|text| clean(field, &text, MAX_NAME_CHARS)).transpose()).transpose()
}

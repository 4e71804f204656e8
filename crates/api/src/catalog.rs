//! The catalog service: songs and libraries.

use serde::{Deserialize, Serialize};
use songkeep_domain::{
    SongId, SourceRef,
    library::{AlbumSummary, ArtistSummary, EntryEdit, GroupPage, LibrarySong, LibrarySort, SourceStatus},
};

use crate::service::service;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListLibrary {
    pub q: Option<String>,
    /// The whole name; capitals and accents do not matter.
    #[serde(default)]
    pub artist: Option<String>,
    #[serde(default)]
    pub album: Option<String>,
    pub sort: LibrarySort,
    pub cursor: Option<String>,
    /// 1..=500.
    pub limit: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LibraryList {
    pub songs: Vec<LibrarySong>,
    pub next_cursor: Option<String>,
    /// Songs that match, over all pages.
    pub total: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListArtists {
    pub q: Option<String>,
    pub cursor: Option<String>,
    /// 1..=500.
    pub limit: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListAlbums {
    pub q: Option<String>,
    /// Only what is by this artist; the whole name.
    pub artist: Option<String>,
    pub cursor: Option<String>,
    /// 1..=500.
    pub limit: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct UpdateEntry {
    pub song_id: SongId,
    pub edit: EntryEdit,
}

/// The right to read one song's bytes.
#[derive(Clone, Serialize, Deserialize)]
pub struct StreamGrant {
    pub token: String,
    /// Seconds.
    pub expires_in: u64,
}

service! {
    /// Songs and libraries.
    role Catalog, trait CatalogApi, client CatalogClient, remote RemoteCatalog, rpc CatalogRpc;

    /// What is known of these sources, and whether the caller has them.
    [Gateway; idempotent] fn source_statuses(Vec<SourceRef>) -> Vec<SourceStatus>;

    [Gateway; idempotent] fn list_library(ListLibrary) -> LibraryList;

    /// The artists of the caller's library, by name.
    [Gateway; idempotent] fn list_artists(ListArtists) -> GroupPage<ArtistSummary>;

    /// The albums of the caller's library, by name.
    [Gateway; idempotent] fn list_albums(ListAlbums) -> GroupPage<AlbumSummary>;

    /// One song of the caller's library.
    [Gateway; idempotent] fn get_library_song(SongId) -> LibrarySong;

    /// `not_found` when the song is not in the caller's library, `invalid` for empty or overlong texts.
    [Gateway; idempotent] fn update_entry(UpdateEntry) -> LibrarySong;

    /// `not_found` when the song is not in the caller's library.
    [Gateway] fn remove_entry(SongId) -> ();

    /// Puts a song that was removed within the last hour back as it was; nothing happens when it is there.
    /// `not_found` for all others.
    [Gateway; idempotent] fn restore_entry(SongId) -> LibrarySong;

    /// A signed token for the caller's song; `not_found` when it is not in the caller's library.
    [Gateway; idempotent] fn grant_stream(SongId) -> StreamGrant;
}

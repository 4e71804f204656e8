//! Libraries: who has which song, under which title; and the port to songs and libraries.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    Page, PageRequest, SessionId, SongId, SourceRef, StoreResult, Timestamp, UserId,
    song::{Container, Song},
};

/// How long a song that was taken out of a library can be put back as it was: long enough for whoever
/// notices a slip, and no more, as what was removed is to be gone.
pub const RESTORABLE_FOR: Duration = Duration::from_secs(60 * 60);

/// A song as its owner sees it: title, artist and album are the owner's own where edited.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LibrarySong {
    pub song: Song,
    pub title: String,
    pub artist: Option<String>,
    pub album: Option<String>,
    pub added_at: Timestamp,
}

/// Orders of a library; `-` on the wire means descending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LibrarySort {
    #[default]
    #[serde(rename = "-added_at")]
    NewestFirst,
    #[serde(rename = "added_at")]
    OldestFirst,
    #[serde(rename = "title")]
    Title,
    #[serde(rename = "-title")]
    TitleDescending,
    #[serde(rename = "artist")]
    Artist,
    #[serde(rename = "-artist")]
    ArtistDescending,
    #[serde(rename = "album")]
    Album,
    #[serde(rename = "-album")]
    AlbumDescending,
    #[serde(rename = "duration")]
    Shortest,
    #[serde(rename = "-duration")]
    Longest,
}

impl LibrarySort {
    pub const ALL: [(&'static str, Self); 10] = [
        ("-added_at", Self::NewestFirst),
        ("added_at", Self::OldestFirst),
        ("title", Self::Title),
        ("-title", Self::TitleDescending),
        ("artist", Self::Artist),
        ("-artist", Self::ArtistDescending),
        ("album", Self::Album),
        ("-album", Self::AlbumDescending),
        ("duration", Self::Shortest),
        ("-duration", Self::Longest),
    ];

    /// One of [`Self::ALL`]; the first two also by the words for them.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = match text {
            "newest" => "-added_at",
            "oldest" => "added_at",
            name => name,
        };
        Self::ALL.into_iter().find(|(name, _)| *name == text).map(|(_, sort)| sort)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryQuery {
    /// Words that must all occur in title, artist or album, in any case, also as parts of words.
    pub q: Option<String>,
    /// The whole name, as the owner sees it; capitals and accents do not matter.
    pub artist: Option<String>,
    /// As `artist`.
    pub album: Option<String>,
    pub sort: LibrarySort,
    pub page: PageRequest,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LibraryPage {
    pub songs: Page<LibrarySong>,
    /// Songs that match, over all pages.
    pub total: u64,
}

/// A list of a library's artists or albums, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupQuery {
    /// Words that must all occur in the name, in any case, also as parts of words.
    pub q: Option<String>,
    /// Of albums: only songs of this artist, see [`LibraryQuery::artist`].
    pub artist: Option<String>,
    pub page: PageRequest,
}

/// The songs of a library that name the same artist, whatever the capitals and accents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtistSummary {
    /// As the song that was stored first spells it.
    pub name: String,
    pub song_count: u64,
    pub album_count: u64,
}

/// The songs of a library that name the same album, whatever the capitals and accents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlbumSummary {
    /// As the song that was stored first spells it.
    pub name: String,
    /// The artist of all its songs; None when they are by several.
    pub artist: Option<String>,
    pub song_count: u64,
    pub duration_ms: u64,
}

/// One page of a library's artists or albums.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupPage<T> {
    pub groups: Page<T>,
    /// Groups that match, over all pages.
    pub total: u64,
    /// Songs of the library that name none.
    pub unknown_count: u64,
}

/// A change of one's own entry: None leaves a value, `Some(None)` returns to what the source says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryEdit {
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub title: Option<Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub artist: Option<Option<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub album: Option<Option<String>>,
}

/// Tells `null` (`Some(None)`) from absent (`None`), so that an edit means the same at the far end of an
/// internal call.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// What is known here of a recording that a search found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceStatus {
    pub source: SourceRef,
    pub song_id: SongId,
    pub in_library: bool,
}

/// What the byte server needs to know to answer for a song.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamTarget {
    pub storage_key: String,
    pub container: Container,
    pub size_bytes: u64,
    /// Lower-case hex; the strong ETag.
    pub sha256: String,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SongFilter {
    /// Part of title, artist or source id, any case.
    pub q: Option<String>,
}

/// A row of the administrator's list of songs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SongSummary {
    pub song: Song,
    /// How many libraries hold it.
    pub owners: u64,
}

/// Sizes of everything, for the administrator's overview.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibraryTotals {
    pub users: u64,
    pub songs: u64,
    pub library_entries: u64,
    pub storage_bytes: u64,
}

/// Where songs and libraries are kept. Each method is one transaction; those that change a library
/// write its `library` event in the same transaction.
#[async_trait]
pub trait CatalogStore: Send + Sync + 'static {
    async fn find_song(&self, id: SongId) -> StoreResult<Option<Song>>;

    /// The known ones among `sources`.
    async fn list_source_statuses(
        &self,
        user: UserId,
        sources: &[SourceRef],
    ) -> StoreResult<Vec<SourceStatus>>;

    async fn list_library(&self, user: UserId, query: &LibraryQuery) -> StoreResult<LibraryPage>;

    async fn list_artists(&self, user: UserId, query: &GroupQuery) -> StoreResult<GroupPage<ArtistSummary>>;

    async fn list_albums(&self, user: UserId, query: &GroupQuery) -> StoreResult<GroupPage<AlbumSummary>>;

    async fn find_library_song(&self, user: UserId, song: SongId) -> StoreResult<Option<LibrarySong>>;

    /// None when the song is not in the library.
    async fn update_entry(
        &self,
        user: UserId,
        song: SongId,
        edit: &EntryEdit,
        now: Timestamp,
    ) -> StoreResult<Option<LibrarySong>>;

    /// True when it was there. It can be restored for [`RESTORABLE_FOR`].
    async fn remove_entry(&self, user: UserId, song: SongId, now: Timestamp) -> StoreResult<bool>;

    /// Puts a removed song back as it was, unless it is there. None when it never was, or was removed too
    /// long ago.
    async fn restore_entry(
        &self,
        user: UserId,
        song: SongId,
        now: Timestamp,
    ) -> StoreResult<Option<LibrarySong>>;

    /// What to serve, when the session stands, the account is enabled and the song is in its library.
    async fn find_stream_target(
        &self,
        user: UserId,
        session: SessionId,
        song: SongId,
        now: Timestamp,
    ) -> StoreResult<Option<StreamTarget>>;

    /// Newest first.
    async fn list_songs(&self, filter: &SongFilter, page: &PageRequest) -> StoreResult<Page<SongSummary>>;

    /// Takes a song out of all libraries and forgets it; its object is left to the sweeper.
    /// True when it was there.
    async fn delete_song(&self, id: SongId, now: Timestamp) -> StoreResult<bool>;

    /// Forgets songs that have had no owner since before `orphaned_before` and that nobody can restore;
    /// how many.
    async fn delete_orphaned_songs(&self, orphaned_before: Timestamp) -> StoreResult<u64>;

    async fn library_totals(&self) -> StoreResult<LibraryTotals>;

    /// Those of `keys` that a song refers to.
    async fn list_referenced_keys(&self, keys: &[String]) -> StoreResult<Vec<String>>;
}

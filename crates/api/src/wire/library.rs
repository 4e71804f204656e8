//! Songs and the caller's library.

use serde::{Deserialize, Serialize};
use songkeep_domain::{
    Timestamp,
    library::{AlbumSummary, ArtistSummary, LibrarySong},
};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Song {
    pub id: Uuid,
    pub title: String,
    pub artist: Option<String>,
    pub album: Option<String>,
    pub duration_sec: f64,
    pub source_provider: String,
    pub source_id: String,
    pub source_channel: Option<String>,
    pub codec: String,
    pub bitrate_kbps: u32,
    /// EBU R 128, once analysed.
    pub loudness_lufs: Option<f64>,
    /// Absolute and signed; null when there is no cover.
    pub cover_url: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub added_at: Timestamp,
}

#[expect(clippy::cast_precision_loss, reason = "durations are far below 2^52 ms")]
const fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1_000.0
}

impl From<LibrarySong> for Song {
    fn from(entry: LibrarySong) -> Self {
        let song = entry.song;
        Self {
            id: song.id.0,
            title: entry.title,
            artist: entry.artist,
            album: entry.album,
            duration_sec: seconds(song.audio.duration_ms),
            source_provider: song.source.provider().as_str().to_owned(),
            source_id: song.source.id().to_owned(),
            source_channel: song.metadata.channel,
            codec: song.audio.codec,
            bitrate_kbps: song.audio.bitrate_kbps,
            loudness_lufs: song.loudness_lufs,
            cover_url: None,
            added_at: entry.added_at,
        }
    }
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListLibraryParams {
    /// Words that must all occur in title, artist or album.
    #[param(max_length = 300)]
    pub q: Option<String>,
    /// Only songs of this artist: the whole name as the list of artists has it.
    #[param(max_length = 500)]
    pub artist: Option<String>,
    /// Only songs of this album: the whole name as the list of albums has it.
    #[param(max_length = 500)]
    pub album: Option<String>,
    /// newest, oldest, title, artist, album or duration; also added_at, and all but the first two with `-` in
    /// front for descending.
    #[param(example = "newest")]
    pub sort: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// 1..500.
    #[param(minimum = 1, maximum = 500, default = 200)]
    pub limit: Option<u32>,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Library {
    pub songs: Vec<Song>,
    pub next_cursor: Option<String>,
    /// Songs that match, over all pages.
    pub total: u64,
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListArtistsParams {
    /// Words that must all occur in the name.
    #[param(max_length = 300)]
    pub q: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// 1..500.
    #[param(minimum = 1, maximum = 500, default = 200)]
    pub limit: Option<u32>,
}

/// The songs that name the same artist, whatever the capitals and accents.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Artist {
    pub name: String,
    pub song_count: u64,
    pub album_count: u64,
    /// Absolute and signed; null when there is no cover.
    pub cover_url: Option<String>,
}

impl From<ArtistSummary> for Artist {
    fn from(artist: ArtistSummary) -> Self {
        let ArtistSummary { name, song_count, album_count } = artist;
        Self { name, song_count, album_count, cover_url: None }
    }
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ArtistList {
    /// By name.
    pub artists: Vec<Artist>,
    pub next_cursor: Option<String>,
    /// Artists that match, over all pages.
    pub total: u64,
    /// Songs of the library that name no artist; they are in none of the groups.
    pub unknown_count: u64,
}

#[derive(Clone, Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListAlbumsParams {
    /// Words that must all occur in the name.
    #[param(max_length = 300)]
    pub q: Option<String>,
    /// Only songs of this artist count: the whole name as the list of artists has it.
    #[param(max_length = 500)]
    pub artist: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
    /// 1..500.
    #[param(minimum = 1, maximum = 500, default = 200)]
    pub limit: Option<u32>,
}

/// The songs that name the same album, whatever the capitals and accents.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Album {
    pub name: String,
    /// The artist of all its songs; null when they are by several, or name none.
    pub artist: Option<String>,
    pub song_count: u64,
    pub duration_sec: f64,
    /// Absolute and signed; null when there is no cover.
    pub cover_url: Option<String>,
}

impl From<AlbumSummary> for Album {
    fn from(album: AlbumSummary) -> Self {
        let AlbumSummary { name, artist, song_count, duration_ms } = album;
        Self { name, artist, song_count, duration_sec: seconds(duration_ms), cover_url: None }
    }
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AlbumList {
    /// By name.
    pub albums: Vec<Album>,
    pub next_cursor: Option<String>,
    /// Albums that match, over all pages.
    pub total: u64,
    /// Songs (of the artist, where one is asked for) that name no album; they are in none of the groups.
    pub unknown_count: u64,
}

/// What is absent stays; null returns to what the source says.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
pub struct UpdateEntryRequest {
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 500)]
    pub title: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 500)]
    pub artist: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 500)]
    pub album: Option<Option<String>>,
}

/// Tells `null` (`Some(None)`) from absent (`None`).
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Data of `event: library`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LibraryEvent {
    /// added, updated or removed.
    pub change: String,
    pub song_id: Uuid,
    pub song: Option<Song>,
}

//! Stored recordings. One song serves many owners; what a listener edits is in their library entry.

use serde::{Deserialize, Serialize};

use crate::{SongId, SourceRef, Timestamp};

/// The file formats we store; each plays in every browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Container {
    /// Opus or AAC in MP4 with the index in front.
    Mp4,
    Mp3,
    Flac,
    Ogg,
    Wav,
}

impl Container {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mp4 => "mp4",
            Self::Mp3 => "mp3",
            Self::Flac => "flac",
            Self::Ogg => "ogg",
            Self::Wav => "wav",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Mp4, Self::Mp3, Self::Flac, Self::Ogg, Self::Wav].into_iter().find(|c| c.as_str() == text)
    }

    /// What `Content-Type` its bytes are served with.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Mp4 => "audio/mp4",
            Self::Mp3 => "audio/mpeg",
            Self::Flac => "audio/flac",
            Self::Ogg => "audio/ogg",
            Self::Wav => "audio/wav",
        }
    }
}

/// How the audio of a song is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredAudio {
    pub container: Container,
    /// `opus`, `aac`, `mp3`, `flac`, `vorbis`, `pcm`.
    pub codec: String,
    pub bitrate_kbps: u32,
    pub duration_ms: u64,
    /// Lower-case hex.
    pub sha256: String,
    /// Key in the blob store: `audio/<aa>/<sha256>.<ext>`.
    pub storage_key: String,
    pub size_bytes: u64,
}

/// What the source says of a recording, cleaned; never a listener's words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SongMetadata {
    pub title: String,
    pub artist: Option<String>,
    pub album: Option<String>,
    /// Name of the channel or account it was published by.
    pub channel: Option<String>,
    pub release_year: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Song {
    pub id: SongId,
    pub source: SourceRef,
    pub metadata: SongMetadata,
    pub audio: StoredAudio,
    /// Integrated loudness in LUFS (EBU R 128), once it has been analysed.
    pub loudness_lufs: Option<f64>,
    pub created_at: Timestamp,
}

/// A song as a worker hands it over to be published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewSong {
    pub id: SongId,
    pub metadata: SongMetadata,
    pub audio: StoredAudio,
}

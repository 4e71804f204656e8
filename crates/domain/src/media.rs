//! The ports to the outside world of music: search at a source, and fetching one recording.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{
    SourceRef,
    job::ImportFailure,
    song::{Container, SongMetadata},
};

/// Which of a source's catalogues a hit came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HitKind {
    /// Official audio of a music catalogue (YouTube Music `…_ATV`).
    OfficialAudio,
    /// Official music video (`…_OMV`).
    OfficialVideo,
    /// Uploaded by a user.
    User,
    Unknown,
}

/// A recording that a search found, as the source describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceHit {
    pub source: SourceRef,
    pub title: String,
    /// Names of artists where the source tells them apart from the channel.
    pub artists: Vec<String>,
    pub album: Option<String>,
    pub channel: Option<String>,
    pub channel_verified: bool,
    /// None for live streams and where the source does not say.
    pub duration_sec: Option<u32>,
    pub view_count: Option<u64>,
    pub kind: HitKind,
    pub is_live: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("the source did not answer in time")]
    Timeout,
    #[error("the source has no such recording")]
    NotFound,
    #[error("the source is unavailable: {0}")]
    Unavailable(String),
}

/// An image as it came from the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceImage {
    pub bytes: Bytes,
    pub media_type: String,
}

#[async_trait]
pub trait SongSource: Send + Sync + 'static {
    /// Hits in the source's own order, music catalogue first, without duplicates; at most `limit`
    /// of each catalogue. An empty list means that the source found nothing.
    async fn search(&self, query: &str, limit: u32) -> Result<Vec<SourceHit>, SourceError>;

    /// One recording by its id.
    async fn describe(&self, source: &SourceRef) -> Result<SourceHit, SourceError>;

    /// Its picture, at most some 512 KiB.
    async fn thumbnail(&self, source: &SourceRef) -> Result<SourceImage, SourceError>;
}

/// Hears how a fetch goes; called from async code, must not block.
pub trait FetchObserver: Send + Sync {
    /// Tools are being set up first; may be called often.
    fn preparing_tools(&self);
    /// What the source says of the recording.
    fn resolved(&self, metadata: &SongMetadata);
    /// `total` is 0 while unknown.
    fn downloaded(&self, bytes: u64, total: u64);
    /// All bytes are here; making the file that will be stored begins.
    fn processing(&self);
}

/// A file ready to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedAudio {
    pub path: PathBuf,
    /// Of the file that will be stored, without a dot: `mp4` or `m4a`.
    pub extension: &'static str,
    pub container: Container,
    pub codec: String,
    pub bitrate_kbps: u32,
    pub duration_ms: u64,
    pub metadata: SongMetadata,
}

#[async_trait]
pub trait SongFetcher: Send + Sync + 'static {
    /// Resolves, downloads and remuxes one recording into `folder` (which exists, is empty and is
    /// the caller's to remove). Dropping the future stops all work on it and kills what does not stop.
    async fn fetch(
        &self,
        source: &SourceRef,
        folder: &Path,
        observer: &dyn FetchObserver,
    ) -> Result<FetchedAudio, ImportFailure>;
}

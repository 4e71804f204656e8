//! What the fake holds: videos over media made at test time.

mod songs;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;

use self::songs::{EXTRAS, Extra, LISTENING, Song, TINY};
use crate::media::{Melody, Recording, ensure_recording, find_ffmpeg};

/// The two formats of every video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// itag 140.
    Aac,
    /// itag 251.
    Opus,
}

impl Format {
    pub(super) const fn itag(self) -> u32 {
        match self {
            Self::Aac => 140,
            Self::Opus => 251,
        }
    }

    pub(super) fn of_itag(itag: &str) -> Option<Self> {
        [Self::Aac, Self::Opus].into_iter().find(|format| format.itag().to_string() == itag)
    }

    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Aac => "audio/mp4",
            Self::Opus => "audio/webm",
        }
    }

    pub(super) const fn codec(self) -> &'static str {
        match self {
            Self::Aac => "mp4a.40.2",
            Self::Opus => "opus",
        }
    }

    pub(super) const fn sample_rate(self) -> u32 {
        match self {
            Self::Aac => 44_100,
            Self::Opus => 48_000,
        }
    }
}

/// The source files of a video; what is downloaded must equal one of them.
#[derive(Clone, Debug)]
pub struct Media {
    /// Opus in WebM.
    pub webm_251: PathBuf,
    /// AAC in fragmented MP4, like YouTube's own.
    pub m4a_140: PathBuf,
    /// JPEG, 1280 × 720: `maxresdefault` and its like.
    pub wide_cover: PathBuf,
    /// JPEG, 480 × 360: `hqdefault` and its like.
    pub small_cover: PathBuf,
    /// JPEG, 544 × 544: art of the music catalogue.
    pub square_cover: PathBuf,
    pub length: Duration,
    webm_251_bytes: u64,
    m4a_140_bytes: u64,
}

impl Media {
    fn of(recording: Recording) -> anyhow::Result<Self> {
        let size = |path: &Path| -> anyhow::Result<u64> {
            Ok(std::fs::metadata(path).with_context(|| format!("{} is gone", path.display()))?.len())
        };
        Ok(Self {
            webm_251_bytes: size(&recording.opus_webm)?,
            m4a_140_bytes: size(&recording.aac_m4a)?,
            webm_251: recording.opus_webm,
            m4a_140: recording.aac_m4a,
            wide_cover: recording.wide_cover,
            small_cover: recording.small_cover,
            square_cover: recording.square_cover,
            length: recording.length,
        })
    }

    pub(super) fn path(&self, format: Format) -> &Path {
        match format {
            Format::Aac => &self.m4a_140,
            Format::Opus => &self.webm_251,
        }
    }

    pub(super) const fn size_bytes(&self, format: Format) -> u64 {
        match format {
            Format::Aac => self.m4a_140_bytes,
            Format::Opus => self.webm_251_bytes,
        }
    }
}

/// What the music catalogue says that a video is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoKind {
    /// A song of the music catalogue (`…_ATV`); its channel is called "… - Topic" elsewhere.
    OfficialAudio,
    /// `…_OMV`; not among the songs of the music catalogue.
    OfficialVideo,
    /// `…_UGC`; the same.
    User,
}

/// One video.
#[derive(Clone, Debug)]
pub struct Video {
    /// 11 characters.
    pub id: String,
    pub title: String,
    /// Without "- Topic".
    pub channel: String,
    pub artists: Vec<String>,
    pub album: Option<String>,
    pub year: u16,
    pub kind: VideoKind,
    pub is_explicit: bool,
    pub view_count: u64,
    pub duration_sec: u32,
    pub media: Media,
}

/// Everything that the fake holds.
#[derive(Clone)]
pub struct Catalog {
    videos: Vec<Arc<Video>>,
    by_id: HashMap<String, usize>,
    /// How many of the first videos are songs that copies are made of.
    songs: usize,
}

impl Catalog {
    /// Six songs of 4 to 8 seconds, then a few videos that are not what one looks for: an official video, a live
    /// recording, a cover, a slowed one. The media are made once and shared by all test processes.
    ///
    /// # Errors
    /// When there is no ffmpeg, or it cannot make them.
    pub async fn tiny() -> anyhow::Result<Self> {
        Self::build(TINY, EXTRAS).await
    }

    /// Songs of half a minute to a minute, for people.
    ///
    /// # Errors
    /// As [`Catalog::tiny`].
    pub async fn for_listening() -> anyhow::Result<Self> {
        Self::build(LISTENING, &[]).await
    }

    /// Appends `n` songs over the media of the present ones, with ids and titles of their own.
    #[must_use]
    pub fn with_copies(mut self, n: usize) -> Self {
        for number in 1..=n {
            let mut video = Video::clone(&self.videos[(number - 1) % self.songs]);
            video.id = format!("SKcopy{number:05}");
            video.title = format!("{} No. {number}", video.title);
            self.push(video);
        }
        self
    }

    pub(super) fn videos(&self) -> &[Arc<Video>] {
        &self.videos
    }

    pub(super) fn find(&self, id: &str) -> Option<&Arc<Video>> {
        self.by_id.get(id).map(|&index| &self.videos[index])
    }

    async fn build(songs: &[Song], extras: &[Extra]) -> anyhow::Result<Self> {
        let ffmpeg = find_ffmpeg()?;
        let mut catalog = Self { videos: Vec::new(), by_id: HashMap::new(), songs: songs.len() };
        for song in songs {
            let recording = ensure_recording(&ffmpeg, song.melody, song.colours).await?;
            catalog.push(song.video(Media::of(recording)?));
        }
        for extra in extras {
            let media = catalog.videos[extra.media_of].media.clone();
            catalog.push(extra.video(media));
        }
        Ok(catalog)
    }

    fn push(&mut self, video: Video) {
        debug_assert_eq!(video.id.len(), 11, "{} is no id of a video", video.id);
        self.by_id.insert(video.id.clone(), self.videos.len());
        self.videos.push(Arc::new(video));
    }
}

impl Song {
    fn video(&self, media: Media) -> Video {
        Video {
            id: self.id.to_owned(),
            title: self.title.to_owned(),
            channel: self.artists[0].to_owned(),
            artists: self.artists.iter().map(|&artist| artist.to_owned()).collect(),
            album: Some(self.album.to_owned()),
            year: self.year,
            kind: VideoKind::OfficialAudio,
            is_explicit: self.is_explicit,
            view_count: self.view_count,
            duration_sec: self.melody.seconds,
            media,
        }
    }
}

impl Extra {
    fn video(&self, media: Media) -> Video {
        Video {
            id: self.id.to_owned(),
            title: self.title.to_owned(),
            channel: self.channel.to_owned(),
            artists: vec![self.channel.to_owned()],
            album: None,
            year: 2021,
            kind: self.kind,
            is_explicit: false,
            view_count: self.view_count,
            duration_sec: u32::try_from(media.length.as_secs()).unwrap_or(u32::MAX),
            media,
        }
    }
}

const fn tune(root: i32, minor: bool, beats_per_minute: u32, variation: usize, seconds: u32) -> Melody {
    Melody { root, minor, beats_per_minute, variation, seconds }
}

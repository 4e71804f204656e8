//! What YouTube expects to be asked: hosts, names and versions of clients, filters, limits, and the names
//! that its answers are recognised by. When YouTube changes, this file and `parse` change.

use std::time::Duration;

use serde_json::{Value, json};
use songkeep_domain::SourceRef;

/// How long each catalogue may take.
pub const SEARCH_TIMEOUT: Duration = Duration::from_secs(2);
pub const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(4);
pub const THUMBNAIL_TIMEOUT: Duration = Duration::from_secs(8);
/// Answers to a search have some hundred KiB.
pub const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;
pub const MAX_THUMBNAIL_BYTES: usize = 512 * 1024;

/// One of YouTube's own apps, as which we ask.
#[derive(Debug, PartialEq, Eq)]
pub struct Client {
    name: &'static str,
    /// What the name is in a header.
    number: &'static str,
    version: &'static str,
    /// Without a slash at the end.
    origin: &'static str,
    /// The filter of a search: an opaque text that YouTube makes.
    search_filter: &'static str,
}

/// The site for videos; the filter leaves videos only.
pub const WEB: Client = Client {
    name: "WEB",
    number: "1",
    version: "2.20260708.00.00",
    origin: "https://www.youtube.com",
    search_filter: "EgIQAfABAQ==",
};

/// The site for music; the filter leaves songs only.
pub const WEB_REMIX: Client = Client {
    name: "WEB_REMIX",
    number: "67",
    version: "1.20260708.01.00",
    origin: "https://music.youtube.com",
    search_filter: "EgWKAQIIAWoKEAoQAxAEEAkQBQ==",
};

impl Client {
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    #[must_use]
    pub fn search_url(&self) -> String {
        format!("{}/youtubei/v1/search?prettyPrint=false", self.origin)
    }

    #[must_use]
    pub fn search_body(&self, query: &str) -> Value {
        json!({ "context": self.context(), "query": query, "params": self.search_filter })
    }

    #[must_use]
    pub fn player_url(&self) -> String {
        format!("{}/youtubei/v1/player?prettyPrint=false", self.origin)
    }

    #[must_use]
    pub fn player_body(&self, source: &SourceRef) -> Value {
        json!({ "context": self.context(), "videoId": source.id(), "contentCheckOk": true, "racyCheckOk": true })
    }

    /// What the app itself would send along.
    #[must_use]
    pub fn headers(&self) -> [(&'static str, &'static str); 5] {
        [
            ("origin", self.origin),
            ("referer", self.origin),
            ("accept-language", "en-US,en;q=0.9"),
            ("x-youtube-client-name", self.number),
            ("x-youtube-client-version", self.version),
        ]
    }

    /// In English, because numbers and times are read from sentences.
    fn context(&self) -> Value {
        json!({ "client": { "clientName": self.name, "clientVersion": self.version, "hl": "en" } })
    }
}

/// Without black bars, unlike the larger ones.
#[must_use]
pub fn thumbnail_url(source: &SourceRef) -> String {
    format!("https://i.ytimg.com/vi/{}/mqdefault.jpg", source.id())
}

pub const VIDEO_ROW: &str = "videoRenderer";
pub const MUSIC_ROW: &str = "musicResponsiveListItemRenderer";
/// What rows stand in; where it is, an answer without rows means that there are none.
pub const RESULT_LIST: &str = "sectionListRenderer";
/// Parts of an answer that are advertisements, whatever rows they hold.
pub const ADVERTISEMENTS: [&str; 6] = [
    "adSlotRenderer",
    "promotedVideoRenderer",
    "promotedSparklesWebRenderer",
    "promotedSparklesTextSearchRenderer",
    "searchPyvRenderer",
    "carouselAdRenderer",
];
pub const ARTIST_PAGE: &str = "MUSIC_PAGE_TYPE_ARTIST";
pub const ALBUM_PAGE: &str = "MUSIC_PAGE_TYPE_ALBUM";
/// Of people who uploaded something.
pub const USER_PAGE: &str = "MUSIC_PAGE_TYPE_USER_CHANNEL";
pub const OFFICIAL_AUDIO: &str = "MUSIC_VIDEO_TYPE_ATV";
pub const OFFICIAL_VIDEO: &str = "MUSIC_VIDEO_TYPE_OMV";
pub const USER_VIDEO: &str = "MUSIC_VIDEO_TYPE_UGC";

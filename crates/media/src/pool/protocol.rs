//! The lines that are exchanged with a worker; see the head of `worker.py`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::metadata::RawMetadata;

/// The first line: what all jobs of a worker have in common. Comes by stdin rather than as an argument,
/// since a proxy's password may be in it.
#[derive(Serialize)]
pub struct Configuration<'a> {
    pub site: Option<&'a Path>,
    pub proxy: Option<&'a str>,
    pub js_runtime: RuntimeChoice<'a>,
    /// Trust what `SSL_CERT_FILE` names instead of the bundled roots.
    pub no_certifi: bool,
}

#[derive(Serialize)]
pub struct RuntimeChoice<'a> {
    pub name: &'a str,
    pub path: &'a Path,
}

/// A job.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Request {
    Search { query: String, limit: u32 },
    Describe { url: String },
    Download { url: String, folder: PathBuf, max_duration_sec: u64, max_bytes: u64 },
    Ping,
}

#[derive(Serialize)]
pub struct Numbered<'a> {
    pub id: u64,
    #[serde(flatten)]
    pub request: &'a Request,
}

#[derive(Serialize)]
pub struct Cancel {
    pub op: &'static str,
    pub id: u64,
}

/// What a worker says.
#[derive(Debug, Deserialize)]
#[serde(tag = "ev", rename_all = "snake_case")]
pub enum Event {
    Ready { version: String },
    Resolved { id: u64, info: Info },
    Progress { id: u64, done: u64, total: u64 },
    Done(Done),
}

#[derive(Debug, Deserialize)]
pub struct Done {
    pub id: u64,
    /// Memory of the worker after the job.
    pub rss_kb: u64,
    pub failure: Option<Failure>,
    pub info: Option<Info>,
    #[serde(default)]
    pub entries: Vec<Info>,
    /// Of a download: what was written.
    pub file: Option<PathBuf>,
    /// Of a download: seconds, as the stream's address says.
    pub stream_duration: Option<f64>,
}

/// Why a job did not succeed.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Failure {
    /// `error` and `internal` come with a text of the tool; others name a limit of ours.
    pub kind: String,
    pub message: String,
    /// Names of the Python classes behind it, outermost first.
    pub causes: Vec<String>,
    /// The last lines of the tool's log.
    pub tail: Vec<String>,
}

/// A recording in the tool's words.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Info {
    pub id: Option<String>,
    pub title: Option<String>,
    pub track: Option<String>,
    pub artists: Vec<String>,
    pub album: Option<String>,
    pub channel: Option<String>,
    pub uploader: Option<String>,
    pub channel_verified: bool,
    pub description: Option<String>,
    pub release_year: Option<f64>,
    /// Seconds.
    pub duration: Option<f64>,
    pub view_count: Option<f64>,
    pub is_live: bool,
    /// Of the file, without a dot.
    pub ext: Option<String>,
    /// `opus`, `mp4a.40.2` and the like.
    pub acodec: Option<String>,
}

impl Info {
    pub fn into_metadata(self) -> RawMetadata {
        RawMetadata {
            title: self.title.unwrap_or_default(),
            track: self.track,
            artists: self.artists,
            album: self.album,
            channel: self.channel,
            uploader: self.uploader,
            release_year: self.release_year.map(|year| year as u16),
            description: self.description,
        }
    }
}

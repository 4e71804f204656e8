//! The world of music outside: search at YouTube, and fetching one recording as a file that can be
//! stored. Everything that the download tool needs is set up, watched over and understood here.

pub mod classify;
pub mod fetcher;
pub mod flat_search;
pub mod metadata;
pub mod outgoing;
pub mod pool;
pub mod probe;
pub mod remux;
pub mod tools;
pub mod youtube;

use std::{ffi::OsString, path::PathBuf, sync::Arc};

use secrecy::SecretString;
use songkeep_domain::media::{SongFetcher, SongSource};
use songkeep_sandbox::Launcher;

use fetcher::{FetchLimits, Fetcher};
use outgoing::Outgoing;
use pool::{Pool, PoolSettings};
use tools::{ToolSettings, Tools};
use youtube::YoutubeSource;

/// What the media side is told.
#[derive(Clone)]
pub struct MediaSettings {
    /// Of the managed tools; processes may share it.
    pub tools_dir: PathBuf,
    /// For scripts and certificates of the tools; processes may share it.
    pub work_dir: PathBuf,
    /// How many recordings are fetched at a time.
    pub workers: usize,
    /// `http://` or `socks5://`: the only way out for search and tools (not for the installation of tools).
    pub upstream_proxy: Option<SecretString>,
    /// PEM, trusted besides the usual roots by search and tools.
    pub ca_file: Option<PathBuf>,
    pub max_duration_sec: u64,
    pub max_bytes: u64,
    pub ytdlp_path: Option<PathBuf>,
    pub ffmpeg_path: Option<PathBuf>,
    pub js_runtime_path: Option<PathBuf>,
    /// The environment of this process, of which the installer of tools gets what is meant for it.
    pub environment: Vec<(OsString, OsString)>,
}

/// Why the media side could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    #[error("the address of the upstream proxy cannot be read")]
    Proxy(#[source] reqwest::Error),
    #[error("the HTTP client could not be built")]
    HttpClient(#[source] reqwest::Error),
    #[error("cannot use {}", path.display())]
    Folder {
        path: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// The ways to the source, and the tools behind them.
pub struct Media {
    pub tools: Tools,
    pub fetcher: Arc<dyn SongFetcher>,
    pub source: Arc<dyn SongSource>,
    downloads: Pool,
    /// Apart, so that somebody who searches never waits for a download.
    searches: Pool,
}

impl Media {
    /// Starts nothing yet: tools and workers come at the first need.
    ///
    /// # Errors
    /// When the proxy's address or the file of certificates cannot be used.
    pub fn new(settings: MediaSettings) -> Result<Self, MediaError> {
        let launcher = Launcher::new();
        let outgoing = Outgoing::new(settings.upstream_proxy.as_ref(), settings.ca_file.as_deref())?;
        let tools = Tools::new(
            ToolSettings {
                tools_dir: settings.tools_dir,
                ytdlp_path: settings.ytdlp_path,
                ffmpeg_path: settings.ffmpeg_path,
                js_runtime_path: settings.js_runtime_path,
                environment: settings.environment,
            },
            launcher,
        );
        let pool = |workers: usize| {
            let settings = PoolSettings {
                upstream_proxy: settings.upstream_proxy.clone(),
                ca_file: settings.ca_file.clone(),
                max_bytes: settings.max_bytes,
                ..PoolSettings::new(workers, settings.work_dir.clone())
            };
            Pool::new(settings, tools.clone(), launcher)
        };
        let (downloads, searches) = (pool(settings.workers), pool(1));
        let limits =
            FetchLimits { max_duration_sec: settings.max_duration_sec, max_bytes: settings.max_bytes };
        let fetcher = Fetcher { tools: tools.clone(), pool: downloads.clone(), launcher, limits };
        let source = YoutubeSource::new(outgoing, Arc::new(searches.clone()));
        Ok(Self { tools, fetcher: Arc::new(fetcher), source: Arc::new(source), downloads, searches })
    }

    /// Ends all workers, and the installation of tools if it runs.
    pub async fn stop(&self) {
        self.tools.stop();
        tokio::join!(self.downloads.stop(), self.searches.stop());
    }
}

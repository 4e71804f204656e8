//! A YouTube of our own for the real yt-dlp, its JavaScript runtime and our own search: a CONNECT proxy on
//! loopback that ends TLS itself and answers as YouTube does. Whoever is to use it needs its proxy address and
//! its certificate authority. Nothing else can be reached through it, and what was tried is on record.

mod catalog;
mod certificates;
mod playback;
mod player;
mod proxy;
mod search;
mod signature;
mod site;

use std::{
    collections::{BTreeMap, HashMap},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::catalog::{Catalog, Media, Video, VideoKind};
use self::{certificates::Certificates, proxy::Proxy, signature::Signatures};

/// How the fake treats one video.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Behaviour {
    #[default]
    Normal,
    /// Removed; still found by searches.
    Unavailable,
    Private,
    AgeRestricted,
    /// Shown in other countries only.
    GeoBlocked,
    /// "Sign in to confirm you’re not a bot".
    BotCheck,
    /// On the air just now.
    Live,
    /// Every request for media is answered with 403.
    Forbidden,
    /// The first so many requests for media are, and then all is well.
    ForbiddenTimes(u32),
    /// 429 from page and player.
    RateLimited,
    /// No connection ever gets beyond the middle of the file: it breaks there, and a request for what comes later
    /// breaks at once.
    Truncated,
    /// Media begin to come, and after 1 KiB nothing more does while the connection stays open.
    Hangs,
    /// Only itag 140 is offered.
    OnlyM4a,
    /// The player offers nothing.
    NoFormats,
    /// Says that it lasts three hours.
    TooLong,
    /// 500 from page and player.
    ServerError,
}

/// How the fake treats searches, in both catalogues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SearchBehaviour {
    #[default]
    Normal,
    /// Valid JSON in which nothing is called as it used to be; yt-dlp alone still gets the usual answer. It is known
    /// by `Sec-Fetch-Mode: navigate`, which it sends with every request and which no caller of an API would send.
    UnknownShape,
    /// 500, for everybody.
    Down,
    /// Nothing is ever found.
    Empty,
    /// As usual, but after this long.
    Slow(Duration),
}

/// A running fake. Ends when it is dropped.
pub struct FakeYouTube {
    shared: Arc<Shared>,
    address: SocketAddr,
    ca_file: PathBuf,
    _folder: TempDir,
    _stop: DropGuard,
}

impl FakeYouTube {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Errors
    /// When the system refuses a port or a temporary file.
    pub async fn start(catalog: Catalog) -> anyhow::Result<Self> {
        Self::start_on(0, catalog).await
    }

    /// Starts on this port of 127.0.0.1.
    ///
    /// # Errors
    /// As [`FakeYouTube::start`], and when the port is taken.
    pub async fn start_on(port: u16, catalog: Catalog) -> anyhow::Result<Self> {
        let certificates = Certificates::generate()?;
        let folder = tempfile::Builder::new().prefix("songkeep-fake-youtube-").tempdir()?;
        let ca_file = folder.path().join("ca.pem");
        tokio::fs::write(&ca_file, &certificates.authority).await?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .with_context(|| format!("cannot listen on port {port}"))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { catalog, signatures: Signatures::new()?, state: Mutex::default() });
        let stop = CancellationToken::new();
        let tls = TlsAcceptor::from(certificates.tls);
        Proxy { shared: Arc::clone(&shared), tls, stop: stop.clone() }.spawn(listener);
        Ok(Self { shared, address, ca_file, _folder: folder, _stop: stop.drop_guard() })
    }

    /// `http://127.0.0.1:port`.
    pub fn proxy_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The PEM file of the authority to be trusted.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// All videos: the songs first, in a fixed order.
    pub fn videos(&self) -> Vec<Video> {
        self.shared.catalog.videos().iter().map(|video| Video::clone(video)).collect()
    }

    /// How many requests each host of YouTube got; 0 for those that were only connected to.
    pub fn contacted_hosts(&self) -> BTreeMap<String, u64> {
        self.shared.state().contacted.clone()
    }

    /// Hosts that were asked for and refused, one for each attempt.
    pub fn denied_hosts(&self) -> Vec<String> {
        self.shared.state().denied.clone()
    }

    /// How many times the media of a video began to be downloaded from byte 0. Refused requests do not count.
    pub fn media_downloads(&self, id: &str) -> u64 {
        self.shared.state().downloads.get(id).copied().unwrap_or(0)
    }

    /// How many requests for media came with a solved JavaScript challenge, which is what Opus takes.
    pub fn solved_challenges(&self) -> u64 {
        self.shared.state().solved_challenges
    }

    /// How many searches of either catalogue were asked for, whatever the answer.
    pub fn searches(&self) -> u64 {
        self.shared.state().searches
    }

    /// From now on the video behaves like this.
    pub fn set(&self, id: &str, behaviour: Behaviour) {
        self.shared.state().behaviours.insert(id.to_owned(), behaviour);
    }

    /// From now on searches behave like this.
    pub fn set_search(&self, behaviour: SearchBehaviour) {
        self.shared.state().search = behaviour;
    }

    /// Limits each download, those under way as well, to so many bytes a second.
    pub fn set_throttle(&self, bytes_per_sec: Option<u64>) {
        self.shared.state().throttle = bytes_per_sec;
    }
}

/// What every connection sees.
struct Shared {
    catalog: Catalog,
    signatures: Signatures,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    behaviours: HashMap<String, Behaviour>,
    search: SearchBehaviour,
    throttle: Option<u64>,
    contacted: BTreeMap<String, u64>,
    denied: Vec<String>,
    downloads: HashMap<String, u64>,
    solved_challenges: u64,
    searches: u64,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn behaviour(&self, id: &str) -> Behaviour {
        self.state().behaviours.get(id).copied().unwrap_or_default()
    }

    fn note_tunnel(&self, host: &str) {
        self.state().contacted.entry(host.to_owned()).or_default();
    }

    fn note_request(&self, host: &str) {
        *self.state().contacted.entry(host.to_owned()).or_default() += 1;
    }

    fn note_denied(&self, host: String) {
        self.state().denied.push(host);
    }
}

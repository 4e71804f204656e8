//! What the tests stand on: the shared tools, a fake YouTube, and everything wired to it.

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
    time::{Duration, Instant},
};

use secrecy::SecretString;
use songkeep_domain::{
    SourceProvider, SourceRef,
    job::ImportFailure,
    media::{FetchObserver, FetchedAudio, SongFetcher},
    song::SongMetadata,
};
use songkeep_media::{
    fetcher::{FetchLimits, Fetcher},
    pool::{Pool, PoolSettings},
    tools::{ToolSettings, Tools},
};
use songkeep_sandbox::Launcher;
use songkeep_testkit::fake_youtube::{Catalog, FakeYouTube};
use tempfile::TempDir;

pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn test_tools_dir() -> PathBuf {
    std::env::var_os("SONGKEEP_TEST_TOOLS_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-tools"), PathBuf::from)
}

pub fn test_tools() -> Tools {
    let settings = ToolSettings {
        tools_dir: test_tools_dir(),
        environment: std::env::vars_os().collect(),
        ..ToolSettings::default()
    };
    Tools::new(settings, Launcher::new())
}

pub struct World {
    pub fake: FakeYouTube,
    pub fetcher: Fetcher,
    pub pool: Pool,
    folder: TempDir,
}

impl World {
    pub async fn new() -> Self {
        Self::with(|_, _| ()).await
    }

    /// With other settings than the usual ones.
    pub async fn with(change: impl FnOnce(&mut PoolSettings, &mut FetchLimits)) -> Self {
        let fake = FakeYouTube::start(Catalog::tiny().await.unwrap()).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut limits = FetchLimits { max_duration_sec: 7200, max_bytes: 64 << 20 };
        let mut settings = PoolSettings {
            upstream_proxy: Some(SecretString::from(fake.proxy_url())),
            ca_file: Some(fake.ca_file().to_owned()),
            ..PoolSettings::new(2, folder.path().join("work"))
        };
        change(&mut settings, &mut limits);
        let tools = test_tools();
        let pool = Pool::new(settings, tools.clone(), Launcher::new());
        let fetcher = Fetcher { tools, pool: pool.clone(), launcher: Launcher::new(), limits };
        Self { fake, fetcher, pool, folder }
    }

    /// A fresh folder of a job.
    pub fn job_folder(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir(&path).unwrap();
        path
    }

    pub async fn fetch(&self, id: &str, job: &str) -> Result<FetchedAudio, ImportFailure> {
        self.fetcher.fetch(&youtube(id), &self.job_folder(job), &Heard::default()).await
    }
}

pub fn youtube(id: &str) -> SourceRef {
    SourceRef::new(SourceProvider::Youtube, id).unwrap()
}

/// What an observer was told.
#[derive(Default)]
pub struct Heard(Mutex<Log>);

#[derive(Clone, Default)]
pub struct Log {
    pub resolved: Vec<SongMetadata>,
    pub downloaded: Vec<(u64, u64)>,
    pub processing: u32,
}

impl Heard {
    pub fn log(&self) -> Log {
        self.0.lock().unwrap().clone()
    }
}

impl FetchObserver for Heard {
    fn preparing_tools(&self) {}

    fn resolved(&self, metadata: &SongMetadata) {
        self.0.lock().unwrap().resolved.push(metadata.clone());
    }

    fn downloaded(&self, bytes: u64, total: u64) {
        self.0.lock().unwrap().downloaded.push((bytes, total));
    }

    fn processing(&self) {
        self.0.lock().unwrap().processing += 1;
    }
}

/// Polls until something holds.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A zombie counts as gone.
pub fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

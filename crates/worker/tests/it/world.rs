//! A database, blobs, a fetcher and a work folder, with workers over them.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use songkeep_bus::LocalBus;
use songkeep_domain::{
    Clock, EmailAddress, JobId, SongId, SourceProvider, SourceRef, SystemClock, Timestamp, UserId, UserRole,
    job::{Enqueued, ImportHints, Job, JobStatus, JobStore as _, NewImport, Published},
    library::{CatalogStore as _, LibraryQuery, LibrarySong, LibrarySort},
    song::{Container, NewSong, SongMetadata, StoredAudio},
    user::{NewUser, UserStore as _},
};
use songkeep_jobs::{EngineSettings, RetryPolicy};
use songkeep_store::Store;
use songkeep_worker::{
    SweepSettings, Sweeper, SweeperPorts, WorkFolders, Worker, WorkerPorts, WorkerSettings,
};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{blobs::MemoryBlobs, fetcher::FakeFetcher};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub async fn eventually<F: Future<Output = bool>>(what: &str, check: impl Fn() -> F) {
    let began = Instant::now();
    while !check().await {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A clock that is off by as many seconds as a test says.
#[derive(Default)]
pub struct OffsetClock(pub AtomicI64);

impl Clock for OffsetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(SystemClock.now().as_micros() + self.0.load(Ordering::SeqCst) * 1_000_000)
    }
}

pub struct World {
    pub folder: TempDir,
    pub store: Arc<Store>,
    pub bus: Arc<LocalBus>,
    pub blobs: Arc<MemoryBlobs>,
    pub fetcher: Arc<FakeFetcher>,
    pub clock: Arc<OffsetClock>,
    pub user: UserId,
}

/// A worker at work.
pub struct Running {
    pub shutdown: CancellationToken,
    pub task: JoinHandle<std::io::Result<()>>,
}

impl Running {
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}

pub fn source(number: usize) -> SourceRef {
    SourceRef::new(SourceProvider::Youtube, &format!("song{number:07}")).unwrap()
}

pub fn engine_settings() -> EngineSettings {
    EngineSettings {
        slots: 4,
        lease: Duration::from_secs(60),
        retry: RetryPolicy { base: Duration::from_millis(20), ..RetryPolicy::default() },
        stage_gap: Duration::from_millis(10),
        progress_gap: Duration::from_millis(20),
        ..EngineSettings::default()
    }
}

impl World {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bus = LocalBus::new();
        let store = Store::open_sqlite(&folder.path().join("test.db"), bus.clone()).await.unwrap();
        store.migrate().await.unwrap();
        let mut world = Self {
            folder,
            store: Arc::new(store),
            bus,
            blobs: Arc::default(),
            fetcher: Arc::new(FakeFetcher::new()),
            clock: Arc::default(),
            user: UserId::new(),
        };
        world.user = world.add_user("listener@example.com").await;
        world
    }

    pub async fn add_user(&self, email: &str) -> UserId {
        let now = SystemClock.now();
        let new = NewUser {
            id: UserId::new(),
            email: EmailAddress::parse(email).unwrap(),
            password_hash: None,
            role: UserRole::User,
            verified_at: Some(now),
            created_at: now,
        };
        self.store.create_user(new, None).await.unwrap().id
    }

    pub fn work_dir(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Names of what lies in the work folder.
    pub fn work_folders(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.work_dir()) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    pub async fn until_no_work_folder(&self) {
        eventually("no work folder is left", || async { self.work_folders().is_empty() }).await;
    }

    pub fn start(&self) -> Running {
        self.start_with(engine_settings())
    }

    pub fn start_with(&self, engine: EngineSettings) -> Running {
        let ports = WorkerPorts {
            jobs: Arc::clone(&self.store) as _,
            catalog: Arc::clone(&self.store) as _,
            events: Arc::clone(&self.store) as _,
            blobs: Arc::clone(&self.blobs) as _,
            fetcher: Arc::clone(&self.fetcher) as _,
            bus: Arc::clone(&self.bus) as _,
            clock: Arc::clone(&self.clock) as _,
        };
        let settings = WorkerSettings { engine, work_dir: self.work_dir(), sweep: SweepSettings::default() };
        let worker = Worker::new(ports, settings);
        let shutdown = CancellationToken::new();
        let task = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { worker.run(shutdown).await }
        });
        Running { shutdown, task }
    }

    pub async fn sweeper(&self, settings: SweepSettings) -> Sweeper {
        let ports = SweeperPorts {
            jobs: Arc::clone(&self.store) as _,
            catalog: Arc::clone(&self.store) as _,
            events: Arc::clone(&self.store) as _,
            blobs: Arc::clone(&self.blobs) as _,
            clock: Arc::clone(&self.clock) as _,
        };
        let folders = WorkFolders::new(self.work_dir());
        folders.prepare().await.unwrap();
        Sweeper::new(ports, folders, settings)
    }

    pub async fn enqueue(&self, user: UserId, number: usize) -> Enqueued {
        let new = NewImport {
            id: JobId::new(),
            user_id: user,
            source: source(number),
            hints: ImportHints::default(),
            max_attempts: 3,
            traceparent: None,
        };
        self.store.enqueue_import(new).await.unwrap()
    }

    pub async fn enqueue_id(&self, user: UserId, number: usize) -> JobId {
        self.enqueue(user, number).await.into_job().id
    }

    pub async fn job(&self, id: JobId) -> Job {
        self.store.find_job(id, None).await.unwrap().unwrap()
    }

    pub async fn until_status(&self, id: JobId, status: JobStatus) -> Job {
        eventually(status.as_str(), || async { self.job(id).await.status == status }).await;
        self.job(id).await
    }

    pub async fn library(&self, user: UserId) -> Vec<LibrarySong> {
        let page = songkeep_domain::PageRequest::first(50);
        let query = LibraryQuery { q: None, artist: None, album: None, sort: LibrarySort::NewestFirst, page };
        self.store.list_library(user, &query).await.unwrap().songs.items
    }

    /// A song whose object has this key, published as a worker would.
    pub async fn publish(&self, number: usize, key: &str) -> SongId {
        publish(&self.store, self.user, number, key).await
    }
}

pub async fn publish(store: &Store, user: UserId, number: usize, key: &str) -> SongId {
    let new = NewImport {
        id: JobId::new(),
        user_id: user,
        source: source(number),
        hints: ImportHints::default(),
        max_attempts: 3,
        traceparent: None,
    };
    store.enqueue_import(new).await.unwrap();
    let job = store.claim_job("test", Duration::from_secs(60)).await.unwrap().unwrap();
    let song = NewSong {
        id: SongId::new(),
        metadata: SongMetadata { title: format!("Song {number}"), ..SongMetadata::default() },
        audio: StoredAudio {
            container: Container::Mp4,
            codec: "opus".to_owned(),
            bitrate_kbps: 128,
            duration_ms: 1_000,
            sha256: format!("{number:064x}"),
            storage_key: key.to_owned(),
            size_bytes: 10,
        },
    };
    let id = song.id;
    assert_eq!(store.publish_import(&job.claim, song).await.unwrap(), Published::Done { song_id: id });
    id
}

//! One job store seen by many engines, each through its own line that can be cut.

use std::{
    collections::HashMap,
    future::Future,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::{FutureExt as _, StreamExt as _, future::BoxFuture, stream::BoxStream};
use songkeep_domain::{
    Clock, JobId, Page, PageRequest, SongId, SourceProvider, SourceRef, StoreError, StoreResult, SystemClock,
    Timestamp, UserId,
    bus::{Bus, BusError, CommitHook, Notice, RateDecision, RateRule},
    job::{
        Claim, ClaimedJob, Enqueued, FailureCode, Heartbeat, ImportFailure, ImportHints, Job, JobChange,
        JobFilter, JobProgress, JobStatus, JobStore, NewImport, Published, QueueStats, Reaped,
    },
    song::{Container, NewSong, SongMetadata, StoredAudio},
};
use songkeep_jobs::{Completion, Engine, EnginePorts, EngineSettings, JobHandler, JobReporter, RetryPolicy};
use tokio::{sync::broadcast, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::memory_jobs::MemoryJobs;

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `check` holds.
pub async fn eventually<F: Future<Output = bool>>(what: &str, check: impl Fn() -> F) {
    let began = Instant::now();
    while !check().await {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// News within the process; can be silenced.
pub struct TestBus {
    notices: broadcast::Sender<Notice>,
    pub silent: AtomicBool,
}

impl TestBus {
    fn new() -> Self {
        Self { notices: broadcast::channel(4_096).0, silent: AtomicBool::new(false) }
    }
}

impl CommitHook for TestBus {
    fn committed(&self, notices: Vec<Notice>) {
        if !self.silent.load(Ordering::SeqCst) {
            for notice in notices {
                let _nobody_listens = self.notices.send(notice);
            }
        }
    }
}

#[async_trait]
impl Bus for TestBus {
    async fn publish(&self, notice: Notice) -> Result<(), BusError> {
        self.committed(vec![notice]);
        Ok(())
    }

    fn subscribe(&self) -> BoxStream<'static, Notice> {
        futures::stream::unfold(self.notices.subscribe(), |mut notices| async {
            match notices.recv().await {
                Ok(notice) => Some((notice, notices)),
                Err(broadcast::error::RecvError::Lagged(_)) => Some((Notice::Lagged, notices)),
                Err(broadcast::error::RecvError::Closed) => None,
            }
        })
        .boxed()
    }

    async fn check_rate(&self, _rule: RateRule, _key: &str) -> Result<RateDecision, BusError> {
        Ok(RateDecision::Allowed)
    }

    async fn check(&self) -> Result<(), BusError> {
        Ok(())
    }
}

/// What happens to calls on the way to the store.
#[derive(Default)]
pub struct Faults {
    /// Every call fails.
    pub cut: AtomicBool,
    /// Heartbeats are told that all is well, but never arrive: a lease that runs out unheard.
    pub deaf_heartbeats: AtomicBool,
    /// This many completions fail before they reach the store.
    pub refuse_endings: AtomicUsize,
    /// This many completions reach the store, but their answers are lost.
    pub lose_answers: AtomicUsize,
    pub heartbeats: AtomicUsize,
}

fn unavailable<T>() -> StoreResult<T> {
    Err(StoreError::Unavailable(Box::new(io::Error::other("the line is cut"))))
}

fn take_one(counter: &AtomicUsize) -> bool {
    counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

/// One engine's line to the store.
pub struct Line {
    store: Arc<dyn JobStore>,
    pub faults: Faults,
}

impl Line {
    fn open(&self) -> StoreResult<&dyn JobStore> {
        if self.faults.cut.load(Ordering::SeqCst) { unavailable() } else { Ok(&*self.store) }
    }

    async fn ending<T>(&self, call: impl Future<Output = StoreResult<T>>) -> StoreResult<T> {
        self.open()?;
        if take_one(&self.faults.refuse_endings) {
            return unavailable();
        }
        let answer = call.await?;
        if take_one(&self.faults.lose_answers) { unavailable() } else { Ok(answer) }
    }
}

#[async_trait]
impl JobStore for Line {
    async fn enqueue_import(&self, new: NewImport) -> StoreResult<Enqueued> {
        self.open()?.enqueue_import(new).await
    }

    async fn find_job(&self, id: JobId, user: Option<UserId>) -> StoreResult<Option<Job>> {
        self.open()?.find_job(id, user).await
    }

    async fn list_jobs(&self, filter: &JobFilter, page: &PageRequest) -> StoreResult<Page<Job>> {
        self.open()?.list_jobs(filter, page).await
    }

    async fn cancel_job(&self, id: JobId, user: Option<UserId>) -> StoreResult<JobChange> {
        self.open()?.cancel_job(id, user).await
    }

    async fn retry_job(&self, id: JobId, user: Option<UserId>) -> StoreResult<JobChange> {
        self.open()?.retry_job(id, user).await
    }

    async fn claim_job(&self, owner: &str, lease: Duration) -> StoreResult<Option<ClaimedJob>> {
        self.open()?.claim_job(owner, lease).await
    }

    async fn heartbeat(
        &self,
        claim: &Claim,
        lease: Duration,
        progress: JobProgress,
        title: Option<&str>,
    ) -> StoreResult<Heartbeat> {
        self.faults.heartbeats.fetch_add(1, Ordering::SeqCst);
        if self.faults.deaf_heartbeats.load(Ordering::SeqCst) {
            return Ok(Heartbeat::Extended { cancel_requested: false });
        }
        self.open()?.heartbeat(claim, lease, progress, title).await
    }

    async fn publish_import(&self, claim: &Claim, song: NewSong) -> StoreResult<Published> {
        self.ending(self.store.publish_import(claim, song)).await
    }

    async fn link_existing(&self, claim: &Claim) -> StoreResult<Option<Published>> {
        self.ending(self.store.link_existing(claim)).await
    }

    async fn fail_job(
        &self,
        claim: &Claim,
        failure: &ImportFailure,
        retry_in: Option<Duration>,
    ) -> StoreResult<bool> {
        self.ending(self.store.fail_job(claim, failure, retry_in)).await
    }

    async fn finish_cancelled(&self, claim: &Claim) -> StoreResult<bool> {
        self.ending(self.store.finish_cancelled(claim)).await
    }

    async fn release_job(&self, claim: &Claim) -> StoreResult<bool> {
        self.ending(self.store.release_job(claim)).await
    }

    async fn reap_expired(&self) -> StoreResult<Reaped> {
        self.open()?.reap_expired().await
    }

    async fn next_due_in(&self) -> StoreResult<Option<Duration>> {
        self.open()?.next_due_in().await
    }

    async fn queue_stats(&self) -> StoreResult<QueueStats> {
        self.open()?.queue_stats().await
    }

    async fn delete_finished_jobs(&self, before: Timestamp) -> StoreResult<u64> {
        self.open()?.delete_finished_jobs(before).await
    }

    async fn database_now(&self) -> StoreResult<Timestamp> {
        self.open()?.database_now().await
    }
}

/// A clock that is off by as much as a test says.
#[derive(Default)]
pub struct OffsetClock(pub AtomicI64);

impl Clock for OffsetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(SystemClock.now().as_micros() + self.0.load(Ordering::SeqCst) * 1_000_000)
    }
}

type Script =
    dyn Fn(ClaimedJob, JobReporter) -> BoxFuture<'static, Result<Completion, ImportFailure>> + Send + Sync;

/// Does what a test says, and counts.
pub struct Scripted {
    script: Box<Script>,
    /// Runs begun, by job.
    pub runs: Mutex<HashMap<JobId, usize>>,
    pub active: Arc<AtomicUsize>,
    pub most_active: AtomicUsize,
    /// Every attempt fails, and the handler knows.
    pub broken: Arc<AtomicBool>,
}

struct Active(Arc<AtomicUsize>);

impl Drop for Active {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Scripted {
    pub fn new<F>(script: impl Fn(ClaimedJob, JobReporter) -> F + Send + Sync + 'static) -> Arc<Self>
    where
        F: Future<Output = Result<Completion, ImportFailure>> + Send + 'static,
    {
        Arc::new(Self {
            script: Box::new(move |job, reporter| script(job, reporter).boxed()),
            runs: Mutex::default(),
            active: Arc::default(),
            most_active: AtomicUsize::new(0),
            broken: Arc::default(),
        })
    }

    /// Publishes at once, but fails as long as it is `broken`, which it is at first.
    pub fn broken() -> Arc<Self> {
        let broken = Arc::new(AtomicBool::new(true));
        let is_broken = Arc::clone(&broken);
        let script = move |job: ClaimedJob, _: JobReporter| {
            let full = || ImportFailure::new(FailureCode::DiskFull, "no space");
            let ending = if is_broken.load(Ordering::SeqCst) { Err(full()) } else { Ok(publish(&job)) };
            std::future::ready(ending).boxed()
        };
        Arc::new(Self {
            script: Box::new(script),
            runs: Mutex::default(),
            active: Arc::default(),
            most_active: AtomicUsize::new(0),
            broken,
        })
    }

    /// Publishes at once.
    pub fn quick() -> Arc<Self> {
        Self::new(|job, _| async move { Ok(publish(&job)) })
    }

    /// Never ends.
    pub fn endless() -> Arc<Self> {
        Self::new(|_, _| std::future::pending())
    }

    pub fn active(&self) -> usize {
        self.active.load(Ordering::SeqCst)
    }

    pub fn total_runs(&self) -> usize {
        self.runs.lock().unwrap().values().sum()
    }
}

#[async_trait]
impl JobHandler for Scripted {
    async fn run(&self, job: &ClaimedJob, reporter: &JobReporter) -> Result<Completion, ImportFailure> {
        *self.runs.lock().unwrap().entry(job.claim.job_id).or_default() += 1;
        let active = self.active.fetch_add(1, Ordering::SeqCst) + 1;
        let _active = Active(Arc::clone(&self.active));
        self.most_active.fetch_max(active, Ordering::SeqCst);
        (self.script)(job.clone(), reporter.clone()).await
    }

    async fn check(&self) -> Result<(), String> {
        if self.broken.load(Ordering::SeqCst) { Err("no space".to_owned()) } else { Ok(()) }
    }
}

pub fn publish(job: &ClaimedJob) -> Completion {
    let sha256 = format!("{:0>64}", job.claim.job_id.0.simple());
    Completion::Publish(Box::new(NewSong {
        id: SongId::new(),
        metadata: SongMetadata { title: job.job.source.id().to_owned(), ..SongMetadata::default() },
        audio: StoredAudio {
            container: Container::Mp4,
            codec: "opus".to_owned(),
            bitrate_kbps: 128,
            duration_ms: 1_000,
            storage_key: format!("audio/{}/{sha256}.mp4", &sha256[..2]),
            sha256,
            size_bytes: 1,
        },
    }))
}

/// Times that suit tests: nothing waits long, and no lease runs out by itself.
pub fn settings() -> EngineSettings {
    EngineSettings {
        node: "test".to_owned(),
        slots: 2,
        lease: Duration::from_secs(60),
        grace: Duration::from_secs(30),
        retry: RetryPolicy {
            base: Duration::from_millis(20),
            factor: 2,
            cap: Duration::from_millis(100),
            jitter: 0.2,
        },
        ..EngineSettings::default()
    }
}

pub struct World {
    pub store: Arc<dyn JobStore>,
    pub bus: Arc<TestBus>,
    pub user: UserId,
}

/// An engine at work.
pub struct Node {
    pub engine: Engine,
    pub line: Arc<Line>,
    pub clock: Arc<OffsetClock>,
    pub shutdown: CancellationToken,
    pub task: JoinHandle<()>,
}

impl Node {
    /// Shuts down and waits for it.
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap();
    }
}

impl World {
    pub async fn new() -> Self {
        let bus = Arc::new(TestBus::new());
        let hook: Arc<dyn CommitHook> = Arc::clone(&bus) as _;
        let store = Arc::new(MemoryJobs::new(hook));
        Self { store, bus, user: UserId::new() }
    }

    pub async fn enqueue(&self, number: usize, max_attempts: u32) -> JobId {
        let source = SourceRef::new(SourceProvider::Youtube, &format!("song{number:07}")).unwrap();
        let new = NewImport {
            id: JobId::new(),
            user_id: self.user,
            source,
            hints: ImportHints::default(),
            max_attempts,
            traceparent: None,
        };
        self.store.enqueue_import(new).await.unwrap().into_job().id
    }

    pub async fn job(&self, id: JobId) -> Job {
        self.store.find_job(id, None).await.unwrap().unwrap()
    }

    pub async fn until_status(&self, id: JobId, status: JobStatus) -> Job {
        eventually(status.as_str(), || async { self.job(id).await.status == status }).await;
        self.job(id).await
    }

    pub fn line(&self) -> Arc<Line> {
        Arc::new(Line { store: Arc::clone(&self.store), faults: Faults::default() })
    }

    pub fn start(&self, handler: &Arc<Scripted>, settings: EngineSettings) -> Node {
        self.start_with(self.line(), Arc::default(), handler, settings)
    }

    pub fn start_with(
        &self,
        line: Arc<Line>,
        clock: Arc<OffsetClock>,
        handler: &Arc<Scripted>,
        settings: EngineSettings,
    ) -> Node {
        let ports = EnginePorts {
            jobs: Arc::clone(&line) as _,
            bus: Arc::clone(&self.bus) as _,
            clock: Arc::clone(&clock) as _,
            handler: Arc::clone(handler) as _,
        };
        let engine = Engine::new(ports, settings);
        let shutdown = CancellationToken::new();
        let task = tokio::spawn({
            let (engine, shutdown) = (engine.clone(), shutdown.clone());
            async move { engine.run(shutdown).await }
        });
        Node { engine, line, clock, shutdown, task }
    }
}

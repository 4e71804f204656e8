//! A pool of warm download workers. Each has one job at a time and a process group of its own; one that
//! hangs or crashes is replaced and costs no other job. Whoever drops the future of a job cancels it: the
//! worker is asked to stop, and killed when it does not.

mod certificates;
mod flat;
mod protocol;
mod tail;
mod worker;

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

use secrecy::{ExposeSecret, SecretString};
use songkeep_domain::job::{FailureCode, ImportFailure};
use songkeep_sandbox::{Launcher, Limits};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::{
    classify,
    tools::{ToolError, ToolErrorKind, ToolSet, Tools},
};
use protocol::{Configuration, Done, Event, Request, RuntimeChoice};
pub use protocol::{Failure, Info};
use worker::{Roll, Worker, WorkerError};

const WORKER: &str = include_str!("worker.py");
/// Beyond the largest recording, for what the tools write on the side.
const FILE_SLACK_BYTES: u64 = 16 << 20;
const SEARCH_TIMEOUT: Duration = Duration::from_secs(30);
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(60);

/// How workers are kept.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// Most workers, and so most jobs, at a time.
    pub workers: usize,
    /// A folder of the pool's own, made at need: scripts, certificates and the workers' home.
    pub work_dir: PathBuf,
    pub upstream_proxy: Option<SecretString>,
    /// PEM, trusted besides the usual roots.
    pub ca_file: Option<PathBuf>,
    /// Largest file that a worker may write.
    pub max_bytes: u64,
    /// Longest time that a download may take.
    pub download_timeout: Duration,
    /// Longest time without any sign of life in a download.
    pub stall_timeout: Duration,
    /// How long a cancelled job may take to stop before its worker is killed.
    pub cancel_grace: Duration,
    /// A worker is replaced after so many jobs.
    pub max_jobs: u32,
    /// A worker with more memory than this after a job is replaced.
    pub max_rss_kb: u64,
    /// A worker without work for this long ends.
    pub idle_timeout: Duration,
}

impl PoolSettings {
    /// The usual times and limits.
    #[must_use]
    pub fn new(workers: usize, work_dir: PathBuf) -> Self {
        Self {
            workers,
            work_dir,
            upstream_proxy: None,
            ca_file: None,
            max_bytes: 512 << 20,
            download_timeout: Duration::from_secs(30 * 60),
            stall_timeout: Duration::from_secs(90),
            cancel_grace: Duration::from_millis(1_000),
            max_jobs: 500,
            max_rss_kb: 200 * 1024,
            idle_timeout: Duration::from_secs(15 * 60),
        }
    }
}

/// What to download, and within which limits.
#[derive(Clone, Debug)]
pub struct Download {
    /// Rebuilt from a checked id, never a listener's text.
    pub url: String,
    /// Exists, is empty, and takes the file.
    pub folder: PathBuf,
    pub max_duration_sec: u64,
    pub max_bytes: u64,
}

/// What a download says on its way.
#[derive(Debug)]
pub enum DownloadEvent {
    Resolved(Box<Info>),
    /// `total` is 0 while unknown.
    Progress {
        done: u64,
        total: u64,
    },
}

/// A file as it came from the source.
#[derive(Debug)]
pub struct Downloaded {
    pub file: PathBuf,
    pub info: Info,
    /// Seconds, by the most exact statement of the source.
    pub duration: Option<f64>,
}

/// The workers; clones are the same pool.
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

struct Inner {
    settings: PoolSettings,
    launcher: Launcher,
    tools: Tools,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Worker>>,
    roll: Roll,
    closing: watch::Sender<bool>,
}

impl Pool {
    /// Starts nothing yet: workers come with the jobs.
    #[must_use]
    pub fn new(mut settings: PoolSettings, tools: Tools, launcher: Launcher) -> Self {
        // Workers live in another folder. It stays as it is where there is no current one.
        settings.work_dir = std::path::absolute(&settings.work_dir).unwrap_or(settings.work_dir);
        let permits = Arc::new(Semaphore::new(settings.workers.max(1)));
        Self {
            inner: Arc::new(Inner {
                settings,
                launcher,
                tools,
                permits,
                idle: Mutex::default(),
                roll: Roll::default(),
                closing: watch::Sender::new(false),
            }),
        }
    }

    /// Downloads one recording.
    ///
    /// # Errors
    /// The class of what went wrong, with the tool's last words.
    pub async fn download(
        &self,
        download: Download,
        mut on_event: impl FnMut(DownloadEvent) + Send,
    ) -> Result<Downloaded, ImportFailure> {
        let settings = &self.inner.settings;
        let request = Request::Download {
            url: download.url,
            folder: download.folder.clone(),
            max_duration_sec: download.max_duration_sec,
            max_bytes: download.max_bytes,
        };
        let done =
            self.run(request, settings.download_timeout, settings.stall_timeout, &mut on_event).await?;
        let info = done.info.unwrap_or_default();
        let broken = |what: &str| ImportFailure::new(FailureCode::ToolBroken, what);
        let file = done.file.ok_or_else(|| broken("the downloader names no file"))?;
        // The worker is not trusted to name files elsewhere.
        let (real, folder) = (file.canonicalize(), download.folder.canonicalize());
        match (real, folder) {
            (Ok(real), Ok(folder)) if real.starts_with(&folder) && real.is_file() => {
                Ok(Downloaded { file: real, duration: done.stream_duration.or(info.duration), info })
            }
            _ => Err(broken("the downloader wrote no file where it should")),
        }
    }

    /// Lives and answers?
    ///
    /// # Errors
    /// When no worker can be had.
    pub async fn ping(&self) -> Result<(), ImportFailure> {
        self.run(Request::Ping, SEARCH_TIMEOUT, SEARCH_TIMEOUT, &mut |_| ()).await.map(drop)
    }

    /// Process ids of the workers that live.
    #[must_use]
    pub fn worker_pids(&self) -> Vec<u32> {
        self.inner.roll.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends all workers; jobs that run fail, and new ones are refused.
    pub async fn stop(&self) {
        self.inner.closing.send_replace(true);
        // Running jobs hear of it, and hand their permit back when their worker has stopped.
        let all = u32::try_from(self.inner.settings.workers.max(1)).unwrap_or(u32::MAX);
        let patience = self.inner.settings.cancel_grace + Duration::from_secs(5);
        let _ = tokio::time::timeout(patience, self.inner.permits.acquire_many(all)).await;
        self.inner.permits.close();
        let idle = std::mem::take(&mut *self.inner.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for worker in idle {
            worker.stop().await;
        }
    }

    async fn run(
        &self,
        request: Request,
        timeout: Duration,
        stall: Duration,
        on_event: &mut (dyn FnMut(DownloadEvent) + Send),
    ) -> Result<Done, ImportFailure> {
        let tools = self.inner.tools.ensure().await.map_err(|error| tool_failure(&error))?;
        let mut closing = self.inner.closing.subscribe();
        let permit = Arc::clone(&self.inner.permits).acquire_owned().await.map_err(|_| stopping())?;
        tokio::select! {
            done = self.inner.perform(permit, tools, &request, timeout, stall, on_event) => done,
            _ = closing.wait_for(|closing| *closing) => Err(stopping()),
        }
    }
}

impl Inner {
    async fn perform(
        self: &Arc<Self>,
        permit: OwnedSemaphorePermit,
        tools: Arc<ToolSet>,
        request: &Request,
        timeout: Duration,
        stall: Duration,
        on_event: &mut (dyn FnMut(DownloadEvent) + Send),
    ) -> Result<Done, ImportFailure> {
        let deadline = Instant::now() + timeout;
        let mut lease = Lease { pool: Arc::clone(self), worker: None, job: Job::None, permit: Some(permit) };
        let mut used = self.take_idle(&tools);
        loop {
            let was_idle = used.is_some();
            let worker = match used.take() {
                Some(worker) => worker,
                None => self.start_worker(&tools).await?,
            };
            match lease.perform(worker, request, deadline, stall, on_event).await {
                Ok(done) => return Ok(done),
                // It may have died a moment before; that is nothing to do with this job.
                Err(Unfinished::Unheard(_)) if was_idle => {}
                Err(Unfinished::Unheard(error)) => return Err(worker_failure(&error)),
                Err(Unfinished::Failed(failure)) => return Err(self.redacted(failure)),
            }
        }
    }

    fn take_idle(&self, tools: &Arc<ToolSet>) -> Option<Worker> {
        loop {
            let mut worker = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            if !worker.is_alive() {
                continue;
            }
            if Arc::ptr_eq(&worker.tools, tools) {
                return Some(worker);
            }
            worker.retire();
        }
    }

    async fn start_worker(&self, tools: &Arc<ToolSet>) -> Result<Worker, ImportFailure> {
        let settings = &self.settings;
        let prepared = prepare_folder(settings, tools);
        let (script, certificates) = prepared.map_err(|error| {
            let code = match error.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FailureCode::DiskFull,
                _ => FailureCode::Internal,
            };
            ImportFailure::new(code, format!("{}: {error}", settings.work_dir.display()))
        })?;
        let mut spec =
            tools.interpreter.command(&settings.work_dir.join("home")).arg(script).limits(Limits {
                file_bytes: Some(settings.max_bytes.saturating_add(FILE_SLACK_BYTES)),
                ..Limits::default()
            });
        if let Some(path) = &certificates {
            spec = spec.env("SSL_CERT_FILE", path).env("REQUESTS_CA_BUNDLE", path);
        }
        let configuration = Configuration {
            site: tools.interpreter.site.as_deref(),
            proxy: settings.upstream_proxy.as_ref().map(|proxy| proxy.expose_secret()),
            js_runtime: RuntimeChoice { name: &tools.js_runtime.name, path: &tools.js_runtime.path },
            no_certifi: certificates.is_some(),
        };
        Worker::start(self.launcher, spec, &configuration, Arc::clone(tools), Arc::clone(&self.roll))
            .await
            .map_err(|error| worker_failure(&error))
    }

    /// Takes a worker back after its job.
    fn give_back(self: &Arc<Self>, mut worker: Worker) {
        let worn = worker.jobs >= self.settings.max_jobs || worker.rss_kb > self.settings.max_rss_kb;
        if worn || *self.closing.borrow() {
            tracing::debug!(jobs = worker.jobs, rss_kb = worker.rss_kb, "a download worker retires");
            worker.retire();
            return;
        }
        worker.idle_since = Instant::now();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
        let (pool, after) = (Arc::downgrade(self), self.settings.idle_timeout);
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            Self::retire_idle(&pool, after);
        });
    }

    fn retire_idle(pool: &Weak<Self>, after: Duration) {
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let (old, young) = std::mem::take(&mut *idle)
            .into_iter()
            .partition::<Vec<_>, _>(|worker| worker.idle_since.elapsed() >= after);
        *idle = young;
        drop(idle);
        old.into_iter().for_each(Worker::retire);
    }

    /// A proxy's password has no place in a failure's text.
    fn redacted(&self, failure: ImportFailure) -> ImportFailure {
        let Some(proxy) = &self.settings.upstream_proxy else { return failure };
        let address = proxy.expose_secret();
        let Some((account, _)) = address.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')) else {
            return failure;
        };
        ImportFailure { code: failure.code, detail: failure.detail.replace(account, "…") }
    }
}

/// A worker in use, with the right to use one.
struct Lease {
    pool: Arc<Inner>,
    worker: Option<Worker>,
    job: Job,
    permit: Option<OwnedSemaphorePermit>,
}

#[derive(Clone, Copy)]
enum Job {
    None,
    /// Being handed over: what the worker got of it is not known.
    Unknown,
    Running(u64),
}

/// Why a worker has no result.
enum Unfinished {
    /// It ended before it said anything of the job.
    Unheard(WorkerError),
    Failed(ImportFailure),
}

impl Lease {
    /// Hands a job to a worker and listens to its end.
    async fn perform(
        &mut self,
        worker: Worker,
        request: &Request,
        deadline: Instant,
        stall: Duration,
        on_event: &mut (dyn FnMut(DownloadEvent) + Send),
    ) -> Result<Done, Unfinished> {
        self.job = Job::Unknown;
        let worker = self.worker.insert(worker);
        let id = match worker.submit(request).await {
            Ok(id) => id,
            Err(error) => {
                self.discard();
                return Err(Unfinished::Unheard(error));
            }
        };
        self.job = Job::Running(id);
        let mut heard = false;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left.min(stall), worker.next_event()).await {
                // Dropping the lease cancels the job and sees to the worker.
                Err(_) => return Err(Unfinished::Failed(too_slow(left < stall, worker))),
                Ok(Err(error)) => {
                    self.discard();
                    return Err(if heard {
                        Unfinished::Failed(worker_failure(&error))
                    } else {
                        Unfinished::Unheard(error)
                    });
                }
                Ok(Ok(Event::Done(done))) if done.id == id => {
                    worker.rss_kb = done.rss_kb;
                    self.job = Job::None;
                    return match &done.failure {
                        Some(failure) => {
                            Err(Unfinished::Failed(classify::worker_failure(failure, &worker.tail())))
                        }
                        None => Ok(done),
                    };
                }
                Ok(Ok(Event::Resolved { id: about, info })) if about == id => {
                    heard = true;
                    on_event(DownloadEvent::Resolved(Box::new(info)));
                }
                Ok(Ok(Event::Progress { id: about, done, total })) if about == id => {
                    heard = true;
                    on_event(DownloadEvent::Progress { done, total });
                }
                Ok(Ok(_)) => {}
            }
        }
    }

    /// The worker is of no use any more.
    fn discard(&mut self) {
        self.worker = None;
        self.job = Job::None;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut worker) = self.worker.take() else { return };
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        match self.job {
            Job::None => self.pool.give_back(worker),
            // Killed by being dropped.
            Job::Unknown => {}
            Job::Running(id) => {
                let (pool, permit) = (Arc::clone(&self.pool), self.permit.take());
                tokio::spawn(async move {
                    let grace = pool.settings.cancel_grace;
                    let stopped = tokio::time::timeout(grace, stop_job(&mut worker, id)).await;
                    if let Ok(Ok(())) = stopped {
                        pool.give_back(worker);
                    } else {
                        tracing::debug!("a download worker did not stop and is killed");
                        drop(worker);
                    }
                    drop(permit);
                });
            }
        }
    }
}

async fn stop_job(worker: &mut Worker, id: u64) -> Result<(), WorkerError> {
    worker.cancel(id).await?;
    loop {
        if let Event::Done(done) = worker.next_event().await?
            && done.id == id
        {
            worker.rss_kb = done.rss_kb;
            return Ok(());
        }
    }
}

/// Writes what workers need into the pool's folder; the script, and the certificates if they are special.
fn prepare_folder(settings: &PoolSettings, tools: &ToolSet) -> io::Result<(PathBuf, Option<PathBuf>)> {
    let folder = &settings.work_dir;
    std::fs::create_dir_all(folder.join("home"))?;
    let script: &Path = &folder.join("worker.py");
    if std::fs::read(script).map_or(true, |there| there != WORKER.as_bytes()) {
        certificates::write_beside(script, WORKER.as_bytes())?;
    }
    let certificates = settings
        .ca_file
        .as_deref()
        .map(|extra| certificates::merge(tools.certificates.as_deref(), extra, folder))
        .transpose()?;
    Ok((script.to_owned(), certificates))
}

fn tool_failure(error: &ToolError) -> ImportFailure {
    let code = match error.kind {
        ToolErrorKind::JsRuntime => FailureCode::NoJsRuntime,
        ToolErrorKind::DiskFull => FailureCode::DiskFull,
        _ => FailureCode::ToolBroken,
    };
    ImportFailure::new(code, format!("{}. {}", error.reason, error.remedy))
}

fn worker_failure(error: &WorkerError) -> ImportFailure {
    ImportFailure::new(FailureCode::ToolBroken, error.to_string())
}

fn too_slow(wall_clock: bool, worker: &Worker) -> ImportFailure {
    let what = if wall_clock { "it took too long" } else { "nothing came any more" };
    let mut detail = what.to_owned();
    for line in worker.tail() {
        detail.push('\n');
        detail.push_str(&line);
    }
    ImportFailure::new(FailureCode::Timeout, detail)
}

fn stopping() -> ImportFailure {
    ImportFailure::new(FailureCode::Internal, "the server is shutting down")
}

//! The loop that takes due jobs into free slots.

use std::{
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use songkeep_domain::{
    Clock, JobId,
    bus::Bus,
    job::{ClaimedJob, JobStore},
};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    EngineHealth, EngineSettings, JobHandler, attempt, background,
    health::HealthBoard,
    metrics,
    reporter::ReportBox,
    retry::{Backoff, jittered},
};

/// A due job that cannot be claimed waits for another of the same source; ours wakes us when it
/// ends, those of other nodes are looked for this often.
const BLOCKED_RECHECK: Duration = Duration::from_secs(1);

pub struct EnginePorts {
    pub jobs: Arc<dyn JobStore>,
    pub bus: Arc<dyn Bus>,
    pub clock: Arc<dyn Clock>,
    pub handler: Arc<dyn JobHandler>,
}

/// Runs up to `slots` jobs at once. Cheap to clone; clones are the same engine.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub ports: EnginePorts,
    pub settings: EngineSettings,
    pub health: HealthBoard,
    pub running: Running,
    /// There may be a job to claim.
    pub look: Notify,
    /// An attempt failed, and the node may be to blame.
    pub doubted: Notify,
}

/// What a look for a job found.
enum Look {
    Claimed(Box<ClaimedJob>, Instant),
    /// Nothing now; look again after this.
    Nothing(Duration),
    Failed,
}

impl Engine {
    #[must_use]
    pub fn new(ports: EnginePorts, settings: EngineSettings) -> Self {
        metrics::describe();
        let inner = Inner {
            ports,
            settings,
            health: HealthBoard::new(),
            running: Running::default(),
            look: Notify::new(),
            doubted: Notify::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    #[must_use]
    pub fn health(&self) -> EngineHealth {
        EngineHealth {
            state: self.inner.health.state(),
            running: self.inner.running.count(),
            slots: self.inner.settings.slots,
        }
    }

    /// Works until `shutdown`: then claims nothing more, lets running jobs go on for the grace time
    /// and hands back the rest. Returns when no job runs, some ten seconds after the grace time at most.
    /// Dropping the future drops all work; its leases run out. To be called once.
    pub async fn run(&self, shutdown: CancellationToken) {
        let inner = &self.inner;
        // Subscribed before the first look, so that no wake-up falls between.
        let background = background::start(inner);
        let owner = format!("{}/{}", inner.settings.node, Uuid::new_v4());
        tracing::info!(owner, slots = inner.settings.slots, "job engine starts");
        let hand_back = CancellationToken::new();
        let mut attempts = JoinSet::new();
        inner.work(&owner, &mut attempts, &hand_back, &shutdown).await;

        inner.health.set_stopping();
        let all_done = async { while attempts.join_next().await.is_some() {} };
        if timeout(inner.settings.grace, all_done).await.is_err() {
            tracing::info!(jobs = attempts.len(), "handing unfinished jobs back");
            hand_back.cancel();
            while attempts.join_next().await.is_some() {}
        }
        drop(background);
        tracing::info!("job engine stopped");
    }
}

impl Inner {
    async fn work(
        self: &Arc<Self>,
        owner: &str,
        attempts: &mut JoinSet<()>,
        hand_back: &CancellationToken,
        shutdown: &CancellationToken,
    ) {
        let mut backoff = Backoff::new(Duration::from_millis(100), self.settings.poll);
        while !shutdown.is_cancelled() {
            let mut pause = jittered(self.settings.poll);
            if attempts.len() < self.settings.slots && self.health.may_claim() {
                match self.look_for_job(owner).await {
                    Look::Claimed(job, _) if shutdown.is_cancelled() => self.give_back(&job).await,
                    Look::Claimed(job, at) => {
                        backoff.reset();
                        metrics::claimed(&job);
                        attempts.spawn(attempt::run(Arc::clone(self), *job, at, hand_back.clone()));
                        continue;
                    }
                    Look::Nothing(next) => {
                        backoff.reset();
                        pause = pause.min(next);
                    }
                    Look::Failed => pause = backoff.next(),
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                // News of jobs are of no use without a slot; the end of a job leads to a look anyway.
                () = self.look.notified(), if attempts.len() < self.settings.slots => {}
                Some(ended) = attempts.join_next() => {
                    if let Err(error) = ended {
                        tracing::error!(error = &error as &dyn Error, "an attempt crashed: its lease will run out");
                    }
                }
                () = sleep(pause) => {}
            }
        }
    }

    async fn look_for_job(&self, owner: &str) -> Look {
        let asked_at = Instant::now();
        let lease = self.settings.lease;
        let found = async {
            match self.ports.jobs.claim_job(owner, lease).await? {
                Some(job) => Ok(Look::Claimed(Box::new(job), asked_at)),
                None => self.ports.jobs.next_due_in().await.map(|due| Look::Nothing(pause_until(due))),
            }
        };
        let found = timeout(lease, found).await;
        let failed = !matches!(found, Ok(Ok(_)));
        let news = self.health.set_store_fails(failed);
        match found {
            Ok(Ok(look)) => {
                if news {
                    tracing::info!("the job store answers again");
                }
                look
            }
            Ok(Err(error)) => {
                if news {
                    tracing::warn!(error = &error as &dyn Error, "looking for jobs failed");
                }
                Look::Failed
            }
            Err(_) => {
                if news {
                    tracing::warn!("the job store does not answer");
                }
                Look::Failed
            }
        }
    }

    /// A job that was claimed while the shutdown began.
    async fn give_back(&self, job: &ClaimedJob) {
        if let Err(error) = self.ports.jobs.release_job(&job.claim).await {
            tracing::warn!(job_id = %job.claim.job_id, error = &error as &dyn Error, "a job could not be handed back: its lease will run out");
        }
    }
}

fn pause_until(due: Option<Duration>) -> Duration {
    match due {
        None => Duration::MAX,
        Some(Duration::ZERO) => BLOCKED_RECHECK,
        // The database counts microseconds, timers milliseconds: rather a moment late than asking twice.
        Some(due) => due + Duration::from_millis(1),
    }
}

/// The jobs being worked on, so that news of them reach their heartbeats.
#[derive(Clone, Default)]
pub(crate) struct Running(Arc<Mutex<RunningList>>);

type RunningList = Vec<(JobId, Arc<ReportBox>)>;

/// Takes an attempt off the list when dropped.
pub(crate) struct Listed {
    running: Running,
    reports: Arc<ReportBox>,
}

impl Running {
    fn list(&self) -> MutexGuard<'_, RunningList> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn enter(&self, job_id: JobId, reports: &Arc<ReportBox>) -> Listed {
        self.list().push((job_id, Arc::clone(reports)));
        Listed { running: self.clone(), reports: Arc::clone(reports) }
    }

    pub fn count(&self) -> usize {
        self.list().len()
    }

    /// Has the heartbeats of this job, or of all jobs, ask the store at once.
    pub fn ask(&self, job_id: Option<JobId>) {
        for (_, reports) in self.list().iter().filter(|(id, _)| job_id.is_none_or(|wanted| *id == wanted)) {
            reports.ask();
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        // By attempt and not by job: a job that was lost may be ours again before its old attempt is gone.
        self.running.list().retain(|(_, reports)| !Arc::ptr_eq(reports, &self.reports));
    }
}

//! Removes what nobody needs any more: songs without owners, objects without songs, dropped uploads,
//! old rows, left work folders. Each pass may run on several nodes at once.

use std::{collections::HashSet, error::Error, future::Future, sync::Arc, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _};
use metrics::{counter, describe_counter};
use songkeep_domain::{
    Clock, StoreResult, Timestamp,
    blob::{BlobInfo, BlobStore},
    event::EventStore,
    job::JobStore,
    library::CatalogStore,
};
use songkeep_jobs::random_unit;
use tokio::sync::Mutex;

use crate::{folders::WorkFolders, import::AUDIO_PREFIX};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Objects whose references are looked up by one query.
const BATCH: usize = 500;
const REMOVED: &str = "songkeep_sweeper_removed_total";
const FAILED: &str = "songkeep_sweeper_failures_total";

#[derive(Clone, Debug)]
pub struct SweepSettings {
    /// Time between two passes, ±20 %.
    pub every: Duration,
    /// Time from the start of the process to the first pass, ±20 %.
    pub first_after: Duration,
    /// How long a song is kept after it left the last library.
    pub orphan_grace: Duration,
    /// Younger objects are kept, whether a song refers to them or not.
    pub object_grace: Duration,
    pub finished_jobs_kept: Duration,
    pub events_kept: Duration,
    pub dead_sessions_kept: Duration,
    /// What the gateways counted; the overview shows no more.
    pub traffic_kept: Duration,
    /// With clocks further apart than this, ages mean nothing and no pass is made.
    pub max_clock_skew: Duration,
}

impl Default for SweepSettings {
    fn default() -> Self {
        Self {
            every: Duration::from_secs(60 * 60),
            first_after: Duration::from_secs(2 * 60),
            orphan_grace: DAY,
            object_grace: DAY,
            finished_jobs_kept: 90 * DAY,
            events_kept: 7 * DAY,
            dead_sessions_kept: 30 * DAY,
            traffic_kept: 30 * DAY,
            max_clock_skew: Duration::from_secs(10),
        }
    }
}

impl SweepSettings {
    /// Keeps objects at least as long as an attempt may take from its start to its publishing.
    #[must_use]
    pub fn for_attempts_of(mut self, longest: Duration) -> Self {
        self.object_grace = self.object_grace.max(longest);
        self
    }
}

/// What one pass removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepReport {
    pub songs: u64,
    pub objects: u64,
    pub object_bytes: u64,
    pub uploads: u64,
    pub jobs: u64,
    pub events: u64,
    /// Sessions and their tokens.
    pub sessions: u64,
    /// Minutes that gateways counted.
    pub traffic: u64,
    pub work_folders: u64,
    /// Steps that failed; the next pass tries them again. The log says why.
    pub failed_steps: u64,
}

pub struct SweeperPorts {
    pub jobs: Arc<dyn JobStore>,
    pub catalog: Arc<dyn CatalogStore>,
    pub events: Arc<dyn EventStore>,
    pub blobs: Arc<dyn BlobStore>,
    pub clock: Arc<dyn Clock>,
}

/// Cheap to clone; clones are the same sweeper.
#[derive(Clone)]
pub struct Sweeper(Arc<Inner>);

struct Inner {
    ports: SweeperPorts,
    folders: WorkFolders,
    settings: SweepSettings,
    /// Held during a pass, so that one on demand does not run beside a regular one.
    pass: Mutex<()>,
}

impl Sweeper {
    #[must_use]
    pub fn new(ports: SweeperPorts, folders: WorkFolders, settings: SweepSettings) -> Self {
        describe_counter!(REMOVED, "What the sweeper removed, by kind");
        describe_counter!(FAILED, "Steps of the sweeper that failed, by kind");
        Self(Arc::new(Inner { ports, folders, settings, pass: Mutex::new(()) }))
    }

    /// Passes for ever; whoever stops it drops it: what a pass did not do, the next does.
    pub(crate) async fn run(&self) {
        let mut pause = self.0.settings.first_after;
        loop {
            tokio::time::sleep(pause.mul_f64(0.8 + 0.4 * random_unit())).await;
            self.sweep_once().await;
            pause = self.0.settings.every;
        }
    }

    /// One pass. A step that fails does not keep the others from being made.
    pub async fn sweep_once(&self) -> SweepReport {
        let _alone = self.0.pass.lock().await;
        let report = self.0.sweep().await;
        if report != SweepReport::default() {
            tracing::info!(?report, "swept");
        }
        report
    }
}

impl Inner {
    async fn sweep(&self) -> SweepReport {
        let mut report = SweepReport::default();
        let now = match self.trusted_now().await {
            Ok(now) => now,
            Err(error) => {
                failed("clock", &*error, &mut report);
                return report;
            }
        };
        let SweeperPorts { jobs, catalog, events, blobs, .. } = &self.ports;
        let kept = &self.settings;

        let before = now.minus(kept.orphan_grace);
        report.songs = step("songs", catalog.delete_orphaned_songs(before), &mut report).await;
        self.sweep_objects(now.minus(kept.object_grace), &mut report).await;
        let before = now.minus(kept.object_grace);
        report.uploads = step("uploads", blobs.delete_abandoned_uploads(before), &mut report).await;
        let before = now.minus(kept.finished_jobs_kept);
        report.jobs = step("jobs", jobs.delete_finished_jobs(before), &mut report).await;
        let before = now.minus(kept.events_kept);
        report.events = step("events", events.delete_events(before), &mut report).await;
        let before = now.minus(kept.dead_sessions_kept);
        report.sessions = step("sessions", events.delete_dead_sessions(before), &mut report).await;
        let before = now.minus(kept.traffic_kept);
        report.traffic = step("traffic", events.delete_traffic(before), &mut report).await;
        let stale = self.folders.remove_stale(&**jobs);
        report.work_folders = step("work_folders", stale, &mut report).await;
        report
    }

    /// The present, when database and machine agree on it: a clock that is ahead would make young
    /// objects look old.
    async fn trusted_now(&self) -> Result<Timestamp, Box<dyn Error + Send + Sync>> {
        let database = self.ports.jobs.database_now().await?;
        let ours = self.ports.clock.now();
        let apart = database.since(ours).max(ours.since(database));
        if apart > self.settings.max_clock_skew {
            return Err(
                format!("this machine's clock and the database's are {} s apart", apart.as_secs()).into()
            );
        }
        Ok(database.min(ours))
    }

    async fn sweep_objects(&self, before: Timestamp, report: &mut SweepReport) {
        let old = self.ports.blobs.list().try_filter(|info| {
            let sweepable = is_ours(&info.key) && info.modified_at < before;
            std::future::ready(sweepable)
        });
        let mut batches = old.chunks(BATCH);
        while let Some(batch) = batches.next().await {
            let mut infos = Vec::with_capacity(batch.len());
            for listed in batch {
                match listed {
                    Ok(info) => infos.push(info),
                    Err(error) => failed("objects", &error, report),
                }
            }
            match self.unreferenced(infos).await {
                Ok(unreferenced) => {
                    for info in unreferenced {
                        self.sweep_object(&info, before, report).await;
                    }
                }
                Err(error) => failed("objects", &error, report),
            }
        }
    }

    async fn unreferenced(&self, infos: Vec<BlobInfo>) -> StoreResult<Vec<BlobInfo>> {
        let keys: Vec<String> = infos.iter().map(|info| info.key.clone()).collect();
        let referenced: HashSet<String> =
            self.ports.catalog.list_referenced_keys(&keys).await?.into_iter().collect();
        Ok(infos.into_iter().filter(|info| !referenced.contains(&info.key)).collect())
    }

    /// Looks again right before the delete: an import of the same bytes renews the object's time first
    /// and refers to it afterwards, so age is asked before references.
    async fn sweep_object(&self, info: &BlobInfo, before: Timestamp, report: &mut SweepReport) {
        let blobs = &self.ports.blobs;
        match blobs.stat(&info.key).await {
            Ok(Some(now)) if now.modified_at < before => {}
            Ok(_) => return,
            Err(error) => return failed("objects", &error, report),
        }
        match self.ports.catalog.list_referenced_keys(std::slice::from_ref(&info.key)).await {
            Ok(referenced) if referenced.is_empty() => {}
            Ok(_) => return,
            Err(error) => return failed("objects", &error, report),
        }
        match blobs.delete(&info.key).await {
            Ok(()) => {
                tracing::debug!(key = info.key, "removed an object that no song refers to");
                counter!(REMOVED, "kind" => "objects").increment(1);
                report.objects += 1;
                report.object_bytes += info.size_bytes;
            }
            Err(error) => failed("objects", &error, report),
        }
    }
}

/// Only what imports write is swept: of other objects nobody here knows who refers to them.
fn is_ours(key: &str) -> bool {
    key.strip_prefix(AUDIO_PREFIX).is_some_and(|rest| rest.starts_with('/'))
}

/// One step that answers how many it removed.
async fn step<E: Error + 'static>(
    kind: &'static str,
    removal: impl Future<Output = Result<u64, E>>,
    report: &mut SweepReport,
) -> u64 {
    match removal.await {
        Ok(count) => {
            counter!(REMOVED, "kind" => kind).increment(count);
            count
        }
        Err(error) => {
            failed(kind, &error, report);
            0
        }
    }
}

fn failed(kind: &'static str, error: &(dyn Error + 'static), report: &mut SweepReport) {
    counter!(FAILED, "kind" => kind).increment(1);
    report.failed_steps += 1;
    tracing::warn!(kind, error, "a step of the sweeper failed");
}

//! A job store in memory that honours leases and fences like the real one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use songkeep_domain::{
    Clock as _, JobId, Page, PageRequest, SongId, SourceRef, StoreResult, SystemClock, Timestamp, UserId,
    bus::{CommitHook, Notice},
    job::{
        Claim, ClaimedJob, Enqueued, Heartbeat, ImportFailure, ImportStage, Job, JobChange, JobFilter,
        JobProgress, JobStatus, JobStore, NewImport, Published, QueueStats, Reaped,
    },
    song::NewSong,
};

struct Row {
    job: Job,
    new: NewImport,
    run_at: Timestamp,
    lease_until: Timestamp,
    fence: i64,
    cancel_requested: bool,
}

impl Row {
    fn set(&mut self, status: JobStatus, stage: ImportStage) {
        self.job.status = status;
        self.job.progress.stage = stage;
        self.cancel_requested = false;
    }

    fn finish(&mut self, song: SongId) -> Published {
        self.set(JobStatus::Completed, ImportStage::Done);
        self.job.song_id = Some(song);
        self.job.progress.percent = 100;
        Published::Done { song_id: song }
    }
}

#[derive(Default)]
struct Tables {
    rows: Vec<Row>,
    songs: HashMap<SourceRef, SongId>,
}

impl Tables {
    fn held(&mut self, claim: &Claim) -> Option<&mut Row> {
        self.rows.iter_mut().find(|row| {
            row.job.id == claim.job_id && row.fence == claim.fence && row.job.status == JobStatus::Processing
        })
    }

    fn row(&mut self, id: JobId, user: Option<UserId>) -> Option<&mut Row> {
        self.rows.iter_mut().find(|row| row.job.id == id && user.is_none_or(|user| row.job.user_id == user))
    }
}

pub struct MemoryJobs {
    tables: Mutex<Tables>,
    hook: Arc<dyn CommitHook>,
}

fn now() -> Timestamp {
    SystemClock.now()
}

impl MemoryJobs {
    pub fn new(hook: Arc<dyn CommitHook>) -> Self {
        Self { tables: Mutex::default(), hook }
    }

    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap()
    }
}

#[async_trait]
impl JobStore for MemoryJobs {
    async fn enqueue_import(&self, new: NewImport) -> StoreResult<Enqueued> {
        let job = Job {
            id: new.id,
            user_id: new.user_id,
            source: new.source.clone(),
            title: new.source.id().to_owned(),
            status: JobStatus::Queued,
            progress: JobProgress { stage: ImportStage::Queued, percent: 0 },
            attempt: 0,
            failure_code: None,
            failure_detail: None,
            song_id: None,
            created_at: now(),
            updated_at: now(),
        };
        let row = Row {
            job: job.clone(),
            new,
            run_at: now(),
            lease_until: now(),
            fence: 0,
            cancel_requested: false,
        };
        self.tables().rows.push(row);
        self.hook.committed(vec![Notice::JobReady]);
        Ok(Enqueued::Created(job))
    }

    async fn find_job(&self, id: JobId, user: Option<UserId>) -> StoreResult<Option<Job>> {
        Ok(self.tables().row(id, user).map(|row| row.job.clone()))
    }

    async fn list_jobs(&self, filter: &JobFilter, _page: &PageRequest) -> StoreResult<Page<Job>> {
        let tables = self.tables();
        let jobs = tables.rows.iter().map(|row| row.job.clone());
        let items = jobs.filter(|job| filter.status.is_none_or(|status| job.status == status)).collect();
        Ok(Page { items, next_cursor: None })
    }

    async fn cancel_job(&self, id: JobId, user: Option<UserId>) -> StoreResult<JobChange> {
        let mut tables = self.tables();
        let Some(row) = tables.row(id, user) else { return Ok(JobChange::NotFound) };
        match row.job.status {
            JobStatus::Queued => row.set(JobStatus::Cancelled, ImportStage::Done),
            JobStatus::Processing => {
                row.cancel_requested = true;
                self.hook.committed(vec![Notice::JobCancelRequested { job_id: id }]);
            }
            _ => return Ok(JobChange::NotNow(row.job.clone())),
        }
        Ok(JobChange::Changed(row.job.clone()))
    }

    async fn retry_job(&self, _id: JobId, _user: Option<UserId>) -> StoreResult<JobChange> {
        Ok(JobChange::NotFound)
    }

    async fn claim_job(&self, _owner: &str, lease: Duration) -> StoreResult<Option<ClaimedJob>> {
        let now = now();
        let mut tables = self.tables();
        let Some(row) = tables
            .rows
            .iter_mut()
            .filter(|row| row.job.status == JobStatus::Queued && row.run_at <= now)
            .min_by_key(|row| row.run_at)
        else {
            return Ok(None);
        };
        row.set(JobStatus::Processing, ImportStage::Resolve);
        row.job.progress.percent = 0;
        row.job.attempt += 1;
        row.fence += 1;
        row.lease_until = now.plus(lease);
        Ok(Some(ClaimedJob {
            claim: Claim { job_id: row.job.id, fence: row.fence },
            job: row.job.clone(),
            hints: row.new.hints.clone(),
            max_attempts: row.new.max_attempts,
            traceparent: None,
            waited: now.since(row.run_at),
        }))
    }

    async fn heartbeat(
        &self,
        claim: &Claim,
        lease: Duration,
        progress: JobProgress,
        title: Option<&str>,
    ) -> StoreResult<Heartbeat> {
        let mut tables = self.tables();
        let Some(row) = tables.held(claim) else { return Ok(Heartbeat::Lost) };
        row.lease_until = now().plus(lease);
        row.job.progress = progress;
        if let Some(title) = title {
            row.job.title = title.to_owned();
        }
        Ok(Heartbeat::Extended { cancel_requested: row.cancel_requested })
    }

    async fn publish_import(&self, claim: &Claim, song: NewSong) -> StoreResult<Published> {
        let mut tables = self.tables();
        let Some(row) = tables.held(claim) else { return Ok(Published::Lost) };
        let source = row.job.source.clone();
        let published = row.finish(song.id);
        tables.songs.insert(source, song.id);
        Ok(published)
    }

    async fn link_existing(&self, claim: &Claim) -> StoreResult<Option<Published>> {
        let mut tables = self.tables();
        let songs = tables.songs.clone();
        let Some(row) = tables.held(claim) else { return Ok(Some(Published::Lost)) };
        Ok(songs.get(&row.job.source).map(|song| row.finish(*song)))
    }

    async fn fail_job(
        &self,
        claim: &Claim,
        failure: &ImportFailure,
        retry_in: Option<Duration>,
    ) -> StoreResult<bool> {
        let mut tables = self.tables();
        let Some(row) = tables.held(claim) else { return Ok(false) };
        row.job.failure_code = Some(failure.code);
        row.job.failure_detail = Some(failure.detail.clone());
        match retry_in {
            Some(delay) => {
                row.run_at = now().plus(delay);
                row.set(JobStatus::Queued, ImportStage::Queued);
            }
            None => row.set(JobStatus::Failed, ImportStage::Done),
        }
        Ok(true)
    }

    async fn finish_cancelled(&self, claim: &Claim) -> StoreResult<bool> {
        Ok(self.tables().held(claim).map(|row| row.set(JobStatus::Cancelled, ImportStage::Done)).is_some())
    }

    async fn release_job(&self, claim: &Claim) -> StoreResult<bool> {
        let mut tables = self.tables();
        let Some(row) = tables.held(claim) else { return Ok(false) };
        row.job.attempt -= 1;
        row.set(JobStatus::Queued, ImportStage::Queued);
        self.hook.committed(vec![Notice::JobReady]);
        Ok(true)
    }

    async fn reap_expired(&self) -> StoreResult<Reaped> {
        let now = now();
        let mut reaped = Reaped::default();
        for row in &mut self.tables().rows {
            if row.job.status != JobStatus::Processing || row.lease_until > now {
                continue;
            }
            if row.cancel_requested {
                row.set(JobStatus::Cancelled, ImportStage::Done);
                reaped.cancelled += 1;
            } else {
                row.set(JobStatus::Queued, ImportStage::Queued);
                reaped.requeued += 1;
            }
        }
        Ok(reaped)
    }

    async fn next_due_in(&self) -> StoreResult<Option<Duration>> {
        let now = now();
        let tables = self.tables();
        let queued = tables.rows.iter().filter(|row| row.job.status == JobStatus::Queued);
        Ok(queued.map(|row| row.run_at.since(now)).min())
    }

    async fn queue_stats(&self) -> StoreResult<QueueStats> {
        let tables = self.tables();
        let count = |status| {
            u64::try_from(tables.rows.iter().filter(|row| row.job.status == status).count()).unwrap()
        };
        Ok(QueueStats {
            queued: count(JobStatus::Queued),
            processing: count(JobStatus::Processing),
            completed: count(JobStatus::Completed),
            failed: count(JobStatus::Failed),
            cancelled: count(JobStatus::Cancelled),
            oldest_due_secs: 0.0,
        })
    }

    async fn delete_finished_jobs(&self, _before: Timestamp) -> StoreResult<u64> {
        Ok(0)
    }

    async fn database_now(&self) -> StoreResult<Timestamp> {
        Ok(now())
    }
}

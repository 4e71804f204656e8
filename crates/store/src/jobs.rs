//! Import jobs: what listeners and administrators do with them. Working on them is in `job_runs`.
//!
//! Transactions lock the job first, then the song, then the account (by writing an event), so that
//! no two wait for each other.

use std::time::Duration;

use async_trait::async_trait;
use sea_orm::Value;
use songkeep_domain::{
    JobId, Page, PageRequest, SongId, SourceRef, StoreError, StoreResult, Timestamp, UserId,
    bus::Notice,
    event::EventBody,
    job::{
        Claim, ClaimedJob, Enqueued, Heartbeat, ImportFailure, ImportStage, Job, JobChange, JobFilter,
        JobProgress, JobStatus, JobStore, NewImport, Published, QueueStats, Reaped,
    },
    song::{NewSong, Song},
};

use crate::{
    Store,
    cursor::{Cursor, Key, page_of},
    db::{Tx, error, no_row},
    rows::{self, JOB, Row},
    text::{contains_pattern, fold},
};

const LIST: &str = "jobs";
/// How often a wish is looked at again when the job that stood in its way had just ended.
const ENQUEUE_TRIES: usize = 5;

#[async_trait]
impl JobStore for Store {
    async fn enqueue_import(&self, new: NewImport) -> StoreResult<Enqueued> {
        for _ in 0..ENQUEUE_TRIES {
            if let Some(enqueued) = self.try_enqueue(&new).await? {
                return Ok(enqueued);
            }
        }
        Err(StoreError::Unavailable("jobs of the same source come and go too fast".into()))
    }

    async fn find_job(&self, id: JobId, user: Option<UserId>) -> StoreResult<Option<Job>> {
        let (sql, values) = select_job(id, user);
        self.one(&sql, values).await?.as_ref().map(rows::job).transpose()
    }

    async fn list_jobs(&self, filter: &JobFilter, page: &PageRequest) -> StoreResult<Page<Job>> {
        let mut values: Vec<Value> = vec![(i64::from(page.limit) + 1).into()];
        let mut conditions = String::from("1 = 1");
        let mut add = |condition: &str, value: Value| {
            values.push(value);
            conditions.push_str(&format!(" AND {condition}").replace('?', &format!("${}", values.len())));
        };
        if let Some(cursor) = &page.cursor {
            add("id < ?", Cursor::read(cursor, LIST)?.id.into());
        }
        if let Some(user) = filter.user_id {
            add("user_id = ?", user.0.into());
        }
        if let Some(status) = filter.status {
            add("status = ?", status.as_str().into());
        }
        if let Some(q) = &filter.q {
            add("search_text LIKE ? ESCAPE '\\'", contains_pattern(&fold(q)).into());
        }
        let list =
            format!("SELECT {JOB} FROM jobs WHERE {conditions} ORDER BY id DESC LIMIT CAST($1 AS BIGINT)");
        let rows = self.all(&list, values).await?;
        let jobs: Vec<Job> = rows.iter().map(rows::job).collect::<StoreResult<_>>()?;
        Ok(page_of(LIST, jobs, page.limit, |job| (Key::None, job.id.0)))
    }

    async fn cancel_job(&self, id: JobId, user: Option<UserId>) -> StoreResult<JobChange> {
        let mut tx = self.begin().await?;
        let Some(job) = tx.lock_job(id, user).await? else { return Ok(JobChange::NotFound) };
        let now = tx.now().await?;
        let job = match job.status {
            JobStatus::Queued => tx.cancel(id, now).await?,
            JobStatus::Processing => {
                let ask =
                    "UPDATE jobs SET cancel_requested_at = COALESCE(cancel_requested_at, $2) WHERE id = $1";
                tx.run(ask, [id.0.into(), now.as_micros().into()]).await?;
                tx.notify(Notice::JobCancelRequested { job_id: id });
                job
            }
            JobStatus::Completed | JobStatus::Failed | JobStatus::Cancelled => {
                return Ok(JobChange::NotNow(job));
            }
        };
        tx.commit().await?;
        Ok(JobChange::Changed(job))
    }

    async fn retry_job(&self, id: JobId, user: Option<UserId>) -> StoreResult<JobChange> {
        let mut tx = self.begin().await?;
        let Some(job) = tx.lock_job(id, user).await? else { return Ok(JobChange::NotFound) };
        if !matches!(job.status, JobStatus::Failed | JobStatus::Cancelled) {
            return Ok(JobChange::NotNow(job));
        }
        let now = tx.now().await?;
        let set = format!("{QUEUED}, run_at = $2, attempt = 0, failure_code = NULL, failure_detail = NULL");
        let queued = match tx.change_job(id, &set, [], now).await {
            Ok(queued) => queued,
            // Another live job of the same account and source.
            Err(StoreError::Conflict(_)) => return Ok(JobChange::NotNow(job)),
            Err(error) => return Err(error),
        };
        tx.notify(Notice::JobReady);
        tx.commit().await?;
        Ok(JobChange::Changed(queued))
    }

    async fn claim_job(&self, owner: &str, lease: Duration) -> StoreResult<Option<ClaimedJob>> {
        self.claim_next(owner, lease).await
    }

    async fn heartbeat(
        &self,
        claim: &Claim,
        lease: Duration,
        progress: JobProgress,
        title: Option<&str>,
    ) -> StoreResult<Heartbeat> {
        self.extend_lease(claim, lease, progress, title).await
    }

    async fn publish_import(&self, claim: &Claim, song: NewSong) -> StoreResult<Published> {
        self.publish(claim, song).await
    }

    async fn link_existing(&self, claim: &Claim) -> StoreResult<Option<Published>> {
        self.link(claim).await
    }

    async fn fail_job(
        &self,
        claim: &Claim,
        failure: &ImportFailure,
        retry_in: Option<Duration>,
    ) -> StoreResult<bool> {
        self.fail(claim, failure, retry_in).await
    }

    async fn finish_cancelled(&self, claim: &Claim) -> StoreResult<bool> {
        self.finish_cancel(claim).await
    }

    async fn release_job(&self, claim: &Claim) -> StoreResult<bool> {
        self.release(claim).await
    }

    async fn reap_expired(&self) -> StoreResult<Reaped> {
        self.reap().await
    }

    async fn next_due_in(&self) -> StoreResult<Option<Duration>> {
        self.next_due().await
    }

    async fn queue_stats(&self) -> StoreResult<QueueStats> {
        let mut stats = QueueStats::default();
        for row in self.all("SELECT status, COUNT(*) AS jobs FROM jobs GROUP BY status", []).await? {
            let row = Row::new("jobs", &row);
            *match row.parsed("status", JobStatus::parse)? {
                JobStatus::Queued => &mut stats.queued,
                JobStatus::Processing => &mut stats.processing,
                JobStatus::Completed => &mut stats.completed,
                JobStatus::Failed => &mut stats.failed,
                JobStatus::Cancelled => &mut stats.cancelled,
            } = row.count("jobs")?;
        }
        let oldest = "SELECT {now} - run_at AS waits FROM jobs {by run_at} WHERE status = 'queued' ORDER BY run_at LIMIT 1";
        if let Some(row) = self.one(oldest, []).await? {
            let waits: i64 = row.try_get("", "waits").map_err(error)?;
            stats.oldest_due_secs = micros(waits).as_secs_f64();
        }
        Ok(stats)
    }

    async fn delete_finished_jobs(&self, before: Timestamp) -> StoreResult<u64> {
        let tx = self.begin().await?;
        let deleted = tx.run("DELETE FROM jobs WHERE finished_at < $1", [before.as_micros().into()]).await?;
        tx.commit().await?;
        Ok(deleted)
    }

    async fn database_now(&self) -> StoreResult<Timestamp> {
        let row = self.one("SELECT {now} AS now", []).await?;
        row.ok_or_else(no_row)?.try_get("", "now").map(Timestamp::from_micros).map_err(error)
    }
}

impl Store {
    /// None when a live job stood in the way that cannot be found any more.
    async fn try_enqueue(&self, new: &NewImport) -> StoreResult<Option<Enqueued>> {
        let mut tx = self.begin().await?;
        if let Some(job) = tx.find_live_job(new.user_id, &new.source).await? {
            return Ok(Some(Enqueued::Existing(job)));
        }
        let now = tx.now().await?;
        if let Some(song) = tx.find_song_by_source(&new.source).await? {
            let job = tx.link_at_once(new, &song, now).await?;
            tx.commit().await?;
            return Ok(Some(Enqueued::Linked(job)));
        }
        let title = new.hints.title.as_deref().unwrap_or(new.source.id());
        if let Some(job) = tx.insert_job(new, title, None, now).await? {
            tx.tell_of_job(&job, now).await?;
            tx.notify(Notice::JobReady);
            tx.commit().await?;
            return Ok(Some(Enqueued::Created(job)));
        }
        Ok(tx.find_live_job(new.user_id, &new.source).await?.map(Enqueued::Existing))
    }
}

/// What a job becomes that waits (again); `run_at` is set beside it.
pub const QUEUED: &str = "status = 'queued', stage = 'queued', percent = 0, lease_owner = NULL, lease_until = NULL, \
     cancel_requested_at = NULL, finished_at = NULL";

/// Microseconds as a duration; none when negative.
pub fn micros(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

fn select_job(id: JobId, user: Option<UserId>) -> (String, Vec<Value>) {
    let mut values: Vec<Value> = vec![id.0.into()];
    let mut sql = format!("SELECT {JOB} FROM jobs WHERE id = $1");
    if let Some(user) = user {
        values.push(user.0.into());
        sql.push_str(" AND user_id = $2");
    }
    (sql, values)
}

/// What a job is found by.
pub fn search_text(title: &str, source: &SourceRef) -> String {
    fold(&format!("{title} {}", source.id()))
}

impl Tx<'_> {
    async fn lock_job(&self, id: JobId, user: Option<UserId>) -> StoreResult<Option<Job>> {
        let (sql, values) = select_job(id, user);
        self.one(&format!("{sql} {{for update}}"), values).await?.as_ref().map(rows::job).transpose()
    }

    async fn find_live_job(&self, user: UserId, source: &SourceRef) -> StoreResult<Option<Job>> {
        let find = format!(
            "SELECT {JOB} FROM jobs WHERE user_id = $1 AND source_provider = $2 AND source_id = $3 \
             AND status IN ('queued', 'processing')"
        );
        let values = [user.0.into(), source.provider().as_str().into(), source.id().into()];
        self.one(&find, values).await?.as_ref().map(rows::job).transpose()
    }

    /// Imports a song that exists. An account that has it already gets the job that brought it.
    async fn link_at_once(&mut self, new: &NewImport, song: &Song, now: Timestamp) -> StoreResult<Job> {
        if !self.add_entry(new.user_id, song, &new.hints, now).await? {
            let find = format!(
                "SELECT {JOB} FROM jobs WHERE song_id = $1 AND user_id = $2 AND status = 'completed' \
                 ORDER BY id DESC LIMIT 1"
            );
            if let Some(row) = self.one(&find, [song.id.0.into(), new.user_id.0.into()]).await? {
                return rows::job(&row);
            }
        }
        let job = self.insert_job(new, &song.metadata.title, Some(song.id), now).await?.ok_or_else(no_row)?;
        self.tell_of_job(&job, now).await?;
        Ok(job)
    }

    /// Adds a job, completed when its song is known; None while the account has a live one of the source.
    async fn insert_job(
        &self,
        new: &NewImport,
        title: &str,
        song: Option<SongId>,
        now: Timestamp,
    ) -> StoreResult<Option<Job>> {
        let insert = format!(
            "INSERT INTO jobs (id, user_id, source_provider, source_id, title, search_text, status, stage, percent, \
             run_at, max_attempts, hints, traceparent, song_id, finished_at, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $10, $10) \
             ON CONFLICT (user_id, source_provider, source_id) WHERE status IN ('queued', 'processing') DO NOTHING \
             RETURNING {JOB}"
        );
        let hints = serde_json::to_string(&new.hints).map_err(|error| StoreError::Other(error.into()))?;
        let (status, stage, percent) = match song {
            None => (JobStatus::Queued, ImportStage::Queued, 0_i64),
            Some(_) => (JobStatus::Completed, ImportStage::Done, 100),
        };
        let values: [Value; 15] = [
            new.id.0.into(),
            new.user_id.0.into(),
            new.source.provider().as_str().into(),
            new.source.id().into(),
            title.into(),
            search_text(title, &new.source).into(),
            status.as_str().into(),
            stage.as_str().into(),
            percent.into(),
            now.as_micros().into(),
            i64::from(new.max_attempts).into(),
            hints.into(),
            new.traceparent.clone().into(),
            song.map(|id| id.0).into(),
            song.map(|_| now.as_micros()).into(),
        ];
        self.one(&insert, values).await?.as_ref().map(rows::job).transpose()
    }

    /// Ends a job that this transaction has locked. Tells of it.
    pub async fn cancel(&mut self, id: JobId, now: Timestamp) -> StoreResult<Job> {
        let set = "status = 'cancelled', stage = 'done', lease_owner = NULL, lease_until = NULL, \
                   cancel_requested_at = NULL, finished_at = $2";
        self.change_job(id, set, [], now).await
    }

    /// Writes to a job that this transaction has locked: in `set`, `$2` is now and `values` begin at `$3`.
    /// Tells of it.
    pub async fn change_job(
        &mut self,
        id: JobId,
        set: &str,
        values: impl IntoIterator<Item = Value>,
        now: Timestamp,
    ) -> StoreResult<Job> {
        let update = format!("UPDATE jobs SET {set}, updated_at = $2 WHERE id = $1 RETURNING {JOB}");
        let values = [id.0.into(), now.as_micros().into()].into_iter().chain(values);
        let row = self.one(&update, values).await?.ok_or_else(no_row)?;
        let job = rows::job(&row)?;
        self.tell_of_job(&job, now).await?;
        Ok(job)
    }

    async fn tell_of_job(&mut self, job: &Job, now: Timestamp) -> StoreResult<()> {
        self.add_event(job.user_id, EventBody::Job { job: Box::new(job.clone()) }, now).await
    }
}

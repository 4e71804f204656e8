//! Working on import jobs: claims, leases and how attempts end. A claim is good while its job is
//! `processing` under the claim's fence; all else is refused, whatever the clocks say.

use std::time::Duration;

use sea_orm::Value;
use songkeep_domain::{
    JobId, StoreError, StoreResult, Timestamp,
    bus::Notice,
    job::{
        Claim, ClaimedJob, FailureCode, Heartbeat, ImportFailure, ImportHints, Job, JobProgress, Published,
        Reaped,
    },
    song::{NewSong, Song},
};

use crate::{
    Store,
    db::{Tx, error},
    jobs::{QUEUED, micros, search_text},
    rows::{self, JOB, Row},
};

/// How often a claim is tried again after another node took a job of the same source.
const CLAIM_TRIES: usize = 10;

/// In order, so that PostgreSQL goes by the index: in a long queue it would hope to find one soon, and read
/// all that was done long ago first.
const ANY_DUE: &str = "SELECT 1 AS one FROM jobs {by run_at} WHERE status = 'queued' AND run_at <= {now} \
     ORDER BY run_at LIMIT 1";

const NEXT_CLAIM: &str = "SELECT id, fence, run_at, hints, max_attempts, traceparent FROM jobs AS due {by turn} \
     WHERE status = 'queued' AND run_at <= $1 AND NOT EXISTS (SELECT 1 FROM jobs AS busy \
     WHERE busy.status = 'processing' AND busy.source_provider = due.source_provider \
     AND busy.source_id = due.source_id) \
     ORDER BY priority DESC, run_at, id LIMIT 1 {skip locked}";

const NEXT_DUE: &str =
    "SELECT run_at - {now} AS due_in FROM jobs {by run_at} WHERE status = 'queued' ORDER BY run_at LIMIT 1";

/// Jobs in work, by account, because that is the order in which their events lock the accounts.
const IN_WORK: &str = "SELECT id, attempt, max_attempts, cancel_requested_at FROM jobs {by lease} \
     WHERE status = 'processing' AND lease_until <= $1 ORDER BY user_id, id {skip locked}";

/// A job under a claim that holds, locked.
struct HeldJob {
    job: Job,
    hints: ImportHints,
    cancel_requested: bool,
}

impl Store {
    pub(crate) async fn claim_next(&self, owner: &str, lease: Duration) -> StoreResult<Option<ClaimedJob>> {
        for _ in 0..CLAIM_TRIES {
            // Most looks find nothing; they shall not wait for those who write.
            if self.one(ANY_DUE, []).await?.is_none() {
                return Ok(None);
            }
            match self.try_claim(owner, lease).await {
                // Another node took a job of the same source at the same moment.
                Err(StoreError::Conflict(_)) => {}
                result => return result,
            }
        }
        Ok(None)
    }

    async fn try_claim(&self, owner: &str, lease: Duration) -> StoreResult<Option<ClaimedJob>> {
        let mut tx = self.begin().await?;
        let now = tx.now().await?;
        let Some(found) = tx.one(NEXT_CLAIM, [now.as_micros().into()]).await? else { return Ok(None) };
        let found = Row::new("jobs", &found);
        let id = JobId(found.id("id")?);
        let set = "status = 'processing', stage = 'resolve', percent = 0, attempt = attempt + 1, \
                   lease_owner = $3, lease_until = $4, fence = $5, cancel_requested_at = NULL, \
                   failure_code = NULL, failure_detail = NULL";
        let fence = found.get::<i64>("fence")? + 1;
        let values = [owner.into(), now.plus(lease).as_micros().into(), fence.into()];
        let job = tx.change_job(id, set, values, now).await?;
        let claimed = ClaimedJob {
            claim: Claim { job_id: id, fence },
            job,
            hints: found.json("hints")?,
            max_attempts: found.count("max_attempts")?,
            traceparent: found.get("traceparent")?,
            waited: now.since(found.time("run_at")?),
        };
        tx.commit().await?;
        Ok(Some(claimed))
    }

    pub(crate) async fn extend_lease(
        &self,
        claim: &Claim,
        lease: Duration,
        progress: JobProgress,
        title: Option<&str>,
    ) -> StoreResult<Heartbeat> {
        let mut tx = self.begin().await?;
        let Some(held) = tx.hold_job(claim).await? else { return Ok(Heartbeat::Lost) };
        let now = tx.now().await?;
        let lease_until = now.plus(lease).as_micros();
        let title = title.unwrap_or(&held.job.title);
        if progress == held.job.progress && title == held.job.title {
            let extend = "UPDATE jobs SET lease_until = $2 WHERE id = $1";
            tx.run(extend, [claim.job_id.0.into(), lease_until.into()]).await?;
        } else {
            let set = "lease_until = $3, stage = $4, percent = $5, title = $6, search_text = $7";
            let values: [Value; 5] = [
                lease_until.into(),
                progress.stage.as_str().into(),
                i64::from(progress.percent).into(),
                title.into(),
                search_text(title, &held.job.source).into(),
            ];
            tx.change_job(claim.job_id, set, values, now).await?;
        }
        tx.commit().await?;
        Ok(Heartbeat::Extended { cancel_requested: held.cancel_requested })
    }

    pub(crate) async fn publish(&self, claim: &Claim, new: NewSong) -> StoreResult<Published> {
        let mut tx = self.begin().await?;
        let Some(held) = tx.hold_job(claim).await? else { return Ok(Published::Lost) };
        let now = tx.now().await?;
        let song = tx.ensure_song(&held.job.source, new, now).await?;
        let published = tx.complete_job(held, &song, now).await?;
        tx.commit().await?;
        Ok(published)
    }

    pub(crate) async fn link(&self, claim: &Claim) -> StoreResult<Option<Published>> {
        let mut tx = self.begin().await?;
        let Some(held) = tx.hold_job(claim).await? else { return Ok(Some(Published::Lost)) };
        let Some(song) = tx.find_song_by_source(&held.job.source).await? else { return Ok(None) };
        let now = tx.now().await?;
        let published = tx.complete_job(held, &song, now).await?;
        tx.commit().await?;
        Ok(Some(published))
    }

    pub(crate) async fn fail(
        &self,
        claim: &Claim,
        failure: &ImportFailure,
        retry_in: Option<Duration>,
    ) -> StoreResult<bool> {
        let mut tx = self.begin().await?;
        let Some(held) = tx.hold_job(claim).await? else { return Ok(false) };
        let now = tx.now().await?;
        match retry_in {
            Some(_) if held.cancel_requested => {
                tx.cancel(claim.job_id, now).await?;
            }
            Some(delay) => {
                let set = format!("{QUEUED}, run_at = $3, failure_code = $4, failure_detail = $5");
                let values: [Value; 3] = [
                    now.plus(delay).as_micros().into(),
                    failure.code.as_str().into(),
                    detail(failure).into(),
                ];
                tx.change_job(claim.job_id, &set, values, now).await?;
                if delay.is_zero() {
                    tx.notify(Notice::JobReady);
                }
            }
            None => tx.end_as_failed(claim.job_id, failure, now).await?,
        }
        tx.commit().await?;
        Ok(true)
    }

    pub(crate) async fn finish_cancel(&self, claim: &Claim) -> StoreResult<bool> {
        let mut tx = self.begin().await?;
        if tx.hold_job(claim).await?.is_none() {
            return Ok(false);
        }
        let now = tx.now().await?;
        tx.cancel(claim.job_id, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    pub(crate) async fn release(&self, claim: &Claim) -> StoreResult<bool> {
        let mut tx = self.begin().await?;
        let Some(held) = tx.hold_job(claim).await? else { return Ok(false) };
        let now = tx.now().await?;
        if held.cancel_requested {
            tx.cancel(claim.job_id, now).await?;
        } else {
            // It keeps `run_at` and with it its place before those that came later.
            tx.change_job(claim.job_id, &format!("{QUEUED}, attempt = attempt - 1"), [], now).await?;
            tx.notify(Notice::JobReady);
        }
        tx.commit().await?;
        Ok(true)
    }

    pub(crate) async fn reap(&self) -> StoreResult<Reaped> {
        self.take_back(None).await
    }

    /// Takes back all jobs that are being worked on, without waiting for their leases: for the start of
    /// a process that knows that no other works on this database. Interrupted attempts count, so that a
    /// job that ends the process is not begun for ever. How many jobs were taken back.
    ///
    /// # Errors
    /// When the database cannot be written to.
    pub async fn forfeit_leases(&self) -> StoreResult<u64> {
        let Reaped { requeued, failed, cancelled } =
            self.take_back(Some(Timestamp::from_micros(i64::MAX))).await?;
        Ok(requeued + failed + cancelled)
    }

    /// Ends the attempts of jobs whose leases run out by then (None: by now); their workers have lost them.
    async fn take_back(&self, until: Option<Timestamp>) -> StoreResult<Reaped> {
        let mut reaped = Reaped::default();
        let mut tx = self.begin().await?;
        let now = tx.now().await?;
        let rows = tx.all(IN_WORK, [until.unwrap_or(now).as_micros().into()]).await?;
        for row in rows {
            let row = Row::new("jobs", &row);
            let id = JobId(row.id("id")?);
            if row.time_opt("cancel_requested_at")?.is_some() {
                tx.cancel(id, now).await?;
                reaped.cancelled += 1;
            } else if row.get::<i64>("attempt")? >= row.get::<i64>("max_attempts")? {
                let failure =
                    ImportFailure::new(FailureCode::Internal, "the worker vanished in the last attempt");
                tx.end_as_failed(id, &failure, now).await?;
                reaped.failed += 1;
            } else {
                tx.change_job(id, &format!("{QUEUED}, run_at = $2"), [], now).await?;
                tx.notify(Notice::JobReady);
                reaped.requeued += 1;
            }
        }
        tx.commit().await?;
        Ok(reaped)
    }

    pub(crate) async fn next_due(&self) -> StoreResult<Option<Duration>> {
        let Some(row) = self.one(NEXT_DUE, []).await? else { return Ok(None) };
        row.try_get("", "due_in").map(|due_in| Some(micros(due_in))).map_err(error)
    }
}

impl Tx<'_> {
    /// Locks the job of a claim; None when the claim was lost.
    async fn hold_job(&self, claim: &Claim) -> StoreResult<Option<HeldJob>> {
        let find = format!(
            "SELECT {JOB}, hints, cancel_requested_at FROM jobs \
             WHERE id = $1 AND fence = $2 AND status = 'processing' {{for update}}"
        );
        let Some(found) = self.one(&find, [claim.job_id.0.into(), claim.fence.into()]).await? else {
            return Ok(None);
        };
        let row = Row::new("jobs", &found);
        Ok(Some(HeldJob {
            job: rows::job(&found)?,
            hints: row.json("hints")?,
            cancel_requested: row.time_opt("cancel_requested_at")?.is_some(),
        }))
    }

    async fn end_as_failed(&mut self, id: JobId, failure: &ImportFailure, now: Timestamp) -> StoreResult<()> {
        let set = "status = 'failed', stage = 'done', lease_owner = NULL, lease_until = NULL, \
                   cancel_requested_at = NULL, finished_at = $2, failure_code = $3, failure_detail = $4";
        let values = [failure.code.as_str().into(), detail(failure).into()];
        self.change_job(id, set, values, now).await.map(drop)
    }

    async fn complete_job(&mut self, held: HeldJob, song: &Song, now: Timestamp) -> StoreResult<Published> {
        let HeldJob { job, hints, .. } = held;
        self.add_entry(job.user_id, song, &hints, now).await?;
        let title = &song.metadata.title;
        let set = "status = 'completed', stage = 'done', percent = 100, song_id = $3, title = $4, search_text = $5, \
                   lease_owner = NULL, lease_until = NULL, cancel_requested_at = NULL, finished_at = $2";
        let values = [song.id.0.into(), title.as_str().into(), search_text(title, &job.source).into()];
        self.change_job(job.id, set, values, now).await?;
        Ok(Published::Done { song_id: song.id })
    }
}

/// What is stored of a failure; PostgreSQL refuses NUL, which tools may print.
fn detail(failure: &ImportFailure) -> String {
    failure.detail.replace('\0', "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::tests::open;

    async fn plan(store: &Store, sql: &str) -> String {
        let values = sql.contains("$1").then(|| Value::from(0_i64));
        let steps = store.all(&format!("EXPLAIN QUERY PLAN {sql}"), values).await.expect("a valid statement");
        let steps = steps.iter().map(|step| step.try_get::<String>("", "detail").expect("a step"));
        steps.collect::<Vec<_>>().join("; ")
    }

    #[tokio::test]
    async fn looks_at_the_queue_use_its_indexes_on_sqlite() {
        let (store, _folder) = open().await;
        store.migrate().await.expect("a new database");
        let cases = [
            (NEXT_CLAIM, "jobs_due"),
            (NEXT_CLAIM, "jobs_working"),
            (ANY_DUE, "jobs_run_at"),
            (NEXT_DUE, "jobs_run_at"),
            (IN_WORK, "jobs_leases"),
        ];
        for (sql, index) in cases {
            let plan = plan(&store, sql).await;
            assert!(plan.contains(index), "{sql}: {plan}");
            assert!(sql == IN_WORK || !plan.contains("TEMP B-TREE"), "{sql}: {plan}");
        }
    }
}

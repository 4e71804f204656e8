//! One attempt at one job: the work, watched, and the writing of how it ended.

use std::{any::Any, error::Error, future::Future, sync::Arc, time::Duration};

use songkeep_domain::{
    StoreError, StoreResult,
    job::{ClaimedJob, FailureCode, ImportFailure, Published},
    song::NewSong,
};
use tokio::{
    sync::watch,
    task::JoinError,
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::Instrument as _;

use crate::{
    Completion, JobReporter,
    engine::Inner,
    heart::{Heart, Hold},
    metrics::{self, Outcome, RunningGauge},
    reporter::ReportBox,
    retry::{Backoff, random_unit},
};

/// How long dropped work may take to be gone, and how long a hand-back may take at shutdown.
const CLEAN_UP_LIMIT: Duration = Duration::from_secs(5);

type Work = AbortOnDropHandle<Result<Completion, ImportFailure>>;

/// Why the engine stopped watching the work. In all but the first case the work is gone.
enum Ending {
    Worked(Result<Completion, ImportFailure>),
    Cancelled,
    Lost,
    HandedBack,
}

/// What became of a fenced store call.
enum Settled<T> {
    Written(T),
    /// The lease ran out before the store answered.
    Lost,
    /// The store answered with an error that trying again does not cure.
    Refused(StoreError),
}

pub(crate) struct Attempt {
    engine: Arc<Inner>,
    job: Arc<ClaimedJob>,
    hold: watch::Receiver<Hold>,
}

/// Runs `job` to its end. `claimed_at` is a moment before the claim was asked for; `hand_back` tells
/// that the process will not wait any longer.
pub(crate) async fn run(
    engine: Arc<Inner>,
    job: ClaimedJob,
    claimed_at: Instant,
    hand_back: CancellationToken,
) {
    let span = tracing::info_span!(
        "job",
        job_id = %job.claim.job_id,
        source = %job.job.source,
        attempt = job.job.attempt,
        traceparent = job.traceparent.as_deref(),
    );
    async move {
        let _gauge = RunningGauge::new();
        let reports = Arc::new(ReportBox::new(job.job.progress));
        let _listed = engine.running.enter(job.claim.job_id, &reports);
        let (heart, hold) = Heart::new(
            Arc::clone(&engine.ports.jobs),
            job.claim.clone(),
            Arc::clone(&reports),
            &engine.settings,
            claimed_at,
        );
        let _heart = AbortOnDropHandle::new(tokio::spawn(heart.run().in_current_span()));
        let attempt = Attempt { engine, job: Arc::new(job), hold };
        let outcome = attempt.run(JobReporter::new(reports), &hand_back).await;
        let (label, code) = outcome.labels();
        tracing::info!(outcome = label, code, "attempt ended");
        metrics::finished(outcome, claimed_at.elapsed().as_secs_f64());
    }
    .instrument(span)
    .await;
}

impl Attempt {
    async fn run(mut self, reporter: JobReporter, hand_back: &CancellationToken) -> Outcome {
        let handler = Arc::clone(&self.engine.ports.handler);
        let job = Arc::clone(&self.job);
        let work = async move { handler.run(&job, &reporter).await };
        let work = AbortOnDropHandle::new(tokio::spawn(work.in_current_span()));
        match self.watch(work, hand_back).await {
            Ending::Worked(Ok(Completion::Publish(song))) => self.publish(*song).await,
            Ending::Worked(Ok(Completion::Ended(published))) => outcome_of(&published),
            Ending::Worked(Err(failure)) => self.fail(failure).await,
            Ending::Cancelled => self.finish_cancelled().await,
            Ending::HandedBack => self.release().await,
            Ending::Lost => Outcome::Lost,
        }
    }

    async fn watch(&mut self, mut work: Work, hand_back: &CancellationToken) -> Ending {
        let limit = self.engine.settings.job_timeout;
        let ending = tokio::select! {
            biased;
            hold = not_held(&mut self.hold) => match hold {
                Hold::CancelRequested => Ending::Cancelled,
                Hold::Held | Hold::Lost => Ending::Lost,
            },
            joined = &mut work => return Ending::Worked(joined.unwrap_or_else(|error| Err(crashed(error)))),
            () = hand_back.cancelled() => Ending::HandedBack,
            () = sleep(limit) => Ending::Worked(Err(ImportFailure::new(
                FailureCode::Timeout,
                format!("the attempt took longer than {} s", limit.as_secs_f64()),
            ))),
        };
        work.abort();
        // The work is gone before anything is written, so that nobody starts the job beside it.
        if timeout(CLEAN_UP_LIMIT, work).await.is_err() {
            tracing::error!("dropped work still blocks its thread");
        }
        ending
    }

    async fn publish(&self, song: NewSong) -> Outcome {
        let jobs = &self.engine.ports.jobs;
        match self.settle(None, || jobs.publish_import(&self.job.claim, song.clone())).await {
            Settled::Written(published) => outcome_of(&published),
            Settled::Lost => Outcome::Lost,
            Settled::Refused(error) => {
                let detail = format!("publishing failed: {}", with_sources(&error));
                self.fail(ImportFailure::new(FailureCode::Internal, detail)).await
            }
        }
    }

    async fn fail(&self, failure: ImportFailure) -> Outcome {
        let ClaimedJob { claim, job, max_attempts, .. } = &*self.job;
        let retry = &self.engine.settings.retry;
        let retry_in = retry.retry_in(failure.code, job.attempt, *max_attempts, random_unit());
        tracing::warn!(
            code = failure.code.as_str(),
            detail = failure.detail,
            retry_in_secs = retry_in.map(|delay| delay.as_secs_f64()),
            "attempt failed"
        );
        if failure.code.is_transient() {
            // Before the slot is free, so that no other job is claimed in between.
            self.engine.health.doubt_work();
            self.engine.doubted.notify_one();
        }
        let outcome =
            if retry_in.is_some() { Outcome::Retried(failure.code) } else { Outcome::Failed(failure.code) };
        let jobs = &self.engine.ports.jobs;
        self.end(None, || jobs.fail_job(claim, &failure, retry_in), outcome).await
    }

    async fn finish_cancelled(&self) -> Outcome {
        let jobs = &self.engine.ports.jobs;
        self.end(None, || jobs.finish_cancelled(&self.job.claim), Outcome::Cancelled).await
    }

    async fn release(&self) -> Outcome {
        let jobs = &self.engine.ports.jobs;
        self.end(Some(CLEAN_UP_LIMIT), || jobs.release_job(&self.job.claim), Outcome::HandedBack).await
    }

    /// Makes a store call whose answer is whether the claim held.
    async fn end<F: Future<Output = StoreResult<bool>>>(
        &self,
        limit: Option<Duration>,
        call: impl Fn() -> F,
        outcome: Outcome,
    ) -> Outcome {
        match self.settle(limit, call).await {
            Settled::Written(true) => outcome,
            Settled::Written(false) | Settled::Lost => Outcome::Lost,
            Settled::Refused(error) => {
                tracing::error!(
                    error = &error as &dyn Error,
                    "the job's end cannot be written: its lease will run out"
                );
                Outcome::Lost
            }
        }
    }

    /// Makes a fenced store call, again and again while the store is unavailable and the lease lives.
    /// A call under way is never given up because of a heartbeat: the call itself may have ended the job.
    async fn settle<T, F: Future<Output = StoreResult<T>>>(
        &self,
        limit: Option<Duration>,
        call: impl Fn() -> F,
    ) -> Settled<T> {
        let lease = self.engine.settings.lease;
        let give_up_at = limit.map(|limit| Instant::now() + limit);
        let mut backoff = Backoff::of_store();
        loop {
            match timeout(limit.unwrap_or(lease), call()).await {
                Ok(Ok(written)) => return Settled::Written(written),
                Ok(Err(StoreError::Unavailable(source))) => {
                    tracing::warn!(error = &*source as &dyn Error, "the store is unavailable at a job's end");
                }
                Ok(Err(error)) => return Settled::Refused(error),
                Err(_) => tracing::warn!("the store does not answer at a job's end"),
            }
            let pause = backoff.next();
            if give_up_at.is_some_and(|at| Instant::now() + pause >= at) {
                return Settled::Lost;
            }
            let mut hold = self.hold.clone();
            if timeout(pause, lost(&mut hold)).await.is_ok() {
                return Settled::Lost;
            }
        }
    }
}

async fn not_held(hold: &mut watch::Receiver<Hold>) -> Hold {
    hold.wait_for(|hold| *hold != Hold::Held).await.map_or(Hold::Lost, |hold| *hold)
}

async fn lost(hold: &mut watch::Receiver<Hold>) {
    // An error means that the heartbeat is gone, which is as good as lost.
    let _gone = hold.wait_for(|hold| *hold == Hold::Lost).await;
}

const fn outcome_of(published: &Published) -> Outcome {
    match published {
        Published::Done { .. } => Outcome::Completed,
        Published::Lost => Outcome::Lost,
    }
}

fn crashed(error: JoinError) -> ImportFailure {
    let detail = match error.try_into_panic() {
        Ok(panic) => format!("the handler panicked: {}", panic_text(&*panic)),
        Err(error) => format!("the handler was ended: {error}"),
    };
    ImportFailure::new(FailureCode::Internal, detail)
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

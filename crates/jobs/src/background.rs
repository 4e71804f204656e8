//! What runs beside the jobs: news from the bus, the reaper, the comparison of clocks, gauges.

use std::{error::Error, sync::Arc, time::Duration};

use futures::{StreamExt as _, stream::BoxStream};
use songkeep_domain::{StoreError, StoreResult, bus::Notice, job::Reaped};
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    clock::clock_ahead_ms,
    engine::Inner,
    health::{ClockState, Work},
    metrics,
    retry::{Backoff, jittered},
};

/// How long the handler may take to say whether it can work.
const CHECK_LIMIT: Duration = Duration::from_secs(10);
/// Between two questions of that kind.
const FIRST_RECHECK: Duration = Duration::from_millis(500);
const LONGEST_RECHECK: Duration = Duration::from_secs(5);

/// Tasks that end when this is dropped.
pub(crate) type Background = [AbortOnDropHandle<()>; 5];

/// Subscribes to the bus before it returns.
pub(crate) fn start(inner: &Arc<Inner>) -> Background {
    let news = inner.ports.bus.subscribe();
    [
        AbortOnDropHandle::new(tokio::spawn(listen(Arc::clone(inner), news))),
        AbortOnDropHandle::new(tokio::spawn(reap(Arc::clone(inner)))),
        AbortOnDropHandle::new(tokio::spawn(compare_clocks(Arc::clone(inner)))),
        AbortOnDropHandle::new(tokio::spawn(settle_doubts(Arc::clone(inner)))),
        AbortOnDropHandle::new(tokio::spawn(refresh_gauges(Arc::clone(inner)))),
    ]
}

async fn listen(inner: Arc<Inner>, mut news: BoxStream<'static, Notice>) {
    let mut backoff = Backoff::new(Duration::from_millis(100), inner.settings.poll);
    loop {
        while let Some(notice) = news.next().await {
            backoff.reset();
            match notice {
                Notice::JobReady => inner.look.notify_one(),
                Notice::JobCancelRequested { job_id } => inner.running.ask(Some(job_id)),
                Notice::Lagged => {
                    inner.look.notify_one();
                    inner.running.ask(None);
                }
                Notice::Event(_) | Notice::SessionEnded { .. } | Notice::UserChanged { .. } => {}
            }
        }
        tracing::warn!("the bus ended the subscription: subscribing again");
        sleep(backoff.next()).await;
        news = inner.ports.bus.subscribe();
        inner.look.notify_one();
        inner.running.ask(None);
    }
}

async fn reap(inner: Arc<Inner>) {
    let mut backoff = Backoff::of_store();
    loop {
        let pause = match inner.ports.jobs.reap_expired().await {
            Ok(reaped) => {
                backoff.reset();
                if reaped != Reaped::default() {
                    tracing::warn!(?reaped, "leases had run out");
                    metrics::reaped(reaped);
                    inner.look.notify_one();
                }
                jittered(inner.settings.lease / 2)
            }
            Err(error) => after_error(&error, "the reaper failed", &mut backoff),
        };
        sleep(pause).await;
    }
}

async fn compare_clocks(inner: Arc<Inner>) {
    let mut backoff = Backoff::of_store();
    loop {
        let pause = match clock_state(&inner).await {
            Ok(state) => {
                backoff.reset();
                if inner.health.set_clock(state) {
                    match state {
                        ClockState::Off { ahead_ms } => {
                            tracing::error!(
                                ahead_ms,
                                "this machine's clock differs from the database's: no jobs are taken"
                            );
                        }
                        ClockState::Right | ClockState::Unknown => inner.look.notify_one(),
                    }
                }
                jittered(inner.settings.clock_check_every)
            }
            // What was known of the clock stays: a database that is away says nothing of it.
            Err(error) => after_error(&error, "the clocks could not be compared", &mut backoff),
        };
        sleep(pause).await;
    }
}

/// Finds out after a failed attempt whether others could go well.
async fn settle_doubts(inner: Arc<Inner>) {
    loop {
        inner.doubted.notified().await;
        let mut backoff = Backoff::new(FIRST_RECHECK, LONGEST_RECHECK);
        loop {
            let check = inner.ports.handler.check();
            let answer = timeout(CHECK_LIMIT, check).await.unwrap_or_else(|_| Err("no answer".to_owned()));
            match answer {
                Ok(()) => break,
                Err(reason) => {
                    if inner.health.set_work(Work::Failing) != Work::Failing {
                        tracing::error!(reason, "work cannot go well here: no jobs are taken");
                    }
                }
            }
            sleep(backoff.next()).await;
        }
        if inner.health.set_work(Work::Well) == Work::Failing {
            tracing::info!("work can go well again: jobs are taken");
        }
        inner.look.notify_one();
    }
}

async fn clock_state(inner: &Inner) -> StoreResult<ClockState> {
    let before = inner.ports.clock.now();
    let database = inner.ports.jobs.database_now().await?;
    let after = inner.ports.clock.now();
    let slack = inner.settings.max_clock_skew;
    Ok(clock_ahead_ms(before, database, after, slack)
        .map_or(ClockState::Right, |ahead_ms| ClockState::Off { ahead_ms }))
}

async fn refresh_gauges(inner: Arc<Inner>) {
    let mut backoff = Backoff::of_store();
    loop {
        let pause = match inner.ports.jobs.queue_stats().await {
            Ok(stats) => {
                backoff.reset();
                metrics::queue(&stats);
                jittered(inner.settings.stats_every)
            }
            Err(error) => after_error(&error, "the queue could not be counted", &mut backoff),
        };
        sleep(pause).await;
    }
}

fn after_error(error: &StoreError, what: &str, backoff: &mut Backoff) -> Duration {
    tracing::warn!(error = error as &dyn Error, "{what}");
    backoff.next()
}

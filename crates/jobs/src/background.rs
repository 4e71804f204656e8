//! What runs beside the jobs: news from the bus, the reaper, the comparison of clocks, gauges.

use std::{error::Error, sync::Arc, time::Duration};

use futures::{StreamExt as _, stream::BoxStream};
use songkeep_domain::{StoreError, StoreResult, Timestamp, bus::Notice, job::Reaped};
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    engine::Inner,
    health::ClockState,
    metrics,
    retry::{Backoff, jittered},
};

/// Tasks that end when this is dropped.
pub(crate) type Background = [AbortOnDropHandle<()>; 4];

/// Subscribes to the bus before it returns.
pub(crate) fn start(inner: &Arc<Inner>) -> Background {
    let news = inner.ports.bus.subscribe();
    [
        AbortOnDropHandle::new(tokio::spawn(listen(Arc::clone(inner), news))),
        AbortOnDropHandle::new(tokio::spawn(reap(Arc::clone(inner)))),
        AbortOnDropHandle::new(tokio::spawn(compare_clocks(Arc::clone(inner)))),
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

async fn clock_state(inner: &Inner) -> StoreResult<ClockState> {
    let before = inner.ports.clock.now();
    let database = inner.ports.jobs.database_now().await?;
    let after = inner.ports.clock.now();
    let slack = inner.settings.max_clock_skew;
    Ok(ahead_ms(before, database, after, slack)
        .map_or(ClockState::Right, |ahead_ms| ClockState::Off { ahead_ms }))
}

/// How far our clock is ahead, when certainly by more than `slack`: the database read its clock at
/// some moment between `before` and `after`, so a slow answer is no proof.
fn ahead_ms(before: Timestamp, database: Timestamp, after: Timestamp, slack: Duration) -> Option<i64> {
    let slack = i64::try_from(slack.as_micros()).unwrap_or(i64::MAX);
    let least_ahead = before.as_micros().saturating_sub(database.as_micros());
    let most_ahead = after.as_micros().saturating_sub(database.as_micros());
    if least_ahead > slack {
        Some(least_ahead / 1_000)
    } else if most_ahead < slack.saturating_neg() {
        Some(most_ahead / 1_000)
    } else {
        None
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn ahead(before: i64, database: i64, after: i64) -> Option<i64> {
        let [before, database, after] = [before, database, after].map(Timestamp::from_secs);
        ahead_ms(before, database, after, Duration::from_secs(10))
    }

    #[test]
    fn a_clock_is_off_only_when_the_round_trip_cannot_explain_it() {
        assert_eq!(ahead(100, 100, 100), None);
        assert_eq!(ahead(100, 110, 100), None);
        assert_eq!(ahead(100, 111, 100), Some(-11_000));
        assert_eq!(ahead(111, 100, 111), Some(11_000));
        assert_eq!(ahead(100, 111, 105), None, "the answer took five seconds");
        assert_eq!(ahead(105, 100, 130), None, "the answer took 25 seconds");
    }
}

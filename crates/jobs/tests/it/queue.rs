//! Which jobs run when, and how often.

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::{Duration, Instant},
};

use songkeep_domain::job::{FailureCode, ImportFailure, JobStatus};
use songkeep_jobs::{EngineSettings, RetryPolicy};

use crate::world::{Scripted, World, eventually, publish, settings};

/// So slow that a test which needs the poll does not pass.
const NEVER: Duration = Duration::from_secs(3_600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_engines_run_five_hundred_jobs_once_each() {
    let world = World::new().await;
    let handler = Scripted::new(|job, _| async move {
        tokio::task::yield_now().await;
        Ok(publish(&job))
    });
    let mut nodes = Vec::new();
    for _ in 0..8 {
        nodes.push(world.start(&handler, settings()));
    }
    let mut ids = Vec::new();
    for number in 0..500 {
        ids.push(world.enqueue(number, 5).await);
    }
    eventually("all jobs are completed", || async {
        world.store.queue_stats().await.unwrap().completed == 500
    })
    .await;
    for node in nodes {
        node.stop().await;
    }
    let runs = handler.runs.lock().unwrap().clone();
    assert_eq!(runs.len(), 500);
    assert!(ids.iter().all(|id| runs[id] == 1), "a job ran twice");
    assert_eq!(handler.active(), 0);
}

#[tokio::test]
async fn no_more_jobs_are_claimed_than_there_are_slots() {
    let world = World::new().await;
    let handler = Scripted::endless();
    for number in 0..6 {
        world.enqueue(number, 5).await;
    }
    let node = world.start(&handler, EngineSettings { slots: 3, ..settings() });
    eventually("three jobs run", || async { handler.active() == 3 }).await;
    for number in 6..20 {
        world.enqueue(number, 5).await;
    }
    let stats = world.store.queue_stats().await.unwrap();
    assert_eq!((stats.processing, stats.queued), (3, 17));
    let health = node.engine.health();
    assert_eq!((health.running, health.slots), (3, 3));
    assert_eq!(handler.most_active.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn news_of_a_job_start_it_without_polling() {
    let world = World::new().await;
    let handler = Scripted::quick();
    let node = world.start(&handler, EngineSettings { poll: NEVER, ..settings() });
    eventually("the engine is ready", || async { node.engine.health().is_ready() }).await;
    let mut latencies = Vec::new();
    for number in 0..20 {
        let began = Instant::now();
        let id = world.enqueue(number, 5).await;
        world.until_status(id, JobStatus::Completed).await;
        latencies.push(began.elapsed());
    }
    latencies.sort();
    println!("enqueue to completion seen: p50 {:?}, most {:?}", latencies[10], latencies[19]);
    node.stop().await;
}

#[tokio::test]
async fn a_job_that_waited_before_the_start_is_run() {
    let world = World::new().await;
    let id = world.enqueue(1, 5).await;
    let node = world.start(&Scripted::quick(), EngineSettings { poll: NEVER, ..settings() });
    world.until_status(id, JobStatus::Completed).await;
    node.stop().await;
}

#[tokio::test]
async fn a_silent_bus_costs_no_more_than_the_poll() {
    let world = World::new().await;
    world.bus.silent.store(true, Ordering::SeqCst);
    let poll = Duration::from_millis(50);
    let node = world.start(&Scripted::quick(), EngineSettings { poll, ..settings() });
    eventually("the engine is ready", || async { node.engine.health().is_ready() }).await;
    let id = world.enqueue(1, 5).await;
    world.until_status(id, JobStatus::Completed).await;
    node.stop().await;
}

#[tokio::test]
async fn a_delayed_retry_starts_on_time_without_polling() {
    let world = World::new().await;
    let starts: Arc<Mutex<Vec<Instant>>> = Arc::default();
    let handler = Scripted::new({
        let starts = Arc::clone(&starts);
        move |job, _| {
            starts.lock().unwrap().push(Instant::now());
            async move {
                match job.job.attempt {
                    1 => Err(ImportFailure::new(FailureCode::RateLimited, "slow down")),
                    _ => Ok(publish(&job)),
                }
            }
        }
    });
    let delay = Duration::from_millis(400);
    let retry = RetryPolicy { base: delay, factor: 3, cap: delay, jitter: 0.0 };
    let node = world.start(&handler, EngineSettings { poll: NEVER, retry, ..settings() });
    let id = world.enqueue(1, 5).await;
    world.until_status(id, JobStatus::Completed).await;
    let starts = starts.lock().unwrap().clone();
    let waited = starts[1] - starts[0];
    println!("a retry due after {delay:?} began after {waited:?}");
    assert!(waited >= delay, "too early: {waited:?}");
    node.stop().await;
}

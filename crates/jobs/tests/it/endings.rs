//! How attempts end: failures, retries, panics, timeouts, cancellation; and what is told meanwhile.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use songkeep_domain::job::{FailureCode, ImportFailure, ImportStage, JobChange, JobStatus};
use songkeep_jobs::{EngineSettings, RetryPolicy};

use crate::world::{Scripted, World, eventually, publish, settings};

fn failing(code: FailureCode) -> std::sync::Arc<Scripted> {
    Scripted::new(move |_, _| async move { Err(ImportFailure::new(code, "as the test says")) })
}

#[tokio::test]
async fn a_passing_failure_is_queued_with_its_reason_while_the_retry_waits() {
    let world = World::new().await;
    let handler = failing(FailureCode::BotCheck);
    let retry = RetryPolicy::default();
    let node = world.start(&handler, EngineSettings { retry, ..settings() });
    let id = world.enqueue(1, 5).await;
    eventually("the failure is written", || async { world.job(id).await.failure_code.is_some() }).await;
    let job = world.job(id).await;
    assert_eq!(
        (job.status, job.attempt, job.failure_code),
        (JobStatus::Queued, 1, Some(FailureCode::BotCheck))
    );
    assert_eq!(job.failure_detail.as_deref(), Some("as the test says"));
    let due = world.store.next_due_in().await.unwrap().unwrap();
    assert!(due > Duration::from_secs(1) && due <= Duration::from_secs(12), "{due:?}");
    node.stop().await;
    assert_eq!(handler.total_runs(), 1);
}

#[tokio::test]
async fn a_passing_failure_is_tried_again_until_it_works() {
    let world = World::new().await;
    let handler = Scripted::new(|job, _| async move {
        if job.job.attempt < 4 {
            return Err(ImportFailure::new(FailureCode::ToolBroken, "not yet"));
        }
        Ok(publish(&job))
    });
    let node = world.start(&handler, settings());
    let id = world.enqueue(1, 5).await;
    let job = world.until_status(id, JobStatus::Completed).await;
    assert_eq!(job.attempt, 4);
    assert!(job.song_id.is_some());
    node.stop().await;
}

#[tokio::test]
async fn gives_up_after_the_last_attempt() {
    let world = World::new().await;
    let handler = failing(FailureCode::Internal);
    let node = world.start(&handler, settings());
    let id = world.enqueue(1, 3).await;
    let job = world.until_status(id, JobStatus::Failed).await;
    assert_eq!((job.attempt, handler.total_runs()), (3, 3));
    node.stop().await;
}

#[tokio::test]
async fn a_final_failure_is_not_tried_again() {
    let world = World::new().await;
    let handler = failing(FailureCode::Private);
    let node = world.start(&handler, settings());
    let id = world.enqueue(1, 5).await;
    let job = world.until_status(id, JobStatus::Failed).await;
    assert_eq!((job.failure_code, handler.total_runs()), (Some(FailureCode::Private), 1));
    node.stop().await;
}

#[tokio::test]
async fn a_panic_fails_its_job_and_leaves_the_engine_at_work() {
    let world = World::new().await;
    let handler = Scripted::new(|job, _| async move {
        assert!(job.job.source.id() != "song0000001", "a poisoned job");
        Ok(publish(&job))
    });
    let node = world.start(&handler, EngineSettings { slots: 1, ..settings() });
    let poisoned = world.enqueue(1, 2).await;
    let sound = world.enqueue(2, 2).await;
    world.until_status(sound, JobStatus::Completed).await;
    let job = world.until_status(poisoned, JobStatus::Failed).await;
    assert_eq!((job.failure_code, job.attempt), (Some(FailureCode::Internal), 2));
    assert!(job.failure_detail.unwrap().contains("a poisoned job"));
    node.stop().await;
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_dropped_and_fails_as_a_timeout() {
    let world = World::new().await;
    let handler = Scripted::endless();
    let job_timeout = Duration::from_millis(50);
    let node = world.start(&handler, EngineSettings { job_timeout, ..settings() });
    let id = world.enqueue(1, 1).await;
    let job = world.until_status(id, JobStatus::Failed).await;
    assert_eq!(job.failure_code, Some(FailureCode::Timeout));
    assert_eq!(handler.active(), 0, "the work goes on");
    node.stop().await;
}

#[tokio::test]
async fn a_cancelled_job_that_waits_never_runs() {
    let world = World::new().await;
    let handler = Scripted::quick();
    let id = world.enqueue(1, 5).await;
    assert!(matches!(world.store.cancel_job(id, None).await.unwrap(), JobChange::Changed(_)));
    let other = world.enqueue(2, 5).await;
    let node = world.start(&handler, settings());
    world.until_status(other, JobStatus::Completed).await;
    node.stop().await;
    assert_eq!(world.job(id).await.status, JobStatus::Cancelled);
    assert_eq!(handler.total_runs(), 1);
}

#[tokio::test]
async fn cancelling_a_running_job_drops_its_work_before_the_next_heartbeat() {
    let world = World::new().await;
    let handler = Scripted::endless();
    // Regular heartbeats come every ten minutes.
    let node = world.start(&handler, EngineSettings { lease: Duration::from_secs(1_800), ..settings() });
    let id = world.enqueue(1, 5).await;
    eventually("the job runs", || async { handler.active() == 1 }).await;
    let began = Instant::now();
    world.store.cancel_job(id, None).await.unwrap();
    world.until_status(id, JobStatus::Cancelled).await;
    println!("cancelled after {:?}", began.elapsed());
    assert_eq!(handler.active(), 0, "the work goes on");
    node.stop().await;
}

#[tokio::test]
async fn without_a_bus_the_heartbeat_hears_of_cancellation() {
    let world = World::new().await;
    world.bus.silent.store(true, Ordering::SeqCst);
    let handler = Scripted::endless();
    let id = world.enqueue(1, 5).await;
    let node = world.start(&handler, EngineSettings { lease: Duration::from_secs(3), ..settings() });
    eventually("the job runs", || async { handler.active() == 1 }).await;
    world.store.cancel_job(id, None).await.unwrap();
    world.until_status(id, JobStatus::Cancelled).await;
    eventually("the work is gone", || async { handler.active() == 0 }).await;
    node.stop().await;
}

#[tokio::test]
async fn stage_and_title_are_written_soon_and_progress_is_gathered() {
    let world = World::new().await;
    let handler = Scripted::new(|_, reporter| async move {
        reporter.report(ImportStage::Download, 5);
        reporter.set_title("Song of the sea");
        for step in 0..100_000_u32 {
            reporter.report(ImportStage::Download, u8::try_from(5 + step / 2_000).unwrap());
            if step % 1_000 == 0 {
                tokio::task::yield_now().await;
            }
        }
        std::future::pending().await
    });
    let node = world.start(
        &handler,
        EngineSettings {
            stage_gap: Duration::from_millis(20),
            progress_gap: Duration::from_millis(100),
            ..settings()
        },
    );
    let id = world.enqueue(1, 5).await;
    eventually("all is written", || async {
        let job = world.job(id).await;
        job.title == "Song of the sea" && job.progress.percent == 54
    })
    .await;
    assert_eq!(world.job(id).await.progress.stage, ImportStage::Download);
    let heartbeats = node.line.faults.heartbeats.load(Ordering::SeqCst);
    assert!(heartbeats < 200, "{heartbeats} heartbeats for 100,000 reports");
    world.store.cancel_job(id, None).await.unwrap();
    node.stop().await;
}

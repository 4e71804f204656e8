//! Who may end a job: lost leases, a database that is away, shutdown, death.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use songkeep_domain::{
    SongId,
    job::{FailureCode, ImportFailure, JobStatus},
};
use songkeep_jobs::{Completion, EngineSettings};
use tokio::sync::Notify;

use crate::world::{Scripted, World, eventually, publish, settings};

const SHORT: Duration = Duration::from_millis(600);

fn short_lease() -> EngineSettings {
    EngineSettings { lease: SHORT, ..settings() }
}

#[tokio::test]
async fn a_node_that_cannot_reach_the_store_drops_its_work_and_another_takes_over() {
    let world = World::new().await;
    let stuck = Scripted::endless();
    let first = world.start(&stuck, short_lease());
    let id = world.enqueue(1, 5).await;
    eventually("the job runs", || async { stuck.active() == 1 }).await;
    first.line.faults.cut.store(true, Ordering::SeqCst);
    eventually("the work is dropped", || async { stuck.active() == 0 }).await;

    let second =
        world.start(&Scripted::quick(), EngineSettings { lease: Duration::from_secs(2), ..settings() });
    world.until_status(id, JobStatus::Completed).await;
    first.line.faults.cut.store(false, Ordering::SeqCst);
    first.stop().await;
    second.stop().await;
    assert_eq!(world.job(id).await.status, JobStatus::Completed);
}

#[tokio::test]
async fn what_a_node_made_after_it_lost_the_lease_is_not_published() {
    let world = World::new().await;
    let go = Arc::new(Notify::new());
    let late_song = SongId::new();
    let slow = Scripted::new({
        let go = Arc::clone(&go);
        move |job, _| {
            let go = Arc::clone(&go);
            async move {
                go.notified().await;
                let Completion::Publish(mut song) = publish(&job) else { unreachable!("it publishes") };
                song.id = late_song;
                Ok(Completion::Publish(song))
            }
        }
    });
    let first = world.start(&slow, EngineSettings { slots: 1, ..short_lease() });
    let id = world.enqueue(1, 5).await;
    eventually("the job runs", || async { slow.active() == 1 }).await;
    first.line.faults.deaf_heartbeats.store(true, Ordering::SeqCst);
    // The first node's own reaper takes the job away from it; it has no slot for it.
    let second = world.start(&Scripted::endless(), EngineSettings { slots: 1, ..settings() });
    eventually("the second node has the job", || async { second.engine.health().running == 1 }).await;

    go.notify_one();
    eventually("the first node is done with it", || async { first.engine.health().running == 0 }).await;
    let job = world.job(id).await;
    assert_eq!((job.status, job.song_id), (JobStatus::Processing, None));
    world.store.cancel_job(id, None).await.unwrap();
    world.until_status(id, JobStatus::Cancelled).await;
    first.stop().await;
    second.stop().await;
}

#[tokio::test]
async fn heartbeats_keep_a_long_job_through_many_leases() {
    let world = World::new().await;
    let go = Arc::new(Notify::new());
    let slow = Scripted::new({
        let go = Arc::clone(&go);
        move |job, _| {
            let go = Arc::clone(&go);
            async move {
                go.notified().await;
                Ok(publish(&job))
            }
        }
    });
    let lease = Duration::from_secs(3);
    let node = world.start(&slow, EngineSettings { lease, ..settings() });
    let id = world.enqueue(1, 5).await;
    eventually("four heartbeats came", || async { node.line.faults.heartbeats.load(Ordering::SeqCst) >= 4 })
        .await;
    go.notify_one();
    world.until_status(id, JobStatus::Completed).await;
    assert_eq!(slow.total_runs(), 1);
    node.stop().await;
}

#[tokio::test]
async fn a_database_that_blinks_at_the_end_of_a_job_loses_nothing() {
    let world = World::new().await;
    let handler = Scripted::quick();
    let line = world.line();
    line.faults.refuse_endings.store(3, Ordering::SeqCst);
    let node = world.start_with(Arc::clone(&line), Arc::default(), &handler, settings());
    let id = world.enqueue(1, 5).await;
    world.until_status(id, JobStatus::Completed).await;
    assert_eq!(line.faults.refuse_endings.load(Ordering::SeqCst), 0);
    node.stop().await;
    assert_eq!(handler.total_runs(), 1, "the work was done again");
}

#[tokio::test]
async fn a_failure_is_written_when_the_database_is_back() {
    let world = World::new().await;
    let handler =
        Scripted::new(|_, _| async { Err(ImportFailure::new(FailureCode::GeoBlocked, "not from here")) });
    let line = world.line();
    line.faults.refuse_endings.store(2, Ordering::SeqCst);
    let node = world.start_with(line, Arc::default(), &handler, settings());
    let id = world.enqueue(1, 5).await;
    let job = world.until_status(id, JobStatus::Failed).await;
    assert_eq!(job.failure_code, Some(FailureCode::GeoBlocked));
    node.stop().await;
}

#[tokio::test]
async fn a_lost_answer_to_a_publish_does_not_run_the_job_again() {
    let world = World::new().await;
    let handler = Scripted::quick();
    let line = world.line();
    line.faults.lose_answers.store(1, Ordering::SeqCst);
    let node = world.start_with(line, Arc::default(), &handler, settings());
    let id = world.enqueue(1, 5).await;
    world.until_status(id, JobStatus::Completed).await;
    eventually("the attempt is over", || async { node.engine.health().running == 0 }).await;
    node.stop().await;
    assert_eq!(world.job(id).await.status, JobStatus::Completed);
    assert_eq!(handler.total_runs(), 1);
}

#[tokio::test]
async fn shutdown_lets_running_jobs_finish_and_starts_no_other() {
    let world = World::new().await;
    let go = Arc::new(Notify::new());
    let handler = Scripted::new({
        let go = Arc::clone(&go);
        move |job, _| {
            let go = Arc::clone(&go);
            async move {
                go.notified().await;
                Ok(publish(&job))
            }
        }
    });
    let node = world.start(&handler, EngineSettings { slots: 1, ..settings() });
    let running = world.enqueue(1, 5).await;
    eventually("the job runs", || async { handler.active() == 1 }).await;
    let waiting = world.enqueue(2, 5).await;
    node.shutdown.cancel();
    go.notify_one();
    node.stop().await;
    assert_eq!(world.job(running).await.status, JobStatus::Completed);
    let job = world.job(waiting).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Queued, 0));
}

#[tokio::test]
async fn shutdown_hands_back_what_does_not_finish_in_time() {
    let world = World::new().await;
    let handler = Scripted::endless();
    let node = world.start(&handler, EngineSettings { grace: Duration::from_millis(30), ..settings() });
    let id = world.enqueue(1, 5).await;
    eventually("the job runs", || async { handler.active() == 1 }).await;
    node.stop().await;
    assert_eq!(handler.active(), 0, "the work goes on");
    let job = world.job(id).await;
    assert_eq!((job.status, job.attempt), (JobStatus::Queued, 0), "the attempt does not count");

    let next = world.start(&Scripted::quick(), settings());
    world.until_status(id, JobStatus::Completed).await;
    next.stop().await;
}

#[tokio::test]
async fn jobs_of_a_node_that_died_are_run_by_another() {
    let world = World::new().await;
    let handler = Scripted::endless();
    let dying = world.start(&handler, short_lease());
    let id = world.enqueue(1, 5).await;
    eventually("the job runs", || async { handler.active() == 1 }).await;
    dying.task.abort();
    eventually("the work is gone with the engine", || async { handler.active() == 0 }).await;
    assert_eq!(world.job(id).await.status, JobStatus::Processing, "nobody wrote anything");

    let next =
        world.start(&Scripted::quick(), EngineSettings { lease: Duration::from_secs(2), ..settings() });
    let job = world.until_status(id, JobStatus::Completed).await;
    assert_eq!(job.attempt, 2);
    next.stop().await;
}

#[tokio::test]
async fn work_that_blocks_its_thread_does_not_keep_the_lease_from_being_extended() {
    let world = World::new().await;
    let release = Arc::new(AtomicBool::new(false));
    let handler = Scripted::new({
        let release = Arc::clone(&release);
        move |job, _| {
            let release = Arc::clone(&release);
            async move {
                tokio::task::spawn_blocking(move || {
                    while !release.load(Ordering::SeqCst) {
                        std::thread::yield_now();
                        std::thread::park_timeout(Duration::from_millis(5));
                    }
                })
                .await
                .unwrap();
                Ok(publish(&job))
            }
        }
    });
    let node = world.start(&handler, EngineSettings { lease: Duration::from_secs(3), ..settings() });
    let id = world.enqueue(1, 5).await;
    eventually("heartbeats come", || async { node.line.faults.heartbeats.load(Ordering::SeqCst) >= 2 }).await;
    release.store(true, Ordering::SeqCst);
    world.until_status(id, JobStatus::Completed).await;
    assert_eq!(handler.total_runs(), 1);
    node.stop().await;
}

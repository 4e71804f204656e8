//! The import job, stage by stage and mishap by mishap.

use std::{sync::atomic::Ordering, time::Duration};

use songkeep_domain::{
    job::{Enqueued, FailureCode, ImportStage, JobStatus, JobStore as _},
    library::CatalogStore as _,
};
use songkeep_jobs::EngineSettings;

use crate::{
    fetcher::{Mishap, title_of},
    world::{World, engine_settings, eventually, source},
};

#[tokio::test]
async fn an_import_ends_as_a_song_in_the_library_with_its_bytes_stored() {
    let world = World::new().await;
    let worker = world.start();
    let id = world.enqueue_id(world.user, 1).await;
    let job = world.until_status(id, JobStatus::Completed).await;
    assert_eq!((job.progress.stage, job.progress.percent), (ImportStage::Done, 100));

    let library = world.library(world.user).await;
    assert_eq!(library.len(), 1);
    let song = &library[0].song;
    assert_eq!(Some(song.id), job.song_id);
    assert_eq!(song.metadata.title, title_of(&source(1)));
    assert_eq!((song.audio.codec.as_str(), song.audio.duration_ms), ("opus", 215_000));
    assert_eq!(world.blobs.keys(), std::slice::from_ref(&song.audio.storage_key));
    assert!(song.audio.storage_key.starts_with("audio/"));
    world.until_no_work_folder().await;
    worker.stop().await;
}

#[tokio::test]
async fn stage_percentage_and_title_are_seen_while_it_runs() {
    let world = World::new().await;
    world.fetcher.close_gate();
    let worker = world.start();
    let id = world.enqueue_id(world.user, 1).await;
    eventually("half of the download is told", || async {
        let job = world.job(id).await;
        (job.progress.stage, job.progress.percent) == (ImportStage::Download, 42)
            && job.title == title_of(&source(1))
    })
    .await;
    assert_eq!(world.work_folders().len(), 1);
    world.fetcher.open_gate();
    world.until_status(id, JobStatus::Completed).await;
    worker.stop().await;
}

#[tokio::test]
async fn one_download_serves_two_listeners_who_asked_at_the_same_moment() {
    let world = World::new().await;
    let other = world.add_user("other@example.com").await;
    world.fetcher.close_gate();
    let workers = [world.start(), world.start()];
    let first = world.enqueue_id(world.user, 1).await;
    let second = world.enqueue_id(other, 1).await;
    eventually("the download is under way", || async { world.fetcher.waiting.load(Ordering::SeqCst) == 1 })
        .await;
    world.fetcher.open_gate();
    let first = world.until_status(first, JobStatus::Completed).await;
    let second = world.until_status(second, JobStatus::Completed).await;
    assert_eq!(first.song_id, second.song_id);
    assert_eq!(world.fetcher.fetches(), 1);
    assert_eq!((world.library(world.user).await.len(), world.library(other).await.len()), (1, 1));
    for worker in workers {
        worker.stop().await;
    }
    world.until_no_work_folder().await;
}

#[tokio::test]
async fn a_song_that_exists_is_linked_without_a_download() {
    let world = World::new().await;
    let other = world.add_user("other@example.com").await;
    let worker = world.start();
    let id = world.enqueue_id(world.user, 1).await;
    world.until_status(id, JobStatus::Completed).await;
    let linked = world.enqueue(other, 1).await;
    assert!(matches!(linked, Enqueued::Linked(_)), "{linked:?}");
    assert_eq!(world.library(other).await.len(), 1);
    assert_eq!(world.fetcher.fetches(), 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_full_disk_is_told_and_the_import_goes_on_when_there_is_space() {
    let world = World::new().await;
    world.blobs.full.store(true, Ordering::SeqCst);
    let retry = songkeep_jobs::RetryPolicy { base: Duration::from_millis(300), ..engine_settings().retry };
    let worker = world.start_with(EngineSettings { retry, ..engine_settings() });
    let id = world.enqueue_id(world.user, 1).await;
    eventually("the failure is told", || async {
        world.job(id).await.failure_code == Some(FailureCode::DiskFull)
    })
    .await;
    world.blobs.full.store(false, Ordering::SeqCst);
    world.until_status(id, JobStatus::Completed).await;
    world.until_no_work_folder().await;
    worker.stop().await;
}

#[tokio::test]
async fn no_mishap_leaves_a_work_folder_behind() {
    for (mishap, code) in [
        (Mishap::Fails(FailureCode::Private), FailureCode::Private),
        (Mishap::Panics, FailureCode::Internal),
        (Mishap::Hangs, FailureCode::Timeout),
        (Mishap::WritesNothing, FailureCode::ToolBroken),
    ] {
        let world = World::new().await;
        *world.fetcher.mishaps.lock().unwrap() = vec![mishap; 3];
        let job_timeout =
            if mishap == Mishap::Hangs { Duration::from_millis(100) } else { Duration::MAX / 4 };
        let worker = world.start_with(EngineSettings { job_timeout, ..engine_settings() });
        let id = world.enqueue_id(world.user, 1).await;
        let job = world.until_status(id, JobStatus::Failed).await;
        assert_eq!(job.failure_code, Some(code), "{mishap:?}");
        world.until_no_work_folder().await;
        worker.stop().await;
        assert!(world.library(world.user).await.is_empty());
    }
}

#[tokio::test]
async fn a_cancelled_import_leaves_no_work_folder_and_no_song() {
    let world = World::new().await;
    world.fetcher.close_gate();
    let worker = world.start();
    let id = world.enqueue_id(world.user, 1).await;
    eventually("the download is under way", || async { world.fetcher.waiting.load(Ordering::SeqCst) == 1 })
        .await;
    world.store.cancel_job(id, Some(world.user)).await.unwrap();
    world.until_status(id, JobStatus::Cancelled).await;
    world.until_no_work_folder().await;
    world.fetcher.open_gate();
    worker.stop().await;
    assert!(world.library(world.user).await.is_empty());
    assert!(world.blobs.keys().is_empty());
}

#[tokio::test]
async fn a_song_whose_object_vanished_is_not_published_but_made_again() {
    let world = World::new().await;
    world.blobs.lose_puts.store(1, Ordering::SeqCst);
    let worker = world.start();
    let id = world.enqueue_id(world.user, 1).await;
    let job = world.until_status(id, JobStatus::Completed).await;
    assert_eq!((job.attempt, world.fetcher.fetches()), (2, 2));
    let song = world.store.find_song(job.song_id.unwrap()).await.unwrap().unwrap();
    assert!(world.blobs.has(&song.audio.storage_key));
    worker.stop().await;
}

#[tokio::test]
async fn an_import_whose_worker_was_killed_is_done_by_the_next_and_leaves_nothing() {
    let world = World::new().await;
    world.fetcher.close_gate();
    let lease = Duration::from_secs(1);
    let killed = world.start_with(EngineSettings { lease, ..engine_settings() });
    let id = world.enqueue_id(world.user, 1).await;
    eventually("the download is under way", || async { world.fetcher.waiting.load(Ordering::SeqCst) == 1 })
        .await;
    // What a process that was killed leaves behind.
    let left = world.work_dir().join(&world.work_folders()[0]);
    killed.task.abort();
    world.until_no_work_folder().await;
    std::fs::create_dir_all(&left).unwrap();
    std::fs::write(left.join("audio.mp4"), "half").unwrap();

    world.fetcher.open_gate();
    let next = world.start_with(EngineSettings { lease: Duration::from_secs(10), ..engine_settings() });
    let job = world.until_status(id, JobStatus::Completed).await;
    assert_eq!(job.attempt, 2);
    world.until_no_work_folder().await;
    assert_eq!(world.library(world.user).await.len(), 1);
    assert_eq!(world.blobs.keys().len(), 1);
    next.stop().await;
}

#[tokio::test]
async fn a_work_folder_that_cannot_be_made_stops_the_worker_at_once() {
    let world = World::new().await;
    std::fs::write(world.work_dir(), "not a folder").unwrap();
    let worker = world.start();
    assert!(worker.task.await.unwrap().is_err());
}

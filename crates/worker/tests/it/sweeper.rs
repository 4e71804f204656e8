//! What the sweeper takes and what it leaves.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use songkeep_domain::{
    Clock as _, JobId, SystemClock,
    library::{CatalogStore as _, RESTORABLE_FOR},
};
use songkeep_worker::{SweepReport, SweepSettings};

use crate::world::{World, publish};

const HOUR: Duration = Duration::from_secs(3_600);
const OLD: Duration = Duration::from_secs(25 * 3_600);

/// What every pass over the blobs of these tests reports.
fn nothing() -> SweepReport {
    SweepReport { uploads: 3, ..SweepReport::default() }
}

#[tokio::test]
async fn only_old_objects_that_no_song_refers_to_are_deleted() {
    let world = World::new().await;
    for (key, age) in [
        ("audio/aa/old-unreferenced.mp4", OLD),
        ("audio/aa/old-referenced.mp4", OLD),
        ("audio/aa/young-unreferenced.mp4", 23 * HOUR),
        ("covers/aa/old.webp", OLD),
        ("audiobooks/old.mp4", OLD),
    ] {
        world.blobs.insert(key, age);
    }
    world.publish(1, "audio/aa/old-referenced.mp4").await;
    let report = world.sweeper(SweepSettings::default()).await.sweep_once().await;
    assert_eq!(report, SweepReport { objects: 1, object_bytes: 10, ..nothing() });
    assert_eq!(
        world.blobs.keys(),
        [
            "audio/aa/old-referenced.mp4",
            "audio/aa/young-unreferenced.mp4",
            "audiobooks/old.mp4",
            "covers/aa/old.webp",
        ]
    );
}

#[tokio::test]
async fn more_objects_than_one_query_asks_for_are_swept() {
    let world = World::new().await;
    for number in 0..1_201 {
        world.blobs.insert(&format!("audio/aa/{number:04}.mp4"), OLD);
    }
    world.publish(1, "audio/aa/0777.mp4").await;
    let report = world.sweeper(SweepSettings::default()).await.sweep_once().await;
    assert_eq!(report.objects, 1_200);
    assert_eq!(world.blobs.keys(), ["audio/aa/0777.mp4"]);
}

#[tokio::test]
async fn an_object_that_is_put_again_during_the_sweep_is_kept() {
    let world = World::new().await;
    let key = "audio/aa/again.mp4";
    world.blobs.insert(key, OLD);
    let blobs = Arc::clone(&world.blobs);
    world.blobs.at_stat(key, move || async move { blobs.insert(key, Duration::ZERO) });
    let report = world.sweeper(SweepSettings::default()).await.sweep_once().await;
    assert_eq!(report, nothing());
    assert!(world.blobs.has(key));
}

#[tokio::test]
async fn an_object_that_a_song_comes_to_refer_to_during_the_sweep_is_kept() {
    let world = World::new().await;
    let key = "audio/aa/published.mp4";
    world.blobs.insert(key, OLD);
    let (store, user) = (Arc::clone(&world.store), world.user);
    world.blobs.at_stat(key, move || async move {
        publish(&store, user, 1, key).await;
    });
    let report = world.sweeper(SweepSettings::default()).await.sweep_once().await;
    assert_eq!(report, nothing());
    assert!(world.blobs.has(key));
}

#[tokio::test]
async fn a_song_without_owners_is_kept_for_its_grace_time_and_then_goes_with_its_object() {
    let world = World::new().await;
    let key = "audio/aa/orphan.mp4";
    world.blobs.insert(key, OLD);
    let song = world.publish(1, key).await;
    let removed = SystemClock.now().minus(RESTORABLE_FOR * 2);
    world.store.remove_entry(world.user, song, removed).await.unwrap();

    let report = world.sweeper(SweepSettings::default()).await.sweep_once().await;
    assert_eq!(report, nothing());
    assert!(world.store.find_song(song).await.unwrap().is_some());

    let soon = SweepSettings { orphan_grace: Duration::ZERO, ..SweepSettings::default() };
    let report = world.sweeper(soon).await.sweep_once().await;
    assert_eq!((report.songs, report.objects), (1, 1));
    assert!(world.store.find_song(song).await.unwrap().is_none());
    assert!(!world.blobs.has(key));
}

#[tokio::test]
async fn a_song_that_can_be_restored_is_kept_whatever_the_grace_time() {
    let world = World::new().await;
    let key = "audio/aa/restorable.mp4";
    world.blobs.insert(key, OLD);
    let song = world.publish(1, key).await;
    world.store.remove_entry(world.user, song, SystemClock.now()).await.unwrap();
    let soon = SweepSettings { orphan_grace: Duration::ZERO, ..SweepSettings::default() };
    let report = world.sweeper(soon).await.sweep_once().await;
    assert_eq!(report, nothing());
    assert!(world.blobs.has(key));
    assert!(world.store.restore_entry(world.user, song, SystemClock.now()).await.unwrap().is_some());
}

#[tokio::test]
async fn rows_past_their_time_are_forgotten_and_work_folders_of_ended_jobs_removed() {
    let world = World::new().await;
    let key = "audio/aa/kept.mp4";
    world.blobs.insert(key, OLD);
    world.publish(1, key).await;
    std::fs::create_dir_all(world.work_dir().join(format!("{}-1", JobId::new()))).unwrap();
    let at_once = SweepSettings {
        finished_jobs_kept: Duration::ZERO,
        events_kept: Duration::ZERO,
        ..SweepSettings::default()
    };
    let report = world.sweeper(at_once).await.sweep_once().await;
    assert_eq!((report.jobs, report.work_folders, report.failed_steps), (1, 1, 0));
    assert!(report.events >= 2, "{report:?}");
    assert_eq!(world.library(world.user).await.len(), 1);
    assert!(world.blobs.has(key));
}

#[tokio::test]
async fn nothing_is_swept_while_the_clocks_disagree() {
    let world = World::new().await;
    world.blobs.insert("audio/aa/old.mp4", OLD);
    let sweeper = world.sweeper(SweepSettings::default()).await;
    for off_by in [60, -60] {
        world.clock.0.store(off_by, Ordering::SeqCst);
        let report = sweeper.sweep_once().await;
        assert_eq!(report, SweepReport { failed_steps: 1, ..SweepReport::default() });
        assert!(world.blobs.has("audio/aa/old.mp4"));
    }
    world.clock.0.store(0, Ordering::SeqCst);
    assert_eq!(sweeper.sweep_once().await.objects, 1);
}

#[tokio::test]
async fn a_step_that_fails_does_not_keep_the_others_from_being_made() {
    let world = World::new().await;
    world.blobs.unlistable.store(true, Ordering::SeqCst);
    std::fs::create_dir_all(world.work_dir().join(format!("{}-1", JobId::new()))).unwrap();
    let report = world.sweeper(SweepSettings::default()).await.sweep_once().await;
    assert_eq!(report, SweepReport { failed_steps: 1, work_folders: 1, ..nothing() });
}

#[tokio::test]
async fn several_nodes_may_sweep_at_once() {
    let world = World::new().await;
    for number in 0..100 {
        world.blobs.insert(&format!("audio/aa/{number}.mp4"), OLD);
    }
    world.publish(1, "audio/aa/50.mp4").await;
    let (one, other) =
        (world.sweeper(SweepSettings::default()).await, world.sweeper(SweepSettings::default()).await);
    let (one, other) = tokio::join!(one.sweep_once(), other.sweep_once());
    assert_eq!((one.failed_steps, other.failed_steps), (0, 0));
    assert_eq!(world.blobs.keys(), ["audio/aa/50.mp4"]);
}

#[test]
fn objects_are_kept_longer_than_any_attempt_takes() {
    let settings = SweepSettings { object_grace: HOUR, ..SweepSettings::default() };
    assert_eq!(settings.clone().for_attempts_of(2 * HOUR).object_grace, 2 * HOUR);
    assert_eq!(settings.for_attempts_of(HOUR / 2).object_grace, HOUR);
}

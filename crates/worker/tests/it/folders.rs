//! Which work folders are removed, and when.

use std::time::Duration;

use songkeep_domain::{
    JobId,
    job::{Claim, JobStore as _},
};
use songkeep_worker::WorkFolders;

use crate::world::{World, eventually};

#[tokio::test]
async fn a_new_attempt_removes_what_earlier_ones_at_the_same_job_left() {
    let world = World::new().await;
    let folders = WorkFolders::new(world.work_dir());
    folders.prepare().await.unwrap();
    let (job_id, other) = (JobId::new(), JobId::new());
    for name in [format!("{job_id}-1"), format!("{job_id}-3"), format!("{other}-1")] {
        std::fs::create_dir(world.work_dir().join(&name)).unwrap();
        std::fs::write(world.work_dir().join(&name).join("left"), "over").unwrap();
    }
    let attempt = folders.begin(&Claim { job_id, fence: 3 }).await.unwrap();
    assert!(std::fs::read_dir(attempt.path()).unwrap().next().is_none(), "it is not empty");
    let mut names = world.work_folders();
    names.sort();
    let mut expected = [format!("{job_id}-3"), format!("{other}-1")];
    expected.sort();
    assert_eq!(names, expected);

    attempt.remove().await;
    assert_eq!(world.work_folders(), [format!("{other}-1")]);
}

#[tokio::test]
async fn dropping_an_attempt_removes_its_folder() {
    let world = World::new().await;
    let folders = WorkFolders::new(world.work_dir());
    folders.prepare().await.unwrap();
    let attempt = folders.begin(&Claim { job_id: JobId::new(), fence: 1 }).await.unwrap();
    std::fs::write(attempt.path().join("half"), "of a song").unwrap();
    drop(attempt);
    eventually("it is gone", || async { world.work_folders().is_empty() }).await;
}

#[tokio::test]
async fn only_folders_of_jobs_that_nobody_works_on_are_stale() {
    let world = World::new().await;
    world.enqueue(world.user, 1).await;
    let running = world.store.claim_job("elsewhere", Duration::from_secs(60)).await.unwrap().unwrap();
    let waiting = world.enqueue_id(world.user, 2).await;
    let kept = [format!("{}-1", running.claim.job_id), "something else".to_owned(), "lost+found".to_owned()];
    let stale = [format!("{waiting}-4"), format!("{}-1", JobId::new())];
    for name in kept.iter().chain(&stale) {
        std::fs::create_dir_all(world.work_dir().join(name)).unwrap();
    }
    let folders = WorkFolders::new(world.work_dir());
    assert_eq!(folders.remove_stale(&*world.store).await.unwrap(), 2);
    let mut names = world.work_folders();
    names.sort();
    let mut expected = kept.to_vec();
    expected.sort();
    assert_eq!(names, expected);
}

use std::{sync::Arc, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use songkeep_domain::{job::FailureCode, media::SongFetcher};
use tokio::task::JoinHandle;

use crate::world::{Heard, PATIENCE, World, eventually, is_alive, youtube};

type Fetch = JoinHandle<Result<songkeep_domain::media::FetchedAudio, songkeep_domain::job::ImportFailure>>;

/// Begins a fetch and waits until its bytes come; what it hears.
async fn begin(world: &Arc<World>, number: usize) -> (Fetch, Arc<Heard>) {
    let heard = Arc::new(Heard::default());
    let id = world.fake.videos()[number].id.clone();
    let folder = world.job_folder(&format!("begun-{number}"));
    let fetch = tokio::spawn({
        let (world, heard) = (Arc::clone(world), Arc::clone(&heard));
        async move { world.fetcher.fetch(&youtube(&id), &folder, &*heard).await }
    });
    eventually("bytes come", || !heard.log().downloaded.is_empty() || fetch.is_finished()).await;
    assert!(!fetch.is_finished(), "it was to be slow");
    (fetch, heard)
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap(), signal).unwrap();
}

/// Two jobs on two workers, one of which has something done to its worker.
async fn two_jobs(stall: Duration, what: Signal) -> (Arc<World>, u32, Fetch, Fetch) {
    let world = Arc::new(World::with(|pool, _| pool.stall_timeout = stall).await);
    world.fake.set_throttle(Some(12_000));
    let (victim, _) = begin(&world, 0).await;
    let pids = world.pool.worker_pids();
    assert_eq!(pids.len(), 1);
    let (other, _) = begin(&world, 1).await;
    signal(pids[0], what);
    (world, pids[0], victim, other)
}

#[tokio::test]
async fn a_worker_that_crashes_costs_its_own_job_alone() {
    let (world, pid, victim, other) = two_jobs(PATIENCE, Signal::KILL).await;
    let failure = victim.await.unwrap().unwrap_err();
    assert_eq!(failure.code, FailureCode::ToolBroken, "{failure}");
    assert!(failure.code.is_transient());
    world.fake.set_throttle(None);
    other.await.unwrap().unwrap();
    assert!(!world.pool.worker_pids().contains(&pid));
    world.fetch(&world.fake.videos()[0].id, "again").await.unwrap();
}

#[tokio::test]
async fn a_worker_that_hangs_costs_its_own_job_alone_and_is_killed() {
    let (world, pid, victim, other) = two_jobs(Duration::from_secs(4), Signal::STOP).await;
    world.fake.set_throttle(None);
    other.await.unwrap().unwrap();
    let failure = victim.await.unwrap().unwrap_err();
    assert_eq!(failure.code, FailureCode::Timeout, "{failure}");
    eventually("the worker that hangs is gone", || !is_alive(pid)).await;
    world.fetch(&world.fake.videos()[0].id, "again").await.unwrap();
}

#[tokio::test]
async fn a_worker_that_died_while_it_had_nothing_to_do_is_not_noticed() {
    let world = World::new().await;
    world.pool.ping().await.unwrap();
    let pid = world.pool.worker_pids()[0];
    signal(pid, Signal::KILL);
    eventually("it is gone", || !is_alive(pid)).await;
    world.pool.ping().await.unwrap();
    assert_ne!(world.pool.worker_pids(), [pid]);
}

#[tokio::test]
async fn whoever_drops_a_fetch_cancels_it_and_the_worker_goes_on() {
    let world = Arc::new(
        World::with(|pool, _| {
            pool.workers = 1;
            pool.cancel_grace = Duration::from_secs(20);
        })
        .await,
    );
    world.fake.set_throttle(Some(12_000));
    let (fetch, heard) = begin(&world, 0).await;
    let pids = world.pool.worker_pids();
    fetch.abort();
    assert!(fetch.await.unwrap_err().is_cancelled());
    // The only worker is free again.
    world.pool.ping().await.unwrap();
    assert_eq!(world.pool.worker_pids(), pids, "it stopped when asked");
    let told = heard.log().downloaded.len();
    world.fake.set_throttle(None);
    world.fetch(&world.fake.videos()[1].id, "next").await.unwrap();
    assert_eq!(heard.log().downloaded.len(), told);
}

#[tokio::test]
async fn a_cancelled_worker_that_does_not_stop_is_killed() {
    let world = Arc::new(World::with(|pool, _| pool.cancel_grace = Duration::from_millis(300)).await);
    world.fake.set_throttle(Some(12_000));
    let (fetch, _) = begin(&world, 0).await;
    let pid = world.pool.worker_pids()[0];
    signal(pid, Signal::STOP);
    fetch.abort();
    eventually("the worker is gone", || !is_alive(pid)).await;
    world.pool.ping().await.unwrap();
}

#[tokio::test]
async fn a_worker_is_replaced_after_so_many_jobs_or_so_much_memory() {
    let world = World::with(|pool, _| pool.max_jobs = 2).await;
    let mut pids = Vec::new();
    for _ in 0..4 {
        world.pool.ping().await.unwrap();
        pids.extend(world.pool.worker_pids().last().copied());
        eventually("a retired worker is gone", || world.pool.worker_pids().len() <= 1).await;
    }
    pids.dedup();
    assert_eq!(pids.len(), 2, "{pids:?}");

    let world = World::with(|pool, _| pool.max_rss_kb = 1).await;
    world.pool.ping().await.unwrap();
    eventually("a fat worker is gone", || world.pool.worker_pids().is_empty()).await;
}

#[tokio::test]
async fn a_worker_without_work_ends() {
    let world = World::with(|pool, _| pool.idle_timeout = Duration::from_millis(200)).await;
    world.pool.ping().await.unwrap();
    eventually("it is gone", || world.pool.worker_pids().is_empty()).await;
    world.pool.ping().await.unwrap();
}

#[tokio::test]
async fn stopping_ends_every_worker_and_refuses_new_jobs() {
    let world = Arc::new(World::new().await);
    world.fake.set_throttle(Some(12_000));
    world.pool.ping().await.unwrap();
    let (fetch, _) = begin(&world, 0).await;
    let pids = world.pool.worker_pids();
    world.pool.stop().await;
    assert_eq!(fetch.await.unwrap().unwrap_err().code, FailureCode::Internal);
    eventually("all workers are gone", || pids.iter().all(|pid| !is_alive(*pid))).await;
    assert_eq!(world.pool.ping().await.unwrap_err().code, FailureCode::Internal);
}

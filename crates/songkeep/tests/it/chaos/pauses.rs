//! A worker that stands still for longer than its lease, and then goes on as if nothing had happened.

use std::time::Duration;

use super::{
    fleet::{Fleet, Wishes},
    load::Load,
    soundness::is_sound,
};

const COPIES: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_stood_still_past_its_lease_spoils_nothing() {
    let fleet = Fleet::start(Wishes { copies: COPIES, ..Wishes::default() }).await;
    // Slow enough for jobs to be under way at the stop.
    fleet.youtube.set_throttle(Some(50_000));
    let load = Load::start(&fleet, COPIES, Duration::from_millis(500)).await;
    // Each worker has two slots: with three in work, both work.
    fleet
        .until_query("SELECT count(*) FROM jobs WHERE status = 'processing'", |count| {
            count.parse::<u32>().unwrap() >= 3
        })
        .await;
    fleet.program("worker-1").pause().unwrap();
    // The other takes its jobs once their lease is over, and does them.
    let taken_over = "SELECT count(*) FROM jobs WHERE status = 'completed' AND attempt >= 2";
    fleet.until_query(taken_over, |count| count != "0").await;
    fleet.program("worker-1").resume().unwrap();
    is_sound(&fleet, load, 3).await;
}

//! Redis away, and Redis that has forgotten everything.

use std::time::Duration;

use tokio::{task::block_in_place, time::sleep};

use super::{
    fleet::{Fleet, Wishes},
    load::Load,
    soundness::is_sound,
};

const COPIES: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_may_be_killed_and_may_forget_everything_and_nobody_notices() {
    let mut fleet = Fleet::start(Wishes { copies: COPIES, ..Wishes::default() }).await;
    let load = Load::start(&fleet, COPIES, Duration::from_millis(700)).await;
    load.goes_on_for(2).await;
    block_in_place(|| fleet.redis.stop());
    // Longer than workers poll.
    load.goes_on_for(3).await;
    sleep(Duration::from_secs(5)).await;
    block_in_place(|| fleet.redis.restart().unwrap());
    load.goes_on_for(2).await;
    block_in_place(|| fleet.redis.flush().unwrap());
    load.goes_on_for(2).await;
    let load = is_sound(&fleet, load, 1).await;
    load.api.journal.assert_nothing_failed();
}

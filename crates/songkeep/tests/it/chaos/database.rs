//! PostgreSQL crashes and comes back.

use std::time::Duration;

use tokio::{task::block_in_place, time::sleep};

use super::{
    fleet::{Fleet, Wishes},
    load::Load,
    soundness::is_sound,
};

const COPIES: usize = 14;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_crashes_and_comes_back_has_lost_nothing() {
    let fleet = Fleet::start(Wishes { copies: COPIES, ..Wishes::default() }).await;
    let load = Load::start(&fleet, COPIES, Duration::from_millis(800)).await;
    // Back at once, and after a while.
    for away in [Duration::ZERO, Duration::from_secs(3)] {
        load.goes_on_for(3).await;
        block_in_place(|| fleet.postgres.stop().unwrap());
        sleep(away).await;
        block_in_place(|| fleet.postgres.restart().unwrap());
    }
    load.goes_on_for(2).await;
    is_sound(&fleet, load, 3).await;
}

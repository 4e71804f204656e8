//! Processes that are killed.

use std::time::Duration;

use tokio::time::sleep;

use super::{
    fleet::{Fleet, Wishes},
    load::Load,
    soundness::is_sound,
};

const COPIES: usize = 24;
/// Long enough for everybody to miss it.
const AWAY: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_of_each_role_may_be_killed_at_any_moment() {
    let mut fleet = Fleet::start(Wishes { copies: COPIES, ..Wishes::default() }).await;
    let load = Load::start(&fleet, COPIES, Duration::from_millis(700)).await;
    for name in ["worker-1", "gateway-1", "auth", "stream-1", "catalog", "download", "search", "admin"] {
        load.goes_on_for(1).await;
        fleet.kill(name).await;
        sleep(AWAY).await;
        fleet.start_node(name).await;
    }
    load.goes_on_for(1).await;
    is_sound(&fleet, load, 3).await;
}

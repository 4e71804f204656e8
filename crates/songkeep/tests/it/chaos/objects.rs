//! S3 away, failing and slow.

use std::time::Duration;

use songkeep_testkit::fault_proxy::Action;
use tokio::{task::block_in_place, time::sleep};

use super::{
    fleet::{Fleet, Wishes},
    load::Load,
    soundness::is_sound,
};

const COPIES: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_away_for_half_a_minute_delays_imports_and_stops_only_playback() {
    let mut fleet = Fleet::start(Wishes { copies: COPIES, ..Wishes::default() }).await;
    let load = Load::start(&fleet, COPIES, Duration::from_millis(2_500)).await;
    load.goes_on_for(2).await;
    block_in_place(|| fleet.s3.stop());
    sleep(Duration::from_secs(25)).await;
    for (name, says) in [("stream-1", "audio"), ("stream-2", "audio"), ("worker-1", "audio")] {
        let (is_ready, dependencies) = fleet.readiness(name).await.unwrap();
        let bad = dependencies.iter().any(|one| one["name"] == says && one["ok"] == false);
        assert!(!is_ready && bad, "{name}: {dependencies:?}");
    }
    let (is_ready, dependencies) = fleet.readiness("gateway-1").await.unwrap();
    assert!(is_ready, "{dependencies:?}");
    sleep(Duration::from_secs(5)).await;
    block_in_place(|| fleet.s3.restart().unwrap());
    let load = is_sound(&fleet, load, 3).await;
    load.api.journal.assert_only_failed(&["stream"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_that_fails_now_and_then_and_is_slow_spoils_nothing() {
    let fleet = Fleet::start(Wishes { copies: COPIES, s3_by_proxy: true, ..Wishes::default() }).await;
    let load = Load::start(&fleet, COPIES, Duration::from_millis(800)).await;
    load.goes_on_for(1).await;
    let mut number = 0;
    fleet.s3_proxy.plan(move |_, _| {
        number += 1;
        match number % 4 {
            0 => Action::Answer(500, "InternalError"),
            1 => Action::Slow(Duration::from_millis(800)),
            2 => Action::Lose(503),
            _ => Action::Pass,
        }
    });
    load.goes_on_for(8).await;
    fleet.s3_proxy.plan(|_, _| Action::Pass);
    load.goes_on_for(1).await;
    let load = is_sound(&fleet, load, 8).await;
    load.api.journal.assert_only_failed(&["stream"]);
}

//! Every process is replaced, one after the other, and nobody notices.

use std::time::{Duration, Instant};

use reqwest::{StatusCode, header};
use tokio::time::sleep;

use super::{
    fleet::{Fleet, PATIENCE, Wishes},
    load::Load,
    soundness::is_sound,
};

const COPIES: usize = 30;
/// What a container takes until its process runs.
const STARTING: Duration = Duration::from_secs(1);
/// Nobody can take over from the one of these: draining would help nobody.
const ALONE: [&str; 5] = ["auth", "search", "catalog", "download", "admin"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_of_all_nodes_fails_no_request() {
    let settings = ALONE.map(|name| (name, [("SHUTDOWN_DRAIN_SECONDS", "0")])).to_vec();
    let mut fleet = Fleet::start(Wishes { copies: COPIES, settings, ..Wishes::default() }).await;
    let load = Load::start(&fleet, COPIES, Duration::from_millis(900)).await;
    for name in fleet.running() {
        let began = Instant::now();
        let base = fleet.base_of(name);
        if name.contains("-1") && !name.starts_with("worker") {
            tokio::join!(fleet.end(name), says_that_it_ends_and_serves(&base));
        } else {
            fleet.end(name).await;
        }
        let ended = began.elapsed();
        sleep(STARTING).await;
        fleet.start_node(name).await;
        println!("{name} ended after {ended:?} and was back after {:?}", began.elapsed());
        fleet.all_ready(&[name]).await;
    }
    let load = is_sound(&fleet, load, 1).await;
    load.api.journal.assert_nothing_failed();
    assert!(load.api.journal.count("stream") > 100 && load.api.journal.count("refresh") > 20);
}

/// Polls until a node says that it is stopping, while it answers all the same and ends the connection.
async fn says_that_it_ends_and_serves(base: &str) {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told = client.get(format!("{base}/ready")).send().await.unwrap();
        if told.status() == StatusCode::SERVICE_UNAVAILABLE {
            assert!(told.text().await.unwrap().contains("this process is stopping"));
            break;
        }
        assert!(Instant::now() < deadline, "{base} does not say that it is stopping");
        sleep(Duration::from_millis(20)).await;
    }
    let answer = client.get(format!("{base}/health")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[header::CONNECTION], "close");
}

//! Nodes whose clock is wrong.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{
    fleet::{Fleet, PATIENCE, Wishes},
    load::Load,
    soundness::is_sound,
};

const COPIES: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_whose_clock_is_wrong_say_so_and_leave_the_work_to_others() {
    let wrong = ["gateway-2", "worker-2", "stream-2"];
    let mut fleet = Fleet::start(Wishes { copies: COPIES, later: wrong.to_vec(), ..Wishes::default() }).await;
    let library = faketime().display().to_string();
    for name in wrong {
        let settings =
            [("LD_PRELOAD", library.as_str()), ("FAKETIME", "+120s"), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
        fleet.set(name, &settings);
        fleet.start_node(name).await;
        let why = says_why(&fleet, name).await;
        let seconds = why.split_once("the clock is ").and_then(|(_, rest)| rest.split_once(" s ahead of "));
        let seconds: f64 = seconds.unwrap_or_else(|| panic!("{name}: {why}")).0.parse().unwrap();
        assert!((115.0..=121.0).contains(&seconds), "{name}: {why}");
    }
    let mut load = Load::start(&fleet, COPIES, Duration::from_millis(400)).await;
    load.goes_on_for(COPIES).await;
    load.stop().await;
    load.api.journal.assert_nothing_failed();
    for name in wrong {
        let (is_ready, _) = fleet.readiness(name).await.unwrap();
        assert!(!is_ready, "{name} is ready again");
    }
    let metrics = fleet.metrics("worker-2").await;
    let claimed = metrics.lines().find(|line| line.starts_with("songkeep_jobs_claimed_total"));
    assert!(claimed.is_none_or(|line| line.ends_with(" 0")), "{claimed:?}");
    for name in wrong {
        fleet.end(name).await;
    }
    is_sound(&fleet, load, 1).await;
}

/// Waits until a node says that it is not ready because of its clock; its words.
async fn says_why(fleet: &Fleet, name: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let told = fleet.readiness(name).await;
        if let Some((false, dependencies)) = &told {
            let mut details = dependencies.iter().filter_map(|one| one["detail"].as_str());
            if let Some(why) = details.find(|detail| detail.contains("the clock is")) {
                return why.to_owned();
            }
        }
        assert!(Instant::now() < deadline, "{name} finds its clock right: {told:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// What tells a program another time: of the Debian package `faketime`.
fn faketime() -> PathBuf {
    let folders = ["/usr/lib", "/usr/lib64"].into_iter().flat_map(|folder| {
        let inner = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        inner.chain([PathBuf::from(folder)])
    });
    folders
        .map(|folder| folder.join("faketime/libfaketimeMT.so.1"))
        .find(|library| library.is_file())
        .expect("faketime is not installed: install the Debian package `faketime` (`make test` does)")
}

//! A worker without space.

use std::{fs, path::PathBuf, time::Duration};

use super::{
    fleet::{Fleet, Wishes},
    load::Load,
    soundness::is_sound,
};
use crate::crash::{fill, may_mount};

const COPIES: usize = 12;

/// A small file system for the files of running jobs, which only the worker sees and which goes with it.
const ON_A_SMALL_DISK: &str = r#"
set -e
mkdir -p "$1/work"
mount -t tmpfs -o size=4m songkeep-test "$1/work"
shift
exec "$@"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_without_space_hands_its_jobs_on() {
    let name = "worker-1";
    let mut fleet = Fleet::start(Wishes { copies: COPIES, later: vec![name], ..Wishes::default() }).await;
    let data = fleet.data_of(name);
    let as_root: &[&str] = if may_mount().await { &[] } else { &["--user", "--map-root-user"] };
    let script = ["--mount", "sh", "-c", ON_A_SMALL_DISK, "sh", data.to_str().unwrap()];
    let words = [&["unshare"], as_root, &script].concat();
    fleet.wrap(name, words.into_iter().map(str::to_owned).collect());
    fleet.start_node(name).await;
    fleet.all_ready(&[name]).await;

    let load = Load::start(&fleet, COPIES, Duration::from_millis(700)).await;
    load.goes_on_for(1).await;
    // The folder as the worker sees it.
    let id = fleet.program(name).id();
    let ballast = PathBuf::from(format!("/proc/{id}/root{}", data.join("work/ballast").display()));
    fill(&ballast);
    fleet
        .until_query("SELECT count(*) FROM jobs WHERE failure_code = 'disk_full'", |count| count != "0")
        .await;
    load.goes_on_for(3).await;
    fs::remove_file(&ballast).unwrap();
    load.goes_on_for(1).await;
    let load = is_sound(&fleet, load, 3).await;
    load.api.journal.assert_nothing_failed();
}

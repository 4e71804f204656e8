//! Real children: `sh` is enough to see groups, environments and limits.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    path::Path,
    time::{Duration, Instant},
};

use songkeep_sandbox::{ChildSpec, Launcher, Limits, Pipe, RunError, SpawnError, find_program};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

const LONG: Duration = Duration::from_secs(20);

fn shell(script: &str) -> ChildSpec {
    ChildSpec::new("/bin/sh").arg("-c").arg(script)
}

/// Zombies count as gone: only their number is left.
fn is_alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

async fn wait_until_gone(pid: u32) {
    let deadline = Instant::now() + LONG;
    while is_alive(pid) {
        assert!(Instant::now() < deadline, "{pid} still lives");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn the_environment_is_what_is_listed() {
    let spec = ChildSpec::new("/usr/bin/env").env("SONG", "one two").env("LANG", "C");
    let finished = Launcher::new().run(spec, LONG, 4096).await.unwrap();
    assert!(finished.status.success());
    let mut lines: Vec<_> = finished.stdout_text().lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["LANG=C", "SONG=one two"]);
}

#[tokio::test]
async fn arguments_meet_no_shell() {
    let spec = ChildSpec::new("/bin/echo").args(["$HOME", "; true", "*"]);
    assert_eq!(Launcher::new().run(spec, LONG, 4096).await.unwrap().stdout_text(), "$HOME ; true *\n");
}

#[tokio::test]
async fn dropping_a_child_kills_what_it_has_started() {
    let spec = shell("sleep 600 & echo $!; wait").stdout(Pipe::Piped);
    let mut child = Launcher::new().spawn(&spec).unwrap();
    let mut lines = BufReader::new(child.take_stdout().unwrap()).lines();
    let grandchild: u32 = lines.next_line().await.unwrap().unwrap().trim().parse().unwrap();
    let leader = child.id();
    assert!(is_alive(grandchild) && is_alive(leader));
    drop(child);
    wait_until_gone(grandchild).await;
    wait_until_gone(leader).await;
}

#[tokio::test]
async fn what_a_child_leaves_behind_is_killed_at_its_end() {
    let spec = shell("sleep 600 >/dev/null & echo $!").stdout(Pipe::Piped);
    let mut child = Launcher::new().spawn(&spec).unwrap();
    let mut lines = BufReader::new(child.take_stdout().unwrap()).lines();
    let grandchild: u32 = lines.next_line().await.unwrap().unwrap().trim().parse().unwrap();
    assert!(child.wait().await.unwrap().success());
    wait_until_gone(grandchild).await;
}

#[tokio::test]
async fn a_child_that_ignores_the_request_to_end_is_killed() {
    let spec = shell("trap '' TERM; echo ready; while true; do sleep 1; done").stdout(Pipe::Piped);
    let mut child = Launcher::new().spawn(&spec).unwrap();
    let mut lines = BufReader::new(child.take_stdout().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "ready");
    let pid = child.id();
    child.stop(Duration::from_millis(100)).await;
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn taking_too_long_ends_a_child() {
    let begun = Instant::now();
    let result = Launcher::new().run(shell("sleep 600"), Duration::from_millis(100), 100).await;
    assert!(matches!(result, Err(RunError::Timeout(_))));
    assert!(begun.elapsed() < LONG);
}

#[tokio::test]
async fn output_is_kept_up_to_the_limit_and_read_to_its_end() {
    let spec = shell("head -c 300000 /dev/zero; echo oops >&2; exit 3");
    let finished = Launcher::new().run(spec, LONG, 1000).await.unwrap();
    assert_eq!(finished.stdout.len(), 1000);
    assert_eq!(finished.stderr_text(), "oops\n");
    assert_eq!(finished.status.code(), Some(3));
}

#[tokio::test]
async fn files_cannot_grow_beyond_the_limit_and_cores_are_off() {
    let folder = tempfile::tempdir().unwrap();
    // The limit is set right after the start, so the child waits for a word before it writes.
    let spec = shell("read go; ulimit -c > core; head -c 100000 /dev/zero > big")
        .env("PATH", "/usr/bin:/bin")
        .cwd(folder.path())
        .stdin(Pipe::Piped)
        .limits(Limits { file_bytes: Some(4096), open_files: Some(64), ..Limits::default() });
    let mut child = Launcher::new().spawn(&spec).unwrap();
    let mut stdin = child.take_stdin().unwrap();
    stdin.write_all(b"go\n").await.unwrap();
    assert!(!child.wait().await.unwrap().success());
    assert_eq!(std::fs::metadata(folder.path().join("big")).unwrap().len(), 4096);
    assert_eq!(std::fs::read_to_string(folder.path().join("core")).unwrap(), "0\n");
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let error = Launcher::new().spawn(&ChildSpec::new("/nowhere/tool")).unwrap_err();
    assert!(matches!(&error, SpawnError::NoProgram { program } if program == Path::new("/nowhere/tool")));
}

#[test]
fn programs_are_found_in_absolute_folders_only() {
    assert_eq!(find_program("sh", "relative:/bin".as_ref()), Some("/bin/sh".into()));
    assert_eq!(find_program("sh", "".as_ref()), None);
    assert_eq!(find_program("/bin/sh", "".as_ref()), Some("/bin/sh".into()));
    assert_eq!(find_program("passwd", "/etc".as_ref()), None, "not executable");
}

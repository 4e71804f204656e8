//! Runs a command with PostgreSQL, Redis and S3 for all its tests: `with-test-servers cargo nextest run`.

use std::{
    ffi::OsString,
    os::unix::process::ExitStatusExt as _,
    process::{Command, ExitCode},
};

use anyhow::Context as _;
use clap::Parser;
use rustix::process::{Pid, Signal, kill_process};
use songkeep_testkit::servers::Servers;
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(about = "Runs a command with servers for its tests, which end with it; its exit code is passed on")]
struct Args {
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let Args { command } = Args::parse();
    // From before the servers start: whoever presses Ctrl-C means the command, which ends by itself then, and
    // the servers after it.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let servers = tokio::select! {
        servers = tokio::task::spawn_blocking(Servers::start_for_all) => servers??,
        _ = interrupt.recv() => return Ok(ExitCode::FAILURE),
        _ = terminate.recv() => return Ok(ExitCode::FAILURE),
    };
    let mut start = Command::new(&command[0]);
    start.args(&command[1..]).envs(servers.variables());
    let mut child = tokio::process::Command::from(start)
        .spawn()
        .with_context(|| format!("{} cannot be run", command[0].display()))?;
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let status = loop {
        tokio::select! {
            status = child.wait() => break status?,
            // The terminal has told everybody.
            _ = interrupt.recv() => {}
            _ = hang_up.recv() => {}
            _ = terminate.recv() => {
                if let Some(pid) = pid {
                    // It may have ended this moment.
                    let _ = kill_process(pid, Signal::TERM);
                }
            }
        }
    };
    drop(servers);
    let code = status.code().or_else(|| Some(128 + status.signal()?)).unwrap_or(1);
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
}

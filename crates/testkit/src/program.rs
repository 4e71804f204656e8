//! A program of ours as a process of its own, to be killed, stopped and started again.

use std::{
    ffi::OsStr,
    io,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// A running program. It is killed when this is dropped, but what it has started is not.
pub struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts it with no other environment than `env` and the `PATH` and `HOME` of this process. What it
    /// writes to stderr goes to the test's own.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start<A: AsRef<OsStr>>(
        program: &Path,
        args: impl IntoIterator<Item = A>,
        env: &[(String, String)],
    ) -> anyhow::Result<Self> {
        let kept = ["PATH", "HOME"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let mut child = Command::new(program)
            .args(args)
            .env_clear()
            .envs(kept)
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be started", program.display()))?;
        let stdout = child.stdout.take().context("the program has an output")?;
        Ok(Self { child, lines: BufReader::new(stdout).lines() })
    }

    /// Waits for a line on stdout that holds `text`, and returns what comes after it.
    ///
    /// # Errors
    /// When it ends or `limit` passes before.
    pub async fn wait_for(&mut self, text: &str, limit: Duration) -> anyhow::Result<String> {
        let search = async {
            while let Some(line) = self.lines.next_line().await? {
                if let Some((_, rest)) = line.split_once(text) {
                    return Ok(rest.to_owned());
                }
            }
            bail!("the program ended without saying {text:?}");
        };
        timeout(limit, search).await.with_context(|| format!("{text:?} was not said in time"))?
    }

    /// The process id.
    ///
    /// # Panics
    /// When the program has ended and was waited for.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id().expect("nobody has waited for its end yet")
    }

    /// Freezes it with SIGSTOP, but not what it has started.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Goes on after [`Self::pause`].
    ///
    /// # Errors
    /// When it has ended.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        Ok(kill_process(pid.context("the program has ended already")?, signal)?)
    }

    /// `kill -9`; returns when it is gone.
    ///
    /// # Errors
    /// When the system cannot tell of its end.
    pub async fn kill(mut self) -> io::Result<()> {
        self.child.kill().await
    }

    /// Asks it to end by SIGTERM and waits for that.
    ///
    /// # Errors
    /// When it has not ended after `limit`.
    pub async fn terminate(mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let status = timeout(limit, self.child.wait()).await;
        Ok(status.with_context(|| format!("it has not ended {} s after SIGTERM", limit.as_secs()))??)
    }
}

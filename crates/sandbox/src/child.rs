//! A running child and all that it has started.

use std::{io, process::ExitStatus, time::Duration};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

/// A running child with a process group of its own. Dropping it kills the group at once.
#[derive(Debug)]
pub struct Child {
    inner: tokio::process::Child,
    group: Pid,
    /// The leader has been collected; its number may belong to somebody else.
    ended: bool,
}

impl Child {
    pub(crate) const fn new(inner: tokio::process::Child, group: Pid) -> Self {
        Self { inner, group, ended: false }
    }

    /// The process id, which is the group's as well.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.group.as_raw_nonzero().get().unsigned_abs()
    }

    pub const fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.inner.stdin.take()
    }

    pub const fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.inner.stdout.take()
    }

    pub const fn take_stderr(&mut self) -> Option<ChildStderr> {
        self.inner.stderr.take()
    }

    /// Waits for its end; what it has started and left behind is killed then. Can be cancelled.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.inner.wait().await?;
        self.ended();
        Ok(status)
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = self.inner.try_wait()?;
        if status.is_some() {
            self.ended();
        }
        Ok(status)
    }

    /// Asks the whole group to end.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends the whole group at once.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Asks it to end, and kills it when it has not after `grace`.
    pub async fn stop(mut self, grace: Duration) {
        self.inner.stdin.take();
        self.terminate();
        if tokio::time::timeout(grace, self.wait()).await.is_err() {
            self.kill();
            // Collected here rather than by the runtime, so that it is gone when this returns.
            let _ = self.wait().await;
        }
    }

    fn ended(&mut self) {
        self.kill();
        self.ended = true;
    }

    fn signal(&self, signal: Signal) {
        if !self.ended {
            // An error says that nobody is left.
            let _ = kill_process_group(self.group, signal);
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

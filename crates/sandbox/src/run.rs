//! Runs a short child to its end.

use std::{
    io,
    process::ExitStatus,
    time::{Duration, Instant},
};

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::{ChildSpec, Launcher, Pipe, SpawnError};

/// How a child ended and what it said.
#[derive(Clone, Debug)]
pub struct Finished {
    pub status: ExitStatus,
    /// At most as many bytes as were asked for, from the beginning.
    pub stdout: Vec<u8>,
    /// The same.
    pub stderr: Vec<u8>,
    pub took: Duration,
}

impl Finished {
    #[must_use]
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    #[must_use]
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

/// Why a child was not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    #[error("it took longer than {} s", .0.as_secs())]
    Timeout(Duration),
    #[error("its output cannot be read")]
    Io(#[from] io::Error),
}

impl Launcher {
    /// Runs a child to its end, whatever the status; its output is read, and kept up to `max_output`
    /// bytes of each stream. Dropping the future kills it.
    ///
    /// # Errors
    /// When it cannot be started, or is killed for taking longer than `timeout`.
    pub async fn run(
        &self,
        spec: ChildSpec,
        timeout: Duration,
        max_output: usize,
    ) -> Result<Finished, RunError> {
        let started = Instant::now();
        let mut child = self.spawn(&spec.stdout(Pipe::Piped).stderr(Pipe::Piped))?;
        let (stdout, stderr) = (child.take_stdout(), child.take_stderr());
        let work = async {
            let (stdout, stderr, status) =
                tokio::join!(read(stdout, max_output), read(stderr, max_output), child.wait());
            Ok::<_, io::Error>(Finished {
                status: status?,
                stdout: stdout?,
                stderr: stderr?,
                took: started.elapsed(),
            })
        };
        match tokio::time::timeout(timeout, work).await {
            Ok(finished) => Ok(finished?),
            Err(_) => Err(RunError::Timeout(timeout)),
        }
    }
}

/// Reads to the end, so that the child never waits for us, and keeps the beginning.
async fn read(stream: Option<impl AsyncRead + Unpin>, max: usize) -> io::Result<Vec<u8>> {
    let Some(mut stream) = stream else { return Ok(Vec::new()) };
    let mut kept = Vec::new();
    let mut buffer = vec![0; 8 * 1024];
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(kept);
        }
        let room = max.saturating_sub(kept.len()).min(read);
        kept.extend_from_slice(&buffer[..room]);
    }
}

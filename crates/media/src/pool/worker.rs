//! One worker process: started, configured, spoken with. It is killed when this is dropped.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use songkeep_sandbox::{Child, ChildSpec, Launcher, Pipe};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{ChildStdin, ChildStdout},
};

use super::{
    protocol::{Cancel, Configuration, Event, Numbered, Request},
    tail::Tail,
};
use crate::tools::ToolSet;

/// Loading the downloader takes half a second on an idle machine.
const START_TIMEOUT: Duration = Duration::from_secs(60);
const RETIRE_GRACE: Duration = Duration::from_secs(2);

/// Process ids of the workers that live.
pub type Roll = Arc<Mutex<Vec<u32>>>;

/// Why a worker cannot be spoken with any more.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    #[error("the download worker cannot be started: {0}")]
    Start(String),
    #[error("the download worker ended: {0}")]
    Ended(String),
}

pub struct Worker {
    child: Child,
    /// None once it was told to end.
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    tail: Tail,
    /// The tools that it was started with.
    pub tools: Arc<ToolSet>,
    pub jobs: u32,
    pub rss_kb: u64,
    pub idle_since: Instant,
    next_id: u64,
    roll: Roll,
}

impl Worker {
    /// Starts one and waits until it is ready.
    pub async fn start(
        launcher: Launcher,
        spec: ChildSpec,
        configuration: &Configuration<'_>,
        tools: Arc<ToolSet>,
        roll: Roll,
    ) -> Result<Self, WorkerError> {
        let spec = spec.stdin(Pipe::Piped).stdout(Pipe::Piped).stderr(Pipe::Piped);
        let mut child = launcher.spawn(&spec).map_err(|error| WorkerError::Start(describe(&error)))?;
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (child.take_stdin(), child.take_stdout(), child.take_stderr())
        else {
            return Err(WorkerError::Start("its streams are missing".to_owned()));
        };
        roll.lock().unwrap_or_else(PoisonError::into_inner).push(child.id());
        let mut worker = Self {
            child,
            stdin: Some(stdin),
            lines: BufReader::new(stdout).lines(),
            tail: Tail::follow(stderr),
            tools,
            jobs: 0,
            rss_kb: 0,
            idle_since: Instant::now(),
            next_id: 0,
            roll,
        };
        let ready = async {
            worker.write(configuration).await?;
            worker.next_event().await
        };
        match tokio::time::timeout(START_TIMEOUT, ready).await {
            Ok(Ok(Event::Ready { version })) => {
                tracing::debug!(pid = worker.child.id(), version, "a download worker is ready");
                Ok(worker)
            }
            Ok(Ok(_)) => Err(WorkerError::Start("it spoke out of turn".to_owned())),
            Ok(Err(error)) => Err(WorkerError::Start(error.to_string())),
            Err(_) => {
                Err(WorkerError::Start(format!("it was not ready after {} s", START_TIMEOUT.as_secs())))
            }
        }
    }

    /// Whether it still lives.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Hands it a job; the job's number.
    pub async fn submit(&mut self, request: &Request) -> Result<u64, WorkerError> {
        self.next_id += 1;
        let id = self.next_id;
        self.jobs += 1;
        self.write(&Numbered { id, request }).await?;
        Ok(id)
    }

    pub async fn cancel(&mut self, id: u64) -> Result<(), WorkerError> {
        self.write(&Cancel { op: "cancel", id }).await
    }

    /// The next thing that it says. Can be dropped and asked again.
    pub async fn next_event(&mut self) -> Result<Event, WorkerError> {
        loop {
            match self.lines.next_line().await {
                Ok(Some(line)) => match serde_json::from_str(&line) {
                    Ok(event) => return Ok(event),
                    Err(error) => {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "a worker's line cannot be read"
                        );
                    }
                },
                Ok(None) => return Err(self.ended().await),
                Err(error) => return Err(WorkerError::Ended(error.to_string())),
            }
        }
    }

    /// What it wrote beside the protocol.
    pub fn tail(&self) -> Vec<String> {
        self.tail.lines()
    }

    /// Lets it end by itself, in the background.
    pub fn retire(mut self) {
        self.stdin.take();
        if tokio::runtime::Handle::try_current().is_ok() {
            tokio::spawn(async move {
                let _ = tokio::time::timeout(RETIRE_GRACE, self.child.wait()).await;
            });
        }
    }

    /// Lets it end by itself and waits for that.
    pub async fn stop(mut self) {
        self.stdin.take();
        let _ = tokio::time::timeout(RETIRE_GRACE, self.child.wait()).await;
    }

    async fn write(&mut self, message: &impl serde::Serialize) -> Result<(), WorkerError> {
        let mut line = serde_json::to_vec(message).map_err(|error| WorkerError::Ended(error.to_string()))?;
        line.push(b'\n');
        let written = match &mut self.stdin {
            Some(stdin) => async { stdin.write_all(&line).await.and(stdin.flush().await) }.await,
            None => Err(io::ErrorKind::BrokenPipe.into()),
        };
        match written {
            Ok(()) => Ok(()),
            Err(_) => Err(self.ended().await),
        }
    }

    async fn ended(&mut self) -> WorkerError {
        let how = match tokio::time::timeout(RETIRE_GRACE, self.child.wait()).await {
            Ok(Ok(status)) => status.to_string(),
            _ => "it closed its output".to_owned(),
        };
        let tail = self.tail();
        let last = &tail[tail.len().saturating_sub(5)..];
        WorkerError::Ended(if last.is_empty() { how } else { format!("{how}: {}", last.join(" / ")) })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let pid = self.child.id();
        self.roll.lock().unwrap_or_else(PoisonError::into_inner).retain(|other| *other != pid);
    }
}

/// An error with what is behind it.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(error) = behind {
        text.push_str(": ");
        text.push_str(&error.to_string());
        behind = error.source();
    }
    text
}

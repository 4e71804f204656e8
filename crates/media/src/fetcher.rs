//! Fetches one recording: tools, download, remux, in this order.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use songkeep_domain::{
    SourceRef,
    job::{FailureCode, ImportFailure},
    media::{FetchObserver, FetchedAudio, SongFetcher},
    song::Container,
};
use songkeep_sandbox::Launcher;

use crate::{
    classify,
    metadata::clean_metadata,
    pool::{Download, DownloadEvent, Downloaded, Pool},
    remux::{Expectations, Plan, Remuxer},
    tools::Tools,
};

/// How often those who wait for the tools hear that this is still so.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// An address of media may go stale between the look at the page and the download.
const ATTEMPTS: u32 = 2;

/// What recordings are refused for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchLimits {
    pub max_duration_sec: u64,
    /// Of the download, and of the file made of it.
    pub max_bytes: u64,
}

/// Fetches recordings with the managed tools.
pub struct Fetcher {
    pub tools: Tools,
    pub pool: Pool,
    pub launcher: Launcher,
    pub limits: FetchLimits,
}

#[async_trait]
impl SongFetcher for Fetcher {
    async fn fetch(
        &self,
        source: &SourceRef,
        folder: &Path,
        observer: &dyn FetchObserver,
    ) -> Result<FetchedAudio, ImportFailure> {
        let folder = std::path::absolute(folder).map_err(|error| folder_failure(&error))?;
        self.wait_for_tools(observer).await;
        // Fails here when the tools cannot be had, with the class of that failure.
        let downloaded = self.download(source, &folder, observer).await?;
        observer.processing();

        let tools = self
            .tools
            .ensure()
            .await
            .map_err(|error| ImportFailure::new(FailureCode::ToolBroken, error.to_string()))?;
        let remuxer = Remuxer { launcher: self.launcher, ffmpeg: &tools.ffmpeg };
        let plan = Plan::for_codec(downloaded.info.acodec.as_deref());
        let expected = Expectations {
            duration: downloaded.duration,
            max_duration_sec: self.limits.max_duration_sec,
            max_bytes: self.limits.max_bytes,
        };
        let made = remuxer.remux(&downloaded.file, plan, &folder, expected).await?;
        // What was downloaded is of no more use; a failure leaves it to whoever removes the folder.
        let _ = tokio::fs::remove_file(&downloaded.file).await;
        Ok(FetchedAudio {
            path: made.path,
            extension: made.extension,
            container: Container::Mp4,
            codec: made.probed.codec,
            bitrate_kbps: made.probed.bitrate_kbps,
            duration_ms: made.probed.duration_ms,
            metadata: clean_metadata(&downloaded.info.into_metadata()),
        })
    }
}

impl Fetcher {
    async fn wait_for_tools(&self, observer: &dyn FetchObserver) {
        if self.tools.is_ready() {
            return;
        }
        let mut ensure = std::pin::pin!(self.tools.ensure());
        loop {
            observer.preparing_tools();
            if tokio::time::timeout(TELL_EVERY, &mut ensure).await.is_ok() {
                return;
            }
        }
    }

    async fn download(
        &self,
        source: &SourceRef,
        folder: &Path,
        observer: &dyn FetchObserver,
    ) -> Result<Downloaded, ImportFailure> {
        let mut attempt = 1;
        loop {
            let download = Download {
                url: source.page_url(),
                folder: subfolder(folder, attempt).await?,
                max_duration_sec: self.limits.max_duration_sec,
                max_bytes: self.limits.max_bytes,
            };
            let result = self
                .pool
                .download(download, |event| match event {
                    DownloadEvent::Resolved(info) => {
                        observer.resolved(&clean_metadata(&info.into_metadata()))
                    }
                    DownloadEvent::Progress { done, total } => observer.downloaded(done, total),
                })
                .await;
            match result {
                Err(failure) if attempt < ATTEMPTS && classify::is_stale_address(&failure) => {
                    tracing::debug!(%source, "the media were refused; looking at the page again");
                    attempt += 1;
                }
                result => return result,
            }
        }
    }
}

/// A fresh one for each attempt, so that no half of an earlier one is taken for a whole.
async fn subfolder(folder: &Path, attempt: u32) -> Result<PathBuf, ImportFailure> {
    let path = folder.join(format!("download-{attempt}"));
    tokio::fs::create_dir_all(&path).await.map_err(|error| folder_failure(&error))?;
    Ok(path)
}

fn folder_failure(error: &std::io::Error) -> ImportFailure {
    let code = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => FailureCode::DiskFull,
        _ => FailureCode::Internal,
    };
    ImportFailure::new(code, format!("the job's folder: {error}"))
}

//! The import job: `resolve → download → process → store → publish`.
//!
//! A crash before the last step leaves an object that nobody refers to, which the sweeper takes, and
//! a job that runs again and makes the same object.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use songkeep_domain::{
    SongId, StoreError,
    blob::{BlobError, BlobStore, StoredBlob},
    job::{ClaimedJob, FailureCode, ImportFailure, ImportStage, JobStore},
    media::{FetchedAudio, SongFetcher},
    song::{NewSong, SongMetadata, StoredAudio},
};
use songkeep_jobs::{Completion, JobHandler, JobReporter, until_available};

use crate::{
    folders::WorkFolders,
    progress::{FetchProgress, PUBLISH_FROM, STORE_FROM},
};

/// Objects of songs; the sweeper keeps to it.
pub(crate) const AUDIO_PREFIX: &str = "audio";

pub struct ImportHandler {
    jobs: Arc<dyn JobStore>,
    blobs: Arc<dyn BlobStore>,
    fetcher: Arc<dyn SongFetcher>,
    folders: WorkFolders,
}

impl ImportHandler {
    /// Each attempt has a folder under `work_dir` while it runs.
    #[must_use]
    pub const fn new(
        jobs: Arc<dyn JobStore>,
        blobs: Arc<dyn BlobStore>,
        fetcher: Arc<dyn SongFetcher>,
        work_dir: PathBuf,
    ) -> Self {
        Self { jobs, blobs, fetcher, folders: WorkFolders::new(work_dir) }
    }

    async fn make_song(
        &self,
        job: &ClaimedJob,
        reporter: &JobReporter,
        folder: &Path,
    ) -> Result<NewSong, ImportFailure> {
        let progress = FetchProgress(reporter);
        let fetched = self.fetcher.fetch(&job.job.source, folder, &progress).await?;
        reporter.report(ImportStage::Store, STORE_FROM);
        let stored = self
            .blobs
            .put_file(&fetched.path, AUDIO_PREFIX, fetched.extension)
            .await
            .map_err(|error| blob_failure("storing the audio", &error))?;
        if stored.size_bytes == 0 {
            return Err(ImportFailure::new(FailureCode::ToolBroken, "the tools made an empty file"));
        }
        Ok(new_song(job, fetched, stored))
    }

    /// A song is never published without its bytes.
    async fn check_stored(&self, audio: &StoredAudio) -> Result<(), ImportFailure> {
        let found = self
            .blobs
            .stat(&audio.storage_key)
            .await
            .map_err(|error| blob_failure("checking the stored audio", &error))?;
        match found {
            Some(info) if info.size_bytes == audio.size_bytes => Ok(()),
            Some(info) => Err(ImportFailure::new(
                FailureCode::Internal,
                format!(
                    "object {} has {} bytes instead of {}",
                    audio.storage_key, info.size_bytes, audio.size_bytes
                ),
            )),
            None => Err(ImportFailure::new(
                FailureCode::Internal,
                format!("object {} is gone", audio.storage_key),
            )),
        }
    }
}

#[async_trait]
impl JobHandler for ImportHandler {
    async fn run(&self, job: &ClaimedJob, reporter: &JobReporter) -> Result<Completion, ImportFailure> {
        reporter.report(ImportStage::Resolve, 0);
        let folder = self
            .folders
            .begin(&job.claim)
            .await
            .map_err(|error| io_failure("making a work folder", &error))?;
        let linked = until_available(|| self.jobs.link_existing(&job.claim))
            .await
            .map_err(|error| store_failure("looking for the song", &error));
        let completion = match linked {
            Ok(Some(published)) => Ok(Completion::Ended(published)),
            Ok(None) => match self.make_song(job, reporter, folder.path()).await {
                Ok(song) => {
                    reporter.report(ImportStage::Publish, PUBLISH_FROM);
                    self.check_stored(&song.audio).await.map(|()| Completion::Publish(Box::new(song)))
                }
                Err(failure) => Err(failure),
            },
            Err(failure) => Err(failure),
        };
        folder.remove().await;
        completion
    }

    async fn check(&self) -> Result<(), String> {
        self.folders.check_space().await.map_err(|error| chain("the work folder", &error))?;
        self.blobs.check().await.map_err(|error| chain("the audio", &error))
    }
}

fn new_song(job: &ClaimedJob, fetched: FetchedAudio, stored: StoredBlob) -> NewSong {
    let FetchedAudio { container, codec, bitrate_kbps, duration_ms, metadata, .. } = fetched;
    // A song needs a name; a listener's hint never names what everybody shares.
    let title = if metadata.title.trim().is_empty() {
        job.job.source.id().to_owned()
    } else {
        metadata.title.clone()
    };
    NewSong {
        id: SongId::new(),
        metadata: SongMetadata { title, ..metadata },
        audio: StoredAudio {
            container,
            codec,
            bitrate_kbps,
            duration_ms,
            sha256: stored.sha256,
            storage_key: stored.key,
            size_bytes: stored.size_bytes,
        },
    }
}

fn blob_failure(doing: &str, error: &BlobError) -> ImportFailure {
    let code = match error {
        BlobError::Full(_) => FailureCode::DiskFull,
        BlobError::Io(source) => io_code(source),
        BlobError::NotFound(_) | BlobError::BadKey(_) => FailureCode::Internal,
    };
    failure(code, doing, error)
}

fn store_failure(doing: &str, error: &StoreError) -> ImportFailure {
    failure(FailureCode::Internal, doing, error)
}

fn io_failure(doing: &str, error: &io::Error) -> ImportFailure {
    failure(io_code(error), doing, error)
}

fn io_code(error: &io::Error) -> FailureCode {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => FailureCode::DiskFull,
        _ => FailureCode::Internal,
    }
}

fn failure(code: FailureCode, doing: &str, error: &dyn Error) -> ImportFailure {
    ImportFailure::new(code, chain(&format!("{doing} failed"), error))
}

/// The error in words, with its causes.
fn chain(about: &str, error: &dyn Error) -> String {
    let mut detail = format!("{about}: {error}");
    let mut source = error.source();
    while let Some(error) = source {
        detail.push_str(": ");
        detail.push_str(&error.to_string());
        source = error.source();
    }
    detail
}

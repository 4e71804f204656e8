//! A fetcher that writes a file of its own instead of asking a source.

use std::{
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use songkeep_domain::{
    SourceRef,
    job::{FailureCode, ImportFailure},
    media::{FetchObserver, FetchedAudio, SongFetcher},
    song::{Container, SongMetadata},
};
use tokio::sync::Semaphore;

/// What goes wrong with a fetch, after half of the file was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    Fails(FailureCode),
    Panics,
    Hangs,
    WritesNothing,
}

pub struct FakeFetcher {
    pub fetches: AtomicUsize,
    /// The next fetches' mishaps, the last first.
    pub mishaps: Mutex<Vec<Mishap>>,
    /// Fetches wait here half-way; plenty of permits unless a test takes them away.
    pub gate: Semaphore,
    pub waiting: AtomicUsize,
}

impl FakeFetcher {
    pub fn new() -> Self {
        Self {
            fetches: AtomicUsize::new(0),
            mishaps: Mutex::default(),
            gate: Semaphore::new(1_000),
            waiting: AtomicUsize::new(0),
        }
    }

    /// Fetches stop half-way until the gate is opened.
    pub fn close_gate(&self) {
        self.gate.forget_permits(usize::MAX);
    }

    pub fn open_gate(&self) {
        self.gate.add_permits(1_000);
    }

    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

pub fn title_of(source: &SourceRef) -> String {
    format!("Title of {}", source.id())
}

#[async_trait]
impl SongFetcher for FakeFetcher {
    async fn fetch(
        &self,
        source: &SourceRef,
        folder: &Path,
        observer: &dyn FetchObserver,
    ) -> Result<FetchedAudio, ImportFailure> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        assert!(std::fs::read_dir(folder).unwrap().next().is_none(), "the folder is not empty");
        let mishap = self.mishaps.lock().unwrap().pop();
        observer.preparing_tools();
        let metadata = SongMetadata { title: title_of(source), ..SongMetadata::default() };
        observer.resolved(&metadata);
        let path = folder.join("audio.mp4");
        let bytes = format!("audio of {source}");
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        observer.downloaded(50, 100);
        match mishap {
            Some(Mishap::Fails(code)) => return Err(ImportFailure::new(code, "as the test says")),
            Some(Mishap::Panics) => panic!("as the test says"),
            Some(Mishap::Hangs) => std::future::pending().await,
            Some(Mishap::WritesNothing) | None => {}
        }
        self.waiting.fetch_add(1, Ordering::SeqCst);
        drop(self.gate.acquire().await.unwrap());
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        observer.downloaded(100, 100);
        observer.processing();
        std::fs::write(&path, if mishap.is_some() { "" } else { &bytes }).unwrap();
        Ok(FetchedAudio {
            path,
            extension: "mp4",
            container: Container::Mp4,
            codec: "opus".to_owned(),
            bitrate_kbps: 128,
            duration_ms: 215_000,
            metadata,
        })
    }
}

//! The worker role put together.

use std::{io, path::PathBuf, sync::Arc};

use songkeep_domain::{
    Clock, blob::BlobStore, bus::Bus, event::EventStore, job::JobStore, library::CatalogStore,
    media::SongFetcher,
};
use songkeep_jobs::{Engine, EngineHealth, EnginePorts, EngineSettings};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{ImportHandler, SweepSettings, Sweeper, SweeperPorts, folders::WorkFolders};

pub struct WorkerPorts {
    pub jobs: Arc<dyn JobStore>,
    pub catalog: Arc<dyn CatalogStore>,
    pub events: Arc<dyn EventStore>,
    pub blobs: Arc<dyn BlobStore>,
    pub fetcher: Arc<dyn SongFetcher>,
    pub bus: Arc<dyn Bus>,
    pub clock: Arc<dyn Clock>,
}

#[derive(Clone, Debug)]
pub struct WorkerSettings {
    pub engine: EngineSettings,
    /// Where attempts have their folders while they run; need not outlive the machine.
    pub work_dir: PathBuf,
    pub sweep: SweepSettings,
}

/// Cheap to clone; clones are the same worker.
#[derive(Clone)]
pub struct Worker {
    engine: Engine,
    sweeper: Sweeper,
    folders: WorkFolders,
    jobs: Arc<dyn JobStore>,
}

impl Worker {
    #[must_use]
    pub fn new(ports: WorkerPorts, settings: WorkerSettings) -> Self {
        let WorkerPorts { jobs, catalog, events, blobs, fetcher, bus, clock } = ports;
        let WorkerSettings { engine, work_dir, sweep } = settings;
        let folders = WorkFolders::new(work_dir.clone());
        let handler = ImportHandler::new(Arc::clone(&jobs), Arc::clone(&blobs), fetcher, work_dir);
        let sweep = sweep.for_attempts_of(engine.job_timeout + engine.lease);
        let sweeper = Sweeper::new(
            SweeperPorts { jobs: Arc::clone(&jobs), catalog, events, blobs, clock: Arc::clone(&clock) },
            folders.clone(),
            sweep,
        );
        let handler = Arc::new(handler);
        let engine = Engine::new(EnginePorts { jobs: Arc::clone(&jobs), bus, clock, handler }, engine);
        Self { engine, sweeper, folders, jobs }
    }

    /// Imports and sweeps until `shutdown`; returns when no job runs any more. To be called once.
    ///
    /// # Errors
    /// At once, when the work folder cannot be made or read.
    pub async fn run(&self, shutdown: CancellationToken) -> io::Result<()> {
        self.folders.prepare().await?;
        let removed = self.folders.remove_stale(&*self.jobs).await?;
        if removed > 0 {
            tracing::info!(removed, "removed work folders of attempts that are over");
        }
        let sweeper = self.sweeper.clone();
        let _sweeper = AbortOnDropHandle::new(tokio::spawn(async move { sweeper.run().await }));
        self.engine.run(shutdown).await;
        Ok(())
    }

    #[must_use]
    pub fn health(&self) -> EngineHealth {
        self.engine.health()
    }

    /// For a sweep on demand.
    #[must_use]
    pub const fn sweeper(&self) -> &Sweeper {
        &self.sweeper
    }
}

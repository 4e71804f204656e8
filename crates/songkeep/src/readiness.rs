//! What `/ready` looks at: what this process cannot work without.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use songkeep_api::wire::DependencyState;
use songkeep_domain::{NodeRole, blob::BlobStore, bus::Bus};
use songkeep_http_kit::Readiness;
use songkeep_media::tools::{ToolState, Tools};
use songkeep_store::Store;
use songkeep_worker::Worker;

/// A dependency that does not answer for so long counts as down.
const PATIENCE: Duration = Duration::from_secs(3);

/// The dependencies of a process; what its roles do not use is None.
#[derive(Default)]
pub struct Dependencies {
    pub store: Option<Store>,
    pub blobs: Option<Arc<dyn BlobStore>>,
    pub bus: Option<Arc<dyn Bus>>,
    pub worker: Option<Worker>,
    pub tools: Option<Tools>,
    /// Services in other processes that every call needs, with the base of their address.
    pub services: Vec<(NodeRole, String)>,
    pub http: reqwest::Client,
}

#[async_trait]
impl Readiness for Dependencies {
    async fn check(&self) -> Vec<DependencyState> {
        let mut states = Vec::new();
        if let Some(store) = &self.store {
            states.push(state("database", in_time(async { store.ping().await.map_err(words) }).await));
        }
        if let Some(blobs) = &self.blobs {
            states.push(state("audio", in_time(async { blobs.check().await.map_err(words) }).await));
        }
        if let Some(bus) = &self.bus {
            // Without it everything goes on: jobs by polling, limits by each node alone.
            let bus = state("bus", in_time(async { bus.check().await.map_err(words) }).await);
            states.push(DependencyState { required: false, ..bus });
        }
        if let Some(worker) = &self.worker {
            let health = worker.health();
            let result = if health.is_ready() { Ok(()) } else { Err(health.state.to_string()) };
            states.push(state("jobs", result));
        }
        if let Some(tools) = &self.tools {
            let result = match tools.status().await.state {
                ToolState::Failed { reason, .. } => Err(reason),
                ToolState::Missing | ToolState::Preparing { .. } | ToolState::Ready { .. } => Ok(()),
            };
            states.push(state("tools", result));
        }
        for (role, base) in &self.services {
            let answer = in_time(async { self.ask(base).await.map_err(words) }).await;
            states.push(state(&format!("{role} service"), answer));
        }
        states
    }
}

impl Dependencies {
    async fn ask(&self, base: &str) -> Result<(), reqwest::Error> {
        let url = format!("{}/health", base.trim_end_matches('/'));
        // The address is the operator's own business.
        let answer = self.http.get(url).send().await.map_err(reqwest::Error::without_url)?;
        answer.error_for_status().map(drop).map_err(reqwest::Error::without_url)
    }
}

/// The error's own words, without its causes: they may name hosts and paths.
fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

async fn in_time(check: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    tokio::time::timeout(PATIENCE, check).await.unwrap_or_else(|_| Err("does not answer".to_owned()))
}

fn state(name: &str, result: Result<(), String>) -> DependencyState {
    DependencyState { name: name.to_owned(), ok: result.is_ok(), required: true, detail: result.err() }
}

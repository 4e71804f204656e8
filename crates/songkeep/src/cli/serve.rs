//! `songkeep serve`: a process with all roles, or some.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use songkeep_config::{LogFormat, Settings, Values};
use songkeep_domain::NodeRole;
use songkeep_telemetry::{Metrics, init_logs};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    backends::{self, Backends},
    data_dir::{DataDir, DataDirLock},
    node::{Node, Overrides},
};

#[derive(Args)]
pub struct Serve {
    /// What this process does: web, gateway, stream, auth, search, catalog, download, admin, worker. All by default.
    #[arg(long, value_delimiter = ',')]
    roles: Vec<NodeRole>,
}

impl Serve {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let values = Values::load()?;
        let mut settings = Settings::from_values(&values)?;
        let roles = if self.roles.is_empty() { NodeRole::ALL.to_vec() } else { self.roles };
        init_logs(
            &settings.log_level,
            match settings.log_format {
                LogFormat::Text => songkeep_telemetry::LogFormat::Text,
                LogFormat::Json => songkeep_telemetry::LogFormat::Json,
            },
        )?;
        settings.validate(&roles, false)?;
        for name in &values.unused {
            tracing::warn!("{name} is set and means nothing to this version");
        }
        let metrics = Metrics::install(env!("CARGO_PKG_VERSION"))?;
        let (data, _lock) = open_data_dir(&settings, &roles)?;
        if NodeRole::are_all(&roles) {
            settings.ensure_secrets()?;
        }
        let backends = Backends::open(&settings, &roles, &data).await?;
        match &backends.store {
            Some(store) if settings.database_url.is_none() => {
                backends::migrate(store, &settings, &data).await?;
                // The lock says that nobody else works on this database: what was running died with its process.
                store.forfeit_leases().await?;
            }
            Some(store) => store.check_schema().await?,
            None => {}
        }
        let kept = backends.clone();
        let overrides = Overrides { metrics: Some(metrics), ..Overrides::default() };
        let node = Node::start(&settings, &roles, backends, overrides).await?;
        let setup_link = node.setup_link().await?;
        greet(&node, setup_link);
        wait_for_signal().await?;
        tracing::info!("stopping: running requests and imports may finish");
        node.stop().await;
        kept.close().await;
        Ok(ExitCode::SUCCESS)
    }
}

/// The data folder, locked when this process keeps the database or audio in it.
fn open_data_dir(settings: &Settings, roles: &[NodeRole]) -> anyhow::Result<(DataDir, Option<DataDirLock>)> {
    if NodeRole::are_all(roles) && (settings.database_url.is_none() || settings.s3.is_none()) {
        let data = DataDir::open(&settings.data_dir)?;
        let lock = data.lock()?;
        return Ok((data, Some(lock)));
    }
    // Tools and the files of running jobs, which several processes may share.
    let data = if roles.iter().any(|role| role.uses_sources()) {
        DataDir::open(&settings.data_dir)?
    } else {
        DataDir::unused(&settings.data_dir)
    };
    Ok((data, None))
}

/// Says where Songkeep is and what to do next, on standard output.
fn greet(node: &Node, setup_link: Option<String>) {
    if let Some(web) = node.web_addr {
        println!("Songkeep is ready: http://{}", shown(web));
    } else {
        println!("Songkeep is ready.");
    }
    if let Some(link) = setup_link {
        println!("Make your administrator account (the link works once, for 24 hours):\n  {link}");
    }
    if node.web_addr.is_some() {
        println!("Then search for a song and press Import. Stop with Ctrl-C.");
    }
}

fn shown(addr: std::net::SocketAddr) -> String {
    if addr.ip().is_loopback() || addr.ip().is_unspecified() {
        format!("localhost:{}", addr.port())
    } else {
        addr.to_string()
    }
}

async fn wait_for_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be heard")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("signals cannot be heard")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

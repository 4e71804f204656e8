//! `songkeep serve`: a process with all roles, or some.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use songkeep_config::{LogFormat, Settings, Values};
use songkeep_domain::NodeRole;
use songkeep_telemetry::{Metrics, init_logs};
use tokio::signal::unix::{Signal, SignalKind, signal};

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
        settings.validate(&roles)?;
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
            Some(store) => {
                store.check_schema().await?;
                backends::check_may_be_used(store).await?;
            }
            None => {}
        }
        let kept = backends.clone();
        let overrides = Overrides { metrics: Some(metrics) };
        // From here on: who is told that Songkeep is ready may stop it.
        let mut signals = Signals::listen()?;
        let node = Node::start(&settings, &roles, backends, overrides).await?;
        let setup_link = node.setup_link().await?;
        greet(&node, setup_link);
        signals.wait().await;
        let drain = settings.shutdown_drain_for(&roles);
        if !drain.is_zero() {
            tracing::info!(
                seconds = drain.as_secs(),
                "stopping soon: balancers are told to look for another process"
            );
        }
        tokio::select! {
            () = node.drain(drain) => {}
            // Who asks twice is in a hurry.
            () = signals.wait() => {}
        }
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
    if node.web_addr.is_some() && !songkeep_web_assets::IS_BUILT {
        println!("The web app is missing from this build; `make build` builds it too.");
    } else if node.web_addr.is_some() {
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

/// The signals that ask a process to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("signals cannot be heard");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

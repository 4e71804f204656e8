//! `songkeep health`: asks a process on this machine for its readiness.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use clap::Args;
use songkeep_domain::NodeRole;

#[derive(Args)]
pub struct Health {
    /// The process's internal listener; by default the one of an all-in-one process with these settings.
    #[arg(long)]
    addr: Option<SocketAddr>,
    /// Only ask whether the process lives, not whether it is ready.
    #[arg(long)]
    live: bool,
}

impl Health {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let mut addr = match self.addr {
            Some(addr) => addr,
            None => super::settings()?.internal_addr_for(&NodeRole::ALL),
        };
        if addr.ip().is_unspecified() {
            addr.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
        }
        let path = if self.live { "health" } else { "ready" };
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?;
        let answer = client.get(format!("http://{addr}/{path}")).send().await;
        Ok(match answer {
            Ok(answer) if answer.status().is_success() => ExitCode::SUCCESS,
            Ok(answer) => {
                println!("{}", answer.text().await.unwrap_or_default());
                ExitCode::FAILURE
            }
            Err(error) => {
                println!("no answer from {addr}: {error}");
                ExitCode::FAILURE
            }
        })
    }
}

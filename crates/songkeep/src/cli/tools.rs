//! `songkeep tools`: the managed download tools.

use std::{path::PathBuf, process::ExitCode};

use clap::Subcommand;
use songkeep_media::tools::ToolState;

use crate::services;

#[derive(Subcommand)]
pub enum Tools {
    /// What is installed, and whether it works.
    Status,
    /// Install the tools now rather than at the first import.
    Provision {
        /// Folder to install into; by default TOOLS_DIR.
        #[arg(long)]
        dir: Option<PathBuf>,
    },
}

impl Tools {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let mut settings = super::settings()?;
        match self {
            Self::Status => {
                let status = services::media(&settings)?.tools.status().await;
                println!("{status}");
                Ok(if matches!(status.state, ToolState::Ready { .. }) {
                    ExitCode::SUCCESS
                } else {
                    ExitCode::FAILURE
                })
            }
            Self::Provision { dir } => {
                if let Some(dir) = dir {
                    settings.import.tools_dir = dir;
                }
                let media = services::media(&settings)?;
                media.tools.ensure().await?;
                println!("{}", media.tools.status().await);
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

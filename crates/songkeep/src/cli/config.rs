//! `songkeep config`: the settings in force, and the reference of all.

use std::process::ExitCode;

use clap::Subcommand;
use songkeep_config::{Settings, Values, reference};

#[derive(Subcommand)]
pub enum Config {
    /// Each setting with its value and where it comes from; secrets masked.
    Show,
    /// The reference of all settings, as Markdown.
    Reference,
}

impl Config {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Show => {
                let values = Values::load()?;
                print!("{}", reference::show(&values));
                Settings::from_values(&values)?;
            }
            Self::Reference => print!("{}", reference::markdown()),
        }
        Ok(ExitCode::SUCCESS)
    }
}

//! `songkeep migrate`: brings the database up to date.

use std::process::ExitCode;

use crate::{backends, data_dir::DataDir};

pub async fn run() -> anyhow::Result<ExitCode> {
    let settings = super::settings()?;
    let data = if settings.database_url.is_none() {
        DataDir::open(&settings.data_dir)?
    } else {
        DataDir::unused(&settings.data_dir)
    };
    let store = backends::open_store(&settings, &data, backends::no_hook()).await?;
    backends::migrate(&store, &settings, &data).await?;
    println!("The database is up to date.");
    Ok(ExitCode::SUCCESS)
}

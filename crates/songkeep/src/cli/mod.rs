//! The commands of the binary. Each reads the settings, does one thing and says what it did.

mod config;
mod doctor;
mod health;
mod migrate;
mod migrate_data;
mod serve;
mod tools;
mod user;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use songkeep_config::{Settings, Values};

/// Self-hosted music: search, import with one click, stream anywhere.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the server: everything in one process, or some roles.
    Serve(serve::Serve),
    /// Bring the database's tables up to date.
    Migrate,
    /// Move everything from one installation to another: from a folder to PostgreSQL and S3, or back.
    MigrateData(migrate_data::MigrateData),
    /// Check this installation and say in plain words what is missing.
    Doctor,
    /// Make and change accounts.
    #[command(subcommand)]
    User(user::User),
    /// The managed download tools.
    #[command(subcommand)]
    Tools(tools::Tools),
    /// Show the settings in force.
    #[command(subcommand)]
    Config(config::Config),
    /// Ask a running process whether it is ready; for container health checks.
    Health(health::Health),
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    // One crypto provider, chosen before anything opens a connection.
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("error: another TLS provider was set up first");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no threads could be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(async {
        match cli.command {
            Command::Serve(command) => command.run().await,
            Command::Migrate => migrate::run().await,
            Command::MigrateData(command) => command.run().await,
            Command::Doctor => doctor::run().await,
            Command::User(command) => command.run().await,
            Command::Tools(command) => command.run().await,
            Command::Config(command) => command.run(),
            Command::Health(command) => command.run().await,
        }
    });
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The settings of this process's environment.
fn settings() -> anyhow::Result<Settings> {
    Ok(Settings::from_values(&Values::load()?)?)
}

//! `songkeep doctor`: looks at everything that an installation needs and says in plain words what is
//! missing and what to do about it.

use std::{net::TcpListener, process::ExitCode, time::Duration};

use songkeep_config::{Settings, Values};
use songkeep_domain::{Clock as _, NodeRole, SystemClock, job::JobStore as _};
use songkeep_media::tools::ToolState;

use crate::{backends, data_dir::DataDir, services};

/// Less free space than this in the data folder is worth a warning.
const LOW_DISK_BYTES: u64 = 2 << 30;

#[derive(Default)]
struct Report {
    failed: bool,
}

impl Report {
    fn good(&self, what: &str) {
        println!("  ok    {what}");
    }

    fn note(&self, what: &str, remedy: &str) {
        println!("  note  {what}\n        {remedy}");
    }

    fn bad(&mut self, what: &str, remedy: &str) {
        self.failed = true;
        println!("  BAD   {what}\n        {remedy}");
    }
}

pub async fn run() -> anyhow::Result<ExitCode> {
    let mut report = Report::default();
    println!("Songkeep {}", env!("CARGO_PKG_VERSION"));
    let settings = match Values::load().and_then(|values| Settings::from_values(&values)) {
        Ok(settings) => settings,
        Err(error) => {
            for problem in error.problems {
                report.bad(&problem, &remedy(&problem));
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    check_settings(&settings, &mut report);
    if let Ok(data) = DataDir::open(&settings.data_dir) {
        let serving = data.lock().is_err();
        check_disk(&settings, &mut report);
        check_database(&settings, &data, &mut report).await;
        check_blobs(&settings, &data, &mut report).await;
        check_redis(&settings, &mut report).await;
        check_ports(&settings, serving, &mut report);
    } else {
        report.bad(
            &format!("The data folder {} cannot be made.", settings.data_dir.display()),
            "Set SONGKEEP_DATA_DIR to a folder that this user may write to.",
        );
    }
    check_tools(&settings, &mut report).await;
    println!("{}", if report.failed { "Something is missing; see BAD above." } else { "All is well." });
    Ok(if report.failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What to do about a setting that cannot be read.
fn remedy(problem: &str) -> String {
    if problem.contains("_FILE: cannot read") {
        let account = rustix::process::geteuid().as_raw();
        return format!(
            "The file must be there and readable for the account that Songkeep runs as: \
             sudo chown {account} FILE && sudo chmod 400 FILE."
        );
    }
    "Correct this setting; docs/configuration.md lists all of them.".to_owned()
}

fn check_settings(settings: &Settings, report: &mut Report) {
    let mut with_secrets = settings.clone();
    if let Err(error) = with_secrets.ensure_secrets() {
        report.bad(&error.to_string(), "The data folder must be writable for the user who runs Songkeep.");
    }
    match with_secrets.validate(&NodeRole::ALL) {
        Ok(()) => report.good("settings and secrets"),
        Err(error) => {
            for problem in error.problems {
                report.bad(&problem, "Correct this setting; docs/configuration.md lists all of them.");
            }
        }
    }
    if settings.smtp_url.is_none() {
        report
            .note("Mail is not set up; verification mails only go to the log.", "Set SMTP_URL to send them.");
    }
}

fn check_disk(settings: &Settings, report: &mut Report) {
    match rustix::fs::statvfs(&settings.data_dir) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let text = format!("{:.1} GB free for {}", free as f64 / 1e9, settings.data_dir.display());
            if free < LOW_DISK_BYTES {
                report.note(
                    &format!("Only {text}."),
                    "Songs take 4 MB each or so; make room before importing many.",
                );
            } else {
                report.good(&text);
            }
        }
        Err(error) => report.bad(
            &format!("The disk of {} cannot be read: {error}", settings.data_dir.display()),
            "Check that the disk is mounted.",
        ),
    }
}

async fn check_database(settings: &Settings, data: &DataDir, report: &mut Report) {
    let store = match backends::open_store(settings, data, backends::no_hook()).await {
        Ok(store) => store,
        Err(error) => {
            report.bad(
                &format!("The database cannot be opened: {error:#}"),
                "Check DATABASE_URL, or the data folder.",
            );
            return;
        }
    };
    match store.database_now().await {
        Ok(now) => {
            let here = SystemClock.now();
            let apart = here.since(now).max(now.since(here));
            if apart > Duration::from_secs(10) {
                report.bad(
                    &format!("This machine's clock is {} s off the database's.", apart.as_secs()),
                    "Set both by NTP; workers with a wrong clock claim nothing.",
                );
            } else {
                report.good("database");
            }
        }
        Err(error) => report.bad(&format!("The database does not answer: {error}"), "Check that it runs."),
    }
    if store.check_schema().await.is_err() {
        report.note(
            "The database's tables are not up to date.",
            "`songkeep serve` or `songkeep migrate` does that.",
        );
    }
    store.close().await;
}

async fn check_blobs(settings: &Settings, data: &DataDir, report: &mut Report) {
    let checked = match backends::open_blobs(settings, data) {
        Ok(blobs) => blobs.check().await.map_err(|error| error.to_string()),
        Err(error) => Err(format!("{error:#}")),
    };
    match (checked, &settings.s3) {
        (Ok(()), None) => report.good("folder for audio"),
        (Ok(()), Some(_)) => report.good("S3"),
        (Err(error), None) => report.bad(
            &format!("The folder {} cannot be used: {error}", data.blobs().display()),
            "It must be writable for the user who runs Songkeep.",
        ),
        (Err(error), Some(s3)) => report.bad(
            &format!("The S3 service at {} cannot be used: {error}", s3.endpoint),
            "Check S3_ENDPOINT, the keys, and that the bucket exists or may be made.",
        ),
    }
}

async fn check_redis(settings: &Settings, report: &mut Report) {
    if settings.redis_url.is_none() {
        return;
    }
    match backends::check_bus(settings).await {
        Ok(()) => report.good("Redis"),
        Err(error) => {
            report.bad(&format!("Redis cannot be used: {error:#}"), "Check REDIS_URL, and that it runs.")
        }
    }
}

fn check_ports(settings: &Settings, serving: bool, report: &mut Report) {
    if serving {
        report.good("Songkeep is running on this data folder");
        return;
    }
    for (name, addr) in [
        ("SONGKEEP_WEB_ADDR", settings.web_addr),
        ("SONGKEEP_GATEWAY_ADDR", settings.gateway_addr),
        ("SONGKEEP_STREAM_ADDR", settings.stream_addr),
        ("SONGKEEP_INTERNAL_ADDR", settings.internal_addr_for(&NodeRole::ALL)),
    ] {
        match TcpListener::bind(addr) {
            Ok(_) => report.good(&format!("address {addr} is free ({name})")),
            Err(error) => report.bad(
                &format!("Address {addr} cannot be used: {error}."),
                &format!("Stop what uses it, or set {name} to another one."),
            ),
        }
    }
}

async fn check_tools(settings: &Settings, report: &mut Report) {
    let media = match services::media(settings) {
        Ok(media) => media,
        Err(error) => {
            report.bad(&format!("Imports cannot be set up: {error:#}"), "Check the IMPORT_ settings.");
            return;
        }
    };
    let status = media.tools.status().await;
    match &status.state {
        ToolState::Ready { .. } => report.good(&format!("download tools: {status}")),
        ToolState::Failed { reason, remedy } => report.bad(&format!("Download tools: {reason}"), remedy),
        ToolState::Missing | ToolState::Preparing { .. } => report.note(
            "The download tools are not installed yet.",
            "They install themselves at the first start; `songkeep tools provision` does it now.",
        ),
    }
}

//! `songkeep migrate-data`: moves everything that an installation keeps to another place.

mod objects;
mod place;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use secrecy::ExposeSecret as _;
use songkeep_store::{
    Store,
    transfer::{Progress, TableReport, TargetState, Transfer},
};

use self::{
    objects::{Copier, Report},
    place::{Place, Side},
};

/// How the two installations are named.
const PLACES: &str = "\
WHERE is one of:
  folder:PATH    a data folder (SONGKEEP_DATA_DIR) with its SQLite database and files
  settings:FILE  what a settings file (as SONGKEEP_CONFIG) says: database, S3, keys
  env            what `songkeep serve` would use here: DATABASE_URL, S3_ENDPOINT, NAME_FILE …

From one process to PostgreSQL and S3, whose settings are in the environment:
  songkeep migrate-data --from folder:/var/lib/songkeep --to env
And back into a new folder:
  songkeep migrate-data --from env --to folder:/var/lib/songkeep-new

Stop every process on both sides first. The source stays as it is.
A move that was broken off goes on when it is run again.";

#[derive(Args)]
#[command(after_help = PLACES)]
pub struct MigrateData {
    /// The installation to move: folder:PATH, settings:FILE or env.
    #[arg(long, value_name = "WHERE")]
    from: Place,
    /// The empty place to move it to: folder:PATH, settings:FILE or env.
    #[arg(long, value_name = "WHERE")]
    to: Place,
    /// Say what would be moved, and change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Read every object in the target again and compare its checksum, also of those that were there.
    #[arg(long)]
    verify: bool,
}

impl MigrateData {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let (mut from, mut to) = (Side::new("--from", &self.from)?, Side::new("--to", &self.to)?);
        if from.is_same_database(&to) {
            anyhow::bail!("--from and --to are the same installation");
        }
        if !from.has_database() {
            anyhow::bail!("--from: there is no Songkeep at {}", from.database_shown());
        }
        println!("From {} and {}", from.database_shown(), from.blobs_shown());
        println!("to   {} and {}", to.database_shown(), to.blobs_shown());
        let source = from.open().await?;
        let moved = if self.dry_run {
            look(&source, &mut to).await
        } else {
            move_all(&source, &from, &mut to, self.verify).await
        };
        source.close().await;
        moved
    }
}

async fn look(source: &Store, to: &mut Side) -> anyhow::Result<ExitCode> {
    let state = if to.has_database() {
        let target = to.open().await?;
        let state = Transfer::look(source, &target).await;
        target.close().await;
        state?
    } else {
        TargetState::Empty
    };
    for (table, rows) in source.count_all_rows().await? {
        println!("  {table:16} {rows:>10} rows");
    }
    let (objects, bytes) = source.count_stored_objects().await?;
    println!("  {:16} {objects:>10} objects, {}", "audio", megabytes(bytes));
    println!("{}", told_of(state));
    println!("Nothing was changed.");
    Ok(ExitCode::SUCCESS)
}

const fn told_of(state: TargetState) -> &'static str {
    match state {
        TargetState::Empty => "The target is empty.",
        TargetState::Begun => "A move into the target was broken off; it goes on.",
        TargetState::Done => {
            "The move into this target ended before; it is compared, and missing audio is copied."
        }
    }
}

async fn move_all(source: &Store, from: &Side, to: &mut Side, verify: bool) -> anyhow::Result<ExitCode> {
    let target = to.open().await?;
    let (from_blobs, to_blobs) = (from.blobs()?, to.blobs()?);
    to_blobs.check().await.context("--to: the place for audio cannot be used")?;
    let transfer = Transfer::begin(source, &target).await?;
    println!("{}", told_of(transfer.state()));
    transfer.copy_rows(&mut say).await?;
    let work = to.scratch().or_else(|| from.scratch()).unwrap_or_else(|| to.settings.data_dir.join("work"));
    let copied = Copier::new(from_blobs, to_blobs, &work, verify)?.copy(source).await?;

    println!("Comparing.");
    let tables = transfer.compare().await?;
    let (objects, bytes) = source.count_stored_objects().await?;
    show(&tables, &copied, objects, bytes);
    let whole = tables.iter().all(TableReport::is_same);
    if whole {
        transfer.finish().await?;
    }
    target.close().await;
    for (key, what) in &copied.bad {
        println!("BAD   {key} {what}");
    }
    if !whole {
        println!("The target is not the same; nobody can serve from it. Run this again.");
        return Ok(ExitCode::FAILURE);
    }
    tell_of_secrets(from, to);
    if copied.bad.is_empty() {
        println!("Everything was moved. Start Songkeep on the new place only.");
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "Everything else was moved, but {} objects are not good in the source. Put them back and run this again, \
         or start: an import of the same source brings a song back.",
        copied.bad.len()
    );
    Ok(ExitCode::FAILURE)
}

fn say(progress: Progress) {
    // The beginning and the end of each table, and steps of large ones.
    if progress.rows == 0 || progress.rows == progress.of || progress.rows.is_multiple_of(10_000) {
        println!("Copying {}: {} of {} rows.", progress.table, progress.rows, progress.of);
    }
}

fn show(tables: &[TableReport], copied: &Report, objects: u64, bytes: u64) {
    println!("{:16} {:>12} {:>12}  checksum", "", "from", "to");
    for report in tables {
        let sums = if report.is_same() {
            format!("{} same", &report.from.checksum[..16])
        } else {
            format!("{} DIFFERENT {}", &report.from.checksum[..16], &report.to.checksum[..16])
        };
        println!("{:16} {:>12} {:>12}  {sums}", report.table, report.from.rows, report.to.rows);
    }
    let there = copied.there.objects + copied.copied.objects;
    println!("{:16} {objects:>12} {there:>12}  {} of them copied now", "audio", copied.copied.objects);
    println!("{:16} {bytes:>12} {:>12}", "bytes of audio", copied.there.bytes + copied.copied.bytes);
}

/// Names the secrets without which people would have to sign in again, and where they belong.
fn tell_of_secrets(from: &Side, to: &Side) {
    let names = [
        ("JWT_SECRET", "jwt_secret", &from.settings.jwt_secret, &to.settings.jwt_secret),
        (
            "INTERNAL_SERVICE_SECRET",
            "internal_service_secret",
            &from.settings.internal_service_secret,
            &to.settings.internal_service_secret,
        ),
    ];
    let mut lines = Vec::new();
    for (setting, file, of_source, of_target) in names {
        let is_same =
            |one: &str| of_target.as_ref().is_some_and(|two| one.trim() == two.expose_secret().trim());
        let source = match of_source {
            Some(secret) if is_same(secret.expose_secret()) => continue,
            Some(_) => format!("the value of {setting} of the old place"),
            None => {
                let path = from.secret_file(file);
                if std::fs::read_to_string(&path).is_ok_and(|secret| is_same(&secret)) {
                    continue;
                }
                path.display().to_string()
            }
        };
        let target = if of_target.is_none() && to.makes_secrets() {
            format!("{} (mode 0600)", to.secret_file(file).display())
        } else {
            format!("{setting}, or the file that {setting}_FILE names")
        };
        lines.push(format!("  {source}\n    -> {target}"));
    }
    if !lines.is_empty() {
        println!(
            "Secrets are not copied. Everybody stays signed in if you carry them over before the first start:"
        );
        lines.iter().for_each(|line| println!("{line}"));
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}

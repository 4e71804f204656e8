//! What a process keeps things in: database, blobs, bus, mail, clock. The only place that knows
//! concrete ones.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use songkeep_blob::FileBlobs;
use songkeep_bus::LocalBus;
use songkeep_config::Settings;
use songkeep_domain::{
    Clock, SystemClock,
    blob::BlobStore,
    bus::{CommitHook, Notice},
    mail::Mailer,
};
use songkeep_mail::{LogMailer, SmtpMailer};
use songkeep_store::Store;

use crate::data_dir::DataDir;

/// A clone shares everything.
#[derive(Clone)]
pub struct Backends {
    pub store: Store,
    pub blobs: Arc<dyn BlobStore>,
    pub bus: Arc<LocalBus>,
    pub mailer: Arc<dyn Mailer>,
    pub clock: Arc<dyn Clock>,
    /// Folder for the files of running jobs.
    pub work_dir: std::path::PathBuf,
}

impl Backends {
    /// Opens what a serving process needs.
    pub async fn open(settings: &Settings, data: &DataDir) -> anyhow::Result<Self> {
        let bus = LocalBus::new();
        let store = open_store(settings, data, bus.clone()).await?;
        let blobs = FileBlobs::open(&data.blobs())
            .with_context(|| format!("the folder {} cannot be used", data.blobs().display()))?;
        Ok(Self {
            store,
            blobs: Arc::new(blobs),
            bus,
            mailer: mailer(settings)?,
            clock: Arc::new(SystemClock),
            work_dir: data.work(),
        })
    }
}

/// The mailer of these settings; without SMTP mails go to the log.
pub fn mailer(settings: &Settings) -> anyhow::Result<Arc<dyn Mailer>> {
    Ok(match &settings.smtp_url {
        Some(url) => Arc::new(
            SmtpMailer::new(url, &settings.mail_from).context("SMTP_URL or MAIL_FROM cannot be used")?,
        ),
        None => Arc::new(LogMailer),
    })
}

/// Commands tell nobody: a serving process finds their changes in the database.
struct NoHook;

impl CommitHook for NoHook {
    fn committed(&self, _notices: Vec<Notice>) {}
}

pub fn no_hook() -> Arc<dyn CommitHook> {
    Arc::new(NoHook)
}

pub async fn open_store(
    settings: &Settings,
    data: &DataDir,
    hook: Arc<dyn CommitHook>,
) -> anyhow::Result<Store> {
    match &settings.database_url {
        Some(url) => Store::connect(url, hook).await.context("DATABASE_URL: the database cannot be opened"),
        None => {
            let path = data.database();
            Store::open_sqlite(&path, hook)
                .await
                .with_context(|| format!("the database {} cannot be opened", path.display()))
        }
    }
}

/// Brings the tables up to date; an SQLite database that holds something is copied first.
pub async fn migrate(store: &Store, settings: &Settings, data: &DataDir) -> anyhow::Result<()> {
    if settings.database_url.is_none() && store.has_tables().await? && store.check_schema().await.is_err() {
        let folder = data.backups();
        std::fs::create_dir_all(&folder)?;
        let now = SystemClock.now().as_secs();
        let copy = folder.join(format!("songkeep-{now}.db"));
        if let Err(error) = store.backup_sqlite(&copy).await {
            bail!("no copy of the database could be made at {} before migrating: {error}", copy.display());
        }
        tracing::info!("the database was copied to {} before migrating", copy.display());
    }
    store.migrate().await.context("the database's tables cannot be brought up to date")
}

//! What a process keeps things in: database, blobs, bus, mail, clock. The only place that knows
//! concrete ones.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use secrecy::SecretString;
use songkeep_blob::{FileBlobs, S3Blobs, S3Settings};
use songkeep_bus::{LocalBus, RedisBus, RedisBusSettings};
use songkeep_config::Settings;
use songkeep_domain::{
    Clock, NodeRole, SystemClock,
    blob::BlobStore,
    bus::{Bus, CommitHook, Notice},
    mail::Mailer,
};
use songkeep_mail::{LogMailer, SmtpMailer};
use songkeep_store::Store;

use crate::data_dir::DataDir;

/// A clone shares everything. What no role of the process uses is None.
#[derive(Clone)]
pub struct Backends {
    pub store: Option<Store>,
    pub blobs: Option<Arc<dyn BlobStore>>,
    pub bus: Arc<dyn Bus>,
    pub mailer: Arc<dyn Mailer>,
    pub clock: Arc<dyn Clock>,
    /// Folder for the files of running jobs.
    pub work_dir: std::path::PathBuf,
    redis: Option<Arc<RedisBus>>,
}

impl Backends {
    /// Opens what a process with these roles needs.
    pub async fn open(settings: &Settings, roles: &[NodeRole], data: &DataDir) -> anyhow::Result<Self> {
        let any = |uses: fn(NodeRole) -> bool| roles.iter().copied().any(uses);
        let Buses { bus, hook, redis } = Buses::open(settings, roles)?;
        let store =
            if any(NodeRole::uses_store) { Some(open_store(settings, data, hook).await?) } else { None };
        let blobs = if any(NodeRole::uses_audio) { Some(open_blobs(settings, data)?) } else { None };
        Ok(Self {
            store,
            blobs,
            bus,
            mailer: mailer(settings)?,
            clock: Arc::new(SystemClock),
            work_dir: data.work(),
            redis,
        })
    }

    /// The database, for roles that have one.
    pub fn store(&self) -> anyhow::Result<&Store> {
        self.store.as_ref().context("this process has no role that uses the database")
    }

    /// The audio, for roles that touch it.
    pub fn blobs(&self) -> anyhow::Result<&Arc<dyn BlobStore>> {
        self.blobs.as_ref().context("this process has no role that uses the audio")
    }

    /// Hands over what waits and closes connections.
    pub async fn close(&self) {
        if let Some(redis) = &self.redis {
            redis.close().await;
        }
        if let Some(store) = &self.store {
            store.close().await;
        }
    }
}

/// One bus in its different parts.
struct Buses {
    bus: Arc<dyn Bus>,
    hook: Arc<dyn CommitHook>,
    redis: Option<Arc<RedisBus>>,
}

impl Buses {
    fn open(settings: &Settings, roles: &[NodeRole]) -> anyhow::Result<Self> {
        let Some(url) = &settings.redis_url else {
            let bus = LocalBus::new();
            return Ok(Self { bus: bus.clone(), hook: bus, redis: None });
        };
        let namespace = settings.redis_namespace.clone();
        let wants_jobs = roles.contains(&NodeRole::Worker);
        let bus =
            RedisBus::connect(url, RedisBusSettings { namespace, wants_jobs, ..RedisBusSettings::default() })
                .context("REDIS_URL or REDIS_NAMESPACE cannot be used")?;
        Ok(Self { bus: bus.clone(), hook: bus.clone(), redis: Some(bus) })
    }
}

/// Whether the bus of these settings can be reached within a few seconds.
pub async fn check_bus(settings: &Settings) -> anyhow::Result<()> {
    let bus = Buses::open(settings, &[])?.bus;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    // It connects in the background.
    loop {
        match bus.check().await {
            Ok(()) => return Ok(()),
            Err(error) if tokio::time::Instant::now() >= deadline => return Err(error.into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Where audio is kept.
pub fn open_blobs(settings: &Settings, data: &DataDir) -> anyhow::Result<Arc<dyn BlobStore>> {
    if let Some(s3) = settings.s3.clone() {
        let secret =
            |secret: Option<SecretString>, name: &str| secret.with_context(|| format!("{name} must be set"));
        let blobs = S3Blobs::connect(S3Settings {
            endpoint: s3.endpoint,
            access_key: secret(s3.access_key, "S3_ACCESS_KEY")?,
            secret_key: secret(s3.secret_key, "S3_SECRET_KEY")?,
            bucket: s3.bucket,
            region: s3.region,
            public_endpoint: s3.public_endpoint,
            create_bucket: s3.create_bucket,
        })
        .context("the S3_ settings cannot be used")?;
        return Ok(Arc::new(blobs));
    }
    let folder = data.blobs();
    let blobs = FileBlobs::open(&folder)
        .with_context(|| format!("the folder {} cannot be used", folder.display()))?;
    Ok(Arc::new(blobs))
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
    store.migrate().await.context("the database's tables cannot be brought up to date")?;
    check_may_be_used(store).await
}

/// Refuses a database whose data is being moved.
pub async fn check_may_be_used(store: &Store) -> anyhow::Result<()> {
    store.check_may_be_used().await.context("the database may not be used now")
}

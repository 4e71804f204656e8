//! PostgreSQL, Redis and S3 together: one set for a whole run of tests, on which each test has a place of
//! its own, or a set of its own for a test that stops them. `with-test-servers` starts the former and tells
//! the tests of it by variables; a process without these starts one for itself.

use std::{
    env,
    path::Path,
    process,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use anyhow::{Context as _, anyhow};
use tokio::task::spawn_blocking;

use crate::{
    postgres::{self, Commits, PostgresServer},
    redis::RedisServer,
    s3::{self, S3Server},
};

/// Addresses of the Redis and the S3 service that a whole run shares, as [`postgres::SHARED_URL`].
const SHARED_REDIS_URL: &str = "SONGKEEP_TEST_REDIS_URL";
const SHARED_S3_ENDPOINT: &str = "SONGKEEP_TEST_S3_ENDPOINT";

/// A running set.
pub struct Servers {
    pub postgres: PostgresServer,
    pub redis: RedisServer,
    pub s3: S3Server,
}

impl Servers {
    /// Starts them at the same time, which takes some seconds and blocks. Commits survive a kill.
    ///
    /// # Errors
    /// When one is not installed or does not start; the message says what to do.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with(Commits::Lasting)
    }

    /// Those of a whole run, which nobody kills.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_for_all() -> anyhow::Result<Self> {
        Self::start_with(Commits::Fast)
    }

    fn start_with(commits: Commits) -> anyhow::Result<Self> {
        let started = thread::scope(|scope| {
            let postgres = scope.spawn(|| PostgresServer::start_with(commits));
            let s3 = scope.spawn(S3Server::start);
            let redis = RedisServer::start();
            (postgres.join(), redis, s3.join())
        });
        let panicked = |_| anyhow!("the start of a server panicked");
        let (postgres, redis, s3) = started;
        Ok(Self { postgres: postgres.map_err(panicked)??, redis: redis?, s3: s3.map_err(panicked)?? })
    }

    /// The variables that tell tests of a whole run's servers.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, String); 3] {
        [
            (postgres::SHARED_URL, self.postgres.url().to_owned()),
            (SHARED_REDIS_URL, self.redis.url()),
            (SHARED_S3_ENDPOINT, self.s3.endpoint()),
        ]
    }

    /// An empty place on them.
    ///
    /// # Errors
    /// When PostgreSQL does not run.
    pub async fn place(&self) -> anyhow::Result<Place> {
        let database = self.postgres.fresh_database().await?;
        Ok(Place::new(database, self.redis.url(), self.s3.endpoint()))
    }
}

/// What one test has on servers; nobody else uses it.
#[derive(Clone, Debug)]
pub struct Place {
    pub database_url: String,
    pub redis_url: String,
    /// What keys and channels in Redis begin with.
    pub redis_namespace: String,
    /// Base of the S3 service's address.
    pub s3_endpoint: String,
    pub s3_access_key: String,
    pub s3_secret_key: String,
    /// Not there yet.
    pub bucket: String,
}

impl Place {
    /// On the shared servers, with a database as `fill` leaves it, see [`postgres::filled_database`].
    ///
    /// # Errors
    /// When a server is not installed or does not start, or `fill` fails.
    pub async fn filled(fill: impl AsyncFnOnce(&str) -> anyhow::Result<()>) -> anyhow::Result<Self> {
        let others = spawn_blocking(|| Ok::<_, anyhow::Error>((shared_redis()?, shared_s3()?)));
        let (database, others) = tokio::join!(postgres::filled_database(fill), others);
        let (redis, s3) = others??;
        Ok(Self::new(database?, redis, s3))
    }

    /// On the shared servers, with an empty database.
    ///
    /// # Errors
    /// When a server is not installed or does not start.
    pub async fn fresh() -> anyhow::Result<Self> {
        let others = spawn_blocking(|| Ok::<_, anyhow::Error>((shared_redis()?, shared_s3()?)));
        let (database, others) = tokio::join!(postgres::fresh_database(), others);
        let (redis, s3) = others??;
        Ok(Self::new(database?, redis, s3))
    }

    fn new(database_url: String, redis_url: String, s3_endpoint: String) -> Self {
        let name = format!("test-{}-{}", process::id(), next_number());
        Self {
            database_url,
            redis_url,
            redis_namespace: name.clone(),
            s3_endpoint,
            s3_access_key: s3::ACCESS_KEY.to_owned(),
            s3_secret_key: s3::SECRET_KEY.to_owned(),
            bucket: name,
        }
    }

    /// As settings of the product.
    #[must_use]
    pub fn settings(&self) -> [(&'static str, &str); 7] {
        [
            ("DATABASE_URL", &self.database_url),
            ("REDIS_URL", &self.redis_url),
            ("REDIS_NAMESPACE", &self.redis_namespace),
            ("S3_ENDPOINT", &self.s3_endpoint),
            ("S3_ACCESS_KEY", &self.s3_access_key),
            ("S3_SECRET_KEY", &self.s3_secret_key),
            ("S3_BUCKET", &self.bucket),
        ]
    }
}

/// A server of this process, started by the first who asks.
type Own<T> = Mutex<Option<T>>;

fn shared_redis() -> anyhow::Result<String> {
    static OWN: Own<RedisServer> = Mutex::new(None);
    shared(SHARED_REDIS_URL, &OWN, RedisServer::start, RedisServer::url)
}

fn shared_s3() -> anyhow::Result<String> {
    static OWN: Own<S3Server> = Mutex::new(None);
    shared(SHARED_S3_ENDPOINT, &OWN, S3Server::start, S3Server::endpoint)
}

fn shared<T>(
    variable: &str,
    own: &Own<T>,
    start: impl FnOnce() -> anyhow::Result<T>,
    address: impl FnOnce(&T) -> String,
) -> anyhow::Result<String> {
    if let Ok(address) = env::var(variable) {
        return Ok(address);
    }
    let mut own = own.lock().unwrap_or_else(PoisonError::into_inner);
    if own.is_none() {
        *own = Some(start()?);
    }
    Ok(address(own.as_ref().context("it was started above")?))
}

/// Whether a process is there.
pub(crate) fn runs(pid: &str) -> bool {
    Path::new("/proc").join(pid).exists()
}

/// One that nobody else in this process gets.
pub(crate) fn next_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

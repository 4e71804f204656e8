//! The bus that processes share through Redis or Valkey.
//!
//! News goes over one channel, and within the process at once; each process leaves out its own when they
//! come back. Wake-ups for jobs go through a stream whose readers share it, so that each wakes one
//! process. Nothing is kept for those who are away: they learn by [`Notice::Lagged`] that they missed
//! something.

mod backoff;
mod failure;
mod metrics;
mod outbox;
mod rates;
mod session;
mod wakeups;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::stream::BoxStream;
use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, aio::MultiplexedConnection};
use secrecy::{ExposeSecret as _, SecretString};
use songkeep_domain::bus::{Bus, BusError, CommitHook, Notice, RateDecision, RateRule};
use tokio::{sync::watch, time::timeout};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use failure::Failure;
pub use failure::RedisBusError;
use outbox::Outbox;
use rates::SharedRates;
use session::{Names, Session};

use crate::fanout::Fanout;

/// How long [`RedisBus::check`] waits.
const CHECK_LIMIT: Duration = Duration::from_secs(1);
/// How long [`RedisBus::close`] waits.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisBusSettings {
    /// What all keys and channels begin with: 1 to 64 letters, digits, `-`, `_` or `:`. Processes that
    /// are to hear each other use the same.
    pub namespace: String,
    /// This process runs jobs and takes its share of [`Notice::JobReady`]; others never hear that.
    pub wants_jobs: bool,
    /// A limit that Redis does not answer within this time is an error.
    pub rate_limit_timeout: Duration,
    /// Readers of wake-ups that read nothing for so long belong to processes that are gone.
    pub forget_consumers_after: Duration,
}

impl Default for RedisBusSettings {
    fn default() -> Self {
        Self {
            namespace: "songkeep".to_owned(),
            wants_jobs: false,
            rate_limit_timeout: Duration::from_millis(250),
            forget_consumers_after: Duration::from_secs(3_600),
        }
    }
}

/// [`Bus`] and [`CommitHook`] between processes. Subscribers within the process are told whatever becomes
/// of Redis; an error of [`Bus::publish`] means that others may not have been.
pub struct RedisBus {
    fanout: Fanout,
    outbox: Outbox,
    rates: SharedRates,
    rate_limit_timeout: Duration,
    /// The connection for commands, while there is one.
    link: watch::Receiver<Option<MultiplexedConnection>>,
    closing: DropGuard,
    tasks: TaskTracker,
}

impl fmt::Debug for RedisBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBus").field("connected", &self.link.borrow().is_some()).finish_non_exhaustive()
    }
}

impl RedisBus {
    /// Begins to connect and returns at once: Redis may be away, now and later. The connection is made in
    /// the background, and again whenever it is lost. `redis://` and `valkey://`, with `rediss://` and
    /// `valkeys://` for TLS by the certificates that the system trusts, and `unix://` are understood.
    ///
    /// # Errors
    /// When the URL or the namespace cannot be used, whoever answers.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn connect(url: &SecretString, settings: RedisBusSettings) -> Result<Arc<Self>, RedisBusError> {
        let RedisBusSettings { namespace, wants_jobs, rate_limit_timeout, forget_consumers_after } = settings;
        let valid = |char: char| char.is_ascii_alphanumeric() || "-_:".contains(char);
        if !(1..=64).contains(&namespace.len()) || !namespace.chars().all(valid) {
            return Err(RedisBusError::Namespace);
        }
        let info = parse(url)?;
        let names = Arc::new(Names::new(&namespace, info.redis_settings().db()));
        let client = Client::open(info).map_err(|error| url_error(&error))?;
        metrics::describe();

        let fanout = Fanout::new();
        let (outbox, sending) = Outbox::new(Arc::clone(&names), wants_jobs.then(|| fanout.weak()));
        let (link_sender, link) = watch::channel(None);
        let closing = CancellationToken::new();
        let session = Session {
            client,
            names,
            wants_jobs,
            forget_consumers_after,
            fanout: fanout.weak(),
            sending,
            link: link_sender,
            closing: closing.clone(),
        };
        let tasks = TaskTracker::new();
        tasks.spawn(session.keep_alive());
        tasks.close();
        Ok(Arc::new(Self {
            fanout,
            outbox,
            rates: SharedRates::new(&namespace),
            rate_limit_timeout,
            link,
            closing: closing.drop_guard(),
            tasks,
        }))
    }

    /// Tells the others what still waits, for at most three seconds, and leaves Redis for good. Within the
    /// process the bus goes on. Dropping the bus does the same in the background.
    pub async fn close(&self) {
        self.closing.token().cancel();
        if timeout(CLOSE_LIMIT, self.tasks.wait()).await.is_err() {
            tracing::warn!("Redis did not take leave in time");
        }
    }

    fn link(&self) -> Result<MultiplexedConnection, Failure> {
        self.link.borrow().clone().ok_or(Failure::NotConnected)
    }

    /// Within the process, where a wake-up may go to another instead.
    fn tell(&self, notice: &Notice) {
        if !matches!(notice, Notice::JobReady) {
            self.fanout.tell(notice.clone());
        }
    }
}

impl CommitHook for RedisBus {
    fn committed(&self, notices: Vec<Notice>) {
        let connected = self.link.borrow().is_some();
        for notice in notices {
            self.tell(&notice);
            if connected {
                self.outbox.push(notice);
            } else {
                self.outbox.lose(&notice);
            }
        }
    }
}

#[async_trait]
impl Bus for RedisBus {
    async fn publish(&self, notice: Notice) -> Result<(), BusError> {
        self.tell(&notice);
        if let Err(failure) = self.link() {
            self.outbox.lose(&notice);
            return Err(failure.into());
        }
        Ok(self.outbox.deliver(notice).await?)
    }

    fn subscribe(&self) -> BoxStream<'static, Notice> {
        self.fanout.subscribe()
    }

    async fn check_rate(&self, rule: RateRule, key: &str) -> Result<RateDecision, BusError> {
        if rule.burst == 0 {
            return Ok(RateDecision::Refused { retry_after: rule.period });
        }
        let mut link = self.link()?;
        let decision = timeout(self.rate_limit_timeout, self.rates.check(&mut link, rule, key)).await;
        Ok(decision.map_err(Failure::from)?.map_err(Failure::from)?)
    }

    async fn check(&self) -> Result<(), BusError> {
        let mut link = self.link()?;
        let ping = redis::cmd("PING");
        let pong = timeout(CHECK_LIMIT, ping.query_async::<redis::Value>(&mut link)).await;
        pong.map_err(Failure::from)?.map_err(Failure::from)?;
        Ok(())
    }
}

fn parse(url: &SecretString) -> Result<ConnectionInfo, RedisBusError> {
    let info = url.expose_secret().into_connection_info().map_err(|error| url_error(&error))?;
    if let ConnectionAddr::TcpTls { insecure: true, .. } = info.addr() {
        let reason = "`#insecure` is not supported, the server's certificate must be valid";
        return Err(RedisBusError::Url(reason.to_owned()));
    }
    Ok(info)
}

/// Without the detail, which may be a piece of the URL.
fn url_error(error: &redis::RedisError) -> RedisBusError {
    let text = error.to_string();
    let reason = error.detail().and_then(|detail| text.strip_suffix(detail)).unwrap_or(&text);
    RedisBusError::Url(reason.trim_end_matches([':', ' ']).replace(" - InvalidClientConfig", ""))
}

//! Who may hear what, right now. The store knows; a short cache keeps seeks from asking it each time;
//! news on the bus makes the cache doubt what they are about.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::StreamExt;
use moka::future::Cache;
use songkeep_api::token::StreamAccess;
use songkeep_domain::{
    Clock, SessionId, StoreResult, Timestamp, UserId,
    bus::{Bus, Notice},
    event::{EventBody, LibraryChange},
    library::{CatalogStore, StreamTarget},
};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

/// How long a new request believes what an earlier one was told.
const CACHED_FOR: Duration = Duration::from_secs(3);
/// How long bytes flow on one answer of the store. Must leave time to notice within five seconds.
const FLOWS_FOR: Duration = Duration::from_secs(4);
const MAX_CACHED: u64 = 50_000;

/// The store's word, at one moment, that somebody may hear a song.
#[derive(Clone)]
pub(crate) struct Grant {
    pub(crate) target: Arc<StreamTarget>,
    /// When the question was asked.
    asked_at: Timestamp,
    /// See [`Revocations::stamp`].
    stamp: u64,
}

pub(crate) struct Grants {
    store: Arc<dyn CatalogStore>,
    clock: Arc<dyn Clock>,
    cache: Cache<StreamAccess, Grant>,
    revocations: Arc<Revocations>,
    _listener: AbortOnDropHandle<()>,
}

impl Grants {
    /// Listens to the bus from now on; needs a Tokio runtime.
    pub(crate) fn new(store: Arc<dyn CatalogStore>, bus: &dyn Bus, clock: Arc<dyn Clock>) -> Self {
        let revocations = Arc::new(Revocations::new());
        let heard = Arc::clone(&revocations);
        let mut notices = bus.subscribe();
        let listener = tokio::spawn(async move {
            while let Some(notice) = notices.next().await {
                heard.hear(&notice);
            }
        });
        let cache = Cache::builder().max_capacity(MAX_CACHED).time_to_live(CACHED_FOR).build();
        Self { store, clock, cache, revocations, _listener: AbortOnDropHandle::new(listener) }
    }

    /// None when there is no such right (any more).
    pub(crate) async fn find(&self, access: StreamAccess) -> StoreResult<Option<Grant>> {
        if let Some(grant) = self.cache.get(&access).await
            && self.is_fresh(&grant, access, CACHED_FOR)
        {
            return Ok(Some(grant));
        }
        // Both are read first: what changes while the store looks makes the answer old at once.
        let stamp = self.revocations.stamp(access);
        let asked_at = self.clock.now();
        let StreamAccess { user_id, session_id, song_id } = access;
        let Some(target) = self.store.find_stream_target(user_id, session_id, song_id, asked_at).await?
        else {
            self.cache.invalidate(&access).await;
            return Ok(None);
        };
        let grant = Grant { target: Arc::new(target), asked_at, stamp };
        self.cache.insert(access, grant.clone()).await;
        Ok(Some(grant))
    }

    /// Whether bytes may go on flowing without asking again.
    pub(crate) fn still_holds(&self, grant: &Grant, access: StreamAccess) -> bool {
        self.is_fresh(grant, access, FLOWS_FOR)
    }

    fn is_fresh(&self, grant: &Grant, access: StreamAccess, lifetime: Duration) -> bool {
        let now = self.clock.now();
        // A clock that was set back makes old grants look new.
        let in_time = grant.asked_at <= now && now.since(grant.asked_at) < lifetime;
        in_time && grant.stamp == self.revocations.stamp(access)
    }
}

/// Counts the news that may have ended somebody's rights. Accounts and sessions share counters, so
/// that this costs a fixed amount of memory; who shares one with a person that signs out is only asked
/// about once more.
struct Revocations {
    everybody: AtomicU64,
    users: [AtomicU64; SHARDS],
    sessions: [AtomicU64; SHARDS],
}

const SHARDS: usize = 256;

impl Revocations {
    fn new() -> Self {
        let zeros = || std::array::from_fn(|_| AtomicU64::new(0));
        Self { everybody: AtomicU64::new(0), users: zeros(), sessions: zeros() }
    }

    /// Grows with each piece of news that may concern this access.
    fn stamp(&self, access: StreamAccess) -> u64 {
        let counters = [&self.everybody, self.user(access.user_id), self.session(access.session_id)];
        counters.into_iter().map(|counter| counter.load(Ordering::Acquire)).sum()
    }

    fn hear(&self, notice: &Notice) {
        let counter = match notice {
            Notice::SessionEnded { session_id } => self.session(*session_id),
            Notice::UserChanged { user_id } => self.user(*user_id),
            Notice::Event(event) => match &event.body {
                EventBody::Library { change: LibraryChange::Removed, .. } => self.user(event.user_id),
                EventBody::Library { .. } | EventBody::Job { .. } => return,
            },
            Notice::Lagged => &self.everybody,
            Notice::JobReady | Notice::JobCancelRequested { .. } => return,
        };
        counter.fetch_add(1, Ordering::Release);
    }

    fn user(&self, id: UserId) -> &AtomicU64 {
        &self.users[shard(id.0)]
    }

    fn session(&self, id: SessionId) -> &AtomicU64 {
        &self.sessions[shard(id.0)]
    }
}

/// By the last byte, which is random in a UUIDv7.
fn shard(id: Uuid) -> usize {
    usize::from(id.as_bytes()[15])
}

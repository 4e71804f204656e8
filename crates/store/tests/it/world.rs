//! A fresh database, what its store told, and short ways to fill it.

use std::{
    future::Future,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use songkeep_domain::{
    Clock as _, EmailAddress, JobId, OneTimeTokenId, RefreshTokenId, SessionId, SongId, SourceProvider,
    SourceRef, SystemClock, Timestamp, UserId, UserRole,
    bus::{CommitHook, Notice},
    event::{Event, EventBody, EventStore as _, EventsAfter},
    job::{ClaimedJob, ImportHints, Job, JobStore as _, NewImport, Published},
    session::{NewRefreshToken, NewSession, SessionStore as _},
    song::NewSong,
    user::{NewOneTimeToken, NewUser, TokenHash, TokenPurpose, UserStore as _},
};
use songkeep_store::Store;
use songkeep_testkit::{
    postgres::{filled_database, fresh_database},
    world::new_song,
};
use tempfile::TempDir;

pub const LEASE: Duration = Duration::from_secs(60);
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Remembers what the store told.
#[derive(Default)]
pub struct Heard(Mutex<Vec<Notice>>);

impl CommitHook for Heard {
    fn committed(&self, notices: Vec<Notice>) {
        self.0.lock().unwrap().extend(notices);
    }
}

pub struct World {
    pub store: Store,
    pub url: String,
    heard: Arc<Heard>,
    folder: Option<TempDir>,
}

impl World {
    pub async fn sqlite() -> Self {
        let world = Self::empty_sqlite().await;
        world.store.migrate().await.unwrap();
        world
    }

    async fn empty_sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/songkeep.db", folder.path().display());
        Self::open(url, Some(folder)).await
    }

    pub async fn postgres() -> Self {
        let url = filled_database(async |url| {
            let world = Self::open(url.to_owned(), None).await;
            world.store.migrate().await?;
            world.store.close().await;
            Ok(())
        });
        Self::open(url.await.unwrap(), None).await
    }

    async fn empty_postgres() -> Self {
        Self::open(fresh_database().await.unwrap(), None).await
    }

    async fn open(url: String, folder: Option<TempDir>) -> Self {
        let heard = Arc::new(Heard::default());
        let store = Store::connect(&url.as_str().into(), Arc::clone(&heard) as _).await.unwrap();
        Self { store, url, heard, folder }
    }

    /// Another database of the same kind, without tables; an SQLite file is not even there.
    pub async fn empty(&self) -> Self {
        let empty = if self.is_sqlite() { Self::empty_sqlite().await } else { Self::empty_postgres().await };
        if self.is_sqlite() {
            empty.store.close().await;
            for file in std::fs::read_dir(empty.folder()).unwrap() {
                std::fs::remove_file(file.unwrap().path()).unwrap();
            }
        }
        empty
    }

    /// The same database as another process has it open.
    pub async fn another(&self) -> Store {
        self.opening().await
    }

    /// Opens the same database when awaited.
    pub fn opening(&self) -> impl Future<Output = Store> + Send + 'static {
        let (url, hook) = (self.url.clone(), Arc::clone(&self.heard));
        async move { Store::connect(&url.into(), hook).await.unwrap() }
    }

    pub fn hook(&self) -> Arc<dyn CommitHook> {
        self.heard.clone()
    }

    pub fn is_sqlite(&self) -> bool {
        self.folder.is_some()
    }

    pub fn folder(&self) -> &Path {
        self.folder.as_ref().unwrap().path()
    }

    /// What was told since this was last asked.
    pub fn heard(&self) -> Vec<Notice> {
        std::mem::take(&mut self.heard.0.lock().unwrap())
    }

    pub async fn user(&self) -> UserId {
        self.user_named(&format!("{}@example.com", UserId::new()), UserRole::User).await
    }

    pub async fn user_named(&self, address: &str, role: UserRole) -> UserId {
        self.store.create_user(new_user(address, role), None).await.unwrap().id
    }

    pub async fn enqueue(&self, user: UserId, source: &SourceRef) -> Job {
        self.store.enqueue_import(wish(user, source)).await.unwrap().into_job()
    }

    pub async fn claim(&self) -> ClaimedJob {
        self.find_claim().await.unwrap()
    }

    pub async fn find_claim(&self) -> Option<ClaimedJob> {
        self.store.claim_job("a worker", LEASE).await.unwrap()
    }

    pub async fn job(&self, id: JobId) -> Job {
        self.store.find_job(id, None).await.unwrap().unwrap()
    }

    /// Imports a recording of that title and 200 s for the account, as a worker does.
    pub async fn add_song(&self, user: UserId, title: &str) -> SongId {
        let source = next_source();
        self.add(user, &source, song(&source, title)).await
    }

    pub async fn add(&self, user: UserId, source: &SourceRef, song: NewSong) -> SongId {
        self.enqueue(user, source).await;
        let claimed = self.claim().await;
        assert_eq!((claimed.job.user_id, &claimed.job.source), (user, source));
        done(self.store.publish_import(&claimed.claim, song).await.unwrap())
    }

    /// All events of the account that came after `seq`.
    pub async fn events_after(&self, user: UserId, seq: i64) -> Vec<Event> {
        match self.store.list_events_after(user, seq, 10_000).await.unwrap() {
            EventsAfter::Events(events) => events,
            EventsAfter::Gap => panic!("a gap after {seq}"),
        }
    }

    /// A session that began now, and its first token.
    pub async fn session(&self, user: UserId) -> (SessionId, TokenHash) {
        let (id, token) = (SessionId::new(), refresh_token(now().plus(DAY)));
        let hash = token.hash;
        let session = NewSession {
            id,
            user_id: user,
            created_at: now(),
            expires_at: now().plus(DAY),
            user_agent: Some("a browser".to_owned()),
            ip: Some("192.0.2.7".to_owned()),
        };
        self.store.create_session(session, token, None).await.unwrap();
        (id, hash)
    }

    pub async fn is_alive(&self, session: SessionId) -> bool {
        self.store.find_session_state(session, now()).await.unwrap().unwrap().alive
    }
}

pub fn now() -> Timestamp {
    SystemClock.now()
}

pub fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

pub fn new_user(email: &str, role: UserRole) -> NewUser {
    NewUser {
        id: UserId::new(),
        email: address(email),
        password_hash: Some("a hash".to_owned()),
        role,
        verified_at: None,
        created_at: now(),
    }
}

pub fn one_time_token(user: Option<UserId>, purpose: TokenPurpose) -> NewOneTimeToken {
    NewOneTimeToken {
        id: OneTimeTokenId::new(),
        user_id: user,
        purpose,
        hash: random_hash(),
        created_at: now(),
        expires_at: now().plus(DAY),
    }
}

pub fn refresh_token(expires_at: Timestamp) -> NewRefreshToken {
    NewRefreshToken { id: RefreshTokenId::new(), hash: random_hash(), expires_at }
}

pub fn random_hash() -> TokenHash {
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(UserId::new().0.as_bytes());
    hash
}

/// A source that no other test of this process has.
pub fn next_source() -> SourceRef {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    source(&format!("next{:07}", NEXT.fetch_add(1, Ordering::Relaxed)))
}

pub fn source(id: &str) -> SourceRef {
    SourceRef::new(SourceProvider::Youtube, id).unwrap()
}

pub fn wish(user: UserId, source: &SourceRef) -> NewImport {
    NewImport {
        id: JobId::new(),
        user_id: user,
        source: source.clone(),
        hints: ImportHints::default(),
        max_attempts: 3,
        traceparent: None,
    }
}

pub fn song(source: &SourceRef, title: &str) -> NewSong {
    let sha256: String = format!("{source}").bytes().map(|byte| format!("{byte:02x}")).collect();
    new_song(title, sha256)
}

pub fn done(published: Published) -> SongId {
    match published {
        Published::Done { song_id } => song_id,
        Published::Lost => panic!("the claim was lost"),
    }
}

/// The states of a job that events told of, as `status/stage/percent`.
pub fn told_states(events: &[Event]) -> Vec<String> {
    let jobs = events.iter().filter_map(|event| match &event.body {
        EventBody::Job { job } => Some(job),
        EventBody::Library { .. } => None,
    });
    jobs.map(|job| {
        format!("{}/{}/{}", job.status.as_str(), job.progress.stage.as_str(), job.progress.percent)
    })
    .collect()
}

/// Runs `count` calls at the same time; their results.
pub async fn at_once<F, T>(count: usize, call: impl Fn(usize) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let calls: Vec<_> = (0..count).map(|n| tokio::spawn(call(n))).collect();
    let mut results = Vec::with_capacity(count);
    for call in calls {
        results.push(call.await.unwrap());
    }
    results
}

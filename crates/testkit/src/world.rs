//! A fresh database with accounts and songs in it, and callers who are signed in.

use std::{net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use songkeep_domain::{
    Actor, CallContext, Clock, EmailAddress, JobId, SessionId, SongId, SourceProvider, SourceRef,
    StoreResult, SystemClock, UserId, UserRole,
    actor::ClientInfo,
    bus::{CommitHook, Notice},
    job::{ImportHints, JobStore, NewImport, Published},
    song::{Container, NewSong, SongMetadata, StoredAudio},
    user::{NewUser, UserStore},
};

struct Unheard;

impl CommitHook for Unheard {
    fn committed(&self, _: Vec<Notice>) {}
}

/// A store in a folder that goes with it. All methods panic when the store fails.
pub struct World<S> {
    pub store: Arc<S>,
    _folder: tempfile::TempDir,
}

impl<S: UserStore + JobStore> World<S> {
    /// `open` makes the database in the file that it is given.
    ///
    /// # Panics
    /// When it cannot.
    pub async fn new<F>(open: impl FnOnce(PathBuf, Arc<dyn CommitHook>) -> F) -> Self
    where
        F: Future<Output = StoreResult<S>>,
    {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let store = open(folder.path().join("songkeep.db"), Arc::new(Unheard)).await.expect("an empty store");
        Self { store: Arc::new(store), _folder: folder }
    }

    /// A new account, calling from 192.0.2.7.
    ///
    /// # Panics
    /// When the store fails.
    pub async fn caller(&self, role: UserRole) -> CallContext {
        let id = UserId::new();
        let now = SystemClock.now();
        let new = NewUser {
            id,
            email: EmailAddress::parse(&format!("{id}@example.com")).expect("an address"),
            password_hash: None,
            role,
            verified_at: Some(now),
            created_at: now,
        };
        self.store.create_user(new, None).await.expect("a new account");
        CallContext {
            actor: Some(Actor { user_id: id, session_id: SessionId::new(), role }),
            client: ClientInfo { ip: Some(IpAddr::from([192, 0, 2, 7])), user_agent: None },
            ..nobody()
        }
    }

    /// Puts a song of 3:20 into the caller's library, as a worker does.
    ///
    /// # Panics
    /// When the store fails, or other jobs wait.
    pub async fn add_song(&self, caller: &CallContext, source_id: &str, title: &str) -> SongId {
        let new = NewImport {
            id: JobId::new(),
            user_id: user(caller),
            source: source(source_id),
            hints: ImportHints::default(),
            max_attempts: 5,
            traceparent: None,
        };
        self.store.enqueue_import(new).await.expect("a new job");
        let claimed = self.store.claim_job("a-test", Duration::from_secs(60)).await.expect("a claim");
        let claimed = claimed.expect("the job just added");
        let sha256 = format!("{:0<64}", hex(source_id));
        match self.store.publish_import(&claimed.claim, new_song(title, sha256)).await.expect("a publication")
        {
            Published::Done { song_id } => song_id,
            Published::Lost => panic!("nobody else has the job"),
        }
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// The account that is calling.
///
/// # Panics
/// When nobody is signed in.
#[must_use]
pub fn user(caller: &CallContext) -> UserId {
    caller.actor.as_ref().expect("somebody is signed in").user_id
}

/// A call by somebody who is not signed in.
#[must_use]
pub fn nobody() -> CallContext {
    CallContext { request_id: "a-test".to_owned(), ..CallContext::default() }
}

/// A recording on YouTube.
///
/// # Panics
/// When `id` has not the form of one.
#[must_use]
pub fn source(id: &str) -> SourceRef {
    SourceRef::new(SourceProvider::Youtube, id).expect("an id of eleven characters")
}

/// A song of 200 s in Opus, as a worker hands it over; `sha256` is its object's, of at least two characters.
#[must_use]
pub fn new_song(title: &str, sha256: String) -> NewSong {
    NewSong {
        id: SongId::new(),
        metadata: SongMetadata { title: title.to_owned(), ..SongMetadata::default() },
        audio: StoredAudio {
            container: Container::Mp4,
            codec: "opus".to_owned(),
            bitrate_kbps: 128,
            duration_ms: 200_000,
            storage_key: format!("audio/{}/{sha256}.mp4", &sha256[..2]),
            sha256,
            size_bytes: 3_000_000,
        },
    }
}

//! A catalog that knows who may hear what, and a bus inside one process.

use std::{
    collections::HashMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use futures::{StreamExt, channel::mpsc, stream::BoxStream};
use songkeep_api::token::StreamAccess;
use songkeep_domain::{
    Page, PageRequest, SessionId, SongId, SourceRef, StoreError, StoreResult, Timestamp, UserId,
    bus::{Bus, BusError, Notice, RateDecision, RateRule},
    library::{
        AlbumSummary, ArtistSummary, CatalogStore, EntryEdit, GroupPage, GroupQuery, LibraryPage,
        LibraryQuery, LibrarySong, LibraryTotals, SongFilter, SongSummary, SourceStatus, StreamTarget,
    },
    song::Song,
};

/// Answers only [`CatalogStore::find_stream_target`], and counts who waits for that.
#[derive(Default)]
pub struct FakeCatalog {
    targets: Mutex<HashMap<StreamAccess, StreamTarget>>,
    down: AtomicBool,
    calls: AtomicUsize,
    inside: AtomicUsize,
}

impl FakeCatalog {
    pub fn allow(&self, access: StreamAccess, target: StreamTarget) {
        self.targets.lock().expect("not poisoned").insert(access, target);
    }

    pub fn revoke(&self, access: StreamAccess) {
        self.targets.lock().expect("not poisoned").remove(&access);
    }

    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    /// How often it was asked.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// How many questions are being answered: what would hold a connection of a pool.
    pub fn inside(&self) -> usize {
        self.inside.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl CatalogStore for FakeCatalog {
    async fn find_stream_target(
        &self,
        user_id: UserId,
        session_id: SessionId,
        song_id: SongId,
        _now: Timestamp,
    ) -> StoreResult<Option<StreamTarget>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.inside.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        self.inside.fetch_sub(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("the secret address of the database".into()));
        }
        let access = StreamAccess { user_id, session_id, song_id };
        Ok(self.targets.lock().expect("not poisoned").get(&access).cloned())
    }

    async fn find_song(&self, _: SongId) -> StoreResult<Option<Song>> {
        unreachable!("the byte server does not ask this")
    }

    async fn list_source_statuses(&self, _: UserId, _: &[SourceRef]) -> StoreResult<Vec<SourceStatus>> {
        unreachable!("the byte server does not ask this")
    }

    async fn list_library(&self, _: UserId, _: &LibraryQuery) -> StoreResult<LibraryPage> {
        unreachable!("the byte server does not ask this")
    }

    async fn list_artists(&self, _: UserId, _: &GroupQuery) -> StoreResult<GroupPage<ArtistSummary>> {
        unreachable!("the byte server does not ask this")
    }

    async fn list_albums(&self, _: UserId, _: &GroupQuery) -> StoreResult<GroupPage<AlbumSummary>> {
        unreachable!("the byte server does not ask this")
    }

    async fn find_library_song(&self, _: UserId, _: SongId) -> StoreResult<Option<LibrarySong>> {
        unreachable!("the byte server does not ask this")
    }

    async fn update_entry(
        &self,
        _: UserId,
        _: SongId,
        _: &EntryEdit,
        _: Timestamp,
    ) -> StoreResult<Option<LibrarySong>> {
        unreachable!("the byte server changes nothing")
    }

    async fn remove_entry(&self, _: UserId, _: SongId, _: Timestamp) -> StoreResult<bool> {
        unreachable!("the byte server changes nothing")
    }

    async fn restore_entry(&self, _: UserId, _: SongId, _: Timestamp) -> StoreResult<Option<LibrarySong>> {
        unreachable!("the byte server changes nothing")
    }

    async fn list_songs(&self, _: &SongFilter, _: &PageRequest) -> StoreResult<Page<SongSummary>> {
        unreachable!("the byte server does not ask this")
    }

    async fn delete_song(&self, _: SongId, _: Timestamp) -> StoreResult<bool> {
        unreachable!("the byte server changes nothing")
    }

    async fn delete_orphaned_songs(&self, _: Timestamp) -> StoreResult<u64> {
        unreachable!("the byte server changes nothing")
    }

    async fn library_totals(&self) -> StoreResult<LibraryTotals> {
        unreachable!("the byte server does not ask this")
    }

    async fn list_referenced_keys(&self, _: &[String]) -> StoreResult<Vec<String>> {
        unreachable!("the byte server does not ask this")
    }
}

/// Hands every notice to every subscriber.
#[derive(Default)]
pub struct FakeBus(Mutex<Vec<mpsc::UnboundedSender<Notice>>>);

impl FakeBus {
    pub fn tell(&self, notice: &Notice) {
        let mut subscribers = self.0.lock().expect("not poisoned");
        subscribers.retain(|subscriber| subscriber.unbounded_send(notice.clone()).is_ok());
    }

    /// Those that have not gone away.
    pub fn subscribers(&self) -> usize {
        self.0.lock().expect("not poisoned").iter().filter(|subscriber| !subscriber.is_closed()).count()
    }
}

#[async_trait]
impl Bus for FakeBus {
    async fn publish(&self, notice: Notice) -> Result<(), BusError> {
        self.tell(&notice);
        Ok(())
    }

    fn subscribe(&self) -> BoxStream<'static, Notice> {
        let (subscriber, notices) = mpsc::unbounded();
        self.0.lock().expect("not poisoned").push(subscriber);
        notices.boxed()
    }

    async fn check_rate(&self, _: RateRule, _: &str) -> Result<RateDecision, BusError> {
        Ok(RateDecision::Allowed)
    }

    async fn check(&self) -> Result<(), BusError> {
        Ok(())
    }
}

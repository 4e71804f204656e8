//! One fake of all five services. It records every call, answers with samples, and fails where told.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;
use songkeep_api::{
    admin::{
        AdminApi, GetStats, ListAllJobs, ListAudit, ListSongs, ListUsers, RecordTraffic, Series, SetDisabled,
        SetRole, Stats,
    },
    auth::{AuthApi, IssuedTokens, ResetPassword, SetUpAdmin, SignIn, SignUp, SignedUp},
    catalog::{CatalogApi, LibraryList, ListAlbums, ListArtists, ListLibrary, StreamGrant, UpdateEntry},
    download::{DownloadApi, Import, ListEvents, ListJobs},
    search::{EncodedImage, Search, SearchApi, SearchResults},
};
use songkeep_domain::{
    CallContext, ErrorCode, JobId, Page, ServiceError, ServiceResult, SessionId, SongId, SourceRef, UserRole,
    audit::AuditEntry,
    event::{Event, EventsAfter},
    job::{Job, QueueStats},
    library::{AlbumSummary, ArtistSummary, GroupPage, LibrarySong, SongSummary, SourceStatus},
    session::SessionState,
    user::{User, UserSummary},
};

use crate::samples;

/// The refresh token that `refresh` accepts.
pub const GOOD_REFRESH: &str = "good-refresh-token";

/// What the gateway calls besides what it was asked for.
const BESIDES: [&str; 2] = ["auth.check_session", "admin.record_traffic"];

#[derive(Clone, Debug)]
pub struct Call {
    /// Such as `auth.sign_in`.
    pub method: &'static str,
    pub ctx: CallContext,
    pub request: Value,
}

#[derive(Default)]
pub struct State {
    pub calls: Vec<Call>,
    pub sessions: HashMap<SessionId, SessionState>,
    /// Methods that fail, and how.
    pub failures: HashMap<&'static str, ErrorCode>,
    /// What the search finds.
    pub hits: Vec<songkeep_api::search::RankedHit>,
    pub statuses: Vec<SourceStatus>,
    pub image: Option<EncodedImage>,
    /// All events of the signed-in user.
    pub events: Vec<Event>,
    /// Events up to this are forgotten.
    pub forgotten: i64,
}

#[derive(Default)]
pub struct Services(Mutex<State>);

impl Services {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub fn fail(&self, method: &'static str, code: ErrorCode) {
        self.state().failures.insert(method, code);
    }

    pub fn end_session(&self, id: SessionId) {
        self.state().sessions.get_mut(&id).unwrap().alive = false;
    }

    /// The calls so far, without the questions about sessions and the reports of traffic.
    pub fn calls(&self) -> Vec<Call> {
        let calls = self.state().calls.clone();
        calls.into_iter().filter(|call| !BESIDES.contains(&call.method)).collect()
    }

    /// The one call that was made.
    pub fn only_call(&self) -> Call {
        let mut calls = self.calls();
        assert_eq!(calls.len(), 1, "{calls:?}");
        calls.remove(0)
    }

    fn called(&self, method: &'static str, ctx: &CallContext, request: impl Serialize) -> ServiceResult<()> {
        let mut state = self.state();
        let request = serde_json::to_value(request).unwrap();
        state.calls.push(Call { method, ctx: ctx.clone(), request });
        match state.failures.get(method) {
            Some(code) => Err(ServiceError::new(*code, "As the test wants.").with_source("secret internals")),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl AuthApi for Services {
    async fn sign_up(&self, ctx: &CallContext, request: SignUp) -> ServiceResult<SignedUp> {
        self.called("auth.sign_up", ctx, request)?;
        let detail = "Look into your mail.".to_owned();
        Ok(SignedUp { detail, verification_required: true, verification_token: None })
    }

    async fn verify_email(&self, ctx: &CallContext, token: String) -> ServiceResult<String> {
        self.called("auth.verify_email", ctx, token)?;
        Ok("Your address is verified.".to_owned())
    }

    async fn set_up_admin(&self, ctx: &CallContext, request: SetUpAdmin) -> ServiceResult<String> {
        self.called("auth.set_up_admin", ctx, request)?;
        Ok("The administrator is made.".to_owned())
    }

    async fn forgot_password(&self, ctx: &CallContext, email: String) -> ServiceResult<String> {
        self.called("auth.forgot_password", ctx, email)?;
        Ok("Look into your mail, if there is an account.".to_owned())
    }

    async fn reset_password(&self, ctx: &CallContext, request: ResetPassword) -> ServiceResult<String> {
        self.called("auth.reset_password", ctx, request)?;
        Ok("Your password is changed.".to_owned())
    }

    async fn sign_in(&self, ctx: &CallContext, request: SignIn) -> ServiceResult<IssuedTokens> {
        self.called("auth.sign_in", ctx, request)?;
        Ok(issued())
    }

    async fn refresh(&self, ctx: &CallContext, token: String) -> ServiceResult<IssuedTokens> {
        self.called("auth.refresh", ctx, &token)?;
        if token == GOOD_REFRESH { Ok(issued()) } else { Err(ServiceError::unauthenticated()) }
    }

    async fn sign_out(&self, ctx: &CallContext, token: Option<String>) -> ServiceResult<()> {
        self.called("auth.sign_out", ctx, token)
    }

    async fn me(&self, ctx: &CallContext, (): ()) -> ServiceResult<User> {
        self.called("auth.me", ctx, ())?;
        let actor = ctx.require_user()?;
        Ok(samples::user(actor.user_id, actor.role))
    }

    async fn check_session(&self, ctx: &CallContext, id: SessionId) -> ServiceResult<Option<SessionState>> {
        self.called("auth.check_session", ctx, id)?;
        Ok(self.state().sessions.get(&id).cloned())
    }
}

fn issued() -> IssuedTokens {
    IssuedTokens {
        access_token: "an.access.token".to_owned(),
        expires_in: 1_800,
        refresh_token: "next-refresh-token".to_owned(),
        refresh_expires_in: 1_209_600,
    }
}

#[async_trait]
impl SearchApi for Services {
    async fn search(&self, ctx: &CallContext, request: Search) -> ServiceResult<SearchResults> {
        self.called("search.search", ctx, request)?;
        let hits = self.state().hits.clone();
        Ok(SearchResults { hits, total_candidates: 37, version: "3".to_owned() })
    }

    async fn thumbnail(&self, ctx: &CallContext, source: SourceRef) -> ServiceResult<EncodedImage> {
        self.called("search.thumbnail", ctx, source)?;
        let image = self.state().image.clone();
        image.ok_or_else(|| ServiceError::not_found("This picture"))
    }
}

#[async_trait]
impl CatalogApi for Services {
    async fn source_statuses(
        &self,
        ctx: &CallContext,
        sources: Vec<SourceRef>,
    ) -> ServiceResult<Vec<SourceStatus>> {
        self.called("catalog.source_statuses", ctx, sources)?;
        Ok(self.state().statuses.clone())
    }

    async fn list_library(&self, ctx: &CallContext, request: ListLibrary) -> ServiceResult<LibraryList> {
        self.called("catalog.list_library", ctx, request)?;
        let songs = vec![samples::library_song(SongId::new())];
        Ok(LibraryList { songs, next_cursor: Some("next".to_owned()), total: 7 })
    }

    async fn list_artists(
        &self,
        ctx: &CallContext,
        request: ListArtists,
    ) -> ServiceResult<GroupPage<ArtistSummary>> {
        self.called("catalog.list_artists", ctx, request)?;
        let artist = ArtistSummary { name: "Singer".to_owned(), song_count: 3, album_count: 2 };
        let groups = Page { items: vec![artist], next_cursor: Some("next".to_owned()) };
        Ok(GroupPage { groups, total: 7, unknown_count: 1 })
    }

    async fn list_albums(
        &self,
        ctx: &CallContext,
        request: ListAlbums,
    ) -> ServiceResult<GroupPage<AlbumSummary>> {
        self.called("catalog.list_albums", ctx, request)?;
        let (name, artist) = ("Album".to_owned(), None);
        let album = AlbumSummary { name, artist, song_count: 3, duration_ms: 600_500 };
        Ok(GroupPage { groups: Page { items: vec![album], next_cursor: None }, total: 1, unknown_count: 4 })
    }

    async fn get_library_song(&self, ctx: &CallContext, id: SongId) -> ServiceResult<LibrarySong> {
        self.called("catalog.get_library_song", ctx, id)?;
        Ok(samples::library_song(id))
    }

    async fn update_entry(&self, ctx: &CallContext, request: UpdateEntry) -> ServiceResult<LibrarySong> {
        let id = request.song_id;
        self.called("catalog.update_entry", ctx, request)?;
        Ok(samples::library_song(id))
    }

    async fn remove_entry(&self, ctx: &CallContext, id: SongId) -> ServiceResult<()> {
        self.called("catalog.remove_entry", ctx, id)
    }

    async fn restore_entry(&self, ctx: &CallContext, id: SongId) -> ServiceResult<LibrarySong> {
        self.called("catalog.restore_entry", ctx, id)?;
        Ok(samples::library_song(id))
    }

    async fn grant_stream(&self, ctx: &CallContext, id: SongId) -> ServiceResult<StreamGrant> {
        self.called("catalog.grant_stream", ctx, id)?;
        Ok(StreamGrant { token: "a.stream.token".to_owned(), expires_in: 516 })
    }
}

#[async_trait]
impl DownloadApi for Services {
    async fn import(&self, ctx: &CallContext, request: Import) -> ServiceResult<Job> {
        self.called("download.import", ctx, request)?;
        Ok(samples::job(JobId::new(), ctx.require_user()?.user_id))
    }

    async fn get_job(&self, ctx: &CallContext, id: JobId) -> ServiceResult<Job> {
        self.called("download.get_job", ctx, id)?;
        Ok(samples::job(id, ctx.require_user()?.user_id))
    }

    async fn list_jobs(&self, ctx: &CallContext, request: ListJobs) -> ServiceResult<Page<Job>> {
        self.called("download.list_jobs", ctx, request)?;
        let items = vec![samples::job(JobId::new(), ctx.require_user()?.user_id)];
        Ok(Page { items, next_cursor: None })
    }

    async fn cancel_job(&self, ctx: &CallContext, id: JobId) -> ServiceResult<Job> {
        self.called("download.cancel_job", ctx, id)?;
        Ok(samples::job(id, ctx.require_user()?.user_id))
    }

    async fn retry_job(&self, ctx: &CallContext, id: JobId) -> ServiceResult<Job> {
        self.called("download.retry_job", ctx, id)?;
        Ok(samples::job(id, ctx.require_user()?.user_id))
    }

    async fn list_events(&self, ctx: &CallContext, request: ListEvents) -> ServiceResult<EventsAfter> {
        self.called("download.list_events", ctx, &request)?;
        let state = self.state();
        let newest = state.events.last().map_or(0, |event| event.seq);
        if request.after_seq < state.forgotten || request.after_seq > newest {
            return Ok(EventsAfter::Gap);
        }
        let after = state.events.iter().filter(|event| event.seq > request.after_seq);
        Ok(EventsAfter::Events(after.take(request.limit as usize).cloned().collect()))
    }

    async fn last_event_seq(&self, ctx: &CallContext, (): ()) -> ServiceResult<i64> {
        self.called("download.last_event_seq", ctx, ())?;
        Ok(self.state().events.last().map_or(0, |event| event.seq))
    }
}

#[async_trait]
impl AdminApi for Services {
    async fn list_users(&self, ctx: &CallContext, request: ListUsers) -> ServiceResult<Page<UserSummary>> {
        self.called("admin.list_users", ctx, request)?;
        let user = samples::user(ctx.require_admin()?.user_id, UserRole::Admin);
        let items = vec![UserSummary { user, song_count: 3, storage_bytes: 9_000 }];
        Ok(Page { items, next_cursor: Some("next".to_owned()) })
    }

    async fn list_songs(&self, ctx: &CallContext, request: ListSongs) -> ServiceResult<Page<SongSummary>> {
        self.called("admin.list_songs", ctx, request)?;
        let items = vec![SongSummary { song: samples::song(SongId::new()), owners: 2 }];
        Ok(Page { items, next_cursor: None })
    }

    async fn list_jobs(&self, ctx: &CallContext, request: ListAllJobs) -> ServiceResult<Page<Job>> {
        self.called("admin.list_jobs", ctx, request)?;
        let items = vec![samples::job(JobId::new(), ctx.require_admin()?.user_id)];
        Ok(Page { items, next_cursor: None })
    }

    async fn list_audit(&self, ctx: &CallContext, request: ListAudit) -> ServiceResult<Page<AuditEntry>> {
        self.called("admin.list_audit", ctx, request)?;
        Ok(Page { items: vec![samples::audit()], next_cursor: None })
    }

    async fn stats(&self, ctx: &CallContext, request: Option<GetStats>) -> ServiceResult<Stats> {
        self.called("admin.stats", ctx, request)?;
        let jobs = QueueStats { queued: 1, ..QueueStats::default() };
        let series = Series {
            bucket_seconds: 900,
            from: samples::MOMENT,
            requests: vec![5, 6],
            errors: vec![0, 1],
            imports_completed: vec![2, 0],
            imports_failed: vec![0, 1],
            storage_bytes: vec![4, 5],
            songs: vec![2, 3],
            users: vec![2, 2],
        };
        Ok(Stats { users: 2, songs: 3, library_entries: 4, storage_bytes: 5, jobs, series })
    }

    async fn record_traffic(&self, ctx: &CallContext, request: RecordTraffic) -> ServiceResult<()> {
        self.called("admin.record_traffic", ctx, request)
    }

    async fn set_role(&self, ctx: &CallContext, request: SetRole) -> ServiceResult<User> {
        self.called("admin.set_role", ctx, &request)?;
        Ok(samples::user(request.user_id, request.role))
    }

    async fn set_disabled(&self, ctx: &CallContext, request: SetDisabled) -> ServiceResult<User> {
        self.called("admin.set_disabled", ctx, &request)?;
        let disabled_at = request.disabled.then_some(samples::MOMENT);
        Ok(User { disabled_at, ..samples::user(request.user_id, UserRole::User) })
    }

    async fn cancel_job(&self, ctx: &CallContext, id: JobId) -> ServiceResult<Job> {
        self.called("admin.cancel_job", ctx, id)?;
        Ok(samples::job(id, ctx.require_admin()?.user_id))
    }

    async fn retry_job(&self, ctx: &CallContext, id: JobId) -> ServiceResult<Job> {
        self.called("admin.retry_job", ctx, id)?;
        Ok(samples::job(id, ctx.require_admin()?.user_id))
    }

    async fn delete_song(&self, ctx: &CallContext, id: SongId) -> ServiceResult<()> {
        self.called("admin.delete_song", ctx, id)
    }
}

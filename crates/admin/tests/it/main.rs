//! The admin service over a real database, through its local and its HTTP client alike.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{path::PathBuf, sync::Arc, time::Duration};

use songkeep_admin::{AdminPorts, AdminService};
use songkeep_api::admin::{
    AdminClient, AdminRpc, GetStats, ListAllJobs, ListAudit, ListSongs, ListUsers, RecordTraffic,
    SetDisabled, SetRole,
};
use songkeep_domain::{
    CallContext, Clock as _, ErrorCode, JobId, PageRequest, SongId, StoreResult, SystemClock, UserId,
    UserRole,
    audit::AuditEntry,
    bus::CommitHook,
    job::{FailureCode, ImportFailure, ImportHints, JobFilter, JobStatus, JobStore, NewImport},
    library::SongFilter,
    overview::TrafficMinute,
    user::UserFilter,
};
use songkeep_store::Store;
use songkeep_testkit::{
    remote,
    world::{nobody, source, user},
};

type World = songkeep_testkit::world::World<Store>;

async fn open(path: PathBuf, hook: Arc<dyn CommitHook>) -> StoreResult<Store> {
    let store = Store::open_sqlite(&path, hook).await?;
    store.migrate().await?;
    Ok(store)
}

async fn setup() -> (World, [AdminClient; 2]) {
    let world = World::new(open).await;
    let ports = AdminPorts {
        users: Arc::clone(&world.store) as _,
        catalog: Arc::clone(&world.store) as _,
        jobs: Arc::clone(&world.store) as _,
        audit: Arc::clone(&world.store) as _,
        overview: Arc::clone(&world.store) as _,
        clock: Arc::new(SystemClock),
    };
    let service = Arc::new(AdminService::new(ports));
    let remote = remote::serve(Arc::new(AdminRpc(Arc::clone(&service) as _))).await;
    (world, [AdminClient::local(service), AdminClient::http(remote)])
}

const DAY: Option<GetStats> = Some(GetStats { hours: 24 });
const PAGE: PageRequest = PageRequest::first(50);

fn demote(user_id: UserId) -> SetRole {
    SetRole { user_id, role: UserRole::User }
}

fn promote(user_id: UserId) -> SetRole {
    SetRole { user_id, role: UserRole::Admin }
}

const fn disabled(user_id: UserId, disabled: bool) -> SetDisabled {
    SetDisabled { user_id, disabled }
}

async fn audit(client: &AdminClient, admin: &CallContext) -> Vec<AuditEntry> {
    client.list_audit(admin, ListAudit { q: None, page: PAGE }).await.unwrap().items
}

async fn add_job(world: &World, caller: &CallContext, id: &str) -> JobId {
    let new = NewImport {
        id: JobId::new(),
        user_id: user(caller),
        source: source(id),
        hints: ImportHints::default(),
        max_attempts: 5,
        traceparent: None,
    };
    world.store.enqueue_import(new).await.unwrap().into_job().id
}

#[tokio::test]
async fn every_method_is_for_administrators_only() {
    let (world, clients) = setup().await;
    let listener = world.caller(UserRole::User).await;
    for client in &clients {
        for (caller, code) in [(&nobody(), ErrorCode::Unauthenticated), (&listener, ErrorCode::Forbidden)] {
            let (users, songs, jobs) = (UserFilter::default(), SongFilter::default(), JobFilter::default());
            let errors = [
                client.list_users(caller, ListUsers { filter: users, page: PAGE }).await.err(),
                client.list_songs(caller, ListSongs { filter: songs, page: PAGE }).await.err(),
                client.list_jobs(caller, ListAllJobs { filter: jobs, page: PAGE }).await.err(),
                client.list_audit(caller, ListAudit { q: None, page: PAGE }).await.err(),
                client.stats(caller, DAY).await.err(),
                client.set_role(caller, promote(user(&listener))).await.err(),
                client.set_disabled(caller, disabled(user(&listener), true)).await.err(),
                client.cancel_job(caller, JobId::new()).await.err(),
                client.retry_job(caller, JobId::new()).await.err(),
                client.delete_song(caller, SongId::new()).await.err(),
            ];
            for error in errors {
                assert_eq!(error.unwrap().code, code);
            }
        }
    }
}

#[tokio::test]
async fn lists_and_stats_show_everybodys_things() {
    let (world, clients) = setup().await;
    let (admin, ada) = (world.caller(UserRole::Admin).await, world.caller(UserRole::User).await);
    let song = world.add_song(&ada, "aaaaaaaaaa1", "One").await;
    for client in &clients {
        let request = ListUsers { filter: UserFilter::default(), page: PAGE };
        let users = client.list_users(&admin, request).await.unwrap().items;
        let row = users.iter().find(|row| row.user.id == user(&ada)).unwrap();
        assert_eq!((users.len(), row.song_count, row.storage_bytes), (2, 1, 3_000_000));
        let request = ListSongs { filter: SongFilter { q: Some("one".to_owned()) }, page: PAGE };
        let songs = client.list_songs(&admin, request).await.unwrap().items;
        assert_eq!((songs[0].song.id, songs[0].owners), (song, 1));
        let filter = JobFilter { user_id: Some(user(&ada)), status: Some(JobStatus::Completed), q: None };
        let jobs = client.list_jobs(&admin, ListAllJobs { filter, page: PAGE }).await.unwrap().items;
        assert_eq!((jobs.len(), jobs[0].song_id), (1, Some(song)));
        let stats = client.stats(&admin, DAY).await.unwrap();
        assert_eq!(
            (stats.users, stats.songs, stats.library_entries, stats.storage_bytes),
            (2, 1, 1, 3_000_000)
        );
        assert_eq!(stats.jobs.completed, 1);
    }
}

#[tokio::test]
async fn bad_lists_are_refused_with_the_field_at_fault() {
    let (world, clients) = setup().await;
    let admin = world.caller(UserRole::Admin).await;
    for client in &clients {
        for (q, limit, field) in [
            (None, 0, "limit"),
            (None, 501, "limit"),
            (Some("a\0".to_owned()), 5, "q"),
            (Some("x".repeat(301)), 5, "q"),
        ] {
            let page = PageRequest::first(limit);
            let filter = UserFilter { q: q.clone(), status: None };
            let error =
                client.list_users(&admin, ListUsers { filter, page: page.clone() }).await.unwrap_err();
            assert_eq!((error.code, error.fields[0].field.as_str()), (ErrorCode::Invalid, field));
            let error = client.list_audit(&admin, ListAudit { q, page }).await.unwrap_err();
            assert_eq!(error.fields[0].field, field);
        }
    }
}

#[tokio::test]
async fn roles_change_and_are_on_record_with_actor_target_and_address() {
    let (world, clients) = setup().await;
    let admin = world.caller(UserRole::Admin).await;
    for client in &clients {
        let ada = user(&world.caller(UserRole::User).await);
        assert_eq!(client.set_role(&admin, promote(ada)).await.unwrap().role, UserRole::Admin);
        assert_eq!(client.set_role(&admin, promote(ada)).await.unwrap().role, UserRole::Admin);
        assert_eq!(client.set_role(&admin, demote(ada)).await.unwrap().role, UserRole::User);
        let entries: Vec<_> = audit(client, &admin)
            .await
            .into_iter()
            .filter(|row| row.target == Some(ada.to_string()))
            .collect();
        assert_eq!(entries.len(), 2, "what changes nothing is not recorded");
        for entry in entries {
            assert_eq!((entry.action.as_str(), entry.actor_id), ("user.set_role", Some(user(&admin))));
            assert_eq!(entry.ip.as_deref(), Some("192.0.2.7"));
        }
    }
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let (world, clients) = setup().await;
    let admin = world.caller(UserRole::Admin).await;
    let second = user(&world.caller(UserRole::Admin).await);
    for client in &clients {
        client.set_disabled(&admin, disabled(second, true)).await.unwrap();
        // A disabled administrator does not count.
        let error = client.set_role(&admin, demote(user(&admin))).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Conflict);
        let error = client.set_disabled(&admin, disabled(user(&admin), true)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Conflict);
        client.set_disabled(&admin, disabled(second, false)).await.unwrap();
    }
    let mine = |row: &AuditEntry| row.target == Some(user(&admin).to_string());
    assert!(!audit(&clients[0], &admin).await.iter().any(mine), "what was refused is not recorded");
    assert_eq!(clients[0].set_role(&admin, demote(user(&admin))).await.unwrap().role, UserRole::User);
}

#[tokio::test]
async fn two_administrators_cannot_remove_each_other() {
    let (world, clients) = setup().await;
    let (ada, bob) = (world.caller(UserRole::Admin).await, world.caller(UserRole::Admin).await);
    let (first, second) = tokio::join!(
        clients[0].set_role(&ada, demote(user(&bob))),
        clients[1].set_disabled(&bob, disabled(user(&ada), true)),
    );
    assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
    let loser = if first.is_ok() { second.err() } else { first.err() };
    assert_eq!(loser.unwrap().code, ErrorCode::Forbidden, "the token is older than the loss of the role");
}

#[tokio::test]
async fn accounts_are_disabled_and_enabled_on_record() {
    let (world, clients) = setup().await;
    let admin = world.caller(UserRole::Admin).await;
    for client in &clients {
        let ada = user(&world.caller(UserRole::User).await);
        assert!(client.set_disabled(&admin, disabled(ada, true)).await.unwrap().disabled_at.is_some());
        assert!(client.set_disabled(&admin, disabled(ada, false)).await.unwrap().disabled_at.is_none());
        let mut actions: Vec<_> = audit(client, &admin)
            .await
            .into_iter()
            .filter(|row| row.target == Some(ada.to_string()))
            .map(|row| row.action)
            .collect();
        actions.sort();
        assert_eq!(actions, ["user.disable", "user.enable"]);
    }
}

#[tokio::test]
async fn jobs_are_cancelled_and_retried_for_their_owners() {
    let (world, clients) = setup().await;
    let (admin, ada) = (world.caller(UserRole::Admin).await, world.caller(UserRole::User).await);
    for (client, id) in clients.iter().zip(["aaaaaaaaaa1", "aaaaaaaaaa2"]) {
        let job = add_job(&world, &ada, id).await;
        assert_eq!(client.retry_job(&admin, job).await.unwrap_err().code, ErrorCode::Conflict);
        assert_eq!(client.cancel_job(&admin, job).await.unwrap().status, JobStatus::Cancelled);
        assert_eq!(client.cancel_job(&admin, job).await.unwrap_err().code, ErrorCode::Conflict);
        assert_eq!(client.retry_job(&admin, job).await.unwrap().status, JobStatus::Queued);
        let claimed = world.store.claim_job("a-test", Duration::from_secs(60)).await.unwrap().unwrap();
        let failure = ImportFailure::new(FailureCode::Private, "the tool's words");
        world.store.fail_job(&claimed.claim, &failure, None).await.unwrap();
        let retried = client.retry_job(&admin, job).await.unwrap();
        assert_eq!((retried.status, retried.user_id), (JobStatus::Queued, user(&ada)));
        client.cancel_job(&admin, job).await.unwrap();
        let entries = audit(client, &admin).await;
        let count = |action: &str| {
            entries.iter().filter(|row| row.action == action && row.target == Some(job.to_string())).count()
        };
        assert_eq!((count("job.cancel"), count("job.retry")), (2, 2));
    }
}

#[tokio::test]
async fn a_deleted_song_leaves_all_libraries() {
    let (world, clients) = setup().await;
    let (admin, ada) = (world.caller(UserRole::Admin).await, world.caller(UserRole::User).await);
    for (client, id) in clients.iter().zip(["aaaaaaaaaa1", "aaaaaaaaaa2"]) {
        let song = world.add_song(&ada, id, "One").await;
        client.delete_song(&admin, song).await.unwrap();
        assert_eq!(client.delete_song(&admin, song).await.unwrap_err().code, ErrorCode::NotFound);
        let stats = client.stats(&admin, DAY).await.unwrap();
        assert_eq!((stats.songs, stats.library_entries), (0, 0));
        let entry =
            audit(client, &admin).await.into_iter().find(|row| row.target == Some(song.to_string())).unwrap();
        assert_eq!(entry.action, "song.delete");
        assert_eq!(entry.detail["title"], "One");
    }
}

#[tokio::test]
async fn unknown_ids_are_not_found_and_leave_no_record() {
    let (world, clients) = setup().await;
    let admin = world.caller(UserRole::Admin).await;
    for client in &clients {
        let errors = [
            client.set_role(&admin, promote(UserId::new())).await.err(),
            client.set_disabled(&admin, disabled(UserId::new(), true)).await.err(),
            client.cancel_job(&admin, JobId::new()).await.err(),
            client.retry_job(&admin, JobId::new()).await.err(),
            client.delete_song(&admin, SongId::new()).await.err(),
        ];
        for error in errors {
            assert_eq!(error.unwrap().code, ErrorCode::NotFound);
        }
        assert!(audit(client, &admin).await.is_empty());
    }
}

#[tokio::test]
async fn the_series_tells_what_went_on_and_what_stood_at_each_end() {
    let (world, clients) = setup().await;
    let (admin, ada) = (world.caller(UserRole::Admin).await, world.caller(UserRole::User).await);
    world.add_song(&ada, "aaaaaaaaaa1", "One").await;
    let minute = SystemClock.now().as_secs() / 60;
    for client in &clients {
        let node = uuid::Uuid::now_v7();
        let minutes = vec![
            TrafficMinute { minute: minute - 1, requests: 30, errors: 2 },
            TrafficMinute { minute: minute - 60 * 24 * 40, requests: 1_000, errors: 1_000 },
        ];
        // A gateway has no account, and may not know whether it was heard.
        for _ in 0..2 {
            let request = RecordTraffic { node, minutes: minutes.clone() };
            client.record_traffic(&nobody(), request).await.unwrap();
        }
    }
    for client in &clients {
        let asked = client.stats(&admin, None).await.unwrap();
        assert_eq!(asked.series.bucket_seconds, 900, "a day");
        for (hours, width, count) in
            [(1, 60, 60), (6, 300, 72), (24, 900, 96), (72, 3_600, 72), (168, 7_200, 84), (720, 21_600, 120)]
        {
            let series = client.stats(&admin, Some(GetStats { hours })).await.unwrap().series;
            assert_eq!(series.bucket_seconds, width);
            let lists = [
                &series.requests,
                &series.errors,
                &series.imports_completed,
                &series.imports_failed,
                &series.storage_bytes,
                &series.songs,
                &series.users,
            ];
            assert!(lists.iter().all(|list| list.len() == count), "{hours} h");
            let sums = [&series.requests, &series.errors, &series.imports_completed, &series.imports_failed]
                .map(|list| list.iter().sum::<u64>());
            assert_eq!(sums, [60, 4, 1, 0], "{hours} h");
            let last = [&series.storage_bytes, &series.songs, &series.users].map(|list| list[count - 1]);
            assert_eq!(last, [3_000_000, 1, 2], "{hours} h");
            assert_eq!(series.songs[0], 0, "{hours} h");
        }
        for hours in [0, 721] {
            let error = client.stats(&admin, Some(GetStats { hours })).await.unwrap_err();
            assert_eq!((error.code, error.fields[0].field.as_str()), (ErrorCode::Invalid, "hours"));
        }
        let minutes = vec![TrafficMinute::default(); 3_000];
        let request = RecordTraffic { node: uuid::Uuid::now_v7(), minutes };
        assert_eq!(client.record_traffic(&nobody(), request).await.unwrap_err().code, ErrorCode::Invalid);
    }
}

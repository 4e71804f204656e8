//! Moving everything from one database into another and back.

use std::time::Duration;

use songkeep_domain::{
    AuditId, PageRequest, SongId, UserId, UserRole,
    audit::{AuditEntry, AuditStore as _},
    job::{Claim, FailureCode, ImportFailure, ImportStage, JobProgress, JobStatus, JobStore as _},
    library::{CatalogStore as _, EntryEdit, LibraryQuery, LibrarySort},
    overview::{OverviewStore as _, TrafficMinute},
    session::{Rotation, SessionStore as _},
    user::{TokenPurpose, UserStore as _},
};
use songkeep_store::{
    Store,
    transfer::{TargetState, Transfer, TransferError},
};

use uuid::Uuid;

use crate::world::{DAY, LEASE, World, now, one_time_token, refresh_token, source, wish};

/// What a filled database has to show for it afterwards.
struct Filled {
    ada: UserId,
    song: SongId,
    token: songkeep_domain::user::TokenHash,
    running: Claim,
}

/// Rows of all kinds: three accounts, one of them with a password that waits for its link, sessions with
/// used tokens, songs that two have, an edit, one taken out, jobs of every state, audit, traffic.
async fn fill(world: &World) -> Filled {
    let store = &world.store;
    let ada = world.user_named("ada@example.com", UserRole::Admin).await;
    let bob = world.user_named("bob@example.com", UserRole::User).await;
    store.add_one_time_token(one_time_token(Some(bob), TokenPurpose::VerifyEmail)).await.unwrap();
    let (_, first) = world.session(ada).await;
    let next = refresh_token(now().plus(DAY));
    let token = next.hash;
    let rotated = store.rotate_refresh_token(&first, next, [7; 16], now(), LEASE).await.unwrap();
    assert!(matches!(rotated, Rotation::Rotated { .. }));
    world.session(bob).await;
    let eve = world.user_named("eve@example.com", UserRole::User).await;
    let waiting = one_time_token(Some(eve), TokenPurpose::VerifyEmail);
    store.add_sign_up_token(waiting, "a hash".to_owned()).await.unwrap();
    store
        .record_traffic(Uuid::now_v7(), &[TrafficMinute { minute: 29_000_000, requests: 7, errors: 1 }])
        .await
        .unwrap();
    let song = world.add_song(ada, "Ünïcödé, 東京 🎵").await;
    for number in 0..520 {
        world.add_song(if number % 3 == 0 { bob } else { ada }, &format!("Song {number}")).await;
    }
    let removed = world.add_song(ada, "Taken out").await;
    store.remove_entry(ada, removed, now()).await.unwrap();
    let edit = EntryEdit { title: Some(Some("Mine".to_owned())), ..EntryEdit::default() };
    store.update_entry(ada, song, &edit, now()).await.unwrap();
    let [failed, cancelled, queued, running] = ["failedSong1", "cancelSong1", "queuedSong1", "runningSon1"];
    store.enqueue_import(wish(ada, &source(failed))).await.unwrap();
    let claimed = world.claim().await;
    let failure = ImportFailure::new(FailureCode::Internal, "it\0 broke");
    assert!(store.fail_job(&claimed.claim, &failure, None).await.unwrap());
    let job = world.enqueue(ada, &source(cancelled)).await;
    store.cancel_job(job.id, None).await.unwrap();
    world.enqueue(ada, &source(running)).await;
    let running = world.claim().await.claim;
    let progress = JobProgress { stage: ImportStage::Download, percent: 40 };
    store.heartbeat(&running, LEASE, progress, Some("Running")).await.unwrap();
    world.enqueue(bob, &source(queued)).await;
    let deed = AuditEntry {
        id: AuditId::new(),
        at: now(),
        actor_id: Some(ada),
        action: "test".to_owned(),
        target: None,
        ip: Some("192.0.2.7".to_owned()),
        detail: serde_json::json!({ "a": ["ü", 1.5] }),
    };
    store.append_audit(deed).await.unwrap();
    Filled { ada, song, token, running }
}

/// Moves everything; the checksums of the target's tables.
async fn copy(from: &Store, to: &Store) -> Vec<(&'static str, u64, String)> {
    let transfer = Transfer::begin(from, to).await.unwrap();
    let refused = to.check_may_be_used().await.is_err();
    assert!(refused || transfer.state() == TargetState::Done, "nobody serves from half of it");
    transfer.copy_rows(&mut |_| ()).await.unwrap();
    let reports = transfer.compare().await.unwrap();
    assert!(reports.iter().all(|report| report.is_same()), "{reports:#?}");
    transfer.finish().await.unwrap();
    to.check_may_be_used().await.unwrap();
    reports.into_iter().map(|report| (report.table, report.to.rows, report.to.checksum)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn there_and_back_again_everything_is_the_same() {
    let (home, away) = (World::sqlite().await, World::postgres().await);
    let filled = fill(&home).await;
    let events = home.events_after(filled.ada, 0).await.len();
    let there = copy(&home.store, &away.store).await;
    assert!(there.iter().all(|(_, rows, _)| *rows > 0), "a table that was not tested: {there:?}");

    let job = away.job(filled.running.job_id).await;
    assert_eq!((job.status, job.title.as_str()), (JobStatus::Queued, "Running"));
    let lost = away.store.release_job(&filled.running).await.unwrap();
    assert!(!lost, "the worker of before is one of the other database");
    let told = away.events_after(filled.ada, 0).await;
    assert_eq!(told.len(), events + 1, "that it waits again");
    let song = away.store.find_library_song(filled.ada, filled.song).await.unwrap().unwrap();
    assert_eq!(song.title, "Mine");

    let empty = World::sqlite().await;
    assert_eq!(copy(&away.store, &empty.store).await, there);
    let successor = refresh_token(now().plus(DAY));
    let rotated = empty.store.rotate_refresh_token(&filled.token, successor, [8; 16], now(), LEASE).await;
    assert!(matches!(rotated, Ok(Rotation::Rotated { .. })), "{rotated:?}");
    empty.enqueue(filled.ada, &source("afterwards1")).await;
    let told = empty.events_after(filled.ada, 0).await;
    assert_eq!(told.len(), events + 2, "numbers go on where they were");
    away.store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_move_that_was_broken_off_is_carried_on_whatever_happened_meanwhile() {
    let (home, away) = (World::sqlite().await, World::postgres().await);
    let filled = fill(&home).await;
    for millis in [10, 50, 200, 400] {
        let transfer = Transfer::begin(&home.store, &away.store).await.unwrap();
        let moment = Duration::from_millis(millis);
        let broken_off = tokio::time::timeout(moment, transfer.copy_rows(&mut |_| ())).await.is_err();
        println!("broken off after {millis} ms: {broken_off}");
        // Somebody went on with the source.
        go_on(&home, filled.ada).await;
        let its = Transfer::look(&home.store, &away.store).await.unwrap();
        assert_eq!(its, TargetState::Begun);
    }
    let other = World::sqlite().await;
    fill_little(&other).await;
    let refused = Transfer::begin(&other.store, &away.store).await.err();
    assert!(matches!(refused, Some(TransferError::TargetIsOfAnother)), "{refused:?}");
    let onward = Transfer::begin(&away.store, &other.store).await.err();
    assert!(matches!(onward, Some(TransferError::SourceIsUnfinished)), "{onward:?}");
    copy(&home.store, &away.store).await;
    away.store.close().await;
}

/// Rows come, change and go, and what was unique is so again in another row.
async fn go_on(world: &World, ada: UserId) {
    let list = LibraryQuery {
        q: None,
        artist: None,
        album: None,
        sort: LibrarySort::OldestFirst,
        page: PageRequest::first(2),
    };
    let songs = world.store.list_library(ada, &list).await.unwrap().songs.items;
    world.store.remove_entry(ada, songs[0].song.id, now()).await.unwrap();
    world.store.delete_song(songs[1].song.id, now()).await.unwrap();
    if let Some(claimed) = world.find_claim().await {
        let failure = ImportFailure::new(FailureCode::Internal, "no");
        world.store.fail_job(&claimed.claim, &failure, None).await.unwrap();
        world.enqueue(claimed.job.user_id, &claimed.job.source).await;
    }
    world.session(ada).await;
    world.user().await;
}

async fn fill_little(world: &World) {
    let user = world.user().await;
    world.add_song(user, "One").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_move_that_ended_is_not_done_over_what_came_after() {
    let (home, away) = (World::sqlite().await, World::sqlite().await);
    fill_little(&home).await;
    copy(&home.store, &away.store).await;
    copy(&home.store, &away.store).await;
    fill_little(&away).await;
    let transfer = Transfer::begin(&home.store, &away.store).await.unwrap();
    assert_eq!(transfer.state(), TargetState::Done);
    let refused = transfer.copy_rows(&mut |_| ()).await;
    assert!(matches!(refused, Err(TransferError::UsedSince(_))), "{refused:?}");
    let all = away.store.list_users(&Default::default(), &PageRequest::first(9)).await.unwrap();
    assert_eq!(all.items.len(), 2, "nothing was taken away");
    let back = Transfer::begin(&away.store, &home.store).await.err();
    assert!(matches!(back, Some(TransferError::TargetIsInUse { .. })), "{back:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_target_that_was_only_started_once_is_empty() {
    let (home, away) = (World::sqlite().await, World::postgres().await);
    fill_little(&home).await;
    away.store.add_one_time_token(one_time_token(None, TokenPurpose::AdminSetup)).await.unwrap();
    copy(&home.store, &away.store).await;
    // Its folder goes with it.
    let kept = home.empty().await;
    let empty = kept.another().await;
    let nothing = Transfer::begin(&empty, &away.store).await.err();
    assert!(matches!(nothing, Some(TransferError::NothingThere)), "{nothing:?}");
    away.store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_moves_has_the_database_alone() {
    let away = World::postgres().await;
    let url = away.url.as_str().into();
    assert!(Store::connect_alone(&url, away.hook()).await.unwrap().is_none(), "one has it open");
    away.store.close().await;
    let alone = Store::connect_alone(&url, away.hook()).await.unwrap().expect("nobody has it open");
    let another = away.another().await;
    assert!(another.check_may_be_used().await.is_err());
    another.close().await;
    alone.ping().await.unwrap();
    alone.close().await;
    let another = away.another().await;
    another.check_may_be_used().await.unwrap();
    assert!(Store::connect_alone(&url, away.hook()).await.unwrap().is_none());
    another.close().await;
}

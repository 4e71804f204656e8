//! The download service over a real database, through its local and its HTTP client alike.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde_json::json;
use songkeep_api::download::{DownloadClient, DownloadRpc, Import, ListEvents, ListJobs};
use songkeep_domain::{
    ErrorCode, JobId, PageRequest, StoreResult, UserRole,
    bus::CommitHook,
    event::{EventBody, EventsAfter},
    job::{FailureCode, ImportFailure, JobStatus, JobStore},
};
use songkeep_download::{DownloadPorts, DownloadService, DownloadSettings};
use songkeep_store::Store;
use songkeep_testkit::{remote, world::nobody};

type World = songkeep_testkit::world::World<Store>;

async fn open(path: PathBuf, hook: Arc<dyn CommitHook>) -> StoreResult<Store> {
    let store = Store::open_sqlite(&path, hook).await?;
    store.migrate().await?;
    Ok(store)
}

async fn setup() -> (World, [DownloadClient; 2]) {
    let world = World::new(open).await;
    let ports = DownloadPorts { jobs: Arc::clone(&world.store) as _, events: Arc::clone(&world.store) as _ };
    let service = Arc::new(DownloadService::new(ports, DownloadSettings::default()));
    let remote = remote::serve(Arc::new(DownloadRpc(Arc::clone(&service) as _))).await;
    (world, [DownloadClient::local(service), DownloadClient::http(remote)])
}

fn pair(provider: &str, id: &str) -> Import {
    Import { source_provider: Some(provider.to_owned()), source_id: Some(id.to_owned()), ..Import::default() }
}

fn link(url: &str) -> Import {
    Import { url: Some(url.to_owned()), ..Import::default() }
}

fn jobs(status: Option<JobStatus>, limit: u32) -> ListJobs {
    ListJobs { status, page: PageRequest::first(limit) }
}

#[tokio::test]
async fn every_method_needs_a_signed_in_listener() {
    let (_, clients) = setup().await;
    for client in clients {
        let id = JobId::new();
        let errors = [
            client.import(&nobody(), pair("youtube", "dQw4w9WgXcQ")).await.err(),
            client.get_job(&nobody(), id).await.err(),
            client.list_jobs(&nobody(), jobs(None, 5)).await.err(),
            client.cancel_job(&nobody(), id).await.err(),
            client.retry_job(&nobody(), id).await.err(),
            client.list_events(&nobody(), ListEvents { after_seq: 0, limit: 5 }).await.err(),
            client.last_event_seq(&nobody(), ()).await.err(),
        ];
        for error in errors {
            assert_eq!(error.unwrap().code, ErrorCode::Unauthenticated);
        }
    }
}

#[tokio::test]
async fn an_import_is_one_job_however_it_is_asked_for() {
    let (world, clients) = setup().await;
    let caller = world.caller(UserRole::User).await;
    let mut ids = Vec::new();
    for client in &clients {
        for wish in [
            pair("youtube", "dQw4w9WgXcQ"),
            link("https://youtu.be/dQw4w9WgXcQ?si=x"),
            link("youtube.com/shorts/dQw4w9WgXcQ"),
        ] {
            let job = client.import(&caller, wish).await.unwrap();
            assert_eq!((job.status, job.source.id()), (JobStatus::Queued, "dQw4w9WgXcQ"));
            ids.push(job.id);
        }
        assert_eq!(client.get_job(&caller, ids[0]).await.unwrap().id, ids[0]);
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn a_song_that_exists_is_linked_at_once() {
    let (world, clients) = setup().await;
    let ada = world.caller(UserRole::User).await;
    let song = world.add_song(&ada, "dQw4w9WgXcQ", "One").await;
    for client in &clients {
        let bob = world.caller(UserRole::User).await;
        let job = client.import(&bob, pair("youtube", "dQw4w9WgXcQ")).await.unwrap();
        assert_eq!((job.status, job.song_id), (JobStatus::Completed, Some(song)));
    }
}

#[tokio::test]
async fn bad_wishes_are_refused_by_field_and_leave_no_job() {
    let (world, clients) = setup().await;
    let caller = world.caller(UserRole::User).await;
    let good = || pair("youtube", "dQw4w9WgXcQ");
    for client in &clients {
        for (wish, field, code) in [
            (Import::default(), "source_provider", "required"),
            (
                Import { url: Some("https://youtu.be/dQw4w9WgXcQ".to_owned()), ..good() },
                "source_provider",
                "ambiguous",
            ),
            (Import { source_id: None, ..good() }, "source_id", "required"),
            (Import { source_provider: None, ..good() }, "source_provider", "required"),
            (pair("napster", "dQw4w9WgXcQ"), "source_provider", "unknown"),
            (pair("youtube", ""), "source_id", "bad_id"),
            (pair("youtube", "dQw4w9WgXcQ#/../../../x"), "source_id", "bad_id"),
            (pair("youtube", "dQw4w9WgXc\0"), "source_id", "bad_id"),
            (pair("youtube", &"a".repeat(300)), "source_id", "bad_id"),
            (link("https://example.com/watch?v=dQw4w9WgXcQ"), "url", "unsupported_url"),
            (link("file:///etc/passwd"), "url", "unsupported_url"),
            (link(&format!("https://youtu.be/dQw4w9WgXcQ?{}", "x".repeat(3_000))), "url", "unsupported_url"),
            (Import { title: Some("x".repeat(301)), ..good() }, "title", "too_long"),
            (Import { candidate_meta: Some(json!("text")), ..good() }, "candidate_meta", "not_an_object"),
        ] {
            let error = client.import(&caller, wish).await.unwrap_err();
            assert_eq!(error.code, ErrorCode::Invalid, "{}", error.detail);
            assert_eq!((error.fields[0].field.as_str(), error.fields[0].code.as_str()), (field, code));
        }
        let large = Import { candidate_meta: Some(json!({ "x": "y".repeat(9_000) })), ..good() };
        assert_eq!(client.import(&caller, large).await.unwrap_err().code, ErrorCode::PayloadTooLarge);
        assert!(client.list_jobs(&caller, jobs(None, 5)).await.unwrap().items.is_empty());
    }
}

#[tokio::test]
async fn hints_name_the_job_until_the_source_does() {
    let (world, clients) = setup().await;
    let caller = world.caller(UserRole::User).await;
    for (client, id) in clients.iter().zip(["aaaaaaaaaa1", "aaaaaaaaaa2"]) {
        let hints = Import {
            title: Some(" A\u{0} title\n".to_owned()),
            artist: Some("Somebody".to_owned()),
            candidate_meta: Some(json!({ "views": 5, "nested": { "a": [1, 2] } })),
            ..pair("youtube", id)
        };
        assert_eq!(client.import(&caller, hints).await.unwrap().title, "A title");
    }
}

#[tokio::test]
async fn jobs_of_others_are_not_found() {
    let (world, clients) = setup().await;
    let (ada, bob) = (world.caller(UserRole::User).await, world.caller(UserRole::Admin).await);
    for client in &clients {
        let job = client.import(&ada, pair("youtube", "dQw4w9WgXcQ")).await.unwrap();
        let errors = [
            client.get_job(&bob, job.id).await.err(),
            client.cancel_job(&bob, job.id).await.err(),
            client.retry_job(&bob, job.id).await.err(),
            client.get_job(&bob, JobId::new()).await.err(),
        ];
        for error in errors {
            assert_eq!(error.unwrap().code, ErrorCode::NotFound);
        }
        assert!(client.list_jobs(&bob, jobs(None, 5)).await.unwrap().items.is_empty());
        assert_eq!(client.get_job(&ada, job.id).await.unwrap().status, JobStatus::Queued);
    }
}

#[tokio::test]
async fn cancel_and_retry_hold_to_the_jobs_state() {
    let (world, clients) = setup().await;
    let caller = world.caller(UserRole::User).await;
    for (client, id) in clients.iter().zip(["aaaaaaaaaa1", "aaaaaaaaaa2"]) {
        let job = client.import(&caller, pair("youtube", id)).await.unwrap();
        assert_eq!(client.retry_job(&caller, job.id).await.unwrap_err().code, ErrorCode::Conflict);
        assert_eq!(client.cancel_job(&caller, job.id).await.unwrap().status, JobStatus::Cancelled);
        assert_eq!(client.cancel_job(&caller, job.id).await.unwrap_err().code, ErrorCode::Conflict);
        assert_eq!(client.retry_job(&caller, job.id).await.unwrap().status, JobStatus::Queued);

        let claimed = world.store.claim_job("a-test", Duration::from_secs(60)).await.unwrap().unwrap();
        let failure = ImportFailure::new(FailureCode::Private, "the tool's words");
        assert!(world.store.fail_job(&claimed.claim, &failure, None).await.unwrap());
        let failed = client.list_jobs(&caller, jobs(Some(JobStatus::Failed), 5)).await.unwrap();
        assert!(
            failed.items.iter().any(|row| row.id == job.id && row.failure_code == Some(FailureCode::Private))
        );
        assert_eq!(client.retry_job(&caller, job.id).await.unwrap().status, JobStatus::Queued);
        client.cancel_job(&caller, job.id).await.unwrap();

        // Another job for the same recording is under way by now.
        let second = client.import(&caller, pair("youtube", id)).await.unwrap();
        let error = client.retry_job(&caller, job.id).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Conflict);
        client.cancel_job(&caller, second.id).await.unwrap();
    }
}

#[tokio::test]
async fn a_completed_import_is_not_tried_again() {
    let (world, clients) = setup().await;
    let caller = world.caller(UserRole::User).await;
    world.add_song(&caller, "dQw4w9WgXcQ", "One").await;
    for client in &clients {
        let done = client.list_jobs(&caller, jobs(Some(JobStatus::Completed), 5)).await.unwrap();
        let error = client.retry_job(&caller, done.items[0].id).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Conflict);
        let error = client.cancel_job(&caller, done.items[0].id).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Conflict);
    }
}

#[tokio::test]
async fn events_follow_the_jobs_and_unknown_places_are_a_gap() {
    let (world, clients) = setup().await;
    for client in &clients {
        let caller = world.caller(UserRole::User).await;
        assert_eq!(client.last_event_seq(&caller, ()).await.unwrap(), 0);
        let job = client.import(&caller, pair("youtube", "dQw4w9WgXcQ")).await.unwrap();
        let last = client.last_event_seq(&caller, ()).await.unwrap();
        assert!(last >= 1);
        let after = |after_seq, limit| ListEvents { after_seq, limit };
        let EventsAfter::Events(events) = client.list_events(&caller, after(0, 10_000)).await.unwrap() else {
            panic!("the first events are all there");
        };
        assert!(matches!(&events[0].body, EventBody::Job { job: told } if told.id == job.id));
        let EventsAfter::Events(none) = client.list_events(&caller, after(last, 0)).await.unwrap() else {
            panic!("nothing was missed");
        };
        assert!(none.is_empty());
        assert_eq!(client.list_events(&caller, after(last + 5, 10)).await.unwrap(), EventsAfter::Gap);
        client.cancel_job(&caller, job.id).await.unwrap();
    }
}

#[tokio::test]
async fn job_lists_are_paged_and_their_limits_checked() {
    let (world, clients) = setup().await;
    let caller = world.caller(UserRole::User).await;
    for n in 0..3 {
        clients[0].import(&caller, pair("youtube", &format!("song-{n:06}"))).await.unwrap();
    }
    for client in &clients {
        let first = client.list_jobs(&caller, jobs(None, 2)).await.unwrap();
        assert_eq!((first.items.len(), first.items[0].source.id()), (2, "song-000002"));
        let page = PageRequest { cursor: first.next_cursor, limit: 2 };
        let rest = client.list_jobs(&caller, ListJobs { status: None, page }).await.unwrap();
        assert_eq!((rest.items.len(), rest.next_cursor), (1, None));
        for limit in [0, 501] {
            let error = client.list_jobs(&caller, jobs(None, limit)).await.unwrap_err();
            assert_eq!(error.fields[0].field, "limit");
        }
    }
}

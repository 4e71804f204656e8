//! Imports and their jobs.

use http::{Method, StatusCode};
use serde_json::json;
use songkeep_domain::{ErrorCode, JobId};

use crate::{samples::VIDEO, world::World};

#[tokio::test]
async fn an_import_answers_202_with_its_job() {
    let world = World::new().await;
    let body = json!({
        "source_provider": "youtube", "source_id": VIDEO, "title": "Mine", "artist": "Me",
        "candidate_meta": { "from": "search" }, "unknown": 1,
    });
    let answer = world.post("/songs/import").signed_in().json(&body).send().await;
    let mut job = answer.json(StatusCode::ACCEPTED);
    assert!(job.as_object_mut().unwrap().remove("id").is_some());
    assert_eq!(
        job,
        json!({
            "user_id": world.user.user_id, "source_provider": "youtube", "source_id": VIDEO, "title": "Song",
            "status": "failed", "stage": "download", "progress": 40, "attempt": 2, "failure_code": "private",
            "failure_reason": "This video is private, so it can't be imported.", "song_id": null,
            "created_at": "2026-03-01T12:00:00.123456Z", "updated_at": "2026-03-01T12:00:00.123456Z",
        })
    );
    let call = world.services.only_call();
    assert_eq!(
        call.request,
        json!({
            "source_provider": "youtube", "source_id": VIDEO, "url": null, "title": "Mine", "artist": "Me",
            "candidate_meta": { "from": "search" },
        })
    );
    let by_url = json!({ "url": format!("https://youtu.be/{VIDEO}") });
    world.post("/songs/import").signed_in().json(&by_url).send().await.json(StatusCode::ACCEPTED);
    assert_eq!(world.services.calls()[1].request["url"], by_url["url"]);
}

#[tokio::test]
async fn what_the_download_service_finds_invalid_names_the_field() {
    let world = World::new().await;
    world.services.fail("download.import", ErrorCode::Invalid);
    let answer = world.post("/songs/import").signed_in().json(&json!({})).send().await;
    answer.problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
}

#[tokio::test]
async fn jobs_are_listed_by_status_and_page() {
    let world = World::new().await;
    let list = world.get("/jobs").signed_in().send().await.json(StatusCode::OK);
    assert_eq!(list["jobs"][0]["source_id"], VIDEO);
    assert_eq!(list["next_cursor"], json!(null));
    let path = "/jobs?status=processing&cursor=abc&limit=1";
    world.get(path).signed_in().send().await.json(StatusCode::OK);
    let calls = world.services.calls();
    assert_eq!(calls[0].request, json!({ "status": null, "page": { "cursor": null, "limit": 50 } }));
    assert_eq!(calls[1].request, json!({ "status": "processing", "page": { "cursor": "abc", "limit": 1 } }));
}

#[tokio::test]
async fn a_job_is_shown_cancelled_and_tried_again() {
    let world = World::new().await;
    let id = JobId::new();
    let cases = [
        (Method::GET, format!("/jobs/{id}"), "download.get_job"),
        (Method::DELETE, format!("/jobs/{id}"), "download.cancel_job"),
        (Method::POST, format!("/jobs/{id}/retry"), "download.retry_job"),
    ];
    for (nth, (method, path, call)) in cases.into_iter().enumerate() {
        let job = world.ask(method.clone(), &path).signed_in().send().await.json(StatusCode::OK);
        assert_eq!(job["id"], json!(id));
        assert!(job.get("failure_detail").is_none(), "what the tools said is for administrators");
        assert_eq!(world.services.calls()[nth].method, call);
        assert_eq!(world.services.calls()[nth].request, json!(id));
        world.services.fail(call, ErrorCode::NotFound);
        let strange = world.ask(method, &path).signed_in().send().await;
        strange.problem(StatusCode::NOT_FOUND, "not_found");
        world.services.state().failures.clear();
        world.services.state().calls.pop();
    }
    world.services.fail("download.cancel_job", ErrorCode::Conflict);
    let finished = world.ask(Method::DELETE, &format!("/jobs/{id}")).signed_in().send().await;
    finished.problem(StatusCode::CONFLICT, "conflict");
}

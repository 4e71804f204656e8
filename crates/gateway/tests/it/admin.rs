//! What administrators see and do.

use http::{Method, StatusCode};
use serde_json::json;
use songkeep_domain::{ErrorCode, JobId, SongId, UserId, UserRole, bus::Notice};

use crate::{
    samples::VIDEO,
    world::{World, eventually},
};

#[tokio::test]
async fn accounts_are_listed_with_their_sizes() {
    let world = World::new().await;
    let path = "/admin/users?q=ada&status=unverified&cursor=abc&limit=5";
    let list = world.get(path).by_admin().send().await.json(StatusCode::OK);
    assert_eq!(
        list,
        json!({
            "users": [{
                "id": world.admin.user_id, "email": "ada@example.com", "role": "admin", "verified": true,
                "disabled": false, "created_at": "2026-03-01T12:00:00.123456Z", "song_count": 3,
                "storage_bytes": 9_000,
            }],
            "next_cursor": "next",
        })
    );
    let call = world.services.only_call();
    let expected = json!({
        "filter": { "q": "ada", "status": "unverified" }, "page": { "cursor": "abc", "limit": 5 },
    });
    assert_eq!(call.request, expected);
    assert_eq!(call.ctx.actor.as_ref(), Some(&world.admin));
}

#[tokio::test]
async fn songs_jobs_entries_and_sizes_are_shown() {
    let world = World::new().await;
    let ask = async |path: &str| world.get(path).by_admin().send().await.json(StatusCode::OK);
    let songs = ask("/admin/songs?q=x").await;
    assert_eq!(songs["songs"][0]["storage_key"], "audio/ab/abab.mp4");
    assert_eq!(
        (&songs["songs"][0]["owners"], &songs["songs"][0]["size_bytes"]),
        (&json!(2), &json!(3_456_789))
    );
    let jobs = ask("/admin/jobs?status=failed").await;
    assert_eq!(jobs["jobs"][0]["failure_detail"], "ERROR: Private video");
    let job = &jobs["jobs"][0];
    assert_eq!(
        (&job["failure_code"], &job["stage"], &job["progress"]),
        (&json!("private"), &json!("download"), &json!(40))
    );
    assert_eq!((&jobs["jobs"][0]["attempt"], &jobs["jobs"][0]["source_id"]), (&json!(2), &json!(VIDEO)));
    let audit = ask("/admin/audit?q=signin").await;
    assert_eq!(audit["entries"][0]["action"], "auth.signin");
    let stats = ask("/admin/stats").await;
    assert_eq!((&stats["users"], &stats["jobs"]["queued"]), (&json!(2), &json!(1)));
    let series = json!({
        "bucket_seconds": 900, "from": "2026-03-01T12:00:00.123456Z", "requests": [5, 6], "errors": [0, 1],
        "imports_completed": [2, 0], "imports_failed": [0, 1], "storage_bytes": [4, 5], "songs": [2, 3],
        "users": [2, 2],
    });
    assert_eq!(stats["series"], series);
    ask("/admin/stats?hours=720").await;
    ask("/admin/songs?status=").await;
    let calls = world.services.calls();
    assert_eq!(calls[0].request["filter"], json!({ "q": "x" }));
    assert_eq!(calls[1].request["filter"], json!({ "user_id": null, "status": "failed", "q": null }));
    assert_eq!((&calls[3].request, &calls[4].request), (&json!({ "hours": 24 }), &json!({ "hours": 720 })));
    assert_eq!(calls[2].request, json!({ "q": "signin", "page": { "cursor": null, "limit": 50 } }));
}

#[tokio::test]
async fn accounts_are_disabled_enabled_and_given_roles() {
    let world = World::new().await;
    let id = UserId::new();
    let ask = |what: &str| world.post(&format!("/admin/users/{id}/{what}")).by_admin();
    let disabled = ask("disable").send().await.json(StatusCode::OK);
    assert_eq!((&disabled["id"], &disabled["disabled"]), (&json!(id), &json!(true)));
    let enabled = ask("enable").send().await.json(StatusCode::OK);
    assert_eq!(enabled["disabled"], false);
    let promoted = ask("role").json(&json!({ "role": "admin" })).send().await.json(StatusCode::OK);
    assert_eq!(promoted["role"], "admin");
    let calls = world.services.calls();
    assert_eq!(calls[0].request, json!({ "user_id": id, "disabled": true }));
    assert_eq!(calls[1].request, json!({ "user_id": id, "disabled": false }));
    assert_eq!(calls[2].request, json!({ "user_id": id, "role": "admin" }));
    world.services.fail("admin.set_role", ErrorCode::Conflict);
    let last = ask("role").json(&json!({ "role": "user" })).send().await;
    last.problem(StatusCode::CONFLICT, "conflict");
    let unknown = ask("role").json(&json!({ "role": "root" })).send().await;
    let problem = unknown.problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
    assert_eq!(problem["errors"][0]["field"], "role");
}

#[tokio::test]
async fn anybodys_jobs_and_songs_are_acted_upon() {
    let world = World::new().await;
    let job = JobId::new();
    let song = SongId::new();
    for what in ["retry", "cancel"] {
        let answer = world.post(&format!("/admin/jobs/{job}/{what}")).by_admin().send().await;
        assert_eq!(answer.json(StatusCode::OK)["id"], json!(job));
    }
    let gone = world.ask(Method::DELETE, &format!("/admin/songs/{song}")).by_admin().send().await;
    assert_eq!((gone.status, gone.body.len()), (StatusCode::NO_CONTENT, 0));
    let methods: Vec<_> = world.services.calls().iter().map(|call| call.method).collect();
    assert_eq!(methods, ["admin.retry_job", "admin.cancel_job", "admin.delete_song"]);
}

#[tokio::test]
async fn the_role_that_counts_is_the_one_of_now() {
    let world = World::new().await;
    // The token says admin, the account is none any more.
    world.services.state().sessions.get_mut(&world.admin.session_id).unwrap().role = UserRole::User;
    let demoted = world.get("/admin/stats").by_admin().send().await;
    demoted.problem(StatusCode::FORBIDDEN, "forbidden");
    world.services.state().sessions.get_mut(&world.admin.session_id).unwrap().role = UserRole::Admin;
    world.publish(Notice::UserChanged { user_id: world.admin.user_id }).await;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(5);
    while world.get("/admin/stats").by_admin().send().await.status != StatusCode::OK {
        assert!(tokio::time::Instant::now() < deadline, "the news never arrived");
        tokio::task::yield_now().await;
    }
    eventually("the service was asked", || !world.services.calls().is_empty()).await;
}

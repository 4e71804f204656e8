//! Requests that cannot be understood, or hold what cannot be.

use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use songkeep_domain::SongId;

use crate::world::World;

#[tokio::test]
async fn bodies_that_are_no_json_are_malformed() {
    let world = World::new().await;
    let bodies: [&[u8]; 6] = [b"", b"{", b"{\"email\":", b"\xff\xfe", b"{\"email\": \"\xff\"}", b"{} {}"];
    for path in [
        "/auth/signin",
        "/auth/signup",
        "/auth/verify-email",
        "/auth/setup",
        "/auth/forgot-password",
        "/auth/reset-password",
    ] {
        for body in bodies {
            let answer = world.post(path).body("application/json", body).send().await;
            answer.problem(StatusCode::BAD_REQUEST, "malformed");
        }
    }
    assert!(world.services.calls().is_empty());
}

#[tokio::test]
async fn json_of_another_shape_is_invalid_and_names_the_field() {
    let world = World::new().await;
    let cases: [(&str, Value, &str); 12] = [
        ("/auth/signin", json!({}), "email"),
        ("/auth/signin", json!({ "email": "a@b.example" }), "password"),
        ("/auth/signin", json!({ "email": 1, "password": "x" }), "email"),
        ("/auth/signup", json!({ "email": null, "password": "x" }), "email"),
        ("/auth/verify-email", json!({ "token": ["t"] }), "token"),
        ("/auth/forgot-password", json!({}), "email"),
        ("/auth/forgot-password", json!({ "email": [] }), "email"),
        ("/auth/reset-password", json!({ "token": "t" }), "password"),
        ("/auth/reset-password", json!({ "token": 1, "password": "x" }), "token"),
        ("/auth/refresh", json!({ "refresh_token": 7 }), "refresh_token"),
        ("/songs/import", json!({ "source_id": {} }), "source_id"),
        ("/songs/import", json!({ "title": false }), "title"),
    ];
    for (path, body, field) in cases {
        let answer = world.post(path).signed_in().json(&body).send().await;
        let problem = answer.problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
        assert_eq!(problem["errors"][0]["field"], field, "{path} {body}");
    }
    for body in [json!([]), json!("text"), json!(null), json!(1)] {
        let answer = world.post("/auth/signin").json(&body).send().await;
        answer.problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
    }
    assert!(world.services.calls().is_empty());
}

#[tokio::test]
async fn bodies_of_other_types_are_415() {
    let world = World::new().await;
    let body = json!({ "email": "a@b.example", "password": "correct horse" }).to_string();
    for kind in ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let answer = world.post("/auth/signin").body(kind, body.clone()).send().await;
        answer.problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type");
    }
    let with_charset = world.post("/auth/signin").body("application/json; charset=utf-8", body).send().await;
    with_charset.json(StatusCode::OK);
}

#[tokio::test]
async fn bodies_above_their_limit_are_413() {
    let world = World::new().await;
    let long = |size: usize| json!({ "email": "x".repeat(size), "password": "p", "token": "t" });
    for path in [
        "/auth/signin",
        "/auth/signup",
        "/auth/setup",
        "/auth/verify-email",
        "/auth/forgot-password",
        "/auth/reset-password",
    ] {
        let answer = world.post(path).json(&long(16 * 1024)).send().await;
        answer.problem(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large");
    }
    for path in ["/auth/refresh", "/auth/logout"] {
        let answer = world.post(path).json(&json!({ "refresh_token": "x".repeat(16 * 1024) })).send().await;
        answer.problem(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large");
    }
    let import = |size: usize| json!({ "candidate_meta": { "a": "x".repeat(size) } });
    let fits = world.post("/songs/import").signed_in().json(&import(30 * 1024)).send().await;
    assert_eq!(fits.status, StatusCode::ACCEPTED, "what candidate_meta may hold is the service's to say");
    let answer = world.post("/songs/import").signed_in().json(&import(32 * 1024)).send().await;
    answer.problem(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large");
    let path = format!("/library/{}", SongId::new());
    let edit = json!({ "title": "x".repeat(16 * 1024) });
    let answer = world.ask(Method::PATCH, &path).signed_in().json(&edit).send().await;
    answer.problem(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large");
}

#[tokio::test]
async fn json_of_any_depth_is_refused_and_not_followed() {
    let world = World::new().await;
    let deep = format!("{{\"candidate_meta\": {}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let answer = world.post("/songs/import").signed_in().body("application/json", deep).send().await;
    assert!(answer.status.is_client_error(), "{}", answer.status);
    assert!(world.services.calls().is_empty());
}

#[tokio::test]
async fn ids_that_cannot_be_are_404() {
    let world = World::new().await;
    let ids = ["x".to_owned(), "0".to_owned(), "%00".to_owned(), "a".repeat(300), "%F0%9F%8E%B5".to_owned()];
    let uuid = SongId::new().to_string();
    let routes = [
        (Method::GET, "/jobs/"),
        (Method::DELETE, "/jobs/"),
        (Method::DELETE, "/library/"),
        (Method::GET, "/stream/"),
    ];
    for id in ids.iter().cloned().chain([format!("{uuid}%00"), format!("%20{uuid}"), "%ff".to_owned()]) {
        for (method, prefix) in &routes {
            let answer = world.ask(method.clone(), &format!("{prefix}{id}")).signed_in().send().await;
            answer.problem(StatusCode::NOT_FOUND, "not_found");
        }
    }
    assert!(world.services.calls().is_empty());
}

#[tokio::test]
async fn values_of_queries_outside_their_bounds_name_the_field() {
    let world = World::new().await;
    let long = "x".repeat(301);
    let cases: [(String, &str); 23] = [
        ("/songs/search".to_owned(), "q"),
        ("/songs/search?q=".to_owned(), "q"),
        ("/songs/search?q=%20%09".to_owned(), "q"),
        ("/songs/search?q=a%00b".to_owned(), "q"),
        (format!("/songs/search?q={long}"), "q"),
        ("/songs/search?q=x&limit=0".to_owned(), "limit"),
        ("/songs/search?q=x&limit=51".to_owned(), "limit"),
        ("/library?limit=501".to_owned(), "limit"),
        ("/library?limit=abc".to_owned(), "limit"),
        ("/library?limit=-1".to_owned(), "limit"),
        ("/library?sort=name".to_owned(), "sort"),
        (format!("/library?q={long}"), "q"),
        (format!("/library?artist={long}{long}"), "artist"),
        ("/library?album=a%00b".to_owned(), "album"),
        ("/library?sort=-newest".to_owned(), "sort"),
        ("/library/artists?limit=0".to_owned(), "limit"),
        (format!("/library/artists?q={long}"), "q"),
        ("/library/albums?limit=501".to_owned(), "limit"),
        ("/library/albums?artist=a%0Ab".to_owned(), "artist"),
        ("/library/albums?q=%07".to_owned(), "q"),
        ("/jobs?status=done".to_owned(), "status"),
        ("/jobs?limit=99999999999".to_owned(), "limit"),
        ("/jobs?limit=0".to_owned(), "limit"),
    ];
    for (path, field) in cases {
        let answer = world.get(&path).signed_in().send().await;
        let problem = answer.problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
        assert_eq!(problem["errors"][0]["field"], field, "{path}");
    }
    for (path, field) in [
        ("/admin/users?status=gone", "status"),
        ("/admin/jobs?status=gone", "status"),
        ("/admin/songs?status=gone", "status"),
        ("/admin/audit?status=active", "status"),
        ("/admin/stats?hours=x", "hours"),
        ("/admin/stats?hours=-1", "hours"),
    ] {
        let answer = world.get(path).by_admin().send().await;
        let problem = answer.problem(StatusCode::UNPROCESSABLE_ENTITY, "invalid");
        assert_eq!(problem["errors"][0]["field"], field, "{path}");
    }
    let cursor = format!("/library?cursor={}", "x".repeat(25_000));
    world.get(&cursor).signed_in().send().await.problem(StatusCode::BAD_REQUEST, "malformed");
    assert!(world.services.calls().is_empty());
}

#[tokio::test]
async fn headers_full_of_nonsense_do_no_harm() {
    let world = World::new().await;
    let answer = world
        .post("/auth/refresh")
        .header(header::COOKIE, b"\xff\xfe; =; refresh_token")
        .header(header::USER_AGENT, b"\xff")
        .header(header::AUTHORIZATION, b"Bearer \xff")
        .send()
        .await;
    answer.problem(StatusCode::UNAUTHORIZED, "unauthenticated");
}

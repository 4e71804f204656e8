//! The main job: sign up, search, import, follow, play, on a fresh installation, over HTTP only.

use futures::StreamExt as _;
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use songkeep_testkit::media::{decoded_md5, find_ffmpeg};

use crate::{
    in_all_topologies,
    kit::{App, json_of, problem_of, refresh_cookie},
};

in_all_topologies! {
    async fn a_newcomer_finds_imports_and_plays_a_song(app: App) {
        the_main_job(&app).await;
        app.stop().await;
    }
}

pub async fn the_main_job(app: &App) {
    let listener = app.listener("ada@example.com").await;
    let me = listener.get("/auth/me").await;
    assert_eq!((me["email"].as_str(), me["verified"].as_bool()), (Some("ada@example.com"), Some(true)));

    let wanted = app.youtube.videos()[0].clone();
    let candidates = listener.search(&format!("{} {}", wanted.channel, wanted.title)).await;
    let best = &candidates[0];
    assert_eq!(best["source_id"], wanted.id.as_str(), "{candidates:?}");
    assert_eq!(best["in_library"], false);
    let thumbnail = app.client.get(best["thumbnail_url"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(thumbnail.status(), StatusCode::OK);

    let events = listener.call(Method::GET, "/events").send().await.unwrap();
    assert_eq!(events.status(), StatusCode::OK);
    let job = listener.import(&wanted.id).await;
    let id = job["id"].as_str().unwrap();
    let seen = follow(events, id).await;
    assert_eq!(seen.last().unwrap()["status"], "completed", "{seen:?}");
    assert!(seen.iter().any(|job| job["status"] == "processing"), "{seen:?}");

    let songs = listener.library().await;
    assert_eq!(songs.len(), 1);
    let song_id = songs[0]["id"].as_str().unwrap();
    assert_eq!(listener.search(&wanted.title).await[0]["in_library"], true);

    let url = listener.stream_url(song_id).await;
    plays_exactly(app, &url, &wanted.media.webm_251).await;

    // An address from :3000 goes through :3000.
    let answer = app
        .client
        .get(format!("{}/api/stream/{song_id}", app.web))
        .bearer_auth(&listener.access)
        .send()
        .await
        .unwrap();
    let through_web = json_of(answer, StatusCode::OK).await["stream_url"].as_str().unwrap().to_owned();
    assert!(
        through_web.starts_with(&format!("{}/api/public/stream/{song_id}?token=", app.web)),
        "{through_web}"
    );
    plays_exactly(app, &through_web, &wanted.media.webm_251).await;

    sessions_end_as_they_should(app, &listener.refresh, &listener.access, &url).await;
    assert!(app.youtube.denied_hosts().is_empty(), "{:?}", app.youtube.denied_hosts());
}

/// The states of a job as the events tell them, until it is over.
async fn follow(events: reqwest::Response, id: &str) -> Vec<Value> {
    let mut seen = Vec::new();
    let mut text = String::new();
    let mut body = events.bytes_stream();
    while let Some(chunk) = body.next().await {
        text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
        while let Some(end) = text.find("\n\n") {
            let event: String = text.drain(..end + 2).collect();
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            if field("event:") != Some("job") {
                continue;
            }
            let job: Value = serde_json::from_str(field("data:").unwrap()).unwrap();
            assert_eq!(job["id"], id);
            seen.push(job);
            if matches!(seen.last().unwrap()["status"].as_str(), Some("completed" | "failed" | "cancelled")) {
                return seen;
            }
        }
    }
    panic!("the events ended early: {seen:?}");
}

/// The whole file decodes to the source's audio, and ranges are parts of the file.
async fn plays_exactly(app: &App, url: &str, source: &std::path::Path) {
    let answer = app.client.get(url).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "audio/mp4");
    let etag = answer.headers()[header::ETAG].clone();
    let whole = answer.bytes().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("song.mp4");
    std::fs::write(&file, &whole).unwrap();
    let ffmpeg = find_ffmpeg().unwrap();
    assert_eq!(decoded_md5(&ffmpeg, &file).await.unwrap(), decoded_md5(&ffmpeg, source).await.unwrap());

    let size = whole.len();
    for (range, expected) in [
        ("bytes=0-99", 0..100),
        ("bytes=100-", 100..size),
        ("bytes=-77", size - 77..size),
        ("bytes=5-999999999", 5..size),
    ] {
        let answer = app.client.get(url).header(header::RANGE, range).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        let content_range = format!("bytes {}-{}/{size}", expected.start, expected.end - 1);
        assert_eq!(answer.headers()[header::CONTENT_RANGE], content_range.as_str());
        assert_eq!(answer.bytes().await.unwrap(), whole[expected], "{range}");
    }
    let unsatisfiable =
        app.client.get(url).header(header::RANGE, format!("bytes={size}-")).send().await.unwrap();
    assert_eq!(unsatisfiable.headers()[header::CONTENT_RANGE], format!("bytes */{size}").as_str());
    assert_eq!(problem_of(unsatisfiable, StatusCode::RANGE_NOT_SATISFIABLE).await, "range_not_satisfiable");
    let known = app.client.get(url).header(header::IF_NONE_MATCH, etag).send().await.unwrap();
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    let head = app.client.head(url).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(head.headers()[header::CONTENT_LENGTH], size.to_string().as_str());
}

/// Refresh rotates, a repeat gets the same successor, a replay ends everything, and then nothing
/// that came from the session works.
async fn sessions_end_as_they_should(app: &App, first: &str, access: &str, stream_url: &str) {
    let refresh = async |token: &str| {
        let cookie = format!("refresh_token={token}");
        app.call(Method::POST, "/auth/refresh").header(header::COOKIE, cookie).send().await.unwrap()
    };
    let rotated = refresh(first).await;
    assert_eq!(rotated.status(), StatusCode::OK);
    let second = refresh_cookie(&rotated).unwrap();
    assert_ne!(second, first);
    assert_eq!(refresh_cookie(&refresh(first).await).as_ref(), Some(&second), "a lost answer is given again");
    let by_body = app
        .call(Method::POST, "/auth/refresh")
        .json(&json!({ "refresh_token": second }))
        .send()
        .await
        .unwrap();
    assert_eq!(by_body.status(), StatusCode::OK);
    let third = refresh_cookie(&by_body).unwrap();

    assert_eq!(problem_of(refresh(first).await, StatusCode::UNAUTHORIZED).await, "unauthenticated");
    assert_eq!(refresh(&third).await.status(), StatusCode::UNAUTHORIZED, "the whole family is revoked");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    loop {
        let api = app.call(Method::GET, "/auth/me").bearer_auth(access).send().await.unwrap().status();
        let bytes = app.client.get(stream_url).send().await.unwrap().status();
        if api == StatusCode::UNAUTHORIZED && bytes.is_client_error() {
            return;
        }
        assert!(std::time::Instant::now() < deadline, "still works after 5 s: API {api}, stream {bytes}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

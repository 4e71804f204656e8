//! Imports from wish to library: shared, idempotent, cancelled, tried again, and private.

use std::time::{Duration, Instant};

use futures::{StreamExt as _, future::join_all};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use songkeep_testkit::fake_youtube::Behaviour;

use crate::{
    in_all_topologies,
    kit::{App, Listener, json_of, problem_of},
    sse::Events,
};

in_all_topologies! {
    async fn everybody_shares_one_download_and_keeps_their_own_entry(app: App) {
        let (ada, bob) = (app.listener("ada@example.com").await, app.listener("bob@example.com").await);
        let videos = app.youtube.videos();
        let (shared, wanted_often) = (&videos[0], &videos[1]);
        let wish = json!({
            "source_provider": "youtube", "source_id": shared.id,
            "title": "What Ada calls it", "artist": "Nobody", "candidate_meta": { "position": 1 },
        });

        // Two accounts at the same moment; one of them with eight hands.
        let by_link = json!({ "url": format!("https://www.youtube.com/watch?v={}", shared.id) });
        let (for_ada, for_bob, clicks) = tokio::join!(
            ask(&ada, &wish),
            ask(&bob, &by_link),
            join_all((0..8).map(|_| ada.import(&wanted_often.id))),
        );
        assert_eq!(for_ada["title"], "What Ada calls it", "the hint, while nothing better is known");
        let job = clicks[0]["id"].as_str().unwrap();
        assert!(clicks.iter().all(|click| click["id"] == job), "{clicks:?}");
        assert_ne!(for_ada["id"], for_bob["id"]);

        let (for_ada, for_bob) = (ada.finished(id(&for_ada)).await, bob.finished(id(&for_bob)).await);
        let once = ada.finished(job).await;
        for job in [&for_ada, &for_bob, &once] {
            assert_eq!((&job["status"], &job["progress"]), (&json!("completed"), &json!(100)), "{job}");
            assert!(job["failure_code"].is_null() && job["failure_reason"].is_null(), "{job}");
        }
        assert_eq!(for_ada["song_id"], for_bob["song_id"]);
        assert_eq!(app.youtube.media_downloads(&shared.id), 1);
        assert_eq!(app.youtube.media_downloads(&wanted_often.id), 1);

        // Hints name nothing that the source names itself, not even for who gave them.
        for listener in [&ada, &bob] {
            let songs = listener.library().await;
            let song = songs.iter().find(|song| song["source_id"] == *shared.id).unwrap();
            assert_eq!((&song["title"], &song["artist"]), (&json!(shared.title), &json!(shared.channel)));
            assert_eq!(song["album"], json!(shared.album));
        }
        assert_eq!((ada.library().await.len(), bob.library().await.len()), (2, 1));

        a_known_song_is_linked_at_once_however_it_is_asked_for(&app, &ada, &shared.id, &for_ada).await;
        leaves_nothing_behind(&app).await;
        app.stop().await;
    }
}

async fn a_known_song_is_linked_at_once_however_it_is_asked_for(
    app: &App,
    ada: &Listener<'_>,
    source_id: &str,
    brought_by: &Value,
) {
    let again = ada.import(source_id).await;
    assert_eq!(again["id"], brought_by["id"], "who has it gets the job that brought it");

    let eve = app.listener("eve@example.com").await;
    let wish = json!({ "source_provider": "youtube", "source_id": source_id, "title": "Eve's own" });
    let job = ask(&eve, &wish).await;
    assert_eq!(job["status"], "completed", "{job}");
    assert_eq!((&job["stage"], &job["song_id"]), (&json!("done"), &brought_by["song_id"]));
    assert_eq!(job["title"], brought_by["title"]);
    assert_eq!(eve.library().await[0]["title"], brought_by["title"]);

    for url in [
        format!("https://www.youtube.com/watch?v={source_id}&list=RDMM&t=12s"),
        format!("https://www.youtube.com/watch?feature=share&v={source_id}"),
        format!("http://youtube.com/watch?v={source_id}#top"),
        format!("https://m.youtube.com/watch?v={source_id}"),
        format!("https://music.youtube.com/watch?v={source_id}&si=abc"),
        format!("https://youtu.be/{source_id}?si=abc"),
        format!("youtu.be/{source_id}"),
        format!("https://www.youtube.com/shorts/{source_id}"),
        format!("https://www.youtube.com/live/{source_id}"),
        format!("https://www.youtube-nocookie.com/embed/{source_id}"),
        format!("  HTTPS://WWW.YouTube.com/v/{source_id}\n"),
    ] {
        let job = ask(&eve, &json!({ "url": url })).await;
        assert_eq!((&job["status"], &job["source_id"]), (&json!("completed"), &json!(source_id)), "{url}");
    }
    for url in [
        "https://www.youtube.com/playlist?list=PL123".to_owned(),
        "https://www.youtube.com/@somebody".to_owned(),
        format!("https://www.youtube.com.evil.example/watch?v={source_id}"),
        format!("https://evil.example/watch?v={source_id}"),
        format!("file:///watch?v={source_id}"),
    ] {
        let answer = post(&eve, "/songs/import", &json!({ "url": url })).await;
        assert_eq!(problem_of(answer, StatusCode::UNPROCESSABLE_ENTITY).await, "invalid", "{url}");
    }
    assert_eq!(app.youtube.media_downloads(source_id), 1);
}

in_all_topologies! {
    async fn jobs_are_cancelled_tried_again_listed_and_private(app: App) {
        let (ada, bob) = (app.listener("ada@example.com").await, app.listener("bob@example.com").await);
        let videos = app.youtube.videos();
        app.youtube.set_throttle(Some(2_000));
        let mut jobs = Vec::new();
        for video in &videos[..3] {
            jobs.push(id(&ada.import(&video.id).await).to_owned());
        }
        let [first, second, waiting] = [&jobs[0], &jobs[1], &jobs[2]];
        // Both slots of the worker are taken by the first two.
        for running in [first, second] {
            let is_loading = |job: &Value| job["stage"] == "download";
            ada.job_when(running, is_loading).await;
        }
        for (method, end) in [(Method::GET, ""), (Method::DELETE, ""), (Method::POST, "/retry")] {
            let answer = bob.call(method, &format!("/jobs/{first}{end}")).send().await.unwrap();
            assert_eq!(problem_of(answer, StatusCode::NOT_FOUND).await, "not_found");
        }

        assert_eq!(cancel(&ada, waiting).await["status"], "cancelled", "nobody has begun it");
        for running in [first, second] {
            cancel(&ada, running).await;
            let job = ada.finished(running).await;
            assert_eq!((&job["status"], &job["song_id"]), (&json!("cancelled"), &Value::Null), "{job}");
        }
        for job in &jobs {
            let answer = ada.call(Method::DELETE, &format!("/jobs/{job}")).send().await.unwrap();
            assert_eq!(problem_of(answer, StatusCode::CONFLICT).await, "conflict");
        }
        assert!(ada.library().await.is_empty());
        leaves_nothing_behind(&app).await;
        assert_eq!(app.backends.blobs().unwrap().list().count().await, 0, "nothing was stored");

        app.youtube.set_throttle(None);
        for job in &jobs {
            let queued = retry(&ada, job).await;
            assert_eq!(&queued["id"], job);
            assert_eq!((&queued["song_id"], &queued["failure_code"]), (&Value::Null, &Value::Null));
        }
        for job in &jobs {
            assert_eq!(ada.finished(job).await["status"], "completed");
            let answer = post(&ada, &format!("/jobs/{job}/retry"), &json!({})).await;
            assert_eq!(problem_of(answer, StatusCode::CONFLICT).await, "conflict");
        }
        assert_eq!(ada.library().await.len(), 3);

        let gone = &videos[3];
        app.youtube.set(&gone.id, Behaviour::Unavailable);
        let failed = ada.import(&gone.id).await;
        assert_eq!(ada.finished(id(&failed)).await["failure_code"], "unavailable");
        lists_are_complete(&ada, &bob, &jobs, id(&failed)).await;
        app.youtube.set(&gone.id, Behaviour::Normal);
        retry(&ada, id(&failed)).await;
        let job = ada.finished(id(&failed)).await;
        assert_eq!((&job["status"], &job["attempt"]), (&json!("completed"), &json!(1)), "{job}");
        assert!(job["failure_code"].is_null() && job["failure_reason"].is_null(), "{job}");
        leaves_nothing_behind(&app).await;
        app.stop().await;
    }
}

/// Filters and pages give every job once, newest first.
async fn lists_are_complete(ada: &Listener<'_>, bob: &Listener<'_>, completed: &[String], failed: &str) {
    let ids = |page: &Value| -> Vec<String> {
        page["jobs"].as_array().unwrap().iter().map(|job| id(job).to_owned()).collect()
    };
    assert_eq!(ids(&ada.get("/jobs?status=failed").await), [failed]);
    assert!(ids(&ada.get("/jobs?status=queued").await).is_empty());
    let mut paged = Vec::new();
    let mut path = "/jobs?status=completed&limit=2".to_owned();
    loop {
        let page = ada.get(&path).await;
        paged.extend(ids(&page));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/jobs?status=completed&limit=2&cursor={cursor}");
    }
    let newest_first: Vec<String> = completed.iter().rev().cloned().collect();
    assert_eq!(paged, newest_first);
    assert_eq!(ids(&ada.get("/jobs").await).len(), completed.len() + 1);
    assert!(ids(&bob.get("/jobs").await).is_empty());
    let answer = ada.call(Method::GET, "/jobs?status=lost").send().await.unwrap();
    assert_eq!(problem_of(answer, StatusCode::UNPROCESSABLE_ENTITY).await, "invalid");
}

in_all_topologies! {
    async fn an_entry_is_its_owners_to_edit_and_to_take_out(app: App) {
        let (ada, bob) = (app.listener("ada@example.com").await, app.listener("bob@example.com").await);
        let video = app.youtube.videos()[2].clone();
        for listener in [&ada, &bob] {
            let job = listener.import(&video.id).await;
            assert_eq!(listener.finished(id(&job)).await["status"], "completed");
        }
        let song_id = id(&ada.library().await[0]).to_owned();
        let path = format!("/library/{song_id}");
        let edit = async |listener: &Listener<'_>, change: Value| {
            let answer = listener.call(Method::PATCH, &path).json(&change).send().await.unwrap();
            json_of(answer, StatusCode::OK).await
        };

        let edited = edit(&ada, json!({ "title": "  Regen  ", "artist": "M. Stoica" })).await;
        assert_eq!((&edited["title"], &edited["artist"]), (&json!("Regen"), &json!("M. Stoica")));
        assert_eq!(edited["album"], json!(video.album), "what was not named stays");
        assert_eq!(ada.get("/library?q=regen").await["total"], 1);
        assert_eq!(bob.library().await[0]["title"], video.title.as_str());
        assert_eq!(edit(&ada, json!({ "title": null, "artist": null })).await["title"], video.title.as_str());

        let (for_ada, for_bob) = (ada.stream_url(&song_id).await, bob.stream_url(&song_id).await);
        assert_eq!(app.client.get(&for_ada).send().await.unwrap().status(), StatusCode::OK);
        let take_out = async || ada.call(Method::DELETE, &path).send().await.unwrap();
        assert_eq!(take_out().await.status(), StatusCode::NO_CONTENT);
        assert_eq!(problem_of(take_out().await, StatusCode::NOT_FOUND).await, "not_found");
        for (method, path) in [(Method::PATCH, &path), (Method::GET, &format!("/stream/{song_id}"))] {
            let answer = ada.call(method, path).json(&json!({ "title": "x" })).send().await.unwrap();
            assert_eq!(problem_of(answer, StatusCode::NOT_FOUND).await, "not_found");
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        while app.client.get(&for_ada).send().await.unwrap().status() == StatusCode::OK {
            assert!(Instant::now() < deadline, "the address still gives bytes 5 s after the removal");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(app.client.get(&for_bob).send().await.unwrap().status(), StatusCode::OK);
        assert!(ada.library().await.is_empty());

        assert_eq!(ada.import(&video.id).await["status"], "completed", "the song is still there");
        assert_eq!(id(&ada.library().await[0]), song_id);
        assert_eq!(app.youtube.media_downloads(&video.id), 1);
        leaves_nothing_behind(&app).await;
        app.stop().await;
    }
}

in_all_topologies! {
    async fn a_passing_failure_is_never_shown_as_the_end(app: App) {
        let ada = app.listener("ada@example.com").await;
        let video = app.youtube.videos()[0].clone();
        app.youtube.set(&video.id, Behaviour::ServerError);
        let mut events = Events::open(&ada, None).await;
        let job = ada.import(&video.id).await;
        let between = ada.job_when(id(&job), |job| !job["failure_code"].is_null()).await;
        assert_eq!((&between["status"], &between["failure_code"]), (&json!("queued"), &json!("timeout")));
        assert!(between["failure_reason"].as_str().unwrap().ends_with('.'), "{between}");
        app.youtube.set(&video.id, Behaviour::Normal);

        let seen = events.follow(id(&job)).await;
        let last = seen.last().unwrap();
        assert_eq!((&last["status"], &last["failure_code"]), (&json!("completed"), &Value::Null), "{seen:#?}");
        assert!(last["attempt"].as_u64().unwrap() >= 2, "{last}");
        assert!(seen.iter().all(|job| job["status"] != "failed"), "{seen:#?}");
        assert!(seen.iter().any(|job| job["status"] == "queued" && job["failure_code"] == "timeout"), "{seen:#?}");
        leaves_nothing_behind(&app).await;
        app.stop().await;
    }
}

fn id(job: &Value) -> &str {
    job["id"].as_str().unwrap()
}

async fn post(listener: &Listener<'_>, path: &str, body: &Value) -> reqwest::Response {
    listener.call(Method::POST, path).json(body).send().await.unwrap()
}

async fn ask(listener: &Listener<'_>, wish: &Value) -> Value {
    json_of(post(listener, "/songs/import", wish).await, StatusCode::ACCEPTED).await
}

async fn retry(listener: &Listener<'_>, job: &str) -> Value {
    json_of(post(listener, &format!("/jobs/{job}/retry"), &json!({})).await, StatusCode::OK).await
}

async fn cancel(listener: &Listener<'_>, job: &str) -> Value {
    let answer = listener.call(Method::DELETE, &format!("/jobs/{job}")).send().await.unwrap();
    json_of(answer, StatusCode::OK).await
}

/// Nothing is left of the attempts, and nobody but YouTube was asked for anything.
pub async fn leaves_nothing_behind(app: &App) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let folders = app.work_dirs();
        let left = folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten();
        let left: Vec<_> = left.collect();
        if left.is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "left in the work folder: {left:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(app.youtube.denied_hosts().is_empty(), "{:?}", app.youtube.denied_hosts());
}

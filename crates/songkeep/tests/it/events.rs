//! The stream of events: complete across reconnections, private, and no longer than the session.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode, header};
use secrecy::SecretString;
use serde_json::json;
use songkeep_api::token::AccessTokens;
use songkeep_domain::SystemClock;
use songkeep_testkit::fake_youtube::Behaviour;

use crate::{
    in_all_topologies,
    kit::{App, Listener},
    sse::{Event, Events},
};

in_all_topologies! {
    async fn nothing_is_missed_or_repeated_however_often_a_client_reconnects(app: App) {
        let (ada, bob) = (app.listener("ada@example.com").await, app.listener("bob@example.com").await);
        let videos = app.youtube.videos();
        let mut whole = Events::open(&ada, None).await;
        let mut first = Events::open(&ada, None).await;
        let mut bobs = Events::open(&bob, None).await;
        let (start, bobs_start) = (whole.hello().await, bobs.hello().await);
        assert_eq!(first.hello().await, start);

        let jobs = [ada.import(&videos[0].id).await, ada.import(&videos[1].id).await];
        let bobs_job = bob.import(&videos[0].id).await;
        let is_at_work = |event: &Event| event.job(None).is_some_and(|job| job["status"] == "processing");
        let mut parts = first.until(is_at_work).await;
        drop(first);
        for job in &jobs {
            assert_eq!(ada.finished(job["id"].as_str().unwrap()).await["status"], "completed");
        }
        // A second connection for two events, and a third for the rest.
        let mut second = Events::open(&ada, Some(&last_id(&parts))).await;
        for _ in 0..2 {
            parts.push(second.next().await.unwrap());
        }
        let mut third = Events::open(&ada, Some(&last_id(&parts))).await;
        drop(second);

        let song_id = ada.finished(jobs[0]["id"].as_str().unwrap()).await["song_id"].clone();
        let path = format!("/library/{}", song_id.as_str().unwrap());
        let edit = ada.call(Method::PATCH, &path).json(&json!({ "title": "Mine" })).send().await.unwrap();
        assert_eq!(edit.status(), StatusCode::OK);
        let removal = ada.call(Method::DELETE, &path).send().await.unwrap();
        assert_eq!(removal.status(), StatusCode::NO_CONTENT);
        let is_removal = |event: &Event| event.name == "library" && event.json()["change"] == "removed";
        parts.extend(third.until(is_removal).await);
        let seen = whole.until(is_removal).await;
        assert_eq!(parts, seen, "in parts and as a whole");
        let ids: Vec<i64> = seen.iter().map(|event| event.id.unwrap()).collect();
        let last = start + i64::try_from(seen.len()).unwrap();
        assert_eq!(ids, (start + 1..=last).collect::<Vec<_>>());
        tells_the_story(&seen, &jobs, &song_id);

        bob.finished(bobs_job["id"].as_str().unwrap()).await;
        let bobs_seen = bobs.until(|event| event.name == "job" && event.json()["status"] == "completed").await;
        assert_eq!(bobs_seen[0].id, Some(bobs_start + 1));
        assert!(bobs_seen.iter().filter_map(|event| event.job(None)).all(|job| job["id"] == bobs_job["id"]));

        ids_that_nobody_gave_lead_to_a_reset(&ada, &videos[2].id, last).await;
        app.stop().await;
    }
}

fn last_id(events: &[Event]) -> String {
    events.last().and_then(|event| event.id).unwrap().to_string()
}

fn tells_the_story(seen: &[Event], jobs: &[serde_json::Value], song_id: &serde_json::Value) {
    for job in jobs {
        let id = job["id"].as_str().unwrap();
        let states: Vec<_> = seen.iter().filter_map(|event| event.job(Some(id))).collect();
        assert_eq!((&states[0]["status"], &states[0]["stage"]), (&json!("queued"), &json!("queued")));
        assert_eq!(states[1]["status"], "processing");
        let last = states.last().unwrap();
        assert_eq!((&last["status"], &last["progress"]), (&json!("completed"), &json!(100)), "{last}");
        let progress: Vec<_> = states.iter().map(|job| job["progress"].as_u64().unwrap()).collect();
        assert!(progress.is_sorted(), "{progress:?}");
    }
    let changes: Vec<_> = seen
        .iter()
        .filter(|event| event.name == "library")
        .map(Event::json)
        .filter(|change| change["song_id"] == *song_id)
        .collect();
    let words: Vec<_> = changes.iter().map(|change| change["change"].as_str().unwrap()).collect();
    assert_eq!(words, ["added", "updated", "removed"]);
    assert_eq!(changes[0]["song"]["id"], *song_id);
    assert_eq!(changes[1]["song"]["title"], "Mine");
    assert!(changes[2]["song"].is_null(), "{}", changes[2]);
}

async fn ids_that_nobody_gave_lead_to_a_reset(ada: &Listener<'_>, source_id: &str, newest: i64) {
    let mut streams = Vec::new();
    for id in ["abc", "-1", "999999999", "9223372036854775808"] {
        let mut events = Events::open(ada, Some(id)).await;
        let reset = events.next().await.unwrap();
        assert_eq!((reset.name.as_str(), reset.id), ("reset", Some(newest)), "{id}");
        streams.push(events);
    }
    ada.import(source_id).await;
    for events in &mut streams {
        let next = events.next().await.unwrap();
        assert_eq!((next.name.as_str(), next.id), ("job", Some(newest + 1)));
    }
    let mut from_the_start = Events::open(ada, Some("0")).await;
    assert_eq!(from_the_start.next().await.unwrap().id, Some(1));
}

in_all_topologies! {
    async fn the_stream_ends_with_the_session_and_only_that(app: App) {
        let here = app.listener("ada@example.com").await;
        let there = app.sign_in("ada@example.com").await;
        let mut ends = Events::open(&here, None).await;
        let mut stays = Events::open(&there, None).await;
        ends.hello().await;
        stays.hello().await;
        let cookie = format!("refresh_token={}", here.refresh);
        let answer = app.call(Method::POST, "/auth/logout").header(header::COOKIE, cookie).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let signed_out = Instant::now();
        assert_eq!(ends.next().await, None);
        assert!(signed_out.elapsed() < Duration::from_secs(5), "{:?}", signed_out.elapsed());

        let id = &app.youtube.videos()[0].id;
        app.youtube.set(id, Behaviour::Unavailable);
        let job = there.import(id).await;
        assert_eq!(stays.next().await.unwrap().job(None).unwrap()["id"], job["id"]);
        app.stop().await;
    }
}

in_all_topologies! {
    async fn the_stream_ends_with_the_access_token_and_another_goes_on(topology: Topology) {
        const SECRET: &str = "a secret that is known to this test only";
        let app = App::start_with(topology, &[("JWT_SECRET", SECRET)]).await;
        let ada = app.listener("ada@example.com").await;
        let tokens = AccessTokens::new(&SecretString::from(SECRET), std::sync::Arc::new(SystemClock));
        let access = tokens.verify(&ada.access).unwrap();
        // Tokens count in whole seconds.
        let short = tokens.sign(&access.actor, Duration::from_secs(3)).unwrap();
        let opened = Instant::now();
        let request = app.call(Method::GET, "/events").bearer_auth(&short);
        let mut events = Events::of(request, None).await;
        let start = events.hello().await;
        assert_eq!(events.next().await, None);
        let lived = opened.elapsed();
        assert!(
            lived > Duration::from_millis(1_500) && lived < Duration::from_secs(5),
            "{topology:?}: {lived:?}"
        );
        let refused = app.call(Method::GET, "/events").bearer_auth(&short).send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);

        let id = &app.youtube.videos()[0].id;
        app.youtube.set(id, Behaviour::Unavailable);
        ada.import(id).await;
        let mut events = Events::open(&ada, Some(&start.to_string())).await;
        assert_eq!(events.next().await.unwrap().id, Some(start + 1));
        app.stop().await;
    }
}

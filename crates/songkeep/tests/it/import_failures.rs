//! Each way in which a source, a tool or the way out fails is told by its class, and leaves nothing behind.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use songkeep_testkit::fake_youtube::{Behaviour, SearchBehaviour};

use crate::{
    imports::leaves_nothing_behind,
    in_all_topologies,
    kit::{App, Listener, Topology, json_of},
};

/// Two attempts, a second apart.
const TWICE: [(&str, &str); 2] = [("JOB_MAX_ATTEMPTS", "2"), ("JOB_RETRY_BASE_SECONDS", "1")];
const ADMIN: &str = "admin@example.com";

async fn start(topology: Topology, extra: &[(&str, &str)]) -> App {
    let settings = [TWICE.as_slice(), &[("ADMIN_BOOTSTRAP_EMAIL", ADMIN)], extra].concat();
    App::start_with(topology, &settings).await
}

/// A video's behaviour, and the job that it leads to.
struct Case {
    behaviour: Behaviour,
    /// None when it is imported in the end.
    code: Option<&'static str>,
    attempts: u32,
}

const fn fails(behaviour: Behaviour, code: &'static str, attempts: u32) -> Case {
    Case { behaviour, code: Some(code), attempts }
}

in_all_topologies! {
    async fn what_the_source_will_not_give_fails_at_once(topology: Topology) {
        let app = start(topology, &[]).await;
        let cases = [
            fails(Behaviour::Unavailable, "unavailable", 1),
            fails(Behaviour::Private, "private", 1),
            fails(Behaviour::AgeRestricted, "age_restricted", 1),
            fails(Behaviour::GeoBlocked, "geo_blocked", 1),
            fails(Behaviour::Live, "live", 1),
            fails(Behaviour::TooLong, "too_long", 1),
            fails(Behaviour::NoFormats, "no_format", 1),
            Case { behaviour: Behaviour::OnlyM4a, code: None, attempts: 1 },
        ];
        end_as_expected(&app, &cases).await;
        app.stop().await;
    }
}

in_all_topologies! {
    async fn what_may_pass_is_tried_again_and_fails_in_the_end(topology: Topology) {
        let app = start(topology, &[]).await;
        let cases = [
            fails(Behaviour::BotCheck, "bot_check", 2),
            fails(Behaviour::RateLimited, "rate_limited", 2),
            fails(Behaviour::ServerError, "timeout", 2),
            fails(Behaviour::Truncated, "timeout", 2),
            fails(Behaviour::Forbidden, "tool_broken", 2),
            // Another look at the page gives another address, within the attempt.
            Case { behaviour: Behaviour::ForbiddenTimes(1), code: None, attempts: 1 },
            Case { behaviour: Behaviour::ForbiddenTimes(2), code: None, attempts: 2 },
        ];
        end_as_expected(&app, &cases).await;
        app.stop().await;
    }
}

/// Imports one video for each case, and looks at what listener and administrator are told.
async fn end_as_expected(app: &App, cases: &[Case]) {
    let (ada, admin) = (app.listener("ada@example.com").await, app.listener(ADMIN).await);
    let videos = app.youtube.videos();
    assert!(videos.len() >= cases.len());
    let mut jobs = Vec::new();
    for (case, video) in cases.iter().zip(&videos) {
        app.youtube.set(&video.id, case.behaviour);
        jobs.push(ada.import(&video.id).await["id"].as_str().unwrap().to_owned());
    }
    let mut imported = 0;
    for (case, id) in cases.iter().zip(&jobs) {
        let job = ada.finished(id).await;
        let told = (job["failure_code"].as_str(), job["attempt"].as_u64());
        let detail = detail_for_administrators(&admin, id).await;
        assert_eq!(told, (case.code, Some(case.attempts.into())), "{:?}: {job}\n{detail:?}", case.behaviour);
        match case.code {
            None => {
                imported += 1;
                assert_eq!(job["status"], "completed", "{job}");
            }
            Some(_) => {
                assert_eq!(job["status"], "failed", "{job}");
                is_a_sentence_for_listeners(&job);
                assert!(detail.is_some_and(|detail| !detail.trim().is_empty()), "{:?}", case.behaviour);
            }
        }
    }
    assert_eq!(ada.library().await.len(), imported);
    let stored = futures::StreamExt::count(app.backends.blobs().unwrap().list()).await;
    assert_eq!(stored, imported, "one object for each song");
    leaves_nothing_behind(app).await;
}

fn is_a_sentence_for_listeners(job: &Value) {
    let reason = job["failure_reason"].as_str().unwrap();
    assert!(reason.ends_with('.') && reason.chars().next().is_some_and(char::is_uppercase), "{reason}");
    let all = job.to_string();
    for internal in ["failure_detail", "ERROR", "WARNING", "yt-dlp", "[youtube]", "Traceback", "/tmp", "http"]
    {
        assert!(!all.contains(internal), "{internal} in {all}");
    }
}

/// What the tools said.
async fn detail_for_administrators(admin: &Listener<'_>, id: &str) -> Option<String> {
    let jobs = admin.get("/admin/jobs").await;
    let jobs = jobs["jobs"].as_array().unwrap();
    let job = jobs.iter().find(|job| job["id"] == id).unwrap_or_else(|| panic!("{id} is not in {jobs:?}"));
    job["failure_detail"].as_str().map(str::to_owned)
}

in_all_topologies! {
    async fn a_download_that_hangs_ends_with_its_time_and_holds_up_nobody(topology: Topology) {
        let app = start(topology, &[("JOB_TIMEOUT_SECONDS", "10"), ("JOB_MAX_ATTEMPTS", "1")]).await;
        let (ada, admin) = (app.listener("ada@example.com").await, app.listener(ADMIN).await);
        let videos = app.youtube.videos();
        app.youtube.set(&videos[0].id, Behaviour::Hangs);
        let hanging = ada.import(&videos[0].id).await;
        let other = ada.import(&videos[1].id).await;
        let other = ada.finished(other["id"].as_str().unwrap()).await;
        assert_eq!(other["status"], "completed", "{other}: {}", admin.get("/admin/jobs").await);
        let job = ada.finished(hanging["id"].as_str().unwrap()).await;
        assert_eq!((&job["status"], &job["failure_code"]), (&json!("failed"), &json!("timeout")), "{job}");
        is_a_sentence_for_listeners(&job);
        leaves_nothing_behind(&app).await;

        // The slot and its tools are of use again.
        let next = ada.import(&videos[2].id).await;
        assert_eq!(ada.finished(next["id"].as_str().unwrap()).await["status"], "completed");
        app.stop().await;
    }
}

in_all_topologies! {
    async fn a_search_gives_what_was_found_or_says_that_it_cannot(topology: Topology) {
        let app = start(topology, &[]).await;
        let ada = app.listener("ada@example.com").await;
        let video = app.youtube.videos()[1].clone();

        app.youtube.set_search(SearchBehaviour::UnknownShape);
        let found = ada.search(&format!("{} {}", video.channel, video.title)).await;
        assert_eq!(found[0]["source_id"], video.id.as_str(), "the download tool can still search: {found:?}");

        app.youtube.set_search(SearchBehaviour::Empty);
        let answer = search(&ada, "words that nobody sang").await;
        let answer = json_of(answer, StatusCode::OK).await;
        assert_eq!((&answer["candidates"], &answer["scoring_meta"]["total_candidates"]), (&json!([]), &json!(0)));

        app.youtube.set_search(SearchBehaviour::Down);
        is_unavailable(search(&ada, "another query").await).await;

        app.youtube.set_search(SearchBehaviour::Slow(Duration::from_secs(3)));
        let began = Instant::now();
        let answer = search(&ada, &video.title).await;
        assert!(began.elapsed() < Duration::from_secs(20), "nobody waits that long");
        if answer.status() == StatusCode::OK {
            let found = json_of(answer, StatusCode::OK).await;
            assert_eq!(found["candidates"][0]["source_id"], video.id.as_str());
        } else {
            is_unavailable(answer).await;
        }

        // Failures are not remembered.
        app.youtube.set_search(SearchBehaviour::Normal);
        assert!(!ada.search("another query").await.is_empty() || !ada.search(&video.title).await.is_empty());
        assert!(app.youtube.denied_hosts().is_empty(), "{:?}", app.youtube.denied_hosts());
        app.stop().await;
    }
}

in_all_topologies! {
    async fn a_way_out_that_is_closed_is_no_fault_of_the_listener(topology: Topology) {
        // A port on which nobody listens.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let proxy = format!("http://songkeep:very-secret@127.0.0.1:{port}");
        let app = start(topology, &[("IMPORT_UPSTREAM_PROXY", &proxy), ("JOB_MAX_ATTEMPTS", "1")]).await;
        let (ada, admin) = (app.listener("ada@example.com").await, app.listener(ADMIN).await);
        is_unavailable(search(&ada, "anything").await).await;
        let job = ada.import("SKsong00001").await;
        let job = ada.finished(job["id"].as_str().unwrap()).await;
        assert_eq!((&job["status"], &job["failure_code"]), (&json!("failed"), &json!("internal")), "{job}");
        is_a_sentence_for_listeners(&job);
        let seen = admin.get("/admin/jobs").await;
        assert!(seen["jobs"][0]["failure_detail"].as_str().unwrap().contains("proxy"), "{seen}");
        assert!(!seen.to_string().contains("very-secret"), "{seen}");
        leaves_nothing_behind(&app).await;
        app.stop().await;
    }
}

async fn search(listener: &Listener<'_>, query: &str) -> reqwest::Response {
    listener.call(Method::GET, "/songs/search").query(&[("q", query)]).send().await.unwrap()
}

async fn is_unavailable(answer: reqwest::Response) {
    let retry_after =
        answer.headers().get(header::RETRY_AFTER).map(|value| value.to_str().unwrap().to_owned());
    assert!(retry_after.is_some_and(|secs| secs.parse::<u64>().is_ok_and(|secs| secs > 0)));
    let text = answer.text().await.unwrap();
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&body["status"], &body["code"]), (&json!(503), &json!("search_unavailable")), "{text}");
    for internal in ["candidates", "127.0.0.1", "proxy", "error sending"] {
        assert!(!text.contains(internal), "{internal} in {text}");
    }
}

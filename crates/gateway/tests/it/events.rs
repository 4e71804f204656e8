//! `GET /events`: resuming, resets, and the stream's end.

use std::time::Duration;

use axum::body::Body;
use http::{HeaderName, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use songkeep_domain::{
    ErrorCode, JobId, SongId, UserId, UserRole,
    bus::Notice,
    event::{Event, EventBody, LibraryChange},
};
use songkeep_gateway::EventTimings;

use crate::{
    samples::{self, MOMENT},
    world::{Ask, World},
};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const CALM: Duration = Duration::from_secs(3_600);

async fn calm() -> World {
    World::with(|settings| settings.events = EventTimings { keep_alive: CALM, recheck: CALM }).await
}

/// A world that looks at sessions often.
async fn watchful() -> World {
    let recheck = Duration::from_millis(20);
    World::with(|settings| settings.events = EventTimings { keep_alive: CALM, recheck }).await
}

#[derive(Debug, PartialEq)]
struct Heard {
    name: Option<String>,
    id: Option<String>,
    data: Option<Value>,
}

struct Stream {
    body: Body,
    text: String,
}

impl Stream {
    async fn open(ask: Ask<'_>) -> Self {
        let answer = ask.signed_in().open().await;
        assert_eq!(answer.status(), StatusCode::OK);
        Self { body: answer.into_body(), text: String::new() }
    }

    /// The next block, comments included; None at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                return Some(self.text.drain(..end + 2).collect());
            }
            let frame = tokio::time::timeout(Duration::from_secs(5), self.body.frame());
            let frame = frame.await.expect("something within 5 s")?.unwrap();
            self.text.push_str(std::str::from_utf8(&frame.into_data().unwrap()).unwrap());
        }
    }

    async fn next(&mut self) -> Option<Heard> {
        loop {
            let block = self.block().await?;
            let field =
                |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            let heard = Heard {
                name: field("event: "),
                id: field("id: "),
                data: field("data: ").map(|data| serde_json::from_str(&data).unwrap()),
            };
            if heard.name.is_some() {
                return Some(heard);
            }
        }
    }

    async fn assert_ended(mut self) {
        assert_eq!(self.next().await, None);
    }
}

fn removed(user_id: UserId, seq: i64) -> Event {
    let body = EventBody::Library { change: LibraryChange::Removed, song_id: SongId::new(), song: None };
    Event { user_id, seq, at: MOMENT, body }
}

/// Happens, and is told on the bus.
async fn happens(world: &World, event: Event) {
    world.services.state().events.push(event.clone());
    world.publish(Notice::Event(Box::new(event))).await;
}

fn happened(world: &World, seqs: std::ops::RangeInclusive<i64>) {
    let events = seqs.map(|seq| removed(world.user.user_id, seq));
    world.services.state().events.extend(events);
}

async fn ids(stream: &mut Stream, count: usize) -> Vec<String> {
    let mut ids = Vec::new();
    for _ in 0..count {
        let heard = stream.next().await.unwrap();
        assert_eq!(heard.name.as_deref(), Some("library"));
        ids.push(heard.id.unwrap());
    }
    ids
}

#[tokio::test]
async fn the_answer_is_an_unbuffered_uncached_stream() {
    let world = calm().await;
    let answer = world.get("/events").signed_in().open().await;
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    assert_eq!(answer.headers()["x-accel-buffering"], "no");
}

#[tokio::test]
async fn jobs_and_changes_of_the_library_are_told_as_they_happen() {
    let world = calm().await;
    happened(&world, 1..=4);
    let mut stream = Stream::open(world.get("/events")).await;
    let hello = stream.block().await.unwrap();
    assert!(hello.starts_with(": ") && hello.contains("id: 4\n"), "{hello}");

    let user_id = world.user.user_id;
    let job = samples::job(JobId::new(), user_id);
    let body = EventBody::Job { job: Box::new(job.clone()) };
    happens(&world, Event { user_id, seq: 5, at: MOMENT, body }).await;
    let heard = stream.next().await.unwrap();
    assert_eq!((heard.name.as_deref(), heard.id.as_deref()), (Some("job"), Some("5")));
    let data = heard.data.unwrap();
    assert_eq!((&data["id"], &data["stage"]), (&json!(job.id), &json!("download")));
    assert!(data.get("failure_detail").is_none());

    let song_id = SongId::new();
    let song = Some(Box::new(samples::library_song(song_id)));
    let body = EventBody::Library { change: LibraryChange::Added, song_id, song };
    happens(&world, Event { user_id, seq: 6, at: MOMENT, body }).await;
    let data = stream.next().await.unwrap().data.unwrap();
    assert_eq!((&data["change"], &data["song_id"]), (&json!("added"), &json!(song_id)));
    assert_eq!(data["song"]["title"], "My title");

    happens(&world, removed(user_id, 7)).await;
    let data = stream.next().await.unwrap().data.unwrap();
    assert_eq!((&data["change"], &data["song"]), (&json!("removed"), &json!(null)));
}

#[tokio::test]
async fn a_client_resumes_after_the_last_event_it_saw() {
    let world = calm().await;
    happened(&world, 1..=450);
    let mut stream = Stream::open(world.get("/events").header(LAST_EVENT_ID, "2")).await;
    let expected: Vec<_> = (3..=450).map(|seq| seq.to_string()).collect();
    assert_eq!(ids(&mut stream, 448).await, expected, "page after page, in order");
    happens(&world, removed(world.user.user_id, 451)).await;
    assert_eq!(ids(&mut stream, 1).await, ["451"]);
}

#[tokio::test]
async fn news_that_were_missed_on_the_bus_are_looked_up_and_repeats_dropped() {
    let world = calm().await;
    let user = world.user.user_id;
    let mut stream = Stream::open(world.get("/events")).await;
    happened(&world, 1..=2);
    happens(&world, removed(user, 3)).await;
    assert_eq!(ids(&mut stream, 3).await, ["1", "2", "3"]);
    world.publish(Notice::Event(Box::new(removed(user, 2)))).await;
    happens(&world, removed(user, 4)).await;
    assert_eq!(ids(&mut stream, 1).await, ["4"]);
    happened(&world, 5..=5);
    world.publish(Notice::Lagged).await;
    assert_eq!(ids(&mut stream, 1).await, ["5"]);
}

#[tokio::test]
async fn an_id_that_was_never_given_or_is_forgotten_gets_a_reset() {
    let world = calm().await;
    happened(&world, 1..=9);
    world.services.state().forgotten = 5;
    for last in ["abc", "-1", "3", "10", "9999999999999999999999"] {
        let mut stream = Stream::open(world.get("/events").header(LAST_EVENT_ID, last)).await;
        let heard = stream.next().await.unwrap();
        assert_eq!((heard.name.as_deref(), heard.id.as_deref()), (Some("reset"), Some("9")), "{last}");
    }
    let mut stream = Stream::open(world.get("/events").header(LAST_EVENT_ID, "\u{e9}")).await;
    assert_eq!(stream.next().await.unwrap().name.as_deref(), Some("reset"));
    happens(&world, removed(world.user.user_id, 10)).await;
    assert_eq!(ids(&mut stream, 1).await, ["10"], "and goes on from there");
}

#[tokio::test]
async fn nobody_hears_the_events_of_others() {
    let world = calm().await;
    let mut stream = Stream::open(world.get("/events")).await;
    world.publish(Notice::Event(Box::new(removed(UserId::new(), 1)))).await;
    happens(&world, removed(world.user.user_id, 1)).await;
    happens(&world, removed(world.user.user_id, 2)).await;
    assert_eq!(ids(&mut stream, 2).await, ["1", "2"]);
    let calls = world.services.calls();
    assert!(calls.iter().all(|call| call.ctx.actor.as_ref() == Some(&world.user)));
}

#[tokio::test]
async fn a_comment_comes_when_nothing_else_does() {
    let keep_alive = Duration::from_millis(10);
    let world = World::with(|settings| settings.events = EventTimings { keep_alive, recheck: CALM }).await;
    let mut stream = Stream::open(world.get("/events")).await;
    stream.block().await.unwrap();
    for _ in 0..3 {
        let comment = stream.block().await.unwrap();
        assert!(comment.starts_with(':') && comment.lines().count() <= 2, "{comment:?}");
    }
}

#[tokio::test]
async fn the_stream_ends_with_the_access_token() {
    let world = watchful().await;
    let stream = Stream::open(world.get("/events")).await;
    world.clock.advance(Duration::from_secs(1_801));
    stream.assert_ended().await;
}

#[tokio::test]
async fn the_stream_ends_by_itself_at_the_time_in_the_token() {
    let world = calm().await;
    let token = world.tokens.sign(&world.user, Duration::from_secs(2)).unwrap();
    let answer = world.get("/events").bearer(&token).open().await;
    let mut stream = Stream { body: answer.into_body(), text: String::new() };
    stream.block().await.unwrap();
    assert_eq!(stream.block().await, None);
}

#[tokio::test]
async fn the_stream_ends_with_the_session_at_the_news_of_it() {
    let world = calm().await;
    let stream = Stream::open(world.get("/events")).await;
    world.services.end_session(world.user.session_id);
    world.publish(Notice::SessionEnded { session_id: world.user.session_id }).await;
    stream.assert_ended().await;
}

#[tokio::test]
async fn the_stream_ends_with_the_session_even_without_news() {
    let world = watchful().await;
    let stream = Stream::open(world.get("/events")).await;
    world.services.end_session(world.user.session_id);
    stream.assert_ended().await;
}

#[tokio::test]
async fn the_stream_goes_on_when_another_session_ends_or_the_role_changes() {
    let world = watchful().await;
    let mut stream = Stream::open(world.get("/events")).await;
    world.publish(Notice::SessionEnded { session_id: world.admin.session_id }).await;
    world.services.state().sessions.get_mut(&world.user.session_id).unwrap().role = UserRole::Admin;
    world.publish(Notice::UserChanged { user_id: world.user.user_id }).await;
    happens(&world, removed(world.user.user_id, 1)).await;
    assert_eq!(ids(&mut stream, 1).await, ["1"]);
}

#[tokio::test]
async fn a_download_service_that_is_away_is_503_at_once() {
    let world = calm().await;
    world.services.fail("download.last_event_seq", ErrorCode::Unavailable);
    let answer = world.get("/events").signed_in().send().await;
    answer.problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
}

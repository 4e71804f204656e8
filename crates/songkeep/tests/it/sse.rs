//! Reads a stream of server-sent events as a client does.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tokio::time::timeout;

use crate::kit::Listener;

/// For one event to come when something is known to happen; imports on a busy machine take their time.
const PATIENCE: Duration = Duration::from_secs(45);

/// One event; a comment that carries an id is one without a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub id: Option<i64>,
    pub name: String,
    pub data: String,
}

impl Event {
    pub fn read(block: &str) -> Option<Self> {
        let field = |name: &str| {
            let mut lines = block.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            lines.next().map(|value| value.trim_start().to_owned())
        };
        let id = field("id").map(|id| id.parse().expect("our ids are numbers"));
        let name = field("event").unwrap_or_default();
        (id.is_some() || !name.is_empty()).then(|| Self { id, name, data: field("data").unwrap_or_default() })
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The job that this event tells of, when it is `id`; any job's without `id`.
    pub fn job(&self, id: Option<&str>) -> Option<Value> {
        let job = (self.name == "job").then(|| self.json())?;
        id.is_none_or(|id| job["id"] == id).then_some(job)
    }
}

pub struct Events {
    answer: Response,
    unread: Vec<u8>,
}

impl Events {
    /// From now on, or after the last event that was seen.
    pub async fn open(listener: &Listener<'_>, last_id: Option<&str>) -> Self {
        Self::of(listener.call(Method::GET, "/events"), last_id).await
    }

    pub async fn of(mut request: RequestBuilder, last_id: Option<&str>) -> Self {
        if let Some(id) = last_id {
            request = request.header("Last-Event-ID", id);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Self { answer, unread: Vec::new() }
    }

    /// The next event; None at the end of the stream.
    pub async fn next(&mut self) -> Option<Event> {
        timeout(PATIENCE, self.read()).await.expect("an event, or the end of the stream")
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            while let Some(at) = self.unread.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.unread.drain(..at + 2).collect();
                let event = Event::read(std::str::from_utf8(&block).unwrap());
                if event.is_some() {
                    return event;
                }
            }
            let chunk = self.answer.chunk().await.unwrap()?;
            self.unread.extend_from_slice(&chunk);
        }
    }

    /// The id from which a stream without `Last-Event-ID` goes on.
    pub async fn hello(&mut self) -> i64 {
        let hello = self.next().await.expect("an id to resume from");
        assert_eq!((hello.name.as_str(), hello.data.as_str()), ("", ""), "{hello:?}");
        hello.id.expect("the greeting has an id")
    }

    /// Events up to the first that satisfies `is`, which is the last of them.
    pub async fn until(&mut self, is: impl Fn(&Event) -> bool) -> Vec<Event> {
        let mut seen = Vec::new();
        loop {
            let Some(event) = self.next().await else { panic!("the events ended early: {seen:#?}") };
            let found = is(&event);
            seen.push(event);
            if found {
                return seen;
            }
        }
    }

    /// All states of a job up to its end.
    pub async fn follow(&mut self, job_id: &str) -> Vec<Value> {
        let is_over = |event: &Event| event.job(Some(job_id)).is_some_and(|job| is_over(&job));
        let seen = self.until(is_over).await;
        seen.iter().filter_map(|event| event.job(Some(job_id))).collect()
    }
}

pub fn is_over(job: &Value) -> bool {
    matches!(job["status"].as_str(), Some("completed" | "failed" | "cancelled"))
}

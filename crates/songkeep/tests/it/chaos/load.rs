//! A steady load of all that people do: they import, sign in, stay signed in, look at their library,
//! listen, and follow the news.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::{Client, RequestBuilder, Response, StatusCode, header};
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    balancer::Balancer,
    fleet::{Fleet, PATIENCE},
    journal::Journal,
};
use crate::{
    kit::refresh_cookie,
    sse::{Event, is_over},
};

const PASSWORD: &str = "correct horse";
/// Before what failed is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// An event stream that is silent for so long is dead: a comment comes every 15 s.
const SILENCE: Duration = Duration::from_secs(20);
/// Sessions that are kept to be looked at in the end.
const KEPT_SESSIONS: usize = 10;

/// Who imports; both have the odd songs.
pub const ADA: &str = "ada@example.com";
pub const BOB: &str = "bob@example.com";
/// Who signs in again and again.
const EVE: &str = "eve@example.com";

pub struct Load {
    pub api: Api,
    /// Access tokens of [`ADA`] and [`BOB`].
    pub access: [String; 2],
    /// A refresh token that is exchanged all the time.
    chain: Arc<tokio::sync::Mutex<String>>,
    tasks: JoinSet<()>,
    followers: JoinSet<()>,
}

/// What people call, and where it is written down how that went.
#[derive(Clone)]
pub struct Api {
    pub gateways: Arc<Balancer>,
    pub streams: Arc<Balancer>,
    pub journal: Arc<Journal>,
    /// The load ends.
    stop: CancellationToken,
}

/// A song whose bytes are known.
struct Known {
    id: String,
    bytes: Vec<u8>,
}

impl Api {
    /// Whether to go on, after a pause.
    async fn after(&self, pause: Duration) -> bool {
        self.stop.run_until_cancelled(sleep(pause)).await.is_some()
    }

    /// The answer, when it is a success. Failures of the server and of the network are excused.
    async fn ask(
        &self,
        kind: &'static str,
        make: impl Fn(&Client, &str) -> RequestBuilder,
    ) -> Option<Response> {
        self.judge(kind, self.gateways.send(make).await)
    }

    fn judge(&self, kind: &'static str, answer: Result<Response, reqwest::Error>) -> Option<Response> {
        match answer {
            Ok(answer) if answer.status().is_success() => return Some(answer),
            Ok(answer) if answer.status().is_server_error() => {
                self.journal.failed(kind, answer.status().to_string());
            }
            Ok(answer) => self.journal.broken(format!("{kind}: {}", answer.status())),
            Err(error) => self.journal.failed(kind, words(error)),
        }
        None
    }

    async fn json(
        &self,
        kind: &'static str,
        make: impl Fn(&Client, &str) -> RequestBuilder,
    ) -> Option<Value> {
        match self.ask(kind, make).await?.json().await {
            Ok(value) => {
                self.journal.done(kind);
                Some(value)
            }
            Err(error) => {
                self.journal.failed(kind, words(error));
                None
            }
        }
    }

    pub async fn get(&self, kind: &'static str, access: &str, path: &str) -> Option<Value> {
        self.json(kind, |client, base| client.get(format!("{base}{path}")).bearer_auth(access)).await
    }

    /// As [`Self::get`], again and again until it is answered.
    pub async fn get_at_last(&self, access: &str, path: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(answer) = self.get("look", access, path).await {
                return answer;
            }
            assert!(Instant::now() < deadline, "{path} is not answered");
            sleep(AGAIN_AFTER).await;
        }
    }

    async fn sign_up(&self, email: &str) {
        let account = json!({ "email": email, "password": PASSWORD });
        let made =
            self.json("sign-up", |client, base| client.post(format!("{base}/auth/signup")).json(&account));
        assert!(made.await.is_some(), "nothing fails yet");
    }

    /// Access and refresh token.
    async fn sign_in(&self, email: &str) -> Option<(String, String)> {
        let account = json!({ "email": email, "password": PASSWORD });
        let answer = self
            .ask("sign-in", |client, base| client.post(format!("{base}/auth/signin")).json(&account))
            .await?;
        self.tokens("sign-in", answer).await
    }

    /// Exchanges a refresh token.
    pub async fn refresh(&self, refresh: &str) -> Option<(String, String)> {
        let cookie = format!("refresh_token={refresh}");
        let answer = self
            .ask("refresh", |client, base| {
                client.post(format!("{base}/auth/refresh")).header(header::COOKIE, &cookie)
            })
            .await?;
        self.tokens("refresh", answer).await
    }

    async fn tokens(&self, kind: &'static str, answer: Response) -> Option<(String, String)> {
        let refresh = refresh_cookie(&answer).expect("the cookie comes with the answer");
        match answer.json::<Value>().await {
            Ok(body) => {
                self.journal.done(kind);
                Some((body["access_token"].as_str().unwrap().to_owned(), refresh))
            }
            Err(error) => {
                self.journal.failed(kind, words(error));
                None
            }
        }
    }

    /// The job.
    async fn import(&self, access: &str, source: &str) -> Option<Value> {
        let wish = json!({ "source_provider": "youtube", "source_id": source });
        self.json("import", |client, base| {
            client.post(format!("{base}/songs/import")).bearer_auth(access).json(&wish)
        })
        .await
    }

    /// The job when it is over.
    pub async fn finished(&self, access: &str, id: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let job = self.get_at_last(access, &format!("/jobs/{id}")).await;
            if is_over(&job) {
                return job;
            }
            assert!(Instant::now() < deadline, "the job does not end: {job}");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Where a song's bytes are, without the node's address.
    pub async fn stream_path(&self, access: &str, song: &str) -> Option<String> {
        let grant = self.get("grant", access, &format!("/stream/{song}")).await?;
        let url = grant["stream_url"].as_str().unwrap();
        Some(url[url.find("/public/stream/").unwrap()..].to_owned())
    }

    /// Bytes of a song; the whole without a range.
    pub async fn stream(&self, path: &str, range: Option<(usize, usize)>) -> Option<Vec<u8>> {
        let answer = self.streams.send(|client, base| {
            let request = client.get(format!("{base}{path}"));
            match range {
                Some((from, to)) => request.header(header::RANGE, format!("bytes={from}-{to}")),
                None => request,
            }
        });
        let answer = self.judge("stream", answer.await)?;
        let expected = if range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
        if answer.status() != expected {
            self.journal.broken(format!("a stream of {range:?} is a {}", answer.status()));
        }
        match answer.bytes().await {
            Ok(bytes) => {
                self.journal.done("stream");
                Some(bytes.to_vec())
            }
            Err(error) => {
                self.journal.failed("stream", words(error));
                None
            }
        }
    }
}

/// The error with its causes, without addresses.
fn words(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

impl Load {
    /// Begins when everything is well. [`ADA`] imports so many copies, one at each `pace`.
    pub async fn start(fleet: &Fleet, copies: usize, pace: Duration) -> Self {
        let api = Api {
            gateways: Arc::new(fleet.gateways().await),
            streams: Arc::new(fleet.streams().await),
            journal: Arc::default(),
            stop: CancellationToken::new(),
        };
        for email in [ADA, BOB, EVE] {
            api.sign_up(email).await;
        }
        let (ada, chain) = api.sign_in(ADA).await.expect("nothing fails yet");
        let (bob, _) = api.sign_in(BOB).await.expect("nothing fails yet");
        let first = fleet.youtube.videos()[0].id.clone();
        let job = api.import(&ada, &first).await.expect("nothing fails yet");
        let job = job["id"].as_str().unwrap();
        api.journal.acknowledged(ADA, &first, job);
        let song = api.finished(&ada, job).await["song_id"].as_str().expect("a song").to_owned();
        let path = api.stream_path(&ada, &song).await.expect("nothing fails yet");
        let bytes = api.stream(&path, None).await.expect("nothing fails yet");
        let known = Arc::new(Known { id: song, bytes });

        let mut load = Self {
            api,
            access: [ada.clone(), bob.clone()],
            chain: Arc::new(tokio::sync::Mutex::new(chain)),
            tasks: JoinSet::new(),
            followers: JoinSet::new(),
        };
        let sources: Vec<_> = (1..=copies).map(|number| format!("SKcopy{number:05}")).collect();
        let shared = sources.iter().step_by(2).cloned().collect();
        load.run(|api| import_all(api, ADA, ada.clone(), sources, pace));
        load.run(|api| import_all(api, BOB, bob.clone(), shared, pace * 2));
        for (email, access) in [(ADA, &ada), (BOB, &bob)] {
            load.followers.spawn(follow(load.api.clone(), email, access.clone()));
        }
        for _ in 0..2 {
            load.run(|api| listen(api, ada.clone(), known.clone()));
        }
        let chain = Arc::clone(&load.chain);
        load.run(|api| stay_signed_in(api, chain));
        load.run(sign_in_often);
        load.run(|api| look_around(api, ada));
        load.run(|api| look_around(api, bob));
        load
    }

    fn run<F: Future<Output = ()> + Send + 'static>(&mut self, work: impl FnOnce(Api) -> F) {
        self.tasks.spawn(work(self.api.clone()));
    }

    /// Waits until so many more imports are acknowledged.
    pub async fn goes_on_for(&self, imports: usize) {
        let before = self.api.journal.acknowledged_count();
        let deadline = Instant::now() + PATIENCE;
        while self.api.journal.acknowledged_count() < before + imports {
            assert!(Instant::now() < deadline, "nothing is acknowledged any more");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends what people do, and not in the middle of a call: who asked must know what was promised. What
    /// they follow goes on until they have heard everything.
    pub async fn stop(&mut self) {
        self.api.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }

    /// Waits until everybody who follows the news has heard of all that was acknowledged.
    pub async fn all_is_heard(&mut self) {
        let heard = async { while self.followers.join_next().await.transpose().unwrap().is_some() {} };
        assert!(timeout(PATIENCE, heard).await.is_ok(), "{:?}", [ADA, BOB].map(|who| self.missing(who)));
    }

    fn missing(&self, account: &str) -> String {
        let (jobs, heard) = (self.api.journal.jobs_of(account), self.api.journal.heard_by(account));
        format!("{account} has {} jobs and heard {heard:?}", jobs.len())
    }

    /// The newest refresh token of the session that is refreshed all the time.
    pub async fn chain(&self) -> String {
        self.chain.lock().await.clone()
    }
}

/// Repeats each until it is acknowledged.
async fn import_all(api: Api, email: &str, access: String, sources: Vec<String>, pace: Duration) {
    for source in sources {
        loop {
            if let Some(job) = api.import(&access, &source).await {
                api.journal.acknowledged(email, &source, job["id"].as_str().unwrap());
                break;
            }
            if !api.after(AGAIN_AFTER).await {
                return;
            }
        }
        if !api.after(pace).await {
            return;
        }
    }
}

/// Exchanges the refresh token all the time; the same one again when no answer came.
async fn stay_signed_in(api: Api, chain: Arc<tokio::sync::Mutex<String>>) {
    loop {
        let mut current = chain.lock().await;
        let next = api.refresh(&current).await;
        let pause = if next.is_some() { Duration::from_millis(120) } else { AGAIN_AFTER };
        if let Some((_, refresh)) = next {
            *current = refresh;
        }
        drop(current);
        if !api.after(pause).await {
            return;
        }
    }
}

async fn sign_in_often(api: Api) {
    let mut kept = 0;
    while api.after(Duration::from_millis(300)).await {
        if let Some((access, refresh)) = api.sign_in(EVE).await {
            api.get("me", &access, "/auth/me").await;
            if kept < KEPT_SESSIONS {
                api.journal.signed_in(refresh);
                kept += 1;
            }
        }
    }
}

async fn look_around(api: Api, access: String) {
    while api.after(Duration::from_millis(60)).await {
        api.get("library", &access, "/library").await;
        api.get("jobs", &access, "/jobs").await;
    }
}

/// Plays parts of a song; each byte is right.
async fn listen(api: Api, access: String, song: Arc<Known>) {
    let (mut path, mut number) = (None, 1_usize);
    while api.after(Duration::from_millis(25)).await {
        number += 1;
        if number.is_multiple_of(100) || path.is_none() {
            path = api.stream_path(&access, &song.id).await.or(path);
        }
        let Some(path) = &path else { continue };
        let from = number * 7_919 % (song.bytes.len() - 1);
        let to = (from + 1 + number * 104_729 % 65_536).min(song.bytes.len() - 1);
        if let Some(bytes) = api.stream(path, Some((from, to))).await
            && bytes != song.bytes[from..=to]
        {
            api.journal.broken(format!("bytes {from} to {to} are {} others", bytes.len()));
        }
    }
}

/// Follows the news over any number of connections, until everything is heard.
async fn follow(api: Api, email: &'static str, access: String) {
    let has_heard_all = || {
        let (jobs, heard) = (api.journal.jobs_of(email), api.journal.heard_by(email));
        let all_completed = jobs.values().all(|job| heard.completed.contains_key(job));
        api.stop.is_cancelled() && all_completed && heard.added.len() >= jobs.len()
    };
    loop {
        let last = api.journal.heard_by(email).last_id.to_string();
        let opened = api
            .ask("events", |client, base| {
                let request = client.get(format!("{base}/events")).bearer_auth(&access);
                request.header("Last-Event-ID", &last).timeout(Duration::from_secs(600))
            })
            .await;
        let Some(mut opened) = opened else {
            sleep(AGAIN_AFTER).await;
            continue;
        };
        api.journal.done("events");
        let mut unread = Vec::new();
        let mut silent_since = Instant::now();
        loop {
            // Looks up now and then, as the last event may have come before the end was told.
            match timeout(Duration::from_millis(500), opened.chunk()).await {
                Ok(Ok(Some(chunk))) => {
                    unread.extend_from_slice(&chunk);
                    silent_since = Instant::now();
                }
                Ok(_) => break,
                Err(_) if silent_since.elapsed() > SILENCE => break,
                Err(_) => {}
            }
            while let Some(at) = unread.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = unread.drain(..at + 2).collect();
                if let Some(event) = Event::read(std::str::from_utf8(&block).unwrap()) {
                    api.journal.heard(email, &event);
                }
            }
            if has_heard_all() {
                return;
            }
        }
        sleep(AGAIN_AFTER).await;
    }
}

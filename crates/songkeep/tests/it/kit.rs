//! The whole application for a test, in front of a YouTube of our own: all in one process over what is
//! embedded, the same over servers, or single-role nodes over these. All nodes run in the test process.

mod nodes;
mod round_robin;

use std::{
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use songkeep::{
    backends::{self, Backends, no_hook},
    data_dir::DataDir,
};
use songkeep_config::{Settings, Values};
use songkeep_domain::{
    NodeRole,
    mail::{Mail, MailError, Mailer},
};
use songkeep_store::Store;
use songkeep_telemetry::Metrics;
use songkeep_testkit::{
    fake_youtube::{Catalog, FakeYouTube},
    program::Program,
    servers::{Place, Servers},
};
use tempfile::TempDir;
use tokio::sync::Mutex;

pub use self::nodes::Counts;
use self::{
    nodes::{Nodes, Surroundings},
    round_robin::RoundRobin,
};

/// How the roles are spread over nodes, and what these keep things in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    /// One process with SQLite, files and messages inside it.
    AllInOne,
    /// One process over PostgreSQL, Redis and S3.
    OverServers,
    /// Every role alone over PostgreSQL, Redis and S3, each with connections of its own.
    Cluster,
}

/// Declares one test for each topology. The body gets the application, or the topology to start it in.
#[macro_export]
macro_rules! in_all_topologies {
    (async fn $name:ident($app:ident: App) $body:block) => {
        $crate::in_all_topologies! {
            async fn $name(topology: Topology) {
                let $app = App::start(topology).await;
                $body
            }
        }
    };
    (async fn $name:ident($topology:ident: Topology) $body:block) => {
        $crate::in_topologies! {
            [all_in_one = AllInOne, over_servers = OverServers, cluster = Cluster]
            async fn $name($topology: Topology) $body
        }
    };
}

/// The same for those that share what they keep with other processes.
#[macro_export]
macro_rules! over_servers {
    (async fn $name:ident($topology:ident: Topology) $body:block) => {
        $crate::in_topologies! {
            [all_in_one = OverServers, cluster = Cluster]
            async fn $name($topology: Topology) $body
        }
    };
}

/// See [`in_all_topologies`].
#[macro_export]
macro_rules! in_topologies {
    (
        [$($test:ident = $variant:ident),+]
        async fn $name:ident($topology:ident: Topology) $body:block
    ) => {
        mod $name {
            use super::*;

            async fn scenario($topology: $crate::kit::Topology) $body

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                scenario($crate::kit::Topology::$variant).await;
            })+
        }
    };
}

/// Keeps what would have been mailed.
#[derive(Default)]
pub struct Outbox(pub Mutex<Vec<Mail>>);

#[async_trait::async_trait]
impl Mailer for Outbox {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        self.0.lock().await.push(mail);
        Ok(())
    }
}

pub struct App {
    /// `http://127.0.0.1:port` of the three public listeners, or of what stands before several of them.
    pub web: String,
    pub gateway: String,
    pub stream: String,
    pub youtube: FakeYouTube,
    pub outbox: Arc<Outbox>,
    pub client: reqwest::Client,
    /// What is kept, past the nodes; over servers with connections of the test's own.
    pub backends: Backends,
    /// As all nodes have them, with the secrets; the folders of all are in this one.
    pub settings: Settings,
    nodes: Nodes,
    /// Those of this test alone.
    pub servers: Option<Servers>,
    /// Processes in place of nodes.
    programs: Vec<Program>,
    _data: TempDir,
}

/// What this process has counted: the metrics of all nodes of all tests in it.
fn metrics() -> Metrics {
    static METRICS: LazyLock<Metrics> = LazyLock::new(|| Metrics::install("test").unwrap());
    METRICS.clone()
}

/// Where the tests' tools are; made by `make test`, or by the first test that needs them.
pub fn test_tools_dir() -> PathBuf {
    std::env::var_os("SONGKEEP_TEST_TOOLS_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/test-tools"),
        PathBuf::from,
    )
}

impl App {
    pub async fn start(topology: Topology) -> Self {
        Self::start_with(topology, &[]).await
    }

    /// `extra` settings come on top of the tests' own.
    pub async fn start_with(topology: Topology, extra: &[(&str, &str)]) -> Self {
        Self::start_after(topology, extra, async |_| ()).await
    }

    /// `before` prepares what is kept, while no node is there yet.
    pub async fn start_after(
        topology: Topology,
        extra: &[(&str, &str)],
        before: impl AsyncFnOnce(&Backends),
    ) -> Self {
        let place = match topology {
            Topology::AllInOne => None,
            Topology::OverServers | Topology::Cluster => Some(migrated_place().await),
        };
        let counts = (topology == Topology::Cluster).then(Counts::default);
        Box::pin(Self::launch(place, counts, extra, before)).await
    }

    /// A cluster with several nodes of a role behind one that takes turns with each request.
    pub async fn start_several(counts: Counts, extra: &[(&str, &str)]) -> Self {
        Box::pin(Self::launch(Some(migrated_place().await), Some(counts), extra, async |_| ())).await
    }

    /// Over servers that the test may stop.
    pub async fn start_on_own_servers(topology: Topology) -> Self {
        let servers = tokio::task::spawn_blocking(|| Servers::start().unwrap()).await.unwrap();
        let place = servers.place().await.unwrap();
        migrate(&place.database_url).await.unwrap();
        let counts = (topology == Topology::Cluster).then(Counts::default);
        let app = Box::pin(Self::launch(Some(place), counts, &[], async |_| ())).await;
        Self { servers: Some(servers), ..app }
    }

    /// `place` is where things are kept, if not in the folder; `counts` spreads the roles.
    async fn launch(
        place: Option<Place>,
        counts: Option<Counts>,
        extra: &[(&str, &str)],
        before: impl AsyncFnOnce(&Backends),
    ) -> Self {
        let data = tempfile::tempdir().unwrap();
        let youtube = FakeYouTube::start(Catalog::tiny().await.unwrap()).await.unwrap();
        // Listeners may know the S3 service by another name.
        let public = place.as_ref().map(|place| place.s3_endpoint.replace("127.0.0.1", "localhost"));
        let shared = place.as_ref().map(Place::settings).into_iter().flatten();
        let shared = shared.chain(public.as_deref().map(|public| ("S3_PUBLIC_ENDPOINT", public)));
        let extra: Vec<_> = shared.chain(extra.iter().copied()).collect();
        let settings = settings(&data, &youtube, &extra);
        let dir = DataDir::open(&settings.data_dir).unwrap();
        let outbox = Arc::new(Outbox::default());
        let mut kept = keep(&settings, &dir).await;
        kept.mailer = outbox.clone();
        if place.is_none() {
            backends::migrate(kept.store().unwrap(), &settings, &dir).await.unwrap();
        }
        before(&kept).await;
        let surroundings = Surroundings {
            settings: settings.clone(),
            outbox: outbox.clone(),
            embedded: place.is_none().then(|| kept.clone()),
        };
        let nodes = match counts {
            None => Nodes::all_in_one(surroundings).await,
            Some(counts) => Nodes::cluster(surroundings, counts).await,
        };
        Self {
            web: nodes.web(),
            gateway: nodes.gateway(),
            stream: nodes.stream(),
            youtube,
            outbox,
            client: client(counts.is_some_and(|counts| counts.gateways + counts.streams > 2)),
            backends: kept,
            settings,
            nodes,
            servers: None,
            programs: Vec::new(),
            _data: data,
        }
    }

    /// Around processes that serve on the addresses of these settings, which must name servers.
    pub async fn around(
        programs: Vec<Program>,
        settings: Settings,
        youtube: FakeYouTube,
        data: TempDir,
    ) -> Self {
        let dir = DataDir::open(&settings.data_dir).unwrap();
        Self {
            web: format!("http://{}", settings.web_addr),
            gateway: format!("http://{}", settings.gateway_addr),
            stream: format!("http://{}", settings.stream_addr),
            youtube,
            outbox: Arc::default(),
            client: client(false),
            backends: keep(&settings, &dir).await,
            settings,
            nodes: Nodes::default(),
            servers: None,
            programs,
            _data: data,
        }
    }

    /// The link that makes the first administrator, as `serve` prints it.
    pub async fn setup_link(&self) -> String {
        self.nodes.setup_link().await
    }

    pub async fn stop(self) {
        self.nodes.stop().await;
        self.backends.close().await;
        for program in self.programs {
            assert!(program.terminate(Duration::from_secs(60)).await.unwrap().success());
        }
    }

    /// Ends the node of one role of a cluster.
    pub async fn stop_role(&mut self, role: NodeRole) {
        self.nodes.stop_role(role).await;
    }

    /// The folders of running imports.
    pub fn work_dirs(&self) -> Vec<PathBuf> {
        self.nodes.backends().map(|backends| backends.work_dir.clone()).collect()
    }

    /// All gateways, past what stands before them.
    pub fn gateways(&self) -> Vec<String> {
        self.nodes.gateways()
    }

    /// The internal listeners, with the one role behind each; None for all of them.
    pub fn internal(&self) -> Vec<(Option<NodeRole>, String)> {
        self.nodes.internal()
    }

    /// The internal listener that serves the methods of a role.
    pub fn internal_of(&self, role: NodeRole) -> String {
        let found = self.internal().into_iter().find(|(its, _)| its.is_none_or(|its| its == role));
        found.expect("each role runs somewhere").1
    }

    /// Who makes the first administrator's account by the printed link, signed in.
    pub async fn administrator(&self, email: &str) -> Listener<'_> {
        let link = self.setup_link().await;
        let token = link.rsplit("token=").next().expect("the link carries a token");
        let account = json!({ "token": token, "email": email, "password": "correct horse" });
        let answer = self.call(Method::POST, "/auth/setup").json(&account).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        self.sign_in(email).await
    }

    /// A call of the gateway; `path` starts with `/`.
    pub fn call(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.gateway))
    }

    /// Signs a new account up, verifies it where that is asked for, and signs it in.
    pub async fn listener(&self, email: &str) -> Listener<'_> {
        let answer = self
            .call(Method::POST, "/auth/signup")
            .json(&json!({ "email": email, "password": "correct horse" }))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        let body: Value = answer.json().await.unwrap();
        if let Some(token) = body["verification_token"].as_str() {
            let answer =
                self.call(Method::POST, "/auth/verify-email").json(&json!({ "token": token })).send().await;
            assert_eq!(answer.unwrap().status(), StatusCode::OK);
        }
        self.sign_in(email).await
    }

    pub async fn sign_in(&self, email: &str) -> Listener<'_> {
        let answer = self
            .call(Method::POST, "/auth/signin")
            .json(&json!({ "email": email, "password": "correct horse" }))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let refresh = refresh_cookie(&answer).expect("sign-in sets the refresh cookie");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["token_type"], "bearer");
        let access = body["access_token"].as_str().expect("an access token").to_owned();
        Listener { app: self, access, refresh }
    }
}

/// What is kept, for the test itself. Over servers it is nobody who takes jobs, or hears of them.
async fn keep(settings: &Settings, dir: &DataDir) -> Backends {
    let shared = settings.database_url.is_some();
    let roles = if shared { &[NodeRole::Stream] } else { &NodeRole::ALL[..] };
    Backends::open(settings, roles, dir).await.unwrap()
}

async fn migrated_place() -> Place {
    Place::filled(migrate).await.unwrap()
}

async fn migrate(url: &str) -> anyhow::Result<()> {
    let store = Store::connect(&url.into(), no_hook()).await?;
    store.migrate().await?;
    store.close().await;
    Ok(())
}

/// `alternating`: each request has a connection of its own, so that who takes turns does so with each.
fn client(alternating: bool) -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60));
    let kept = if alternating { 0 } else { usize::MAX };
    client.pool_max_idle_per_host(kept).build().unwrap()
}

pub fn settings(data: &TempDir, youtube: &FakeYouTube, extra: &[(&str, &str)]) -> Settings {
    let own = [
        ("APP_ENV", "test".to_owned()),
        ("SONGKEEP_DATA_DIR", data.path().display().to_string()),
        ("SONGKEEP_WEB_ADDR", "127.0.0.1:0".to_owned()),
        ("SONGKEEP_GATEWAY_ADDR", "127.0.0.1:0".to_owned()),
        ("SONGKEEP_STREAM_ADDR", "127.0.0.1:0".to_owned()),
        ("SONGKEEP_INTERNAL_ADDR", "127.0.0.1:0".to_owned()),
        ("TOOLS_DIR", test_tools_dir().display().to_string()),
        ("IMPORT_UPSTREAM_PROXY", youtube.proxy_url()),
        ("IMPORT_CA_FILE", youtube.ca_file().display().to_string()),
        ("PASSWORD_HASH_MEMORY_KIB", "64".to_owned()),
        ("PASSWORD_HASH_ITERATIONS", "1".to_owned()),
        ("RATE_LIMIT_SIGNIN_IP_PER_MIN", "1000".to_owned()),
        ("RATE_LIMIT_SIGNUP_IP_PER_HOUR", "1000".to_owned()),
        ("RATE_LIMIT_RESET_IP_PER_HOUR", "1000".to_owned()),
        ("RATE_LIMIT_RESET_EMAIL_PER_HOUR", "1000".to_owned()),
        ("RATE_LIMIT_SEARCH_PER_MIN", "1000".to_owned()),
        ("RATE_LIMIT_IMPORT_PER_HOUR", "1000".to_owned()),
        ("JOB_RETRY_BASE_SECONDS", "1".to_owned()),
        ("EMAIL_VERIFY_REQUIRED", "1".to_owned()),
        ("EXPOSE_VERIFICATION_TOKEN", "1".to_owned()),
    ];
    let env = own
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .chain(extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let mut settings = Settings::from_values(&Values::from_env(env).unwrap()).unwrap();
    settings.ensure_secrets().unwrap();
    settings
}

/// The value of the refresh cookie that an answer sets; None when it sets none or clears it.
pub fn refresh_cookie(answer: &reqwest::Response) -> Option<String> {
    let cookies = answer.headers().get_all(header::SET_COOKIE);
    let cookie =
        cookies.iter().filter_map(|value| value.to_str().ok()).find(|c| c.starts_with("refresh_token="))?;
    let value = cookie.trim_start_matches("refresh_token=").split(';').next()?;
    (!value.is_empty()).then(|| value.to_owned())
}

/// A signed-in account.
pub struct Listener<'a> {
    pub app: &'a App,
    pub access: String,
    pub refresh: String,
}

impl Listener<'_> {
    /// A call of the gateway with the access token.
    pub fn call(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.app.call(method, path).bearer_auth(&self.access)
    }

    /// # Panics
    /// When the answer is no success.
    pub async fn get(&self, path: &str) -> Value {
        json_of(self.call(Method::GET, path).send().await.unwrap(), StatusCode::OK).await
    }

    pub async fn search(&self, query: &str) -> Vec<Value> {
        let answer = self.call(Method::GET, "/songs/search").query(&[("q", query)]).send().await.unwrap();
        let body = json_of(answer, StatusCode::OK).await;
        body["candidates"].as_array().expect("candidates").clone()
    }

    /// Asks for an import; the job.
    pub async fn import(&self, source_id: &str) -> Value {
        let body = json!({ "source_provider": "youtube", "source_id": source_id });
        let answer = self.call(Method::POST, "/songs/import").json(&body).send().await.unwrap();
        json_of(answer, StatusCode::ACCEPTED).await
    }

    pub async fn job(&self, id: &str) -> Value {
        self.get(&format!("/jobs/{id}")).await
    }

    /// Waits until a job is over; the job.
    pub async fn finished(&self, id: &str) -> Value {
        let job =
            self.job_when(id, |job| !matches!(job["status"].as_str(), Some("queued" | "processing"))).await;
        assert!(job["song_id"].is_string() == (job["status"] == "completed"), "{job}");
        job
    }

    /// Waits until a job satisfies `is`; the job.
    pub async fn job_when(&self, id: &str, is: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(90);
        loop {
            let job = self.job(id).await;
            if is(&job) {
                return job;
            }
            assert!(Instant::now() < deadline, "the job does not get there: {job}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn library(&self) -> Vec<Value> {
        self.get("/library").await["songs"].as_array().expect("songs").clone()
    }

    pub async fn stream_url(&self, song_id: &str) -> String {
        let body = self.get(&format!("/stream/{song_id}")).await;
        body["stream_url"].as_str().expect("an address").to_owned()
    }
}

/// The body of an answer that must have this status.
pub async fn json_of(answer: reqwest::Response, status: StatusCode) -> Value {
    let got = answer.status();
    let text = answer.text().await.unwrap();
    assert_eq!(got, status, "{text}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A problem document that is complete and says nothing internal; its code.
pub async fn problem_of(answer: reqwest::Response, status: StatusCode) -> String {
    assert_eq!(
        answer.headers().get(header::CONTENT_TYPE).map(|v| v.to_str().unwrap()),
        Some("application/problem+json")
    );
    let body = json_of(answer, status).await;
    assert_eq!(body["status"], status.as_u16());
    for field in ["type", "title", "detail", "code", "instance"] {
        assert!(body[field].as_str().is_some_and(|text| !text.is_empty()), "{field} is missing: {body}");
    }
    body["code"].as_str().expect("checked above").to_owned()
}

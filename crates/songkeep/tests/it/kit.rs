//! The whole application for a test: all in one process, or a cluster of single-role nodes in this
//! test process, in front of a YouTube of our own.

use std::{
    path::PathBuf,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use songkeep::{
    backends::{self, Backends},
    data_dir::DataDir,
    node::{Node, Overrides},
};
use songkeep_config::{Settings, Values};
use songkeep_domain::{
    NodeRole,
    mail::{Mail, MailError, Mailer},
};
use songkeep_telemetry::Metrics;
use songkeep_testkit::fake_youtube::{Catalog, FakeYouTube};
use tempfile::TempDir;
use tokio::sync::Mutex;

/// How the roles are spread over nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topology {
    AllInOne,
    /// Every role alone.
    Cluster,
}

/// Declares one test for each topology. The body gets the application, or the topology to start it in.
#[macro_export]
macro_rules! in_both_topologies {
    ($(#[$meta:meta])* async fn $name:ident($app:ident: App) $body:block) => {
        $crate::in_both_topologies! {
            $(#[$meta])*
            async fn $name(topology: Topology) {
                let $app = App::start(topology).await;
                $body
            }
        }
    };
    ($(#[$meta:meta])* async fn $name:ident($topology:ident: Topology) $body:block) => {
        mod $name {
            use super::*;

            async fn scenario($topology: $crate::kit::Topology) $body

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn all_in_one() {
                scenario($crate::kit::Topology::AllInOne).await;
            }

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn cluster() {
                scenario($crate::kit::Topology::Cluster).await;
            }
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
    /// `http://127.0.0.1:port` of the three public listeners.
    pub web: String,
    pub gateway: String,
    pub stream: String,
    pub youtube: FakeYouTube,
    pub outbox: Arc<Outbox>,
    pub client: reqwest::Client,
    pub backends: Backends,
    /// As all nodes have them, with the secrets.
    pub settings: Settings,
    /// With the one role of each; None for all of them in one.
    nodes: Vec<(Option<NodeRole>, Node)>,
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
        let data = tempfile::tempdir().unwrap();
        let youtube = FakeYouTube::start(Catalog::tiny().await.unwrap()).await.unwrap();
        let settings = settings(&data, &youtube, extra);
        let dir = DataDir::open(&settings.data_dir).unwrap();
        let mut backends = Backends::open(&settings, &NodeRole::ALL, &dir).await.unwrap();
        backends::migrate(backends.store().unwrap(), &settings, &dir).await.unwrap();
        let outbox = Arc::new(Outbox::default());
        backends.mailer = outbox.clone();
        before(&backends).await;
        let nodes = match topology {
            Topology::AllInOne => {
                let overrides = Overrides { metrics: Some(metrics()), ..Overrides::default() };
                let node = Node::start(&settings, &NodeRole::ALL, backends.clone(), overrides).await;
                vec![(None, node.unwrap())]
            }
            Topology::Cluster => cluster(&settings, &backends).await,
        };
        let address = |pick: fn(&Node) -> Option<std::net::SocketAddr>| {
            let addr = nodes.iter().find_map(|(_, node)| pick(node)).expect("one node has this listener");
            format!("http://{addr}")
        };
        Self {
            web: address(|node| node.web_addr),
            gateway: address(|node| node.gateway_addr),
            stream: address(|node| node.stream_addr),
            youtube,
            outbox,
            client: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap(),
            backends,
            settings,
            nodes,
            _data: data,
        }
    }

    /// The link that makes the first administrator, as `serve` prints it.
    pub async fn setup_link(&self) -> String {
        for (_, node) in &self.nodes {
            if let Some(link) = node.setup_link().await.unwrap() {
                return link;
            }
        }
        panic!("no node has a set-up link");
    }

    pub async fn stop(self) {
        for (_, node) in self.nodes {
            node.stop().await;
        }
    }

    /// Ends the node of one role of a cluster.
    pub async fn stop_role(&mut self, role: NodeRole) {
        let at = self.nodes.iter().position(|(its, _)| *its == Some(role)).expect("a cluster has each role");
        self.nodes.remove(at).1.stop().await;
    }

    /// The internal listeners, with the one role behind each; None for all of them.
    pub fn internal(&self) -> Vec<(Option<NodeRole>, String)> {
        let nodes = self.nodes.iter();
        nodes.map(|(role, node)| (*role, format!("http://{}", node.internal_addr))).collect()
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

fn settings(data: &TempDir, youtube: &FakeYouTube, extra: &[(&str, &str)]) -> Settings {
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

/// Every role alone, over one database, one blob folder, one bus and one set of secrets.
async fn cluster(settings: &Settings, backends: &Backends) -> Vec<(Option<NodeRole>, Node)> {
    let mut settings = settings.clone();
    let mut nodes = Vec::new();
    let start = async |settings: &Settings, role: NodeRole| {
        Node::start(
            settings,
            &[role],
            backends.clone(),
            Overrides { split_for_test: true, metrics: Some(metrics()) },
        )
        .await
        .unwrap()
    };
    for role in [NodeRole::Auth, NodeRole::Search, NodeRole::Catalog, NodeRole::Download, NodeRole::Admin] {
        let node = start(&settings, role).await;
        let url = Some(format!("http://{}", node.internal_addr));
        let urls = &mut settings.service_urls;
        match role {
            NodeRole::Auth => urls.auth = url,
            NodeRole::Search => urls.search = url,
            NodeRole::Catalog => urls.catalog = url,
            NodeRole::Download => urls.download = url,
            _ => urls.admin = url,
        }
        nodes.push((Some(role), node));
    }
    let stream = start(&settings, NodeRole::Stream).await;
    let stream_addr = stream.stream_addr.expect("the role stream has its listener");
    settings.stream_addr = stream_addr;
    settings.service_urls.stream = Some(format!("http://{stream_addr}"));
    let gateway = start(&settings, NodeRole::Gateway).await;
    settings.service_urls.gateway = gateway.gateway_addr.map(|addr| format!("http://{addr}"));
    let web = start(&settings, NodeRole::Web).await;
    let worker = start(&settings, NodeRole::Worker).await;
    nodes.extend([
        (Some(NodeRole::Stream), stream),
        (Some(NodeRole::Gateway), gateway),
        (Some(NodeRole::Web), web),
        (Some(NodeRole::Worker), worker),
    ]);
    nodes
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

//! The processes: every role alone, by the real binary, and servers of their own.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU8, Ordering},
    time::{Duration, Instant},
};

use futures::future::join_all;
use secrecy::SecretString;
use serde_json::Value;
use songkeep::backends::no_hook;
use songkeep_blob::{S3Blobs, S3Settings};
use songkeep_store::Store;
use songkeep_testkit::{
    fake_youtube::{Catalog, FakeYouTube},
    fault_proxy::FaultProxy,
    postgres::PostgresServer,
    program::Program,
    redis::RedisServer,
    s3::S3Server,
};
use tempfile::TempDir;
use tokio::{task::block_in_place, time::sleep};

use super::balancer::Balancer;
use crate::kit::test_tools_dir;

const BINARY: &str = env!("CARGO_BIN_EXE_songkeep");
/// For a start, or for the end of a job, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Downloads take about a second then, so that faults hit all stages.
const BYTES_PER_SEC: u64 = 100_000;
/// Ports on an address that only this fleet uses, so that nobody takes one during a restart.
const FIRST_PUBLIC_PORT: u16 = 21_000;
const FIRST_INTERNAL_PORT: u16 = 22_000;

/// Two of each that a balancer stands before or that share the work, one of each that is called.
const NODES: [&str; 11] = [
    "auth",
    "search",
    "catalog",
    "download",
    "admin",
    "gateway-1",
    "gateway-2",
    "stream-1",
    "stream-2",
    "worker-1",
    "worker-2",
];

pub struct Fleet {
    /// Before the servers, so that they end first.
    nodes: BTreeMap<&'static str, Node>,
    pub postgres: PostgresServer,
    pub redis: RedisServer,
    pub s3: S3Server,
    /// What stands before S3, when that is wished.
    pub s3_proxy: FaultProxy,
    pub youtube: FakeYouTube,
    database: SecretString,
    bucket: String,
    folder: TempDir,
    common: Vec<(String, String)>,
}

struct Node {
    role: &'static str,
    public: SocketAddr,
    internal: SocketAddr,
    /// Besides the common settings.
    env: Vec<(String, String)>,
    /// What starts the binary in its place: a program and its arguments before `serve`.
    wrapper: Vec<String>,
    program: Option<Program>,
}

/// How a fleet is started.
#[derive(Default)]
pub struct Wishes {
    /// Songs to import that the fake YouTube has besides its own.
    pub copies: usize,
    /// Nodes reach S3 by way of [`Fleet::s3_proxy`].
    pub s3_by_proxy: bool,
    /// Settings of single nodes, by name.
    pub settings: Vec<(&'static str, [(&'static str, &'static str); 1])>,
    /// Nodes that are not started at once.
    pub later: Vec<&'static str>,
}

impl Fleet {
    /// Starts servers and nodes; all are ready.
    pub async fn start(wishes: Wishes) -> Self {
        let began = Instant::now();
        let catalog = Catalog::tiny().await.unwrap().with_copies(wishes.copies);
        let youtube = FakeYouTube::start(catalog).await.unwrap();
        youtube.set_throttle(Some(BYTES_PER_SEC));
        let postgres = tokio::task::spawn_blocking(|| PostgresServer::start().unwrap());
        let (redis, s3) = block_in_place(|| (RedisServer::start().unwrap(), S3Server::start().unwrap()));
        let s3_proxy = FaultProxy::start(s3.address()).await;
        let postgres = postgres.await.unwrap();
        let database = SecretString::from(postgres.fresh_database().await.unwrap());
        let mut fleet = Self {
            postgres,
            redis,
            s3,
            s3_proxy,
            youtube,
            database,
            bucket: "songs".to_owned(),
            folder: tempfile::tempdir().unwrap(),
            common: Vec::new(),
            nodes: nodes(),
        };
        let store = fleet.store().await;
        store.migrate().await.unwrap();
        store.close().await;
        fleet.common = fleet.settings(wishes.s3_by_proxy);
        for (name, settings) in &wishes.settings {
            fleet.set(name, settings);
        }
        println!("servers after {:?}", began.elapsed());
        let names: Vec<_> = NODES.into_iter().filter(|name| !wishes.later.contains(name)).collect();
        fleet.start_all(&names).await;
        fleet.all_ready(&names).await;
        println!("nodes after {:?}", began.elapsed());
        fleet
    }

    fn settings(&self, s3_by_proxy: bool) -> Vec<(String, String)> {
        use secrecy::ExposeSecret as _;
        let own = [
            ("APP_ENV", "test".to_owned()),
            ("LOG_LEVEL", "warn".to_owned()),
            ("DATABASE_URL", self.database.expose_secret().to_owned()),
            ("REDIS_URL", self.redis.url()),
            ("S3_ENDPOINT", if s3_by_proxy { self.s3_proxy.endpoint() } else { self.s3.endpoint() }),
            ("S3_ACCESS_KEY", self.s3.access_key().to_owned()),
            ("S3_SECRET_KEY", self.s3.secret_key().to_owned()),
            ("S3_BUCKET", self.bucket.clone()),
            ("JWT_SECRET", "signs the access tokens of this fleet".to_owned()),
            ("INTERNAL_SERVICE_SECRET", "signs the calls within this fleet".to_owned()),
            ("TOOLS_DIR", test_tools_dir().display().to_string()),
            ("IMPORT_UPSTREAM_PROXY", self.youtube.proxy_url()),
            ("IMPORT_CA_FILE", self.youtube.ca_file().display().to_string()),
            ("IMPORT_WORKERS", "2".to_owned()),
            ("PASSWORD_HASH_MEMORY_KIB", "64".to_owned()),
            ("PASSWORD_HASH_ITERATIONS", "1".to_owned()),
            ("RATE_LIMIT_SIGNIN_IP_PER_MIN", "100000".to_owned()),
            ("RATE_LIMIT_SIGNIN_EMAIL_PER_MIN", "100000".to_owned()),
            ("RATE_LIMIT_SIGNUP_IP_PER_HOUR", "100000".to_owned()),
            ("RATE_LIMIT_SEARCH_PER_MIN", "100000".to_owned()),
            ("RATE_LIMIT_IMPORT_PER_HOUR", "100000".to_owned()),
            ("JOB_LEASE_SECONDS", "6".to_owned()),
            ("JOB_RETRY_BASE_SECONDS", "1".to_owned()),
            // A job may be what runs at each of the faults.
            ("JOB_MAX_ATTEMPTS", "50".to_owned()),
            ("SHUTDOWN_GRACE_SECONDS", "6".to_owned()),
            ("SHUTDOWN_DRAIN_SECONDS", "2".to_owned()),
        ];
        let urls = ["auth", "search", "catalog", "download", "admin", "stream"].map(|role| {
            let node = self.nodes.values().find(|node| node.role == role).expect("each role has a node");
            let addr = if role == "stream" { node.public } else { node.internal };
            (format!("{}_SERVICE_URL", role.to_uppercase()), format!("http://{addr}"))
        });
        own.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(urls).collect()
    }

    /// Settings of one node alone, from its next start on.
    pub fn set(&mut self, name: &str, settings: &[(&str, &str)]) {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.node_mut(name).env.extend(settings);
    }

    /// A program that the node is started by, from its next start on; the binary and its arguments follow.
    pub fn wrap(&mut self, name: &str, wrapper: Vec<String>) {
        self.node_mut(name).wrapper = wrapper;
    }

    fn node(&self, name: &str) -> &Node {
        self.nodes.get(name).unwrap_or_else(|| panic!("there is no node {name}"))
    }

    fn node_mut(&mut self, name: &str) -> &mut Node {
        self.nodes.get_mut(name).unwrap_or_else(|| panic!("there is no node {name}"))
    }

    pub fn program(&self, name: &str) -> &Program {
        self.node(name).program.as_ref().unwrap_or_else(|| panic!("{name} does not run"))
    }

    /// Base of the address at which people or other nodes reach a node.
    pub fn base_of(&self, name: &str) -> String {
        let node = self.node(name);
        let is_public = matches!(node.role, "gateway" | "stream");
        format!("http://{}", if is_public { node.public } else { node.internal })
    }

    /// The folder of a node.
    pub fn data_of(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    pub async fn start_node(&mut self, name: &str) {
        self.start_all(&[name]).await;
    }

    /// Starts them at the same time; all serve when this returns.
    async fn start_all(&mut self, names: &[&str]) {
        for name in names {
            let data = self.data_of(name);
            let common = self.common.clone();
            self.node_mut(name).start(common, &data);
        }
        let waiting = self.nodes.iter_mut().filter(|(name, _)| names.contains(name));
        join_all(waiting.map(|(_, node)| async {
            let program = node.program.as_mut().unwrap();
            program.wait_for("Songkeep is ready", PATIENCE).await.unwrap();
        }))
        .await;
    }

    /// Kills a node with SIGKILL.
    pub async fn kill(&mut self, name: &str) {
        self.node_mut(name).program.take().unwrap().kill().await.unwrap();
    }

    /// Has a node end by SIGTERM.
    pub async fn end(&mut self, name: &str) {
        let status = self.node_mut(name).program.take().unwrap().terminate(PATIENCE).await.unwrap();
        assert!(status.success(), "{name}: {status}");
    }

    /// What a node says of itself: whether it is ready, and its dependencies. None when it does not answer.
    pub async fn readiness(&self, name: &str) -> Option<(bool, Vec<Value>)> {
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let answer = client.get(format!("http://{}/ready", self.node(name).internal)).send().await.ok()?;
        let is_ready = answer.status().is_success();
        let body: Value = answer.json().await.ok()?;
        Some((is_ready, body["dependencies"].as_array()?.clone()))
    }

    /// Waits until these are ready and miss nothing.
    pub async fn all_ready(&self, names: &[&str]) {
        join_all(names.iter().map(async |name| {
            let deadline = Instant::now() + PATIENCE;
            loop {
                let told = self.readiness(name).await;
                if let Some((true, dependencies)) = &told
                    && dependencies.iter().all(|one| one["ok"] == true)
                {
                    return;
                }
                assert!(Instant::now() < deadline, "{name} does not get ready: {told:?}");
                sleep(Duration::from_millis(50)).await;
            }
        }))
        .await;
    }

    /// Names of the nodes that run.
    pub fn running(&self) -> Vec<&'static str> {
        self.nodes.iter().filter(|(_, node)| node.program.is_some()).map(|(name, _)| *name).collect()
    }

    pub async fn gateways(&self) -> Balancer {
        self.balancer("gateway").await
    }

    pub async fn streams(&self) -> Balancer {
        self.balancer("stream").await
    }

    async fn balancer(&self, role: &str) -> Balancer {
        let nodes = self.nodes.values().filter(|node| node.role == role);
        Balancer::new(nodes.map(|node| format!("http://{}", node.public)).collect()).await
    }

    /// What a node has counted, in Prometheus' text.
    pub async fn metrics(&self, name: &str) -> String {
        let url = format!("http://{}/metrics", self.node(name).internal);
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        client.get(url).send().await.unwrap().text().await.unwrap()
    }

    /// Waits until a query answers this.
    pub async fn until_query(&self, sql: &str, is: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.query(sql).await;
            if is(answer.trim_end()) {
                return;
            }
            assert!(Instant::now() < deadline, "{sql} answers {answer}");
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// The database, past all nodes.
    pub async fn store(&self) -> Store {
        Store::connect(&self.database, no_hook()).await.unwrap()
    }

    /// Rows of a query, a line each.
    pub async fn query(&self, sql: &str) -> String {
        use secrecy::ExposeSecret as _;
        songkeep_testkit::postgres::query(self.database.expose_secret(), sql).await.unwrap()
    }

    /// The objects, past all nodes and faults.
    pub fn blobs(&self) -> S3Blobs {
        S3Blobs::connect(S3Settings {
            endpoint: self.s3.endpoint(),
            access_key: self.s3.access_key().to_owned().into(),
            secret_key: self.s3.secret_key().to_owned().into(),
            bucket: self.bucket.clone(),
            region: "us-east-1".to_owned(),
            public_endpoint: None,
            create_bucket: false,
        })
        .unwrap()
    }
}

impl Node {
    fn start(&mut self, common: Vec<(String, String)>, data: &Path) {
        assert!(self.program.is_none(), "it runs already");
        std::fs::create_dir_all(data).unwrap();
        let own = [
            ("SONGKEEP_DATA_DIR", data.display().to_string()),
            ("SONGKEEP_GATEWAY_ADDR", self.public.to_string()),
            ("SONGKEEP_STREAM_ADDR", self.public.to_string()),
            ("SONGKEEP_INTERNAL_ADDR", self.internal.to_string()),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value));
        let env: Vec<_> = common.into_iter().chain(own).chain(self.env.clone()).collect();
        let mut words = self.wrapper.clone();
        words.extend([BINARY, "serve", "--roles", self.role].map(str::to_owned));
        self.program = Some(Program::start(Path::new(&words[0]), &words[1..], &env).unwrap());
    }
}

fn nodes() -> BTreeMap<&'static str, Node> {
    static FLEETS: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let ip = Ipv4Addr::new(127, 100 + FLEETS.fetch_add(1, Ordering::Relaxed), high, low);
    let node = |(number, name): (u16, &'static str)| {
        let role = name.split('-').next().unwrap_or(name);
        let address = |first: u16| SocketAddr::from((ip, first + number));
        let (public, internal) = (address(FIRST_PUBLIC_PORT), address(FIRST_INTERNAL_PORT));
        (name, Node { role, public, internal, env: Vec::new(), wrapper: Vec::new(), program: None })
    };
    (0..).zip(NODES).map(node).collect()
}

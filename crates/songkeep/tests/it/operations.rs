//! What an operator relies on: health, readiness and metrics, what happens when something is down, logs
//! without secrets, and a start and a stop that say what they do.

use std::{
    collections::BTreeSet,
    fs,
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use futures::future::join_all;
use reqwest::{Method, Response, StatusCode, header};
use serde_json::{Value, json};
use songkeep_domain::NodeRole;
use songkeep_testkit::program::Program;
use tokio::{task::block_in_place, time::sleep};

use crate::{
    in_all_topologies,
    kit::{App, Listener, Topology, json_of, problem_of, test_tools_dir},
    over_servers,
    sse::Events,
    streaming::{begin, shelve, take, web_stream_url},
};

const SOURCE: &str = "ShelvedSong";
/// For a start or an end on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

async fn get(app: &App, url: &str) -> Response {
    app.client.get(url).send().await.unwrap()
}

/// Name and address of every listener.
fn listeners(app: &App) -> Vec<(String, String)> {
    let public = [("web", &app.web), ("gateway", &app.gateway), ("stream", &app.stream)];
    let internal = app
        .internal()
        .into_iter()
        .map(|(role, base)| (role.map_or_else(|| "songkeep".to_owned(), |role| role.to_string()), base));
    public.map(|(name, base)| (name.to_owned(), base.clone())).into_iter().chain(internal).collect()
}

/// Whether a listener says that it is ready, and what it needs and says is not well.
async fn ready(app: &App, base: &str) -> (StatusCode, Vec<String>) {
    let answer = get(app, &format!("{base}/ready")).await;
    let status = answer.status();
    let body: Value = answer.json().await.unwrap();
    let dependencies = body["dependencies"].as_array().unwrap();
    let bad = dependencies.iter().filter(|known| known["ok"] == false && known["required"] == true);
    (status, bad.map(|known| known["name"].as_str().unwrap().to_owned()).collect())
}

/// Polls until a listener is ready, or is not for want of what is named.
async fn becomes(app: &App, base: &str, missing: Option<&str>) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, bad) = ready(app, base).await;
        let is_so = match missing {
            None => status == StatusCode::OK && bad.is_empty(),
            Some(name) => status == StatusCode::SERVICE_UNAVAILABLE && bad.iter().any(|its| its == name),
        };
        if is_so {
            return;
        }
        assert!(Instant::now() < deadline, "{base}: {status} {bad:?}, and not {missing:?}");
        sleep(Duration::from_millis(50)).await;
    }
}

in_all_topologies! {
    async fn every_listener_says_how_it_is(app: App) {
        for (name, base) in listeners(&app) {
            let answer = get(&app, &format!("{base}/health")).await;
            assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
            let health = json_of(answer, StatusCode::OK).await;
            assert_eq!(health, json!({ "status": "ok", "service": name }));
            becomes(&app, &base, None).await;
            let metrics = get(&app, &format!("{base}/metrics")).await;
            assert_eq!(metrics.status(), StatusCode::OK);
            assert!(metrics.headers()[header::CONTENT_TYPE].to_str().unwrap().starts_with("text/plain"));
            assert!(metrics.text().await.unwrap().contains("songkeep_build_info"));
            for path in ["health", "ready", "metrics"] {
                let answer = app.client.post(format!("{base}/{path}")).send().await.unwrap();
                assert_eq!(problem_of(answer, StatusCode::METHOD_NOT_ALLOWED).await, "method_not_allowed");
            }
        }
        app.stop().await;
    }
}

/// The roles that ask the database themselves.
const ON_THE_DATABASE: [NodeRole; 6] = [
    NodeRole::Auth,
    NodeRole::Catalog,
    NodeRole::Download,
    NodeRole::Admin,
    NodeRole::Stream,
    NodeRole::Worker,
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_names_what_is_down_while_the_process_lives() {
    let app = App::start(Topology::AllInOne).await;
    let ada = app.listener("ada@example.com").await;
    for (_, base) in app.internal() {
        becomes(&app, &base, None).await;
    }
    let blobs = app.settings.data_dir.join("blobs");
    let aside = app.settings.data_dir.join("elsewhere");
    fs::rename(&blobs, &aside).unwrap();
    becomes(&app, &app.stream, Some("audio")).await;
    fs::rename(&aside, &blobs).unwrap();
    becomes(&app, &app.stream, None).await;

    app.backends.store().unwrap().close().await;
    becomes(&app, &app.stream, Some("database")).await;
    nothing_can_be_done_without_a_database(&ada).await;
    app.stop().await;
}

over_servers! {
    async fn readiness_names_the_server_that_is_down_and_all_is_well_when_it_is_back(topology: Topology) {
        let mut app = App::start_on_own_servers(topology).await;
        let mut servers = app.servers.take().unwrap();
        let ada = app.listener("ada@example.com").await;
        for (_, base) in app.internal() {
            becomes(&app, &base, None).await;
        }
        servers.s3.stop();
        for role in [NodeRole::Stream, NodeRole::Worker] {
            becomes(&app, &app.internal_of(role), Some("audio")).await;
        }
        becomes(&app, &app.stream, Some("audio")).await;
        assert!(ada.library().await.is_empty());
        servers.s3.restart().unwrap();
        becomes(&app, &app.stream, None).await;

        // Jobs are found by looking then, and limits are counted by each node.
        block_in_place(|| servers.redis.stop());
        let bob = app.listener("bob@example.com").await;
        for (_, base) in app.internal() {
            becomes(&app, &base, None).await;
        }
        block_in_place(|| servers.redis.restart()).unwrap();

        block_in_place(|| servers.postgres.stop()).unwrap();
        let bases = ON_THE_DATABASE.map(|role| app.internal_of(role)).into_iter().chain([app.stream.clone()]);
        join_all(bases.map(async |base| becomes(&app, &base, Some("database")).await)).await;
        nothing_can_be_done_without_a_database(&ada).await;
        block_in_place(|| servers.postgres.restart()).unwrap();
        for (_, base) in app.internal() {
            becomes(&app, &base, None).await;
        }
        let job = bob.import(&app.youtube.videos()[0].id).await;
        assert_eq!(bob.finished(job["id"].as_str().unwrap()).await["status"], "completed");
        app.stop().await;
    }
}

async fn nothing_can_be_done_without_a_database(ada: &Listener<'_>) {
    let app = ada.app;
    for (name, base) in listeners(app) {
        assert_eq!(get(app, &format!("{base}/health")).await.status(), StatusCode::OK, "{name}");
    }
    let account = json!({ "email": "ada@example.com", "password": "correct horse" });
    let requests = [
        ada.call(Method::GET, "/library"),
        ada.call(Method::GET, "/jobs"),
        app.call(Method::POST, "/auth/signin").json(&account),
    ];
    join_all(requests.map(async |request| {
        is_unavailable(request.send().await.unwrap(), "without a database").await;
    }))
    .await;
}

/// 502, 503 or 504 with a problem document that says when to try again, and nothing internal.
async fn is_unavailable(answer: Response, what: &str) {
    let status = answer.status();
    assert!(matches!(status.as_u16(), 502..=504), "{what}: {status}");
    let wait: u64 = answer.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{what}: {wait}");
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json");
    let text = answer.text().await.unwrap();
    for internal in ["127.0.0.1", "sqlx", "SQL", "reqwest", "hyper", "pool", "os error"] {
        assert!(!text.contains(internal), "{what}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_away_takes_only_its_own_part_with_it() {
    let mut app = App::start_after(Topology::Cluster, &[], async |backends| {
        shelve(backends, SOURCE, 50_000).await;
    })
    .await;
    let (access, song, url, web_url) = {
        let ada = app.listener("ada@example.com").await;
        let song = take(&ada, SOURCE).await;
        let urls = (ada.stream_url(&song).await, web_stream_url(&ada, &song).await);
        (ada.access.clone(), song, urls.0, urls.1)
    };
    let ask = async |app: &App, method: Method, path: &str, body: Option<Value>| {
        let mut request = app.call(method, path).bearer_auth(&access);
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    };
    let wish = json!({ "source_provider": "youtube", "source_id": "dQw4w9WgXcQ" });

    app.stop_role(NodeRole::Worker).await;
    let job =
        json_of(ask(&app, Method::POST, "/songs/import", Some(wish.clone())).await, StatusCode::ACCEPTED);
    assert_eq!(job.await["status"], "queued", "it waits for a worker");

    app.stop_role(NodeRole::Search).await;
    is_unavailable(ask(&app, Method::GET, "/songs/search?q=rain", None).await, "no search").await;
    assert_eq!(ask(&app, Method::GET, "/library", None).await.status(), StatusCode::OK);

    app.stop_role(NodeRole::Download).await;
    is_unavailable(ask(&app, Method::POST, "/songs/import", Some(wish)).await, "no download").await;
    is_unavailable(ask(&app, Method::GET, "/events", None).await, "no download").await;
    assert_eq!(ask(&app, Method::GET, "/library", None).await.status(), StatusCode::OK);

    app.stop_role(NodeRole::Catalog).await;
    is_unavailable(ask(&app, Method::GET, "/library", None).await, "no catalog").await;
    is_unavailable(ask(&app, Method::GET, &format!("/stream/{song}"), None).await, "no catalog").await;
    assert_eq!(ask(&app, Method::GET, "/auth/me", None).await.status(), StatusCode::OK);
    for url in [&url, &web_url] {
        assert_eq!(get(&app, url).await.bytes().await.unwrap().len(), 50_000, "a song that plays goes on");
    }

    becomes(&app, &app.gateway, None).await;
    app.stop_role(NodeRole::Auth).await;
    becomes(&app, &app.gateway, Some("auth service")).await;
    let account = json!({ "email": "ada@example.com", "password": "correct horse" });
    is_unavailable(ask(&app, Method::POST, "/auth/signin", Some(account)).await, "no auth").await;
    // Not signed out: nobody can say.
    is_unavailable(ask(&app, Method::GET, "/auth/me", None).await, "no auth").await;

    app.stop_role(NodeRole::Stream).await;
    is_unavailable(get(&app, &web_url).await, "no stream").await;

    app.stop_role(NodeRole::Gateway).await;
    becomes(&app, &app.web, Some("gateway service")).await;
    is_unavailable(get(&app, &format!("{}/api/library", app.web)).await, "no gateway").await;
    let page = app.client.get(&app.web).header(header::ACCEPT, "text/html").send().await.unwrap();
    assert_eq!(page.status(), StatusCode::OK, "the page can say so");
    app.stop().await;
}

/// The values of one label in Prometheus text.
fn labels(metrics: &str, name: &str) -> BTreeSet<String> {
    let start = format!("{name}=\"");
    let found = metrics.lines().filter_map(|line| line.split_once(&start)?.1.split('"').next());
    found.map(str::to_owned).collect()
}

in_all_topologies! {
    async fn paths_and_methods_that_clients_make_up_do_not_grow_the_metrics(app: App) {
        let ada = app.listener("ada@example.com").await;
        let web_api = format!("{}/api", app.web);
        let bases = [&app.web, &app.gateway, &app.stream, &web_api];
        let probe = async |tag: String| {
            let paths = [
                format!("/{tag}"),
                format!("/jobs/{tag}"),
                format!("/library/{tag}?q={tag}"),
                format!("/public/stream/{tag}?token={tag}"),
                format!("/{tag}/{tag}.html"),
            ];
            for base in bases {
                for path in &paths {
                    let request = app.client.get(format!("{base}{path}")).bearer_auth(&ada.access);
                    request.header("x-request-id", &tag).send().await.unwrap();
                }
                let method = tag.to_uppercase().parse().unwrap();
                app.client.request(method, base).send().await.unwrap();
            }
        };
        let rendered = async || {
            let url = format!("{}/metrics", app.internal()[0].1);
            // What is recorded of one look is seen by the next.
            get(&app, &url).await;
            get(&app, &url).await.text().await.unwrap()
        };
        probe("first".to_owned()).await;
        let before = rendered().await;
        join_all((0..30).map(|number| probe(format!("madeup{number}")))).await;
        let after = rendered().await;
        assert!(!after.contains("madeup") && !after.contains("MADEUP"), "{after}");
        let (routes, methods) = (labels(&after, "route"), labels(&after, "method"));
        assert_eq!(routes.difference(&labels(&before, "route")).count(), 0, "{routes:?}");
        assert!(routes.contains("unmatched") && routes.contains("/jobs/{id}"), "{routes:?}");
        assert!(methods.contains("other") && methods.len() <= 8, "{methods:?}");
        app.stop().await;
    }
}

in_all_topologies! {
    async fn a_request_keeps_its_id_through_all_nodes(app: App) {
        let web_api = format!("{}/api", app.web);
        for base in [&app.gateway, &web_api, &app.stream] {
            let ask = async |id: Option<&str>| {
                let mut request = app.client.get(format!("{base}/nothing"));
                if let Some(id) = id {
                    request = request.header("x-request-id", id);
                }
                let answer = request.send().await.unwrap();
                let header = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
                let problem = json_of(answer, StatusCode::NOT_FOUND).await;
                assert_eq!(problem["instance"], header.as_str(), "{base}");
                header
            };
            assert_eq!(ask(Some("my-own.id_7")).await, "my-own.id_7");
            let (first, second) = (ask(None).await, ask(None).await);
            assert!(first.len() >= 16 && first != second, "{first} {second}");
            let long = "x".repeat(65);
            for odd in ["a b", "<script>", "a\"b", &long] {
                assert_ne!(ask(Some(odd)).await, odd);
            }
        }
        app.stop().await;
    }
}

in_all_topologies! {
    async fn stopping_lets_songs_finish_and_waits_for_no_listener_of_events(topology: Topology) {
        const SIZE: usize = 24 << 20;
        let app = App::start_after(topology, &[("SHUTDOWN_GRACE_SECONDS", "30")], async |backends| {
            shelve(backends, SOURCE, SIZE).await;
        });
        let app = app.await;
        let client = app.client.clone();
        let (bodies, events) = {
            let ada = app.listener("ada@example.com").await;
            let song = take(&ada, SOURCE).await;
            let urls = [ada.stream_url(&song).await, web_stream_url(&ada, &song).await];
            let through_web = app.client.get(format!("{}/api/events", app.web)).bearer_auth(&ada.access);
            let mut events = [Events::open(&ada, None).await, Events::of(through_web, None).await];
            for events in &mut events {
                events.hello().await;
            }
            (join_all(urls.iter().map(|url| begin(&app, url))).await, events)
        };
        let gateway = app.gateway.clone();
        let started = Instant::now();
        let read = async |mut body: Response| {
            // Long enough for the stop to be under way.
            let (mut received, mut pause) = (0, Duration::from_millis(400));
            while let Some(chunk) = body.chunk().await.unwrap() {
                received += chunk.len();
                sleep(std::mem::take(&mut pause)).await;
            }
            // The first chunk was read before.
            assert!(received > SIZE - (2 << 20) && received < SIZE, "{received}");
        };
        let over = async |mut events: Events| while events.next().await.is_some() {};
        tokio::join!(app.stop(), join_all(bodies.into_iter().map(read)), join_all(events.map(over)));
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
        assert!(client.get(format!("{gateway}/health")).send().await.is_err(), "nobody listens any more");
    }
}

/// The real binary in a folder of its own, by way of a shell that keeps its log.
pub struct Binary<'a> {
    data: &'a Path,
    log: std::path::PathBuf,
    pub env: Vec<(String, String)>,
}

impl<'a> Binary<'a> {
    pub fn new(data: &'a Path, name: &str, extra: &[(&str, &str)]) -> Self {
        let own = [
            ("APP_ENV", "test"),
            ("LOG_LEVEL", "debug"),
            ("SONGKEEP_DATA_DIR", data.to_str().unwrap()),
            ("SONGKEEP_WEB_ADDR", "127.0.0.1:0"),
            ("SONGKEEP_GATEWAY_ADDR", "127.0.0.1:0"),
            ("SONGKEEP_STREAM_ADDR", "127.0.0.1:0"),
            ("SONGKEEP_INTERNAL_ADDR", "127.0.0.1:0"),
            ("TOOLS_DIR", test_tools_dir().to_str().unwrap()),
            ("PASSWORD_HASH_MEMORY_KIB", "64"),
            ("PASSWORD_HASH_ITERATIONS", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let extra = extra.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self {
            data,
            log: data.with_extension(format!("{name}.log")),
            env: own.into_iter().chain(extra).collect(),
        }
    }

    pub fn start(&self) -> Program {
        self.run(&["serve"])
    }

    pub fn run(&self, arguments: &[&str]) -> Program {
        let command = "log=$1; shift; exec \"$@\" 2>\"$log\"";
        let words = ["-c", command, "sh", self.log.to_str().unwrap(), env!("CARGO_BIN_EXE_songkeep")];
        let words = words.iter().chain(arguments);
        Program::start(Path::new("/bin/sh"), words, &self.env).unwrap()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Starts it when it cannot start; what it says.
    async fn fails(&self) -> String {
        let ready = self.start().wait_for("Songkeep is ready", PATIENCE).await;
        assert!(ready.is_err(), "it started in {}", self.data.display());
        self.log()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_binary_keeps_secrets_out_of_its_log_and_to_itself() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let binary = Binary::new(&data, "first", &[("EXPOSE_VERIFICATION_TOKEN", "1")]);
    let mut program = binary.start();
    let port = program.wait_for("Songkeep is ready: http://localhost:", PATIENCE).await.unwrap();
    let link = program.wait_for("/setup?token=", PATIENCE).await.unwrap();
    let api = format!("http://127.0.0.1:{port}/api");
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
    let post = async |path: &str, body: Value| {
        let answer = client.post(format!("{api}{path}")).json(&body).send().await.unwrap();
        let cookie = crate::kit::refresh_cookie(&answer);
        (answer.json::<Value>().await.unwrap(), cookie)
    };
    let account = json!({ "email": "root@example.com", "password": "correct horse", "token": link.trim() });
    post("/auth/setup", account.clone()).await;
    let (signed_in, cookie) = post("/auth/signin", account).await;
    let (access, refresh) = (signed_in["access_token"].as_str().unwrap().to_owned(), cookie.unwrap());
    let (verification, _) =
        post("/auth/signup", json!({ "email": "ada@example.com", "password": "battery staple" })).await;
    let verification = verification["verification_token"].as_str().unwrap().to_owned();
    post("/auth/verify-email", json!({ "token": verification })).await;
    let stream_token = "header.claims.signature-of-a-stream";
    for path in [
        format!("/public/stream/018f0000-0000-7000-8000-000000000000?token={stream_token}"),
        format!("/thumbnails/youtube/dQw4w9WgXcQ?sig={stream_token}"),
        "/auth/me".to_owned(),
    ] {
        client.get(format!("{api}{path}")).bearer_auth(&access).send().await.unwrap();
    }
    let cookie = format!("refresh_token={refresh}");
    client.post(format!("{api}/auth/refresh")).header(header::COOKIE, cookie).send().await.unwrap();

    // A second one on the same folder, and one where an address is taken.
    let second = Binary::new(&data, "second", &[]).fails().await;
    let told: Vec<_> = second.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(told.len(), 1, "{second}");
    assert!(
        told[0].contains("another Songkeep serves from") && told[0].contains("SONGKEEP_DATA_DIR"),
        "{second}"
    );
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let other_data = folder.path().join("other");
    for setting in
        ["SONGKEEP_WEB_ADDR", "SONGKEEP_GATEWAY_ADDR", "SONGKEEP_STREAM_ADDR", "SONGKEEP_INTERNAL_ADDR"]
    {
        let log = Binary::new(&other_data, setting, &[(setting, &addr)]).fails().await;
        let told: Vec<_> = log.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(told.len(), 1, "{log}");
        assert!(told[0].contains(&format!("address {addr} ({setting}) is in use already")), "{log}");
        assert!(!log.contains("panicked"), "{log}");
    }

    let before_the_end = Instant::now();
    assert!(program.terminate(PATIENCE).await.unwrap().success());
    assert!(before_the_end.elapsed() < Duration::from_secs(20));
    let log = binary.log();
    assert!(
        log.contains("/auth/signin") && log.contains("/public/stream/") && log.contains("stopping"),
        "{log}"
    );
    let secrets =
        [access.as_str(), &refresh, &verification, link.trim(), stream_token, "correct horse", "battery"];
    for secret in secrets {
        assert!(!log.contains(secret), "{secret} stands in the log");
    }
    for file in fs::read_dir(&data).unwrap().flatten().filter(|file| file.path().is_file()) {
        use std::os::unix::fs::PermissionsExt as _;
        let name = file.file_name().into_string().unwrap();
        let mode = file.metadata().unwrap().permissions().mode() & 0o777;
        assert!(!name.contains("secret") || mode == 0o600, "{name} has mode {mode:o}");
    }
}

//! The real binary, killed and stopped at any moment, and on a full disk: what was acknowledged is done,
//! once, and nothing is left lying around.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use aws_lc_rs::digest::{SHA256, digest};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use songkeep::{backends::no_hook, data_dir::DataDir};
use songkeep_blob::FileBlobs;
use songkeep_domain::{SystemClock, library::CatalogStore as _};
use songkeep_store::Store;
use songkeep_testkit::{
    fake_youtube::{Catalog, FakeYouTube},
    program::Program,
};
use songkeep_worker::{SweepSettings, Sweeper, SweeperPorts, WorkFolders};
use tempfile::TempDir;
use tokio::time::{sleep, sleep_until, timeout_at};

use crate::{
    kit::{json_of, test_tools_dir},
    sse::Events,
};

const SONGS: usize = 20;
const KILLS: u32 = 7;
const PASSWORD: &str = "correct horse";
const BINARY: &str = env!("CARGO_BIN_EXE_songkeep");
/// For a start, or for the end of a job, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A data folder and a YouTube, which outlive the server.
struct Home {
    data: TempDir,
    youtube: FakeYouTube,
    client: reqwest::Client,
}

/// One life of the server.
struct Server {
    program: Program,
    /// Of the API, by way of the web listener.
    api: String,
    client: reqwest::Client,
}

impl Home {
    async fn new(copies: usize) -> Self {
        let catalog = Catalog::tiny().await.unwrap().with_copies(copies);
        Self {
            data: tempfile::tempdir().unwrap(),
            youtube: FakeYouTube::start(catalog).await.unwrap(),
            client: reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap(),
        }
    }

    fn path(&self) -> PathBuf {
        self.data.path().canonicalize().unwrap()
    }

    async fn start(&self) -> Server {
        self.start_by(Path::new(BINARY), &["serve"]).await
    }

    async fn start_by(&self, program: &Path, args: &[&str]) -> Server {
        let env = [
            ("APP_ENV", "test".to_owned()),
            ("LOG_LEVEL", "warn".to_owned()),
            ("SONGKEEP_DATA_DIR", self.path().display().to_string()),
            ("SONGKEEP_WEB_ADDR", "127.0.0.1:0".to_owned()),
            ("SONGKEEP_GATEWAY_ADDR", "127.0.0.1:0".to_owned()),
            ("SONGKEEP_STREAM_ADDR", "127.0.0.1:0".to_owned()),
            ("SONGKEEP_INTERNAL_ADDR", "127.0.0.1:0".to_owned()),
            ("TOOLS_DIR", test_tools_dir().display().to_string()),
            ("IMPORT_UPSTREAM_PROXY", self.youtube.proxy_url()),
            ("IMPORT_CA_FILE", self.youtube.ca_file().display().to_string()),
            ("PASSWORD_HASH_MEMORY_KIB", "64".to_owned()),
            ("PASSWORD_HASH_ITERATIONS", "1".to_owned()),
            ("JOB_RETRY_BASE_SECONDS", "1".to_owned()),
            // A job may be what runs at each of the kills.
            ("JOB_MAX_ATTEMPTS", "50".to_owned()),
            ("SHUTDOWN_GRACE_SECONDS", "3".to_owned()),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value));
        let mut program = Program::start(program, args, &env).unwrap();
        let port = program.wait_for("Songkeep is ready: http://localhost:", PATIENCE).await.unwrap();
        Server { program, api: format!("http://127.0.0.1:{port}/api"), client: self.client.clone() }
    }
}

impl Server {
    fn call(&self, method: Method, path: &str, access: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.api)).bearer_auth(access)
    }

    async fn sign_up(&self, email: &str) {
        let account = json!({ "email": email, "password": PASSWORD });
        let answer = self.call(Method::POST, "/auth/signup", "").json(&account).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
    }

    /// The access token.
    async fn sign_in(&self, email: &str) -> String {
        let account = json!({ "email": email, "password": PASSWORD });
        let answer = self.call(Method::POST, "/auth/signin", "").json(&account).send().await.unwrap();
        json_of(answer, StatusCode::OK).await["access_token"].as_str().unwrap().to_owned()
    }

    /// The job's id, once it is acknowledged.
    async fn import(&self, access: &str, source_id: &str) -> String {
        let wish = json!({ "source_provider": "youtube", "source_id": source_id });
        let answer = self.call(Method::POST, "/songs/import", access).json(&wish).send().await.unwrap();
        let job = json_of(answer, StatusCode::ACCEPTED).await;
        job["id"].as_str().unwrap().to_owned()
    }

    async fn get(&self, access: &str, path: &str) -> Value {
        json_of(self.call(Method::GET, path, access).send().await.unwrap(), StatusCode::OK).await
    }

    async fn job_when(&self, access: &str, id: &str, is: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let job = self.get(access, &format!("/jobs/{id}")).await;
            if is(&job) {
                return job;
            }
            assert!(Instant::now() < deadline, "the job does not get there: {job}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn completed(&self, access: &str, id: &str) -> Value {
        let job = self.job_when(access, id, crate::sse::is_over).await;
        assert_eq!(job["status"], "completed", "{job}");
        job
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_it_loses_nothing_and_doubles_nothing() {
    let mut random = Random::new();
    let home = Home::new(SONGS).await;
    // About a second for each download, so that kills hit all stages.
    home.youtube.set_throttle(Some(100_000));
    let wanted: Vec<String> = (1..=SONGS).map(|number| format!("SKcopy{number:05}")).collect();
    let mut jobs: BTreeMap<String, String> = BTreeMap::new();

    let mut server = home.start().await;
    server.sign_up("ada@example.com").await;
    let access = server.sign_in("ada@example.com").await;
    for _ in 0..KILLS {
        let killed_at = tokio::time::Instant::now() + random.between(200..3_000);
        let _cut_off = timeout_at(killed_at, ask(&server, &access, &wanted, &mut jobs)).await;
        sleep_until(killed_at).await;
        assert!(!processes_of(&home.path()).is_empty(), "the server itself, at least");
        server.program.kill().await.unwrap();
        nobody_is_left(&home.path()).await;
        server = home.start().await;
    }
    // The access token is still good: the secrets are the data folder's.
    ask(&server, &access, &wanted, &mut jobs).await;
    assert_eq!(jobs.len(), SONGS);
    for id in jobs.values() {
        server.completed(&access, id).await;
    }
    is_complete(&server, &access, &jobs).await;
    assert!(home.youtube.denied_hosts().is_empty(), "{:?}", home.youtube.denied_hosts());

    assert!(server.program.terminate(PATIENCE).await.unwrap().success());
    nobody_is_left(&home.path()).await;
    keeps_only_what_songs_refer_to(&home.path()).await;
}

/// Asks for what was not acknowledged yet.
async fn ask(server: &Server, access: &str, wanted: &[String], jobs: &mut BTreeMap<String, String>) {
    for source_id in wanted {
        if jobs.contains_key(source_id) {
            continue;
        }
        jobs.insert(source_id.clone(), server.import(access, source_id).await);
        sleep(Duration::from_millis(250)).await;
    }
}

/// Each job was completed once, and library and jobs are exactly what was acknowledged.
async fn is_complete(server: &Server, access: &str, jobs: &BTreeMap<String, String>) {
    let library = server.get(access, "/library").await;
    let songs = library["songs"].as_array().unwrap();
    let sources: BTreeSet<&str> = songs.iter().map(|song| song["source_id"].as_str().unwrap()).collect();
    assert_eq!((songs.len(), &library["total"]), (SONGS, &json!(SONGS)));
    assert_eq!(sources, jobs.keys().map(String::as_str).collect());
    let listed = server.get(access, "/jobs?limit=100").await;
    let listed: BTreeSet<&str> =
        listed["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect();
    assert_eq!(listed, jobs.values().map(String::as_str).collect());

    let mut events = Events::of(server.call(Method::GET, "/events", access), Some("0")).await;
    let (mut completed, mut added, mut last_id) = (BTreeMap::new(), BTreeMap::new(), 0);
    while completed.len() < SONGS || added.len() < SONGS {
        let event = events.next().await.expect("the events of all completions");
        assert_eq!(event.id, Some(last_id + 1));
        last_id += 1;
        count(&event, &mut completed, &mut added);
    }
    let newest = Events::of(server.call(Method::GET, "/events", access), None).await.hello().await;
    while last_id < newest {
        last_id += 1;
        count(&events.next().await.unwrap(), &mut completed, &mut added);
    }
    for (what, counts) in [("completed", completed), ("added", added)] {
        assert!(counts.values().all(|&times| times == 1), "{what} more than once: {counts:?}");
    }
}

fn count(
    event: &crate::sse::Event,
    completed: &mut BTreeMap<String, u32>,
    added: &mut BTreeMap<String, u32>,
) {
    let data = event.json();
    let (counts, field) = match event.name.as_str() {
        "job" if data["status"] == "completed" => (completed, "id"),
        "library" if data["change"] == "added" => (added, "song_id"),
        _ => return,
    };
    *counts.entry(data[field].as_str().unwrap().to_owned()).or_default() += 1;
}

/// After a sweep without any grace every object is some song's and is what its name says, and no other
/// file is there.
async fn keeps_only_what_songs_refer_to(data: &Path) {
    let dir = DataDir::open(data).unwrap();
    let store = Arc::new(Store::open_sqlite(&dir.database(), no_hook()).await.unwrap());
    let ports = SweeperPorts {
        jobs: store.clone(),
        catalog: store.clone(),
        events: store.clone(),
        blobs: Arc::new(FileBlobs::open(&dir.blobs()).unwrap()),
        clock: Arc::new(SystemClock),
    };
    let settings =
        SweepSettings { orphan_grace: Duration::ZERO, object_grace: Duration::ZERO, ..Default::default() };
    let report = Sweeper::new(ports, WorkFolders::new(dir.work()), settings).sweep_once().await;
    assert_eq!(report.failed_steps, 0, "{report:?}");
    println!("the sweep after the kills: {report:?}");

    assert_eq!(files_below(&dir.work()), Vec::<PathBuf>::new());
    assert_eq!(fs::read_dir(dir.work()).unwrap().count(), 0, "no empty folders either");
    let mut keys = Vec::new();
    for file in files_below(&dir.blobs()) {
        let key = file.strip_prefix(dir.blobs()).unwrap().to_str().unwrap().to_owned();
        let bytes = fs::read(&file).unwrap();
        let sum: String = digest(&SHA256, &bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(key, format!("audio/{}/{sum}.mp4", &sum[..2]));
        keys.push(key);
    }
    let mut referenced = store.list_referenced_keys(&keys).await.unwrap();
    keys.sort();
    referenced.sort();
    assert_eq!(keys, referenced, "every object belongs to a song");
    assert!(!keys.is_empty());
    store.close().await;
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files
}

/// No process is left that works in this data folder, tools and all.
async fn nobody_is_left(data: &Path) {
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        let left = processes_of(data);
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "processes without their server: {left:#?}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Command lines of the processes that name this folder in arguments, environment or as their own folder.
fn processes_of(data: &Path) -> Vec<String> {
    let data = data.to_str().unwrap();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let process = entry.path();
        // It may end while it is looked at.
        let read =
            |name| String::from_utf8_lossy(&fs::read(process.join(name)).unwrap_or_default()).into_owned();
        let cwd = fs::read_link(process.join("cwd")).unwrap_or_default();
        let command = read("cmdline").replace('\0', " ");
        if command.contains(data) || read("environ").contains(data) || cwd.starts_with(data) {
            found.push(format!("{}: {command}", entry.file_name().display()));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_the_next_moment() {
    let home = Home::new(0).await;
    let videos = home.youtube.videos();
    let server = home.start().await;
    server.sign_up("ada@example.com").await;
    server.program.kill().await.unwrap();

    let server = home.start().await;
    let access = server.sign_in("ada@example.com").await;
    let killed = server.import(&access, &videos[0].id).await;
    server.program.kill().await.unwrap();
    nobody_is_left(&home.path()).await;

    let server = home.start().await;
    server.completed(&access, &killed).await;

    // Asked to end in the middle of a download, it hands the job back as if it had not been begun.
    home.youtube.set_throttle(Some(2_000));
    let stopped = server.import(&access, &videos[1].id).await;
    server.job_when(&access, &stopped, |job| job["stage"] == "download").await;
    let asked = Instant::now();
    let status = server.program.terminate(PATIENCE).await.unwrap();
    assert!(status.success(), "{status}");
    assert!(asked.elapsed() < Duration::from_secs(8), "the grace is 3 s: {:?}", asked.elapsed());
    nobody_is_left(&home.path()).await;
    assert_eq!(files_below(&home.path().join("work")), Vec::<PathBuf>::new());

    home.youtube.set_throttle(None);
    let server = home.start().await;
    let job = server.completed(&access, &stopped).await;
    assert_eq!(job["attempt"], 1, "what was handed back does not count: {job}");
    assert_eq!(server.get(&access, "/library").await["total"], 2);
    assert!(server.program.terminate(PATIENCE).await.unwrap().success());
    keeps_only_what_songs_refer_to(&home.path()).await;
}

/// Small file systems for `blobs` and `work`, which only the server sees and which go with it.
const ON_SMALL_DISKS: &str = r#"
set -e
for folder in blobs work; do
    mkdir -p "$1/$folder"
    mount -t tmpfs -o size=2m songkeep-test "$1/$folder"
done
exec "$2" serve
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_delays_imports_and_spoils_nothing() {
    let home = Home::new(0).await;
    let videos = home.youtube.videos();
    let data = home.path();
    let as_root: &[&str] = if may_mount().await { &[] } else { &["--user", "--map-root-user"] };
    let script = ["--mount", "sh", "-c", ON_SMALL_DISKS, "sh", data.to_str().unwrap(), BINARY];
    let server = home.start_by(Path::new("unshare"), &[as_root, &script].concat()).await;
    server.sign_up("ada@example.com").await;
    let access = server.sign_in("ada@example.com").await;

    // The folder as the server sees it.
    let seen = PathBuf::from(format!("/proc/{}/root{}", server.program.id(), data.display()));
    for (video, full) in videos.iter().zip(["work", "blobs"]) {
        let disk = seen.join(full);
        let before = files_below(&disk).len();
        let ballast = disk.join("ballast");
        fill(&ballast);
        let id = server.import(&access, &video.id).await;
        let failed = server.job_when(&access, &id, |job| !job["failure_code"].is_null()).await;
        assert_eq!(failed["failure_code"], "disk_full", "{full}: {failed}");
        assert_eq!(failed["status"], "queued", "it waits: {failed}");
        fs::remove_file(&ballast).unwrap();
        assert_eq!(files_below(&disk).len(), before, "nothing was half-written");
        server.completed(&access, &id).await;
        assert_eq!(files_below(&seen.join("work")), Vec::<PathBuf>::new());
    }
    assert_eq!(files_below(&seen.join("blobs")).len(), 2);
    assert!(server.program.terminate(PATIENCE).await.unwrap().success());
}

/// Whether one may mount without a user namespace of one's own, as root may. Where neither is allowed,
/// `unshare` says so and the test fails.
pub async fn may_mount() -> bool {
    let mut probe = Program::start(Path::new("unshare"), ["--mount", "echo", "allowed"], &[]).unwrap();
    probe.wait_for("allowed", PATIENCE).await.is_ok()
}

/// Fills the file system that this file is on.
pub fn fill(ballast: &Path) {
    let mut file = fs::File::create(ballast).unwrap();
    for size in [64 * 1024, 1] {
        let block = vec![0; size];
        let full = loop {
            if let Err(error) = file.write_all(&block) {
                break error;
            }
        };
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    }
}

/// Moments that differ from run to run; the seed is printed, and `SONGKEEP_TEST_SEED` repeats a run.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let given = std::env::var("SONGKEEP_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let seed = given.unwrap_or_else(|| u64::from(now.subsec_nanos()) << 20 | 1);
        println!("SONGKEEP_TEST_SEED={seed}");
        Self(seed)
    }

    fn between(&mut self, millis: std::ops::Range<u64>) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_millis(millis.start + self.0 % (millis.end - millis.start))
    }
}

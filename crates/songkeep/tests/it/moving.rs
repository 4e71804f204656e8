//! Moving house: everything that the real binary keeps goes from a folder to PostgreSQL and S3 and back,
//! by a command that is killed on the way, and nobody notices afterwards.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use reqwest::{Method, RequestBuilder, StatusCode, header};
use serde_json::{Value, json};
use songkeep_testkit::{
    fake_youtube::{Behaviour, Catalog, FakeYouTube},
    fault_proxy::{Action, FaultProxy},
    postgres::{fresh_database, query},
    program::Program,
    s3::S3Server,
};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::kit::{json_of, refresh_cookie, test_tools_dir};

const BINARY: &str = env!("CARGO_BIN_EXE_songkeep");
const PASSWORD: &str = "correct horse";
const SONGS: usize = 8;
/// As some of the songs are the same recording.
const OBJECTS: usize = 6;
/// For a start, a move, or the end of a job, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where everything lies that outlives the servers.
struct World {
    folder: TempDir,
    youtube: FakeYouTube,
    client: reqwest::Client,
}

/// One life of a server.
struct Server {
    program: Program,
    api: String,
    client: reqwest::Client,
}

type Env = Vec<(String, String)>;

fn env<const N: usize>(settings: [(&str, String); N]) -> Env {
    settings.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

impl World {
    async fn new() -> Self {
        let catalog = Catalog::tiny().await.unwrap().with_copies(SONGS + 2);
        Self {
            folder: tempfile::tempdir().unwrap(),
            youtube: FakeYouTube::start(catalog).await.unwrap(),
            client: reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn folder_place(&self, name: &str) -> String {
        format!("folder:{}", self.path(name).display())
    }

    /// Starts all in one process, with these settings on top of the tests' own.
    async fn serve(&self, keeps: &Env) -> Server {
        let own = env([
            ("APP_ENV", "test".to_owned()),
            ("LOG_LEVEL", "warn".to_owned()),
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
        ]);
        let env = [own, keeps.clone()].concat();
        let mut program = Program::start(Path::new(BINARY), ["serve"], &env).unwrap();
        let port = program.wait_for("Songkeep is ready: http://localhost:", PATIENCE).await.unwrap();
        Server { program, api: format!("http://127.0.0.1:{port}/api"), client: self.client.clone() }
    }

    /// Runs a command to its end; whether it succeeded, and all that it said.
    async fn run(&self, args: &[&str], env: &Env) -> (bool, String) {
        let said = self.path("said");
        let script = "\"$@\" >\"$0\" 2>&1; echo \"ended with $?\"";
        let command = ["-c", script, said.to_str().unwrap(), BINARY];
        let mut shell = Program::start(Path::new("/bin/sh"), [&command, args].concat(), env).unwrap();
        let code = shell.wait_for("ended with ", PATIENCE).await.unwrap();
        (code == "0", fs::read_to_string(said).unwrap())
    }

    async fn succeeds(&self, args: &[&str], env: &Env) -> String {
        let (succeeded, said) = self.run(args, env).await;
        assert!(succeeded, "{said}");
        said
    }

    async fn is_refused(&self, args: &[&str], env: &Env, why: &str) {
        let (succeeded, said) = self.run(args, env).await;
        assert!(!succeeded && said.contains(why), "{said}");
        assert_eq!(said.matches("error: ").count(), 1, "{said}");
        assert!(!said.contains("panicked"), "{said}");
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

    /// Access and refresh token.
    async fn sign_in(&self, email: &str) -> (String, String) {
        let account = json!({ "email": email, "password": PASSWORD });
        let answer = self.call(Method::POST, "/auth/signin", "").json(&account).send().await.unwrap();
        tokens(answer).await
    }

    async fn refresh(&self, refresh: &str) -> (String, String) {
        let cookie = format!("refresh_token={refresh}");
        let request = self.client.post(format!("{}/auth/refresh", self.api)).header(header::COOKIE, cookie);
        tokens(request.send().await.unwrap()).await
    }

    async fn get(&self, access: &str, path: &str) -> Value {
        json_of(self.call(Method::GET, path, access).send().await.unwrap(), StatusCode::OK).await
    }

    async fn import(&self, access: &str, source_id: &str) -> String {
        let wish = json!({ "source_provider": "youtube", "source_id": source_id });
        let answer = self.call(Method::POST, "/songs/import", access).json(&wish).send().await.unwrap();
        json_of(answer, StatusCode::ACCEPTED).await["id"].as_str().unwrap().to_owned()
    }

    async fn job_when(&self, access: &str, id: &str, is: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let job = self.get(access, &format!("/jobs/{id}")).await;
            if is(&job) {
                return job;
            }
            assert!(Instant::now() < deadline, "the job does not get there: {job}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn has_status(&self, access: &str, id: &str, status: &str) {
        let job = self.job_when(access, id, crate::sse::is_over).await;
        assert_eq!(job["status"], status, "{job}");
    }

    async fn stop(self) {
        assert!(self.program.terminate(PATIENCE).await.unwrap().success());
    }

    /// The songs of a library, and their bytes by id.
    async fn keeps(&self, access: &str) -> (Vec<Value>, BTreeMap<String, Vec<u8>>) {
        let library = self.get(access, "/library?limit=100").await;
        let songs = library["songs"].as_array().unwrap().clone();
        let mut bytes = BTreeMap::new();
        for song in &songs {
            let id = song["id"].as_str().unwrap();
            let url = self.get(access, &format!("/stream/{id}")).await["stream_url"].clone();
            let answer = self.client.get(url.as_str().unwrap()).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{song}");
            bytes.insert(id.to_owned(), answer.bytes().await.unwrap().to_vec());
        }
        (songs, bytes)
    }
}

async fn tokens(answer: reqwest::Response) -> (String, String) {
    let refresh = refresh_cookie(&answer);
    let body = json_of(answer, StatusCode::OK).await;
    (body["access_token"].as_str().unwrap().to_owned(), refresh.expect("a cookie is set"))
}

fn copy_number(number: usize) -> String {
    format!("SKcopy{number:05}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_moves_to_postgresql_and_s3_and_back_and_nobody_notices() {
    let world = World::new().await;
    let s3 = S3Server::start().unwrap();
    let way_to_s3 = FaultProxy::start(s3.address()).await;
    let database = fresh_database().await.unwrap();
    let home = env([("SONGKEEP_DATA_DIR", world.path("home").display().to_string())]);
    let secret = |name: &str| world.path("home").join("secrets").join(name).display().to_string();
    let away = env([
        ("SONGKEEP_DATA_DIR", world.path("away").display().to_string()),
        ("DATABASE_URL", database.clone()),
        ("S3_ENDPOINT", way_to_s3.endpoint()),
        ("S3_ACCESS_KEY", s3.access_key().to_owned()),
        ("S3_SECRET_KEY", s3.secret_key().to_owned()),
        ("JWT_SECRET_FILE", secret("jwt_secret")),
        ("INTERNAL_SERVICE_SECRET_FILE", secret("internal_service_secret")),
    ]);
    let from = world.folder_place("home");
    let there = ["migrate-data", "--from", &from, "--to", "env"];

    let server = world.serve(&home).await;
    for email in ["ada@example.com", "bob@example.com"] {
        server.sign_up(email).await;
    }
    let (ada, ada_refresh) = server.sign_in("ada@example.com").await;
    let (bob, bob_refresh) = server.sign_in("bob@example.com").await;
    let mut jobs = Vec::new();
    for number in 1..=SONGS {
        jobs.push(server.import(&ada, &copy_number(number)).await);
    }
    for job in &jobs {
        server.has_status(&ada, job, "completed").await;
    }
    let shared = server.import(&bob, &copy_number(1)).await;
    server.has_status(&bob, &shared, "completed").await;
    let edited = server.get(&ada, "/library").await["songs"][0]["id"].as_str().unwrap().to_owned();
    let edit = json!({ "title": "Mine, Ünïcödé 🎵" });
    let answer = server.call(Method::PATCH, &format!("/library/{edited}"), &ada).json(&edit).send().await;
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
    world.youtube.set(&copy_number(SONGS + 1), Behaviour::Private);
    let failed = server.import(&bob, &copy_number(SONGS + 1)).await;
    server.has_status(&bob, &failed, "failed").await;
    let ada_keeps = server.keeps(&ada).await;
    let bob_keeps = server.keeps(&bob).await;
    world.youtube.set_throttle(Some(2_000));
    let running = server.import(&ada, &copy_number(SONGS + 2)).await;
    server.job_when(&ada, &running, |job| job["status"] == "processing").await;

    world.is_refused(&there, &away, "a Songkeep serves from").await;
    server.program.kill().await.unwrap();
    world.youtube.set_throttle(None);

    let said = world.succeeds(&[&there[..], &["--dry-run"]].concat(), &away).await;
    assert!(said.contains("Nothing was changed.") && said.contains(&format!(" {OBJECTS} objects")), "{said}");
    assert_eq!(
        query(&database, "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'").await.unwrap().trim(),
        "0"
    );
    let is_upload = |method: &Method, path: &str| method == Method::PUT && path.contains("/audio/");
    // Killed among the rows, and when some objects are there and others are under way.
    for (moment, may_pass) in [("Copying library_entries", 0), ("Copying audio", 2)] {
        let mut passed = 0;
        way_to_s3.plan(move |method, path| {
            passed += usize::from(is_upload(method, path));
            if is_upload(method, path) && passed > may_pass { Action::Hold } else { Action::Pass }
        });
        let mut moving = Program::start(Path::new(BINARY), there, &away).unwrap();
        moving.wait_for(moment, PATIENCE).await.unwrap();
        let deadline = Instant::now() + PATIENCE;
        while may_pass > 0 && way_to_s3.count(is_upload) < OBJECTS {
            assert!(Instant::now() < deadline, "{} uploads", way_to_s3.count(is_upload));
            sleep(Duration::from_millis(20)).await;
        }
        moving.kill().await.unwrap();
        world.is_refused(&["serve"], &away, "a move into this database has not ended").await;
    }
    way_to_s3.plan(|_, _| Action::Pass);
    let said = world.succeeds(&there, &away).await;
    assert!(!said.contains(&format!(" {OBJECTS} of them copied now")), "some were there: {said}");
    assert!(said.contains("Everything was moved.") && !said.contains("DIFFERENT"), "{said}");
    assert!(!said.contains("Secrets are not copied"), "they are the same: {said}");
    let again = world.succeeds(&[&there[..], &["--verify"]].concat(), &away).await;
    assert!(again.contains("ended before") && again.contains(" 0 of them copied now"), "{again}");

    let server = world.serve(&away).await;
    let (ada, ada_refresh) = server.refresh(&ada_refresh).await;
    let (bob, bob_refresh) = server.refresh(&bob_refresh).await;
    assert_eq!(server.keeps(&bob).await, bob_keeps);
    server.has_status(&ada, &running, "completed").await;
    let (songs, bytes) = server.keeps(&ada).await;
    assert_eq!((&songs[1..], bytes.len()), (&ada_keeps.0[..], SONGS + 1), "and the song of the running job");
    assert!(ada_keeps.1.iter().all(|(id, before)| &bytes[id] == before));
    assert_eq!(server.get(&bob, &format!("/jobs/{failed}")).await["status"], "failed");
    world.youtube.set(&copy_number(SONGS + 1), Behaviour::Normal);
    let retried = server.call(Method::POST, &format!("/jobs/{failed}/retry"), &bob).send().await.unwrap();
    assert!(retried.status().is_success(), "{retried:?}");
    server.has_status(&bob, &failed, "completed").await;
    let (ada_keeps, bob_keeps) = (server.keeps(&ada).await, server.keeps(&bob).await);

    let file = world.path("away.toml");
    let settings = format!(
        "database_url = {database:?}\ns3_endpoint = {:?}\ns3_access_key = {:?}\ns3_secret_key = {:?}\n",
        way_to_s3.endpoint(),
        s3.access_key(),
        s3.secret_key()
    );
    fs::write(&file, settings).unwrap();
    let from = format!("settings:{}", file.display());
    let to = world.folder_place("new");
    let back = ["migrate-data", "--from", &from, "--to", &to, "--verify"];
    world.is_refused(&back, &Env::new(), "a Songkeep uses the database").await;
    server.stop().await;
    let occupied = ["migrate-data", "--from", &from, "--to", &world.folder_place("home")];
    world.is_refused(&occupied, &Env::new(), "the target holds data of its own already").await;
    world.is_refused(&there, &away, "has been used").await;
    let said = world.succeeds(&back, &Env::new()).await;
    assert!(said.contains("Everything was moved.") && said.contains("Secrets are not copied"), "{said}");
    assert!(said.contains(&world.path("new").join("secrets/jwt_secret").display().to_string()), "{said}");

    fs::create_dir(world.path("new").join("secrets")).unwrap();
    for name in ["jwt_secret", "internal_service_secret"] {
        fs::copy(secret(name), world.path("new").join("secrets").join(name)).unwrap();
    }
    let new = env([("SONGKEEP_DATA_DIR", world.path("new").display().to_string())]);
    let server = world.serve(&new).await;
    let (ada, _) = server.refresh(&ada_refresh).await;
    let (bob, _) = server.refresh(&bob_refresh).await;
    assert_eq!(server.keeps(&ada).await, ada_keeps);
    assert_eq!(server.keeps(&bob).await, bob_keeps);
    let linked = server.import(&bob, &copy_number(2)).await;
    server.has_status(&bob, &linked, "completed").await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_objects_are_named_and_hold_nothing_up() {
    let world = World::new().await;
    let home = env([("SONGKEEP_DATA_DIR", world.path("home").display().to_string())]);
    let server = world.serve(&home).await;
    server.sign_up("ada@example.com").await;
    let (ada, _) = server.sign_in("ada@example.com").await;
    for video in world.youtube.videos().iter().take(3) {
        let job = server.import(&ada, &video.id).await;
        server.has_status(&ada, &job, "completed").await;
    }
    server.stop().await;

    let objects = objects_below(&world.path("home").join("blobs/audio"));
    assert_eq!(objects.len(), 3);
    let good = fs::read(&objects[0]).unwrap();
    let mut bad = good.clone();
    bad[good.len() / 2] ^= 1;
    fs::write(&objects[0], &bad).unwrap();
    let aside = world.path("aside");
    fs::rename(&objects[1], &aside).unwrap();
    let name = |at: usize| objects[at].file_name().unwrap().to_str().unwrap();

    let (from, to) = (world.folder_place("home"), world.folder_place("new"));
    let args = ["migrate-data", "--from", &from, "--to", &to];
    let none = Env::new();
    let (succeeded, said) = world.run(&args, &none).await;
    let told: Vec<&str> = said.lines().filter(|line| line.starts_with("BAD ")).collect();
    assert!(!succeeded && told.len() == 2, "{said}");
    assert!(told.iter().any(|line| line.contains(name(0)) && line.contains("is damaged")), "{said}");
    assert!(told.iter().any(|line| line.contains(name(1)) && line.contains("is missing")), "{said}");
    let moved = objects_below(&world.path("new").join("blobs/audio"));
    assert_eq!(moved.len(), 1);
    assert!(moved[0].ends_with(name(2)), "{moved:?}");

    fs::write(&objects[0], &good).unwrap();
    fs::rename(&aside, &objects[1]).unwrap();
    let said = world.succeeds(&args, &none).await;
    assert!(said.contains(" 2 of them copied now"), "{said}");
    // What is damaged in the target is found by looking, and only then.
    fs::write(&moved[0], vec![0; usize::try_from(fs::metadata(&moved[0]).unwrap().len()).unwrap()]).unwrap();
    let said = world.succeeds(&args, &none).await;
    assert!(said.contains(" 0 of them copied now"), "{said}");
    let said = world.succeeds(&[&args[..], &["--verify"]].concat(), &none).await;
    assert!(said.contains(" 1 of them copied now"), "{said}");
    assert_eq!(fs::read(&moved[0]).unwrap(), fs::read(&objects[2]).unwrap());
    assert!(!world.path("new").join("work/moving").exists());

    let nowhere = world.folder_place("nowhere");
    world.is_refused(&["migrate-data", "--from", &nowhere, "--to", &to], &none, "there is no Songkeep").await;
    assert!(!world.path("nowhere").exists());
    world.is_refused(&["migrate-data", "--from", &to, "--to", &to], &none, "the same installation").await;
}

/// Files below a folder with their folders of two letters, by name.
fn objects_below(folder: &Path) -> Vec<PathBuf> {
    let inner = fs::read_dir(folder).unwrap().flatten();
    let files = inner.flat_map(|inner| fs::read_dir(inner.path()).unwrap().flatten());
    let mut files: Vec<PathBuf> = files.map(|file| file.path()).collect();
    files.sort();
    files
}

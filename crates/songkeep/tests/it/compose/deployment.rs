//! The services of the compose files as processes of this machine: each with its exact command and
//! environment, on a loopback address of its own with the ports of its container. Only host names become
//! those addresses, and paths in containers folders of ours. PostgreSQL, Redis and S3 are the test kit's.
//!
//! With `SONGKEEP_TEST_IMAGE` the processes come from that image instead, run by buildah as the image's own
//! account, and paths stay as they are too.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::atomic::{AtomicU8, Ordering},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use songkeep_testkit::{
    fake_youtube::{Catalog, FakeYouTube},
    servers::Place,
};
use tempfile::TempDir;
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, Command},
    time::{sleep, timeout},
};

use super::project::{BASE, PRODUCTION, Project, Service, root};
use crate::kit::test_tools_dir;

/// For a start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
pub const DOMAIN: &str = "music.example.com";
/// Where the edge listens for TLS in its container.
pub const TLS_PORT: u16 = 8443;

/// An address for one process; those of tests that run at the same time differ.
pub fn own_address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(10);
    let [high, low] = [std::process::id() >> 8, std::process::id()].map(|part| part.to_le_bytes()[0]);
    Ipv4Addr::new(127, 64 | high >> 2, low, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A process with what it writes in a file.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    pub fn start(mut command: Command, log: PathBuf) -> Self {
        let file = fs::File::options().create(true).append(true).open(&log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let program = command.as_std().get_program().to_owned();
        let child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        Self { child, log }
    }

    /// What it said last.
    pub fn last_words(&self) -> String {
        let said = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = said.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    fn terminate(&self) {
        let Some(id) = self.child.id() else { return };
        // buildah would kill what it runs; a container's first process hands the signal on.
        let first = descendants(id).into_iter().find(|id| name_of(*id) == "tini").unwrap_or(id);
        if let Some(pid) = i32::try_from(first).ok().and_then(Pid::from_raw) {
            // It may have ended this moment.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// SIGTERM, and all is well when it ends by itself with success.
    pub async fn stop(mut self) {
        self.terminate();
        let status = timeout(PATIENCE, self.child.wait()).await.expect("it ends when asked to").unwrap();
        assert!(status.success(), "{status}\n{}", self.last_words());
    }
}

fn name_of(id: u32) -> String {
    fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default().trim().to_owned()
}

/// Processes that this one started, by any of its threads, and those that they did.
fn descendants(id: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let children = threads.flat_map(|thread| {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        children.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()
    });
    children.flat_map(|child| std::iter::once(child).chain(descendants(child))).collect()
}

impl Drop for Process {
    fn drop(&mut self) {
        // Not killed: it has children that only it can end.
        self.terminate();
    }
}

pub struct Deployment {
    pub project: Project,
    pub youtube: FakeYouTube,
    /// Address of each service's "container".
    pub addresses: BTreeMap<String, Ipv4Addr>,
    pub folder: TempDir,
    running: BTreeMap<String, Process>,
    /// The working container, when the processes come from an image.
    container: Option<String>,
    place: Place,
}

impl Deployment {
    /// All services of production, started in the order of the files, each healthy before those that wait
    /// for it.
    pub async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("songkeep-compose-").tempdir().unwrap();
        let youtube = FakeYouTube::start(Catalog::tiny().await.unwrap()).await.unwrap();
        let place = Place::fresh().await.unwrap();
        let image = std::env::var("SONGKEEP_TEST_IMAGE").ok();
        let authority =
            if image.is_some() { PathBuf::from("/run/authority.pem") } else { youtube.ca_file().to_owned() };
        // What an operator has in .env.
        let settings = [
            ("APP_DOMAIN", DOMAIN.to_owned()),
            ("PUBLIC_STREAM_BASE", format!("https://{DOMAIN}:{TLS_PORT}/api")),
            ("EMAIL_VERIFY_REQUIRED", "0".to_owned()),
            ("LOG_FORMAT", "text".to_owned()),
            ("REDIS_URL", place.redis_url.clone()),
            ("REDIS_NAMESPACE", place.redis_namespace.clone()),
            ("S3_ENDPOINT", place.s3_endpoint.clone()),
            ("S3_BUCKET", place.bucket.clone()),
            ("MINIO_ROOT_USER", place.s3_access_key.clone()),
            ("MINIO_ROOT_PASSWORD", place.s3_secret_key.clone()),
            ("POSTGRES_PASSWORD", "is in the file of the database's address".to_owned()),
            ("IMPORT_UPSTREAM_PROXY", youtube.proxy_url()),
            ("IMPORT_CA_FILE", authority.display().to_string()),
            ("PASSWORD_HASH_MEMORY_KIB", "64".to_owned()),
            ("PASSWORD_HASH_ITERATIONS", "1".to_owned()),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value)).into();
        let project = Project::load(&[BASE, PRODUCTION], &settings).unwrap();
        let addresses = project.services.keys().map(|name| (name.clone(), own_address())).collect();
        let container = match image {
            Some(image) => Some(said(&buildah(["from", "--pull=never", &image]).await)),
            None => None,
        };
        let deployment =
            Self { project, youtube, addresses, folder, running: BTreeMap::new(), container, place };
        deployment.write_secrets().await;
        deployment.start_all().await
    }

    async fn write_secrets(&self) {
        let folder = self.folder.path().join("secrets");
        fs::create_dir(&folder).unwrap();
        write_certificate(&folder);
        for (file, content) in [
            ("jwt_secret", "4b6f2f0d9f4c1c6f7f4a62a4be0f1f9c2d53\n".to_owned()),
            ("internal_service_secret", "b1946ac92492d2347c6235b4d2611184a9f1\n".to_owned()),
            ("database_url", self.place.database_url.clone()),
        ] {
            fs::write(folder.join(file), content).unwrap();
        }
    }

    async fn start_all(mut self) -> Self {
        let order: Vec<String> = self.project.in_order().into_iter().map(str::to_owned).collect();
        for name in order {
            let service = &self.project.services[&name];
            if name == "edge" {
                let edge = self.edge().await;
                self.running.insert(name, edge);
            } else if service.raw["restart"] == "no" {
                let command = service.command.clone();
                let done = self.run(&name, &command, "").await;
                assert!(done.status.success(), "{name}: {done:?}");
            } else if service.is_ours() {
                self.start_service(&name).await;
            }
        }
        self
    }

    pub async fn start_service(&mut self, name: &str) {
        let service = &self.project.services[name];
        let command = self.command(name, service, &service.command);
        let mut process = Process::start(command, self.folder.path().join(format!("{name}.log")));
        let deadline = Instant::now() + PATIENCE;
        // As the image's health check asks.
        while !self.run(name, &["health".to_owned()], "").await.status.success() {
            assert!(!process.has_ended(), "{name} has ended:\n{}", process.last_words());
            assert!(Instant::now() < deadline, "{name} does not become healthy:\n{}", process.last_words());
            sleep(Duration::from_millis(100)).await;
        }
        self.running.insert(name.to_owned(), process);
    }

    pub async fn stop_service(&mut self, name: &str) {
        self.running.remove(name).expect("it runs").stop().await;
    }

    /// Ends all, in the opposite order.
    pub async fn stop(mut self) {
        let order: Vec<String> = self.project.in_order().into_iter().rev().map(str::to_owned).collect();
        for name in order {
            if let Some(process) = self.running.remove(&name) {
                process.stop().await;
            }
        }
        if let Some(container) = &self.container {
            buildah(["rm", container]).await;
        }
    }

    /// `docker compose run --rm SERVICE ARGUMENTS`, with this on its standard input.
    pub async fn run(&self, name: &str, arguments: &[String], input: &str) -> Output {
        let mut command = self.command(name, &self.project.services[name], arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // Commands that read nothing may have ended already.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        timeout(PATIENCE, child.wait_with_output()).await.expect("commands end").unwrap()
    }

    fn command(&self, name: &str, service: &Service, arguments: &[String]) -> Command {
        let data = self.folder.path().join("data").join(name);
        fs::create_dir_all(&data).unwrap();
        let environment = service.environment.iter().map(|(key, value)| (key, self.here(name, value)));
        let Some(container) = &self.container else {
            let mut command = Command::new(env!("CARGO_BIN_EXE_songkeep"));
            let kept = ["PATH", "HOME"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
            command.args(arguments).env_clear().envs(kept).envs(environment);
            return command;
        };
        std::os::unix::fs::chown(&data, Some(10_001), Some(10_001)).unwrap();
        let mut command = Command::new("buildah");
        command.args(["run", "--isolation=chroot", "--network=host"]);
        let secrets = self.folder.path().join("secrets");
        for (from, to) in [
            (secrets.as_path(), "/run/secrets:ro"),
            (self.youtube.ca_file(), "/run/authority.pem:ro"),
            (data.as_path(), "/var/lib/songkeep"),
        ] {
            command.arg(format!("--volume={}:{to}", from.display()));
        }
        command.args(environment.map(|(key, value)| format!("--env={key}={value}")));
        command.args([container, "--"]).args(entrypoint()).args(arguments);
        command
    }

    /// A value as it is where the process runs.
    fn here(&self, name: &str, value: &str) -> String {
        let mut value = value.replace("0.0.0.0:", &format!("{}:", self.addresses[name]));
        for (other, address) in &self.addresses {
            value = value.replace(&format!("//{other}:"), &format!("//{address}:"));
        }
        // The address from which connections to loopback come; in production it is the edge's own.
        if self.project.services["edge"].raw["networks"]["edge"]["ipv4_address"] == value.as_str() {
            return "127.0.0.1".to_owned();
        }
        if self.container.is_none() {
            let folder = self.folder.path();
            value = value
                .replace("/run/secrets", &folder.join("secrets").display().to_string())
                .replace("/var/lib/songkeep", &folder.join("data").join(name).display().to_string())
                .replace("/opt/songkeep/tools", &test_tools_dir().display().to_string());
        }
        value
    }

    /// nginx with the edge's configuration.
    async fn edge(&self) -> Process {
        let folder = self.folder.path();
        let address = self.addresses["edge"];
        let files = folder.join("nginx");
        copy_folder(&root().join("infra/nginx"), &files);
        fs::create_dir(folder.join("edge")).unwrap();
        let config = fs::read_to_string(files.join("edge.conf")).unwrap();
        let mut config = config
            .replace("listen ", &format!("listen {address}:"))
            // First, for the others lead to folders in /tmp.
            .replace("/tmp/", &format!("{}/", folder.join("edge").display()))
            .replace("/run/secrets", &folder.join("secrets").display().to_string())
            .replace("/dev/stdout", &self.access_log().display().to_string());
        for (other, address) in &self.addresses {
            config = config.replace(&format!(" {other}:"), &format!(" {address}:"));
        }
        fs::write(files.join("edge.conf"), config).unwrap();
        let arguments = self.project.services["edge"].command.iter();
        let arguments = arguments.map(|text| text.replace("/etc/nginx/edge", &files.display().to_string()));
        start_nginx(arguments, folder.join("edge.log"), address, 8080).await
    }

    pub fn access_log(&self) -> PathBuf {
        self.folder.path().join("edge-access.log")
    }

    /// Nothing is written where a container's file system is read-only.
    pub async fn assert_image_is_untouched(&self, since: &Path) {
        let Some(container) = &self.container else { return };
        let files = said(&buildah(["mount", container]).await);
        let mut find = Command::new("find");
        find.arg(&files).args(["-xdev", "-type", "f", "-newer"]).arg(since);
        let found = find.output().await.unwrap();
        let written = said(&found);
        let written = written.lines().filter(|file| !file.starts_with(&format!("{files}/tmp/")));
        assert_eq!(written.collect::<Vec<_>>(), Vec::<&str>::new());
    }
}

/// Debian's nginx with these arguments, once it takes connections.
pub async fn start_nginx(
    arguments: impl Iterator<Item = String>,
    log: PathBuf,
    address: Ipv4Addr,
    port: u16,
) -> Process {
    let programs = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"];
    let program = programs.into_iter().find(|path| Path::new(path).exists());
    let program = program.expect("nginx is not installed: install the Debian package `nginx-light`");
    let mut command = Command::new(program);
    command.args(arguments);
    if rustix::process::geteuid().is_root() {
        // Its workers read and write in folders of this test.
        command.args(["-g", "user root;"]);
    }
    let mut process = Process::start(command, log);
    let deadline = Instant::now() + PATIENCE;
    while tokio::net::TcpStream::connect((address, port)).await.is_err() {
        assert!(!process.has_ended(), "nginx has ended:\n{}", process.last_words());
        assert!(Instant::now() < deadline, "nginx does not listen:\n{}", process.last_words());
        sleep(Duration::from_millis(50)).await;
    }
    process
}

/// A certificate for the domain, as `tls.crt` and `tls.key`.
pub fn write_certificate(folder: &Path) {
    let made = rcgen::generate_simple_self_signed([DOMAIN.to_owned()]).unwrap();
    fs::write(folder.join("tls.crt"), made.cert.pem()).unwrap();
    fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
}

/// A client that comes from an address of its own, trusts the certificate and finds the domain at `edge`.
pub fn client(certificates: &Path, edge: Ipv4Addr, own: Ipv4Addr) -> reqwest::Client {
    let certificate = fs::read(certificates.join("tls.crt")).unwrap();
    reqwest::Client::builder()
        .no_proxy()
        .timeout(PATIENCE)
        .local_address(IpAddr::V4(own))
        .resolve(DOMAIN, (edge, 0).into())
        .tls_certs_merge([reqwest::Certificate::from_pem(&certificate).unwrap()])
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap()
}

pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The program and arguments that a container of the image starts with.
pub fn entrypoint() -> Vec<String> {
    let dockerfile = fs::read_to_string(root().join("infra/docker/Dockerfile")).unwrap();
    let line = dockerfile.lines().find_map(|line| line.strip_prefix("ENTRYPOINT ")).unwrap();
    serde_json::from_str(line).unwrap()
}

async fn buildah<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Output {
    let output = Command::new("buildah").args(arguments).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
}

//! A throwaway S3 service (SeaweedFS) for one test process, which may kill it and start it again with
//! its data, or for a whole run (see [`crate::servers`]). It ends when it is dropped or the test process is gone, however that ends. Needs the
//! program `weed`, which `make test` fetches into `target/test-s3`.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use tokio::task::block_in_place;

use crate::ports::free_ports;

const MISSING: &str = "SeaweedFS is not here: `make test-deps` fetches it into target/test-s3.";
/// What the server is given, and nobody else must know.
pub const ACCESS_KEY: &str = "testaccesskey";
pub const SECRET_KEY: &str = "testsecretkey";
/// From a cold start of a busy machine.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Runs its arguments in the folder it is started in until it is told `keep` on standard input, or that
/// ends, which it does with the process that holds it; then the folder goes too.
const SCRIPT: &str = r#"
trap '' PIPE HUP INT TERM
folder=$PWD
"$@" </dev/null >server.log 2>&1 &
pid=$!
echo "pid $pid"
read -r word
kill -KILL "$pid"
wait "$pid"
# It makes these outside of any folder that it is told.
for port in $ports; do rm -f "/tmp/seaweedfs-"*"-$port.sock"; done
[ "$word" = keep ] || { cd /; rm -rf "$folder"; }
"#;

/// The server's listeners besides S3 itself.
const LISTENERS: [&str; 7] = [
    "s3.port.grpc",
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
];

pub struct S3Server {
    folder: PathBuf,
    /// Of S3, then those of `LISTENERS`.
    ports: Vec<u16>,
    running: Option<Running>,
}

struct Running {
    /// Its standard input keeps the server alive.
    watchdog: Child,
    pid: u32,
}

impl S3Server {
    /// Starts an empty server without buckets on free loopback ports, which takes some seconds. Must be
    /// called on a multi-threaded runtime, as all methods.
    ///
    /// # Errors
    /// When SeaweedFS is not there or does not start; the message says what to do.
    pub fn start() -> anyhow::Result<Self> {
        // The script removes it.
        let folder = tempfile::Builder::new().prefix("songkeep-s3-").tempdir()?.keep();
        fs::write(
            folder.join("s3.json"),
            serde_json::json!({ "identities": [{
                "name": "songkeep",
                "credentials": [{ "accessKey": ACCESS_KEY, "secretKey": SECRET_KEY }],
                "actions": ["Admin", "Read", "List", "Tagging", "Write"],
            }] })
            .to_string(),
        )?;
        // Every bucket takes some volumes; one is enough for a test.
        fs::write(folder.join("master.toml"), "[master.volume_growth]\ncopy_1 = 1\n")?;
        let mut server = Self { folder, ports: Vec::new(), running: None };
        let mut failures = String::new();
        // Somebody may take a free port before the server does.
        for _ in 0..3 {
            server.ports = free_ports(1 + LISTENERS.len())?;
            match server.restart() {
                Ok(()) => return Ok(server),
                Err(error) => failures.push_str(&format!("{error:#}\n")),
            }
        }
        bail!("SeaweedFS does not start:\n{failures}")
    }

    /// Base of its address: `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address())
    }

    /// `127.0.0.1:<port>`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    #[must_use]
    pub fn access_key(&self) -> &'static str {
        ACCESS_KEY
    }

    #[must_use]
    pub fn secret_key(&self) -> &'static str {
        SECRET_KEY
    }

    /// Kills it with SIGKILL; what it said is stored stays.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            block_in_place(|| running.end(true));
        }
    }

    /// Starts it again on the same ports with the data that it had; kills it before, when it runs.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.stop();
        self.running = Some(block_in_place(|| self.run())?);
        Ok(())
    }

    fn run(&self) -> anyhow::Result<Running> {
        let program = find_program().context(MISSING)?;
        let folder = &self.folder;
        fs::create_dir_all(folder.join("data"))?;
        let mut watchdog = Command::new("sh")
            .args(["-c", SCRIPT, "songkeep-s3"])
            .arg(program)
            .args(["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-dir=data"])
            .args(["-s3", "-s3.config=s3.json", "-s3.autoCreateBucket=false"])
            .args(["-iam=false", "-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0"])
            .args(["-master.volumeSizeLimitMB=64", "-master.electionTimeout=1s", "-master.telemetry=false"])
            // A full percent, as it wants, is more than some disks have left for a test.
            .arg("-volume.minFreeSpace=50MiB")
            .args(["-volume.max=2000", "-filer.localSocket=filer.sock", "-s3.localSocket=s3.sock"])
            .arg(format!("-s3.port={}", self.ports[0]))
            .args(LISTENERS.iter().zip(&self.ports[1..]).map(|(name, port)| format!("-{name}={port}")))
            .current_dir(folder)
            // For its logs.
            .env("TMPDIR", folder)
            .env("ports", self.ports.iter().map(u16::to_string).collect::<Vec<_>>().join(" "))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Not ended together with the tests, so that it can end the server.
            .process_group(0)
            .spawn()
            .context("sh cannot be run")?;
        let mut line = String::new();
        BufReader::new(watchdog.stdout.take().context("the script has an output")?).read_line(&mut line)?;
        let pid = line.trim_end().strip_prefix("pid ").and_then(|pid| pid.parse().ok());
        let running = Running { watchdog, pid: pid.context("the script tells the process id first")? };
        let deadline = Instant::now() + START_LIMIT;
        while !self.answers() {
            if has_ended(running.pid) || Instant::now() > deadline {
                running.end(true);
                bail!("{}", last_words(&folder.join("server.log")));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(running)
    }

    /// Whether S3 refuses who has no key, and bytes find a place: the parts start one after another.
    fn answers(&self) -> bool {
        let filer = self.ports[1 + LISTENERS.iter().position(|name| *name == "filer.port").unwrap_or(0)];
        let get = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let put =
            "PUT /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 5\r\n\r\nready";
        ask(self.ports[0], get).is_ok_and(|answer| answer.starts_with("HTTP/1.1 403"))
            && ask(filer, put).is_ok_and(|answer| answer.starts_with("HTTP/1.1 201"))
    }
}

impl Running {
    /// Kills the server; its data stays if `keep`.
    fn end(mut self, keep: bool) {
        if let Some(mut input) = self.watchdog.stdin.take()
            && keep
        {
            let _ = input.write_all(b"keep\n");
        }
        // An error means that it is gone already.
        let _ = self.watchdog.wait();
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.end(false);
        } else {
            // Should this fail, a temporary folder is left.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Its parent, the script, waits for input only, so one that ended stays as a zombie.
fn has_ended(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_none_or(|rest| rest.is_empty() || rest.trim_start().starts_with('Z'))
}

/// Sends the request; the beginning of the answer.
fn ask(port: u16, request: &str) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(("127.0.0.1", port))?;
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    connection.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    connection.take(64).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// `SONGKEEP_TEST_S3_DIR`, `test-s3` beside the tests' tools (`SONGKEEP_TEST_TOOLS_DIR`, else
/// `target/test-tools`), then `PATH`.
fn find_program() -> Option<PathBuf> {
    let tools = env::var_os("SONGKEEP_TEST_TOOLS_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-tools"), PathBuf::from);
    let fetched =
        env::var_os("SONGKEEP_TEST_S3_DIR").map_or_else(|| tools.with_file_name("test-s3"), PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    [fetched.join("bin")]
        .into_iter()
        .chain(env::split_paths(&path))
        .map(|folder| folder.join("weed"))
        .find(|file| file.is_file())
        .and_then(|file| file.canonicalize().ok())
}

fn last_words(log: &Path) -> String {
    let said = fs::read(log).unwrap_or_default();
    let tail = said.len().saturating_sub(4_000);
    String::from_utf8_lossy(&said[tail..]).into_owned()
}

//! A throwaway Redis for one test, which may kill it, freeze it and start it again on the same port, or
//! for a whole run (see [`crate::servers`]). It ends when it is dropped or the test process is gone, however that ends. Needs the Debian package
//! `redis-server`; `make test` installs it.

use std::{
    env, fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::ports::free_ports;

const MISSING: &str = "Redis is not installed: install the Debian package `redis-server` (`make test` does).";
/// Valkey is as good.
const PROGRAMS: [&str; 2] = ["redis-server", "valkey-server"];

/// Runs its arguments in the folder it is started in until it is told `keep` on standard input, or that
/// ends, which it does with the process that holds it; then the folder goes too. Gives standard output to
/// them alone, so that it ends with them.
const SCRIPT: &str = r#"
trap '' PIPE HUP INT TERM
folder=$PWD
"$@" </dev/null &
pid=$!
echo "pid $pid"
exec >&-
read -r word
kill -KILL "$pid"
wait "$pid"
[ "$word" = keep ] || { cd /; rm -rf "$folder"; }
"#;

pub struct RedisServer {
    folder: TempDir,
    port: u16,
    tls: bool,
    running: Option<Running>,
}

struct Running {
    /// Its standard input keeps the server alive.
    watchdog: Child,
    pid: u32,
}

impl RedisServer {
    /// Starts an empty server on a free loopback port. Blocks for some milliseconds, as all methods do.
    ///
    /// # Errors
    /// When Redis is not installed or does not start; the message says what to do.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_in(tempfile::tempdir()?, false)
    }

    /// One that speaks only TLS, with a certificate for `localhost` of the authority in
    /// [`Self::authority_file`].
    ///
    /// # Errors
    /// As [`Self::start`], and when Redis is built without TLS.
    pub fn start_with_tls() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        make_certificates(folder.path())?;
        Self::start_in(folder, true)
    }

    fn start_in(folder: TempDir, tls: bool) -> anyhow::Result<Self> {
        let mut server = Self { folder, port: 0, tls, running: None };
        let mut failures = String::new();
        // Somebody may take the free port before the server does.
        for _ in 0..3 {
            server.port = free_ports(1)?[0];
            match server.restart() {
                Ok(()) => return Ok(server),
                Err(error) => failures.push_str(&format!("{error:#}\n")),
            }
        }
        bail!("Redis does not start:\n{failures}")
    }

    #[must_use]
    pub fn url(&self) -> String {
        if self.tls {
            format!("rediss://localhost:{}", self.port)
        } else {
            format!("redis://127.0.0.1:{}", self.port)
        }
    }

    /// PEM; there only with TLS.
    #[must_use]
    pub fn authority_file(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// Kills it with SIGKILL; all data is lost.
    pub fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            if let Some(mut input) = running.watchdog.stdin.take() {
                let _ = input.write_all(b"keep\n");
            }
            // An error means that it is gone already.
            let _ = running.watchdog.wait();
        }
    }

    /// Starts it again on the same port, empty; kills it before, when it runs.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.stop();
        self.running = Some(self.run()?);
        Ok(())
    }

    /// Freezes it with SIGSTOP: it takes connections and answers nothing.
    ///
    /// # Panics
    /// When it does not run.
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Goes on after [`Self::pause`].
    ///
    /// # Panics
    /// When it does not run.
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// Forgets all data (FLUSHALL).
    ///
    /// # Errors
    /// When it cannot be reached, which it cannot with TLS.
    pub fn flush(&self) -> anyhow::Result<()> {
        let mut connection = TcpStream::connect(("127.0.0.1", self.port))?;
        connection.set_read_timeout(Some(Duration::from_secs(10)))?;
        connection.write_all(b"FLUSHALL\r\n")?;
        let mut answer = [0; 5];
        connection.read_exact(&mut answer)?;
        if answer != *b"+OK\r\n" {
            bail!("FLUSHALL was answered by {}", String::from_utf8_lossy(&answer));
        }
        Ok(())
    }

    fn signal(&self, name: &str) {
        let running = self.running.as_ref().expect("the server runs");
        let sent = Command::new("kill").args(["-s", name, &running.pid.to_string()]).status();
        assert!(sent.expect("kill can be run").success(), "SIG{name} was not sent");
    }

    fn run(&self) -> anyhow::Result<Running> {
        let program = find_program().context(MISSING)?;
        let port = self.port.to_string();
        let mut arguments = vec!["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
        if self.tls {
            arguments.extend(["--port", "0", "--tls-port", &port, "--tls-auth-clients", "no"]);
            arguments.extend(["--tls-cert-file", "server.pem", "--tls-key-file", "server.key"]);
            arguments.extend(["--tls-ca-cert-file", "authority.pem"]);
        } else {
            arguments.extend(["--port", &port]);
        }
        let mut watchdog = Command::new("sh")
            .args(["-c", SCRIPT, "songkeep-redis"])
            .arg(program)
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Not ended together with the tests, so that it can end the server.
            .process_group(0)
            .spawn()
            .context("sh cannot be run")?;
        let mut pid = None;
        let mut said = String::new();
        for line in BufReader::new(watchdog.stdout.take().context("the script has an output")?).lines() {
            let line = line?;
            if let Some(number) = line.strip_prefix("pid ") {
                pid = number.parse().ok();
            }
            if line.contains("Ready to accept connections") {
                let pid = pid.context("the script tells the process id first")?;
                return Ok(Running { watchdog, pid });
            }
            said.push_str(&line);
            said.push('\n');
        }
        if let Some(mut input) = watchdog.stdin.take() {
            let _ = input.write_all(b"keep\n");
        }
        watchdog.wait()?;
        bail!("{said}")
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn find_program() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    PROGRAMS
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
}

fn make_certificates(folder: &Path) -> anyhow::Result<()> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let authority_key = KeyPair::generate()?;
    fs::write(folder.join("authority.pem"), authority.self_signed(&authority_key)?.pem())?;
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(["localhost".to_owned()])?.signed_by(&key, &issuer)?;
    fs::write(folder.join("server.pem"), certificate.pem())?;
    fs::write(folder.join("server.key"), key.serialize_pem())?;
    Ok(())
}

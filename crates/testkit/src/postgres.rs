//! Throwaway PostgreSQL: one server that tests share, and servers of their own for tests that stop them.
//! The shared one is that of the whole run (see [`crate::servers`]), else this process starts it when
//! somebody asks. They end when the process is gone, however it ends. Needs the Debian package
//! `postgresql`; `make test` installs it.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{self, Child, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::UNIX_EPOCH,
};

use anyhow::{Context as _, bail};
use tokio::{sync::OnceCell, task::spawn_blocking};

use crate::{
    ports::free_ports,
    servers::{next_number, runs},
};

const MISSING: &str =
    "PostgreSQL is not installed: install the Debian package `postgresql` (`make test` does).";
/// Address of the server that a whole run shares: `postgresql://user@host:port`.
pub const SHARED_URL: &str = "SONGKEEP_TEST_POSTGRES_URL";
/// So many databases of tests that are over may be left on the shared server.
const LEFT: usize = 8;
/// What the server is run as when the tests run as root, which PostgreSQL refuses: the first that exists.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// `$1` folder, `$2` folder of PostgreSQL's programs, `$3` settings, then a command before each of
/// them. Stops and starts the server as it is told, and ends it when standard input ends, which it does
/// with the process that holds it.
const SCRIPT: &str = r#"
trap '' PIPE HUP INT TERM
cd "$1" || exit 1
dir=$1 bin=$2 settings=$3
shift 3
trap '"$@" "$bin/pg_ctl" stop -D "$dir/data" -m immediate >"$dir/stop.log" 2>&1; cd /; rm -rf "$dir"' EXIT
initdb() {
  "$@" -D "$dir/data" -U songkeep --auth=trust --encoding=UTF8 --no-sync --locale=C >"$dir/initdb.log" 2>&1
}
# A language's order, where it is offered, shows what depends on the order of bytes.
initdb "$@" "$bin/initdb" --locale-provider=icu --icu-locale=en-US || initdb "$@" "$bin/initdb" ||
  { cat "$dir/initdb.log"; exit 1; }
printf '%s\n' "$settings" >>"$dir/data/postgresql.conf" || exit 1
start() {
  "$@" "$bin/pg_ctl" start -w -t 60 -D "$dir/data" -l "$dir/server.log" >"$dir/start.log" 2>&1 && return
  cat "$dir/start.log" "$dir/server.log"
  return 1
}
start "$@" || exit 1
echo ready
while read -r word; do
  case $word in
  start) start "$@" && echo ready || echo failed ;;
  stop) "$@" "$bin/pg_ctl" stop -w -D "$dir/data" -m immediate >"$dir/stop.log" 2>&1; echo ready ;;
  esac
done
"#;

/// A server. A clone is the same one; it ends with the last.
#[derive(Clone)]
pub struct PostgresServer(Arc<Server>);

struct Server {
    url: String,
    script: Mutex<Script>,
}

/// Keeps the server alive and is told what to do with it.
struct Script {
    child: Child,
    said: BufReader<ChildStdout>,
}

/// Whether a crash of the server may lose what was committed last.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commits {
    Lasting,
    Fast,
}

static SHARED: OnceCell<PostgresServer> = OnceCell::const_new();

async fn shared_url() -> anyhow::Result<String> {
    if let Ok(url) = env::var(SHARED_URL) {
        return Ok(url);
    }
    let start = || async { spawn_blocking(|| PostgresServer::start_with(Commits::Fast)).await? };
    Ok(SHARED.get_or_try_init(start).await?.url().to_owned())
}

/// Makes an empty database on the shared server; its URL. It goes some time after this process has ended.
///
/// # Errors
/// When PostgreSQL is not installed or does not start; the message says what to do.
pub async fn fresh_database() -> anyhow::Result<String> {
    let url = shared_url().await?;
    drop_left_databases(&url).await?;
    create_database(&url, "template1").await
}

/// As [`fresh_database`], with what `fill` puts into a database, which it does once for all tests of the same
/// program. It must have closed its connections when it is done.
///
/// # Errors
/// As [`fresh_database`], and when `fill` fails.
pub async fn filled_database(fill: impl AsyncFnOnce(&str) -> anyhow::Result<()>) -> anyhow::Result<String> {
    let url = shared_url().await?;
    let template = &template_of_this_program()?;
    let admin = admin_url(&url);
    let known = format!("SELECT count(*) FROM pg_database WHERE datname = '{template}'");
    if query(&admin, &known).await?.trim() == "0" {
        let filled = fresh_database().await?;
        fill(&filled).await?;
        let rename = format!("ALTER DATABASE {} RENAME TO {template}", name_of(&filled));
        // Of several at once only one can; the others' is as good as any database that is left.
        if let Err(error) = query(&admin, &rename).await
            && query(&admin, &known).await?.trim() == "0"
        {
            return Err(error);
        }
    }
    drop_left_databases(&url).await?;
    create_database(&url, template).await
}

/// Another after each change, so that servers may stay while somebody works.
fn template_of_this_program() -> anyhow::Result<String> {
    let file = fs::metadata(env::current_exe()?)?;
    let built = file.modified()?.duration_since(UNIX_EPOCH)?;
    Ok(format!("template_{}_{}", built.as_nanos(), file.len()))
}

fn admin_url(server: &str) -> String {
    format!("{server}/postgres")
}

fn name_of(database: &str) -> &str {
    database.rsplit('/').next().unwrap_or(database)
}

/// The name tells whose it is.
async fn create_database(server: &str, template: &str) -> anyhow::Result<String> {
    let name = format!("test_{}_{}", process::id(), next_number());
    // Another process may have had this one's number.
    query(&admin_url(server), &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
    let create = format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy");
    query(&admin_url(server), &create).await?;
    Ok(format!("{server}/{name}"))
}

async fn drop_left_databases(server: &str) -> anyhow::Result<()> {
    let admin = admin_url(server);
    let names = query(&admin, "SELECT datname FROM pg_database WHERE datname LIKE 'test\\_%'").await?;
    let left = |name: &&str| name.split('_').nth(1).is_some_and(|pid| !runs(pid));
    let left: Vec<&str> = names.lines().filter(left).collect();
    if left.len() > LEFT {
        for name in left {
            // Somebody else may be dropping it this moment.
            let _ = query(&admin, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        }
    }
    Ok(())
}

impl PostgresServer {
    /// Starts a server of one's own on a free loopback port, which takes a second or two and blocks. What is
    /// committed there survives [`Self::stop`].
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start; the message says what to do.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with(Commits::Lasting)
    }

    pub(crate) fn start_with(commits: Commits) -> anyhow::Result<Self> {
        let bin = find_programs().context(MISSING)?;
        let mut failures = String::new();
        // Somebody may take the free port before the server does.
        for _ in 0..3 {
            match start_in(&bin, commits) {
                Ok(server) => return Ok(Self(Arc::new(server))),
                Err(error) => failures.push_str(&format!("{error:#}\n")),
            }
        }
        bail!("PostgreSQL does not start:\n{failures}")
    }

    /// `postgresql://user@host:port`, to which `/` and a database's name must be added.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Ends it at once, as a crash would; its data stay. Blocks for a moment.
    ///
    /// # Errors
    /// When the script that holds it is gone.
    pub fn stop(&self) -> anyhow::Result<()> {
        self.0.tell("stop")
    }

    /// Starts it again on the same port and data; stops it before, when it runs. Blocks for a second.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&self) -> anyhow::Result<()> {
        self.stop()?;
        self.0.tell("start")
    }

    /// Makes an empty database; its URL.
    ///
    /// # Errors
    /// When the server does not run.
    pub async fn fresh_database(&self) -> anyhow::Result<String> {
        create_database(self.url(), "template1").await
    }
}

/// Runs statements on a database; the rows of the last, a line each, with `|` between the columns.
///
/// # Errors
/// When a statement fails.
pub async fn query(url: &str, sql: &str) -> anyhow::Result<String> {
    let bin = find_programs().context(MISSING)?;
    let mut ask = Command::new(bin.join("psql"));
    ask.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql, url]);
    spawn_blocking(move || {
        let answer = ask.stdin(Stdio::null()).output().context("psql cannot be run")?;
        if !answer.status.success() {
            bail!("psql failed: {}", String::from_utf8_lossy(&answer.stderr));
        }
        Ok(String::from_utf8(answer.stdout)?)
    })
    .await?
}

impl Server {
    fn tell(&self, word: &str) -> anyhow::Result<()> {
        let mut script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
        let stdin = script.child.stdin.as_mut().context("the script has an input")?;
        writeln!(stdin, "{word}").context("the script is gone")?;
        script.wait_until_ready()
    }
}

impl Script {
    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let mut said = String::new();
        loop {
            let mut line = String::new();
            match (self.said.read_line(&mut line)?, line.as_str()) {
                (_, "ready\n") => return Ok(()),
                (0, _) | (_, "failed\n") => bail!("{said}"),
                _ => said.push_str(&line),
            }
        }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // An error means that it is gone already.
        let _ = self.child.wait();
    }
}

fn start_in(bin: &Path, commits: Commits) -> anyhow::Result<Server> {
    // The script removes it.
    let dir = tempfile::Builder::new().prefix("songkeep-postgres-").tempdir()?.keep();
    let as_user = unprivileged(&dir)?;
    let port = free_ports(1)?[0];
    let synchronous = if commits == Commits::Lasting { "on" } else { "off" };
    // No test cuts the power, so the system may keep what was written for a while.
    let settings = format!(
        "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{}'\nmax_connections = 500\n\
         fsync = off\nsynchronous_commit = {synchronous}\nfull_page_writes = off\njit = off\n",
        dir.display()
    );
    let mut child = Command::new("sh")
        .args(["-c", SCRIPT, "songkeep-postgres"])
        .args([dir.as_os_str(), bin.as_os_str(), OsStr::new(&settings)])
        .args(if as_user.is_empty() { vec!["env".to_owned()] } else { as_user })
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // Not ended together with the tests, so that it can end the server.
        .process_group(0)
        .spawn()
        .context("sh cannot be run")?;
    let said = BufReader::new(child.stdout.take().context("the script has an output")?);
    let mut script = Script { child, said };
    script.wait_until_ready()?;
    let url = format!("postgresql://songkeep@127.0.0.1:{port}");
    Ok(Server { url, script: Mutex::new(script) })
}

/// What to put before a command so that it does not run as root. Gives `dir` to that user.
fn unprivileged(dir: &Path) -> anyhow::Result<Vec<String>> {
    let own = Command::new("id").arg("-u").output().context("id cannot be run")?;
    if own.stdout.trim_ascii() != b"0" {
        return Ok(Vec::new());
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let find = |name: &&str| {
        let mut fields =
            users.lines().map(|line| line.split(':')).find(|fields| fields.clone().next() == Some(*name))?;
        Some((fields.nth(2)?.parse::<u32>().ok()?, fields.next()?.parse::<u32>().ok()?))
    };
    let (uid, gid) = USERS.iter().find_map(find).context("no user was found that PostgreSQL can run as")?;
    std::os::unix::fs::chown(dir, Some(uid), Some(gid))?;
    let words = ["setpriv", &format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups"];
    Ok(words.map(str::to_owned).to_vec())
}

/// The folder of the newest installed version's programs.
fn find_programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_unstable();
    let packaged = versions.into_iter().rev().map(|(_, bin)| bin);
    let on_path = env::var_os("PATH");
    let on_path: Vec<PathBuf> = on_path.iter().flat_map(env::split_paths).collect();
    packaged
        .chain(on_path)
        .find(|bin| ["initdb", "pg_ctl", "psql"].iter().all(|name| bin.join(name).is_file()))
}

//! A throwaway PostgreSQL: one server for each test process, started by the first who asks, ended when
//! the process is gone, however it ends. Needs the Debian package `postgresql`; `make test` installs it.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context as _, bail};
use tokio::{sync::OnceCell, task::spawn_blocking};

const MISSING: &str =
    "PostgreSQL is not installed: install the Debian package `postgresql` (`make test` does).";
/// What the server is run as when the tests run as root, which PostgreSQL refuses: the first that exists.
const USERS: [&str; 2] = ["postgres", "nobody"];

/// `$1` folder, `$2` folder of PostgreSQL's programs, `$3` settings, then a command before each of
/// them. Ends the server when standard input ends, which it does with the process that holds it.
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
"$@" "$bin/pg_ctl" start -w -t 60 -D "$dir/data" -l "$dir/server.log" >"$dir/start.log" 2>&1 ||
  { cat "$dir/start.log" "$dir/server.log"; exit 1; }
echo ready
read -r _
"#;

struct Server {
    bin: PathBuf,
    port: u16,
    /// Its standard input keeps the server alive.
    _watchdog: Child,
}

static SERVER: OnceCell<Server> = OnceCell::const_new();
static DATABASES: AtomicU32 = AtomicU32::new(1);

/// Makes an empty database; its URL.
///
/// # Errors
/// When PostgreSQL is not installed or does not start; the message says what to do.
pub async fn fresh_database() -> anyhow::Result<String> {
    let server = SERVER.get_or_try_init(|| async { spawn_blocking(start).await? }).await?;
    let name = format!("test_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
    let mut create = Command::new(server.bin.join("createdb"));
    create.args(["-h", "127.0.0.1", "-U", "songkeep", "-p", &server.port.to_string(), &name]);
    let url = format!("postgresql://songkeep@127.0.0.1:{}/{name}", server.port);
    spawn_blocking(move || {
        let created = create.stdin(Stdio::null()).output().context("createdb cannot be run")?;
        if !created.status.success() {
            bail!("createdb failed: {}", String::from_utf8_lossy(&created.stderr));
        }
        Ok(url)
    })
    .await?
}

fn start() -> anyhow::Result<Server> {
    let bin = find_programs().context(MISSING)?;
    let mut failures = String::new();
    // Somebody may take the free port before the server does.
    for _ in 0..3 {
        match start_in(&bin) {
            Ok(server) => return Ok(server),
            Err(error) => failures.push_str(&format!("{error:#}\n")),
        }
    }
    bail!("PostgreSQL does not start:\n{failures}")
}

fn start_in(bin: &Path) -> anyhow::Result<Server> {
    // The script removes it.
    let dir = tempfile::Builder::new().prefix("songkeep-postgres-").tempdir()?.keep();
    let as_user = unprivileged(&dir)?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let settings = format!(
        "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{}'\nmax_connections = 300\n\
         fsync = off\nsynchronous_commit = off\nfull_page_writes = off\njit = off\n",
        dir.display()
    );
    let mut watchdog = Command::new("sh")
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
    let mut said = String::new();
    for line in BufReader::new(watchdog.stdout.take().context("the script has an output")?).lines() {
        let line = line?;
        if line == "ready" {
            return Ok(Server { bin: bin.to_owned(), port, _watchdog: watchdog });
        }
        said.push_str(&line);
        said.push('\n');
    }
    watchdog.wait()?;
    bail!("{said}")
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
        .find(|bin| ["initdb", "pg_ctl", "createdb"].iter().all(|name| bin.join(name).is_file()))
}

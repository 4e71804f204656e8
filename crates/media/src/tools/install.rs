//! Fetches a set of packages into a folder of its own, which gets its name when it is complete.

use std::{
    ffi::OsString,
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use songkeep_sandbox::{ChildSpec, Launcher, Limits, Pipe};
use tokio::io::{AsyncBufReadExt, BufReader};

use super::{
    ToolError, ToolErrorKind, environment,
    packages::{Package, requirements},
    python::Python,
};

/// For one run of the installer; about 110 MB are fetched.
const INSTALL_TIMEOUT: Duration = Duration::from_secs(30 * 60);
const VENV_TIMEOUT: Duration = Duration::from_secs(180);
const LOCK_POLL: Duration = Duration::from_millis(250);
const MAX_OUTPUT: usize = 64 * 1024;
/// Lines of the installer that are kept to explain a failure.
const KEPT_LINES: usize = 12;
const CPU_SECS: u64 = 20 * 60;
/// Sets that are kept, with the current one.
const KEPT_SETS: usize = 2;
/// What folders being filled end with, before a process number.
const UNFINISHED: &str = ".tmp-";

/// Held while something in the tools' folder changes, by one process of all that share it.
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Waits until no other process holds it; `waiting` is called once when one does.
    pub async fn take(tools_dir: &Path, waiting: impl FnOnce()) -> Result<Self, ToolError> {
        let path = tools_dir.join("lock");
        let file = File::create(&path).map_err(|error| ToolError::folder(&path, &error))?;
        let mut waiting = Some(waiting);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::WouldBlock) => {
                    if let Some(waiting) = waiting.take() {
                        waiting();
                    }
                    tokio::time::sleep(LOCK_POLL).await;
                }
                Err(TryLockError::Error(error)) => return Err(ToolError::folder(&path, &error)),
            }
        }
    }
}

/// A folder being filled; removed unless it gets its name.
pub struct Unfinished {
    pub path: PathBuf,
    finished: bool,
}

impl Unfinished {
    /// Makes an empty folder beside the sets, and removes what earlier attempts left behind.
    pub fn create(tools_dir: &Path, set: &str, _lock: &Lock) -> Result<Self, ToolError> {
        for entry in std::fs::read_dir(tools_dir).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().contains(UNFINISHED) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
        let path = tools_dir.join(format!("{set}{UNFINISHED}{}", std::process::id()));
        std::fs::create_dir(&path).map_err(|error| ToolError::folder(&path, &error))?;
        Ok(Self { path, finished: false })
    }

    /// Gives it its name, and makes it the current one.
    pub fn finish(mut self, tools_dir: &Path, set: &str) -> Result<PathBuf, ToolError> {
        let target = tools_dir.join(set);
        let _ = std::fs::remove_dir_all(&target);
        std::fs::rename(&self.path, &target).map_err(|error| ToolError::folder(&target, &error))?;
        self.finished = true;
        point_current(tools_dir, set)
            .map_err(|error| ToolError::folder(&tools_dir.join("current"), &error))?;
        remove_old_sets(tools_dir, set);
        Ok(target)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.finished {
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Installs packages into `folder/site`. `step` hears what is being done, in order.
pub async fn install(
    launcher: Launcher,
    python: &Python,
    packages: &[Package],
    folder: &Path,
    environment: &[(OsString, OsString)],
    mut step: impl FnMut(String),
) -> Result<(), ToolError> {
    let work = folder.join("work");
    std::fs::create_dir(&work).map_err(|error| ToolError::folder(&work, &error))?;
    let list = work.join("requirements.txt");
    std::fs::write(&list, requirements(packages)).map_err(|error| ToolError::folder(&list, &error))?;

    step("setting up the installer".to_owned());
    let installer = Installer { launcher, environment, work: &work };
    let pip = installer.find_pip(python).await?;
    let spec = installer
        .command(&pip)
        .args(["-m", "pip", "install", "--no-deps", "--only-binary", ":all:", "--no-input"])
        .args(["--disable-pip-version-check", "--no-warn-script-location", "--progress-bar", "off"])
        .args(["--root-user-action", "ignore"])
        .arg("--target")
        .arg(folder.join("site"))
        .arg("--requirement")
        .arg(&list);
    installer.watch(spec, &mut step).await?;
    std::fs::remove_dir_all(&work).map_err(|error| ToolError::folder(&work, &error))
}

struct Installer<'a> {
    launcher: Launcher,
    environment: &'a [(OsString, OsString)],
    /// Holds the installer's own files, on the disk that the set is for.
    work: &'a Path,
}

impl Installer<'_> {
    fn command(&self, python: &Path) -> ChildSpec {
        ChildSpec::new(python)
            .arg("-I")
            .envs(environment::for_installer(self.environment))
            .env("TMPDIR", self.work)
            .env("PYTHONUNBUFFERED", "1")
            .cwd(self.work)
            .limits(Limits { cpu_secs: Some(CPU_SECS), ..Limits::default() })
    }

    /// An interpreter that has pip: of a throw-away environment, where the system's Python can make one,
    /// else the system's own.
    async fn find_pip(&self, python: &Python) -> Result<PathBuf, ToolError> {
        let venv = self.work.join("installer");
        let make = self.command(&python.path).args(["-m", "venv", "--clear"]).arg(&venv);
        let own = venv.join("bin/python");
        if self.succeeds(make, VENV_TIMEOUT).await && self.has_pip(&own).await {
            return Ok(own);
        }
        if self.has_pip(&python.path).await {
            return Ok(python.path.clone());
        }
        let reason = format!("{} has neither venv nor pip", python.path.display());
        Err(ToolError::new(ToolErrorKind::Python, reason))
    }

    async fn has_pip(&self, python: &Path) -> bool {
        self.succeeds(self.command(python).args(["-m", "pip", "--version"]), VENV_TIMEOUT).await
    }

    async fn succeeds(&self, spec: ChildSpec, timeout: Duration) -> bool {
        self.launcher.run(spec, timeout, MAX_OUTPUT).await.is_ok_and(|finished| finished.status.success())
    }

    /// Runs pip and tells what it collects.
    async fn watch(&self, spec: ChildSpec, step: &mut impl FnMut(String)) -> Result<(), ToolError> {
        let fault = |text: String| ToolError::new(ToolErrorKind::Install, text);
        let mut child = self
            .launcher
            .spawn(&spec.stdout(Pipe::Piped).stderr(Pipe::Piped))
            .map_err(|error| fault(error.to_string()))?;
        let (Some(stdout), Some(stderr)) = (child.take_stdout(), child.take_stderr()) else {
            return Err(fault("the installer has no output".to_owned()));
        };
        let complaints = async {
            let mut lines = BufReader::new(stderr).lines();
            let mut kept = Vec::new();
            while let Ok(Some(line)) = lines.next_line().await {
                if kept.len() == KEPT_LINES {
                    kept.remove(0);
                }
                kept.push(line.trim().to_owned());
            }
            kept
        };
        let progress = async {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if let Some(package) = line.strip_prefix("Collecting ") {
                    let name = package.split(['=', ' ', '<', '>']).next().unwrap_or(package);
                    step(format!("fetching {name}"));
                } else if line.starts_with("Installing collected packages") {
                    step("unpacking".to_owned());
                }
            }
        };
        let work = async { tokio::join!(complaints, progress, child.wait()) };
        let (complaints, (), status) = tokio::time::timeout(INSTALL_TIMEOUT, work).await.map_err(|_| {
            ToolError::new(ToolErrorKind::Network, "fetching the packages took longer than 30 minutes")
        })?;
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(installer_failure(&complaints)),
            Err(error) => Err(fault(error.to_string())),
        }
    }
}

/// Reads pip's complaints. An index that cannot be reached ends in "no matching distribution" as well.
fn installer_failure(complaints: &[String]) -> ToolError {
    const UNREACHABLE: [&str; 9] = [
        "connection broken",
        "NewConnectionError",
        "NameResolutionError",
        "Failed to establish a new connection",
        "Max retries exceeded",
        "CERTIFICATE_VERIFY_FAILED",
        "ProxyError",
        "ReadTimeoutError",
        "Could not find a version that satisfies",
    ];
    let said = |needles: &[&str]| complaints.iter().any(|line| needles.iter().any(|n| line.contains(n)));
    let kind = if said(&["No space left on device", "Disk quota exceeded"]) {
        ToolErrorKind::DiskFull
    } else if said(&UNREACHABLE) {
        ToolErrorKind::Network
    } else {
        ToolErrorKind::Install
    };
    let mut reason = String::from("the packages could not be installed");
    let last = complaints.iter().rev().find(|line| line.contains("ERROR")).or_else(|| complaints.last());
    if let Some(last) = last {
        reason.push_str(": ");
        reason.extend(last.chars().take(300));
    }
    ToolError::new(kind, reason)
}

fn point_current(tools_dir: &Path, set: &str) -> io::Result<()> {
    let beside = tools_dir.join(format!("current{UNFINISHED}{}", std::process::id()));
    let _ = std::fs::remove_file(&beside);
    std::os::unix::fs::symlink(set, &beside)?;
    std::fs::rename(&beside, tools_dir.join("current"))
}

/// The newest besides the current one stays: processes that started with it may still run.
fn remove_old_sets(tools_dir: &Path, current: &str) {
    let mut others: Vec<_> = std::fs::read_dir(tools_dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join("site").is_dir() && entry.file_name() != current)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    others.sort();
    let keep = KEPT_SETS - 1;
    for (_, path) in others.iter().rev().skip(keep) {
        let _ = std::fs::remove_dir_all(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_that_cannot_be_reached_is_told_from_other_failures() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let offline = installer_failure(&lines(
            "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after \
             connection broken by 'NewConnectionError(...): Failed to establish a new connection: [Errno -3] \
             Temporary failure in name resolution')': /simple/yt-dlp/\n\
             ERROR: Could not find a version that satisfies the requirement yt-dlp==2026.10.26 (from versions: none)\n\
             ERROR: No matching distribution found for yt-dlp==2026.10.26",
        ));
        assert_eq!(offline.kind, ToolErrorKind::Network);
        assert!(offline.remedy.contains("HTTPS_PROXY"), "{}", offline.remedy);
        let full = installer_failure(&lines(
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
        ));
        assert_eq!(full.kind, ToolErrorKind::DiskFull);
        assert_eq!(installer_failure(&lines("ERROR: something else")).kind, ToolErrorKind::Install);
        assert_eq!(installer_failure(&[]).kind, ToolErrorKind::Install);
    }

    #[tokio::test]
    async fn an_unfinished_set_leaves_nothing_and_a_finished_one_becomes_current() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let lock = Lock::take(dir.path(), || ()).await.expect("the lock");
        for set in ["a-1", "b-2", "c-3"] {
            let folder = Unfinished::create(dir.path(), set, &lock).expect("a folder");
            std::fs::create_dir(folder.path.join("site")).expect("its packages");
            drop(Unfinished::create(dir.path(), "never", &lock).expect("a folder"));
            let folder = if folder.path.exists() {
                folder
            } else {
                let folder = Unfinished::create(dir.path(), set, &lock).expect("a folder");
                std::fs::create_dir(folder.path.join("site")).expect("its packages");
                folder
            };
            folder.finish(dir.path(), set).expect("its name");
        }
        let mut names: Vec<_> = std::fs::read_dir(dir.path())
            .expect("the folder")
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        assert_eq!(names, ["b-2", "c-3", "current", "lock"]);
        assert_eq!(std::fs::read_link(dir.path().join("current")).expect("a link"), Path::new("c-3"));
    }

    #[tokio::test]
    async fn the_lock_is_held_by_one_at_a_time() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let first = Lock::take(dir.path(), || ()).await.expect("the lock");
        let mut waited = false;
        let second = Lock::take(dir.path(), || waited = true);
        assert!(tokio::time::timeout(Duration::from_millis(50), second).await.is_err());
        assert!(waited);
        drop(first);
        Lock::take(dir.path(), || ()).await.expect("the lock again");
    }
}

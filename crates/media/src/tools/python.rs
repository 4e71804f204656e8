//! Finds a Python that is new enough.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use songkeep_sandbox::{ChildSpec, Launcher, find_program};

use super::{ToolError, ToolErrorKind, environment};

/// The oldest that the download tool runs on.
const OLDEST: (u32, u32) = (3, 11);
const NAMES: [&str; 6] = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python"];
/// Looked at besides the search path, which a service manager may have left empty.
const USUAL: [&str; 2] = ["/usr/bin/python3", "/usr/local/bin/python3"];
const PROBE_TIMEOUT: Duration = Duration::from_secs(20);
/// Its answer names the interpreter itself: what was started may be a shim.
const PROBE: &str = "\
import json, sys, sysconfig
print(json.dumps({
    'executable': sys.executable,
    'version': list(sys.version_info[:3]),
    'tag': '%s-%s' % (sys.implementation.cache_tag, sysconfig.get_platform()),
}))";

/// An interpreter that was asked who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Python {
    pub path: PathBuf,
    /// Packages with compiled parts belong to one of these, e.g. `cpython-311-linux-x86_64`.
    pub tag: String,
}

#[derive(Deserialize)]
struct Answer {
    executable: PathBuf,
    version: (u32, u32, u32),
    tag: String,
}

/// The first on the search path that is new enough.
pub async fn find_python(
    launcher: Launcher,
    environment: &[(OsString, OsString)],
) -> Result<Python, ToolError> {
    let search_path = environment::search_path(environment);
    let mut candidates: Vec<PathBuf> =
        NAMES.iter().filter_map(|name| find_program(name, search_path)).collect();
    candidates.extend(USUAL.iter().map(PathBuf::from).filter(|path| path.exists()));
    candidates.dedup();
    let mut too_old = None;
    for candidate in candidates {
        let Some(answer) = probe(launcher, &candidate, environment).await else { continue };
        let (major, minor, _) = answer.version;
        if (major, minor) >= OLDEST {
            return Ok(Python { path: answer.executable, tag: answer.tag });
        }
        too_old.get_or_insert_with(|| {
            format!("{} is Python {major}.{minor}, which is too old", candidate.display())
        });
    }
    let reason = too_old.unwrap_or_else(|| "there is no Python on this machine".to_owned());
    Err(ToolError::new(ToolErrorKind::Python, reason))
}

/// Asks one interpreter.
pub async fn ask_python(
    launcher: Launcher,
    path: &Path,
    environment: &[(OsString, OsString)],
) -> Result<Python, ToolError> {
    match probe(launcher, path, environment).await {
        Some(answer) => Ok(Python { path: answer.executable, tag: answer.tag }),
        None => {
            Err(ToolError::new(ToolErrorKind::Downloader, format!("{} is no working Python", path.display())))
        }
    }
}

async fn probe(launcher: Launcher, path: &Path, environment: &[(OsString, OsString)]) -> Option<Answer> {
    let spec =
        ChildSpec::new(path).args(["-I", "-c", PROBE]).envs(environment::for_installer(environment)).cwd("/");
    let finished = launcher.run(spec, PROBE_TIMEOUT, 64 * 1024).await.ok()?;
    if !finished.status.success() {
        return None;
    }
    serde_json::from_slice(&finished.stdout).ok()
}

//! Tries out a set of tools before it is used: versions, and the whole downloader on a player of our own.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use songkeep_sandbox::{ChildSpec, Finished, Launcher};

use super::{ToolError, ToolErrorKind};

const CHECK: &str = include_str!("check.py");
const VERSION_TIMEOUT: Duration = Duration::from_secs(30);
const CHECK_TIMEOUT: Duration = Duration::from_secs(120);
const MAX_OUTPUT: usize = 64 * 1024;
/// Older ones are ignored by yt-dlp without a word.
const OLDEST_DENO: (u32, u32) = (2, 3);
const OLDEST_NODE: (u32, u32) = (22, 0);
/// Puts Opus into MP4 without being asked twice.
const OLDEST_FFMPEG: (u32, u32) = (5, 0);

/// What runs the player's JavaScript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JsRuntime {
    /// As yt-dlp calls it: `deno` or `node`.
    pub name: String,
    pub path: PathBuf,
    pub version: String,
}

/// How the downloader's Python is started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interpreter {
    pub python: PathBuf,
    /// Folder or archive that holds the packages; None when the interpreter has them itself.
    pub site: Option<PathBuf>,
}

impl Interpreter {
    /// A start without anything of the user's, and without the machine's packages where we have our own.
    pub(crate) fn command(&self, home: &Path) -> ChildSpec {
        let spec = ChildSpec::new(&self.python).args(["-I", "-B"]);
        let spec = if self.site.is_some() { spec.arg("-S") } else { spec };
        spec.env("PATH", "/usr/bin:/bin")
            .env("LANG", "C.UTF-8")
            .env("HOME", home)
            .env("TMPDIR", home)
            .env("DENO_DIR", home.join("deno"))
            .env("DENO_NO_UPDATE_CHECK", "1")
            .env("NO_COLOR", "1")
            .env("YTDLP_NO_PLUGINS", "1")
            .cwd(home)
    }
}

/// What the downloader says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Downloader {
    pub version: String,
    /// The roots that it trusts, as a PEM file.
    pub certificates: Option<PathBuf>,
    challenge: Option<String>,
}

/// Asks a JavaScript runtime for its name and version.
pub async fn check_js_runtime(launcher: Launcher, path: &Path) -> Result<JsRuntime, ToolError> {
    let fault = |reason: String| ToolError::new(ToolErrorKind::JsRuntime, reason);
    let text = first_line(launcher, path, "--version").await.map_err(fault)?;
    let (name, version, oldest) = match text.strip_prefix("deno ") {
        Some(rest) => ("deno", rest.split_whitespace().next().unwrap_or_default(), OLDEST_DENO),
        None => match text.strip_prefix('v') {
            Some(version) => ("node", version, OLDEST_NODE),
            None => return Err(fault(format!("{} is neither deno nor node", path.display()))),
        },
    };
    match major_minor(version) {
        Some(found) if found >= oldest => {
            Ok(JsRuntime { name: name.to_owned(), path: path.to_owned(), version: version.to_owned() })
        }
        _ => Err(fault(format!("{name} {version} ({}) is too old", path.display()))),
    }
}

/// Asks ffmpeg for its version.
pub async fn check_ffmpeg(launcher: Launcher, path: &Path) -> Result<String, ToolError> {
    let fault = |reason: String| ToolError::new(ToolErrorKind::Ffmpeg, reason);
    let text = first_line(launcher, path, "-version").await.map_err(fault)?;
    let version = text
        .strip_prefix("ffmpeg version ")
        .and_then(|rest| rest.split_whitespace().next())
        .ok_or_else(|| fault(format!("{} is not ffmpeg", path.display())))?;
    // Builds of no release have a number without a dot, and are newer.
    match major_minor(version.trim_start_matches('n')) {
        Some(found) if found < OLDEST_FFMPEG => {
            Err(fault(format!("ffmpeg {version} ({}) is too old", path.display())))
        }
        _ => Ok(version.to_owned()),
    }
}

/// Imports the downloader and has it solve a challenge. `home` is a folder that may be written.
pub async fn check_downloader(
    launcher: Launcher,
    interpreter: &Interpreter,
    runtime: &JsRuntime,
    home: &Path,
) -> Result<Downloader, ToolError> {
    let fault = |reason: String| ToolError::new(ToolErrorKind::Downloader, reason);
    let wanted = serde_json::json!({
        "site": interpreter.site,
        "runtime": { "name": runtime.name, "path": runtime.path },
    });
    let spec = interpreter.command(home).args(["-c", CHECK]).arg(wanted.to_string());
    let finished = launcher
        .run(spec, CHECK_TIMEOUT, MAX_OUTPUT)
        .await
        .map_err(|error| fault(format!("yt-dlp cannot be tried out: {error}")))?;
    if !finished.status.success() {
        return Err(fault(format!("yt-dlp cannot be loaded: {}", last_words(&finished))));
    }
    let said = finished.stdout_text();
    let downloader: Downloader = serde_json::from_str(said.lines().last().unwrap_or_default())
        .map_err(|_| fault(format!("yt-dlp said something else than expected: {}", last_words(&finished))))?;
    match downloader.challenge {
        Some(why) => Err(fault(format!(
            "yt-dlp {} cannot run a player's code in {} {}: {why}",
            downloader.version, runtime.name, runtime.version
        ))),
        None => Ok(downloader),
    }
}

/// The end of what a program said on stderr.
pub(super) fn last_words(finished: &Finished) -> String {
    let text = finished.stderr_text();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(4);
    if lines.is_empty() { format!("it ended with {}", finished.status) } else { lines[from..].join(" / ") }
}

async fn first_line(launcher: Launcher, path: &Path, question: &str) -> Result<String, String> {
    let spec = ChildSpec::new(path)
        .arg(question)
        .env("PATH", "/usr/bin:/bin")
        .env("DENO_NO_UPDATE_CHECK", "1")
        .env("NO_COLOR", "1")
        .cwd("/");
    let finished =
        launcher.run(spec, VERSION_TIMEOUT, MAX_OUTPUT).await.map_err(|error| error.to_string())?;
    if !finished.status.success() {
        return Err(format!("{} does not run: {}", path.display(), last_words(&finished)));
    }
    Ok(finished.stdout_text().lines().next().unwrap_or_default().trim().to_owned())
}

fn major_minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    async fn runtime_saying(text: &str) -> Result<JsRuntime, ToolError> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("runtime");
        std::fs::write(&path, format!("#!/bin/sh\necho '{text}'\n")).expect("a script");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("its mode");
        check_js_runtime(Launcher::new(), &path).await
    }

    #[test]
    fn versions_are_read_from_many_forms() {
        assert_eq!(major_minor("2.9.8"), Some((2, 9)));
        assert_eq!(major_minor("5.1.9-0+deb12u1"), Some((5, 1)));
        assert_eq!(major_minor("9.0.2-17-g2a571b6068-20260930"), Some((9, 0)));
        assert_eq!(major_minor("N-120000-gabcdef"), None);
    }

    #[tokio::test]
    async fn runtimes_that_the_downloader_would_ignore_are_refused() {
        assert_eq!(
            runtime_saying("deno 2.3.0 (stable)").await.map(|found| found.name),
            Ok("deno".to_owned())
        );
        assert_eq!(runtime_saying("v22.1.0").await.map(|found| found.version), Ok("22.1.0".to_owned()));
        for text in ["deno 2.2.9", "v20.20.2", "1.2.11", ""] {
            let error = runtime_saying(text).await.expect_err(text);
            assert_eq!(error.kind, ToolErrorKind::JsRuntime, "{text}");
        }
    }
}

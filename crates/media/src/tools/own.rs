//! Finds its way around in tools as they come: the operator's yt-dlp in its several forms, and the binary
//! in a package of ffmpeg.

use std::{
    ffi::OsString,
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use songkeep_sandbox::Launcher;

use super::{
    Interpreter, ToolError, ToolErrorKind,
    python::{Python, ask_python},
};

/// What an archive of Python modules has near its beginning, after an optional line that names Python.
const ZIP_MAGIC: &[u8] = b"PK\x03\x04";
const HEAD_BYTES: u64 = 512;

/// A text that changes when a tool does.
#[must_use]
pub fn face(path: &Path) -> String {
    path.metadata().map_or_else(
        |_| format!("{} is missing", path.display()),
        |found| format!("{} {} {}", path.display(), found.len(), found.mtime()),
    )
}

/// The program in the package of ffmpeg, whose name has its version.
pub fn bundled_ffmpeg(site: &Path) -> Result<PathBuf, ToolError> {
    std::fs::read_dir(site.join("imageio_ffmpeg/binaries"))
        .into_iter()
        .flatten()
        .flatten()
        .find(|entry| entry.file_name().to_string_lossy().starts_with("ffmpeg-"))
        .map(|entry| entry.path())
        .ok_or_else(|| {
            ToolError::new(ToolErrorKind::Ffmpeg, "the package of ffmpeg has no program for this machine")
        })
}

/// How to use yt-dlp as a Python package: a folder or an archive with the package, or a script whose first
/// line names the Python that has it.
pub async fn interpreter(
    launcher: Launcher,
    path: &Path,
    python: &Python,
    environment: &[(OsString, OsString)],
) -> Result<Interpreter, ToolError> {
    let fault =
        |reason: &str| ToolError::new(ToolErrorKind::Downloader, format!("{} {reason}", path.display()));
    if path.is_dir() {
        return if path.join("yt_dlp/__init__.py").is_file() {
            Ok(Interpreter { python: python.path.clone(), site: Some(path.to_owned()) })
        } else {
            Err(fault("has no package yt_dlp"))
        };
    }
    let mut head = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut head))
        .map_err(|error| ToolError::new(ToolErrorKind::Downloader, format!("{}: {error}", path.display())))?;
    if head.windows(ZIP_MAGIC.len()).any(|window| window == ZIP_MAGIC) {
        return Ok(Interpreter { python: python.path.clone(), site: Some(path.to_owned()) });
    }
    let line = head.strip_prefix(b"#!").and_then(|rest| rest.split(|byte| *byte == b'\n').next());
    let Some(line) = line.and_then(|line| std::str::from_utf8(line).ok()) else {
        return Err(fault("is not a Python program"));
    };
    let program = line.split_whitespace().next().unwrap_or_default();
    if Path::new(program).file_name().is_some_and(|name| name == "env") {
        return Ok(Interpreter { python: python.path.clone(), site: None });
    }
    let own = ask_python(launcher, Path::new(program), environment).await?;
    Ok(Interpreter { python: own.path, site: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(path: &Path) -> Result<Interpreter, ToolError> {
        let python = Python { path: "/usr/bin/python3".into(), tag: String::new() };
        interpreter(Launcher::new(), path, &python, &[]).await
    }

    #[tokio::test]
    async fn an_operators_downloader_may_have_several_forms() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let archive = dir.path().join("yt-dlp");
        std::fs::write(&archive, b"#!/usr/bin/env python3\nPK\x03\x04rest").expect("an archive");
        assert_eq!(read(&archive).await.expect("an archive").site, Some(archive));

        let folder = dir.path().join("site");
        assert!(read(&folder).await.is_err(), "missing");
        std::fs::create_dir_all(folder.join("yt_dlp")).expect("a package");
        assert!(read(&folder).await.is_err(), "no package");
        std::fs::write(folder.join("yt_dlp/__init__.py"), "").expect("a package");
        assert_eq!(read(&folder).await.expect("a folder").site, Some(folder));

        let script = dir.path().join("script");
        std::fs::write(&script, "#!/usr/bin/env python3\nimport yt_dlp\n").expect("a script");
        assert_eq!(read(&script).await.expect("a script").site, None);

        let binary = dir.path().join("binary");
        std::fs::write(&binary, b"\x7fELF\x02\x01\x01").expect("a binary");
        assert_eq!(read(&binary).await.expect_err("a binary").kind, ToolErrorKind::Downloader);
    }
}

//! Starts children.

use std::{
    ffi::OsStr,
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::Pid;

use crate::{Child, ChildSpec};

/// Why a child could not be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    #[error("there is no program {}", program.display())]
    NoProgram { program: PathBuf },
    #[error("{} cannot be started", program.display())]
    Failed {
        program: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Starts children. Rules that hold for all of them go in here (file and network rules of the kernel
/// are still to come).
#[derive(Clone, Copy, Debug, Default)]
pub struct Launcher;

impl Launcher {
    #[must_use]
    pub const fn new() -> Self {
        Self
    }

    /// Starts the child. Must be called within a tokio runtime, which collects it at its end.
    ///
    /// # Errors
    /// When the program does not exist or cannot be started, or its limits cannot be set.
    pub fn spawn(&self, spec: &ChildSpec) -> Result<Child, SpawnError> {
        let mut command = Command::new(&spec.program);
        command
            .args(&spec.args)
            .env_clear()
            .envs(spec.env.iter().map(|(name, value)| (name, value)))
            .stdin(spec.stdin)
            .stdout(spec.stdout)
            .stderr(spec.stderr);
        if let Some(cwd) = &spec.cwd {
            command.current_dir(cwd);
        }
        let mut command = tokio::process::Command::from(command);
        command.process_group(0).kill_on_drop(true);

        let failed = |source: io::Error| SpawnError::Failed { program: spec.program.clone(), source };
        let inner = command.spawn().map_err(|source| {
            // A missing folder is told by the same code.
            if source.kind() == io::ErrorKind::NotFound && !spec.program.exists() {
                SpawnError::NoProgram { program: spec.program.clone() }
            } else {
                failed(source)
            }
        })?;
        let pid = inner
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .and_then(Pid::from_raw)
            .ok_or_else(|| failed(io::Error::other("the child has no process id")))?;
        // From here on the group dies with `child`, whatever happens.
        let child = Child::new(inner, pid);
        match spec.limits.apply(pid) {
            // It has ended already.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => Ok(child),
            Err(error) => Err(failed(error)),
            Ok(()) => Ok(child),
        }
    }
}

/// Looks a program up in a list of folders as in `PATH`; a name with a slash stands for itself.
#[must_use]
pub fn find_program(name: &str, search_path: &OsStr) -> Option<PathBuf> {
    if name.contains('/') {
        let path = PathBuf::from(name);
        return is_executable(&path).then_some(path);
    }
    std::env::split_paths(search_path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

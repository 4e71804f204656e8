//! What is to be started, and how.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
};

use crate::Limits;

/// Where one of a child's three standard streams leads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pipe {
    /// Nothing comes in, what goes out is lost.
    #[default]
    Null,
    /// To the [`Child`](crate::Child).
    Piped,
}

impl From<Pipe> for Stdio {
    fn from(pipe: Pipe) -> Self {
        match pipe {
            Pipe::Null => Self::null(),
            Pipe::Piped => Self::piped(),
        }
    }
}

/// A program with its arguments, environment, folder, streams and limits. Arguments are handed over
/// as they are; no shell is involved.
#[derive(Clone, Debug)]
pub struct ChildSpec {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    pub(crate) env: Vec<(OsString, OsString)>,
    pub(crate) cwd: Option<PathBuf>,
    pub(crate) stdin: Pipe,
    pub(crate) stdout: Pipe,
    pub(crate) stderr: Pipe,
    pub(crate) limits: Limits,
}

impl ChildSpec {
    /// `program` is a path; a bare name is looked up by [`find_program`](crate::find_program) before.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: None,
            stdin: Pipe::Null,
            stdout: Pipe::Null,
            stderr: Pipe::Null,
            limits: Limits::default(),
        }
    }

    #[must_use]
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// The child's environment is what is listed, nothing more.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    #[must_use]
    pub fn envs(mut self, env: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        self.env.extend(env);
        self
    }

    /// Default: the folder of this process.
    #[must_use]
    pub fn cwd(mut self, folder: impl Into<PathBuf>) -> Self {
        self.cwd = Some(folder.into());
        self
    }

    #[must_use]
    pub const fn stdin(mut self, pipe: Pipe) -> Self {
        self.stdin = pipe;
        self
    }

    #[must_use]
    pub const fn stdout(mut self, pipe: Pipe) -> Self {
        self.stdout = pipe;
        self
    }

    #[must_use]
    pub const fn stderr(mut self, pipe: Pipe) -> Self {
        self.stderr = pipe;
        self
    }

    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }
}

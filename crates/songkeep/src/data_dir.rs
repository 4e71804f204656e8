//! The folder of an all-in-one installation, and the lock that keeps a second process out of it.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use rustix::fs::{FlockOperation, flock};

/// Where things lie in the data folder.
#[derive(Clone, Debug)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// The folder of a process that keeps nothing in it; it is not made.
    pub fn unused(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Makes the folder when it is not there.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path)
            .with_context(|| format!("SONGKEEP_DATA_DIR: the folder {} cannot be made", path.display()))?;
        Ok(Self(fs::canonicalize(path)?))
    }

    pub fn database(&self) -> PathBuf {
        self.0.join("songkeep.db")
    }

    pub fn blobs(&self) -> PathBuf {
        self.0.join("blobs")
    }

    /// Of jobs that run; emptied at the start.
    pub fn work(&self) -> PathBuf {
        self.0.join("work")
    }

    /// Copies of the database from before each migration.
    pub fn backups(&self) -> PathBuf {
        self.0.join("backups")
    }

    /// Where an all-in-one process keeps the secrets that it made for itself.
    pub fn secret(&self, name: &str) -> PathBuf {
        self.0.join("secrets").join(name)
    }

    /// Held as long as a process serves from this folder. The system frees it when the process dies.
    pub fn lock(&self) -> anyhow::Result<DataDirLock> {
        let Some(lock) = self.try_lock()? else {
            bail!(
                "another Songkeep serves from {} already; stop it first, or set SONGKEEP_DATA_DIR to another folder",
                self.0.display()
            );
        };
        Ok(lock)
    }

    /// None when a process has it.
    pub fn try_lock(&self) -> anyhow::Result<Option<DataDirLock>> {
        let path = self.0.join("serve.lock");
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| path.display().to_string())?;
        let locked = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
        Ok(locked.then(|| DataDirLock(file)))
    }
}

/// See [`DataDir::lock`].
#[derive(Debug)]
pub struct DataDirLock(#[expect(dead_code, reason = "closing the file frees the lock")] File);

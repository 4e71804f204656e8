//! Work folders: one per attempt, named `<job id>-<fence>`, gone when the attempt is.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use songkeep_domain::{
    JobId,
    job::{Claim, JobStatus, JobStore},
};
use tokio::task::spawn_blocking;

/// Tools that were just killed may still write for a moment, so removal is tried several times.
const REMOVAL_TRIES: u32 = 20;
const REMOVAL_PAUSE: Duration = Duration::from_millis(50);

/// With fewer free bytes than this a disk is full, whatever is to be written.
const LEAST_SPACE: u64 = 256 * 1024;

/// The folder in which attempts have theirs. Several processes may share it.
#[derive(Clone, Debug)]
pub struct WorkFolders {
    root: PathBuf,
}

impl WorkFolders {
    #[must_use]
    pub const fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Makes the root.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn prepare(&self) -> io::Result<()> {
        tokio::fs::create_dir_all(&self.root).await
    }

    /// # Errors
    /// When next to nothing can be written there.
    pub async fn check_space(&self) -> io::Result<()> {
        let root = self.root.clone();
        let disk = blocking(move || Ok(rustix::fs::statvfs(&root)?)).await?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < LEAST_SPACE {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    /// An empty folder for this attempt; those of earlier attempts at the same job are removed: the
    /// claim proves that nobody may work in them any more.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub async fn begin(&self, claim: &Claim) -> io::Result<AttemptFolder> {
        let (root, claim) = (self.root.clone(), claim.clone());
        blocking(move || {
            for (path, job_id, fence) in attempts(&root)? {
                if job_id == claim.job_id && fence <= claim.fence {
                    remove(&path)?;
                }
            }
            let path = root.join(format!("{}-{}", claim.job_id, claim.fence));
            fs::create_dir_all(&path)?;
            Ok(AttemptFolder { path: Some(path) })
        })
        .await
    }

    /// Removes folders whose jobs nobody works on any more, such as those of a process that was
    /// killed; how many. Folders of running jobs are left, whoever runs them: the next attempt at such
    /// a job removes what the last one left.
    ///
    /// # Errors
    /// When the root cannot be read. Folders that cannot be judged or removed now are left for later.
    pub async fn remove_stale(&self, jobs: &dyn JobStore) -> io::Result<u64> {
        let root = self.root.clone();
        let mut removed = 0;
        for (path, job_id, _) in blocking(move || attempts(&root)).await? {
            match jobs.find_job(job_id, None).await {
                Ok(Some(job)) if job.status == JobStatus::Processing => continue,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%job_id, error = &error as &dyn std::error::Error, "a work folder could not be judged");
                    continue;
                }
            }
            let shown = path.display().to_string();
            match blocking(move || remove(&path)).await {
                Ok(()) => removed += 1,
                Err(error) => tracing::warn!(folder = shown, %error, "a work folder could not be removed"),
            }
        }
        Ok(removed)
    }
}

/// An attempt's folder. Dropping it removes it in the background.
#[derive(Debug)]
pub struct AttemptFolder {
    /// None once it has been removed.
    path: Option<PathBuf>,
}

impl AttemptFolder {
    #[must_use]
    pub fn path(&self) -> &Path {
        self.path.as_deref().expect("the path is there until `remove` takes the folder")
    }

    /// Removes it with all in it, and waits until it is gone.
    pub async fn remove(mut self) {
        if let Some(path) = self.path.take() {
            report(&path.clone(), blocking(move || remove(&path)).await);
        }
    }
}

impl Drop for AttemptFolder {
    fn drop(&mut self) {
        let Some(path) = self.path.take() else { return };
        let removal = move || report(&path, remove(&path));
        // Dropped within async code as a rule, when the job was cancelled.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(removal)),
            Err(_) => removal(),
        }
    }
}

fn report(path: &Path, result: io::Result<()>) {
    if let Err(error) = result {
        tracing::warn!(folder = %path.display(), %error, "a work folder was left behind");
    }
}

/// Path, job and fence of each attempt's folder under `root`; other names are none of our business.
fn attempts(root: &Path) -> io::Result<Vec<(PathBuf, JobId, i64)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name();
        let parsed = name
            .to_str()
            .and_then(|name| name.rsplit_once('-'))
            .and_then(|(job_id, fence)| Some((job_id.parse::<JobId>().ok()?, fence.parse::<i64>().ok()?)));
        if let Some((job_id, fence)) = parsed {
            found.push((entry.path(), job_id, fence));
        }
    }
    Ok(found)
}

fn remove(path: &Path) -> io::Result<()> {
    let mut tries = 1;
    loop {
        match fs::remove_dir_all(path) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.exists() => return Ok(()),
            Err(error) if tries == REMOVAL_TRIES => return Err(error),
            Err(_) => std::thread::sleep(REMOVAL_PAUSE),
        }
        tries += 1;
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

//! Copies the objects that rows name from one blob store to another, a few at a time, each checked
//! against its checksum on the way.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use aws_lc_rs::digest::{Context, SHA256};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use songkeep_domain::blob::{Blob, BlobError, BlobStore};
use songkeep_store::{Store, transfer::StoredObject};
use tokio::io::AsyncWriteExt as _;

/// Objects under way at the same time.
const AT_ONCE: usize = 4;
const PAGE: u32 = 500;
/// So many that cannot be read are no damage of single objects any more.
const MOST_UNREADABLE: usize = 20;
const TELL_EVERY: Duration = Duration::from_secs(2);

/// What became of all objects.
#[derive(Debug, Default)]
pub struct Report {
    pub there: Sum,
    pub copied: Sum,
    /// Key and what is wrong with it in the source.
    pub bad: BTreeMap<String, String>,
    unreadable: usize,
}

#[derive(Debug, Default)]
pub struct Sum {
    pub objects: u64,
    pub bytes: u64,
}

impl Sum {
    fn add(&mut self, bytes: u64) {
        self.objects += 1;
        self.bytes += bytes;
    }
}

enum Outcome {
    There,
    Copied,
    Missing,
    Unreadable(String),
    Corrupt(String),
}

pub struct Copier {
    pub from: Arc<dyn BlobStore>,
    pub to: Arc<dyn BlobStore>,
    /// Folder for objects under way; this process's alone.
    scratch: PathBuf,
    /// Whether what is in the target is read again.
    verify: bool,
}

impl Copier {
    /// Makes the folder for objects under way in `work`.
    pub fn new(
        from: Arc<dyn BlobStore>,
        to: Arc<dyn BlobStore>,
        work: &Path,
        verify: bool,
    ) -> anyhow::Result<Self> {
        let scratch = work.join("moving");
        // Of one that was killed: nobody else has this installation now.
        remove(&scratch)?;
        fs::create_dir_all(&scratch)
            .with_context(|| format!("the folder {} cannot be made", scratch.display()))?;
        Ok(Self { from, to, scratch, verify })
    }

    /// Copies what the rows of `store` name and the target lacks.
    ///
    /// # Errors
    /// When the target refuses an object, or the source cannot be read at all. Single bad objects are reported.
    pub async fn copy(&self, store: &Store) -> anyhow::Result<Report> {
        let (all, _) = store.count_stored_objects().await?;
        println!("Copying audio: {all} objects.");
        let (mut report, mut last, mut told) = (Report::default(), String::new(), Instant::now());
        loop {
            let page = store.list_stored_objects(&last, PAGE).await?;
            let Some(object) = page.last() else { break };
            last = object.key.clone();
            let copies = stream::iter(page).map(|object| async move {
                let outcome = self.copy_one(&object).await?;
                anyhow::Ok((object, outcome))
            });
            let mut copies = copies.buffer_unordered(AT_ONCE);
            while let Some((object, outcome)) = copies.try_next().await? {
                report.add(object, outcome)?;
                if told.elapsed() > TELL_EVERY {
                    let done = report.there.objects + report.copied.objects;
                    println!("Copying audio: {done} of {all} objects.");
                    told = Instant::now();
                }
            }
        }
        remove(&self.scratch)?;
        Ok(report)
    }

    async fn copy_one(&self, object: &StoredObject) -> anyhow::Result<Outcome> {
        let refused = || format!("--to refused the object {}; run this again to go on", object.key);
        let there = self.to.stat(&object.key).await.with_context(refused)?;
        if there.is_some_and(|info| info.size_bytes == object.size_bytes)
            && (!self.verify || self.is_whole(object).await.with_context(refused)?)
        {
            return Ok(Outcome::There);
        }
        let blob = match self.from.open(&object.key).await {
            Ok(blob) => blob,
            Err(BlobError::NotFound(_)) => return Ok(Outcome::Missing),
            Err(error @ BlobError::BadKey(_)) => return Ok(Outcome::Corrupt(error.to_string())),
            Err(error) => return Ok(Outcome::Unreadable(told(&error))),
        };
        let file = self.scratch.join(object.key.replace('/', "-"));
        let outcome = match fetch(blob, &file, object).await? {
            None => {
                self.put(&file, object).await.with_context(refused)?;
                if self.verify && !self.is_whole(object).await.with_context(refused)? {
                    bail!("--to does not give {} back as it was put there", object.key);
                }
                Outcome::Copied
            }
            Some(bad) => bad,
        };
        tokio::fs::remove_file(&file).await.with_context(|| file.display().to_string())?;
        Ok(outcome)
    }

    async fn put(&self, file: &Path, object: &StoredObject) -> anyhow::Result<()> {
        let prefix = object.key.split('/').next().unwrap_or_default();
        let extension = object.key.rsplit('.').next().unwrap_or_default();
        let stored = self.to.put_file(file, prefix, extension).await?;
        if stored.key != object.key {
            bail!("it was stored as {}", stored.key);
        }
        Ok(())
    }

    /// Whether the target's bytes are the object's.
    async fn is_whole(&self, object: &StoredObject) -> Result<bool, BlobError> {
        let blob = match self.to.open(&object.key).await {
            Err(BlobError::NotFound(_)) => return Ok(false),
            blob => blob?,
        };
        let (mut hash, size) = (Context::new(&SHA256), blob.size_bytes());
        let mut chunks = blob.read(0..size);
        while let Some(chunk) = chunks.try_next().await.map_err(BlobError::Io)? {
            hash.update(&chunk);
        }
        Ok(hex::encode(hash.finish()) == object.sha256)
    }
}

impl Report {
    fn add(&mut self, object: StoredObject, outcome: Outcome) -> anyhow::Result<()> {
        let what = match outcome {
            Outcome::There => {
                self.there.add(object.size_bytes);
                return Ok(());
            }
            Outcome::Copied => {
                self.copied.add(object.size_bytes);
                return Ok(());
            }
            Outcome::Missing => "is missing".to_owned(),
            Outcome::Corrupt(why) => format!("is damaged: {why}"),
            Outcome::Unreadable(why) => {
                self.unreadable += 1;
                if self.unreadable > MOST_UNREADABLE {
                    bail!("the audio of --from cannot be read ({why}); run this again to go on");
                }
                format!("cannot be read: {why}")
            }
        };
        self.bad.insert(object.key, format!("{what} ({:?})", object.title));
        Ok(())
    }
}

/// Brings an object into a file; what is wrong with it, if anything.
async fn fetch(blob: Arc<dyn Blob>, path: &Path, object: &StoredObject) -> anyhow::Result<Option<Outcome>> {
    let written = || path.display().to_string();
    let mut file = tokio::fs::File::create(path).await.with_context(written)?;
    let (mut hash, size) = (Context::new(&SHA256), blob.size_bytes());
    if size != object.size_bytes {
        let why = format!("it has {size} bytes and not {}", object.size_bytes);
        return Ok(Some(Outcome::Corrupt(why)));
    }
    let mut chunks = blob.read(0..size);
    loop {
        match chunks.try_next().await {
            Ok(Some(chunk)) => {
                hash.update(&chunk);
                file.write_all(&chunk).await.with_context(written)?;
            }
            Ok(None) => break,
            Err(error) => return Ok(Some(Outcome::Unreadable(told(&error)))),
        }
    }
    file.flush().await.with_context(written)?;
    let sum = hex::encode(hash.finish());
    Ok((sum != object.sha256).then(|| Outcome::Corrupt("its bytes are not those of its checksum".to_owned())))
}

/// An error with its causes.
fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("the folder {} cannot be removed", folder.display()))
        }
        _ => Ok(()),
    }
}

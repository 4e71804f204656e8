//! How an object comes in: into a temporary file, hashed on the way, onto the disk, and only then
//! under its name. What dies on the way leaves at most the temporary file. All of it blocks.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use aws_lc_rs::digest;
use songkeep_domain::blob::StoredBlob;

use crate::key;

/// Folder of temporary files; no prefix of a key begins with a dot.
pub(crate) const UPLOADS: &str = ".uploads";

const COPY_BYTES: usize = 1024 * 1024;

/// A temporary file that is removed unless it was published.
pub(crate) struct Upload {
    path: PathBuf,
    file: File,
    published: bool,
}

impl Upload {
    /// # Errors
    /// When the file cannot be made, as in a store whose disk is not mounted.
    pub(crate) fn start(folder: &Path) -> io::Result<Self> {
        let path = folder.join(UPLOADS).join(format!("{}.part", uuid::Uuid::new_v4().simple()));
        let file = File::options().write(true).create_new(true).open(&path)?;
        Ok(Self { path, file, published: false })
    }

    /// Writes a few bytes through to the disk: proof that uploads are possible.
    pub(crate) fn probe(mut self) -> io::Result<()> {
        self.file.write_all(b"check")?;
        self.file.sync_all()
    }

    /// Copies `source` until its end or until `stop` becomes true.
    pub(crate) fn receive(
        mut self,
        source: &mut dyn Read,
        stop: &AtomicBool,
    ) -> io::Result<(Self, String, u64)> {
        let mut hash = digest::Context::new(&digest::SHA256);
        let mut buffer = vec![0; COPY_BYTES];
        let mut size_bytes = 0;
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(io::Error::other("the upload was given up"));
            }
            let read = match source.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            hash.update(&buffer[..read]);
            self.file.write_all(&buffer[..read])?;
            size_bytes += read as u64;
        }
        self.file.sync_all()?;
        Ok((self, hex::encode(hash.finish()), size_bytes))
    }

    /// Gives the file its name under `folder`, durably. An object that is there already is replaced by
    /// the same bytes: that renews its time, and heals it if it was damaged.
    fn publish(mut self, folder: &Path, key: &str) -> io::Result<()> {
        let target = folder.join(key);
        let fan_out = target.parent().expect("a key has three parts");
        let prefix = fan_out.parent().expect("a key has three parts");
        ensure_folder(prefix)?;
        ensure_folder(fan_out)?;
        fs::rename(&self.path, &target)?;
        self.published = true;
        // All three each time: whoever made the outer ones may not have got round to it yet.
        for changed in [fan_out, prefix, folder] {
            File::open(changed)?.sync_all()?;
        }
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if !self.published {
            // Should this fail, the file is cleared away as an abandoned upload later.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Takes `source` in under the name that its bytes give it.
pub(crate) fn store(
    folder: &Path,
    source: &mut dyn Read,
    prefix: &str,
    extension: &str,
    stop: &AtomicBool,
) -> io::Result<StoredBlob> {
    let (upload, sha256, size_bytes) = Upload::start(folder)?.receive(source, stop)?;
    let key = key::compose(prefix, &sha256, extension);
    upload.publish(folder, &key)?;
    Ok(StoredBlob { key, sha256, size_bytes })
}

fn ensure_folder(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives some bytes, then what a full disk answers.
    struct FullAfter(usize);

    impl Read for FullAfter {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let read = self.0.min(buffer.len());
            if read == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.0 -= read;
            Ok(read)
        }
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join(UPLOADS)).expect("a folder");
        folder
    }

    fn uploads(folder: &Path) -> usize {
        fs::read_dir(folder.join(UPLOADS)).expect("a folder").count()
    }

    #[test]
    fn a_copy_that_fails_half_way_leaves_nothing() {
        let folder = folder();
        let going = AtomicBool::new(false);
        let result = store(folder.path(), &mut FullAfter(3 * COPY_BYTES), "audio", "mp4", &going);
        assert_eq!(result.expect_err("it is full").kind(), io::ErrorKind::StorageFull);
        assert_eq!(uploads(folder.path()), 0);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "only the uploads' folder");
    }

    #[test]
    fn a_copy_that_is_given_up_leaves_nothing() {
        let folder = folder();
        let stopped = AtomicBool::new(true);
        assert!(store(folder.path(), &mut io::repeat(7), "audio", "mp4", &stopped).is_err());
        assert_eq!(uploads(folder.path()), 0);
    }

    #[test]
    fn a_copy_that_cannot_get_its_name_leaves_nothing() {
        let folder = folder();
        // A file stands where the prefix's folder should be.
        fs::write(folder.path().join("audio"), "in the way").expect("written");
        let going = AtomicBool::new(false);
        assert!(store(folder.path(), &mut &b"abc"[..], "audio", "mp4", &going).is_err());
        assert_eq!(uploads(folder.path()), 0);
    }
}

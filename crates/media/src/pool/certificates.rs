//! The certificates that the downloader trusts: its own roots and the operator's file in one, because the
//! setting that names a file replaces the roots.

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// Where a machine keeps its own roots, for downloaders that come without any.
const SYSTEM: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// Writes the merged file into `folder`; its path.
pub fn merge(roots: Option<&Path>, extra: &Path, folder: &Path) -> io::Result<PathBuf> {
    let system = SYSTEM.iter().map(Path::new).find(|path| path.exists());
    let mut bundle = match roots.or(system) {
        Some(path) => std::fs::read(path)?,
        None => Vec::new(),
    };
    bundle.push(b'\n');
    bundle.extend(std::fs::read(extra)?);
    let target = folder.join("certificates.pem");
    if std::fs::read(&target).is_ok_and(|there| there == bundle) {
        return Ok(target);
    }
    write_beside(&target, &bundle)?;
    Ok(target)
}

/// Writes a file so that nobody ever sees half of it. Others may write the same at the same time, in this
/// process too.
pub fn write_beside(target: &Path, bytes: &[u8]) -> io::Result<()> {
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let folder = target.parent().unwrap_or(Path::new("."));
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let beside = folder.join(format!(".{name}.{}-{number}", std::process::id()));
    std::fs::write(&beside, bytes)?;
    std::fs::rename(&beside, target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_the_roots_and_the_operators_file_are_in() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (roots, extra) = (dir.path().join("roots"), dir.path().join("extra"));
        std::fs::write(&roots, "ROOTS").expect("a file");
        std::fs::write(&extra, "EXTRA").expect("a file");
        for _ in 0..2 {
            let merged = merge(Some(&roots), &extra, dir.path()).expect("a bundle");
            assert_eq!(std::fs::read_to_string(merged).expect("its text"), "ROOTS\nEXTRA");
        }
        assert!(merge(Some(&roots), &dir.path().join("missing"), dir.path()).is_err());
    }

    #[test]
    fn workers_that_start_at_the_same_time_do_not_disturb_each_other() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let target = dir.path().join("worker.py");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        write_beside(&target, b"text").expect("a file");
                    }
                });
            }
        });
        assert_eq!(std::fs::read(&target).expect("its text"), b"text");
        assert_eq!(std::fs::read_dir(dir.path()).expect("a folder").count(), 1, "nothing is left beside it");
    }
}

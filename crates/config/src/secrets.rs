//! Secrets that an all-in-one process makes for itself, once, into its data folder.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use secrecy::SecretString;

use crate::{ConfigError, Settings};

impl Settings {
    /// Fills in unset secrets from `<data>/secrets/`, making them first when they are not there
    /// (256 random bits as hex, mode 0600). Not for strict mode, which wants them set.
    ///
    /// # Errors
    /// When a file can be neither read nor written.
    pub fn ensure_secrets(&mut self) -> Result<(), ConfigError> {
        if self.strict {
            return Ok(());
        }
        let folder = self.data_dir.join("secrets");
        for (secret, name) in [
            (&mut self.jwt_secret, "jwt_secret"),
            (&mut self.internal_service_secret, "internal_service_secret"),
        ] {
            if secret.is_none() {
                let path = folder.join(name);
                let text = read_or_make(&path).map_err(|error| {
                    ConfigError::one(format!(
                        "the secret {} can be neither read nor made: {error}",
                        path.display()
                    ))
                })?;
                *secret = Some(SecretString::from(text));
            }
        }
        Ok(())
    }
}

fn read_or_make(path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut random = [0u8; 32];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let text = hex::encode(random);
    // Written beside and renamed, so that a process that dies leaves no half secret.
    let temporary = path.with_extension(format!("{}.new", std::process::id()));
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    fs::File::open(folder)?.sync_all()?;
    Ok(text)
}

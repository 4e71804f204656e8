//! Where an installation is, as people name it, and having it alone.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use anyhow::{Context as _, bail};
use secrecy::ExposeSecret as _;
use songkeep_config::{Settings, Values};
use songkeep_domain::blob::BlobStore;
use songkeep_store::Store;

use crate::{
    backends,
    data_dir::{DataDir, DataDirLock},
};

/// An installation by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A data folder with its SQLite database and files.
    Folder(PathBuf),
    /// What a settings file (`SONGKEEP_CONFIG`) says, and nothing else.
    Settings(PathBuf),
    /// What `songkeep serve` would use in this environment.
    Env,
}

impl FromStr for Place {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("folder", path)) if !path.is_empty() => Ok(Self::Folder(path.into())),
            Some(("settings", path)) if !path.is_empty() => Ok(Self::Settings(path.into())),
            None if text == "env" => Ok(Self::Env),
            _ => Err("must be folder:PATH, settings:FILE or env"),
        }
    }
}

impl Place {
    fn settings(&self) -> anyhow::Result<Settings> {
        let only = |name: &str, path: &Path| -> anyhow::Result<Values> {
            let path = path.to_str().context("the path is not UTF-8")?;
            Ok(Values::from_env([(name.to_owned(), path.to_owned())])?)
        };
        let values = match self {
            Self::Folder(path) => only("SONGKEEP_DATA_DIR", path)?,
            Self::Settings(path) => only("SONGKEEP_CONFIG", path)?,
            Self::Env => Values::load()?,
        };
        Ok(Settings::from_values(&values)?)
    }
}

/// One of the two installations, which no process uses as long as this one has it.
pub struct Side {
    /// `--from` or `--to`.
    name: &'static str,
    pub settings: Settings,
    data: DataDir,
    /// Whether database or audio are in the data folder.
    uses_folder: bool,
    lock: Option<DataDirLock>,
}

impl Side {
    /// Opens nothing yet.
    pub fn new(name: &'static str, place: &Place) -> anyhow::Result<Self> {
        let settings = place.settings().with_context(|| format!("{name} cannot be used"))?;
        let uses_folder = settings.database_url.is_none() || settings.s3.is_none();
        Ok(Self { name, data: DataDir::unused(&settings.data_dir), settings, uses_folder, lock: None })
    }

    /// The database, for people.
    pub fn database_shown(&self) -> String {
        if self.settings.database_url.is_some() {
            "PostgreSQL".to_owned()
        } else {
            self.data.database().display().to_string()
        }
    }

    /// Where audio is, for people.
    pub fn blobs_shown(&self) -> String {
        match &self.settings.s3 {
            Some(s3) => format!("bucket {} at {}", s3.bucket, s3.endpoint),
            None => self.data.blobs().display().to_string(),
        }
    }

    /// Whether there is a database: a folder without one is not made by looking.
    pub fn has_database(&self) -> bool {
        self.settings.database_url.is_some() || self.data.database().exists()
    }

    /// Whether both keep their rows at the same place.
    pub fn is_same_database(&self, other: &Self) -> bool {
        match (&self.settings.database_url, &other.settings.database_url) {
            (Some(one), Some(two)) => one.expose_secret() == two.expose_secret(),
            (None, None) => {
                let real = |side: &Self| {
                    let path = &side.settings.data_dir;
                    std::fs::canonicalize(path).unwrap_or_else(|_| path.clone())
                };
                real(self) == real(other)
            }
            _ => false,
        }
    }

    /// Makes sure that no Songkeep runs on it and none starts; opens its database.
    pub async fn open(&mut self) -> anyhow::Result<Store> {
        let name = self.name;
        if self.uses_folder {
            self.data = DataDir::open(&self.settings.data_dir)?;
            self.lock = self.data.try_lock()?;
            if self.lock.is_none() {
                let folder = self.settings.data_dir.display();
                bail!("{name}: a Songkeep serves from {folder}; stop it and run this again");
            }
        }
        let Some(url) = &self.settings.database_url else {
            return backends::open_store(&self.settings, &self.data, backends::no_hook())
                .await
                .with_context(|| format!("{name} cannot be used"));
        };
        let store = Store::connect_alone(url, backends::no_hook())
            .await
            .with_context(|| format!("{name}: the database of DATABASE_URL cannot be opened"))?;
        store.with_context(|| {
            format!("{name}: a Songkeep uses the database of DATABASE_URL; stop all its processes and run this again")
        })
    }

    /// Where its audio is.
    pub fn blobs(&self) -> anyhow::Result<Arc<dyn BlobStore>> {
        backends::open_blobs(&self.settings, &self.data)
            .with_context(|| format!("{} cannot be used", self.name))
    }

    /// A folder of this side for files under way, if it has one.
    pub fn scratch(&self) -> Option<PathBuf> {
        self.uses_folder.then(|| self.data.work())
    }

    /// Where the secret that a process made for itself is or would be.
    pub fn secret_file(&self, name: &str) -> PathBuf {
        self.data.secret(name)
    }

    /// Whether a process on it would make its secrets for itself.
    pub fn makes_secrets(&self) -> bool {
        self.uses_folder && !self.settings.strict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_named_in_one_way() {
        assert_eq!("folder:./data".parse(), Ok(Place::Folder("./data".into())));
        assert_eq!("folder:/a:b".parse(), Ok(Place::Folder("/a:b".into())));
        assert_eq!("settings:/etc/new.toml".parse(), Ok(Place::Settings("/etc/new.toml".into())));
        assert_eq!("env".parse(), Ok(Place::Env));
        for wrong in ["", "data", "./data", "env:", "folder:", "settings:", "postgresql://db/songkeep"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}

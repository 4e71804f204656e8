//! Reading rows into models. A value that our code never writes is an `Inconsistent` row.

use sea_orm::{QueryResult, TryGetable};
use serde::de::DeserializeOwned;
use songkeep_domain::{
    JobId, SongId, SourceProvider, SourceRef, StoreError, StoreResult, Timestamp, UserId, UserRole,
    job::{FailureCode, ImportStage, Job, JobProgress, JobStatus},
    song::{Container, Song, SongMetadata, StoredAudio},
    user::User,
};
use uuid::Uuid;

use crate::db::error;

/// A row of a table, for error messages that name it.
pub struct Row<'a> {
    table: &'static str,
    row: &'a QueryResult,
}

impl<'a> Row<'a> {
    pub const fn new(table: &'static str, row: &'a QueryResult) -> Self {
        Self { table, row }
    }

    pub fn get<T: TryGetable>(&self, column: &str) -> StoreResult<T> {
        self.row.try_get("", column).map_err(error)
    }

    pub fn bad(&self, detail: impl Into<String>) -> StoreError {
        StoreError::Inconsistent { table: self.table, detail: detail.into() }
    }

    /// A number that is never negative.
    pub fn count<T: TryFrom<i64>>(&self, column: &str) -> StoreResult<T> {
        T::try_from(self.get::<i64>(column)?).map_err(|_| self.bad(format!("{column} is out of range")))
    }

    pub fn time(&self, column: &str) -> StoreResult<Timestamp> {
        self.get(column).map(Timestamp::from_micros)
    }

    pub fn time_opt(&self, column: &str) -> StoreResult<Option<Timestamp>> {
        Ok(self.get::<Option<i64>>(column)?.map(Timestamp::from_micros))
    }

    pub fn id(&self, column: &str) -> StoreResult<Uuid> {
        self.get(column)
    }

    pub fn parsed<T>(&self, column: &str, parse: impl FnOnce(&str) -> Option<T>) -> StoreResult<T> {
        let text: String = self.get(column)?;
        parse(&text).ok_or_else(|| self.bad(format!("{column} is {text:?}")))
    }

    pub fn json<T: DeserializeOwned>(&self, column: &str) -> StoreResult<T> {
        let text: String = self.get(column)?;
        serde_json::from_str(&text).map_err(|error| self.bad(format!("{column}: {error}")))
    }

    pub fn source(&self) -> StoreResult<SourceRef> {
        let provider = self.parsed("source_provider", SourceProvider::parse)?;
        let id: String = self.get("source_id")?;
        SourceRef::new(provider, &id).map_err(|error| self.bad(format!("source_id: {error}")))
    }
}

/// Columns of [`user`].
pub const USER: &str = "users.id AS id, users.email AS email, users.role AS role, users.verified_at AS verified_at, \
     users.disabled_at AS disabled_at, users.created_at AS created_at";

pub fn user(row: &QueryResult) -> StoreResult<User> {
    let row = Row::new("users", row);
    Ok(User {
        id: UserId(row.id("id")?),
        email: row.get("email")?,
        role: row.parsed("role", UserRole::parse)?,
        verified_at: row.time_opt("verified_at")?,
        disabled_at: row.time_opt("disabled_at")?,
        created_at: row.time("created_at")?,
    })
}

/// Columns of [`song`].
pub const SONG: &str = "songs.id AS id, songs.source_provider AS source_provider, songs.source_id AS source_id, \
     songs.title AS title, songs.artist AS artist, songs.album AS album, songs.channel AS channel, \
     songs.release_year AS release_year, songs.container AS container, songs.codec AS codec, \
     songs.bitrate_kbps AS bitrate_kbps, songs.duration_ms AS duration_ms, songs.sha256 AS sha256, \
     songs.storage_key AS storage_key, songs.size_bytes AS size_bytes, songs.loudness_lufs AS loudness_lufs, \
     songs.created_at AS created_at";

pub fn song(row: &QueryResult) -> StoreResult<Song> {
    let row = Row::new("songs", row);
    let year: Option<i64> = row.get("release_year")?;
    Ok(Song {
        id: SongId(row.id("id")?),
        source: row.source()?,
        metadata: SongMetadata {
            title: row.get("title")?,
            artist: row.get("artist")?,
            album: row.get("album")?,
            channel: row.get("channel")?,
            release_year: year.and_then(|year| u16::try_from(year).ok()),
        },
        audio: StoredAudio {
            container: row.parsed("container", Container::parse)?,
            codec: row.get("codec")?,
            bitrate_kbps: row.count("bitrate_kbps")?,
            duration_ms: row.count("duration_ms")?,
            sha256: row.get("sha256")?,
            storage_key: row.get("storage_key")?,
            size_bytes: row.count("size_bytes")?,
        },
        loudness_lufs: row.get("loudness_lufs")?,
        created_at: row.time("created_at")?,
    })
}

/// Columns of [`job`].
pub const JOB: &str = "id, user_id, source_provider, source_id, title, status, stage, percent, attempt, failure_code, \
     failure_detail, song_id, created_at, updated_at";

pub fn job(row: &QueryResult) -> StoreResult<Job> {
    let row = Row::new("jobs", row);
    let failure: Option<String> = row.get("failure_code")?;
    Ok(Job {
        id: JobId(row.id("id")?),
        user_id: UserId(row.id("user_id")?),
        source: row.source()?,
        title: row.get("title")?,
        status: row.parsed("status", JobStatus::parse)?,
        progress: JobProgress {
            stage: row.parsed("stage", ImportStage::parse)?,
            percent: row.count("percent")?,
        },
        attempt: row.count("attempt")?,
        failure_code: failure
            .map(|text| FailureCode::parse(&text).ok_or_else(|| row.bad(format!("failure_code is {text:?}"))))
            .transpose()?,
        failure_detail: row.get("failure_detail")?,
        song_id: row.get::<Option<Uuid>>("song_id")?.map(SongId),
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
    })
}

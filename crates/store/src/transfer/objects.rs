//! The objects of the blob store that rows name.

use songkeep_domain::StoreResult;

use crate::{Store, rows::Row};

/// An object that must be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredObject {
    pub key: String,
    /// Of its bytes, lower-case hex.
    pub sha256: String,
    pub size_bytes: u64,
    /// Of a song whose bytes it holds.
    pub title: String,
}

impl Store {
    /// Up to `limit` objects with keys after this one, each once, by key.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list_stored_objects(&self, after: &str, limit: u32) -> StoreResult<Vec<StoredObject>> {
        let list = "SELECT storage_key, MIN(sha256) AS sha256, MIN(size_bytes) AS size_bytes, MIN(title) AS title \
                    FROM songs WHERE storage_key > $1 GROUP BY storage_key ORDER BY storage_key \
                    LIMIT CAST($2 AS BIGINT)";
        let rows = self.all(list, [after.into(), i64::from(limit).into()]).await?;
        let objects = rows.iter().map(|row| {
            let row = Row::new("songs", row);
            Ok(StoredObject {
                key: row.get("storage_key")?,
                sha256: row.get("sha256")?,
                size_bytes: row.count("size_bytes")?,
                title: row.get("title")?,
            })
        });
        objects.collect()
    }

    /// How many objects rows name, and their bytes.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_stored_objects(&self) -> StoreResult<(u64, u64)> {
        let count = "SELECT COUNT(*) AS objects, CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) AS bytes FROM \
                     (SELECT MIN(size_bytes) AS size_bytes FROM songs GROUP BY storage_key) AS stored";
        let row = self.one(count, []).await?.ok_or_else(crate::db::no_row)?;
        let row = Row::new("songs", &row);
        Ok((row.count("objects")?, row.count("bytes")?))
    }
}

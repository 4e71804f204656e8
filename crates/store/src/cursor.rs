//! Opaque cursors of keyset pages: the list's name and the last row's key, as base64url JSON.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use songkeep_domain::{Page, StoreError, StoreResult};
use uuid::Uuid;

#[derive(Serialize, Deserialize)]
pub struct Cursor {
    /// Which list and order it belongs to.
    list: String,
    /// The last row's sort key, where the list is not by id alone.
    #[serde(default, skip_serializing_if = "Key::is_none")]
    pub key: Key,
    pub id: Uuid,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Key {
    #[default]
    None,
    Number(i64),
    Text(String),
}

impl Key {
    const fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }
}

impl Cursor {
    pub fn write(list: &str, key: Key, id: Uuid) -> String {
        let cursor = Self { list: list.to_owned(), key, id };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&cursor).unwrap_or_default())
    }

    /// # Errors
    /// `BadCursor` when it is not ours or of another list.
    pub fn read(text: &str, list: &str) -> StoreResult<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| StoreError::BadCursor)?;
        let cursor: Self = serde_json::from_slice(&bytes).map_err(|_| StoreError::BadCursor)?;
        if cursor.list == list { Ok(cursor) } else { Err(StoreError::BadCursor) }
    }
}

/// Cuts a list that was read with one row too many into a page with its cursor.
pub fn page_of<T>(list: &str, mut items: Vec<T>, limit: u32, key: impl Fn(&T) -> (Key, Uuid)) -> Page<T> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = items.len() > limit;
    items.truncate(limit);
    let next_cursor = items.last().filter(|_| more).map(|last| {
        let (key, id) = key(last);
        Cursor::write(list, key, id)
    });
    Page { items, next_cursor }
}

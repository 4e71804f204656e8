//! Keyset pages: a page knows where the next one starts, not how many came before.

use serde::{Deserialize, Serialize};

/// What part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageRequest {
    /// The `next_cursor` of the page before; opaque to clients. None: the first page.
    pub cursor: Option<String>,
    /// Rows at most; the caller has clamped it.
    pub limit: u32,
}

impl PageRequest {
    #[must_use]
    pub const fn first(limit: u32) -> Self {
        Self { cursor: None, limit }
    }
}

/// A part of a list. `next_cursor` is None on the last page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub next_cursor: Option<String>,
}

impl<T> Page<T> {
    #[must_use]
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next_cursor: self.next_cursor }
    }
}

//! Pages of libraries that were read lately, so that opening the player costs one small statement and
//! not the whole page. A page counts only while the account's row says what it said before the page was
//! read: whatever changes a library writes an event in the same transaction, and so gives the account a
//! new event number; what a song's source says of it never changes. So no page is ever older than the
//! database, whichever process changed that.

use std::{sync::Arc, time::Duration};

use moka::future::Cache;
use songkeep_domain::{
    UserId,
    library::{LibraryPage, LibraryQuery},
};

/// Songs in all kept pages together: some megabytes.
const MOST_SONGS: u64 = 10_000;
/// A page is read anew after so long, for those who change the database by hand.
const KEPT_FOR: Duration = Duration::from_secs(30);

/// What tells whether a library changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LibraryState {
    pub songs: u64,
    pub event_seq: i64,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    user: UserId,
    q: Option<String>,
    artist: Option<String>,
    album: Option<String>,
    sort: std::mem::Discriminant<songkeep_domain::library::LibrarySort>,
    cursor: Option<String>,
    limit: u32,
}

impl Key {
    fn of(user: UserId, query: &LibraryQuery) -> Self {
        let LibraryQuery { q, artist, album, sort, page } = query;
        Self {
            user,
            q: q.clone(),
            artist: artist.clone(),
            album: album.clone(),
            sort: std::mem::discriminant(sort),
            cursor: page.cursor.clone(),
            limit: page.limit,
        }
    }
}

#[derive(Clone)]
struct Kept {
    state: LibraryState,
    page: Arc<LibraryPage>,
}

/// A clone shares the pages.
#[derive(Clone)]
pub struct LibraryPages(Cache<Key, Kept>);

impl LibraryPages {
    pub fn new() -> Self {
        let weigh = |_: &Key, kept: &Kept| u32::try_from(kept.page.songs.items.len() + 1).unwrap_or(u32::MAX);
        Self(Cache::builder().weigher(weigh).max_capacity(MOST_SONGS).time_to_live(KEPT_FOR).build())
    }

    /// The page when it was read in this state of the library.
    pub async fn find(&self, user: UserId, query: &LibraryQuery, state: LibraryState) -> Option<LibraryPage> {
        let kept = self.0.get(&Key::of(user, query)).await?;
        (kept.state == state).then(|| LibraryPage::clone(&kept.page))
    }

    /// `state` is from before the page was read.
    pub async fn keep(&self, user: UserId, query: &LibraryQuery, state: LibraryState, page: &LibraryPage) {
        self.0.insert(Key::of(user, query), Kept { state, page: Arc::new(page.clone()) }).await;
    }
}

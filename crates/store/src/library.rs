//! Entries of libraries: the transactions' parts that other modules use, and the list.

use sea_orm::{QueryResult, Value};
use songkeep_domain::{
    SongId, StoreError, StoreResult, Timestamp, UserId,
    event::{EventBody, LibraryChange},
    job::ImportHints,
    library::{LibraryPage, LibraryQuery, LibrarySong, LibrarySort},
    song::Song,
};

use crate::{
    Store,
    cursor::{Cursor, Key, page_of},
    db::{Tx, no_row},
    library_pages::LibraryState,
    rows::{self, Row, SONG},
    text::{contains_pattern, fold},
};

const ENTRY: &str = "entries.title AS own_title, entries.artist AS own_artist, entries.album AS own_album, \
     entries.added_at AS added_at";

/// An entry's own words; None where the source's hold.
#[derive(Clone, Debug, Default)]
pub struct OwnWords {
    pub title: Option<String>,
    pub artist: Option<String>,
    pub album: Option<String>,
}

impl OwnWords {
    /// A listener's hints count only where the source says nothing.
    pub fn from_hints(song: &Song, hints: &ImportHints) -> Self {
        let metadata = &song.metadata;
        let nameless = metadata.title.trim().is_empty() || metadata.title == song.source.id();
        Self {
            title: hints.title.clone().filter(|_| nameless),
            artist: hints.artist.clone().filter(|_| metadata.artist.is_none()),
            album: None,
        }
    }

    /// The entry as its owner sees it.
    pub fn over(self, song: Song, added_at: Timestamp) -> LibrarySong {
        LibrarySong {
            title: self.title.unwrap_or_else(|| song.metadata.title.clone()),
            artist: self.artist.or_else(|| song.metadata.artist.clone()),
            album: self.album.or_else(|| song.metadata.album.clone()),
            song,
            added_at,
        }
    }
}

/// Columns that an entry is sorted and found by.
struct Folded {
    title: String,
    artist: String,
    album: String,
    search: String,
}

impl Folded {
    fn of(entry: &LibrarySong) -> Self {
        let title = fold(&entry.title);
        let artist = fold(entry.artist.as_deref().unwrap_or_default());
        let album = fold(entry.album.as_deref().unwrap_or_default());
        Self { search: format!("{title} {artist} {album}"), title, artist, album }
    }
}

/// The account, the song, the owner's own words, and what the entry is sorted and found by: values of
/// the first nine columns.
fn words_of_entry(user: UserId, song: SongId, own: OwnWords, entry: &LibrarySong) -> [Value; 9] {
    let folded = Folded::of(entry);
    [
        user.0.into(),
        song.0.into(),
        own.title.into(),
        own.artist.into(),
        own.album.into(),
        folded.title.into(),
        folded.artist.into(),
        folded.album.into(),
        folded.search.into(),
    ]
}

fn entry_parts(found: &QueryResult) -> StoreResult<(OwnWords, Song, Timestamp)> {
    let row = Row::new("library_entries", found);
    let own = OwnWords {
        title: row.get("own_title")?,
        artist: row.get("own_artist")?,
        album: row.get("own_album")?,
    };
    Ok((own, rows::song(found)?, row.time("added_at")?))
}

pub fn library_song(found: &QueryResult) -> StoreResult<LibrarySong> {
    entry_parts(found).map(|(own, song, added_at)| own.over(song, added_at))
}

impl Tx<'_> {
    /// Puts a song into a library, unless it is there; true when it was added. Tells of it.
    pub async fn add_entry(
        &mut self,
        user: UserId,
        song: &Song,
        hints: &ImportHints,
        now: Timestamp,
    ) -> StoreResult<bool> {
        self.insert_entry(user, song, OwnWords::from_hints(song, hints), now, now).await
    }

    async fn insert_entry(
        &mut self,
        user: UserId,
        song: &Song,
        own: OwnWords,
        added_at: Timestamp,
        now: Timestamp,
    ) -> StoreResult<bool> {
        // Also locks the song against the last owner leaving at the same moment.
        self.run("UPDATE songs SET orphaned_at = NULL WHERE id = $1", [song.id.0.into()]).await?;
        let entry = own.clone().over(song.clone(), added_at);
        let insert = "INSERT INTO library_entries (user_id, song_id, title, artist, album, sort_title, sort_artist, \
                      sort_album, search_text, duration_ms, added_at) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (user_id, song_id) DO NOTHING";
        let duration_ms = i64::try_from(song.audio.duration_ms).unwrap_or(i64::MAX);
        let values = words_of_entry(user, song.id, own, &entry);
        let added_at = added_at.as_micros();
        if self.run(insert, values.into_iter().chain([duration_ms.into(), added_at.into()])).await? == 0 {
            return Ok(false);
        }
        // What was removed before is past: the song is here again.
        let forget = "DELETE FROM removed_entries WHERE user_id = $1 AND song_id = $2";
        self.run(forget, [user.0.into(), song.id.0.into()]).await?;
        self.run("UPDATE users SET song_count = song_count + 1 WHERE id = $1", [user.0.into()]).await?;
        self.add_library_event(user, LibraryChange::Added, song.id, Some(entry), now).await?;
        Ok(true)
    }

    /// Puts a song that was removed after `removed_after` back as it was, unless it is there; the entry as
    /// it is in the end. Tells of what it did.
    pub async fn restore_entry(
        &mut self,
        user: UserId,
        song: SongId,
        removed_after: Timestamp,
        now: Timestamp,
    ) -> StoreResult<Option<LibrarySong>> {
        // Of two who restore at once, the second finds what the first did.
        self.all("SELECT id FROM songs WHERE id = $1 {for update}", [song.0.into()]).await?;
        if let Some((own, song, added_at)) = self.find_entry(user, song).await? {
            return Ok(Some(own.over(song, added_at)));
        }
        let find = format!(
            "SELECT {ENTRY}, {SONG} FROM removed_entries entries JOIN songs ON songs.id = entries.song_id \
             WHERE entries.user_id = $1 AND entries.song_id = $2 AND entries.removed_at > $3"
        );
        let values = [user.0.into(), song.0.into(), removed_after.as_micros().into()];
        let Some(found) = self.one(&find, values).await? else { return Ok(None) };
        let (own, song, added_at) = entry_parts(&found)?;
        self.insert_entry(user, &song, own.clone(), added_at, now).await?;
        Ok(Some(own.over(song, added_at)))
    }

    /// Takes a song out of a library and keeps what is needed to put it back; true when it was there. Tells
    /// of it.
    pub async fn take_entry(&mut self, user: UserId, song: SongId, now: Timestamp) -> StoreResult<bool> {
        self.all("SELECT id FROM songs WHERE id = $1 {for update}", [song.0.into()]).await?;
        let keep = "INSERT INTO removed_entries (user_id, song_id, title, artist, album, added_at, removed_at) \
                    SELECT user_id, song_id, title, artist, album, added_at, CAST($3 AS BIGINT) \
                    FROM library_entries WHERE user_id = $1 AND song_id = $2 \
                    ON CONFLICT (user_id, song_id) DO UPDATE SET title = excluded.title, \
                    artist = excluded.artist, album = excluded.album, added_at = excluded.added_at, \
                    removed_at = excluded.removed_at";
        self.run(keep, [user.0.into(), song.0.into(), now.as_micros().into()]).await?;
        let delete = "DELETE FROM library_entries WHERE user_id = $1 AND song_id = $2";
        if self.run(delete, [user.0.into(), song.0.into()]).await? == 0 {
            return Ok(false);
        }
        self.run("UPDATE users SET song_count = song_count - 1 WHERE id = $1", [user.0.into()]).await?;
        let orphan = "UPDATE songs SET orphaned_at = $2 WHERE id = $1 \
                      AND NOT EXISTS (SELECT 1 FROM library_entries WHERE song_id = $1)";
        self.run(orphan, [song.0.into(), now.as_micros().into()]).await?;
        self.add_library_event(user, LibraryChange::Removed, song, None, now).await?;
        Ok(true)
    }

    /// Writes an entry's own words and what follows from them. Tells of it.
    pub async fn rewrite_entry(
        &mut self,
        user: UserId,
        own: OwnWords,
        song: Song,
        added_at: Timestamp,
        now: Timestamp,
    ) -> StoreResult<LibrarySong> {
        let entry = own.clone().over(song, added_at);
        let update = "UPDATE library_entries SET title = $3, artist = $4, album = $5, sort_title = $6, \
                      sort_artist = $7, sort_album = $8, search_text = $9 WHERE user_id = $1 AND song_id = $2";
        self.run(update, words_of_entry(user, entry.song.id, own, &entry)).await?;
        self.add_library_event(user, LibraryChange::Updated, entry.song.id, Some(entry.clone()), now).await?;
        Ok(entry)
    }

    pub async fn find_entry(
        &self,
        user: UserId,
        song: SongId,
    ) -> StoreResult<Option<(OwnWords, Song, Timestamp)>> {
        let find = format!(
            "SELECT {ENTRY}, {SONG} FROM library_entries entries JOIN songs ON songs.id = entries.song_id \
             WHERE entries.user_id = $1 AND entries.song_id = $2"
        );
        let found = self.one(&find, [user.0.into(), song.0.into()]).await?;
        found.as_ref().map(entry_parts).transpose()
    }

    pub async fn add_library_event(
        &mut self,
        user: UserId,
        change: LibraryChange,
        song_id: SongId,
        song: Option<LibrarySong>,
        now: Timestamp,
    ) -> StoreResult<()> {
        let body = EventBody::Library { change, song_id, song: song.map(Box::new) };
        self.add_event(user, body, now).await
    }
}

/// Column, direction, and name of an order in cursors.
const fn order(sort: LibrarySort) -> (&'static str, bool, &'static str) {
    match sort {
        LibrarySort::NewestFirst => ("added_at", true, "-added_at"),
        LibrarySort::OldestFirst => ("added_at", false, "added_at"),
        LibrarySort::Title => ("sort_title", false, "title"),
        LibrarySort::TitleDescending => ("sort_title", true, "-title"),
        LibrarySort::Artist => ("sort_artist", false, "artist"),
        LibrarySort::ArtistDescending => ("sort_artist", true, "-artist"),
        LibrarySort::Album => ("sort_album", false, "album"),
        LibrarySort::AlbumDescending => ("sort_album", true, "-album"),
        LibrarySort::Shortest => ("duration_ms", false, "duration"),
        LibrarySort::Longest => ("duration_ms", true, "-duration"),
    }
}

fn sort_key(sort: LibrarySort, entry: &LibrarySong) -> Key {
    match sort {
        LibrarySort::NewestFirst | LibrarySort::OldestFirst => Key::Number(entry.added_at.as_micros()),
        LibrarySort::Shortest | LibrarySort::Longest => {
            Key::Number(i64::try_from(entry.song.audio.duration_ms).unwrap_or(i64::MAX))
        }
        LibrarySort::Title | LibrarySort::TitleDescending => Key::Text(Folded::of(entry).title),
        LibrarySort::Artist | LibrarySort::ArtistDescending => Key::Text(Folded::of(entry).artist),
        LibrarySort::Album | LibrarySort::AlbumDescending => Key::Text(Folded::of(entry).album),
    }
}

/// The key of a cursor, which anybody may have written, as the value of the sorted column.
fn sort_value(sort: LibrarySort, key: Key) -> StoreResult<Value> {
    let by_number = matches!(
        sort,
        LibrarySort::NewestFirst | LibrarySort::OldestFirst | LibrarySort::Shortest | LibrarySort::Longest
    );
    match key {
        Key::Number(number) if by_number => Ok(number.into()),
        Key::Text(text) if !by_number && !text.contains('\0') => Ok(text.into()),
        _ => Err(StoreError::BadCursor),
    }
}

impl Store {
    pub(crate) async fn library_page(&self, user: UserId, query: &LibraryQuery) -> StoreResult<LibraryPage> {
        // Read before the page: what changes meanwhile makes the page old at once, never new for too long.
        let state = self.library_state(user).await?;
        if let Some(page) = self.pages.find(user, query, state).await {
            return Ok(page);
        }
        let page = self.read_library_page(user, query, state).await?;
        self.pages.keep(user, query, state, &page).await;
        Ok(page)
    }

    async fn library_state(&self, user: UserId) -> StoreResult<LibraryState> {
        let find = "SELECT song_count, event_seq FROM users WHERE id = $1";
        let Some(row) = self.one(find, [user.0.into()]).await? else { return Ok(LibraryState::default()) };
        let row = Row::new("users", &row);
        Ok(LibraryState { songs: row.count("song_count")?, event_seq: row.get("event_seq")? })
    }

    async fn read_library_page(
        &self,
        user: UserId,
        query: &LibraryQuery,
        state: LibraryState,
    ) -> StoreResult<LibraryPage> {
        let (column, descending, list) = order(query.sort);
        let mut values: Vec<Value> = vec![user.0.into()];
        let mut matching = String::from("entries.user_id = $1");
        for word in
            query.q.as_deref().map(fold).unwrap_or_default().split(' ').filter(|word| !word.is_empty())
        {
            values.push(contains_pattern(word).into());
            matching.push_str(&format!(" AND entries.search_text LIKE ${} ESCAPE '\\'", values.len()));
        }
        for (column, name) in [("sort_artist", &query.artist), ("sort_album", &query.album)] {
            if let Some(name) = name {
                values.push(fold(name).into());
                matching.push_str(&format!(" AND entries.{column} = ${}", values.len()));
            }
        }
        // Without a filter, the count is kept with the account.
        let total =
            if values.len() == 1 { state.songs } else { self.count_entries(&matching, &values).await? };
        let mut from_cursor = String::new();
        if let Some(cursor) = &query.page.cursor {
            let cursor = Cursor::read(cursor, list)?;
            values.push(sort_value(query.sort, cursor.key)?);
            values.push(cursor.id.into());
            let (key, id) = (values.len() - 1, values.len());
            let compare = if descending { "<" } else { ">" };
            from_cursor = format!(" AND (entries.{column}, entries.song_id) {compare} (${key}, ${id})");
        }
        values.push((i64::from(query.page.limit) + 1).into());
        let direction = if descending { "DESC" } else { "ASC" };
        let by = match (&query.artist, &query.album) {
            (Some(_), _) => "{by artist}",
            (None, Some(_)) => "{by album}",
            (None, None) => "",
        };
        let select = format!(
            "SELECT {ENTRY}, {SONG} FROM library_entries entries {by} JOIN songs ON songs.id = entries.song_id \
             WHERE {matching}{from_cursor} \
             ORDER BY entries.{column} {direction}, entries.song_id {direction} LIMIT CAST(${} AS BIGINT)",
            values.len()
        );
        let rows = self.all(&select, values).await?;
        let entries: Vec<LibrarySong> = rows.iter().map(library_song).collect::<StoreResult<_>>()?;
        let songs =
            page_of(list, entries, query.page.limit, |entry| (sort_key(query.sort, entry), entry.song.id.0));
        Ok(LibraryPage { songs, total })
    }

    async fn count_entries(&self, matching: &str, values: &[Value]) -> StoreResult<u64> {
        let count = format!("SELECT COUNT(*) AS total FROM library_entries entries WHERE {matching}");
        let row = self.one(&count, values.iter().cloned()).await?.ok_or_else(no_row)?;
        Row::new("library_entries", &row).count("total")
    }
}

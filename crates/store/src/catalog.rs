//! Songs and who has them.

use async_trait::async_trait;
use sea_orm::{QueryResult, Value};
use songkeep_domain::{
    Page, PageRequest, SessionId, SongId, SourceRef, StoreResult, Timestamp, UserId,
    event::LibraryChange,
    library::{
        AlbumSummary, ArtistSummary, CatalogStore, EntryEdit, GroupPage, GroupQuery, LibraryPage,
        LibraryQuery, LibrarySong, LibraryTotals, RESTORABLE_FOR, SongFilter, SongSummary, SourceStatus,
        StreamTarget,
    },
    song::{Container, NewSong, Song},
};

use crate::{
    Store,
    cursor::{Cursor, Key, page_of},
    db::{Tx, error},
    rows::{self, Row, SONG},
    text::{contains_pattern, fold},
};

const LIST: &str = "songs";

#[async_trait]
impl CatalogStore for Store {
    async fn find_song(&self, id: SongId) -> StoreResult<Option<Song>> {
        let row = self.one(&format!("SELECT {SONG} FROM songs WHERE id = $1"), [id.0.into()]).await?;
        row.as_ref().map(rows::song).transpose()
    }

    async fn list_source_statuses(
        &self,
        user: UserId,
        sources: &[SourceRef],
    ) -> StoreResult<Vec<SourceStatus>> {
        if sources.is_empty() {
            return Ok(Vec::new());
        }
        let mut values: Vec<Value> = vec![user.0.into()];
        let mut wanted = Vec::with_capacity(sources.len());
        for source in sources {
            values.push(source.provider().as_str().into());
            values.push(source.id().into());
            wanted.push(format!(
                "(source_provider = ${} AND source_id = ${})",
                values.len() - 1,
                values.len()
            ));
        }
        let list = format!(
            "SELECT id, source_provider, source_id, CASE WHEN EXISTS (SELECT 1 FROM library_entries \
             WHERE user_id = $1 AND song_id = songs.id) THEN 1 ELSE 0 END AS owned FROM songs WHERE {}",
            wanted.join(" OR ")
        );
        let rows = self.all(&list, values).await?;
        let statuses = rows.iter().map(|row| {
            let owned: i32 = row.try_get("", "owned").map_err(error)?;
            let row = Row::new("songs", row);
            Ok(SourceStatus { source: row.source()?, song_id: SongId(row.id("id")?), in_library: owned == 1 })
        });
        statuses.collect()
    }

    async fn list_library(&self, user: UserId, query: &LibraryQuery) -> StoreResult<LibraryPage> {
        self.library_page(user, query).await
    }

    async fn list_artists(&self, user: UserId, query: &GroupQuery) -> StoreResult<GroupPage<ArtistSummary>> {
        self.artists(user, query).await
    }

    async fn list_albums(&self, user: UserId, query: &GroupQuery) -> StoreResult<GroupPage<AlbumSummary>> {
        self.albums(user, query).await
    }

    async fn find_library_song(&self, user: UserId, song: SongId) -> StoreResult<Option<LibrarySong>> {
        let find = format!(
            "SELECT entries.title AS own_title, entries.artist AS own_artist, entries.album AS own_album, \
             entries.added_at AS added_at, {SONG} FROM library_entries entries \
             JOIN songs ON songs.id = entries.song_id WHERE entries.user_id = $1 AND entries.song_id = $2"
        );
        let row = self.one(&find, [user.0.into(), song.0.into()]).await?;
        row.as_ref().map(crate::library::library_song).transpose()
    }

    async fn update_entry(
        &self,
        user: UserId,
        song: SongId,
        edit: &EntryEdit,
        now: Timestamp,
    ) -> StoreResult<Option<LibrarySong>> {
        let mut tx = self.begin().await?;
        tx.all(
            "SELECT song_id FROM library_entries WHERE user_id = $1 AND song_id = $2 {for update}",
            [user.0.into(), song.0.into()],
        )
        .await?;
        let Some((mut own, song, added_at)) = tx.find_entry(user, song).await? else { return Ok(None) };
        for (value, edited) in
            [(&mut own.title, &edit.title), (&mut own.artist, &edit.artist), (&mut own.album, &edit.album)]
        {
            if let Some(edited) = edited {
                value.clone_from(edited);
            }
        }
        let entry = tx.rewrite_entry(user, own, song, added_at, now).await?;
        tx.commit().await?;
        Ok(Some(entry))
    }

    async fn remove_entry(&self, user: UserId, song: SongId, now: Timestamp) -> StoreResult<bool> {
        let mut tx = self.begin().await?;
        let removed = tx.take_entry(user, song, now).await?;
        tx.commit().await?;
        Ok(removed)
    }

    async fn restore_entry(
        &self,
        user: UserId,
        song: SongId,
        now: Timestamp,
    ) -> StoreResult<Option<LibrarySong>> {
        let mut tx = self.begin().await?;
        let restored = tx.restore_entry(user, song, now.minus(RESTORABLE_FOR), now).await?;
        tx.commit().await?;
        Ok(restored)
    }

    async fn find_stream_target(
        &self,
        user: UserId,
        session: SessionId,
        song: SongId,
        now: Timestamp,
    ) -> StoreResult<Option<StreamTarget>> {
        let find = "SELECT songs.storage_key AS storage_key, songs.container AS container, \
                    songs.size_bytes AS size_bytes, songs.sha256 AS sha256, songs.created_at AS created_at \
                    FROM library_entries JOIN songs ON songs.id = library_entries.song_id \
                    JOIN users ON users.id = library_entries.user_id \
                    JOIN sessions ON sessions.user_id = users.id \
                    WHERE library_entries.user_id = $1 AND library_entries.song_id = $2 AND sessions.id = $3 \
                    AND sessions.ended_at IS NULL AND sessions.expires_at > $4 AND users.disabled_at IS NULL";
        let values = [user.0.into(), song.0.into(), session.0.into(), now.as_micros().into()];
        let Some(row) = self.one(find, values).await? else { return Ok(None) };
        let row = Row::new("songs", &row);
        Ok(Some(StreamTarget {
            storage_key: row.get("storage_key")?,
            container: row.parsed("container", Container::parse)?,
            size_bytes: row.count("size_bytes")?,
            sha256: row.get("sha256")?,
            created_at: row.time("created_at")?,
        }))
    }

    async fn list_songs(&self, filter: &SongFilter, page: &PageRequest) -> StoreResult<Page<SongSummary>> {
        let mut values: Vec<Value> = vec![(i64::from(page.limit) + 1).into()];
        let mut conditions = String::from("1 = 1");
        if let Some(cursor) = &page.cursor {
            values.push(Cursor::read(cursor, LIST)?.id.into());
            conditions.push_str(&format!(" AND songs.id < ${}", values.len()));
        }
        if let Some(q) = &filter.q {
            values.push(contains_pattern(&fold(q)).into());
            conditions.push_str(&format!(" AND songs.search_text LIKE ${} ESCAPE '\\'", values.len()));
        }
        let list = format!(
            "SELECT {SONG}, (SELECT COUNT(*) FROM library_entries WHERE song_id = songs.id) AS owners \
             FROM songs WHERE {conditions} ORDER BY songs.id DESC LIMIT CAST($1 AS BIGINT)"
        );
        let rows = self.all(&list, values).await?;
        let summary = |row: &QueryResult| {
            Ok(SongSummary { song: rows::song(row)?, owners: Row::new("songs", row).count("owners")? })
        };
        let songs: Vec<SongSummary> = rows.iter().map(summary).collect::<StoreResult<_>>()?;
        Ok(page_of(LIST, songs, page.limit, |row| (Key::None, row.song.id.0)))
    }

    async fn delete_song(&self, id: SongId, now: Timestamp) -> StoreResult<bool> {
        let mut tx = self.begin().await?;
        if tx.all("SELECT id FROM songs WHERE id = $1 {for update}", [id.0.into()]).await?.is_empty() {
            return Ok(false);
        }
        let entries = "DELETE FROM library_entries WHERE song_id = $1 RETURNING user_id";
        let owners = tx.all(entries, [id.0.into()]).await?;
        let owners = owners.iter().map(|row| row.try_get("", "user_id").map(UserId).map_err(error));
        let mut owners: Vec<UserId> = owners.collect::<StoreResult<_>>()?;
        // Whoever locks several accounts does it in this order, or two could wait for each other.
        owners.sort_unstable();
        for owner in owners {
            let lower = "UPDATE users SET song_count = song_count - 1 WHERE id = $1";
            tx.run(lower, [owner.0.into()]).await?;
            tx.add_library_event(owner, LibraryChange::Removed, id, None, now).await?;
        }
        tx.run("DELETE FROM songs WHERE id = $1", [id.0.into()]).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn delete_orphaned_songs(&self, orphaned_before: Timestamp) -> StoreResult<u64> {
        // A transaction of its own: whoever changes a library locks the song first.
        let tx = self.begin().await?;
        let past = tx.now().await?.minus(RESTORABLE_FOR).as_micros();
        tx.run("DELETE FROM removed_entries WHERE removed_at < $1", [past.into()]).await?;
        tx.commit().await?;
        let tx = self.begin().await?;
        let delete = "DELETE FROM songs WHERE orphaned_at < $1 \
                      AND NOT EXISTS (SELECT 1 FROM library_entries WHERE song_id = songs.id) \
                      AND NOT EXISTS (SELECT 1 FROM removed_entries WHERE song_id = songs.id)";
        let deleted = tx.run(delete, [orphaned_before.as_micros().into()]).await?;
        tx.commit().await?;
        Ok(deleted)
    }

    async fn library_totals(&self) -> StoreResult<LibraryTotals> {
        let totals = "SELECT (SELECT COUNT(*) FROM users) AS users, COUNT(*) AS songs, \
                      (SELECT COUNT(*) FROM library_entries) AS library_entries, \
                      CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT) AS storage_bytes FROM songs";
        let Some(row) = self.one(totals, []).await? else { return Ok(LibraryTotals::default()) };
        let row = Row::new("songs", &row);
        Ok(LibraryTotals {
            users: row.count("users")?,
            songs: row.count("songs")?,
            library_entries: row.count("library_entries")?,
            storage_bytes: row.count("storage_bytes")?,
        })
    }

    async fn list_referenced_keys(&self, keys: &[String]) -> StoreResult<Vec<String>> {
        let mut referenced = Vec::new();
        // Both databases take fewer than 1,000 parameters safely.
        for keys in keys.chunks(500) {
            let marks: Vec<String> = (1..=keys.len()).map(|n| format!("${n}")).collect();
            let list =
                format!("SELECT DISTINCT storage_key FROM songs WHERE storage_key IN ({})", marks.join(", "));
            for row in self.all(&list, keys.iter().map(|key| key.as_str().into())).await? {
                referenced.push(row.try_get("", "storage_key").map_err(error)?);
            }
        }
        Ok(referenced)
    }
}

impl Tx<'_> {
    pub async fn find_song_by_source(&self, source: &SourceRef) -> StoreResult<Option<Song>> {
        let find =
            format!("SELECT {SONG} FROM songs WHERE source_provider = $1 AND source_id = $2 {{for update}}");
        let row = self.one(&find, [source.provider().as_str().into(), source.id().into()]).await?;
        row.as_ref().map(rows::song).transpose()
    }

    /// Adds a song, unless its source has one by now; the song that is there in the end.
    pub async fn ensure_song(&self, source: &SourceRef, new: NewSong, now: Timestamp) -> StoreResult<Song> {
        let NewSong { id, metadata, audio } = new;
        let insert = "INSERT INTO songs (id, source_provider, source_id, title, artist, album, channel, release_year, \
                      container, codec, bitrate_kbps, duration_ms, sha256, storage_key, size_bytes, created_at, \
                      search_text) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) \
                      ON CONFLICT (source_provider, source_id) DO NOTHING";
        let artist = metadata.artist.as_deref().unwrap_or_default();
        let search_text = fold(&format!("{} {artist} {}", metadata.title, source.id()));
        let values: [Value; 17] = [
            id.0.into(),
            source.provider().as_str().into(),
            source.id().into(),
            metadata.title.clone().into(),
            metadata.artist.clone().into(),
            metadata.album.clone().into(),
            metadata.channel.clone().into(),
            metadata.release_year.map(i64::from).into(),
            audio.container.as_str().into(),
            audio.codec.clone().into(),
            i64::from(audio.bitrate_kbps).into(),
            i64::try_from(audio.duration_ms).unwrap_or(i64::MAX).into(),
            audio.sha256.clone().into(),
            audio.storage_key.clone().into(),
            i64::try_from(audio.size_bytes).unwrap_or(i64::MAX).into(),
            now.as_micros().into(),
            search_text.into(),
        ];
        while self.run(insert, values.clone()).await? == 0 {
            if let Some(song) = self.find_song_by_source(source).await? {
                return Ok(song);
            }
            // It was deleted between the two statements.
        }
        Ok(Song { id, source: source.clone(), metadata, audio, loudness_lufs: None, created_at: now })
    }
}

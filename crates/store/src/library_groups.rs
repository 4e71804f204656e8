//! The artists and albums of a library: its entries in groups of the same folded name.

use sea_orm::Value;
use songkeep_domain::{
    StoreError, StoreResult, UserId,
    library::{AlbumSummary, ArtistSummary, GroupPage, GroupQuery},
};
use uuid::Uuid;

use crate::{
    Store,
    cursor::{Cursor, Key, page_of},
    db::no_row,
    rows::Row,
    text::{contains_pattern, fold},
};

/// How one kind of groups is read.
struct Kind {
    /// Name of the list in cursors.
    list: &'static str,
    /// The folded name that its entries share.
    column: &'static str,
    /// What the page tells of a group besides its name.
    sums: &'static str,
    /// The name as an entry spells it.
    name: &'static str,
}

const ARTISTS: Kind = Kind {
    list: "artists",
    column: "sort_artist",
    sums: "COUNT(*) AS songs, COUNT(DISTINCT NULLIF(entries.sort_album, '')) AS albums",
    name: "COALESCE(named.artist, songs.artist)",
};

const ALBUMS: Kind = Kind {
    list: "albums",
    column: "sort_album",
    sums: "COUNT(*) AS songs, CAST(SUM(entries.duration_ms) AS BIGINT) AS duration_ms, \
           MIN(entries.sort_artist) AS first_artist, MAX(entries.sort_artist) AS last_artist",
    name: "COALESCE(named.album, songs.album)",
};

/// A row of a page.
struct Group<T> {
    /// What it is sorted by.
    key: String,
    summary: T,
}

impl Kind {
    /// The groups of one page with one row too many, names included, in the order of their keys.
    fn page(&self, own: &str, matching: &str, after: &str, limit: usize) -> String {
        let Self { column, sums, name, .. } = self;
        let own = own.replace("entries.", "named.");
        // The name is read for the groups of the page alone; the rest comes from the entries.
        let named = |name: &str| {
            format!(
                "(SELECT {name} FROM library_entries named JOIN songs ON songs.id = named.song_id \
                 WHERE {own} AND named.{column} = found.key ORDER BY named.song_id LIMIT 1)"
            )
        };
        format!(
            "SELECT found.*, {} AS name, {} AS artist FROM (\
             SELECT entries.{column} AS key, {sums} FROM library_entries entries \
             WHERE {matching}{after} GROUP BY entries.{column} ORDER BY entries.{column} \
             LIMIT CAST(${limit} AS BIGINT)) found ORDER BY found.key",
            named(name),
            named("COALESCE(named.artist, songs.artist)"),
        )
    }
}

impl Store {
    pub(crate) async fn artists(
        &self,
        user: UserId,
        query: &GroupQuery,
    ) -> StoreResult<GroupPage<ArtistSummary>> {
        self.groups(&ARTISTS, user, query, |row| {
            Ok(ArtistSummary {
                name: row.get("name")?,
                song_count: row.count("songs")?,
                album_count: row.count("albums")?,
            })
        })
        .await
    }

    pub(crate) async fn albums(
        &self,
        user: UserId,
        query: &GroupQuery,
    ) -> StoreResult<GroupPage<AlbumSummary>> {
        self.groups(&ALBUMS, user, query, |row| {
            let artists: (String, String) = (row.get("first_artist")?, row.get("last_artist")?);
            let common = artists.0 == artists.1;
            let artist = if common { row.get("artist")? } else { None };
            Ok(AlbumSummary {
                name: row.get("name")?,
                artist,
                song_count: row.count("songs")?,
                duration_ms: row.count("duration_ms")?,
            })
        })
        .await
    }

    async fn groups<T>(
        &self,
        kind: &Kind,
        user: UserId,
        query: &GroupQuery,
        summary: impl Fn(&Row<'_>) -> StoreResult<T>,
    ) -> StoreResult<GroupPage<T>> {
        let column = kind.column;
        let mut values: Vec<Value> = vec![user.0.into()];
        let mut own = String::from("entries.user_id = $1");
        if let Some(artist) = &query.artist {
            values.push(fold(artist).into());
            own.push_str(&format!(" AND entries.sort_artist = ${}", values.len()));
        }
        let unknown = format!(
            "SELECT COUNT(*) AS total FROM library_entries entries WHERE {own} AND entries.{column} = ''"
        );
        let unknown_count = self.count(&unknown, &values).await?;
        let mut matching = format!("{own} AND entries.{column} > ''");
        let q = query.q.as_deref().map(fold).unwrap_or_default();
        for word in q.split(' ').filter(|word| !word.is_empty()) {
            values.push(contains_pattern(word).into());
            matching.push_str(&format!(" AND entries.{column} LIKE ${} ESCAPE '\\'", values.len()));
        }
        let total = format!(
            "SELECT COUNT(*) AS total FROM (SELECT 1 AS one FROM library_entries entries WHERE {matching} \
             GROUP BY entries.{column}) found"
        );
        let total = self.count(&total, &values).await?;
        let mut after = String::new();
        if let Some(cursor) = &query.page.cursor {
            match Cursor::read(cursor, kind.list)?.key {
                Key::Text(key) if !key.contains('\0') => values.push(key.into()),
                _ => return Err(StoreError::BadCursor),
            }
            after = format!(" AND entries.{column} > ${}", values.len());
        }
        values.push((i64::from(query.page.limit) + 1).into());
        let page = kind.page(&own, &matching, &after, values.len());
        let rows = self.all(&page, values).await?;
        let groups = rows.iter().map(|row| {
            let row = Row::new("library_entries", row);
            Ok(Group { key: row.get("key")?, summary: summary(&row)? })
        });
        let groups: Vec<Group<T>> = groups.collect::<StoreResult<_>>()?;
        let page =
            page_of(kind.list, groups, query.page.limit, |group| (Key::Text(group.key.clone()), Uuid::nil()));
        Ok(GroupPage { groups: page.map(|group| group.summary), total, unknown_count })
    }

    async fn count(&self, sql: &str, values: &[Value]) -> StoreResult<u64> {
        let row = self.one(sql, values.iter().cloned()).await?.ok_or_else(no_row)?;
        Row::new("library_entries", &row).count("total")
    }
}

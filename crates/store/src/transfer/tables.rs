//! The tables whose rows are moved, and their rows in a form that is the same for both databases.

use std::fmt::Write as _;

use sea_orm::{QueryResult, Value};
use songkeep_domain::{StoreError, StoreResult};
use uuid::Uuid;

use crate::{
    Store,
    db::{Tx, error, no_row},
    dialect::Dialect,
};

/// Rows that are read, written or deleted by one statement.
const BATCH: usize = 500;
/// Values of one statement; SQLite takes 32,766.
const MOST_VALUES: usize = 30_000;

/// A table that is moved.
#[derive(Debug)]
pub(super) struct Table {
    pub name: &'static str,
    /// Columns of the primary key, in its order.
    pub key: &'static [&'static str],
}

const fn table(name: &'static str, key: &'static [&'static str]) -> Table {
    Table { name, key }
}

/// All of them, those that others refer to first. Columns are the database's own to tell.
pub(super) const TABLES: &[Table] = &[
    table("users", &["id"]),
    table("sessions", &["id"]),
    table("refresh_tokens", &["id"]),
    table("one_time_tokens", &["id"]),
    table("token_passwords", &["token_id"]),
    table("songs", &["id"]),
    table("library_entries", &["user_id", "song_id"]),
    table("removed_entries", &["user_id", "song_id"]),
    table("jobs", &["id"]),
    table("events", &["user_id", "seq"]),
    table("audit_log", &["id"]),
    table("traffic", &["minute", "node"]),
];

/// What is written of a database itself and so stays where it is.
#[cfg(test)]
const OF_THE_DATABASE: &[&str] = &["installation", "seaql_migrations"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Integer,
    Double,
    Text,
    Bytes,
    Uuid,
}

impl Kind {
    fn of(declared: &str) -> Option<Self> {
        Some(match declared.to_ascii_lowercase().as_str() {
            "bigint" => Self::Integer,
            "real" | "double precision" => Self::Double,
            "text" => Self::Text,
            "blob" | "bytea" => Self::Bytes,
            "uuid" => Self::Uuid,
            _ => return None,
        })
    }
}

/// A value; those of a key are ordered as both databases order them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    Null,
    Integer(i64),
    /// As bits.
    Double(u64),
    Text(String),
    /// Also ids, which SQLite keeps so.
    Bytes(Vec<u8>),
}

impl Field {
    fn read(row: &QueryResult, column: &Column) -> StoreResult<Self> {
        let name = &column.name;
        let field = match column.kind {
            Kind::Integer => row.try_get::<Option<i64>>("", name).map_err(error)?.map(Self::Integer),
            // SQLite keeps a negative zero as zero.
            Kind::Double => row
                .try_get::<Option<f64>>("", name)
                .map_err(error)?
                .map(|number| Self::Double((number + 0.0).to_bits())),
            // PostgreSQL refuses NUL in any text.
            Kind::Text => row
                .try_get::<Option<String>>("", name)
                .map_err(error)?
                .map(|text| Self::Text(if text.contains('\0') { text.replace('\0', "") } else { text })),
            Kind::Bytes => row.try_get::<Option<Vec<u8>>>("", name).map_err(error)?.map(Self::Bytes),
            Kind::Uuid => row
                .try_get::<Option<Uuid>>("", name)
                .map_err(error)?
                .map(|id| Self::Bytes(id.as_bytes().to_vec())),
        };
        Ok(field.unwrap_or(Self::Null))
    }

    /// For a column of that kind.
    fn value(&self, kind: Kind) -> StoreResult<Value> {
        Ok(match (self, kind) {
            (Self::Null, Kind::Integer) => Value::BigInt(None),
            (Self::Null, Kind::Double) => Value::Double(None),
            (Self::Null, Kind::Text) => Value::String(None),
            (Self::Null, Kind::Bytes) => Value::Bytes(None),
            (Self::Null, Kind::Uuid) => Value::Uuid(None),
            (Self::Integer(number), Kind::Integer) => (*number).into(),
            (Self::Double(bits), Kind::Double) => f64::from_bits(*bits).into(),
            (Self::Text(text), Kind::Text) => text.as_str().into(),
            (Self::Bytes(bytes), Kind::Bytes) => bytes.clone().into(),
            (Self::Bytes(bytes), Kind::Uuid) => Uuid::from_slice(bytes).map_err(other)?.into(),
            _ => return Err(other(format!("{self:?} does not fit a column of the kind {kind:?}"))),
        })
    }

    /// Adds the text that stands for it in checksums.
    fn write(&self, text: &mut String) {
        // Writing to a text cannot fail.
        let _ = match self {
            Self::Null => writeln!(text, "-"),
            Self::Integer(number) => writeln!(text, "i{number}"),
            Self::Double(bits) => writeln!(text, "d{bits:016x}"),
            Self::Text(value) => writeln!(text, "t{}:{value}", value.len()),
            Self::Bytes(bytes) => writeln!(text, "b{}", hex::encode(bytes)),
        };
    }
}

/// A row with its values in the order of [`Layout::columns`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row(pub Vec<Field>);

impl Row {
    /// As checksums see it: a line for each value.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.0.iter().for_each(|field| field.write(&mut text));
        text.push('\n');
        text
    }
}

pub(super) type Key = Vec<Field>;

#[derive(Debug)]
struct Column {
    name: String,
    kind: Kind,
}

/// A table as one database has it.
#[derive(Debug)]
pub(super) struct Layout {
    table: &'static Table,
    /// By name.
    columns: Vec<Column>,
    /// Places of the key's columns among them.
    key: Vec<usize>,
    dialect: Dialect,
}

impl Layout {
    pub async fn of(store: &Store, table: &'static Table) -> StoreResult<Self> {
        let list = match store.dialect {
            Dialect::Sqlite => "SELECT name, type AS kind FROM pragma_table_info($1) ORDER BY name",
            Dialect::Postgres => {
                "SELECT CAST(attname AS TEXT) AS name, format_type(atttypid, NULL) AS kind FROM pg_attribute \
                 WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped"
            }
        };
        let mut columns = Vec::new();
        for row in store.all(list, [table.name.into()]).await? {
            let name: String = row.try_get("", "name").map_err(error)?;
            let kind: String = row.try_get("", "kind").map_err(error)?;
            let kind = Kind::of(&kind).ok_or_else(|| StoreError::Inconsistent {
                table: table.name,
                detail: format!("{name} is of the kind {kind}, which cannot be moved"),
            })?;
            columns.push(Column { name, kind });
        }
        columns.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let key: Option<Vec<usize>> =
            table.key.iter().map(|name| columns.iter().position(|column| column.name == *name)).collect();
        let key = key.ok_or_else(|| StoreError::Inconsistent {
            table: table.name,
            detail: "the columns of its key are not there".to_owned(),
        })?;
        Ok(Self { table, columns, key, dialect: store.dialect })
    }

    pub fn column_names(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.name.as_str()).collect()
    }

    pub fn key_of(&self, row: &Row) -> Key {
        self.key.iter().map(|at| row.0[*at].clone()).collect()
    }

    /// Rows after the one with this key, by key.
    async fn page(&self, store: &Store, after: Option<&Key>) -> StoreResult<Vec<Row>> {
        // The order of bytes, whatever the database's locale.
        let key = self.key.iter().map(|at| {
            let Column { name, kind } = &self.columns[*at];
            match (self.dialect, kind) {
                (Dialect::Postgres, Kind::Text) => format!("\"{name}\" COLLATE \"C\""),
                _ => format!("\"{name}\""),
            }
        });
        let key = key.collect::<Vec<_>>().join(", ");
        let mut values = self.key_values(after.map_or(&[], Vec::as_slice))?;
        let beyond = if values.is_empty() {
            String::new()
        } else {
            format!("WHERE ({key}) > ({})", placeholders(1, values.len()))
        };
        values.push(i64::try_from(BATCH).map_err(other)?.into());
        let select = format!(
            "SELECT {} FROM {} {beyond} ORDER BY {key} LIMIT CAST(${} AS BIGINT)",
            self.list(),
            self.table.name,
            values.len()
        );
        let rows = store.all(&select, values).await?;
        rows.iter()
            .map(|row| self.columns.iter().map(|column| Field::read(row, column)).collect::<StoreResult<_>>())
            .map(|fields| fields.map(Row))
            .collect()
    }

    fn key_values(&self, key: &[Field]) -> StoreResult<Vec<Value>> {
        key.iter().zip(&self.key).map(|(field, at)| field.value(self.columns[*at].kind)).collect()
    }

    fn list(&self) -> String {
        self.columns.iter().map(|column| format!("\"{}\"", column.name)).collect::<Vec<_>>().join(", ")
    }

    /// Rows that one statement may add or delete.
    pub fn batch(&self) -> usize {
        BATCH.min(MOST_VALUES / self.columns.len()).max(1)
    }

    pub async fn insert(&self, tx: &Tx<'_>, rows: &[Row]) -> StoreResult<()> {
        let (mut groups, mut values) = (Vec::new(), Vec::new());
        for row in rows {
            groups.push(format!("({})", placeholders(values.len() + 1, row.0.len())));
            for (field, column) in row.0.iter().zip(&self.columns) {
                values.push(field.value(column.kind)?);
            }
        }
        let insert =
            format!("INSERT INTO {} ({}) VALUES {}", self.table.name, self.list(), groups.join(", "));
        tx.run(&insert, values).await.map(drop)
    }

    pub async fn delete(&self, tx: &Tx<'_>, keys: &[Key]) -> StoreResult<()> {
        let (mut groups, mut values) = (Vec::new(), Vec::new());
        for key in keys {
            groups.push(format!("({})", placeholders(values.len() + 1, key.len())));
            values.extend(self.key_values(key)?);
        }
        let names = self.table.key.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        let delete =
            format!("DELETE FROM {} WHERE ({names}) IN (VALUES {})", self.table.name, groups.join(", "));
        tx.run(&delete, values).await.map(drop)
    }
}

/// `$first, …`, `count` of them.
fn placeholders(first: usize, count: usize) -> String {
    (first..first + count).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ")
}

pub(super) fn other(error: impl Into<songkeep_domain::error::BoxError>) -> StoreError {
    StoreError::Other(error.into())
}

/// All rows of a table, by key, read as they are asked for. Rows that are added behind its place are
/// not seen.
pub(super) struct Rows<'a> {
    store: &'a Store,
    layout: &'a Layout,
    page: std::iter::Peekable<std::vec::IntoIter<Row>>,
    last: Option<Key>,
    ended: bool,
}

impl<'a> Rows<'a> {
    pub fn new(store: &'a Store, layout: &'a Layout) -> Self {
        Self { store, layout, page: Vec::new().into_iter().peekable(), last: None, ended: false }
    }

    pub async fn peek(&mut self) -> StoreResult<Option<&Row>> {
        if self.page.peek().is_none() && !self.ended {
            let page = self.layout.page(self.store, self.last.as_ref()).await?;
            self.ended = page.len() < BATCH;
            self.page = page.into_iter().peekable();
        }
        Ok(self.page.peek())
    }

    pub async fn next(&mut self) -> StoreResult<Option<Row>> {
        self.peek().await?;
        let row = self.page.next();
        if let Some(row) = &row {
            self.last = Some(self.layout.key_of(row));
        }
        Ok(row)
    }

    /// Goes to the row with this key, over all that come before it; None when there is none.
    pub async fn find(&mut self, key: &Key) -> StoreResult<Option<Row>> {
        let layout = self.layout;
        while let Some(row) = self.peek().await? {
            match layout.key_of(row).cmp(key) {
                std::cmp::Ordering::Less => drop(self.next().await?),
                std::cmp::Ordering::Equal => return self.next().await,
                std::cmp::Ordering::Greater => break,
            }
        }
        Ok(None)
    }
}

impl Store {
    pub(super) async fn count_rows(&self, table: &Table) -> StoreResult<u64> {
        let row = self.one(&format!("SELECT COUNT(*) AS rows FROM {}", table.name), []).await?;
        let rows: i64 = row.ok_or_else(no_row)?.try_get("", "rows").map_err(error)?;
        u64::try_from(rows).map_err(other)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::db::tests::open;

    async fn texts(store: &Store, sql: &str, values: impl IntoIterator<Item = Value>) -> Vec<String> {
        let rows = store.all(sql, values).await.expect("a valid statement");
        rows.iter().map(|row| row.try_get_by_index(0).expect("a text")).collect()
    }

    #[tokio::test]
    async fn every_table_is_moved_or_said_to_stay() {
        let (store, _folder) = open().await;
        store.migrate().await.expect("a new database");
        let list = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
        let there: BTreeSet<String> = texts(&store, list, []).await.into_iter().collect();
        let known = TABLES.iter().map(|table| table.name).chain(OF_THE_DATABASE.iter().copied());
        let known: BTreeSet<String> = known.map(str::to_owned).collect();
        assert_eq!(there, known, "a new table belongs into TABLES, or it is lost when an installation moves");
    }

    #[tokio::test]
    async fn tables_are_described_as_they_are() {
        let (store, _folder) = open().await;
        store.migrate().await.expect("a new database");
        for (at, table) in TABLES.iter().enumerate() {
            let keys = "SELECT name FROM pragma_table_info($1) WHERE pk > 0 ORDER BY pk";
            assert_eq!(texts(&store, keys, [table.name.into()]).await, table.key, "{}", table.name);
            Layout::of(&store, table).await.expect("columns of kinds that can be moved");
            let referred = "SELECT \"table\" FROM pragma_foreign_key_list($1)";
            for other in texts(&store, referred, [table.name.into()]).await {
                let place = TABLES.iter().position(|table| table.name == other);
                assert!(place.is_some_and(|place| place < at), "{other} comes before {}", table.name);
            }
            // One that counts by itself would have to be set after a move.
            let made_by = "SELECT sql FROM sqlite_master WHERE name = $1";
            let made_by = texts(&store, made_by, [table.name.into()]).await.concat().to_lowercase();
            assert!(!made_by.contains("autoincrement") && !made_by.contains("integer primary"), "{made_by}");
        }
    }

    #[test]
    fn rows_that_differ_have_different_texts() {
        let text = |fields: &[Field]| Row(fields.to_vec()).text();
        let rows = [
            text(&[Field::Null]),
            text(&[Field::Text(String::new())]),
            text(&[Field::Text("-".to_owned())]),
            text(&[Field::Text("a\nt1:b".to_owned())]),
            text(&[Field::Text("a".to_owned()), Field::Text("b".to_owned())]),
            text(&[Field::Bytes(Vec::new())]),
            text(&[Field::Bytes(vec![1])]),
            text(&[Field::Integer(1)]),
            text(&[Field::Double(1)]),
        ];
        assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), rows.len(), "{rows:?}");
    }
}

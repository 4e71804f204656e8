//! Opens the database and runs statements. SQLite has one writer connection, whose transactions take
//! the write lock at their beginning, and readers beside it that never wait for it; PostgreSQL has
//! one pool.

use std::{path::Path, sync::Arc, time::Duration};

use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DatabaseTransaction, DbErr, QueryResult,
    RuntimeErr, SqlErr, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait, Value,
};
use sea_orm_migration::MigratorTrait;
use secrecy::{ExposeSecret, SecretString};
use songkeep_domain::{
    StoreError, StoreResult, Timestamp,
    bus::{CommitHook, Notice},
};

use crate::{dialect::Dialect, library_pages::LibraryPages, migrations::Migrator};

const SQLITE_READERS: u32 = 8;
const POSTGRES_CONNECTIONS: u32 = 20;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// A process that stands still in the middle of a transaction holds its locks, and with an account's all that
/// others do for that account. Ours wait for nothing but the database, so PostgreSQL ends one that is silent
/// for longer.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);
/// Rows that SQLite's thread reads ahead of who asked: a whole page, or the two would wake each other
/// for every row.
const SQLITE_ROWS_AHEAD: usize = 256;
/// The turn of processes that change the tables.
const MIGRATING: i64 = 7_305_449_161_284_870_001;
/// Every connection of a process that uses the database holds this lock with the others, and who moves
/// the database's data holds it alone: rows alone cannot tell whether a Songkeep runs somewhere, and the
/// server frees the lock of a process that died at once. A folder has a lock of its own. (…002 is the turn
/// of the first administrator.)
const IN_USE: i64 = 7_305_449_161_284_870_009;

/// How long who wants the database alone waits for those who are just ending.
const ENDING: Duration = Duration::from_secs(3);

/// The database. A clone shares its connections.
#[derive(Clone)]
pub struct Store {
    reader: DatabaseConnection,
    writer: DatabaseConnection,
    pub(crate) dialect: Dialect,
    pub(crate) pages: LibraryPages,
    hook: Arc<dyn CommitHook>,
    /// Of a store that has its database alone: the one connection that holds the lock.
    alone: Option<DatabaseConnection>,
}

impl Store {
    /// Opens or makes the file. `hook` hears what has been committed.
    ///
    /// # Errors
    /// `Unavailable` when the file cannot be opened.
    pub async fn open_sqlite(path: &Path, hook: Arc<dyn CommitHook>) -> StoreResult<Self> {
        let path = path.to_owned();
        let options = |connections: u32, query_only: bool| {
            let path = path.clone();
            let mut options = ConnectOptions::new("sqlite::memory:");
            options
                .max_connections(connections)
                .min_connections(1)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .test_before_acquire(false)
                .idle_timeout(None::<Duration>)
                .max_lifetime(None::<Duration>)
                .sqlx_logging(false)
                .map_sqlx_sqlite_opts(move |options| {
                    use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
                    options
                        .in_memory(false)
                        .shared_cache(false)
                        .filename(&path)
                        .create_if_missing(true)
                        .journal_mode(SqliteJournalMode::Wal)
                        // What somebody was told is done must survive a power cut.
                        .synchronous(SqliteSynchronous::Full)
                        .foreign_keys(true)
                        .busy_timeout(Duration::from_secs(10))
                        .statement_cache_capacity(200)
                        .row_buffer_size(SQLITE_ROWS_AHEAD)
                        .pragma("query_only", if query_only { "1" } else { "0" })
                        .pragma("cache_size", "-4096")
                        .pragma("mmap_size", "268435456")
                        .pragma("temp_store", "memory")
                });
            options
        };
        let writer = Database::connect(options(1, false)).await.map_err(unavailable)?;
        let reader = Database::connect(options(SQLITE_READERS, true)).await.map_err(unavailable)?;
        Ok(Self { reader, writer, dialect: Dialect::Sqlite, pages: LibraryPages::new(), hook, alone: None })
    }

    /// Opens what a URL names: `postgresql://…` (also `postgres://`, `postgresql+psycopg://`) or
    /// `sqlite://PATH`.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be opened.
    pub async fn connect(url: &SecretString, hook: Arc<dyn CommitHook>) -> StoreResult<Self> {
        match Place::of(url)? {
            Place::Sqlite(path) => Self::open_sqlite(path, hook).await,
            Place::Postgres(url) => Self::open_postgres(&url, hook, true).await,
        }
    }

    /// As [`Store::connect`], and keeps every other Songkeep out until it is closed; None when one has the
    /// database open. An SQLite file is not locked: its folder must be.
    ///
    /// # Errors
    /// `Unavailable` when it cannot be opened.
    pub async fn connect_alone(url: &SecretString, hook: Arc<dyn CommitHook>) -> StoreResult<Option<Self>> {
        let url = match Place::of(url)? {
            Place::Sqlite(path) => return Self::open_sqlite(path, hook).await.map(Some),
            Place::Postgres(url) => url,
        };
        let mut options = ConnectOptions::new(url.clone());
        options
            .max_connections(1)
            .min_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(None::<Duration>)
            .max_lifetime(None::<Duration>)
            .sqlx_logging(false);
        let alone = Database::connect(options).await.map_err(unavailable)?;
        let deadline = tokio::time::Instant::now() + ENDING;
        while !try_lock_alone(&alone).await? {
            if tokio::time::Instant::now() > deadline {
                return Ok(None);
            }
            tokio::time::sleep(ENDING / 20).await;
        }
        let store = Self::open_postgres(&url, hook, false).await?;
        Ok(Some(Self { alone: Some(alone), ..store }))
    }

    /// `shares`: whether its connections say that the database is in use.
    async fn open_postgres(url: &str, hook: Arc<dyn CommitHook>, shares: bool) -> StoreResult<Self> {
        let mut options = ConnectOptions::new(url);
        options.max_connections(POSTGRES_CONNECTIONS).acquire_timeout(ACQUIRE_TIMEOUT).sqlx_logging(false);
        if shares {
            // One stays, so that also a process without calls is seen. Who may not share the lock finds
            // out by `check_free`.
            options.min_connections(1).map_sqlx_postgres_pool_opts(|pool| {
                pool.after_connect(|connection, _| {
                    let share = format!(
                        "SET idle_in_transaction_session_timeout = {}; SELECT pg_try_advisory_lock_shared({IN_USE})",
                        LONGEST_SILENCE.as_millis()
                    );
                    Box::pin(async move {
                        sqlx::Executor::execute(connection, sqlx::AssertSqlSafe(share)).await.map(drop)
                    })
                })
            });
        }
        let pool = Database::connect(options).await.map_err(unavailable)?;
        let pages = LibraryPages::new();
        Ok(Self { reader: pool.clone(), writer: pool, dialect: Dialect::Postgres, pages, hook, alone: None })
    }

    /// # Errors
    /// When somebody has the database alone, see [`Store::connect_alone`].
    pub async fn check_free(&self) -> StoreResult<()> {
        if self.dialect == Dialect::Sqlite {
            return Ok(());
        }
        let row = self.one("SELECT pg_try_advisory_xact_lock_shared($1) AS free", [IN_USE.into()]).await?;
        if row.ok_or_else(no_row)?.try_get("", "free").map_err(error)? {
            return Ok(());
        }
        Err(StoreError::Other("`songkeep migrate-data` is working on this database; wait for its end".into()))
    }

    /// Brings the tables up to date; safe to run from several processes at once.
    ///
    /// # Errors
    /// When a statement fails.
    pub async fn migrate(&self) -> StoreResult<()> {
        let tx = self.begin().await?;
        tx.wait_for_turn(MIGRATING).await?;
        Migrator::up(&tx.transaction, None).await.map_err(error)?;
        tx.commit().await
    }

    /// # Errors
    /// When the tables are older than this code needs, or the database does not answer.
    pub async fn check_schema(&self) -> StoreResult<()> {
        let pending = if self.has_tables().await? {
            let applied = self.all("SELECT version FROM seaql_migrations", []).await?;
            let applied: Vec<String> =
                applied.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>().map_err(error)?;
            Migrator::migrations().iter().filter(|m| !applied.iter().any(|name| name == m.name())).count()
        } else {
            Migrator::migrations().len()
        };
        if pending == 0 {
            return Ok(());
        }
        Err(StoreError::Other(
            format!("the database lacks {pending} migration(s); run `songkeep migrate`").into(),
        ))
    }

    /// Whether the database has ever been migrated.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn has_tables(&self) -> StoreResult<bool> {
        let sql = match self.dialect {
            Dialect::Sqlite => "SELECT 1 FROM sqlite_master WHERE name = 'seaql_migrations'",
            Dialect::Postgres => "SELECT 1 WHERE to_regclass('seaql_migrations') IS NOT NULL",
        };
        Ok(self.one(sql, []).await?.is_some())
    }

    /// Writes a consistent copy of an SQLite database while it is in use.
    ///
    /// # Errors
    /// When `to` exists or cannot be written.
    pub async fn backup_sqlite(&self, to: &Path) -> StoreResult<()> {
        let to = to.to_str().ok_or_else(|| StoreError::Other("the path is not UTF-8".into()))?;
        self.writer.execute_raw(self.statement("VACUUM INTO $1", [to.into()])).await.map(drop).map_err(error)
    }

    /// # Errors
    /// When the database does not answer.
    pub async fn ping(&self) -> StoreResult<()> {
        self.one("SELECT 1", []).await.map(drop)
    }

    /// Ends all connections, after what runs.
    pub async fn close(&self) {
        for connection in [&self.reader, &self.writer].into_iter().chain(&self.alone) {
            if let Err(error) = connection.clone().close().await {
                tracing::warn!(%error, "the database was not closed cleanly");
            }
        }
    }

    fn statement(&self, sql: &str, values: impl IntoIterator<Item = Value>) -> Statement {
        debug_assert!(!sql.contains("LIMIT $"), "see the head of dialect.rs");
        Statement::from_sql_and_values(self.dialect.backend(), self.dialect.render(sql), values)
    }

    /// Reads at most one row, outside of a transaction.
    pub(crate) async fn one(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> StoreResult<Option<QueryResult>> {
        self.reader.query_one_raw(self.statement(sql, values)).await.map_err(error)
    }

    /// Reads rows, outside of a transaction.
    pub(crate) async fn all(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> StoreResult<Vec<QueryResult>> {
        self.reader.query_all_raw(self.statement(sql, values)).await.map_err(error)
    }

    /// Begins a transaction that writes.
    pub(crate) async fn begin(&self) -> StoreResult<Tx<'_>> {
        let options = TransactionOptions {
            sqlite_transaction_mode: (self.dialect == Dialect::Sqlite)
                .then_some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let transaction = self.writer.begin_with_options(options).await.map_err(error)?;
        Ok(Tx { store: self, transaction, notices: Vec::new() })
    }
}

/// Where a URL says that the database is.
enum Place<'a> {
    Sqlite(&'a Path),
    Postgres(String),
}

impl<'a> Place<'a> {
    fn of(url: &'a SecretString) -> StoreResult<Self> {
        let url = url.expose_secret();
        if let Some(path) = url.strip_prefix("sqlite://") {
            return Ok(Self::Sqlite(Path::new(path)));
        }
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(StoreError::Other("the database's URL has no scheme".into()));
        };
        if !matches!(scheme.split('+').next(), Some("postgresql" | "postgres")) {
            return Err(StoreError::Other(
                format!("databases of the kind {scheme:?} are not supported").into(),
            ));
        }
        Ok(Self::Postgres(format!("postgresql://{rest}")))
    }
}

/// A transaction. Dropped without [`Tx::commit`], it never happened.
pub(crate) struct Tx<'a> {
    store: &'a Store,
    transaction: DatabaseTransaction,
    notices: Vec<Notice>,
}

impl Tx<'_> {
    /// What is to be told once this is committed.
    pub fn notify(&mut self, notice: Notice) {
        if !self.notices.contains(&notice) {
            self.notices.push(notice);
        }
    }

    /// Waits until no other transaction has this turn, and keeps it until the end of this one.
    pub async fn wait_for_turn(&self, turn: i64) -> StoreResult<()> {
        match self.store.dialect {
            // Transactions that write take turns anyway.
            Dialect::Sqlite => Ok(()),
            Dialect::Postgres => self.run("SELECT pg_advisory_xact_lock($1)", [turn.into()]).await.map(drop),
        }
    }

    /// The database's clock.
    pub async fn now(&self) -> StoreResult<Timestamp> {
        let row = self.one("SELECT {now} AS now", []).await?;
        row.ok_or_else(no_row)?.try_get("", "now").map(Timestamp::from_micros).map_err(error)
    }

    /// Runs a statement; how many rows it changed.
    pub async fn run(&self, sql: &str, values: impl IntoIterator<Item = Value>) -> StoreResult<u64> {
        let result = self.transaction.execute_raw(self.store.statement(sql, values)).await.map_err(error)?;
        Ok(result.rows_affected())
    }

    pub async fn one(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> StoreResult<Option<QueryResult>> {
        self.transaction.query_one_raw(self.store.statement(sql, values)).await.map_err(error)
    }

    pub async fn all(
        &self,
        sql: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> StoreResult<Vec<QueryResult>> {
        self.transaction.query_all_raw(self.store.statement(sql, values)).await.map_err(error)
    }

    pub async fn commit(self) -> StoreResult<()> {
        self.transaction.commit().await.map_err(error)?;
        if !self.notices.is_empty() {
            self.store.hook.committed(self.notices);
        }
        Ok(())
    }
}

/// An answer that cannot be empty was.
pub(crate) fn no_row() -> StoreError {
    StoreError::Other("the database answered nothing".into())
}

async fn try_lock_alone(connection: &DatabaseConnection) -> StoreResult<bool> {
    let lock = "SELECT pg_try_advisory_lock($1) AS held";
    let lock = Statement::from_sql_and_values(Dialect::Postgres.backend(), lock, [IN_USE.into()]);
    let row = connection.query_one_raw(lock).await.map_err(error)?.ok_or_else(no_row)?;
    row.try_get("", "held").map_err(error)
}

fn unavailable(error: DbErr) -> StoreError {
    StoreError::Unavailable(error.into())
}

/// Sorts an error of SeaORM into ours.
pub(crate) fn error(error: DbErr) -> StoreError {
    if let Some(SqlErr::UniqueConstraintViolation(_)) = error.sql_err() {
        return StoreError::Conflict("a unique value");
    }
    let passing = match &error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        DbErr::Exec(RuntimeErr::SqlxError(inner)) | DbErr::Query(RuntimeErr::SqlxError(inner)) => {
            use sqlx::Error as Sqlx;
            match inner.as_ref() {
                Sqlx::Io(_) | Sqlx::Tls(_) | Sqlx::PoolTimedOut | Sqlx::PoolClosed | Sqlx::WorkerCrashed => {
                    true
                }
                // SQLite: busy, locked, full, cannot open. PostgreSQL: serialization, deadlock, connection
                // classes, out of resources, shutting down, silent for too long.
                Sqlx::Database(inner) => inner.code().is_some_and(|code| {
                    matches!(
                        code.as_ref(),
                        "5" | "6" | "13" | "14" | "261" | "517" | "25P03" | "40001" | "40P01"
                    ) || ["08", "53", "57"].iter().any(|class| code.len() == 5 && code.starts_with(class))
                }),
                _ => false,
            }
        }
        _ => false,
    };
    if passing { StoreError::Unavailable(error.into()) } else { StoreError::Other(error.into()) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    struct Unheard;

    impl CommitHook for Unheard {
        fn committed(&self, _notices: Vec<Notice>) {}
    }

    /// A new SQLite database without tables, and the folder it lives in.
    pub async fn open() -> (Store, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open_sqlite(&folder.path().join("songkeep.db"), Arc::new(Unheard)).await;
        (store.expect("a new database"), folder)
    }

    async fn setting(connection: &DatabaseConnection, name: &str) -> String {
        let sql = format!("SELECT CAST({name} AS TEXT) AS value FROM pragma_{name}");
        let row = connection.query_one_raw(Statement::from_string(sea_orm::DbBackend::Sqlite, sql)).await;
        row.expect("a setting").expect("a row").try_get("", "value").expect("a text")
    }

    #[tokio::test]
    async fn commits_survive_a_power_cut_and_references_are_checked_on_sqlite() {
        let (store, _folder) = open().await;
        for connection in [&store.writer, &store.reader] {
            assert_eq!(setting(connection, "journal_mode").await, "wal");
            assert_eq!(setting(connection, "synchronous").await, "2", "full");
            assert_eq!(setting(connection, "foreign_keys").await, "1");
        }
        assert_eq!(setting(&store.reader, "query_only").await, "1");
        assert_eq!(setting(&store.writer, "query_only").await, "0");
    }
}

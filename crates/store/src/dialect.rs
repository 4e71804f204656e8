//! What differs between the two databases. Statements are written once with `$1` parameters, which
//! both take, and with these words in braces:
//!
//! * `{now}`: the database's clock, microseconds since 1970
//! * `{for update}`: locks the selected rows until the end of the transaction
//! * `{skip locked}`: the same, passing over rows that are locked
//! * `{by turn}`, `{by run_at}`, `{by lease}`: after `jobs` in FROM, the order in which jobs are read
//! * `{by artist}`, `{by album}`: after `library_entries entries`, the index that finds a filter's entries
//! * in migrations also `{uuid}`, `{bytes}`, `{double}`, `{sorted text}`: column types
//!
//! A limit that is a parameter is written `LIMIT CAST($1 AS BIGINT)`: SQLite plans a statement with a
//! bare parameter there anew for every value, which costs more than most of our statements do.

use sea_orm::DbBackend;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    pub const fn backend(self) -> DbBackend {
        match self {
            Self::Sqlite => DbBackend::Sqlite,
            Self::Postgres => DbBackend::Postgres,
        }
    }

    const fn words(self) -> [(&'static str, &'static str); 12] {
        match self {
            // A transaction that writes holds SQLite's one write lock from its beginning.
            Self::Sqlite => [
                ("{now}", "CAST(unixepoch('subsec') * 1000000 AS INTEGER)"),
                ("{for update}", ""),
                ("{skip locked}", ""),
                // Without statistics SQLite would rather read or sort the whole queue for each look.
                ("{by turn}", "INDEXED BY jobs_due"),
                ("{by run_at}", "INDEXED BY jobs_run_at"),
                ("{by lease}", "INDEXED BY jobs_leases"),
                // Nor would it rather sort the few entries of a name than look through all in their order.
                ("{by artist}", "INDEXED BY library_entries_artist"),
                ("{by album}", "INDEXED BY library_entries_album"),
                ("{uuid}", "BLOB"),
                ("{bytes}", "BLOB"),
                ("{double}", "REAL"),
                ("{sorted text}", "TEXT"),
            ],
            Self::Postgres => [
                ("{now}", "CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"),
                ("{for update}", "FOR UPDATE"),
                ("{skip locked}", "FOR UPDATE SKIP LOCKED"),
                ("{by turn}", ""),
                ("{by run_at}", ""),
                ("{by lease}", ""),
                ("{by artist}", ""),
                ("{by album}", ""),
                ("{uuid}", "UUID"),
                ("{bytes}", "BYTEA"),
                ("{double}", "DOUBLE PRECISION"),
                // The same order as SQLite's, whatever the database's locale.
                ("{sorted text}", "TEXT COLLATE \"C\""),
            ],
        }
    }

    /// The statement in this database's words.
    pub fn render(self, sql: &str) -> String {
        let mut text = sql.to_owned();
        if sql.contains('{') {
            for (word, meaning) in self.words() {
                text = text.replace(word, meaning);
            }
        }
        text
    }
}

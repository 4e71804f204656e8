//! Moving all rows of one database into another, of either kind. The target becomes what the source is:
//! rows that differ are taken out, rows that are missing are put in, so that a move that was broken off
//! at any moment is carried on by doing it again. Who moves keeps every other process away from both.

mod objects;
mod tables;

use aws_lc_rs::digest::{Context, SHA256};
use songkeep_domain::{StoreError, StoreResult};
use uuid::Uuid;

pub use self::objects::StoredObject;
use self::tables::{Layout, Rows, TABLES, Table, other};
use crate::{
    Store,
    db::{Tx, error},
    migrations::Migrator,
};

/// What a server makes in an empty database by itself.
const MADE_BY_A_START: &str = "one_time_tokens";

#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    #[error("the source holds no Songkeep")]
    NothingThere,
    #[error(
        "the source's tables are older than this version needs; run `songkeep migrate` on it, or start it once, and stop it again"
    )]
    SourceIsOld,
    #[error("the {0}'s tables are of a newer version of Songkeep; use that version")]
    TooNew(&'static str),
    #[error("a move into the source has not ended itself; run it again first")]
    SourceIsUnfinished,
    #[error("the target holds data of its own already ({rows} rows in {table}); name an empty one")]
    TargetIsInUse { table: &'static str, rows: u64 },
    #[error("the target holds a move from another installation; name an empty one")]
    TargetIsOfAnother,
    #[error(
        "the move into this target ended before, and {0} differs since then: one of the two has been used; name an empty target to move again"
    )]
    UsedSince(&'static str),
    #[error("source and target disagree about the columns of {0}")]
    Columns(&'static str),
    #[error("rows of {table} were refused by the target")]
    Refused { table: &'static str, source: StoreError },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Rows of a table that were brought over, of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub table: &'static str,
    pub rows: u64,
    pub of: u64,
}

/// A table on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableReport {
    pub table: &'static str,
    pub from: TableSum,
    pub to: TableSum,
}

impl TableReport {
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.from == self.to
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSum {
    pub rows: u64,
    /// SHA-256 over the canonical texts of all rows by key, lower-case hex.
    pub checksum: String,
}

/// How far the target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetState {
    Empty,
    /// A move from this source was broken off.
    Begun,
    /// A move from this source ended.
    Done,
}

/// A move of all rows between two databases that nobody else uses.
pub struct Transfer<'a> {
    from: &'a Store,
    to: &'a Store,
    state: TargetState,
    tables: Vec<(&'static Table, Layout, Layout)>,
}

impl<'a> Transfer<'a> {
    /// What [`Transfer::begin`] would find; changes nothing.
    ///
    /// # Errors
    /// As there.
    pub async fn look(from: &Store, to: &Store) -> Result<TargetState, TransferError> {
        check_source(from).await?;
        state_of(to, from.installation().await?).await
    }

    /// Takes the jobs of dead processes back, as a start does, brings the target's tables up to date and
    /// marks it as the target of this source, so that nobody serves from it before [`Transfer::finish`].
    ///
    /// # Errors
    /// When the source is not whole and current, or the target holds what is not the source's.
    pub async fn begin(from: &'a Store, to: &'a Store) -> Result<Self, TransferError> {
        let state = Self::look(from, to).await?;
        to.migrate().await?;
        let source = from.ensure_installation().await?;
        from.forfeit_leases().await?;
        if state == TargetState::Empty {
            let own = to.ensure_installation().await?;
            to.mark(
                "UPDATE installation SET moved_from = $2, moved_at = NULL WHERE id = $1",
                own.id,
                source.id,
            )
            .await?;
        }
        let mut tables = Vec::with_capacity(TABLES.len());
        for table in TABLES {
            let layouts = (Layout::of(from, table).await?, Layout::of(to, table).await?);
            if layouts.0.column_names() != layouts.1.column_names() {
                return Err(TransferError::Columns(table.name));
            }
            tables.push((table, layouts.0, layouts.1));
        }
        Ok(Self { from, to, state, tables })
    }

    #[must_use]
    pub const fn state(&self) -> TargetState {
        self.state
    }

    /// Makes the target's rows what the source's are, and tells of each batch. Of a move that had ended
    /// before, it only makes sure that they still are.
    ///
    /// # Errors
    /// When a database fails; doing it again carries on.
    pub async fn copy_rows(&self, tell: &mut (dyn FnMut(Progress) + Send)) -> Result<(), TransferError> {
        if self.state == TargetState::Done {
            let differs = self.compare().await?.into_iter().find(|report| !report.is_same());
            return differs.map_or(Ok(()), |report| Err(TransferError::UsedSince(report.table)));
        }
        // Whatever is wrong goes first, in all tables: then no unique value is in the way of another row.
        for (table, from, to) in &self.tables {
            self.remove_wrong(from, to).await.map_err(|error| refused(table, error))?;
        }
        for (table, from, to) in &self.tables {
            let mut progress =
                Progress { table: table.name, rows: 0, of: self.from.count_rows(table).await? };
            tell(progress);
            let (mut source, mut target) = (Rows::new(self.from, from), Rows::new(self.to, to));
            let mut missing = Vec::new();
            while let Some(row) = source.next().await? {
                progress.rows += 1;
                if target.find(&from.key_of(&row)).await?.is_none() {
                    missing.push(row);
                }
                if missing.len() == to.batch() {
                    self.insert(to, &mut missing).await.map_err(|error| refused(table, error))?;
                    tell(progress);
                }
            }
            self.insert(to, &mut missing).await.map_err(|error| refused(table, error))?;
            tell(progress);
        }
        Ok(())
    }

    async fn insert(&self, to: &Layout, rows: &mut Vec<tables::Row>) -> StoreResult<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let tx = self.to.begin().await?;
        to.insert(&tx, rows).await?;
        rows.clear();
        tx.commit().await
    }

    /// Takes out the target's rows that the source has not, or not so.
    async fn remove_wrong(&self, from: &Layout, to: &Layout) -> StoreResult<()> {
        let (mut source, mut target) = (Rows::new(self.from, from), Rows::new(self.to, to));
        let mut wrong = Vec::new();
        loop {
            let row = target.next().await?;
            if wrong.len() == to.batch() || row.is_none() && !wrong.is_empty() {
                let tx = self.to.begin().await?;
                to.delete(&tx, &wrong).await?;
                tx.commit().await?;
                wrong.clear();
            }
            let Some(row) = row else { return Ok(()) };
            let key = to.key_of(&row);
            if source.find(&key).await?.as_ref() != Some(&row) {
                wrong.push(key);
            }
        }
    }

    /// Counts and checksums of all tables on both sides.
    ///
    /// # Errors
    /// When a database fails.
    pub async fn compare(&self) -> StoreResult<Vec<TableReport>> {
        let mut reports = Vec::with_capacity(self.tables.len());
        for (table, from, to) in &self.tables {
            let (from, to) = (sum(self.from, from).await?, sum(self.to, to).await?);
            reports.push(TableReport { table: table.name, from, to });
        }
        Ok(reports)
    }

    /// Says that the target is whole: from now on it may be served from.
    ///
    /// # Errors
    /// When the target fails.
    pub async fn finish(&self) -> StoreResult<()> {
        let own = self.to.ensure_installation().await?;
        let now = "UPDATE installation SET moved_at = {now} WHERE id = $1 AND moved_from = $2";
        self.to.mark(now, own.id, own.moved_from.unwrap_or_default()).await
    }
}

fn refused(table: &Table, source: StoreError) -> TransferError {
    match source {
        StoreError::Unavailable(_) => TransferError::Store(source),
        source => TransferError::Refused { table: table.name, source },
    }
}

async fn check_source(from: &Store) -> Result<(), TransferError> {
    if !from.has_tables().await? {
        return Err(TransferError::NothingThere);
    }
    if from.is_newer().await? {
        return Err(TransferError::TooNew("source"));
    }
    if from.check_schema().await.is_err() {
        return Err(TransferError::SourceIsOld);
    }
    match from.installation().await? {
        Some(its) if its.is_unfinished() => Err(TransferError::SourceIsUnfinished),
        _ => Ok(()),
    }
}

/// `source`: None while it has no identity, and so was never moved.
async fn state_of(to: &Store, source: Option<Installation>) -> Result<TargetState, TransferError> {
    if !to.has_tables().await? {
        return Ok(TargetState::Empty);
    }
    if to.is_newer().await? {
        return Err(TransferError::TooNew("target"));
    }
    let its = to.installation().await?;
    if let Some(Installation { moved_from: Some(from), moved_at, .. }) = its {
        return match moved_at {
            _ if source.is_none_or(|source| source.id != from) => Err(TransferError::TargetIsOfAnother),
            None => Ok(TargetState::Begun),
            Some(_) => Ok(TargetState::Done),
        };
    }
    for table in TABLES.iter().filter(|table| table.name != MADE_BY_A_START) {
        // A target with older tables may lack some.
        let rows = if to.has_table(table).await? { to.count_rows(table).await? } else { 0 };
        if rows > 0 {
            return Err(TransferError::TargetIsInUse { table: table.name, rows });
        }
    }
    Ok(TargetState::Empty)
}

async fn sum(store: &Store, layout: &Layout) -> StoreResult<TableSum> {
    let (mut rows, mut context, mut all) = (0, Context::new(&SHA256), Rows::new(store, layout));
    while let Some(row) = all.next().await? {
        rows += 1;
        context.update(row.text().as_bytes());
    }
    Ok(TableSum { rows, checksum: hex::encode(context.finish()) })
}

/// What a database says of itself.
#[derive(Clone, Copy, Debug)]
struct Installation {
    id: Uuid,
    /// The installation whose data was or is being moved in.
    moved_from: Option<Uuid>,
    /// When that ended.
    moved_at: Option<i64>,
}

impl Installation {
    const fn is_unfinished(&self) -> bool {
        self.moved_from.is_some() && self.moved_at.is_none()
    }
}

const INSTALLATION: &str = "SELECT id, moved_from, moved_at FROM installation LIMIT 1";

impl Store {
    /// Rows of each table that would be moved.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_all_rows(&self) -> StoreResult<Vec<(&'static str, u64)>> {
        let mut counts = Vec::with_capacity(TABLES.len());
        for table in TABLES {
            counts.push((table.name, self.count_rows(table).await?));
        }
        Ok(counts)
    }

    /// # Errors
    /// When a move into this database has not ended, or one out of it or into it is under way.
    pub async fn check_may_be_used(&self) -> StoreResult<()> {
        match self.installation().await? {
            Some(its) if its.is_unfinished() => Err(other(
                "a move into this database has not ended; wait for it, or run `songkeep migrate-data` again",
            )),
            _ => self.check_free().await,
        }
    }

    async fn has_table(&self, table: &Table) -> StoreResult<bool> {
        use crate::dialect::Dialect;
        let sql = match self.dialect {
            Dialect::Sqlite => "SELECT 1 FROM sqlite_master WHERE name = $1",
            Dialect::Postgres => "SELECT 1 WHERE to_regclass($1) IS NOT NULL",
        };
        Ok(self.one(sql, [table.name.into()]).await?.is_some())
    }

    /// None when nothing was ever moved out of or into this database.
    async fn installation(&self) -> StoreResult<Option<Installation>> {
        if !self.has_table(&Table { name: "installation", key: &["id"] }).await? {
            return Ok(None);
        }
        let Some(row) = self.one(INSTALLATION, []).await? else { return Ok(None) };
        let row = crate::rows::Row::new("installation", &row);
        Ok(Some(Installation {
            id: row.id("id")?,
            moved_from: row.get("moved_from")?,
            moved_at: row.get("moved_at")?,
        }))
    }

    async fn ensure_installation(&self) -> StoreResult<Installation> {
        if let Some(its) = self.installation().await? {
            return Ok(its);
        }
        let id = Uuid::now_v7();
        let tx: Tx<'_> = self.begin().await?;
        tx.run("INSERT INTO installation (id) VALUES ($1)", [id.into()]).await?;
        tx.commit().await?;
        Ok(Installation { id, moved_from: None, moved_at: None })
    }

    async fn mark(&self, sql: &str, id: Uuid, from: Uuid) -> StoreResult<()> {
        let tx = self.begin().await?;
        tx.run(sql, [id.into(), from.into()]).await?;
        tx.commit().await
    }

    /// Whether migrations were applied that this version does not know.
    async fn is_newer(&self) -> StoreResult<bool> {
        use sea_orm_migration::MigratorTrait as _;
        let known = Migrator::migrations();
        for row in self.all("SELECT version FROM seaql_migrations", []).await? {
            let version: String = row.try_get("", "version").map_err(error)?;
            if !known.iter().any(|migration| migration.name() == version) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

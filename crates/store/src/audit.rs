//! The audit log. Rows are only ever added.

use async_trait::async_trait;
use sea_orm::Value;
use songkeep_domain::{
    AuditId, Page, PageRequest, StoreResult, UserId,
    audit::{AuditEntry, AuditStore},
};
use uuid::Uuid;

use crate::{
    Store,
    cursor::{Cursor, Key, page_of},
    db::Tx,
    rows::Row,
    text::contains_pattern,
};

const LIST: &str = "audit";

#[async_trait]
impl AuditStore for Store {
    async fn append_audit(&self, entry: AuditEntry) -> StoreResult<()> {
        let tx = self.begin().await?;
        tx.append_audit(entry).await?;
        tx.commit().await
    }

    async fn list_audit(&self, q: Option<&str>, page: &PageRequest) -> StoreResult<Page<AuditEntry>> {
        let mut values: Vec<Value> = vec![(i64::from(page.limit) + 1).into()];
        let mut conditions = String::from("1 = 1");
        if let Some(cursor) = &page.cursor {
            values.push(Cursor::read(cursor, LIST)?.id.into());
            conditions.push_str(&format!(" AND id < ${}", values.len()));
        }
        if let Some(q) = q {
            values.push(contains_pattern(&q.to_lowercase()).into());
            let n = values.len();
            conditions.push_str(&format!(
                " AND (LOWER(action) LIKE ${n} ESCAPE '\\' OR LOWER(target) LIKE ${n} ESCAPE '\\')"
            ));
        }
        let list = format!(
            "SELECT id, at, actor_id, action, target, ip, detail FROM audit_log WHERE {conditions} \
             ORDER BY id DESC LIMIT CAST($1 AS BIGINT)"
        );
        let rows = self.all(&list, values).await?;
        let entries = rows.iter().map(|row| {
            let row = Row::new("audit_log", row);
            Ok(AuditEntry {
                id: AuditId(row.id("id")?),
                at: row.time("at")?,
                actor_id: row.get::<Option<Uuid>>("actor_id")?.map(UserId),
                action: row.get("action")?,
                target: row.get("target")?,
                ip: row.get("ip")?,
                detail: row.json("detail")?,
            })
        });
        let entries: Vec<AuditEntry> = entries.collect::<StoreResult<_>>()?;
        Ok(page_of(LIST, entries, page.limit, |entry| (Key::None, entry.id.0)))
    }
}

impl Tx<'_> {
    pub async fn append_audit(&self, entry: AuditEntry) -> StoreResult<()> {
        let insert = "INSERT INTO audit_log (id, at, actor_id, action, target, ip, detail) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let values: [Value; 7] = [
            entry.id.0.into(),
            entry.at.as_micros().into(),
            entry.actor_id.map(|id| id.0).into(),
            entry.action.into(),
            entry.target.into(),
            entry.ip.into(),
            entry.detail.to_string().into(),
        ];
        self.run(insert, values).await.map(drop)
    }
}

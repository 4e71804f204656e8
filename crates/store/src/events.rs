//! Events: rows numbered per account, in the order of commits, because the number comes from the
//! account's row, which stays locked until the commit.

use async_trait::async_trait;
use songkeep_domain::{
    StoreError, StoreResult, Timestamp, UserId,
    bus::Notice,
    event::{Event, EventBody, EventStore, EventsAfter},
};

use crate::{
    Store,
    db::{Tx, error},
    rows::Row,
};

impl Tx<'_> {
    /// Writes an event of an account, and tells of it after the commit.
    pub async fn add_event(&mut self, user: UserId, body: EventBody, at: Timestamp) -> StoreResult<()> {
        let next = "UPDATE users SET event_seq = event_seq + 1 WHERE id = $1 RETURNING event_seq";
        let Some(row) = self.one(next, [user.0.into()]).await? else {
            return Err(StoreError::Inconsistent { table: "users", detail: format!("{user} has gone") });
        };
        let seq: i64 = row.try_get("", "event_seq").map_err(error)?;
        let payload = serde_json::to_string(&body).map_err(|error| StoreError::Other(error.into()))?;
        let insert = "INSERT INTO events (user_id, seq, payload, created_at) VALUES ($1, $2, $3, $4)";
        self.run(insert, [user.0.into(), seq.into(), payload.into(), at.as_micros().into()]).await?;
        self.notify(Notice::Event(Box::new(Event { user_id: user, seq, at, body })));
        Ok(())
    }
}

#[async_trait]
impl EventStore for Store {
    async fn list_events_after(&self, user: UserId, seq: i64, limit: u32) -> StoreResult<EventsAfter> {
        let newest = self.last_event_seq(user).await?;
        if seq < 0 || seq > newest {
            return Ok(EventsAfter::Gap);
        }
        let list = "SELECT seq, payload, created_at FROM events WHERE user_id = $1 AND seq > $2 \
                    ORDER BY seq LIMIT CAST($3 AS BIGINT)";
        let rows = self.all(list, [user.0.into(), seq.into(), i64::from(limit).into()]).await?;
        let events = rows.iter().map(|row| {
            let row = Row::new("events", row);
            Ok(Event {
                user_id: user,
                seq: row.get("seq")?,
                at: row.time("created_at")?,
                body: row.json("payload")?,
            })
        });
        let events: Vec<Event> = events.collect::<StoreResult<_>>()?;
        // What is missing was forgotten.
        let unbroken = events.iter().zip(seq + 1..).all(|(event, expected)| event.seq == expected);
        let complete = unbroken && (!events.is_empty() || seq == newest || limit == 0);
        Ok(if complete { EventsAfter::Events(events) } else { EventsAfter::Gap })
    }

    async fn last_event_seq(&self, user: UserId) -> StoreResult<i64> {
        let row = self.one("SELECT event_seq FROM users WHERE id = $1", [user.0.into()]).await?;
        row.map_or(Ok(0), |row| row.try_get("", "event_seq").map_err(error))
    }

    async fn delete_events(&self, before: Timestamp) -> StoreResult<u64> {
        let tx = self.begin().await?;
        let deleted = tx.run("DELETE FROM events WHERE created_at < $1", [before.as_micros().into()]).await?;
        tx.commit().await?;
        Ok(deleted)
    }

    async fn delete_dead_sessions(&self, before: Timestamp) -> StoreResult<u64> {
        let before = || [before.as_micros().into()];
        let tx = self.begin().await?;
        let mut deleted =
            tx.run("DELETE FROM sessions WHERE COALESCE(ended_at, expires_at) < $1", before()).await?;
        // Of living sessions, links of the chain that nobody can replay any more.
        deleted += tx.run("DELETE FROM refresh_tokens WHERE expires_at < $1", before()).await?;
        deleted +=
            tx.run("DELETE FROM one_time_tokens WHERE COALESCE(used_at, expires_at) < $1", before()).await?;
        tx.commit().await?;
        Ok(deleted)
    }

    async fn delete_traffic(&self, before: Timestamp) -> StoreResult<u64> {
        let tx = self.begin().await?;
        let before = before.as_secs().div_euclid(60);
        let deleted = tx.run("DELETE FROM traffic WHERE minute < $1", [before.into()]).await?;
        tx.commit().await?;
        Ok(deleted)
    }
}

//! Sessions and their chains of refresh tokens.

use std::time::Duration;

use async_trait::async_trait;
use sea_orm::Value;
use songkeep_domain::{
    SessionId, StoreResult, Timestamp, UserId, UserRole,
    audit::AuditEntry,
    bus::Notice,
    session::{
        NewRefreshToken, NewSession, Rotation, SessionEnd, SessionState, SessionStore, SuccessorNonce,
    },
    user::TokenHash,
};
use uuid::Uuid;

use crate::{
    Store,
    db::{Tx, error},
    rows::{self, Row, USER},
};

#[async_trait]
impl SessionStore for Store {
    async fn create_session(
        &self,
        session: NewSession,
        token: NewRefreshToken,
        deed: Option<AuditEntry>,
    ) -> StoreResult<()> {
        let insert = "INSERT INTO sessions (id, user_id, created_at, expires_at, last_used_at, user_agent, ip) \
                      VALUES ($1, $2, $3, $4, $3, $5, $6)";
        let values: [Value; 6] = [
            session.id.0.into(),
            session.user_id.0.into(),
            session.created_at.as_micros().into(),
            session.expires_at.as_micros().into(),
            session.user_agent.into(),
            session.ip.into(),
        ];
        let tx = self.begin().await?;
        tx.run(insert, values).await?;
        tx.insert_refresh_token(session.id, &token, session.created_at).await?;
        if let Some(deed) = deed {
            tx.append_audit(deed).await?;
        }
        tx.commit().await
    }

    async fn rotate_refresh_token(
        &self,
        presented: &TokenHash,
        successor: NewRefreshToken,
        nonce: SuccessorNonce,
        now: Timestamp,
        grace: Duration,
    ) -> StoreResult<Rotation> {
        let mut tx = self.begin().await?;
        let Some(token) = tx.find_refresh_token(presented).await? else { return Ok(Rotation::Refused) };
        let session_id = token.session_id;
        let Some(user) = tx.living_session_user(session_id, now).await? else { return Ok(Rotation::Refused) };
        let Some(used_at) = token.used_at else {
            if token.expires_at <= now {
                return Ok(Rotation::Refused);
            }
            tx.insert_refresh_token(session_id, &successor, now).await?;
            let mark = "UPDATE refresh_tokens SET used_at = $2, successor_id = $3, successor_nonce = $4 WHERE id = $1";
            let values: [Value; 4] =
                [token.id.into(), now.as_micros().into(), successor.id.0.into(), nonce.to_vec().into()];
            tx.run(mark, values).await?;
            let slide = "UPDATE sessions SET last_used_at = $2, expires_at = $3 WHERE id = $1";
            let values =
                [session_id.0.into(), now.as_micros().into(), successor.expires_at.as_micros().into()];
            tx.run(slide, values).await?;
            tx.commit().await?;
            return Ok(Rotation::Rotated { session_id, user });
        };
        let kept_nonce = token.successor_nonce.and_then(|bytes| SuccessorNonce::try_from(bytes).ok());
        if let (Some(nonce), true) = (kept_nonce, token.successor_unused && now.since(used_at) < grace) {
            return Ok(Rotation::Repeated { session_id, user, nonce });
        }
        tx.end_session(session_id, SessionEnd::Replay, now).await?;
        tx.commit().await?;
        Ok(Rotation::Replayed { session_id, user_id: user.id })
    }

    async fn end_session(&self, id: SessionId, why: SessionEnd, now: Timestamp) -> StoreResult<bool> {
        let mut tx = self.begin().await?;
        let ended = tx.end_session(id, why, now).await?;
        tx.commit().await?;
        Ok(ended)
    }

    async fn end_session_of_token(
        &self,
        presented: &TokenHash,
        why: SessionEnd,
        now: Timestamp,
    ) -> StoreResult<Option<SessionId>> {
        let mut tx = self.begin().await?;
        let Some(token) = tx.find_refresh_token(presented).await? else { return Ok(None) };
        let ended = tx.end_session(token.session_id, why, now).await?;
        tx.commit().await?;
        Ok(ended.then_some(token.session_id))
    }

    async fn find_session_state(&self, id: SessionId, now: Timestamp) -> StoreResult<Option<SessionState>> {
        let find = "SELECT sessions.user_id AS user_id, users.role AS role, \
                    CASE WHEN sessions.ended_at IS NULL AND sessions.expires_at > $2 AND users.disabled_at IS NULL \
                    THEN 1 ELSE 0 END AS alive \
                    FROM sessions JOIN users ON users.id = sessions.user_id WHERE sessions.id = $1";
        let Some(row) = self.one(find, [id.0.into(), now.as_micros().into()]).await? else { return Ok(None) };
        let alive: i32 = row.try_get("", "alive").map_err(error)?;
        let row = Row::new("sessions", &row);
        Ok(Some(SessionState {
            session_id: id,
            user_id: UserId(row.id("user_id")?),
            role: row.parsed("role", UserRole::parse)?,
            alive: alive == 1,
        }))
    }
}

struct FoundToken {
    id: Uuid,
    session_id: SessionId,
    expires_at: Timestamp,
    used_at: Option<Timestamp>,
    successor_nonce: Option<Vec<u8>>,
    successor_unused: bool,
}

impl Tx<'_> {
    async fn insert_refresh_token(
        &self,
        session: SessionId,
        token: &NewRefreshToken,
        now: Timestamp,
    ) -> StoreResult<()> {
        let insert = "INSERT INTO refresh_tokens (id, session_id, hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)";
        let values: [Value; 5] = [
            token.id.0.into(),
            session.0.into(),
            token.hash.to_vec().into(),
            now.as_micros().into(),
            token.expires_at.as_micros().into(),
        ];
        self.run(insert, values).await.map(drop)
    }

    /// Finds a token and locks it, so that of many callers with the same one each sees what the one
    /// before did.
    async fn find_refresh_token(&self, hash: &TokenHash) -> StoreResult<Option<FoundToken>> {
        let find = "SELECT id, session_id, expires_at, used_at, successor_id, successor_nonce \
                    FROM refresh_tokens WHERE hash = $1 {for update}";
        let Some(row) = self.one(find, [hash.to_vec().into()]).await? else { return Ok(None) };
        let row = Row::new("refresh_tokens", &row);
        let successor: Option<Uuid> = row.get("successor_id")?;
        let successor_unused = match successor {
            None => false,
            Some(id) => {
                let unused = "SELECT 1 AS one FROM refresh_tokens WHERE id = $1 AND used_at IS NULL";
                self.one(unused, [id.into()]).await?.is_some()
            }
        };
        Ok(Some(FoundToken {
            id: row.id("id")?,
            session_id: SessionId(row.id("session_id")?),
            expires_at: row.time("expires_at")?,
            used_at: row.time_opt("used_at")?,
            successor_nonce: row.get("successor_nonce")?,
            successor_unused,
        }))
    }

    /// The account of a session that stands.
    async fn living_session_user(
        &self,
        id: SessionId,
        now: Timestamp,
    ) -> StoreResult<Option<songkeep_domain::user::User>> {
        let find = format!(
            "SELECT {USER} FROM sessions JOIN users ON users.id = sessions.user_id \
             WHERE sessions.id = $1 AND sessions.ended_at IS NULL AND sessions.expires_at > $2 \
             AND users.disabled_at IS NULL"
        );
        let row = self.one(&find, [id.0.into(), now.as_micros().into()]).await?;
        row.as_ref().map(rows::user).transpose()
    }

    async fn end_session(&mut self, id: SessionId, why: SessionEnd, now: Timestamp) -> StoreResult<bool> {
        let end = "UPDATE sessions SET ended_at = $2, end_reason = $3 WHERE id = $1 AND ended_at IS NULL";
        let ended = self.run(end, [id.0.into(), now.as_micros().into(), why.as_str().into()]).await? > 0;
        if ended {
            self.notify(Notice::SessionEnded { session_id: id });
        }
        Ok(ended)
    }

    /// Ends every session of an account.
    pub async fn end_sessions_of(
        &mut self,
        user: UserId,
        why: SessionEnd,
        now: Timestamp,
    ) -> StoreResult<()> {
        let end = "UPDATE sessions SET ended_at = $2, end_reason = $3 WHERE user_id = $1 AND ended_at IS NULL \
                   RETURNING id";
        let rows = self.all(end, [user.0.into(), now.as_micros().into(), why.as_str().into()]).await?;
        for row in rows {
            let id: Uuid = row.try_get("", "id").map_err(error)?;
            self.notify(Notice::SessionEnded { session_id: SessionId(id) });
        }
        Ok(())
    }
}

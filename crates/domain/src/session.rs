//! Sign-ins: sessions, their chains of refresh tokens, and the port to where they are kept.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    RefreshTokenId, SessionId, StoreResult, Timestamp, UserId, UserRole,
    audit::AuditEntry,
    user::{TokenHash, User},
};

#[derive(Clone)]
pub struct NewSession {
    pub id: SessionId,
    pub user_id: UserId,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub user_agent: Option<String>,
    pub ip: Option<String>,
}

#[derive(Clone)]
pub struct NewRefreshToken {
    pub id: RefreshTokenId,
    pub hash: TokenHash,
    pub expires_at: Timestamp,
}

/// The random value from which, with the presented token and a secret key, the successor is derived.
/// Kept with the used token so that the same successor can be given again for a short time.
pub type SuccessorNonce = [u8; 16];

/// What became of a refresh token that was presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The token was unused: it is used now and the successor is stored.
    Rotated { session_id: SessionId, user: User },
    /// Used less than the grace time ago and its successor is still unused: give the same successor,
    /// derived from this nonce, again.
    Repeated { session_id: SessionId, user: User, nonce: SuccessorNonce },
    /// Used before: the whole session has been ended.
    Replayed { session_id: SessionId, user_id: UserId },
    /// Unknown, expired, or of a session or account that has ended.
    Refused,
}

/// Whether a session still stands; what every node asks (through a short cache) of each access token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionState {
    pub session_id: SessionId,
    pub user_id: UserId,
    /// The account's role now, whatever an older access token says.
    pub role: UserRole,
    /// False when the session has ended or expired, or the account is disabled.
    pub alive: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    SignedOut,
    Replay,
    Disabled,
    PasswordChanged,
    Revoked,
}

impl SessionEnd {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::Replay => "replay",
            Self::Disabled => "disabled",
            Self::PasswordChanged => "password_changed",
            Self::Revoked => "revoked",
        }
    }
}

/// Where sessions are kept. Each method is one transaction.
#[async_trait]
pub trait SessionStore: Send + Sync + 'static {
    /// Writes the deed by which the session begins into the audit log, too.
    async fn create_session(
        &self,
        session: NewSession,
        token: NewRefreshToken,
        deed: Option<AuditEntry>,
    ) -> StoreResult<()>;

    /// Exchanges a refresh token for `successor` (derived by the caller from `nonce`); see [`Rotation`].
    /// At most one successor of a token ever exists, however many callers race.
    async fn rotate_refresh_token(
        &self,
        presented: &TokenHash,
        successor: NewRefreshToken,
        nonce: SuccessorNonce,
        now: Timestamp,
        grace: Duration,
    ) -> StoreResult<Rotation>;

    /// Ends the session; true when it was alive.
    async fn end_session(&self, id: SessionId, why: SessionEnd, now: Timestamp) -> StoreResult<bool>;

    /// Ends the session that a refresh token (used or not) belongs to; the ended session, if it was alive.
    async fn end_session_of_token(
        &self,
        presented: &TokenHash,
        why: SessionEnd,
        now: Timestamp,
    ) -> StoreResult<Option<SessionId>>;

    async fn find_session_state(&self, id: SessionId, now: Timestamp) -> StoreResult<Option<SessionState>>;
}

//! Accounts and the port to where they are kept.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::{
    EmailAddress, OneTimeTokenId, Page, PageRequest, StoreResult, Timestamp, UserId, audit::AuditEntry,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserRole {
    User,
    Admin,
}

impl UserRole {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "user" => Some(Self::User),
            "admin" => Some(Self::Admin),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: UserId,
    pub email: String,
    pub role: UserRole,
    pub verified_at: Option<Timestamp>,
    pub disabled_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

/// An account with its password hash (PHC string); never leaves the auth service.
#[derive(Clone)]
pub struct UserCredentials {
    pub user: User,
    pub password_hash: Option<String>,
}

#[derive(Clone)]
pub struct NewUser {
    pub id: UserId,
    pub email: EmailAddress,
    /// PHC string; None for accounts that sign in elsewhere.
    pub password_hash: Option<String>,
    pub role: UserRole,
    pub verified_at: Option<Timestamp>,
    pub created_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenPurpose {
    VerifyEmail,
    AdminSetup,
    ResetPassword,
}

impl TokenPurpose {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::AdminSetup => "admin_setup",
            Self::ResetPassword => "reset_password",
        }
    }
}

/// SHA-256 of a random token of at least 128 bits; the token itself is never stored.
pub type TokenHash = [u8; 32];

#[derive(Clone)]
pub struct NewOneTimeToken {
    pub id: OneTimeTokenId,
    /// None for tokens that create their account (admin set-up).
    pub user_id: Option<UserId>,
    pub purpose: TokenPurpose,
    pub hash: TokenHash,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

/// What became of a one-time token that was presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenUse<T> {
    Accepted(T),
    Unknown,
    /// Used before, or past its time.
    Expired,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserFilter {
    /// Part of the address, any case.
    pub q: Option<String>,
    pub status: Option<UserStatus>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserStatus {
    Active,
    Disabled,
    Unverified,
}

/// A row of the administrator's list of accounts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSummary {
    pub user: User,
    /// Songs in the account's library.
    pub song_count: u64,
    /// Bytes of those songs, shared ones counted in full.
    pub storage_bytes: u64,
}

/// Where accounts are kept. Each method is one transaction.
#[async_trait]
pub trait UserStore: Send + Sync + 'static {
    /// With `token`, the account and its verification token appear together or not at all.
    ///
    /// # Errors
    /// `Conflict("users.email")` when the address is taken.
    async fn create_user(&self, new: NewUser, token: Option<NewOneTimeToken>) -> StoreResult<User>;

    async fn find_user(&self, id: UserId) -> StoreResult<Option<User>>;

    async fn find_credentials(&self, email: &EmailAddress) -> StoreResult<Option<UserCredentials>>;

    /// Adds a token and makes earlier unused ones of the same account and purpose void.
    async fn add_one_time_token(&self, token: NewOneTimeToken) -> StoreResult<()>;

    /// Adds a verification token that, when it is used, also sets a password, beside earlier tokens: who
    /// signs up again for an address that nobody has verified changes nothing for who came first.
    async fn add_sign_up_token(&self, token: NewOneTimeToken, password_hash: String) -> StoreResult<()>;

    /// Uses up a verification token and marks its account as verified, with the password that is bound to
    /// the token, if any: then its sessions end. The account's other verification tokens become void. When
    /// the account's address equals `bootstrap_admin` and no admin exists, the account becomes admin in the
    /// same transaction. An account that is verified already stays as it is.
    async fn verify_email(
        &self,
        hash: &TokenHash,
        bootstrap_admin: Option<&EmailAddress>,
        now: Timestamp,
    ) -> StoreResult<TokenUse<User>>;

    /// Uses up an admin set-up token and creates `new` as a verified admin; `Expired` too when an
    /// admin exists by now.
    ///
    /// # Errors
    /// `Conflict("users.email")` when the address is taken; the token stays usable.
    async fn create_admin_with_token(
        &self,
        hash: &TokenHash,
        new: NewUser,
        now: Timestamp,
    ) -> StoreResult<TokenUse<User>>;

    /// Uses up a reset token: sets the password, ends all sessions, makes all other tokens of the account
    /// void and marks its address as verified (with `bootstrap_admin` as in `verify_email`). `deed` goes
    /// on record in the same transaction, with the account as actor and its address as target. `Expired`
    /// too for a disabled account.
    async fn reset_password(
        &self,
        hash: &TokenHash,
        password_hash: String,
        bootstrap_admin: Option<&EmailAddress>,
        deed: AuditEntry,
        now: Timestamp,
    ) -> StoreResult<TokenUse<User>>;

    /// Sets the password, ends all of the account's sessions and makes tokens void that would set another.
    /// None when there is no such account.
    async fn set_password(
        &self,
        id: UserId,
        password_hash: String,
        now: Timestamp,
    ) -> StoreResult<Option<User>>;

    /// Replaces the stored hash by one of the same password (new parameters); sessions go on.
    async fn rehash_password(&self, id: UserId, password_hash: String) -> StoreResult<()>;

    /// None when there is no such account.
    async fn set_role(&self, id: UserId, role: UserRole, now: Timestamp) -> StoreResult<Option<User>>;

    /// Disabling ends all of the account's sessions. None when there is no such account.
    async fn set_disabled(&self, id: UserId, disabled: bool, now: Timestamp) -> StoreResult<Option<User>>;

    /// Whether an enabled admin exists.
    async fn has_admin(&self) -> StoreResult<bool>;

    /// Newest first.
    async fn list_users(&self, filter: &UserFilter, page: &PageRequest) -> StoreResult<Page<UserSummary>>;
}

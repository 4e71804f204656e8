//! Accounts and their one-time tokens.

use async_trait::async_trait;
use sea_orm::Value;
use songkeep_domain::{
    EmailAddress, Page, PageRequest, StoreError, StoreResult, Timestamp, UserId, UserRole,
    audit::AuditEntry,
    bus::Notice,
    session::SessionEnd,
    user::{
        NewOneTimeToken, NewUser, TokenHash, TokenPurpose, TokenUse, User, UserCredentials, UserFilter,
        UserStatus, UserStore, UserSummary,
    },
};
use uuid::Uuid;

use crate::{
    Store,
    cursor::{Cursor, Key, page_of},
    db::{Tx, error},
    rows::{self, Row, USER},
    text::contains_pattern,
};

const LIST: &str = "users";
/// The turn of those who become admin because there is none.
const FIRST_ADMIN: i64 = 7_305_449_161_284_870_002;
const ADMIN_EXISTS: &str = "EXISTS (SELECT 1 FROM users WHERE role = 'admin' AND disabled_at IS NULL)";

#[async_trait]
impl UserStore for Store {
    async fn create_user(&self, new: NewUser, token: Option<NewOneTimeToken>) -> StoreResult<User> {
        let tx = self.begin().await?;
        let user = tx.insert_user(new).await?;
        if let Some(token) = token {
            tx.insert_token(token).await?;
        }
        tx.commit().await?;
        Ok(user)
    }

    async fn find_user(&self, id: UserId) -> StoreResult<Option<User>> {
        let row = self.one(&format!("SELECT {USER} FROM users WHERE id = $1"), [id.0.into()]).await?;
        row.as_ref().map(rows::user).transpose()
    }

    async fn find_credentials(&self, email: &EmailAddress) -> StoreResult<Option<UserCredentials>> {
        let find = format!("SELECT {USER}, password_hash FROM users WHERE email_key = $1");
        let Some(row) = self.one(&find, [email.key().into()]).await? else { return Ok(None) };
        let password_hash = row.try_get("", "password_hash").map_err(error)?;
        Ok(Some(UserCredentials { user: rows::user(&row)?, password_hash }))
    }

    async fn add_one_time_token(&self, token: NewOneTimeToken) -> StoreResult<()> {
        let tx = self.begin().await?;
        if let Some(id) = token.user_id {
            tx.lock_user(id).await?;
        }
        let void = "UPDATE one_time_tokens SET used_at = $1 \
                    WHERE purpose = $2 AND used_at IS NULL AND (user_id = $3 OR (user_id IS NULL AND $4 = 1))";
        let values: [Value; 4] = [
            token.created_at.as_micros().into(),
            token.purpose.as_str().into(),
            token.user_id.map(|id| id.0).into(),
            i64::from(token.user_id.is_none()).into(),
        ];
        tx.run(void, values).await?;
        tx.insert_token(token).await?;
        tx.commit().await
    }

    async fn add_sign_up_token(&self, token: NewOneTimeToken, password_hash: String) -> StoreResult<()> {
        let tx = self.begin().await?;
        let id = token.id.0;
        tx.insert_token(token).await?;
        let bind = "INSERT INTO token_passwords (token_id, password_hash) VALUES ($1, $2)";
        tx.run(bind, [id.into(), password_hash.into()]).await?;
        tx.commit().await
    }

    async fn verify_email(
        &self,
        hash: &TokenHash,
        bootstrap_admin: Option<&EmailAddress>,
        now: Timestamp,
    ) -> StoreResult<TokenUse<User>> {
        let mut tx = self.begin().await?;
        let user_id = match tx.use_account_token(hash, TokenPurpose::VerifyEmail, now).await? {
            TokenUse::Accepted(id) => id,
            TokenUse::Unknown => return Ok(TokenUse::Unknown),
            TokenUse::Expired => return Ok(TokenUse::Expired),
        };
        let bound = "SELECT password_hash FROM token_passwords \
                     WHERE token_id = (SELECT id FROM one_time_tokens WHERE hash = $1)";
        let bound = match tx.one(bound, [hash.to_vec().into()]).await? {
            Some(row) => Some(row.try_get::<String>("", "password_hash").map_err(error)?),
            None => None,
        };
        let sets_password = bound.is_some();
        let verify = "UPDATE users SET verified_at = $2, updated_at = $2, \
                      password_hash = COALESCE($3, password_hash) WHERE id = $1 AND verified_at IS NULL";
        let values: [Value; 3] = [user_id.0.into(), now.as_micros().into(), bound.into()];
        if tx.run(verify, values).await? > 0 && sets_password {
            tx.end_sessions_of(user_id, SessionEnd::PasswordChanged, now).await?;
            tx.notify(Notice::UserChanged { user_id });
        }
        tx.void_tokens(user_id, TokenPurpose::VerifyEmail, now).await?;
        tx.make_first_admin(user_id, bootstrap_admin).await?;
        let user = tx.get_user(user_id).await?;
        tx.commit().await?;
        Ok(TokenUse::Accepted(user))
    }

    async fn create_admin_with_token(
        &self,
        hash: &TokenHash,
        new: NewUser,
        now: Timestamp,
    ) -> StoreResult<TokenUse<User>> {
        let tx = self.begin().await?;
        match tx.use_token(hash, TokenPurpose::AdminSetup, now).await? {
            TokenUse::Accepted(_) => {}
            TokenUse::Unknown => return Ok(TokenUse::Unknown),
            TokenUse::Expired => return Ok(TokenUse::Expired),
        }
        tx.wait_for_turn(FIRST_ADMIN).await?;
        if tx.one(&format!("SELECT 1 AS one WHERE {ADMIN_EXISTS}"), []).await?.is_some() {
            return Ok(TokenUse::Expired);
        }
        let user = tx.insert_user(new).await?;
        tx.commit().await?;
        Ok(TokenUse::Accepted(user))
    }

    async fn reset_password(
        &self,
        hash: &TokenHash,
        password_hash: String,
        bootstrap_admin: Option<&EmailAddress>,
        deed: AuditEntry,
        now: Timestamp,
    ) -> StoreResult<TokenUse<User>> {
        let mut tx = self.begin().await?;
        let user_id = match tx.use_account_token(hash, TokenPurpose::ResetPassword, now).await? {
            TokenUse::Accepted(id) => id,
            TokenUse::Unknown => return Ok(TokenUse::Unknown),
            TokenUse::Expired => return Ok(TokenUse::Expired),
        };
        let change = "UPDATE users SET password_hash = $2, verified_at = COALESCE(verified_at, $3), \
                      updated_at = $3 WHERE id = $1 AND disabled_at IS NULL";
        let values = [user_id.0.into(), password_hash.into(), now.as_micros().into()];
        if tx.run(change, values).await? == 0 {
            return Ok(TokenUse::Expired);
        }
        tx.password_changed(user_id, now).await?;
        tx.void_tokens(user_id, TokenPurpose::VerifyEmail, now).await?;
        tx.make_first_admin(user_id, bootstrap_admin).await?;
        let user = tx.get_user(user_id).await?;
        let deed = AuditEntry { actor_id: Some(user_id), target: Some(user.email.clone()), ..deed };
        tx.append_audit(deed).await?;
        tx.commit().await?;
        Ok(TokenUse::Accepted(user))
    }

    async fn set_password(
        &self,
        id: UserId,
        password_hash: String,
        now: Timestamp,
    ) -> StoreResult<Option<User>> {
        let change = "UPDATE users SET password_hash = $2, updated_at = $3 WHERE id = $1";
        let mut tx = self.begin().await?;
        let values = [id.0.into(), password_hash.into(), now.as_micros().into()];
        if tx.run(change, values).await? == 0 {
            return Ok(None);
        }
        tx.password_changed(id, now).await?;
        let user = tx.get_user(id).await?;
        tx.commit().await?;
        Ok(Some(user))
    }

    async fn rehash_password(&self, id: UserId, password_hash: String) -> StoreResult<()> {
        let tx = self.begin().await?;
        tx.run("UPDATE users SET password_hash = $2 WHERE id = $1", [id.0.into(), password_hash.into()])
            .await?;
        tx.commit().await
    }

    async fn set_role(&self, id: UserId, role: UserRole, now: Timestamp) -> StoreResult<Option<User>> {
        let change = "UPDATE users SET role = $2, updated_at = $3 WHERE id = $1";
        self.change_user(id, change, [id.0.into(), role.as_str().into(), now.as_micros().into()], None, now)
            .await
    }

    async fn set_disabled(&self, id: UserId, disabled: bool, now: Timestamp) -> StoreResult<Option<User>> {
        let at = disabled.then(|| now.as_micros());
        let change = "UPDATE users SET disabled_at = $2, updated_at = $3 WHERE id = $1";
        let values = [id.0.into(), at.into(), now.as_micros().into()];
        self.change_user(id, change, values, disabled.then_some(SessionEnd::Disabled), now).await
    }

    async fn has_admin(&self) -> StoreResult<bool> {
        Ok(self.one(&format!("SELECT 1 AS one WHERE {ADMIN_EXISTS}"), []).await?.is_some())
    }

    async fn list_users(&self, filter: &UserFilter, page: &PageRequest) -> StoreResult<Page<UserSummary>> {
        let mut values: Vec<Value> = vec![(i64::from(page.limit) + 1).into()];
        let mut conditions = String::from("1 = 1");
        if let Some(cursor) = &page.cursor {
            values.push(Cursor::read(cursor, LIST)?.id.into());
            conditions.push_str(&format!(" AND users.id < ${}", values.len()));
        }
        if let Some(q) = &filter.q {
            values.push(contains_pattern(&q.to_lowercase()).into());
            conditions.push_str(&format!(" AND email_key LIKE ${} ESCAPE '\\'", values.len()));
        }
        conditions.push_str(match filter.status {
            None => "",
            Some(UserStatus::Active) => " AND disabled_at IS NULL AND verified_at IS NOT NULL",
            Some(UserStatus::Disabled) => " AND disabled_at IS NOT NULL",
            Some(UserStatus::Unverified) => " AND verified_at IS NULL",
        });
        let list = format!(
            "SELECT {USER}, song_count, (SELECT CAST(COALESCE(SUM(songs.size_bytes), 0) AS BIGINT) \
             FROM library_entries JOIN songs ON songs.id = library_entries.song_id \
             WHERE library_entries.user_id = users.id) AS storage_bytes \
             FROM users WHERE {conditions} ORDER BY users.id DESC LIMIT CAST($1 AS BIGINT)"
        );
        let rows = self.all(&list, values).await?;
        let users = rows.iter().map(|found| {
            let row = Row::new("users", found);
            Ok(UserSummary {
                user: rows::user(found)?,
                song_count: row.count("song_count")?,
                storage_bytes: row.count("storage_bytes")?,
            })
        });
        let users: Vec<UserSummary> = users.collect::<StoreResult<_>>()?;
        Ok(page_of(LIST, users, page.limit, |row| (Key::None, row.user.id.0)))
    }
}

impl Store {
    /// Changes an account's row, ends its sessions where asked to, and tells every node.
    async fn change_user(
        &self,
        id: UserId,
        change: &str,
        values: [Value; 3],
        end_sessions: Option<SessionEnd>,
        now: Timestamp,
    ) -> StoreResult<Option<User>> {
        let mut tx = self.begin().await?;
        if tx.run(change, values).await? == 0 {
            return Ok(None);
        }
        if let Some(why) = end_sessions {
            tx.end_sessions_of(id, why, now).await?;
        }
        tx.notify(Notice::UserChanged { user_id: id });
        let user = tx.get_user(id).await?;
        tx.commit().await?;
        Ok(Some(user))
    }
}

impl Tx<'_> {
    async fn insert_user(&self, new: NewUser) -> StoreResult<User> {
        let insert = "INSERT INTO users (id, email, email_key, password_hash, role, verified_at, created_at, updated_at) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT (email_key) DO NOTHING";
        let values: [Value; 7] = [
            new.id.0.into(),
            new.email.as_str().into(),
            new.email.key().into(),
            new.password_hash.into(),
            new.role.as_str().into(),
            new.verified_at.map(Timestamp::as_micros).into(),
            new.created_at.as_micros().into(),
        ];
        if self.run(insert, values).await? == 0 {
            return Err(StoreError::Conflict("users.email"));
        }
        Ok(User {
            id: new.id,
            email: new.email.as_str().to_owned(),
            role: new.role,
            verified_at: new.verified_at,
            disabled_at: None,
            created_at: new.created_at,
        })
    }

    async fn insert_token(&self, token: NewOneTimeToken) -> StoreResult<()> {
        let insert = "INSERT INTO one_time_tokens (id, user_id, purpose, hash, created_at, expires_at) \
                      VALUES ($1, $2, $3, $4, $5, $6)";
        let values: [Value; 6] = [
            token.id.0.into(),
            token.user_id.map(|id| id.0).into(),
            token.purpose.as_str().into(),
            token.hash.to_vec().into(),
            token.created_at.as_micros().into(),
            token.expires_at.as_micros().into(),
        ];
        self.run(insert, values).await.map(drop)
    }

    /// Whoever changes an account's tokens locks the account first, so that no two wait for each other.
    async fn lock_user(&self, id: UserId) -> StoreResult<()> {
        self.all("SELECT id FROM users WHERE id = $1 {for update}", [id.0.into()]).await.map(drop)
    }

    /// Uses up a token that belongs to an account, which is locked; the account.
    async fn use_account_token(
        &self,
        hash: &TokenHash,
        purpose: TokenPurpose,
        now: Timestamp,
    ) -> StoreResult<TokenUse<UserId>> {
        let owner = "SELECT user_id FROM one_time_tokens WHERE hash = $1 AND user_id IS NOT NULL";
        let Some(row) = self.one(owner, [hash.to_vec().into()]).await? else { return Ok(TokenUse::Unknown) };
        let owner = UserId(row.try_get("", "user_id").map_err(error)?);
        self.lock_user(owner).await?;
        Ok(match self.use_token(hash, purpose, now).await? {
            TokenUse::Accepted(_) => TokenUse::Accepted(owner),
            TokenUse::Unknown => TokenUse::Unknown,
            TokenUse::Expired => TokenUse::Expired,
        })
    }

    /// Makes unused tokens of an account void.
    async fn void_tokens(&self, user: UserId, purpose: TokenPurpose, now: Timestamp) -> StoreResult<()> {
        let void = "UPDATE one_time_tokens SET used_at = $3 \
                    WHERE user_id = $1 AND purpose = $2 AND used_at IS NULL";
        self.run(void, [user.0.into(), purpose.as_str().into(), now.as_micros().into()]).await.map(drop)
    }

    /// What follows from a new password: all sessions end, and no link that is out yet sets another one.
    async fn password_changed(&mut self, id: UserId, now: Timestamp) -> StoreResult<()> {
        self.end_sessions_of(id, SessionEnd::PasswordChanged, now).await?;
        self.void_tokens(id, TokenPurpose::ResetPassword, now).await?;
        let void = "UPDATE one_time_tokens SET used_at = $2 WHERE user_id = $1 AND used_at IS NULL \
                    AND EXISTS (SELECT 1 FROM token_passwords WHERE token_id = one_time_tokens.id)";
        self.run(void, [id.0.into(), now.as_micros().into()]).await?;
        self.notify(Notice::UserChanged { user_id: id });
        Ok(())
    }

    /// Makes the account of that address admin while there is none.
    async fn make_first_admin(&mut self, user_id: UserId, address: Option<&EmailAddress>) -> StoreResult<()> {
        let Some(address) = address else { return Ok(()) };
        self.wait_for_turn(FIRST_ADMIN).await?;
        let promote = format!(
            "UPDATE users SET role = 'admin' WHERE id = $1 AND email_key = $2 AND disabled_at IS NULL \
             AND NOT {ADMIN_EXISTS}"
        );
        if self.run(&promote, [user_id.0.into(), address.key().into()]).await? > 0 {
            self.notify(Notice::UserChanged { user_id });
        }
        Ok(())
    }

    /// Uses a token up; the account it belongs to, if any.
    async fn use_token(
        &self,
        hash: &TokenHash,
        purpose: TokenPurpose,
        now: Timestamp,
    ) -> StoreResult<TokenUse<Option<Uuid>>> {
        let take = "UPDATE one_time_tokens SET used_at = $3 \
                    WHERE hash = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > $3 RETURNING user_id";
        let key = || [Value::from(hash.to_vec()), purpose.as_str().into()];
        let values = key().into_iter().chain([now.as_micros().into()]);
        if let Some(row) = self.one(take, values).await? {
            return Ok(TokenUse::Accepted(row.try_get("", "user_id").map_err(error)?));
        }
        let known = "SELECT 1 AS one FROM one_time_tokens WHERE hash = $1 AND purpose = $2";
        Ok(if self.one(known, key()).await?.is_some() { TokenUse::Expired } else { TokenUse::Unknown })
    }

    async fn get_user(&self, id: UserId) -> StoreResult<User> {
        let row = self.one(&format!("SELECT {USER} FROM users WHERE id = $1"), [id.0.into()]).await?;
        let row =
            row.ok_or_else(|| StoreError::Inconsistent { table: "users", detail: format!("{id} has gone") })?;
        rows::user(&row)
    }
}

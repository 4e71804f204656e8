//! What the command line does to accounts, and the link that makes the first administrator.

use serde_json::json;
use songkeep_domain::{
    CallContext, EmailAddress, ErrorCode, ServiceError, ServiceResult, UserId, UserRole,
    user::{NewUser, TokenPurpose, User, UserCredentials},
};

use crate::{
    passwords::Password,
    service::{AuthService, Deed, read_account, read_email, taken},
    tokens::LinkToken,
};

impl AuthService {
    /// A fresh one-time link for making the first administrator, good for 24 hours; earlier ones are void.
    /// None when there is an administrator.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn setup_link(&self) -> ServiceResult<Option<String>> {
        if self.ports.users.has_admin().await? {
            return Ok(None);
        }
        let link = LinkToken::new(None, TokenPurpose::AdminSetup, self.ports.clock.now())?;
        self.ports.users.add_one_time_token(link.row).await?;
        Ok(Some(format!("{}/setup?token={}", self.settings.public_web_url, link.token)))
    }

    /// Makes a verified account.
    ///
    /// # Errors
    /// `invalid` for a bad address or password, `email_taken`.
    pub async fn create_user(&self, email: &str, password: &str, role: UserRole) -> ServiceResult<User> {
        let (email, password) = read_account(email, password)?;
        let password_hash = self.passwords.hash(password).await?;
        let now = self.ports.clock.now();
        let new = NewUser {
            id: UserId::new(),
            email,
            password_hash: Some(password_hash),
            role,
            verified_at: Some(now),
            created_at: now,
        };
        let user = self.ports.users.create_user(new, None).await.map_err(taken)?;
        self.record_command("user.create", &user, json!({ "role": role.as_str() })).await?;
        Ok(user)
    }

    /// # Errors
    /// `not_found`; `conflict` when it would leave no enabled administrator.
    pub async fn set_role(&self, email: &str, role: UserRole) -> ServiceResult<User> {
        let user = self.get_credentials(&read_email(email)?).await?.user;
        if user.role == role {
            return Ok(user);
        }
        let now = self.ports.clock.now();
        let changed = self.ports.users.set_role(user.id, role, now).await?.ok_or_else(no_such_account)?;
        // Looked at afterwards, so that two commands at once cannot each remove the other's administrator.
        let was_admin = user.role == UserRole::Admin && user.disabled_at.is_none();
        if was_admin && !self.ports.users.has_admin().await? {
            self.ports.users.set_role(user.id, user.role, now).await?;
            return Err(ServiceError::new(
                ErrorCode::Conflict,
                "This is the last administrator. Make another account administrator first.",
            ));
        }
        let detail = json!({ "from": user.role.as_str(), "to": role.as_str() });
        self.record_command("user.set_role", &changed, detail).await?;
        Ok(changed)
    }

    /// Sets a new password and ends all sessions of the account.
    ///
    /// # Errors
    /// `not_found`; `invalid` for a bad password.
    pub async fn reset_password(&self, email: &str, password: &str) -> ServiceResult<User> {
        let email = read_email(email)?;
        let password = Password::chosen(password)?;
        let id = self.get_credentials(&email).await?.user.id;
        let password_hash = self.passwords.hash(password).await?;
        let now = self.ports.clock.now();
        let user =
            self.ports.users.set_password(id, password_hash, now).await?.ok_or_else(no_such_account)?;
        self.record_command("user.reset_password", &user, json!({})).await?;
        Ok(user)
    }

    async fn get_credentials(&self, email: &EmailAddress) -> ServiceResult<UserCredentials> {
        self.ports.users.find_credentials(email).await?.ok_or_else(no_such_account)
    }

    /// Commands have no actor: whoever may run them owns the machine.
    async fn record_command(
        &self,
        action: &'static str,
        user: &User,
        mut detail: serde_json::Value,
    ) -> ServiceResult<()> {
        detail["by"] = "command".into();
        detail["email"] = user.email.as_str().into();
        let deed = Deed { action, actor_id: None, target: Some(user.id.to_string()), detail };
        deed.record(&self.ports, &CallContext::default()).await
    }
}

fn no_such_account() -> ServiceError {
    ServiceError::not_found("This account")
}

//! The service over its ports: what the gateway calls.

use std::{io, sync::Arc, time::Duration};

use argon2::Params;
use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::json;
use songkeep_api::{
    auth::{AuthApi, IssuedTokens, ResetPassword, SetUpAdmin, SignIn, SignUp, SignedUp},
    token::AccessTokens,
};
use songkeep_domain::{
    Actor, AuditId, CallContext, Clock, EmailAddress, ErrorCode, RefreshTokenId, ServiceError, ServiceResult,
    SessionId, StoreError, UserId, UserRole,
    audit::{AuditEntry, AuditStore},
    mail::Mailer,
    session::{NewRefreshToken, NewSession, Rotation, SessionEnd, SessionState, SessionStore},
    user::{NewUser, TokenUse, User, UserCredentials, UserStore},
};

use crate::{
    background::Background,
    metrics::{self, SignInResult},
    passwords::{Password, Passwords},
    tokens::{self, Successors},
};

/// How long a used refresh token gives its successor again, while that is unused: for a lost answer, or
/// two tabs that refresh at once.
const REFRESH_GRACE: Duration = Duration::from_secs(10);

/// What the service stands on.
#[derive(Clone)]
pub struct AuthPorts {
    pub users: Arc<dyn UserStore>,
    pub sessions: Arc<dyn SessionStore>,
    pub audit: Arc<dyn AuditStore>,
    pub mailer: Arc<dyn Mailer>,
    pub access_tokens: AccessTokens,
    pub clock: Arc<dyn Clock>,
}

#[derive(Clone)]
pub struct AuthSettings {
    /// Base of the links in mails and of the set-up link.
    pub public_web_url: String,
    pub access_lifetime: Duration,
    /// Of a session that is not used.
    pub refresh_lifetime: Duration,
    pub email_verify_required: bool,
    /// Gives the verification token in the answer to a sign-up; for tests and development.
    pub expose_verification_token: bool,
    /// Whose account becomes admin when it is verified by mail and no admin exists.
    pub admin_bootstrap_email: Option<EmailAddress>,
    /// Memory of one Argon2id hash.
    pub hash_memory_kib: u32,
    /// Passes of one Argon2id hash.
    pub hash_iterations: u32,
    /// The key that derives successors of refresh tokens is derived from it. The same on all nodes.
    pub refresh_secret: SecretString,
}

/// Why the service cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum AuthSetupError {
    #[error("memory or passes of password hashing are out of bounds")]
    HashParameters(#[source] argon2::Error),
    #[error("the threads that hash passwords cannot be started")]
    Threads(#[source] io::Error),
}

/// Serves [`AuthApi`].
pub struct AuthService {
    pub(crate) ports: AuthPorts,
    pub(crate) settings: AuthSettings,
    pub(crate) passwords: Arc<Passwords>,
    pub(crate) background: Background,
    successors: Successors,
}

impl AuthService {
    /// Starts the threads that hash passwords; they end with the service.
    ///
    /// # Errors
    /// When the parameters of hashing are out of bounds, or the system gives no threads.
    pub fn new(ports: AuthPorts, mut settings: AuthSettings) -> Result<Self, AuthSetupError> {
        metrics::describe();
        let params = Params::new(settings.hash_memory_kib, settings.hash_iterations, 1, None)
            .map_err(AuthSetupError::HashParameters)?;
        let passwords = Passwords::start(params).map_err(AuthSetupError::Threads)?;
        let web_url = settings.public_web_url.trim_end_matches('/').len();
        settings.public_web_url.truncate(web_url);
        let successors = Successors::new(&settings.refresh_secret);
        Ok(Self {
            ports,
            settings,
            passwords: Arc::new(passwords),
            background: Background::new(),
            successors,
        })
    }

    /// Waits for the mails and other work that earlier calls left running; for a clean stop.
    pub async fn finish_background(&self) {
        self.background.finish().await;
    }

    /// Checks a password and that its account may sign in.
    async fn authenticate(
        &self,
        email: Option<&EmailAddress>,
        password: &Password,
    ) -> ServiceResult<Result<UserCredentials, (SignInResult, ServiceError)>> {
        let found = match email {
            Some(email) => self.ports.users.find_credentials(email).await?,
            None => None,
        };
        let stored = found.as_ref().and_then(|found| found.password_hash.clone());
        let right = self.passwords.verify(password.clone(), stored).await?;
        let wrong = || {
            let detail = "The address or the password is wrong.";
            ServiceError::new(ErrorCode::InvalidCredentials, detail)
        };
        let Some(found) = found else { return Ok(Err((SignInResult::UnknownAccount, wrong()))) };
        // Only who knows the password learns what else is in the way.
        Ok(if !right {
            Err((SignInResult::WrongPassword, wrong()))
        } else if found.user.disabled_at.is_some() {
            let detail = "This account has been disabled by an administrator.";
            Err((SignInResult::Disabled, ServiceError::new(ErrorCode::AccountDisabled, detail)))
        } else if self.settings.email_verify_required && found.user.verified_at.is_none() {
            let detail = "Verify your address first, by the link in the mail that we sent. \
                          Sign up again to get a new one.";
            Err((SignInResult::NotVerified, ServiceError::new(ErrorCode::EmailNotVerified, detail)))
        } else {
            Ok(found)
        })
    }

    async fn begin_session(&self, ctx: &CallContext, user: &User, deed: Deed) -> ServiceResult<IssuedTokens> {
        let now = self.ports.clock.now();
        let expires_at = now.plus(self.settings.refresh_lifetime);
        let refresh_token = tokens::new_token()?;
        let session = NewSession {
            id: SessionId::new(),
            user_id: user.id,
            created_at: now,
            expires_at,
            user_agent: ctx.client.user_agent.clone(),
            ip: ctx.client.ip.map(|ip| ip.to_string()),
        };
        let session_id = session.id;
        let token =
            NewRefreshToken { id: RefreshTokenId::new(), hash: tokens::hash(&refresh_token), expires_at };
        let deed = deed.into_entry(&self.ports, ctx);
        self.ports.sessions.create_session(session, token, Some(deed)).await?;
        self.issue(user, session_id, refresh_token)
    }

    fn issue(
        &self,
        user: &User,
        session_id: SessionId,
        refresh_token: String,
    ) -> ServiceResult<IssuedTokens> {
        let actor = Actor { user_id: user.id, session_id, role: user.role };
        Ok(IssuedTokens {
            access_token: self.ports.access_tokens.sign(&actor, self.settings.access_lifetime)?,
            expires_in: self.settings.access_lifetime.as_secs(),
            refresh_token,
            refresh_expires_in: self.settings.refresh_lifetime.as_secs(),
        })
    }

    /// Replaces a hash that was made with other parameters, beside the answer.
    fn renew_hash(&self, email: EmailAddress, credentials: UserCredentials, password: Password) {
        let Some(stored) = credentials.password_hash else { return };
        if !self.passwords.is_outdated(&stored) {
            return;
        }
        let (users, passwords) = (Arc::clone(&self.ports.users), Arc::clone(&self.passwords));
        self.background.spawn("rehash", async move {
            let renewed = async {
                let hash = passwords.hash(password).await?;
                // A password that was changed meanwhile must not come back.
                let current = users.find_credentials(&email).await?.and_then(|found| found.password_hash);
                if current.as_ref() == Some(&stored) {
                    users.rehash_password(credentials.user.id, hash).await?;
                }
                Ok::<_, ServiceError>(())
            };
            if let Err(error) = renewed.await {
                tracing::warn!(%error, user_id = %credentials.user.id, "a password hash was not renewed");
            }
        });
    }

    /// Whose account a link in a mail makes admin. Without verification nobody: an account that needs none
    /// has not proved by it that the mail arrives.
    pub(crate) fn bootstrap_admin(&self) -> Option<&EmailAddress> {
        let address = self.settings.admin_bootstrap_email.as_ref();
        address.filter(|_| self.settings.email_verify_required)
    }

    /// Puts something on record. What has been done is not undone when that fails, so it only fails in
    /// the log.
    pub(crate) async fn note(&self, ctx: &CallContext, deed: Deed) {
        deed.note(&self.ports, ctx).await;
    }
}

/// Something for the audit log. `detail` never holds secrets.
pub(crate) struct Deed {
    pub action: &'static str,
    pub actor_id: Option<UserId>,
    pub target: Option<String>,
    pub detail: serde_json::Value,
}

impl Deed {
    pub fn into_entry(self, ports: &AuthPorts, ctx: &CallContext) -> AuditEntry {
        AuditEntry {
            id: AuditId::new(),
            at: ports.clock.now(),
            actor_id: self.actor_id,
            action: self.action.to_owned(),
            target: self.target,
            ip: ctx.client.ip.map(|ip| ip.to_string()),
            detail: self.detail,
        }
    }

    /// # Errors
    /// When the store fails.
    pub async fn record(self, ports: &AuthPorts, ctx: &CallContext) -> ServiceResult<()> {
        Ok(ports.audit.append_audit(self.into_entry(ports, ctx)).await?)
    }

    pub async fn note(self, ports: &AuthPorts, ctx: &CallContext) {
        let action = self.action;
        if let Err(error) = self.record(ports, ctx).await {
            tracing::error!(action, %error, request_id = ctx.request_id, "the audit log lacks an entry");
        }
    }
}

#[async_trait]
impl AuthApi for AuthService {
    async fn sign_up(&self, ctx: &CallContext, request: SignUp) -> ServiceResult<SignedUp> {
        let (email, password) = read_account(&request.email, &request.password)?;
        // Before anything is looked up, so that it takes as long for an address that is taken.
        let password_hash = self.passwords.hash(password).await?;
        if self.settings.email_verify_required {
            self.sign_up_to_verify(ctx, email, password_hash).await
        } else {
            self.sign_up_at_once(ctx, email, password_hash).await
        }
    }

    async fn verify_email(&self, ctx: &CallContext, token: String) -> ServiceResult<String> {
        let bootstrap = self.bootstrap_admin();
        let used =
            self.ports.users.verify_email(&tokens::hash(&token), bootstrap, self.ports.clock.now()).await?;
        let user = accepted(used, "Sign up again to get a new one.")?;
        let deed = Deed {
            action: "auth.verify_email",
            actor_id: Some(user.id),
            target: Some(user.email),
            detail: json!({ "role": user.role.as_str() }),
        };
        self.note(ctx, deed).await;
        Ok("Your address is verified; you can sign in now.".to_owned())
    }

    async fn set_up_admin(&self, ctx: &CallContext, request: SetUpAdmin) -> ServiceResult<String> {
        let (email, password) = read_account(&request.email, &request.password)?;
        let password_hash = self.passwords.hash(password).await?;
        let now = self.ports.clock.now();
        let new = NewUser {
            id: UserId::new(),
            email,
            password_hash: Some(password_hash),
            role: UserRole::Admin,
            verified_at: Some(now),
            created_at: now,
        };
        let hash = tokens::hash(&request.token);
        let used = self.ports.users.create_admin_with_token(&hash, new, now).await.map_err(taken)?;
        let user = accepted(used, "Restart Songkeep to get a new one, unless there is an administrator.")?;
        let deed = Deed {
            action: "auth.setup_admin",
            actor_id: Some(user.id),
            target: Some(user.email),
            detail: json!({}),
        };
        self.note(ctx, deed).await;
        Ok("The administrator's account is ready; sign in now.".to_owned())
    }

    async fn forgot_password(&self, ctx: &CallContext, email: String) -> ServiceResult<String> {
        self.send_reset_link(ctx, &email)
    }

    async fn reset_password(&self, ctx: &CallContext, request: ResetPassword) -> ServiceResult<String> {
        self.use_reset_link(ctx, request).await
    }

    async fn sign_in(&self, ctx: &CallContext, request: SignIn) -> ServiceResult<IssuedTokens> {
        let email = EmailAddress::parse(&request.email).ok();
        let password = Password::typed(&request.password);
        let authenticated = self.authenticate(email.as_ref(), &password).await.inspect_err(|error| {
            if error.code == ErrorCode::Unavailable {
                metrics::signed_in(SignInResult::Overloaded);
            }
        })?;
        let target = email.as_ref().map(|email| email.as_str().to_owned());
        let credentials = match authenticated {
            Ok(credentials) => credentials,
            Err((result, error)) => {
                metrics::signed_in(result);
                let detail = json!({ "result": result.as_str() });
                self.note(ctx, Deed { action: "auth.signin_failed", actor_id: None, target, detail }).await;
                return Err(error);
            }
        };
        let actor_id = Some(credentials.user.id);
        let deed = Deed { action: "auth.signin", actor_id, target, detail: json!({}) };
        let issued = self.begin_session(ctx, &credentials.user, deed).await?;
        metrics::signed_in(SignInResult::Ok);
        if let Some(email) = email {
            self.renew_hash(email, credentials, password);
        }
        Ok(issued)
    }

    async fn refresh(&self, ctx: &CallContext, token: String) -> ServiceResult<IssuedTokens> {
        let now = self.ports.clock.now();
        let nonce = tokens::new_nonce()?;
        let refresh_token = self.successors.derive(&token, &nonce);
        let successor = NewRefreshToken {
            id: RefreshTokenId::new(),
            hash: tokens::hash(&refresh_token),
            expires_at: now.plus(self.settings.refresh_lifetime),
        };
        let presented = tokens::hash(&token);
        let sessions = &self.ports.sessions;
        match sessions.rotate_refresh_token(&presented, successor, nonce, now, REFRESH_GRACE).await? {
            Rotation::Rotated { session_id, user } => self.issue(&user, session_id, refresh_token),
            Rotation::Repeated { session_id, user, nonce } => {
                self.issue(&user, session_id, self.successors.derive(&token, &nonce))
            }
            Rotation::Replayed { session_id, user_id } => {
                metrics::replayed();
                tracing::warn!(%session_id, %user_id, "a used refresh token came again; its session has ended");
                let deed = Deed {
                    action: "auth.refresh_replay",
                    actor_id: None,
                    target: Some(user_id.to_string()),
                    detail: json!({ "session_id": session_id }),
                };
                self.note(ctx, deed).await;
                Err(ServiceError::unauthenticated())
            }
            Rotation::Refused => Err(ServiceError::unauthenticated()),
        }
    }

    async fn sign_out(&self, ctx: &CallContext, token: Option<String>) -> ServiceResult<()> {
        let Some(token) = token else { return Ok(()) };
        let now = self.ports.clock.now();
        let sessions = &self.ports.sessions;
        let ended = sessions.end_session_of_token(&tokens::hash(&token), SessionEnd::SignedOut, now).await?;
        let Some(session_id) = ended else { return Ok(()) };
        let owner = sessions.find_session_state(session_id, now).await?.map(|state| state.user_id);
        let deed = Deed {
            action: "auth.signout",
            actor_id: owner,
            target: Some(session_id.to_string()),
            detail: json!({}),
        };
        self.note(ctx, deed).await;
        Ok(())
    }

    async fn me(&self, ctx: &CallContext, (): ()) -> ServiceResult<User> {
        let actor = ctx.require_user()?;
        let user = self.ports.users.find_user(actor.user_id).await?;
        user.filter(|user| user.disabled_at.is_none()).ok_or_else(ServiceError::unauthenticated)
    }

    async fn check_session(&self, _: &CallContext, id: SessionId) -> ServiceResult<Option<SessionState>> {
        Ok(self.ports.sessions.find_session_state(id, self.ports.clock.now()).await?)
    }
}

/// The address and password of a new account.
///
/// # Errors
/// `invalid`, naming each of the two that cannot be used.
pub(crate) fn read_account(email: &str, password: &str) -> ServiceResult<(EmailAddress, Password)> {
    match (read_email(email), Password::chosen(password)) {
        (Ok(email), Ok(password)) => Ok((email, password)),
        (Err(mut first), Err(second)) => {
            first.detail = format!("{} {}", first.detail, second.detail);
            first.fields.extend(second.fields);
            Err(first)
        }
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
    }
}

pub(crate) fn read_email(text: &str) -> ServiceResult<EmailAddress> {
    EmailAddress::parse(text)
        .map_err(|_| ServiceError::invalid("email", "invalid", "This is not a valid e-mail address."))
}

/// A store's error while an account was being made.
pub(crate) fn taken(error: StoreError) -> ServiceError {
    match error {
        StoreError::Conflict(_) => {
            ServiceError::new(ErrorCode::EmailTaken, "There is an account with this address already.")
        }
        error => error.into(),
    }
}

/// The fruit of a link; `remedy` is the sentence that helps when the link is spent.
pub(crate) fn accepted<T>(used: TokenUse<T>, remedy: &str) -> ServiceResult<T> {
    match used {
        TokenUse::Accepted(fruit) => Ok(fruit),
        TokenUse::Unknown => Err(ServiceError::not_found("This link")),
        TokenUse::Expired => {
            let detail = format!("This link has been used or has expired. {remedy}");
            Err(ServiceError::new(ErrorCode::TokenExpired, detail))
        }
    }
}

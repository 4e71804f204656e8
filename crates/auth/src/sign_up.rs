//! Making accounts through the gateway. With verification on, neither the answer nor its duration tells
//! whether the address is taken: either way one password is hashed, one transaction is written, and the
//! rest happens after the answer.

use serde_json::json;
use songkeep_api::auth::SignedUp;
use songkeep_domain::{
    CallContext, EmailAddress, ServiceResult, StoreError, UserId, UserRole,
    mail::Mail,
    user::{NewOneTimeToken, NewUser, TokenPurpose, User},
};

use crate::{
    mails,
    service::{AuthPorts, AuthService, Deed, taken},
    tokens::LinkToken,
};

impl AuthService {
    /// The account can be used at once; whether the address is its owner's, nobody knows.
    pub(crate) async fn sign_up_at_once(
        &self,
        ctx: &CallContext,
        email: EmailAddress,
        password_hash: String,
    ) -> ServiceResult<SignedUp> {
        let new = self.new_user(email, password_hash);
        let link = if self.settings.expose_verification_token {
            Some(LinkToken::new(Some(new.id), TokenPurpose::VerifyEmail, new.created_at)?)
        } else {
            None
        };
        let (token, row) = link.map(|link| (link.token, link.row)).unzip();
        let user = self.ports.users.create_user(new, row).await.map_err(taken)?;
        self.note(ctx, signed_up(&user)).await;
        let detail = "Your account is ready; you can sign in now.".to_owned();
        Ok(SignedUp { detail, verification_required: false, verification_token: token })
    }

    /// The account can be used once the link of a mail has been followed.
    pub(crate) async fn sign_up_to_verify(
        &self,
        ctx: &CallContext,
        email: EmailAddress,
        password_hash: String,
    ) -> ServiceResult<SignedUp> {
        let new = self.new_user(email.clone(), password_hash.clone());
        let LinkToken { token, row } =
            LinkToken::new(Some(new.id), TokenPurpose::VerifyEmail, new.created_at)?;
        let verify = mails::verify(email.clone(), &self.settings.public_web_url, &token, ctx.client.ip);
        let (ports, ctx) = (self.ports.clone(), ctx.clone());
        let mut exposed = self.settings.expose_verification_token.then_some(token);
        match self.ports.users.create_user(new, Some(row.clone())).await {
            Ok(user) => self.background.spawn("sign-up", async move {
                signed_up(&user).note(&ports, &ctx).await;
                mails::send(&ports, verify).await;
            }),
            Err(StoreError::Conflict(_)) => {
                let deed = Deed {
                    action: "auth.signup_again",
                    actor_id: None,
                    target: Some(email.as_str().to_owned()),
                    detail: json!({}),
                };
                deed.note(&ports, &ctx).await;
                let registered =
                    mails::already_registered(email.clone(), &self.settings.public_web_url, ctx.client.ip);
                let again = SignUpAgain { email, password_hash, token: row, verify, registered };
                if exposed.is_some() {
                    // Who is given the token may use it at once.
                    let in_force = again.run(&ports).await;
                    exposed = exposed.filter(|_| in_force);
                } else {
                    self.background.spawn("sign-up", async move {
                        again.run(&ports).await;
                    });
                }
            }
            Err(error) => return Err(error.into()),
        }
        let detail = "We have sent you a mail. Follow the link in it to verify your address.".to_owned();
        Ok(SignedUp { detail, verification_required: true, verification_token: exposed })
    }

    fn new_user(&self, email: EmailAddress, password_hash: String) -> NewUser {
        NewUser {
            id: UserId::new(),
            email,
            password_hash: Some(password_hash),
            role: UserRole::User,
            verified_at: None,
            created_at: self.ports.clock.now(),
        }
    }
}

fn signed_up(user: &User) -> Deed {
    Deed {
        action: "auth.signup",
        actor_id: Some(user.id),
        target: Some(user.email.clone()),
        detail: json!({}),
    }
}

/// A sign-up for an address that has an account.
struct SignUpAgain {
    email: EmailAddress,
    password_hash: String,
    token: NewOneTimeToken,
    verify: Mail,
    registered: Mail,
}

impl SignUpAgain {
    /// Whether the token was put in force.
    async fn run(self, ports: &AuthPorts) -> bool {
        let renewed = Self::renew(ports, &self.email, self.token, self.password_hash).await;
        match renewed {
            Ok(Some(Renewed::Token)) => {
                mails::send(ports, self.verify).await;
                true
            }
            Ok(Some(Renewed::Nothing)) => {
                mails::send(ports, self.registered).await;
                false
            }
            Ok(None) => false,
            Err(error) => {
                tracing::error!(%error, "a repeated sign-up was not finished");
                false
            }
        }
    }

    /// Nobody knows yet whose an account is that nobody has verified: any of those who signed up may be a
    /// stranger. So each link brings the password of its own sign-up, the earlier ones hold, and the account
    /// is his whose link is followed first.
    async fn renew(
        ports: &AuthPorts,
        email: &EmailAddress,
        token: NewOneTimeToken,
        password_hash: String,
    ) -> ServiceResult<Option<Renewed>> {
        let found = ports.users.find_credentials(email).await?;
        let Some(user) = found.map(|found| found.user).filter(|user| user.disabled_at.is_none()) else {
            return Ok(None);
        };
        if user.verified_at.is_some() {
            return Ok(Some(Renewed::Nothing));
        }
        let token = NewOneTimeToken { user_id: Some(user.id), ..token };
        ports.users.add_sign_up_token(token, password_hash).await?;
        Ok(Some(Renewed::Token))
    }
}

enum Renewed {
    /// The link is to be mailed.
    Token,
    /// The account is somebody's already.
    Nothing,
}

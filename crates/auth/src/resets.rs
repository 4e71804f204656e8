//! Forgotten passwords. Neither the answer nor its duration tells whether an address has an account:
//! everything that depends on it happens after the answer.

use serde_json::json;
use songkeep_api::auth::ResetPassword;
use songkeep_domain::{CallContext, EmailAddress, ServiceResult, user::TokenPurpose};

use crate::{
    mails,
    passwords::Password,
    service::{AuthPorts, AuthService, Deed, accepted, read_email},
    tokens::{self, LinkToken},
};

impl AuthService {
    /// Answers at once and mails the link afterwards, if there is somebody to mail it to.
    pub(crate) fn send_reset_link(&self, ctx: &CallContext, email: &str) -> ServiceResult<String> {
        let email = read_email(email)?;
        let (ports, ctx) = (self.ports.clone(), ctx.clone());
        let web_url = self.settings.public_web_url.clone();
        self.background.spawn("reset link", async move {
            if let Err(error) = mail_reset_link(&ports, &ctx, email, &web_url).await {
                tracing::error!(%error, request_id = ctx.request_id, "a link for a new password was not made");
            }
        });
        Ok("If there is an account with this address, we have sent it a mail. Follow the link in it to choose a \
            new password."
            .to_owned())
    }

    pub(crate) async fn use_reset_link(
        &self,
        ctx: &CallContext,
        request: ResetPassword,
    ) -> ServiceResult<String> {
        let password = Password::chosen(&request.password)?;
        let password_hash = self.passwords.hash(password).await?;
        let deed = Deed { action: "auth.reset_password", actor_id: None, target: None, detail: json!({}) };
        let deed = deed.into_entry(&self.ports, ctx);
        let (hash, bootstrap) = (tokens::hash(&request.token), self.bootstrap_admin());
        let users = &self.ports.users;
        let used =
            users.reset_password(&hash, password_hash, bootstrap, deed, self.ports.clock.now()).await?;
        let user = accepted(used, "Ask for a new one.")?;
        match EmailAddress::parse(&user.email) {
            Ok(email) => {
                let mail = mails::password_changed(email, &self.settings.public_web_url, ctx.client.ip);
                let ports = self.ports.clone();
                self.background.spawn("password changed", async move { mails::send(&ports, mail).await });
            }
            Err(error) => tracing::error!(%error, user_id = %user.id, "a stored address cannot be mailed to"),
        }
        Ok("Your password is changed, and all devices are signed out. Sign in with the new one.".to_owned())
    }
}

async fn mail_reset_link(
    ports: &AuthPorts,
    ctx: &CallContext,
    email: EmailAddress,
    web_url: &str,
) -> ServiceResult<()> {
    let found = ports.users.find_credentials(&email).await?;
    let Some(user) = found.map(|found| found.user).filter(|user| user.disabled_at.is_none()) else {
        return Ok(());
    };
    let LinkToken { token, row } =
        LinkToken::new(Some(user.id), TokenPurpose::ResetPassword, ports.clock.now())?;
    ports.users.add_one_time_token(row).await?;
    let deed = Deed {
        action: "auth.forgot_password",
        actor_id: None,
        target: Some(user.email.clone()),
        detail: json!({}),
    };
    deed.note(ports, ctx).await;
    // To the address as its owner wrote it, not as whoever asked did.
    let to = EmailAddress::parse(&user.email).unwrap_or(email);
    mails::send(ports, mails::reset_password(to, web_url, &token, ctx.client.ip)).await;
    Ok(())
}

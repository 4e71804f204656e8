//! The words of our mails, and how they leave.

use std::net::IpAddr;

use songkeep_domain::{EmailAddress, mail::Mail};

use crate::service::AuthPorts;

/// Carries the link that verifies an address.
pub(crate) fn verify(to: EmailAddress, web_url: &str, token: &str, ip: Option<IpAddr>) -> Mail {
    let text = format!(
        "Hello,\n\n\
         somebody{} made an account on {web_url} with this address. If it was you, follow this link to\n\
         verify the address:\n\n\
         {web_url}/verify?token={token}\n\n\
         The link works once and for 24 hours. If it was not you, do not follow it: the account stays\n\
         closed then, and there is nothing else to do.\n",
        origin(ip)
    );
    Mail { to, subject: "Verify your address for Songkeep".to_owned(), text }
}

/// Tells the owner of an account that somebody tried to make another one with the same address.
pub(crate) fn already_registered(to: EmailAddress, web_url: &str, ip: Option<IpAddr>) -> Mail {
    let text = format!(
        "Hello,\n\n\
         somebody{} tried to make an account on {web_url} with this address, but you have one already.\n\
         If it was you, sign in with your password. If it was not you, there is nothing to do: your\n\
         account is as it was.\n",
        origin(ip)
    );
    Mail { to, subject: "You have a Songkeep account already".to_owned(), text }
}

/// Carries the link that sets a new password. The token is in the fragment, which no server hears of.
pub(crate) fn reset_password(to: EmailAddress, web_url: &str, token: &str, ip: Option<IpAddr>) -> Mail {
    let text = format!(
        "Hello,\n\n\
         somebody{} asked for a new password for your account on {web_url}. If it was you, follow this\n\
         link to choose one:\n\n\
         {web_url}/reset#token={token}\n\n\
         The link works once and for one hour; asking again makes it void. If it was not you, there is\n\
         nothing to do: your password is as it was.\n",
        origin(ip)
    );
    Mail { to, subject: "A new password for Songkeep".to_owned(), text }
}

/// Tells the owner of an account that its password is another one.
pub(crate) fn password_changed(to: EmailAddress, web_url: &str, ip: Option<IpAddr>) -> Mail {
    let text = format!(
        "Hello,\n\n\
         the password of your account on {web_url} has been changed by a link that was mailed to this\n\
         address{}, and all devices are signed out. If it was not you, somebody can read your mail:\n\
         make that safe first, then ask for a new password again.\n",
        origin(ip)
    );
    Mail { to, subject: "Your Songkeep password was changed".to_owned(), text }
}

fn origin(ip: Option<IpAddr>) -> String {
    ip.map(|ip| format!(" (from {ip})")).unwrap_or_default()
}

pub(crate) async fn send(ports: &AuthPorts, mail: Mail) {
    let subject = mail.subject.clone();
    if let Err(error) = ports.mailer.send(mail).await {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        tracing::error!(%error, source, subject, "a mail was not sent");
    }
}

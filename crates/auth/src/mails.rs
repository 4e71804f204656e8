//! The words of our mails.

use std::net::IpAddr;

use songkeep_domain::{EmailAddress, mail::Mail};

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

fn origin(ip: Option<IpAddr>) -> String {
    ip.map(|ip| format!(" (from {ip})")).unwrap_or_default()
}

//! Mail for development: it goes to the log, with the links in it.

use async_trait::async_trait;
use songkeep_domain::mail::{Mail, MailError, Mailer};

/// Writes mails to the log instead of sending them. Whoever reads the log can use their links, so this
/// is for development only.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogMailer;

#[async_trait]
impl Mailer for LogMailer {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        tracing::info!(to = %mail.to, subject = mail.subject, "mail is not set up; it would say:\n{}", mail.text);
        Ok(())
    }
}

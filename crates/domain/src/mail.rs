//! The port through which mail leaves.

use async_trait::async_trait;

use crate::{EmailAddress, error::BoxError};

/// A plain-text mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    pub to: EmailAddress,
    pub subject: String,
    pub text: String,
}

#[derive(Debug, thiserror::Error)]
#[error("the mail could not be handed over")]
pub struct MailError(#[source] pub BoxError);

#[async_trait]
pub trait Mailer: Send + Sync + 'static {
    async fn send(&self, mail: Mail) -> Result<(), MailError>;
}

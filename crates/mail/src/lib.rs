//! Outgoing mail: handed to an SMTP server, or, in development, written to the log.

mod log;
mod smtp;

pub use log::LogMailer;
pub use smtp::{MailSetupError, SmtpMailer};

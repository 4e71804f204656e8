//! Mail by SMTP, over a few kept connections.

use std::{error::Error, net::IpAddr, sync::OnceLock, time::Duration};

use async_trait::async_trait;
use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{
        Mailbox, SinglePart,
        header::{Header, HeaderName, HeaderValue},
    },
    transport::smtp::{AsyncSmtpTransportBuilder, PoolConfig},
};
use secrecy::{ExposeSecret, SecretString};
use songkeep_domain::{
    EmailAddress,
    error::BoxError,
    mail::{Mail, MailError, Mailer},
};
use tokio::{runtime::Handle, sync::Semaphore};
use url::{Host, Url};

/// For connecting, and for each answer of the server.
const STEP_TIMEOUT: Duration = Duration::from_secs(10);
/// For a whole mail, from the moment when its turn comes.
const MAIL_TIMEOUT: Duration = Duration::from_secs(30);
/// Mails that are handed over at the same time, each on a connection of its own.
const MOST_CONNECTIONS: u32 = 4;
const KEEP_CONNECTION: Duration = Duration::from_secs(60);

/// Why the settings of outgoing mail cannot be used. The text never holds the URL, for there is a
/// password in it.
#[derive(Debug, thiserror::Error)]
pub enum MailSetupError {
    #[error("the URL of the mail server cannot be read: {0}")]
    Url(url::ParseError),
    #[error("the URL of the mail server must begin with smtps:// or smtp://")]
    Scheme,
    #[error("the URL of the mail server names no host")]
    Host,
    #[error("the path in the URL of the mail server is no host name")]
    Path,
    #[error("the tls parameter in the URL of the mail server must be required, opportunistic or none")]
    Tls,
    #[error("the mail server's URL would send the password unencrypted; use smtps:// or ?tls=required")]
    UnencryptedPassword,
    #[error("the sender is no address such as `Songkeep <songkeep@example.org>`")]
    Sender,
    #[error("the mail client cannot be set up")]
    Client(#[source] lettre::transport::smtp::Error),
}

/// Sends mails through one SMTP server.
pub struct SmtpMailer {
    builder: AsyncSmtpTransportBuilder,
    /// Made with the first mail: its pool needs a runtime to begin and to end in.
    transport: OnceLock<AsyncSmtpTransport<Tokio1Executor>>,
    turns: Semaphore,
    from: Mailbox,
}

impl SmtpMailer {
    /// `url` is `smtps://user:password@host:465` or `smtp://user:password@host:587?tls=required`; also
    /// `tls=opportunistic` or, without a password, `tls=none`. Special characters of the password are
    /// percent-encoded. `smtp://` with a password means `tls=required`, else `tls=none`; on loopback
    /// anything goes. `from` is `Name <address>` or an address. Connects with the first mail.
    ///
    /// # Errors
    /// When `url` or `from` cannot be used.
    pub fn new(url: &SecretString, from: &str) -> Result<Self, MailSetupError> {
        let url = read_url(url.expose_secret())?;
        let from = from.trim().parse().map_err(|_| MailSetupError::Sender)?;
        let pool = PoolConfig::new().max_size(MOST_CONNECTIONS).idle_timeout(KEEP_CONNECTION);
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url.as_str())
            .map_err(MailSetupError::Client)?
            .timeout(Some(STEP_TIMEOUT))
            .pool_config(pool);
        let turns = Semaphore::new(MOST_CONNECTIONS as usize);
        Ok(Self { builder, transport: OnceLock::new(), turns, from })
    }
}

impl Drop for SmtpMailer {
    fn drop(&mut self) {
        // The pool says goodbye to the server from a task. Without a runtime the system closes the
        // connections at the end of the process.
        if Handle::try_current().is_err() {
            std::mem::forget(self.transport.take());
        }
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let message = write_message(&self.from, &mail).map_err(MailError)?;
        let _turn = self.turns.acquire().await.map_err(|closed| MailError(closed.into()))?;
        let transport = self.transport.get_or_init(|| self.builder.clone().build());
        match tokio::time::timeout(MAIL_TIMEOUT, transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(MailError(error.into())),
            Err(elapsed) => Err(MailError(elapsed.into())),
        }
    }
}

/// The URL as lettre reads it, with our choice of TLS in it.
fn read_url(text: &str) -> Result<Url, MailSetupError> {
    let mut url = Url::parse(text.trim()).map_err(MailSetupError::Url)?;
    let loopback = match url.host() {
        None => return Err(MailSetupError::Host),
        Some(Host::Domain("")) => return Err(MailSetupError::Host),
        Some(Host::Domain(name)) => match name.parse::<IpAddr>() {
            Ok(ip) => ip.is_loopback(),
            Err(_) => name == "localhost",
        },
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
    };
    // The path is the name we greet with. A stray `/` or `#` in a password ends up here.
    let path_ok = url.path().chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-'));
    if !path_ok || url.fragment().is_some() {
        return Err(MailSetupError::Path);
    }
    let tls = url.query_pairs().find(|(name, _)| name == "tls").map(|(_, value)| value.into_owned());
    let has_password = url.password().is_some();
    let tls = match (url.scheme(), tls.as_deref()) {
        ("smtps", _) => None,
        ("smtp", Some("required")) => Some("required"),
        ("smtp", Some("opportunistic")) => Some("opportunistic"),
        ("smtp", None) if has_password && !loopback => Some("required"),
        ("smtp", Some("none")) if has_password && !loopback => {
            return Err(MailSetupError::UnencryptedPassword);
        }
        ("smtp", None | Some("none")) => None,
        ("smtp", Some(_)) => return Err(MailSetupError::Tls),
        _ => return Err(MailSetupError::Scheme),
    };
    url.set_query(None);
    if let Some(tls) = tls {
        url.query_pairs_mut().append_pair("tls", tls);
    }
    Ok(url)
}

/// Marks the mail as written by a machine, so that nobody's holiday notice answers it (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

fn write_message(from: &Mailbox, mail: &Mail) -> Result<Message, BoxError> {
    let message = Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, recipient(&mail.to)?))
        .subject(one_line(&mail.subject))
        .message_id(None)
        .header(AutoSubmitted)
        .singlepart(SinglePart::plain(mail.text.clone()))?;
    Ok(message)
}

/// The address for a mail server: the local part as it was typed, because it is the receiving server
/// that decides on its case, and the domain in ASCII.
fn recipient(address: &EmailAddress) -> Result<Address, BoxError> {
    let (local, _) = address.as_str().rsplit_once('@').ok_or("an address without an @")?;
    let (_, domain) = address.key().rsplit_once('@').ok_or("an address without an @")?;
    Ok(Address::new(local, domain)?)
}

/// A header cannot be ended from within.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<String, String> {
        read_url(text).map(String::from).map_err(|error| error.to_string())
    }

    #[test]
    fn a_password_never_travels_unencrypted_except_to_this_machine() {
        let required = "smtp://u:p@mail.example?tls=required";
        for text in [required, "smtp://u:p@mail.example", " smtp://u:p@mail.example?tls=required\n"] {
            assert_eq!(url(text).as_deref(), Ok(required), "{text}");
        }
        assert!(matches!(
            read_url("smtp://u:p@mail.example?tls=none"),
            Err(MailSetupError::UnencryptedPassword)
        ));
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            assert_eq!(url(&format!("smtp://u:p@{host}:25")), Ok(format!("smtp://u:p@{host}:25")));
        }
    }

    #[test]
    fn reads_the_other_forms_too() {
        for (text, read) in [
            ("smtps://u:p@mail.example:465", "smtps://u:p@mail.example:465"),
            ("smtps://mail.example", "smtps://mail.example"),
            ("smtp://mailpit:1025", "smtp://mailpit:1025"),
            ("smtp://mailpit:1025?tls=none", "smtp://mailpit:1025"),
            ("smtp://u:p@m.example?tls=opportunistic", "smtp://u:p@m.example?tls=opportunistic"),
            ("smtp://m.example/music.example", "smtp://m.example/music.example"),
        ] {
            assert_eq!(url(text).as_deref(), Ok(read), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_telling_the_password() {
        let bad = [
            "s3cret",
            "http://u:s3cret@mail.example",
            "smtp://u:s3cret@",
            "smtp://u:s3cret@mail.example?tls=maybe",
            "smtp://u:s3/cret@mail.example",
            "smtp://u:1/s3cret@mail.example",
            "smtp://u:1#s3cret@mail.example",
            "smtp://u:s3cret@mail.example:99999",
            "smtp://u:s3cret@mail.example?tls=none",
        ];
        for text in bad {
            let error = SmtpMailer::new(&SecretString::from(text), "a@example.org").err();
            let error = error.unwrap_or_else(|| panic!("{text} was taken"));
            let words = format!("{error} {error:?} {:?}", error.source());
            assert!(!words.contains("s3"), "{words}");
        }
    }

    #[test]
    fn the_sender_is_an_address_with_or_without_a_name() {
        let url = SecretString::from("smtp://localhost");
        for from in ["Songkeep <songkeep@example.org>", "songkeep@localhost", "Söng <a@b.example>"] {
            assert!(SmtpMailer::new(&url, from).is_ok(), "{from}");
        }
        for from in ["", "Songkeep", "a@b\r\nBcc: c@d.example", "A\r\nBcc: c@d.example <a@b.example>"] {
            assert!(matches!(SmtpMailer::new(&url, from), Err(MailSetupError::Sender)), "{from:?}");
        }
    }

    #[test]
    fn no_text_can_add_a_header() {
        let from = "Songkeep <songkeep@example.org>".parse().expect("an address");
        let to = EmailAddress::parse("Ada@B\u{fc}cher.example").expect("an address");
        for end in ["\r\n", "\n", "\r", "\u{85}", "\0"] {
            let subject = format!("Hello{end}Bcc: eve@example.net{end}{end}<b>body</b> \u{e4}");
            let mail = Mail { to: to.clone(), subject, text: "Text\r\n.\r\nBcc: no header\n".to_owned() };
            let message = write_message(&from, &mail).expect("a message");
            let bytes = message.formatted();
            let text = String::from_utf8(bytes).expect("ASCII");
            let (head, _) = text.split_once("\r\n\r\n").expect("a head and a body");
            let names: Vec<&str> = head
                .split("\r\n")
                .filter(|line| !line.starts_with([' ', '\t']))
                .map(|line| line.split_once(':').expect("a header").0)
                .collect();
            let mut sorted = names.clone();
            sorted.sort_unstable();
            assert_eq!(
                sorted,
                [
                    "Auto-Submitted",
                    "Content-Transfer-Encoding",
                    "Content-Type",
                    "Date",
                    "From",
                    "MIME-Version",
                    "Message-ID",
                    "Subject",
                    "To"
                ],
                "{head}"
            );
            let recipients = message.envelope().to();
            assert_eq!(recipients.len(), 1);
            assert_eq!(recipients[0].to_string(), "Ada@xn--bcher-kva.example");
        }
    }
}

//! Mails to an SMTP server of the test's own.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod server;

use std::{error::Error, time::Duration};

use secrecy::SecretString;
use server::Server;
use songkeep_domain::{
    EmailAddress,
    mail::{Mail, Mailer as _},
};
use songkeep_mail::{LogMailer, SmtpMailer};

const FROM: &str = "Songkeep <songkeep@example.org>";

fn mailer(url: &str) -> SmtpMailer {
    SmtpMailer::new(&SecretString::from(url), FROM).unwrap()
}

fn mail(to: &str) -> Mail {
    Mail {
        to: EmailAddress::parse(to).unwrap(),
        subject: "Prüfe deine Adresse".to_owned(),
        text: "Hello,\n\nfollow https://music.example/verify?token=abc\n.\n.dots stay\n".to_owned(),
    }
}

/// An error with all its causes, as a log would show it.
fn words(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(|error| format!("{error} {error:?}")).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_written() {
    let server = Server::start().await;
    mailer(&server.url).send(mail("ada@example.com")).await.unwrap();
    let [received] = &server.received()[..] else { panic!("one mail") };
    assert_eq!(received.from, "songkeep@example.org");
    assert_eq!(received.to, ["ada@example.com"]);
    assert_eq!(received.login, None);
    let header = |name: &str| {
        let line = received.text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {}", received.text)).trim().to_owned()
    };
    assert_eq!(header("From:"), "Songkeep <songkeep@example.org>");
    assert_eq!(header("To:"), "ada@example.com");
    assert_eq!(header("Auto-Submitted:"), "auto-generated");
    assert!(header("Subject:").starts_with("=?utf-8?"), "{}", received.text);
    assert!(header("Content-Type:").contains("text/plain"));
    assert!(!header("Message-ID:").is_empty() && !header("Date:").is_empty());
    let (_, body) = received.text.split_once("\r\n\r\n").unwrap();
    let lines: Vec<&str> = body.trim_end().lines().collect();
    assert_eq!(lines, ["Hello,", "", "follow https://music.example/verify?token=abc", ".", ".dots stay"]);
}

#[tokio::test]
async fn a_few_connections_serve_many_mails_and_lost_ones_are_replaced() {
    let server = Server::start().await;
    let mailer = mailer(&server.url);
    let mails = (0..50).map(|number| mailer.send(mail(&format!("ada{number}@example.com"))));
    for sent in futures::future::join_all(mails).await {
        sent.unwrap();
    }
    assert_eq!(server.received().len(), 50);
    // Four in use, and four on their way back to the pool.
    assert!(server.most_at_once() <= 8, "{} connections at once", server.most_at_once());
    server.cut_connections();
    mailer.send(mail("ada@example.com")).await.unwrap();
    assert_eq!(server.received().len(), 51);
}

#[test]
fn a_mailer_needs_no_runtime_to_be_made_or_to_go() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    drop(mailer("smtp://localhost"));
    let (server, mailer) = runtime.block_on(async {
        let server = Server::start().await;
        let mailer = mailer(&server.url);
        mailer.send(mail("ada@example.com")).await.unwrap();
        (server, mailer)
    });
    assert_eq!(server.received().len(), 1);
    drop(runtime);
    drop(mailer);
}

#[tokio::test]
async fn signs_in_where_the_url_has_a_password() {
    let server = Server::start().await;
    let url = server.url.replace("smtp://", "smtp://songkeep:p%40ss%2Fword@");
    mailer(&url).send(mail("ada@example.com")).await.unwrap();
    assert_eq!(server.received()[0].login.as_deref(), Some("\0songkeep\0p@ss/word"));
}

#[tokio::test]
async fn a_refused_recipient_is_an_error_and_the_next_mail_goes_out() {
    let server = Server::start().await;
    let mailer = mailer(&server.url);
    let error = mailer.send(mail("refused@example.com")).await.unwrap_err();
    assert!(words(&error).contains("550"), "{}", words(&error));
    mailer.send(mail("ada@example.com")).await.unwrap();
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn errors_do_not_hold_the_password() {
    let server = Server::start().await;
    for password in ["s3cret", "wrong-s3cret"] {
        let url = server.url.replace("smtp://", &format!("smtp://songkeep:{password}@"));
        let error = mailer(&url).send(mail("refused@example.com")).await.unwrap_err();
        let words = words(&error);
        assert!(!words.contains("s3cret"), "{words}");
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_an_error() {
    // Bound and never listening: nobody else can have the port.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("smtp://songkeep:s3cret@{}", socket.local_addr().unwrap());
    let error = mailer(&url).send(mail("ada@example.com")).await.unwrap_err();
    assert_eq!(error.to_string(), "the mail could not be handed over");
    assert!(!words(&error).contains("s3cret"), "{}", words(&error));
}

#[tokio::test]
async fn a_server_without_the_encryption_that_is_required_gets_no_mail() {
    let server = Server::start().await;
    let error =
        mailer(&format!("{}?tls=required", server.url)).send(mail("ada@example.com")).await.unwrap_err();
    assert!(words(&error).to_lowercase().contains("starttls"), "{}", words(&error));
    assert!(server.received().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_an_error_in_bounded_time() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let sent = tokio::time::timeout(Duration::from_secs(40), async {
        mailer(&url).send(mail("ada@example.com")).await.unwrap_err()
    });
    sent.await.unwrap();
}

#[tokio::test]
async fn the_log_takes_any_mail() {
    LogMailer.send(mail("ada@example.com")).await.unwrap();
}

//! Sign-up and verification.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use songkeep_auth::AuthSettings;
use songkeep_domain::{
    EmailAddress, ErrorCode, PageRequest, UserRole,
    mail::{Mail, MailError, Mailer},
    user::{UserFilter, UserStore as _},
};
use songkeep_testkit::world::nobody;

use crate::setup::{
    DAY, Mailbox, PASSWORD, Setup, settings, sign_in, sign_up, token_in, without_verification,
};

async fn count_users(setup: &Setup) -> usize {
    let page = PageRequest::first(100);
    setup.world.store.list_users(&UserFilter::default(), &page).await.unwrap().items.len()
}

async fn verify(setup: &Setup, token: &str) -> Result<String, ErrorCode> {
    setup.clients[0].verify_email(&nobody(), token.to_owned()).await.map_err(|error| error.code)
}

#[tokio::test]
async fn an_account_opens_with_the_link_of_the_mail_which_works_once() {
    let setup = Setup::new(settings()).await;
    for (client, email) in setup.clients.iter().zip(["ada@example.com", "bob@example.com"]) {
        let answer = sign_up(client, email, PASSWORD).await.unwrap();
        assert_eq!(answer.verification_token, None);
        let error = sign_in(client, email, PASSWORD).await.err().unwrap();
        assert_eq!(error.code, ErrorCode::EmailNotVerified);
        let error = sign_in(client, email, "wrong horse").await.err().unwrap();
        assert_eq!(error.code, ErrorCode::InvalidCredentials, "only who knows the password learns more");
        let token = setup.mailed_token(email).await;
        client.verify_email(&nobody(), token.clone()).await.unwrap();
        sign_in(client, email, PASSWORD).await.unwrap();
        let error = client.verify_email(&nobody(), token).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::TokenExpired);
        for unknown in ["", "rubbish", &"x".repeat(5_000)] {
            let error = client.verify_email(&nobody(), unknown.to_owned()).await.unwrap_err();
            assert_eq!(error.code, ErrorCode::NotFound);
        }
    }
}

#[tokio::test]
async fn a_link_holds_for_a_day_and_a_new_sign_up_gives_another() {
    let setup = Setup::new(settings()).await;
    let [client, _] = &setup.clients;
    sign_up(client, "ada@example.com", PASSWORD).await.unwrap();
    let first = setup.mailed_token("ada@example.com").await;
    setup.clock.advance(DAY);
    assert_eq!(verify(&setup, &first).await, Err(ErrorCode::TokenExpired));
    sign_up(client, "ada@example.com", PASSWORD).await.unwrap();
    let second = setup.mailed_token("ada@example.com").await;
    setup.clock.advance(DAY - Duration::from_secs(1));
    assert!(verify(&setup, &second).await.is_ok());
    assert!(setup.find_user("ada@example.com").await.unwrap().verified_at.is_some());
}

#[tokio::test]
async fn the_answer_does_not_tell_whether_an_address_is_taken() {
    let setup = Setup::new(settings()).await;
    setup.add_user("ada@example.com").await;
    for client in &setup.clients {
        let free = sign_up(client, "free@example.com", PASSWORD).await.unwrap();
        let unverified = sign_up(client, "free@example.com", PASSWORD).await.unwrap();
        let taken = sign_up(client, "Ada@Example.com", "another password").await.unwrap();
        assert_eq!(free.detail, taken.detail);
        assert_eq!(free.detail, unverified.detail);
        let mail = setup.mails_to("ada@example.com").await.pop().unwrap();
        assert!(mail.subject.contains("already") && !mail.text.contains("token="), "{mail:?}");
        let error = sign_in(client, "ada@example.com", "another password").await.err().unwrap();
        assert_eq!(error.code, ErrorCode::InvalidCredentials, "the account is as it was");
        sign_in(client, "ada@example.com", PASSWORD).await.unwrap();
    }
    assert_eq!(count_users(&setup).await, 2);
}

#[tokio::test]
async fn an_account_that_nobody_verified_is_his_whose_link_is_followed() {
    for own_first in [true, false] {
        let setup = Setup::new(settings()).await;
        for (client, email) in setup.clients.iter().zip(["ada@example.com", "bob@example.com"]) {
            let mut passwords = [PASSWORD, "a stranger's password"];
            if !own_first {
                passwords.reverse();
            }
            let mut links = Vec::new();
            for password in passwords {
                sign_up(client, email, password).await.unwrap();
                links.push((password, setup.mailed_token(email).await));
            }
            let error = sign_in(client, email, passwords[0]).await.err().unwrap();
            assert_eq!(error.code, ErrorCode::EmailNotVerified, "the first password is as it was");
            let error = sign_in(client, email, passwords[1]).await.err().unwrap();
            assert_eq!(error.code, ErrorCode::InvalidCredentials);
            links.sort_by_key(|(password, _)| *password != PASSWORD);
            let [(_, own), (_, strangers)] = &links[..] else { panic!("two links") };
            assert!(verify(&setup, own).await.is_ok());
            assert_eq!(verify(&setup, strangers).await, Err(ErrorCode::TokenExpired), "void by the other");
            sign_in(client, email, PASSWORD).await.unwrap();
            let error = sign_in(client, email, "a stranger's password").await.err().unwrap();
            assert_eq!(error.code, ErrorCode::InvalidCredentials);
        }
    }
}

#[tokio::test]
async fn a_crowd_of_sign_ups_for_one_address_leaves_one_account_and_one_working_link() {
    let setup = Setup::new(settings()).await;
    let [local, remote] = &setup.clients;
    let passwords: Vec<String> = (0..30).map(|number| format!("password number {number}")).collect();
    let calls = passwords.iter().enumerate().map(|(number, password)| {
        sign_up(if number % 2 == 0 { local } else { remote }, "ada@example.com", password)
    });
    for answer in futures::future::join_all(calls).await {
        answer.unwrap();
    }
    assert_eq!(count_users(&setup).await, 1);
    let mails = setup.mails_to("ada@example.com").await;
    assert_eq!(mails.len(), 30);
    let mut works = 0;
    for mail in &mails {
        works += usize::from(verify(&setup, &token_in(mail)).await.is_ok());
    }
    assert_eq!(works, 1);
    let mut opens = 0;
    for password in &passwords {
        opens += usize::from(sign_in(local, "ada@example.com", password).await.is_ok());
    }
    assert_eq!(opens, 1);
}

#[tokio::test]
async fn one_mailbox_has_one_account_however_its_address_is_written() {
    let groups = [
        ["admin@example.com", "aDmin@EXAMPLE.com", " ADMIN@example.com "],
        ["jos\u{e9}@example.com", "jose\u{301}@example.com", "JOS\u{c9}@example.com"],
        ["a@b\u{fc}cher.example", "a@bu\u{308}cher.example", "A@xn--bcher-kva.example"],
    ];
    let setup = Setup::new(without_verification()).await;
    for group in groups {
        let [first, others @ ..] = group;
        sign_up(&setup.clients[0], first, PASSWORD).await.unwrap();
        for client in &setup.clients {
            for other in others {
                let error = sign_up(client, other, PASSWORD).await.err().unwrap();
                assert_eq!(error.code, ErrorCode::EmailTaken, "{other}");
                sign_in(client, other, PASSWORD).await.unwrap();
            }
        }
    }
    assert_eq!(count_users(&setup).await, 3);
}

#[tokio::test]
async fn without_verification_an_account_works_at_once_and_counts_as_not_verified() {
    let setup = Setup::new(without_verification()).await;
    for (client, email) in setup.clients.iter().zip(["ada@example.com", "bob@example.com"]) {
        let answer = sign_up(client, email, PASSWORD).await.unwrap();
        assert_eq!(answer.verification_token, None);
        sign_in(client, email, PASSWORD).await.unwrap();
        assert_eq!(setup.find_user(email).await.unwrap().verified_at, None);
        assert!(setup.mails_to(email).await.is_empty());
    }
}

#[tokio::test]
async fn an_exposed_token_is_the_mailed_one_and_works_at_once() {
    let setup = Setup::new(AuthSettings { expose_verification_token: true, ..settings() }).await;
    for (client, email) in setup.clients.iter().zip(["ada@example.com", "bob@example.com"]) {
        sign_up(client, email, PASSWORD).await.unwrap();
        let again = sign_up(client, email, PASSWORD).await.unwrap().verification_token.unwrap();
        assert_eq!(again, setup.mailed_token(email).await);
        assert!(verify(&setup, &again).await.is_ok());
        assert_eq!(sign_up(client, email, PASSWORD).await.unwrap().verification_token, None);
    }
}

#[tokio::test]
async fn bad_addresses_and_passwords_are_refused_by_name() {
    for settings in [settings(), without_verification()] {
        let setup = Setup::new(settings).await;
        for client in &setup.clients {
            let long = "x".repeat(257);
            for (email, password, fields) in [
                ("ada", PASSWORD, vec![("email", "invalid")]),
                ("ada@example.com", "short", vec![("password", "too_short")]),
                ("ada@example.com", &long, vec![("password", "too_long")]),
                ("a\r\nBcc: b@c.example", "short", vec![("email", "invalid"), ("password", "too_short")]),
            ] {
                let error = sign_up(client, email, password).await.err().unwrap();
                let named: Vec<_> =
                    error.fields.iter().map(|field| (field.field.as_str(), field.code.as_str())).collect();
                assert_eq!((error.code, named), (ErrorCode::Invalid, fields));
            }
        }
        assert_eq!(count_users(&setup).await, 0);
    }
}

#[tokio::test]
async fn the_bootstrap_address_becomes_admin_when_it_is_verified_by_mail() {
    let admin = EmailAddress::parse("Admin@Example.com").ok();
    let setup = Setup::new(AuthSettings { admin_bootstrap_email: admin, ..settings() }).await;
    let [client, _] = &setup.clients;
    for email in ["other@example.com", "aDmin@example.com"] {
        sign_up(client, email, PASSWORD).await.unwrap();
        assert_eq!(setup.find_user(email).await.unwrap().role, UserRole::User);
        let token = setup.mailed_token(email).await;
        assert!(verify(&setup, &token).await.is_ok());
    }
    assert_eq!(setup.find_user("other@example.com").await.unwrap().role, UserRole::User);
    assert_eq!(setup.find_user("admin@example.com").await.unwrap().role, UserRole::Admin);
}

#[tokio::test]
async fn the_bootstrap_address_grants_nothing_when_an_admin_exists() {
    let admin = EmailAddress::parse("admin@example.com").ok();
    let setup = Setup::new(AuthSettings { admin_bootstrap_email: admin, ..settings() }).await;
    setup.service.create_user("first@example.com", PASSWORD, UserRole::Admin).await.unwrap();
    sign_up(&setup.clients[0], "admin@example.com", PASSWORD).await.unwrap();
    let token = setup.mailed_token("admin@example.com").await;
    assert!(verify(&setup, &token).await.is_ok());
    assert_eq!(setup.find_user("admin@example.com").await.unwrap().role, UserRole::User);
}

#[tokio::test]
async fn the_bootstrap_address_grants_nothing_without_verification() {
    let admin = EmailAddress::parse("admin@example.com").ok();
    let settings = AuthSettings { expose_verification_token: true, ..without_verification() };
    let setup = Setup::new(AuthSettings { admin_bootstrap_email: admin, ..settings }).await;
    let answer = sign_up(&setup.clients[1], "admin@example.com", PASSWORD).await.unwrap();
    assert!(verify(&setup, &answer.verification_token.unwrap()).await.is_ok());
    let user = setup.find_user("admin@example.com").await.unwrap();
    assert_eq!((user.role, user.verified_at.is_some()), (UserRole::User, true));
}

#[tokio::test]
async fn a_disabled_account_gets_no_mail_and_stays_closed() {
    let setup = Setup::new(settings()).await;
    let [client, _] = &setup.clients;
    sign_up(client, "ada@example.com", PASSWORD).await.unwrap();
    assert_eq!(setup.mails_to("ada@example.com").await.len(), 1);
    let user = setup.find_user("ada@example.com").await.unwrap();
    setup.world.store.set_disabled(user.id, true, user.created_at).await.unwrap();
    sign_up(client, "ada@example.com", "another password").await.unwrap();
    assert_eq!(setup.mails_to("ada@example.com").await.len(), 1);
    let error = sign_in(client, "ada@example.com", "another password").await.err().unwrap();
    assert_eq!(error.code, ErrorCode::InvalidCredentials);
}

/// Never done, or never able.
enum BadMailer {
    Hangs,
    Fails,
}

#[async_trait]
impl Mailer for BadMailer {
    async fn send(&self, _: Mail) -> Result<(), MailError> {
        match self {
            Self::Hangs => std::future::pending().await,
            Self::Fails => Err(MailError("no mail server".into())),
        }
    }
}

#[tokio::test]
async fn a_mail_server_that_hangs_or_fails_changes_no_answer() {
    for mailer in [BadMailer::Hangs, BadMailer::Fails] {
        let setup = Setup::with_mailer(settings(), Arc::new(Mailbox::default()), Arc::new(mailer)).await;
        for client in &setup.clients {
            // More than may wait in the background.
            for number in 0..150 {
                let email = format!("ada{number}@example.com");
                let answer = sign_up(client, &email, PASSWORD);
                tokio::time::timeout(Duration::from_secs(20), answer).await.unwrap().unwrap();
            }
        }
    }
}

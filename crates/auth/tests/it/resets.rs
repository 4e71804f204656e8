//! Forgotten passwords.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use songkeep_api::auth::{AuthClient, ResetPassword};
use songkeep_auth::AuthSettings;
use songkeep_domain::{
    CallContext, ClientInfo, EmailAddress, ErrorCode, UserRole,
    mail::{Mail, MailError, Mailer},
    user::UserStore as _,
};
use songkeep_testkit::world::nobody;

use crate::setup::{
    Mailbox, PASSWORD, Setup, refresh, settings, sign_in, sign_up, token_in, without_verification,
};

const NEW: &str = "another horse";

async fn forgot(client: &AuthClient, email: &str) -> String {
    client.forgot_password(&nobody(), email.to_owned()).await.unwrap()
}

async fn reset(client: &AuthClient, token: &str, password: &str) -> Result<String, ErrorCode> {
    let request = ResetPassword { token: token.to_owned(), password: password.to_owned() };
    client.reset_password(&nobody(), request).await.map_err(|error| error.code)
}

#[tokio::test]
async fn a_mailed_link_sets_a_new_password_once_and_ends_all_sessions() {
    let setup = Setup::new(settings()).await;
    for (client, email) in setup.clients.iter().zip(["ada@example.com", "bob@example.com"]) {
        let user = setup.add_user(email).await;
        let sessions = [sign_in(client, email, PASSWORD).await, sign_in(client, email, PASSWORD).await];
        forgot(client, &email.to_uppercase()).await;
        let mail = setup.mails_to(email).await.pop().unwrap();
        assert!(mail.text.contains("https://music.example/reset#token="), "{mail:?}");
        let token = token_in(&mail);
        for weak in ["short", &"x".repeat(257)] {
            assert_eq!(
                reset(client, &token, weak).await,
                Err(ErrorCode::Invalid),
                "and the link still holds"
            );
        }
        reset(client, &token, NEW).await.unwrap();
        for session in sessions.map(Result::unwrap) {
            assert!(!setup.is_alive(client, setup.actor(&session).session_id).await);
            let refused = refresh(client, &session.refresh_token).await.err().unwrap();
            assert_eq!(refused.code, ErrorCode::Unauthenticated);
        }
        let error = sign_in(client, email, PASSWORD).await.err().unwrap();
        assert_eq!(error.code, ErrorCode::InvalidCredentials);
        sign_in(client, email, NEW).await.unwrap();
        assert_eq!(reset(client, &token, PASSWORD).await, Err(ErrorCode::TokenExpired));
        let told = setup.mails_to(email).await.pop().unwrap();
        assert!(told.subject.contains("password was changed") && !told.text.contains("token="), "{told:?}");
        let audit = setup.audit().await;
        let deed = audit.iter().find(|entry| entry.action == "auth.reset_password").unwrap();
        assert_eq!((deed.actor_id, deed.target.as_deref()), (Some(user.id), Some(email)));
        assert!(audit.iter().any(|entry| entry.action == "auth.forgot_password"));
        for unknown in ["", "rubbish", &"x".repeat(5_000)] {
            assert_eq!(reset(client, unknown, NEW).await, Err(ErrorCode::NotFound));
        }
    }
}

#[tokio::test]
async fn a_link_holds_for_an_hour_and_the_newest_wins() {
    let setup = Setup::new(settings()).await;
    let [client, _] = &setup.clients;
    setup.add_user("ada@example.com").await;
    forgot(client, "ada@example.com").await;
    let first = setup.mailed_token("ada@example.com").await;
    forgot(client, "ada@example.com").await;
    let second = setup.mailed_token("ada@example.com").await;
    assert_eq!(reset(client, &first, NEW).await, Err(ErrorCode::TokenExpired));
    setup.clock.advance(Duration::from_secs(3_600));
    assert_eq!(reset(client, &second, NEW).await, Err(ErrorCode::TokenExpired));
    forgot(client, "ada@example.com").await;
    let third = setup.mailed_token("ada@example.com").await;
    setup.clock.advance(Duration::from_secs(3_599));
    reset(client, &third, NEW).await.unwrap();
}

#[tokio::test]
async fn the_answer_is_the_same_for_every_address_and_mails_go_to_owners_alone() {
    let setup = Setup::new(settings()).await;
    setup.add_user("ada@example.com").await;
    let disabled = setup.add_user("disabled@example.com").await;
    setup.world.store.set_disabled(disabled.id, true, disabled.created_at).await.unwrap();
    for client in &setup.clients {
        let answers = [
            forgot(client, "ada@example.com").await,
            forgot(client, "nobody@example.com").await,
            forgot(client, "disabled@example.com").await,
        ];
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        let error = client.forgot_password(&nobody(), "no address".to_owned()).await.unwrap_err();
        assert_eq!((error.code, error.fields[0].field.as_str()), (ErrorCode::Invalid, "email"));
    }
    assert_eq!(setup.mails_to("ada@example.com").await.len(), 2);
    for email in ["nobody@example.com", "disabled@example.com"] {
        assert!(setup.mails_to(email).await.is_empty(), "{email}");
    }
}

#[tokio::test]
async fn the_mails_tell_where_the_request_came_from() {
    let setup = Setup::new(settings()).await;
    setup.add_user("ada@example.com").await;
    let ctx = CallContext {
        client: ClientInfo { ip: Some("192.0.2.7".parse().unwrap()), ..ClientInfo::default() },
        ..CallContext::default()
    };
    setup.clients[0].forgot_password(&ctx, "ada@example.com".to_owned()).await.unwrap();
    let token = setup.mailed_token("ada@example.com").await;
    let request = ResetPassword { token, password: NEW.to_owned() };
    setup.clients[0].reset_password(&ctx, request).await.unwrap();
    let mails = setup.mails_to("ada@example.com").await;
    assert!(mails.iter().all(|mail| mail.text.contains("192.0.2.7")), "{mails:?}");
}

#[tokio::test]
async fn a_reset_verifies_the_address_and_voids_the_links_of_sign_ups() {
    let admin = EmailAddress::parse("ada@example.com").ok();
    let setup = Setup::new(AuthSettings { admin_bootstrap_email: admin, ..settings() }).await;
    let [_, client] = &setup.clients;
    sign_up(client, "ada@example.com", "a stranger's password").await.unwrap();
    let first = setup.mailed_token("ada@example.com").await;
    sign_up(client, "ada@example.com", "a stranger's other one").await.unwrap();
    let second = setup.mailed_token("ada@example.com").await;
    forgot(client, "ada@example.com").await;
    let token = setup.mailed_token("ada@example.com").await;
    assert_eq!(reset(client, &first, NEW).await, Err(ErrorCode::NotFound), "a link of another kind");
    let error = client.verify_email(&nobody(), token.clone()).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NotFound, "neither the other way");
    reset(client, &token, NEW).await.unwrap();
    for link in [first, second] {
        let error = client.verify_email(&nobody(), link).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::TokenExpired);
    }
    sign_in(client, "ada@example.com", NEW).await.unwrap();
    let user = setup.find_user("ada@example.com").await.unwrap();
    assert_eq!((user.role, user.verified_at.is_some()), (UserRole::Admin, true));
}

#[tokio::test]
async fn without_verification_a_reset_makes_nobody_admin() {
    let admin = EmailAddress::parse("ada@example.com").ok();
    let setup = Setup::new(AuthSettings { admin_bootstrap_email: admin, ..without_verification() }).await;
    let [client, _] = &setup.clients;
    sign_up(client, "ada@example.com", PASSWORD).await.unwrap();
    forgot(client, "ada@example.com").await;
    let token = setup.mailed_token("ada@example.com").await;
    reset(client, &token, NEW).await.unwrap();
    assert_eq!(setup.find_user("ada@example.com").await.unwrap().role, UserRole::User);
}

#[tokio::test]
async fn a_link_is_of_no_use_once_its_account_is_disabled_or_its_password_was_set_by_command() {
    let setup = Setup::new(settings()).await;
    let [client, _] = &setup.clients;
    let ada = setup.add_user("ada@example.com").await;
    setup.add_user("bob@example.com").await;
    for email in ["ada@example.com", "bob@example.com"] {
        forgot(client, email).await;
    }
    let tokens = [setup.mailed_token("ada@example.com").await, setup.mailed_token("bob@example.com").await];
    setup.world.store.set_disabled(ada.id, true, ada.created_at).await.unwrap();
    setup.service.reset_password("bob@example.com", "by command").await.unwrap();
    for token in &tokens {
        assert_eq!(reset(client, token, NEW).await, Err(ErrorCode::TokenExpired));
    }
    sign_in(client, "bob@example.com", "by command").await.unwrap();
}

struct Hanging;

#[async_trait]
impl Mailer for Hanging {
    async fn send(&self, _: Mail) -> Result<(), MailError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_mail_server_that_hangs_keeps_nobody_waiting() {
    let setup = Setup::with_mailer(settings(), Arc::new(Mailbox::default()), Arc::new(Hanging)).await;
    setup.add_user("ada@example.com").await;
    for client in &setup.clients {
        for _ in 0..150 {
            let answer = forgot(client, "ada@example.com");
            tokio::time::timeout(Duration::from_secs(20), answer).await.unwrap();
        }
    }
}

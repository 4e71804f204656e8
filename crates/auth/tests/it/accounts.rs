//! The first administrator, and what is on record.

use std::time::Duration;

use songkeep_api::auth::{AuthClient, SetUpAdmin};
use songkeep_domain::{ErrorCode, ServiceResult, UserRole, user::UserStore as _};
use songkeep_testkit::world::nobody;

use crate::setup::{DAY, PASSWORD, Setup, refresh, settings, sign_in, sign_up};

async fn setup_token(setup: &Setup) -> String {
    let link = setup.service.setup_link().await.unwrap().unwrap();
    link.strip_prefix("https://music.example/setup?token=").unwrap().to_owned()
}

async fn set_up(client: &AuthClient, token: &str, email: &str) -> ServiceResult<String> {
    let request =
        SetUpAdmin { token: token.to_owned(), email: email.to_owned(), password: PASSWORD.to_owned() };
    client.set_up_admin(&nobody(), request).await
}

#[tokio::test]
async fn the_printed_link_makes_one_verified_admin_and_no_second() {
    for index in 0..2 {
        let setup = Setup::new(settings()).await;
        let client = &setup.clients[index];
        let token = setup_token(&setup).await;
        set_up(client, &token, "ada@example.com").await.unwrap();
        let user = setup.find_user("ada@example.com").await.unwrap();
        assert_eq!((user.role, user.verified_at.is_some()), (UserRole::Admin, true));
        sign_in(client, "ada@example.com", PASSWORD).await.unwrap();
        let error = set_up(client, &token, "eve@example.com").await.unwrap_err();
        assert_eq!(error.code, ErrorCode::TokenExpired);
        assert_eq!(setup.service.setup_link().await.unwrap(), None);
        let error = set_up(client, "unknown", "eve@example.com").await.unwrap_err();
        assert_eq!(error.code, ErrorCode::NotFound);
    }
}

#[tokio::test]
async fn a_setup_link_holds_for_a_day_and_until_the_next_one() {
    let setup = Setup::new(settings()).await;
    let [client, _] = &setup.clients;
    let expired = setup_token(&setup).await;
    setup.clock.advance(DAY);
    let replaced = setup_token(&setup).await;
    let current = setup_token(&setup).await;
    for token in [&expired, &replaced] {
        let error = set_up(client, token, "ada@example.com").await.unwrap_err();
        assert_eq!(error.code, ErrorCode::TokenExpired);
    }
    setup.clock.advance(DAY - Duration::from_secs(1));
    set_up(client, &current, "ada@example.com").await.unwrap();
}

#[tokio::test]
async fn a_setup_link_ends_when_an_admin_appears_by_another_way() {
    let setup = Setup::new(settings()).await;
    let token = setup_token(&setup).await;
    setup.service.create_user("first@example.com", PASSWORD, UserRole::Admin).await.unwrap();
    let error = set_up(&setup.clients[0], &token, "ada@example.com").await.unwrap_err();
    assert_eq!(error.code, ErrorCode::TokenExpired);
}

#[tokio::test]
async fn a_mistake_does_not_use_the_setup_link_up() {
    let setup = Setup::new(settings()).await;
    setup.add_user("taken@example.com").await;
    for client in &setup.clients {
        let token = setup_token(&setup).await;
        let error = set_up(client, &token, "no address").await.unwrap_err();
        assert_eq!(error.code, ErrorCode::Invalid);
        let error = set_up(client, &token, "Taken@example.com").await.unwrap_err();
        assert_eq!(error.code, ErrorCode::EmailTaken);
    }
    let token = setup_token(&setup).await;
    set_up(&setup.clients[0], &token, "taken@example.com").await.unwrap_err();
    set_up(&setup.clients[0], &token, "ada@example.com").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_follow_the_setup_link_at_once_one_becomes_admin() {
    let setup = Setup::new(settings()).await;
    let [local, remote] = &setup.clients;
    let token = setup_token(&setup).await;
    let emails: Vec<String> = (0..20).map(|number| format!("u{number}@example.com")).collect();
    let calls = emails
        .iter()
        .enumerate()
        .map(|(number, email)| set_up(if number % 2 == 0 { local } else { remote }, &token, email));
    let answers = futures::future::join_all(calls).await;
    let errors: Vec<_> = answers.into_iter().filter_map(Result::err).map(|error| error.code).collect();
    assert_eq!(errors, [ErrorCode::TokenExpired; 19]);
    assert!(setup.world.store.has_admin().await.unwrap());
}

#[tokio::test]
async fn tokens_of_one_purpose_do_not_serve_another() {
    let setup = Setup::new(settings()).await;
    for client in &setup.clients {
        let email = "ada@example.com";
        sign_up(client, email, PASSWORD).await.unwrap();
        let verification = setup.mailed_token(email).await;
        let set_up_link = setup_token(&setup).await;
        let error = set_up(client, &verification, "eve@example.com").await.unwrap_err();
        assert_eq!(error.code, ErrorCode::NotFound);
        let error = client.verify_email(&nobody(), set_up_link).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::NotFound);
        assert!(refresh(client, &verification).await.is_err());
    }
}

#[tokio::test]
async fn what_happens_to_accounts_is_on_record_without_secrets() {
    let setup = Setup::new(settings()).await;
    let [client, remote] = &setup.clients;
    let email = "ada@example.com";
    let link = setup_token(&setup).await;
    set_up(remote, &link, "admin@example.com").await.unwrap();
    sign_up(client, email, PASSWORD).await.unwrap();
    sign_up(client, email, PASSWORD).await.unwrap();
    let token = setup.mailed_token(email).await;
    client.verify_email(&nobody(), token.clone()).await.unwrap();
    assert!(sign_in(client, email, "wrong horse").await.is_err());
    assert!(sign_in(client, "no address", "wrong horse").await.is_err());
    let tokens = sign_in(remote, email, PASSWORD).await.unwrap();
    client.sign_out(&nobody(), Some(tokens.refresh_token.clone())).await.unwrap();
    let entries = setup.audit().await;
    let mut actions: Vec<&str> = entries.iter().map(|entry| entry.action.as_str()).collect();
    actions.sort_unstable();
    assert_eq!(
        actions,
        [
            "auth.setup_admin",
            "auth.signin",
            "auth.signin_failed",
            "auth.signin_failed",
            "auth.signout",
            "auth.signup",
            "auth.signup_again",
            "auth.verify_email",
        ]
    );
    let ada = setup.find_user(email).await.unwrap().id;
    let signed_in = entries.iter().find(|entry| entry.action == "auth.signin").unwrap();
    assert_eq!((signed_in.actor_id, signed_in.target.as_deref()), (Some(ada), Some(email)));
    let record = format!("{entries:?}");
    let hash = setup.password_hash(email).await;
    for secret in [PASSWORD, "wrong horse", "no address", &link, &token, &tokens.refresh_token, &hash] {
        assert!(!record.contains(secret), "{secret} in {record}");
    }
}

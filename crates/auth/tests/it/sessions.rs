//! Sign-in, refresh tokens and sign-out.

use std::time::Duration;

use futures::{StreamExt as _, stream::FuturesUnordered};
use songkeep_api::auth::{AuthClient, IssuedTokens};
use songkeep_auth::AuthSettings;
use songkeep_domain::{
    Actor, CallContext, ErrorCode, SessionId, UserId, UserRole,
    user::{NewUser, UserStore as _},
};
use songkeep_testkit::world::nobody;

use crate::setup::{DAY, PASSWORD, Setup, refresh, settings, sign_in, without_verification};

async fn signed_in(setup: &Setup, client: &AuthClient) -> IssuedTokens {
    if setup.find_user("ada@example.com").await.is_none() {
        setup.add_user("ada@example.com").await;
    }
    sign_in(client, "ada@example.com", PASSWORD).await.unwrap()
}

/// The code of a refresh that was refused.
async fn refused(client: &AuthClient, token: &str) -> ErrorCode {
    refresh(client, token).await.err().unwrap().code
}

#[tokio::test]
async fn signing_in_gives_tokens_of_a_session_that_stands() {
    let setup = Setup::new(settings()).await;
    let user = setup.add_user("ada@example.com").await;
    for client in &setup.clients {
        let tokens = sign_in(client, " ADA@example.com ", PASSWORD).await.unwrap();
        assert_eq!((tokens.expires_in, tokens.refresh_expires_in), (1_800, 14 * 24 * 3_600));
        let actor = setup.actor(&tokens);
        assert_eq!((actor.user_id, actor.role), (user.id, UserRole::User));
        let state = client.check_session(&nobody(), actor.session_id).await.unwrap().unwrap();
        assert_eq!((state.user_id, state.role, state.alive), (user.id, UserRole::User, true));
        assert_eq!(client.check_session(&nobody(), SessionId::new()).await.unwrap(), None);
        let me = client.me(&CallContext::for_actor(actor), ()).await.unwrap();
        assert_eq!((me.id, me.email.as_str()), (user.id, "ada@example.com"));
        assert_eq!(client.me(&nobody(), ()).await.unwrap_err().code, ErrorCode::Unauthenticated);
    }
}

#[tokio::test]
async fn whatever_is_wrong_the_answer_is_the_same() {
    let setup = Setup::new(settings()).await;
    setup.add_user("ada@example.com").await;
    let no_password = NewUser {
        id: UserId::new(),
        email: songkeep_domain::EmailAddress::parse("sso@example.com").unwrap(),
        password_hash: None,
        role: UserRole::User,
        verified_at: None,
        created_at: songkeep_domain::Timestamp::from_secs(0),
    };
    setup.world.store.create_user(no_password, None).await.unwrap();
    for client in &setup.clients {
        let mut details = Vec::new();
        for (email, password) in [
            ("ada@example.com", "wrong horse"),
            ("ada@example.com", ""),
            ("nobody@example.com", PASSWORD),
            ("sso@example.com", ""),
            ("no address", PASSWORD),
            ("", ""),
        ] {
            let error = sign_in(client, email, password).await.err().unwrap();
            assert_eq!(error.code, ErrorCode::InvalidCredentials);
            details.push(error.detail);
        }
        details.dedup();
        assert_eq!(details.len(), 1);
    }
}

#[tokio::test]
async fn a_disabled_account_is_closed_and_says_so_only_to_its_owner() {
    let setup = Setup::new(settings()).await;
    for client in &setup.clients {
        let tokens = signed_in(&setup, client).await;
        let actor = setup.actor(&tokens);
        let (store, at) = (&setup.world.store, songkeep_domain::Timestamp::from_secs(1));
        store.set_disabled(actor.user_id, true, at).await.unwrap();
        let error = sign_in(client, "ada@example.com", PASSWORD).await.err().unwrap();
        assert_eq!(error.code, ErrorCode::AccountDisabled);
        let error = sign_in(client, "ada@example.com", "wrong horse").await.err().unwrap();
        assert_eq!(error.code, ErrorCode::InvalidCredentials);
        assert!(!setup.is_alive(client, actor.session_id).await);
        assert_eq!(refused(client, &tokens.refresh_token).await, ErrorCode::Unauthenticated);
        let me = client.me(&CallContext::for_actor(actor.clone()), ()).await;
        assert_eq!(me.unwrap_err().code, ErrorCode::Unauthenticated);
        store.set_disabled(actor.user_id, false, at).await.unwrap();
        assert!(!setup.is_alive(client, actor.session_id).await, "what has ended stays so");
    }
}

#[tokio::test]
async fn each_refresh_token_gives_the_next_and_the_session_goes_on() {
    let setup = Setup::new(settings()).await;
    for client in &setup.clients {
        let mut tokens = signed_in(&setup, client).await;
        let session = setup.actor(&tokens).session_id;
        for _ in 0..5 {
            setup.clock.advance(13 * DAY);
            let next = refresh(client, &tokens.refresh_token).await.unwrap();
            assert_ne!(next.refresh_token, tokens.refresh_token);
            assert_eq!(setup.actor(&next).session_id, session);
            tokens = next;
        }
        assert!(setup.is_alive(client, session).await);
        setup.clock.advance(14 * DAY);
        assert_eq!(refused(client, &tokens.refresh_token).await, ErrorCode::Unauthenticated);
        assert!(!setup.is_alive(client, session).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_refreshes_at_once_make_one_successor() {
    let setup = Setup::new(settings()).await;
    let [local, remote] = &setup.clients;
    let tokens = signed_in(&setup, local).await;
    let calls =
        (0..100).map(|number| refresh(if number % 2 == 0 { local } else { remote }, &tokens.refresh_token));
    let answers = futures::future::join_all(calls).await;
    let mut successors: Vec<String> =
        answers.into_iter().map(|answer| answer.unwrap().refresh_token).collect();
    successors.sort();
    successors.dedup();
    assert_eq!(successors.len(), 1);
    refresh(remote, &successors[0]).await.unwrap();
}

#[tokio::test]
async fn a_lost_answer_can_be_asked_for_again_within_ten_seconds() {
    let setup = Setup::new(settings()).await;
    for client in &setup.clients {
        let tokens = signed_in(&setup, client).await;
        let first = refresh(client, &tokens.refresh_token).await.unwrap();
        setup.clock.advance(Duration::from_millis(9_999));
        let second = refresh(client, &tokens.refresh_token).await.unwrap();
        assert_eq!(first.refresh_token, second.refresh_token);
        assert_eq!(setup.actor(&first), setup.actor(&second));
        refresh(client, &first.refresh_token).await.unwrap();
    }
}

#[tokio::test]
async fn a_replay_after_ten_seconds_ends_the_session_with_its_successor() {
    let setup = Setup::new(settings()).await;
    for client in &setup.clients {
        let tokens = signed_in(&setup, client).await;
        let other = signed_in(&setup, client).await;
        let next = refresh(client, &tokens.refresh_token).await.unwrap();
        setup.clock.advance(Duration::from_secs(10));
        assert_eq!(refused(client, &tokens.refresh_token).await, ErrorCode::Unauthenticated);
        assert_eq!(refused(client, &next.refresh_token).await, ErrorCode::Unauthenticated);
        assert!(!setup.is_alive(client, setup.actor(&next).session_id).await);
        let replay = &setup.audit().await[0];
        assert_eq!(replay.action, "auth.refresh_replay");
        refresh(client, &other.refresh_token).await.unwrap();
    }
}

#[tokio::test]
async fn a_replay_ends_the_session_at_once_when_the_successor_was_used() {
    let setup = Setup::new(settings()).await;
    for client in &setup.clients {
        let tokens = signed_in(&setup, client).await;
        let second = refresh(client, &tokens.refresh_token).await.unwrap();
        let third = refresh(client, &second.refresh_token).await.unwrap();
        assert_eq!(refused(client, &tokens.refresh_token).await, ErrorCode::Unauthenticated);
        assert_eq!(refused(client, &third.refresh_token).await, ErrorCode::Unauthenticated);
        assert!(!setup.is_alive(client, setup.actor(&third).session_id).await);
    }
}

#[tokio::test]
async fn what_is_no_refresh_token_of_ours_is_refused_alike() {
    let setup = Setup::new(settings()).await;
    for client in &setup.clients {
        let tokens = signed_in(&setup, client).await;
        let long = "x".repeat(10_000);
        for token in ["", "rubbish", &long, &tokens.access_token, "\0"] {
            assert_eq!(refused(client, token).await, ErrorCode::Unauthenticated);
        }
        refresh(client, &tokens.refresh_token).await.unwrap();
    }
}

#[tokio::test]
async fn signing_out_ends_the_session_and_never_fails() {
    let setup = Setup::new(settings()).await;
    for client in &setup.clients {
        for token in [None, Some(String::new()), Some("unknown".to_owned())] {
            client.sign_out(&nobody(), token).await.unwrap();
        }
        let tokens = signed_in(&setup, client).await;
        let other = signed_in(&setup, client).await;
        let next = refresh(client, &tokens.refresh_token).await.unwrap();
        // A browser that lost the last answer signs out with the token before.
        client.sign_out(&nobody(), Some(tokens.refresh_token.clone())).await.unwrap();
        client.sign_out(&nobody(), Some(tokens.refresh_token.clone())).await.unwrap();
        assert!(!setup.is_alive(client, setup.actor(&next).session_id).await);
        assert_eq!(refused(client, &next.refresh_token).await, ErrorCode::Unauthenticated);
        let entry = setup.audit().await.remove(0);
        assert_eq!(
            (entry.action.as_str(), entry.actor_id),
            ("auth.signout", Some(setup.actor(&next).user_id))
        );
        assert!(setup.is_alive(client, setup.actor(&other).session_id).await);
    }
}

#[tokio::test]
async fn a_change_of_role_shows_in_the_session_and_in_the_next_token() {
    let setup = Setup::new(settings()).await;
    let [client, remote] = &setup.clients;
    let tokens = signed_in(&setup, client).await;
    let session = setup.actor(&tokens).session_id;
    setup.service.set_role("ada@example.com", UserRole::Admin).await.unwrap();
    for client in [client, remote] {
        let state = client.check_session(&nobody(), session).await.unwrap().unwrap();
        assert_eq!((state.role, state.alive), (UserRole::Admin, true));
    }
    let next = refresh(client, &tokens.refresh_token).await.unwrap();
    assert_eq!(setup.actor(&next).role, UserRole::Admin);
}

#[tokio::test]
async fn a_hash_of_older_parameters_is_renewed_at_sign_in() {
    let setup = Setup::new(settings()).await;
    setup.add_user("ada@example.com").await;
    let old = setup.password_hash("ada@example.com").await;
    let stronger = setup.restarted(AuthSettings { hash_memory_kib: 128, ..settings() });
    let stronger = std::sync::Arc::new(stronger);
    let client = AuthClient::local(std::sync::Arc::clone(&stronger) as _);
    assert!(sign_in(&client, "ada@example.com", "wrong horse").await.is_err());
    stronger.finish_background().await;
    assert_eq!(setup.password_hash("ada@example.com").await, old);
    let tokens = sign_in(&client, "ada@example.com", PASSWORD).await.unwrap();
    stronger.finish_background().await;
    let new = setup.password_hash("ada@example.com").await;
    assert!(new.contains("m=128,t=1,p=1"), "{new}");
    assert!(setup.is_alive(&client, setup.actor(&tokens).session_id).await);
    sign_in(&client, "ada@example.com", PASSWORD).await.unwrap();
    stronger.finish_background().await;
    assert_eq!(setup.password_hash("ada@example.com").await, new);
}

#[tokio::test]
async fn too_many_sign_ins_at_once_are_sent_away_and_may_come_again() {
    let heavy = AuthSettings { hash_memory_kib: 32 * 1_024, hash_iterations: 4, ..without_verification() };
    let setup = Setup::new(heavy).await;
    for client in &setup.clients {
        let mut calls: FuturesUnordered<_> = (0..400)
            .map(|number| async move { sign_in(client, &format!("u{number}@example.com"), PASSWORD).await })
            .collect();
        let mut refused = None;
        while let Some(answer) = calls.next().await {
            let error = answer.err().unwrap();
            if error.code == ErrorCode::Unavailable {
                refused = Some(error);
                break;
            }
        }
        let retry_after = refused.unwrap().retry_after.unwrap();
        assert!((1..=10).contains(&retry_after.as_secs()), "{retry_after:?}");
        drop(calls);
        // Nothing is hashed for those who went away, so the queue is soon empty.
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            let error = sign_in(client, "nobody@example.com", PASSWORD).await.err().unwrap();
            if error.code == ErrorCode::InvalidCredentials {
                break;
            }
            assert!(tokio::time::Instant::now() < deadline, "{error:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test]
async fn a_session_outlives_its_access_tokens_and_not_the_account() {
    let setup = Setup::new(settings()).await;
    let [client, _] = &setup.clients;
    let tokens = signed_in(&setup, client).await;
    setup.clock.advance(Duration::from_secs(1_800));
    assert!(setup.access_tokens.verify(&tokens.access_token).is_err());
    let tokens = refresh(client, &tokens.refresh_token).await.unwrap();
    assert!(setup.access_tokens.verify(&tokens.access_token).is_ok());
    let gone = Actor { user_id: UserId::new(), ..setup.actor(&tokens) };
    let me = client.me(&CallContext::for_actor(gone), ()).await;
    assert_eq!(me.unwrap_err().code, ErrorCode::Unauthenticated);
}

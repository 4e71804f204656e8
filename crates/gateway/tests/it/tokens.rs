//! Which access tokens hold.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{StatusCode, header};
use secrecy::SecretString;
use serde_json::json;
use songkeep_api::token::{AccessTokens, ServiceTokens, StreamAccess, StreamTokens};
use songkeep_domain::{Actor, CallContext, ErrorCode, NodeRole, SessionId, SongId, UserId, bus::Notice};

use crate::world::{JWT_SECRET, World};

async fn me(world: &World, token: &str) -> crate::world::Answer {
    world.get("/auth/me").bearer(token).send().await
}

#[tokio::test]
async fn the_scheme_is_read_in_any_case_and_tokens_from_nowhere_else() {
    let world = World::new().await;
    let token = world.token(&world.user);
    let lower = world.get("/auth/me").header(header::AUTHORIZATION, format!("bearer {token}"));
    lower.send().await.json(StatusCode::OK);
    let elsewhere = [
        world.get(&format!("/auth/me?token={token}&access_token={token}")),
        world.get("/auth/me").cookie(&format!("access_token={token}; refresh_token={token}")),
        world.get("/auth/me").header(header::AUTHORIZATION, &token),
        world.get("/auth/me").header(header::AUTHORIZATION, format!("Token {token}")),
        world.get("/auth/me").bearer(&token).bearer(&token),
    ];
    for ask in elsewhere {
        ask.send().await.problem(StatusCode::UNAUTHORIZED, "unauthenticated");
    }
}

#[tokio::test]
async fn tokens_of_other_purposes_and_secrets_do_not_hold() {
    let world = World::new().await;
    let clock = || std::sync::Arc::clone(&world.clock) as _;
    let secret = SecretString::from(JWT_SECRET);
    let access = StreamAccess {
        user_id: world.user.user_id,
        session_id: world.user.session_id,
        song_id: SongId::new(),
    };
    let hour = Duration::from_secs(3_600);
    let stream = StreamTokens::new(&secret, clock()).sign(access, hour).unwrap();
    let ctx = CallContext::for_actor(world.user.clone());
    let service = ServiceTokens::new(&secret, clock()).sign(NodeRole::Web, NodeRole::Gateway, &ctx).unwrap();
    let other = AccessTokens::new(&SecretString::from("x".repeat(40)), clock());
    let foreign = other.sign(&world.user, hour).unwrap();
    for token in [stream, service, foreign] {
        me(&world, &token).await.problem(StatusCode::UNAUTHORIZED, "unauthenticated");
    }
}

#[tokio::test]
async fn tampered_and_unsigned_tokens_do_not_hold() {
    let world = World::new().await;
    let token = world.token(&world.user);
    let [head, claims, signature]: [&str; 3] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let mut richer: serde_json::Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    richer["role"] = json!("admin");
    let none = encode(json!({ "alg": "none", "typ": "JWT" }));
    let hs512 = encode(json!({ "alg": "HS512", "typ": "JWT" }));
    let forged = [
        format!("{head}.{}.{signature}", encode(richer)),
        format!("{none}.{claims}."),
        format!("{none}.{claims}.{signature}"),
        format!("{hs512}.{claims}.{signature}"),
        format!("{head}.{claims}."),
        format!("{head}.{claims}"),
        "..".to_owned(),
        "a".repeat(10_000),
    ];
    for token in forged {
        me(&world, &token).await.problem(StatusCode::UNAUTHORIZED, "unauthenticated");
    }
    assert!(world.services.state().calls.is_empty(), "nobody was asked about forged tokens");
}

#[tokio::test]
async fn a_token_ends_at_its_time() {
    let world = World::new().await;
    let token = world.token(&world.user);
    world.clock.advance(Duration::from_secs(1_799 - 1));
    me(&world, &token).await.json(StatusCode::OK);
    world.clock.advance(Duration::from_secs(2));
    me(&world, &token).await.problem(StatusCode::UNAUTHORIZED, "unauthenticated");
}

#[tokio::test]
async fn a_token_needs_a_session_that_stands_and_is_the_accounts_own() {
    let world = World::new().await;
    let unknown = Actor { session_id: SessionId::new(), ..world.user.clone() };
    let somebody_elses = Actor { user_id: UserId::new(), ..world.user.clone() };
    for actor in [unknown, somebody_elses] {
        let token = world.token(&actor);
        me(&world, &token).await.problem(StatusCode::UNAUTHORIZED, "unauthenticated");
    }
}

#[tokio::test]
async fn a_session_that_ended_is_out_as_soon_as_the_news_arrives() {
    let world = World::new().await;
    let token = world.token(&world.user);
    me(&world, &token).await.json(StatusCode::OK);
    world.services.end_session(world.user.session_id);
    world.publish(Notice::SessionEnded { session_id: world.user.session_id }).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(2);
    while me(&world, &token).await.status != StatusCode::UNAUTHORIZED {
        assert!(tokio::time::Instant::now() < deadline, "the news never arrived");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_auth_service_that_is_away_is_503_and_not_401() {
    let world = World::new().await;
    world.services.fail("auth.check_session", ErrorCode::Unavailable);
    let token = world.token(&world.user);
    me(&world, &token).await.problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
}

#[tokio::test]
async fn the_answer_about_a_session_is_kept_for_a_moment() {
    let world = World::new().await;
    let token = world.token(&world.user);
    for _ in 0..5 {
        me(&world, &token).await.json(StatusCode::OK);
    }
    let calls = world.services.state().calls.clone();
    assert_eq!(calls.iter().filter(|call| call.method == "auth.check_session").count(), 1);
}

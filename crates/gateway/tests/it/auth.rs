//! Accounts, sessions and the refresh cookie.

use http::{StatusCode, header};
use serde_json::{Value, json};
use songkeep_domain::ErrorCode;
use songkeep_gateway::{RefreshCookie, SameSite};

use crate::{services::GOOD_REFRESH, world::World};

#[tokio::test]
async fn signing_up_answers_201_and_hides_the_token_that_is_not_exposed() {
    let world = World::new().await;
    let body = json!({ "email": "ada@example.com", "password": "correct horse" });
    let answer = world.post("/auth/signup").json(&body).send().await.json(StatusCode::CREATED);
    assert_eq!(answer, json!({ "detail": "Look into your mail.", "verification_required": true }));
    let call = world.services.only_call();
    assert_eq!((call.method, &call.request), ("auth.sign_up", &body));
    assert_eq!(call.ctx.actor, None);
    assert_eq!(call.ctx.client.ip, Some("192.0.2.7".parse().unwrap()));
    assert!(!call.ctx.request_id.is_empty());
}

#[tokio::test]
async fn tokens_from_mail_and_from_the_printed_link_reach_the_auth_service() {
    let world = World::new().await;
    let verified = world.post("/auth/verify-email").json(&json!({ "token": "t" })).send().await;
    assert_eq!(verified.json(StatusCode::OK), json!({ "detail": "Your address is verified." }));
    assert_eq!(world.services.only_call().request, "t");
    let body = json!({ "token": "t", "email": "a@b.example", "password": "correct horse" });
    let made = world.post("/auth/setup").json(&body).send().await;
    assert_eq!(made.json(StatusCode::CREATED), json!({ "detail": "The administrator is made." }));
    assert_eq!(world.services.calls()[1].request, body);
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_by_way_of_the_auth_service() {
    let world = World::new().await;
    let asked = world.post("/auth/forgot-password").json(&json!({ "email": "ada@example.com" })).send().await;
    let detail = json!({ "detail": "Look into your mail, if there is an account." });
    assert_eq!(asked.json(StatusCode::OK), detail);
    let body = json!({ "token": "t", "password": "correct horse" });
    let reset = world.post("/auth/reset-password").json(&body).send().await;
    assert_eq!(reset.json(StatusCode::OK), json!({ "detail": "Your password is changed." }));
    assert!(!reset.headers.contains_key(header::SET_COOKIE), "it does not sign in");
    let calls = world.services.calls();
    assert_eq!((&calls[0].request, &calls[1].request), (&json!("ada@example.com"), &body));
    assert_eq!(calls[1].ctx.client.ip, Some("192.0.2.7".parse().unwrap()));
}

#[tokio::test]
async fn what_the_auth_service_refuses_keeps_its_status_and_code() {
    let account = json!({ "email": "ada@example.com", "password": "correct horse" });
    let set_up = json!({ "token": "t", "email": "a@b.example", "password": "correct horse" });
    let token = json!({ "token": "t" });
    let cases: [(&str, &Value, &'static str, ErrorCode, u16); 11] = [
        ("/auth/signup", &account, "auth.sign_up", ErrorCode::EmailTaken, 409),
        ("/auth/signup", &account, "auth.sign_up", ErrorCode::Invalid, 422),
        ("/auth/verify-email", &token, "auth.verify_email", ErrorCode::NotFound, 404),
        ("/auth/verify-email", &token, "auth.verify_email", ErrorCode::TokenExpired, 400),
        ("/auth/reset-password", &set_up, "auth.reset_password", ErrorCode::NotFound, 404),
        ("/auth/reset-password", &set_up, "auth.reset_password", ErrorCode::TokenExpired, 400),
        ("/auth/reset-password", &set_up, "auth.reset_password", ErrorCode::Invalid, 422),
        ("/auth/setup", &set_up, "auth.set_up_admin", ErrorCode::TokenExpired, 400),
        ("/auth/signin", &account, "auth.sign_in", ErrorCode::InvalidCredentials, 401),
        ("/auth/signin", &account, "auth.sign_in", ErrorCode::EmailNotVerified, 403),
        ("/auth/signin", &account, "auth.sign_in", ErrorCode::AccountDisabled, 403),
    ];
    for (path, body, method, code, status) in cases {
        let world = World::new().await;
        world.services.fail(method, code);
        let answer = world.post(path).json(body).send().await;
        answer.problem(StatusCode::from_u16(status).unwrap(), code.as_str());
        assert!(!answer.headers.contains_key(header::SET_COOKIE));
    }
}

#[tokio::test]
async fn signing_in_answers_the_access_token_and_sets_the_refresh_cookie() {
    let world = World::new().await;
    let body = json!({ "email": "ada@example.com", "password": "correct horse" });
    let answer = world.post("/auth/signin").json(&body).send().await;
    let tokens = answer.json(StatusCode::OK);
    assert_eq!(
        tokens,
        json!({ "access_token": "an.access.token", "token_type": "bearer", "expires_in": 1_800 })
    );
    let expected =
        "refresh_token=next-refresh-token; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=1209600";
    assert_eq!(attributes(answer.header(header::SET_COOKIE)), attributes(expected));
}

#[tokio::test]
async fn the_operator_decides_on_name_domain_and_attributes_of_the_cookie() {
    let cookie = RefreshCookie {
        name: "sk_refresh".to_owned(),
        secure: false,
        same_site: SameSite::Strict,
        domain: Some("music.example".to_owned()),
    };
    let world = World::with(|settings| settings.cookie = cookie).await;
    let body = json!({ "email": "ada@example.com", "password": "correct horse" });
    let answer = world.post("/auth/signin").json(&body).send().await;
    let expected = "sk_refresh=next-refresh-token; HttpOnly; SameSite=Strict; Path=/; Domain=music.example; \
                    Max-Age=1209600";
    assert_eq!(attributes(answer.header(header::SET_COOKIE)), attributes(expected));
    let cookie = format!("refresh_token=other; sk_refresh={GOOD_REFRESH}");
    assert_eq!(world.post("/auth/refresh").cookie(&cookie).send().await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_cookie_counts_before_the_body() {
    let world = World::new().await;
    let cookie = format!("refresh_token={GOOD_REFRESH}");
    let answer =
        world.post("/auth/refresh").cookie(&cookie).json(&json!({ "refresh_token": "another" })).send().await;
    assert_eq!(answer.json(StatusCode::OK)["token_type"], "bearer");
    assert!(answer.header(header::SET_COOKIE).starts_with("refresh_token=next-refresh-token;"));
    assert_eq!(world.services.only_call().request, GOOD_REFRESH);
}

#[tokio::test]
async fn clients_without_cookies_send_the_refresh_token_in_the_body() {
    let world = World::new().await;
    let body = json!({ "refresh_token": GOOD_REFRESH });
    // An emptied cookie is none.
    let answer = world.post("/auth/refresh").cookie("refresh_token=").json(&body).send().await;
    answer.json(StatusCode::OK);
    assert_eq!(world.services.only_call().request, GOOD_REFRESH);
}

#[tokio::test]
async fn a_refresh_token_that_does_not_hold_is_taken_away() {
    let world = World::new().await;
    let answer = world.post("/auth/refresh").cookie("refresh_token=old").send().await;
    answer.problem(StatusCode::UNAUTHORIZED, "unauthenticated");
    assert_cleared(answer.header(header::SET_COOKIE));
    let by_body = world.post("/auth/refresh").json(&json!({ "refresh_token": "old" })).send().await;
    by_body.problem(StatusCode::UNAUTHORIZED, "unauthenticated");
    assert!(!by_body.headers.contains_key(header::SET_COOKIE));
}

#[tokio::test]
async fn a_refresh_token_survives_a_service_that_is_away() {
    let world = World::new().await;
    world.services.fail("auth.refresh", ErrorCode::Unavailable);
    let answer = world.post("/auth/refresh").cookie("refresh_token=fine").send().await;
    answer.problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    assert!(!answer.headers.contains_key(header::SET_COOKIE));
}

#[tokio::test]
async fn refreshing_without_a_token_is_401_and_asks_nobody() {
    let world = World::new().await;
    for body in [json!(null), json!({}), json!({ "refresh_token": null }), json!({ "refresh_token": "" })] {
        let answer = world.post("/auth/refresh").json(&body).send().await;
        answer.problem(StatusCode::UNAUTHORIZED, "unauthenticated");
    }
    world.post("/auth/refresh").send().await.problem(StatusCode::UNAUTHORIZED, "unauthenticated");
    assert!(world.services.calls().is_empty());
}

#[tokio::test]
async fn signing_out_ends_the_session_and_clears_the_cookie() {
    let world = World::new().await;
    let answer = world.post("/auth/logout").cookie("refresh_token=mine").send().await;
    answer.json(StatusCode::OK);
    assert_cleared(answer.header(header::SET_COOKIE));
    let call = world.services.only_call();
    assert_eq!((call.method, call.request), ("auth.sign_out", json!("mine")));
    world.post("/auth/logout").json(&json!({ "refresh_token": "body" })).send().await.json(StatusCode::OK);
    assert_eq!(world.services.calls()[1].request, "body");
}

#[tokio::test]
async fn signing_out_without_a_session_is_fine() {
    let world = World::new().await;
    for ask in [world.post("/auth/logout"), world.post("/auth/logout").json(&json!(null))] {
        let answer = ask.send().await;
        assert!(answer.json(StatusCode::OK)["detail"].as_str().unwrap().ends_with('.'));
        assert_cleared(answer.header(header::SET_COOKIE));
    }
    assert!(world.services.calls().is_empty());
}

#[tokio::test]
async fn me_is_the_account_of_the_token() {
    let world = World::new().await;
    let me = world.get("/auth/me").signed_in().send().await.json(StatusCode::OK);
    assert_eq!(
        me,
        json!({
            "id": world.user.user_id, "email": "ada@example.com", "role": "user", "verified": true,
            "created_at": "2026-03-01T12:00:00.123456Z",
        })
    );
}

#[tokio::test]
async fn a_page_of_another_origin_cannot_use_the_cookie() {
    let world = World::new().await;
    let cookie = format!("refresh_token={GOOD_REFRESH}");
    for origin in ["https://evil.example", "null", "http://localhost:8001", "http://music.example"] {
        let answer = world.post("/auth/refresh").cookie(&cookie).header(header::ORIGIN, origin).send().await;
        answer.problem(StatusCode::FORBIDDEN, "origin_not_allowed");
    }
    assert!(world.services.calls().is_empty());
    for origin in ["http://localhost:8000", "https://music.example", "http://localhost:3001"] {
        let answer = world.post("/auth/refresh").cookie(&cookie).header(header::ORIGIN, origin).send().await;
        answer.json(StatusCode::OK);
        if origin != "http://localhost:8000" {
            assert_eq!(answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), origin);
        }
    }
}

fn attributes(cookie: &str) -> std::collections::BTreeSet<&str> {
    cookie.split("; ").collect()
}

#[track_caller]
fn assert_cleared(cookie: &str) {
    let attributes = attributes(cookie);
    assert!(attributes.contains("refresh_token="), "{cookie}");
    assert!(attributes.contains("Max-Age=0"), "{cookie}");
    assert!(attributes.contains("Path=/") && attributes.contains("HttpOnly"), "{cookie}");
}

//! How often what may be called.

use http::{StatusCode, header};
use serde_json::json;
use songkeep_gateway::RateLimits;

use crate::{
    samples::VIDEO,
    services::GOOD_REFRESH,
    world::{Answer, World},
};

const TIGHT: RateLimits = RateLimits {
    signin_ip_per_min: 4,
    signin_email_per_min: 2,
    signup_ip_per_hour: 2,
    reset_ip_per_hour: 4,
    reset_email_per_hour: 2,
    search_per_min: 2,
    import_per_hour: 2,
};

async fn tight() -> World {
    World::with(|settings| settings.limits = TIGHT).await
}

async fn sign_in(world: &World, email: &str, peer: &'static str) -> Answer {
    let body = json!({ "email": email, "password": "wrong" });
    world.post("/auth/signin").from(peer).json(&body).send().await
}

#[track_caller]
fn assert_refused(answer: &Answer) {
    answer.problem(StatusCode::TOO_MANY_REQUESTS, "rate_limited");
    let seconds: u64 = answer.header(header::RETRY_AFTER).parse().unwrap();
    assert!((1..=3_600).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn sign_ins_are_counted_by_account_and_address_together() {
    let world = tight().await;
    for _ in 0..2 {
        assert_eq!(sign_in(&world, "ada@example.com", "192.0.2.1").await.status, StatusCode::OK);
    }
    let refused = sign_in(&world, " ADA@Example.com ", "192.0.2.1").await;
    assert_refused(&refused);
    assert_eq!(refused.header(header::RETRY_AFTER), "30", "rounded up");
    // The owner elsewhere is not locked out, nor are others here.
    assert_eq!(sign_in(&world, "ada@example.com", "198.51.100.9").await.status, StatusCode::OK);
    assert_eq!(sign_in(&world, "bob@example.com", "192.0.2.1").await.status, StatusCode::OK);
}

#[tokio::test]
async fn sign_ins_are_counted_by_address() {
    let world = tight().await;
    for nth in 0..4 {
        let email = format!("user{nth}@example.com");
        assert_eq!(sign_in(&world, &email, "192.0.2.1").await.status, StatusCode::OK);
    }
    assert_refused(&sign_in(&world, "user5@example.com", "192.0.2.1").await);
    let calls = world.services.calls();
    assert_eq!(calls.len(), 4, "what is refused reaches no service");
}

#[tokio::test]
async fn sign_ups_are_counted_by_address_apart_from_the_set_up() {
    let world = tight().await;
    let account = json!({ "email": "ada@example.com", "password": "correct horse" });
    let set_up = json!({ "email": "ada@example.com", "password": "correct horse", "token": "t" });
    for _ in 0..2 {
        let made = world.post("/auth/signup").json(&account).send().await;
        assert_eq!(made.status, StatusCode::CREATED);
        let made = world.post("/auth/setup").json(&set_up).send().await;
        assert_eq!(made.status, StatusCode::CREATED);
    }
    assert_refused(&world.post("/auth/signup").json(&account).send().await);
    assert_refused(&world.post("/auth/setup").json(&set_up).send().await);
}

#[tokio::test]
async fn requests_for_a_new_password_are_counted_by_client_and_by_address() {
    let world = tight().await;
    let forgot = async |email: &str, peer: &'static str| {
        world.post("/auth/forgot-password").from(peer).json(&json!({ "email": email })).send().await
    };
    for email in ["ada@example.com", " ADA@example.com"] {
        assert_eq!(forgot(email, "192.0.2.1").await.status, StatusCode::OK);
    }
    assert_refused(&forgot("Ada@Example.com", "198.51.100.9").await);
    assert_eq!(forgot("bob@example.com", "192.0.2.1").await.status, StatusCode::OK);
    let body = json!({ "token": "t", "password": "correct horse" });
    let reset = async || world.post("/auth/reset-password").from("192.0.2.1").json(&body).send().await;
    assert_eq!(reset().await.status, StatusCode::OK);
    assert_refused(&reset().await);
    assert_refused(&forgot("eve@example.com", "192.0.2.1").await);
    assert_eq!(world.services.calls().len(), 4, "what is refused reaches no service");
}

#[tokio::test]
async fn searches_and_imports_are_counted_by_account() {
    let world = tight().await;
    let body = json!({ "source_provider": "youtube", "source_id": VIDEO });
    for _ in 0..2 {
        assert_eq!(world.get("/songs/search?q=x").signed_in().send().await.status, StatusCode::OK);
        let job = world.post("/songs/import").signed_in().json(&body).send().await;
        assert_eq!(job.status, StatusCode::ACCEPTED);
    }
    // From any address.
    assert_refused(&world.get("/songs/search?q=x").from("198.51.100.9").signed_in().send().await);
    assert_refused(&world.post("/songs/import").signed_in().json(&body).send().await);
    assert_eq!(world.get("/songs/search?q=x").by_admin().send().await.status, StatusCode::OK);
}

#[tokio::test]
async fn refreshing_and_verifying_have_a_generous_limit_of_their_own() {
    let world = tight().await;
    let refresh = async || {
        let cookie = format!("refresh_token={GOOD_REFRESH}");
        world.post("/auth/refresh").cookie(&cookie).send().await
    };
    for _ in 0..39 {
        assert_eq!(refresh().await.status, StatusCode::OK);
    }
    let verify = async || world.post("/auth/verify-email").json(&json!({ "token": "t" })).send().await;
    assert_eq!(verify().await.status, StatusCode::OK);
    assert_refused(&refresh().await);
    assert_refused(&verify().await);
    assert_eq!(sign_in(&world, "ada@example.com", "192.0.2.7").await.status, StatusCode::OK);
}

#[tokio::test]
async fn limits_keep_their_names_and_an_ipv6_network_counts_as_one_client() {
    let world = World::new().await;
    sign_in(&world, "Ada@Example.com", "2001:db8:1:2::1").await;
    sign_in(&world, "ada@example.com", "2001:db8:1:2::2").await;
    let counted = world.bus.counted();
    assert_eq!(counted[&("signin_ip", "2001:db8:1:2::/64".to_owned())], 2);
    assert_eq!(counted[&("signin_email", "2001:db8:1:2::/64 ada@example.com".to_owned())], 2);
}

#[tokio::test]
async fn a_node_counts_alone_while_the_bus_is_away() {
    let world = tight().await;
    world.bus.go_down();
    for _ in 0..2 {
        assert_eq!(sign_in(&world, "ada@example.com", "192.0.2.1").await.status, StatusCode::OK);
    }
    assert_refused(&sign_in(&world, "ada@example.com", "192.0.2.1").await);
}

//! Several gateways, streams and workers at once, behind one that takes turns with each request.

use futures::future::join_all;
use reqwest::StatusCode;

use crate::{
    accounts::{PASSWORD, WRONG, sign_in_from, tries},
    kit::{App, Counts, problem_of},
    walk::the_main_job,
};

const COUNTS: Counts = Counts { gateways: 3, streams: 2, workers: 3 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_depends_on_which_node_a_request_comes_to() {
    let app = App::start_several(COUNTS, &[]).await;
    assert_eq!(app.gateways().len(), COUNTS.gateways);
    the_main_job(&app).await;
    app.stop().await;
}

/// One more or less, since attempts come back while a test is slow.
const SLACK: usize = 1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_count_sign_ins_together_and_forged_addresses_do_not_help() {
    let limits = [("RATE_LIMIT_SIGNIN_EMAIL_PER_MIN", "6"), ("RATE_LIMIT_SIGNIN_IP_PER_MIN", "40")];
    let app = App::start_several(COUNTS, &limits).await;
    app.listener("bob@example.com").await;
    let forged = |count: usize| Some(format!("203.0.113.{count}"));
    let refused_at = tries(&app, &app.gateway, forged, "ada@example.com").await;
    assert!((7..=7 + SLACK).contains(&refused_at), "{refused_at}");
    let web_api = format!("{}/api", app.web);
    for base in app.gateways().iter().chain([&web_api]) {
        let answer = sign_in_from(&app, base, Some("203.0.113.99"), "ADA@example.com", WRONG).await;
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS, "{base}");
    }

    // At the same time, to all of them.
    let bases: Vec<String> = app.gateways();
    let at_once =
        (0..24).map(|count| {
            let base = &bases[count % bases.len()];
            let app = &app;
            async move {
                sign_in_from(app, base, forged(count).as_deref(), "cyd@example.com", WRONG).await.status()
            }
        });
    let heard =
        join_all(at_once).await.into_iter().filter(|status| *status == StatusCode::UNAUTHORIZED).count();
    assert!((6..=6 + SLACK).contains(&heard), "{heard}");

    // An address as a whole: Bob, Ada and Cyd have used some of it up already.
    let mut others = 0;
    while others <= 40 {
        let email = format!("somebody{others}@example.com");
        let answer = sign_in_from(&app, &app.gateway, forged(others).as_deref(), &email, WRONG).await;
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            break;
        }
        others += 1;
    }
    assert!((1..40).contains(&others), "{others}");
    let bob = sign_in_from(&app, &app.gateway, Some("203.0.113.77"), "bob@example.com", PASSWORD).await;
    assert_eq!(problem_of(bob, StatusCode::TOO_MANY_REQUESTS).await, "rate_limited");
    app.stop().await;
}

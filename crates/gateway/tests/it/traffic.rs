//! What the gateway counts of its answers, and hands over.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use songkeep_domain::ErrorCode;

use crate::world::{World, eventually};

async fn world() -> World {
    World::with(|settings| settings.traffic_report = Duration::from_millis(5)).await
}

fn reports(world: &World) -> Vec<Value> {
    let calls = world.services.state().calls.clone();
    let reports = calls.into_iter().filter(|call| call.method == "admin.record_traffic");
    reports.map(|call| call.request).collect()
}

#[tokio::test]
async fn answers_are_counted_by_the_minute_and_handed_over_when_it_is_over() {
    let world = world().await;
    world.services.fail("auth.me", ErrorCode::Internal);
    assert_eq!(world.get("/auth/me").signed_in().send().await.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(world.get("/auth/me").send().await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.get("/nothing").send().await.status, StatusCode::NOT_FOUND);
    assert_eq!(reports(&world), Vec::<Value>::new(), "the minute is not over");
    world.clock.advance(Duration::from_secs(60));
    eventually("it is handed over", || !reports(&world).is_empty()).await;
    let report = reports(&world).remove(0);
    let minute = report["minutes"][0]["minute"].as_i64().unwrap();
    assert_eq!(report["minutes"], json!([{ "minute": minute, "requests": 3, "errors": 1 }]));

    world.get("/nothing").send().await;
    world.clock.advance(Duration::from_secs(120));
    eventually("the next is handed over", || reports(&world).len() > 1).await;
    let next = reports(&world).pop().unwrap();
    assert_eq!(next["minutes"], json!([{ "minute": minute + 1, "requests": 1, "errors": 0 }]));
    assert_eq!(next["node"], report["node"]);
}

#[tokio::test]
async fn what_was_not_taken_is_handed_over_again() {
    let world = world().await;
    world.services.fail("admin.record_traffic", ErrorCode::Unavailable);
    for _ in 0..2 {
        world.get("/nothing").send().await;
        world.clock.advance(Duration::from_secs(60));
    }
    eventually("it is tried again", || reports(&world).len() > 2).await;
    world.services.state().failures.clear();
    let failed = reports(&world).len();
    eventually("it is taken", || reports(&world).len() > failed).await;
    let taken = reports(&world).pop().unwrap();
    assert_eq!(taken["minutes"].as_array().unwrap().len(), 2);
    let before = reports(&world).len();
    world.get("/nothing").send().await;
    world.clock.advance(Duration::from_secs(60));
    eventually("only what is new", || {
        reports(&world).iter().skip(before).any(|report| report["minutes"].as_array().unwrap().len() == 1)
    })
    .await;
}

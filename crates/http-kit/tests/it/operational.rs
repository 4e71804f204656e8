//! `/health`, `/ready` and `/metrics`.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use songkeep_api::wire::DependencyState;
use songkeep_http_kit::{Readiness, fallbacks, operational};

use crate::kit::{ask, body, get, header, json, problem};

#[derive(Default)]
struct Database(AtomicBool);

#[async_trait]
impl Readiness for Database {
    async fn check(&self) -> Vec<DependencyState> {
        let ok = self.0.load(Ordering::SeqCst);
        let detail = (!ok).then(|| "cannot be reached".to_owned());
        vec![DependencyState { name: "database".to_owned(), ok, required: true, detail }]
    }
}

#[tokio::test]
async fn health_says_the_process_lives_and_ready_what_it_stands_on() {
    let database = Arc::new(Database::default());
    let router = fallbacks(operational("auth".to_owned(), database.clone(), None));
    let answer = ask(&router, get("/health")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(header(answer.headers(), "cache-control"), "no-store");
    assert_eq!(json(answer).await, serde_json::json!({"status": "ok", "service": "auth"}));

    let answer = ask(&router, get("/ready")).await;
    assert_eq!(answer.status(), 503);
    let state = json(answer).await;
    assert_eq!(state["status"], "not_ready");
    assert_eq!(state["dependencies"][0]["detail"], "cannot be reached");

    database.0.store(true, Ordering::SeqCst);
    let answer = ask(&router, get("/ready")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(json(answer).await["status"], "ready");
}

#[tokio::test]
async fn metrics_are_there_only_when_given() {
    let database = Arc::new(Database::default());
    let without = fallbacks(operational("web".to_owned(), database.clone(), None));
    problem(ask(&without, get("/metrics")).await, 404, "not_found").await;
    let render: Arc<dyn Fn() -> String + Send + Sync> = Arc::new(|| "songkeep_up 1\n".to_owned());
    let with = operational("web".to_owned(), database, Some(render));
    let answer = ask(&with, get("/metrics")).await;
    assert!(header(answer.headers(), "content-type").starts_with("text/plain"));
    assert_eq!(body(answer).await, "songkeep_up 1\n");
}

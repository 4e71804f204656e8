//! `/health`, `/ready` and `/metrics`.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{
    Json, Router,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderValue, StatusCode, header};
use songkeep_api::wire::{self, DependencyState};

use crate::serve::method_fallback;

/// How long the dependencies may take to say how they are; longer counts as not ready.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);

/// Asks what a process stands on.
#[async_trait]
pub trait Readiness: Send + Sync + 'static {
    async fn check(&self) -> Vec<DependencyState>;
}

/// `GET /health` (the process lives), `GET /ready` (what it stands on, 200 or 503) and, when there is
/// something to render, `GET /metrics`.
pub fn operational(
    service: String,
    readiness: Arc<dyn Readiness>,
    metrics: Option<Arc<dyn Fn() -> String + Send + Sync>>,
) -> Router {
    let health = move || {
        let service = service.clone();
        async move { uncached(Json(wire::Health { status: "ok", service })) }
    };
    let ready = move || {
        let readiness = readiness.clone();
        async move { uncached(check(readiness.as_ref()).await) }
    };
    let router = Router::new().route("/health", get(health)).route("/ready", get(ready));
    let Some(render) = metrics else { return method_fallback(router) };
    let metrics = move || {
        let render = render.clone();
        async move {
            let text_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
            uncached(([(header::CONTENT_TYPE, text_type)], render()))
        }
    };
    method_fallback(router.route("/metrics", get(metrics)))
}

async fn check(readiness: &dyn Readiness) -> Response {
    let dependencies = tokio::time::timeout(CHECK_TIMEOUT, readiness.check()).await.unwrap_or_else(|_| {
        vec![DependencyState {
            name: "checks".to_owned(),
            ok: false,
            required: true,
            detail: Some(format!("no answer within {} s", CHECK_TIMEOUT.as_secs())),
        }]
    });
    let ready = dependencies.iter().all(|dependency| dependency.ok || !dependency.required);
    let (code, status) =
        if ready { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not_ready") };
    (code, Json(wire::Readiness { status: status.to_owned(), dependencies })).into_response()
}

fn uncached(answer: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], answer).into_response()
}

//! The public HTTP API: reads requests, checks who asks and how often, calls the services' typed
//! clients, and writes the wire types. No business rules: those are the services'.

mod actor;
mod cookies;
mod feed;
mod limits;
mod routes;
mod session;
mod state;
mod traffic;
mod urls;
mod validate;

use axum::{Router, extract::DefaultBodyLimit, middleware, response::Response};
use http::{HeaderValue, header};
use songkeep_http_kit::{CorsKind, OriginPolicy, cors, fallbacks};

pub use cookies::{RefreshCookie, SameSite};
pub use limits::RateLimits;
pub use state::{EventTimings, GatewayPorts, GatewaySettings, GatewayState};

/// Largest body in bytes, where a route does not say otherwise.
const MAX_BODY: usize = 16 * 1024;

/// All public routes of the gateway, at the paths of its own listener, with the answers for unknown
/// paths, limits of bodies and the rules for other origins. The listener's outermost layers
/// (`songkeep_http_kit::edge`) and its operational routes are added by who serves it.
pub fn router(state: GatewayState, origins: OriginPolicy) -> Router {
    let (api, document) = routes::described().split_for_parts();
    let api = api
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::map_response(keep_private))
        .with_state(state.clone());
    let traffic = middleware::from_fn_with_state(state.traffic.clone(), traffic::count);
    cors(fallbacks(api.merge(routes::serve_docs(&document))), origins, CorsKind::Api).layer(traffic)
}

/// The description of the public API. The same code gives the same document, to the letter.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes::described().into_openapi()
}

/// Answers are somebody's own, unless the route says how long they may be kept.
async fn keep_private(mut response: Response) -> Response {
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

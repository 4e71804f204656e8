//! Mount or proxy: a public router that is in this process, or behind another one's listener. Callers
//! cannot tell which.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use tower::ServiceExt as _;

use crate::{
    edge::RouteTemplate,
    extract::{RequestOrigin, nothing_here},
    problem::ApiError,
    proxy::ProxyTarget,
};

/// A public router, wherever it runs.
#[derive(Clone)]
pub enum Mount {
    Local(Router),
    Remote(ProxyTarget),
}

impl Mount {
    /// The local router itself, or one that hands every request to the remote listener.
    pub fn into_router(self) -> Router {
        match self {
            Self::Local(router) => router,
            Self::Remote(target) => Router::new().fallback(forward).with_state(target),
        }
    }

    /// As [`Mount::into_router`], and the answer says which route made it, for the metrics of the
    /// listener around it.
    fn into_labelled_router(self) -> Router {
        match self {
            Self::Local(router) => router.layer(from_fn(note_route)),
            Self::Remote(_) => self.into_router(),
        }
    }
}

async fn forward(State(target): State<ProxyTarget>, request: Request) -> Result<Response, ApiError> {
    Ok(target.forward(request).await?)
}

async fn note_route(request: Request, next: Next) -> Response {
    let template = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let mut response = next.run(request).await;
    if let Some(template) = template {
        response.extensions_mut().insert(RouteTemplate(template));
    }
    response
}

/// Adds the public API to the web listener: `/api/public/stream/*` is the stream's
/// `/public/stream/*`, and everything else under `/api` the gateway's, without the prefix. Both learn
/// from [`RequestOrigin::via_web`] that they were reached this way.
pub fn nest_api(web: Router, gateway: Mount, stream: Mount) -> Router {
    let api =
        Arc::new(Api { gateway: gateway.into_labelled_router(), stream: stream.into_labelled_router() });
    let service = tower::service_fn(move |request: Request| {
        let api = api.clone();
        async move { Ok::<_, Infallible>(api.answer(request).await) }
    });
    web.nest_service("/api", service)
}

struct Api {
    gateway: Router,
    stream: Router,
}

impl Api {
    /// The request's path has lost `/api` already.
    async fn answer(&self, request: Request) -> Response {
        if has_dot_segment(request.uri().path()) {
            return ApiError(nothing_here()).into_response();
        }
        let (mut parts, body) = request.into_parts();
        let origin = RequestOrigin { via_web: true, ..RequestOrigin::of(&parts) };
        parts.extensions.insert(origin);
        let streamed = parts.uri.path().strip_prefix("/public/stream/").is_some_and(|song| !song.is_empty());
        let router = if streamed { &self.stream } else { &self.gateway };
        let Ok(mut response) = router.clone().oneshot(Request::from_parts(parts, body)).await;
        if response.extensions().get::<RouteTemplate>().is_none() {
            let template = if streamed { "/api/public/stream/*" } else { "/api/*" };
            response.extensions_mut().insert(RouteTemplate(template.to_owned()));
        }
        response
    }
}

/// Whether a server on the way could read the path as one outside of where it was sent.
pub(crate) fn has_dot_segment(path: &str) -> bool {
    path.split(['/', '\\']).any(|segment| {
        let segment = segment.to_ascii_lowercase().replace("%2e", ".");
        // An encoded separator inside a segment is decoded by some servers before they normalise.
        segment.replace("%2f", "/").replace("%5c", "/").split('/').any(|part| part == "." || part == "..")
    })
}

//! The internal listener's calls: `POST /internal/<service>/<method>` under `X-Service-Token`.

use std::{
    collections::{HashSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderMap, HeaderValue, header};
use songkeep_api::{
    RpcService,
    service::RpcServices,
    token::{CLOCK_LEEWAY, ServiceTokens, VerifiedService},
    transport::SERVICE_TOKEN_HEADER,
};
use songkeep_domain::{CallContext, Clock, ErrorCode, NodeRole, ServiceError, ServiceResult, Timestamp};
use uuid::Uuid;

use crate::{
    extract::{Path, read_body},
    problem::{ApiError, REQUEST_ID, RequestId},
};

/// Largest request of an internal call.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// How many used tokens are remembered: more than a minute of the highest load we know of.
const MAX_USED_TOKENS: usize = 256 * 1024;

/// Serves the methods of `services`. A token that does not hold is answered with a 401 whose
/// `instance` is empty, so that the caller can tell its own fault from its user's.
pub fn internal(services: RpcServices, tokens: Arc<ServiceTokens>, clock: Arc<dyn Clock>) -> Router {
    let doors = Doors { services, tokens, clock, used: Mutex::default() };
    Router::new()
        .route("/internal/{service}/{method}", post(call))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(Arc::new(doors))
}

struct Doors {
    services: RpcServices,
    tokens: Arc<ServiceTokens>,
    clock: Arc<dyn Clock>,
    used: Mutex<UsedTokens>,
}

async fn call(
    State(doors): State<Arc<Doors>>,
    Path((service, method)): Path<(String, String)>,
    request: Request,
) -> Response {
    let caller = match doors.admit(&service, &method, request.headers()) {
        Ok(caller) => caller,
        Err(refusal) => return refuse(refusal),
    };
    let context = identified(caller.context);
    let id = RequestId(context.request_id.clone());
    REQUEST_ID
        .scope(id, async {
            match doors.run(&service, &method, &context, request).await {
                Ok(answer) => answer,
                Err(error) => ApiError(error).into_response(),
            }
        })
        .await
}

/// Why a caller is not let in; only for the log.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("no service of that name")]
    UnknownService,
    #[error("no service token")]
    NoToken,
    #[error("the service token does not hold")]
    Token(#[from] songkeep_api::token::TokenError),
    #[error("{0} may not call this method")]
    Issuer(NodeRole),
    #[error("the service token was used before")]
    Replayed,
}

impl Doors {
    fn find_service(&self, role: NodeRole) -> Option<&Arc<dyn RpcService>> {
        self.services.iter().find(|service| service.role() == role)
    }

    /// Verifies the token. Unknown methods pass, so that only those who may call learn of them.
    fn admit(&self, service: &str, method: &str, headers: &HeaderMap) -> Result<VerifiedService, Refusal> {
        let role: NodeRole = service.parse().map_err(|_| Refusal::UnknownService)?;
        let mut values = headers.get_all(SERVICE_TOKEN_HEADER).iter();
        let (Some(token), None) = (values.next().and_then(|value| value.to_str().ok()), values.next()) else {
            return Err(Refusal::NoToken);
        };
        let caller = self.tokens.verify(token, role)?;
        let method = self
            .find_service(role)
            .and_then(|service| service.methods().iter().find(|known| known.name == method));
        if method.is_some_and(|method| !method.issuers.contains(&caller.issuer)) {
            return Err(Refusal::Issuer(caller.issuer));
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if used.insert(caller.jti, self.clock.now()) { Ok(caller) } else { Err(Refusal::Replayed) }
    }

    async fn run(
        &self,
        service: &str,
        method: &str,
        context: &CallContext,
        request: Request,
    ) -> ServiceResult<Response> {
        let role = service.parse().ok();
        let service = role
            .and_then(|role| self.find_service(role))
            .ok_or_else(|| ServiceError::not_found("This internal service"))?;
        if !service.methods().iter().any(|known| known.name == method) {
            return Err(ServiceError::not_found("This internal method"));
        }
        let body = read_body(request, &()).await?;
        let answer = service.call(method, context, &body).await?;
        let json = HeaderValue::from_static("application/json");
        let no_store = HeaderValue::from_static("no-store");
        Ok(([(header::CONTENT_TYPE, json), (header::CACHE_CONTROL, no_store)], answer).into_response())
    }
}

fn refuse(refusal: Refusal) -> Response {
    tracing::warn!(reason = %refusal, "an internal call was refused");
    let error =
        ServiceError::new(ErrorCode::Unauthenticated, "The service token is missing or does not hold.");
    REQUEST_ID.sync_scope(RequestId(String::new()), || ApiError(error).into_response())
}

/// Gives a call without a request id one: an empty `instance` would read as a refused token.
fn identified(mut context: CallContext) -> CallContext {
    if context.request_id.is_empty() {
        context.request_id = REQUEST_ID
            .try_with(|id| id.0.clone())
            .ok()
            .filter(|id| !id.is_empty())
            .unwrap_or_else(|| Uuid::now_v7().to_string());
    }
    context
}

/// Ids of tokens that were used, for as long as any of them could be accepted again.
#[derive(Default)]
struct UsedTokens {
    ids: HashSet<Uuid>,
    /// In the order of their use, with the moment after which they cannot hold any more.
    order: VecDeque<(Timestamp, Uuid)>,
}

impl UsedTokens {
    /// Whether it is the first use.
    fn insert(&mut self, id: Uuid, now: Timestamp) -> bool {
        while let Some((until, oldest)) = self.order.front().copied()
            && (until <= now || self.order.len() >= MAX_USED_TOKENS)
        {
            self.order.pop_front();
            self.ids.remove(&oldest);
        }
        if !self.ids.insert(id) {
            return false;
        }
        // Made by a clock that is ahead of ours, and accepted for as long after its end.
        let until = now.plus(ServiceTokens::LIFETIME).plus(CLOCK_LEEWAY).plus(CLOCK_LEEWAY);
        self.order.push_back((until, id));
        true
    }
}

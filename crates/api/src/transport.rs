//! How a typed client reaches its service in another process.

use std::{sync::Arc, time::Duration};

use reqwest::header::RETRY_AFTER;
use serde::{Serialize, de::DeserializeOwned};
use songkeep_domain::{CallContext, ErrorCode, NodeRole, ServiceError, ServiceResult};

use crate::{Problem, token::ServiceTokens};

/// Header that carries the signed service token.
pub const SERVICE_TOKEN_HEADER: &str = "x-service-token";

/// Calls the methods of one service over HTTP. A clone shares the connection pool.
#[derive(Clone)]
pub struct HttpTransport {
    client: reqwest::Client,
    tokens: Arc<ServiceTokens>,
    caller: NodeRole,
    service: NodeRole,
    base_url: String,
}

impl HttpTransport {
    /// `base_url` is the service's internal listener, such as `http://catalog-service:8000`.
    #[must_use]
    pub fn new(
        client: reqwest::Client,
        tokens: Arc<ServiceTokens>,
        caller: NodeRole,
        service: NodeRole,
        base_url: &str,
    ) -> Self {
        let base_url = base_url.trim_end_matches('/').to_owned();
        Self { client, tokens, caller, service, base_url }
    }

    /// The one pooled client that all transports of a process share: no redirects, no proxy, and no
    /// longer than 20 s for an answer.
    ///
    /// # Errors
    /// When the TLS backend cannot be set up.
    pub fn pooled_client() -> Result<reqwest::Client, reqwest::Error> {
        reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .tcp_nodelay(true)
            .connect_timeout(Duration::from_secs(2))
            .timeout(Duration::from_secs(20))
            .pool_idle_timeout(Duration::from_secs(30))
            .build()
    }

    /// # Errors
    /// The service's own error, or 502/503/504 when it cannot be reached, answers rubbish or is slow.
    pub async fn call<Req: Serialize + Sync, Resp: DeserializeOwned>(
        &self,
        method: &str,
        ctx: &CallContext,
        request: &Req,
    ) -> ServiceResult<Resp> {
        let token = self.tokens.sign(self.caller, self.service, ctx)?;
        let response = self
            .client
            .post(format!("{}/internal/{}/{method}", self.base_url, self.service))
            .header(SERVICE_TOKEN_HEADER, token)
            .header("x-request-id", &ctx.request_id)
            .json(request)
            .send()
            .await
            .map_err(|error| self.unreachable(error))?;
        let status = response.status();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        let body = response.bytes().await.map_err(|error| self.unreachable(error))?;
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| self.bad_answer(error));
        }
        match serde_json::from_slice::<Problem>(&body) {
            // Our own token was refused: that is our fault, not the listener's who waits for the answer.
            Ok(problem) if problem.instance.is_empty() => {
                Err(self.bad_answer("the service token was refused"))
            }
            Ok(problem) => Err(problem.into_error(retry_after)),
            Err(_) => Err(self.bad_answer(format!("status {status} without a problem document"))),
        }
    }

    fn unreachable(&self, error: reqwest::Error) -> ServiceError {
        let (code, words) = if error.is_timeout() && !error.is_connect() {
            (ErrorCode::GatewayTimeout, "takes too long to answer")
        } else {
            (ErrorCode::Unavailable, "cannot be reached")
        };
        ServiceError {
            retry_after: Some(Duration::from_secs(5)),
            ..ServiceError::new(code, format!("The {} service {words} at the moment.", self.service))
        }
        .with_source(error)
    }

    fn bad_answer(&self, source: impl Into<songkeep_domain::error::BoxError>) -> ServiceError {
        ServiceError {
            retry_after: Some(Duration::from_secs(5)),
            ..ServiceError::new(
                ErrorCode::BadGateway,
                format!("The {} service gave an answer that could not be used.", self.service),
            )
        }
        .with_source(source)
    }
}

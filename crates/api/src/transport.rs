//! How a typed client reaches its service in another process.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use reqwest::{
    StatusCode,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use serde::{Serialize, de::DeserializeOwned};
use songkeep_domain::{CallContext, ErrorCode, NodeRole, ServiceError, ServiceResult};
use tokio::time::{Instant, sleep};

use crate::{
    Problem,
    outage::{Outage, Pauses},
    token::ServiceTokens,
};

/// Header that carries the signed service token.
pub const SERVICE_TOKEN_HEADER: &str = "x-service-token";

/// How long a call may take with all its attempts.
const DEADLINE: Duration = Duration::from_secs(20);
/// How often a call that may be repeated is sent again when its connection breaks.
const REPEATS: u32 = 2;

/// Whether a call that may have been carried out can be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Carrying it out twice does what once does, and answers the same.
    Safe,
    /// It is only sent again when it was certainly not sent.
    Never,
}

/// Calls the methods of one service over HTTP. A clone shares the connection pool.
#[derive(Clone)]
pub struct HttpTransport {
    client: reqwest::Client,
    tokens: Arc<ServiceTokens>,
    caller: NodeRole,
    service: NodeRole,
    base_url: String,
    outage: Arc<Outage>,
}

/// What came back, whole.
struct Answer {
    status: StatusCode,
    retry_after: Option<Duration>,
    body: Bytes,
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
        Self { client, tokens, caller, service, base_url, outage: Arc::default() }
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
            .timeout(DEADLINE)
            .pool_idle_timeout(Duration::from_secs(30))
            .build()
    }

    /// Waits some seconds for a service that cannot be connected to, as it may be restarting.
    ///
    /// # Errors
    /// The service's own error, or 502/503/504 when it cannot be reached, answers rubbish or is slow.
    pub async fn call<Req: Serialize + Sync, Resp: DeserializeOwned>(
        &self,
        method: &str,
        repeat: Repeat,
        ctx: &CallContext,
        request: &Req,
    ) -> ServiceResult<Resp> {
        let request = serde_json::to_vec(request).map(Bytes::from).map_err(ServiceError::internal)?;
        let Answer { status, retry_after, body } = self.ask(method, repeat, ctx, request).await?;
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

    async fn ask(
        &self,
        method: &str,
        repeat: Repeat,
        ctx: &CallContext,
        request: Bytes,
    ) -> ServiceResult<Answer> {
        let deadline = Instant::now() + DEADLINE;
        let (mut pauses, mut repeated) = (Pauses::new(), 0);
        loop {
            // A token is good for one attempt.
            let token = self.tokens.sign(self.caller, self.service, ctx)?;
            let error = match self.attempt(method, ctx, token, request.clone(), deadline).await {
                Ok(answer) => {
                    self.outage.is_over();
                    return Ok(answer);
                }
                Err(error) => error,
            };
            let again = if error.is_connect() {
                self.outage.goes_on()
            } else {
                repeated += 1;
                repeat == Repeat::Safe && !error.is_timeout() && repeated <= REPEATS
            };
            let pause = pauses.next_pause();
            if !again || Instant::now() + pause >= deadline {
                return Err(self.unreachable(error));
            }
            tracing::debug!(service = %self.service, method, %error, "an internal call is sent again");
            sleep(pause).await;
        }
    }

    async fn attempt(
        &self,
        method: &str,
        ctx: &CallContext,
        token: String,
        request: Bytes,
        deadline: Instant,
    ) -> Result<Answer, reqwest::Error> {
        let response = self
            .client
            .post(format!("{}/internal/{}/{method}", self.base_url, self.service))
            .header(SERVICE_TOKEN_HEADER, token)
            .header("x-request-id", &ctx.request_id)
            .header(CONTENT_TYPE, "application/json")
            .timeout(deadline.saturating_duration_since(Instant::now()))
            .body(request)
            .send()
            .await?;
        let status = response.status();
        let retry_after = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.parse().ok())
            .map(Duration::from_secs);
        Ok(Answer { status, retry_after, body: response.bytes().await? })
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

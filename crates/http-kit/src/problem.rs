//! Turns a [`ServiceError`] into `application/problem+json`, and logs internal ones, once, here.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use songkeep_api::Problem;
use songkeep_domain::{ErrorCode, ServiceError};

/// A service's error as a response. Handlers return it with `?`.
#[derive(Debug)]
pub struct ApiError(pub ServiceError);

pub type ApiResult<T> = Result<T, ApiError>;

impl<E: Into<ServiceError>> From<E> for ApiError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

tokio::task_local! {
    /// The id of the request that the current task answers; set by the request-id layer.
    pub static REQUEST_ID: RequestId;
}

/// The id under which a request is found in every log; also in `X-Request-Id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(pub String);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = self.0;
        let request_id = REQUEST_ID.try_with(|id| id.0.clone()).unwrap_or_default();
        log(&error, &request_id);
        let body = serde_json::to_vec(&Problem::new(&error, &request_id)).unwrap_or_default();
        let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(Problem::MEDIA_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(after) = error.retry_after {
            // Whole seconds, rounded up, so that a client that obeys is not refused again.
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if error.code == ErrorCode::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

fn log(error: &ServiceError, request_id: &str) {
    let Some(source) = &error.source else { return };
    let chain = chain(source.as_ref());
    if error.code.status() >= 500 {
        tracing::error!(code = %error.code, request_id, error = chain, "request failed");
    } else {
        tracing::debug!(code = %error.code, request_id, error = chain, "request refused");
    }
}

/// An error and its causes in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

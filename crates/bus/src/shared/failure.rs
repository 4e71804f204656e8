//! Why something did not reach Redis, and why a bus cannot be made at all. None of it holds a URL.

use redis::{ErrorKind, RedisError, RetryMethod};
use songkeep_domain::bus::BusError;

/// Why a [`RedisBus`](super::RedisBus) cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum RedisBusError {
    /// Says what is wrong without showing the URL, which may hold a password.
    #[error("the Redis URL cannot be used: {0}")]
    Url(String),
    #[error("the namespace of the bus must be 1 to 64 letters, digits, `-`, `_` or `:`")]
    Namespace,
}

#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("not connected to Redis")]
    NotConnected,
    #[error("Redis closed the connection")]
    Closed,
    #[error("Redis did not answer in time")]
    Timeout,
    #[error("too much waits for Redis already")]
    QueueFull,
    #[error("Redis: {0}")]
    Redis(#[from] RedisError),
}

impl From<tokio::time::error::Elapsed> for Failure {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        Self::Timeout
    }
}

impl From<Failure> for BusError {
    fn from(failure: Failure) -> Self {
        Self(failure.into())
    }
}

/// Whether the connection is as good as before: the server refused the command, and a new connection
/// would not change its mind.
pub(super) fn is_refusal(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension)
        && matches!(error.retry_method(), RetryMethod::NoRetry)
        && error.code() != Some("NOAUTH")
}

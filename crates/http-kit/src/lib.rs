//! Axum parts that every listener shares: the problem responder, extractors, layers, the internal
//! listener's calls, the reverse proxy, and serving with a graceful end. No business rules.

pub mod problem;

pub use problem::{ApiError, ApiResult, RequestId};

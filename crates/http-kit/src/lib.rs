//! Axum parts that every listener shares: the problem responder, extractors, layers, the internal
//! listener's calls, the reverse proxy, and serving with a graceful end. No business rules.

pub mod client;
mod connection;
pub mod edge;
pub mod extract;
pub mod internal;
pub mod mount;
pub mod operational;
pub mod origin;
pub mod problem;
pub mod proxy;
pub mod send_file;
pub mod serve;
mod shape;
mod upload;

pub use client::{InvalidProxy, TrustedProxies};
pub use edge::{EdgeSettings, edge};
pub use extract::{Client, Json, OptionalJson, Path, Query, RequestOrigin, call_context};
pub use internal::internal;
pub use mount::{Mount, nest_api};
pub use operational::{Readiness, operational};
pub use origin::{CorsKind, OriginPolicy, cors};
pub use problem::{ApiError, ApiResult, REQUEST_ID, RequestId};
pub use proxy::{InvalidTarget, ProxyTarget};
pub use send_file::FileSender;
pub use serve::{BindError, Listener, fallbacks, method_fallback, serve};

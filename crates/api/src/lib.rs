//! What travels: the public wire types (`wire`), the services' typed clients, local or over HTTP
//! (`service` and a module for each service), and the signed tokens (`token`).

pub mod admin;
pub mod auth;
pub mod catalog;
pub mod download;
pub mod outage;
pub mod problem;
pub mod search;
pub mod service;
pub mod token;
pub mod transport;
pub mod wire;

pub use problem::Problem;
pub use service::{RpcMethod, RpcService};
pub use transport::HttpTransport;

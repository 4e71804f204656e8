//! The auth service: accounts, their verification, and sessions with their chains of refresh tokens.
//! `service` is what the gateway calls, `accounts` what the command line calls, `sign_up` and `resets` the
//! parts of the first that must not tell whether an address is taken.

mod accounts;
mod background;
mod mails;
mod metrics;
mod passwords;
mod pool;
mod resets;
mod service;
mod sign_up;
mod tokens;

pub use service::{AuthPorts, AuthService, AuthSettings, AuthSetupError};

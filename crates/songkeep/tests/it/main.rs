//! The application through its public listeners, in both topologies.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod accounts;
mod bad_input;
mod browser;
mod compose;
mod crash;
mod events;
mod import_failures;
mod imports;
mod kit;
mod operations;
mod sse;
mod streaming;
mod tokens;
mod walk;
mod web;

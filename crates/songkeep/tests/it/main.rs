//! The application through its public listeners, in all topologies.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod accounts;
mod bad_input;
mod chaos;
mod compose;
mod crash;
mod events;
mod import_failures;
mod imports;
mod kit;
mod library;
mod moving;
mod older;
mod operations;
mod redirects;
mod roles;
mod several;
mod sse;
mod streaming;
mod tokens;
mod walk;
mod web;

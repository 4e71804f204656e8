//! The auth service over a real database, through its local and its HTTP client alike.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod accounts;
mod commands;
mod resets;
mod sessions;
mod setup;
mod sign_up;

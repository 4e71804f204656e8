//! The search service through its local and its HTTP client, and the ranking over hand-made cases.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod ranking;
mod service;

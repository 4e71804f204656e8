//! The application through its public listeners, in both topologies.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod kit;
mod walk;

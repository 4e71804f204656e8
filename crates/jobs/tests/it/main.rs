//! The engine over a job store, with scripted work.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod endings;
mod health;
mod leases;
mod memory_jobs;
mod queue;
mod world;

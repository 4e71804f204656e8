//! The worker over a real database, with fake tools and blobs in memory.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod blobs;
mod fetcher;
mod folders;
mod import;
mod sweeper;
mod world;

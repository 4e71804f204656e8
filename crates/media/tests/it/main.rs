//! The real tools against a YouTube of our own: nothing here leaves the machine, except that the tools are
//! fetched once into `target/test-tools` (or `SONGKEEP_TEST_TOOLS_DIR`).

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod failures;
mod fetch;
mod flat;
mod media;
mod pool;
mod remux;
mod tools;
mod world;

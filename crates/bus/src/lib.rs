//! The message bus inside one process: news by a broadcast channel, rate limits counted in memory.

mod limits;
mod local;

pub use local::LocalBus;

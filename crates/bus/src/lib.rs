//! The message bus: news and rate limits, within one process ([`LocalBus`]) or shared by all through
//! Redis or Valkey ([`RedisBus`]).

mod fanout;
mod limits;
mod local;
mod shared;

pub use local::LocalBus;
pub use shared::{RedisBus, RedisBusError, RedisBusSettings};

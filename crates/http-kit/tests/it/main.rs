//! The crate through its public face: routers called directly, and real sockets where connections
//! matter.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod edge;
mod extract;
mod forwarded;
mod internal;
mod kit;
mod mounts;
mod operational;
mod origins;
mod proxy;
mod send_file;
mod serving;

//! The byte server through its router: headers, tokens, rights that end, slow listeners.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod fakes;
mod headers;
mod listeners;
mod rights;
mod world;

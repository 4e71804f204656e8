//! The gateway's routes over in-process fakes of the services, called as a listener would call them.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod admin;
mod auth;
mod bad_input;
mod docs;
mod events;
mod images;
mod jobs;
mod limits;
mod music;
mod permissions;
mod samples;
mod services;
mod tokens;
mod traffic;
mod world;

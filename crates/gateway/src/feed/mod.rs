//! `GET /events`: the hub that hands the bus's news to open streams, and one client's stream.

mod hub;
mod stream;

pub(crate) use hub::Hub;
pub(crate) use stream::{Feed, ResumeFrom};

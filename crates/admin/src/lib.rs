//! The admin service: what administrators see of accounts, songs and jobs, and what they may do to them.
//! Every deed is on record.

mod series;
mod service;

pub use service::{AdminPorts, AdminService};

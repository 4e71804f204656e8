//! The download service: takes wishes to import, shows and steers their jobs, and hands out the
//! listener's events. The work itself is a worker's.

mod request;
mod service;

pub use service::{DownloadPorts, DownloadService, DownloadSettings};

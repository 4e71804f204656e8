//! The worker role: runs import jobs on the job engine, and sweeps away what nobody needs any more.
//!
//! It knows the order of an import's stages and what is written when; how a recording is fetched is
//! the fetcher's business, how bytes are kept the blob store's.

mod folders;
mod import;
mod progress;
mod sweeper;
mod worker;

pub use folders::{AttemptFolder, WorkFolders};
pub use import::ImportHandler;
pub use sweeper::{SweepReport, SweepSettings, Sweeper, SweeperPorts};
pub use worker::{Worker, WorkerPorts, WorkerSettings};

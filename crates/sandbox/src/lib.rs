//! The one launcher of child processes. A child gets the environment that is listed and nothing
//! else, a process group of its own that dies as a whole with its [`Child`], and limits.
//!
//! What it cannot do: when this very process is killed without notice, nobody is left to kill its
//! children. So a long-lived child must end when its stdin closes, and others must be short or have a
//! limit on CPU time.

mod child;
mod launcher;
mod limits;
mod run;
mod spec;

pub use child::Child;
pub use launcher::{Launcher, SpawnError, find_program};
pub use limits::Limits;
pub use run::{Finished, RunError};
pub use spec::{ChildSpec, Pipe};

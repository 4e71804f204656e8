//! The job engine: takes due jobs from a [`JobStore`](songkeep_domain::job::JobStore) into free
//! slots, keeps their leases alive apart from the work, and writes how each ended.
//!
//! The database is the truth: a lost bus costs seconds, a lost process costs a lease. An engine that
//! no longer holds a job drops the work on it and writes nothing. What a job does is the business of
//! a [`JobHandler`]; nothing here knows of songs or tools.

mod attempt;
mod background;
mod clock;
mod engine;
mod handler;
mod health;
mod heart;
mod metrics;
mod reporter;
mod retry;
mod settings;

pub use clock::{clock_ahead_ms, clock_words};
pub use engine::{Engine, EnginePorts};
pub use handler::{Completion, JobHandler};
pub use health::{EngineHealth, EngineState};
pub use reporter::JobReporter;
pub use retry::{RetryPolicy, random_unit, until_available};
pub use settings::EngineSettings;

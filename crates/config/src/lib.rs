//! Settings: what there are (`spec`), where a value comes from (`sources`), what it means (`settings`),
//! whether it may be served with (`validate`), and the secrets that an all-in-one process makes for
//! itself (`secrets`). The only place that reads the environment.

pub mod reference;
pub mod secrets;
pub mod settings;
pub mod sources;
pub mod spec;
pub mod validate;

pub use settings::{AppEnv, LogFormat, SameSite, Settings, StreamDelivery};
pub use sources::{Origin, Values, process_environment};
pub use spec::{SPECS, Spec};

/// The settings cannot be used; each line says which one and why.
#[derive(Debug, thiserror::Error)]
#[error("{}", .problems.join("\n"))]
pub struct ConfigError {
    pub problems: Vec<String>,
}

impl ConfigError {
    #[must_use]
    pub fn one(problem: impl Into<String>) -> Self {
        Self { problems: vec![problem.into()] }
    }
}

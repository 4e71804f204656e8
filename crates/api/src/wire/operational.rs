//! Health and readiness.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /health`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Health {
    #[schema(example = "ok")]
    pub status: &'static str,
    pub service: String,
}

/// `GET /ready`: 200 when every dependency is well, else 503.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// `ready` or `not_ready`.
    pub status: String,
    pub dependencies: Vec<DependencyState>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DependencyState {
    #[schema(example = "database")]
    pub name: String,
    pub ok: bool,
    /// Whether this process is not ready without it.
    pub required: bool,
    /// What is wrong, in a few words without secrets.
    pub detail: Option<String>,
}

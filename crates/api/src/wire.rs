//! The public JSON: what outside clients rely on. Fields and names are fixed; adding is welcome.

mod admin;
mod auth;
mod jobs;
mod library;
mod music;
mod operational;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::{admin::*, auth::*, jobs::*, library::*, music::*, operational::*};

/// A sentence for people.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Detail {
    pub detail: String,
}

//! RFC 9457 problem documents: what every error looks like on the wire.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use songkeep_domain::{ErrorCode, FieldError, ServiceError};
use utoipa::ToSchema;

/// `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Page that explains the code.
    #[serde(rename = "type")]
    #[schema(example = "/docs/errors#not_found")]
    pub type_uri: String,
    pub title: String,
    pub status: u16,
    /// One readable English sentence.
    pub detail: String,
    /// From a closed list, for programs.
    #[schema(value_type = String, example = "not_found")]
    pub code: ErrorCode,
    /// The request's id, as in the log and in `X-Request-Id`.
    pub instance: String,
    /// Which values are invalid, for 422.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemField>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProblemField {
    pub field: String,
    pub code: String,
    pub detail: String,
}

impl Problem {
    pub const MEDIA_TYPE: &'static str = "application/problem+json";

    /// The public part of an error.
    #[must_use]
    pub fn new(error: &ServiceError, request_id: &str) -> Self {
        Self {
            type_uri: format!("/docs/errors#{}", error.code),
            title: error.code.title().to_owned(),
            status: error.code.status(),
            detail: error.detail.clone(),
            code: error.code,
            instance: request_id.to_owned(),
            errors: error
                .fields
                .iter()
                .map(|field| ProblemField {
                    field: field.field.clone(),
                    code: field.code.clone(),
                    detail: field.detail.clone(),
                })
                .collect(),
        }
    }

    /// Back to an error, at the calling end of an internal call.
    #[must_use]
    pub fn into_error(self, retry_after: Option<Duration>) -> ServiceError {
        ServiceError {
            code: self.code,
            detail: self.detail,
            fields: self
                .errors
                .into_iter()
                .map(|field| FieldError { field: field.field, code: field.code, detail: field.detail })
                .collect(),
            retry_after,
            source: None,
        }
    }
}

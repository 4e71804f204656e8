//! Accounts and sessions.

use serde::{Deserialize, Serialize};
use songkeep_domain::{Timestamp, user};
use utoipa::ToSchema;
use uuid::Uuid;

#[derive(Clone, Deserialize, ToSchema)]
pub struct SignUpRequest {
    #[schema(example = "ada@example.com", max_length = 254)]
    pub email: String,
    #[schema(min_length = 8, max_length = 256, format = Password)]
    pub password: String,
}

#[derive(Clone, Serialize, ToSchema)]
pub struct SignUpAnswer {
    pub detail: String,
    /// Whether the address must be verified before sign-in.
    pub verification_required: bool,
    /// Only when the operator exposes it (development and tests).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification_token: Option<String>,
}

#[derive(Clone, Deserialize, ToSchema)]
pub struct VerifyEmailRequest {
    pub token: String,
}

#[derive(Clone, Deserialize, ToSchema)]
pub struct SetUpRequest {
    /// From the link that the server printed at its start.
    pub token: String,
    #[schema(max_length = 254)]
    pub email: String,
    #[schema(min_length = 8, max_length = 256, format = Password)]
    pub password: String,
}

#[derive(Clone, Deserialize, ToSchema)]
pub struct ForgotPasswordRequest {
    #[schema(example = "ada@example.com", max_length = 254)]
    pub email: String,
}

#[derive(Clone, Deserialize, ToSchema)]
pub struct ResetPasswordRequest {
    /// From the link in the mail: what follows `#token=`.
    pub token: String,
    #[schema(min_length = 8, max_length = 256, format = Password)]
    pub password: String,
}

#[derive(Clone, Deserialize, ToSchema)]
pub struct SignInRequest {
    pub email: String,
    #[schema(format = Password)]
    pub password: String,
}

/// For clients without a cookie jar; browsers send the cookie.
#[derive(Clone, Default, Deserialize, ToSchema)]
pub struct RefreshRequest {
    pub refresh_token: Option<String>,
}

#[derive(Clone, Serialize, ToSchema)]
pub struct TokenAnswer {
    pub access_token: String,
    /// Always `bearer`.
    #[schema(example = "bearer")]
    pub token_type: &'static str,
    /// Seconds.
    pub expires_in: u64,
}

#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Me {
    pub id: Uuid,
    pub email: String,
    #[schema(example = "user")]
    pub role: String,
    pub verified: bool,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
}

impl From<user::User> for Me {
    fn from(user: user::User) -> Self {
        Self {
            id: user.id.0,
            verified: user.verified_at.is_some(),
            role: user.role.as_str().to_owned(),
            email: user.email,
            created_at: user.created_at,
        }
    }
}

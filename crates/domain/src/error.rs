//! The closed list of error codes, the error every service returns, and the store's error.

use std::{error::Error, fmt, time::Duration};

use serde::{Deserialize, Serialize};

pub type BoxError = Box<dyn Error + Send + Sync + 'static>;
pub type ServiceResult<T> = Result<T, ServiceError>;
pub type StoreResult<T> = Result<T, StoreError>;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $status:literal, $title:literal;)+) => {
        /// What went wrong, for programs. Each code has one HTTP status and one title.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[$doc])* #[serde(rename = $text)] $variant,)+
        }

        impl ErrorCode {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status),+ }
            }

            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title),+ }
            }
        }
    };
}

error_codes! {
    /// The request could not be read: bad JSON, bad header, bad cursor.
    Malformed = "malformed", 400, "Malformed request";
    /// A one-time token is used up or past its time.
    TokenExpired = "token_expired", 400, "Token expired or used";
    /// No credentials, or ones that do not hold (any more).
    Unauthenticated = "unauthenticated", 401, "Sign-in required";
    InvalidCredentials = "invalid_credentials", 401, "Wrong address or password";
    Forbidden = "forbidden", 403, "Not allowed";
    EmailNotVerified = "email_not_verified", 403, "Address not verified";
    AccountDisabled = "account_disabled", 403, "Account disabled";
    OriginNotAllowed = "origin_not_allowed", 403, "Origin not allowed";
    NotFound = "not_found", 404, "Not found";
    MethodNotAllowed = "method_not_allowed", 405, "Method not allowed";
    RequestTimeout = "request_timeout", 408, "Request took too long to arrive";
    Conflict = "conflict", 409, "Conflict";
    EmailTaken = "email_taken", 409, "Address already in use";
    PayloadTooLarge = "payload_too_large", 413, "Body too large";
    UnsupportedMediaType = "unsupported_media_type", 415, "Unsupported media type";
    RangeNotSatisfiable = "range_not_satisfiable", 416, "Range not satisfiable";
    /// Well-formed, but a value is out of its bounds; `errors` says which.
    Invalid = "invalid", 422, "Invalid values";
    RateLimited = "rate_limited", 429, "Too many requests";
    Internal = "internal", 500, "Internal error";
    BadGateway = "bad_gateway", 502, "Bad answer from a service";
    Unavailable = "unavailable", 503, "Temporarily unavailable";
    SearchUnavailable = "search_unavailable", 503, "Search temporarily unavailable";
    GatewayTimeout = "gateway_timeout", 504, "A service took too long";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One invalid value of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// Path of the value, such as `email` or `candidate_meta`.
    pub field: String,
    /// For programs, such as `too_short`, `required`, `unknown`.
    pub code: String,
    /// One English sentence.
    pub detail: String,
}

/// What every service method fails with. `detail` is public: one readable English sentence.
/// `source` is not: it is logged once, where the answer is made, and never sent.
#[derive(Debug)]
pub struct ServiceError {
    pub code: ErrorCode,
    pub detail: String,
    pub fields: Vec<FieldError>,
    pub retry_after: Option<Duration>,
    pub source: Option<BoxError>,
}

impl ServiceError {
    #[must_use]
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), fields: Vec::new(), retry_after: None, source: None }
    }

    #[must_use]
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::Malformed, detail)
    }

    /// `what` is the thing's name in a sentence, such as `This song`.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("{what} was not found."))
    }

    #[must_use]
    pub fn unauthenticated() -> Self {
        Self::new(
            ErrorCode::Unauthenticated,
            "Sign in first: the access token is missing, invalid or expired.",
        )
    }

    #[must_use]
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(ErrorCode::Forbidden, detail)
    }

    /// One invalid field; the sentence serves as the whole detail too.
    #[must_use]
    pub fn invalid(field: &str, code: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self {
            fields: vec![FieldError {
                field: field.to_owned(),
                code: code.to_owned(),
                detail: detail.clone(),
            }],
            ..Self::new(ErrorCode::Invalid, detail)
        }
    }

    #[must_use]
    pub fn internal(source: impl Into<BoxError>) -> Self {
        Self {
            source: Some(source.into()),
            ..Self::new(
                ErrorCode::Internal,
                "Something went wrong on our side. The log has the details under this request's id.",
            )
        }
    }

    #[must_use]
    pub fn unavailable(detail: impl Into<String>, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(ErrorCode::Unavailable, detail) }
    }

    #[must_use]
    pub fn rate_limited(retry_after: Duration) -> Self {
        let seconds = retry_after.as_secs_f64().ceil().max(1.0);
        Self {
            retry_after: Some(retry_after),
            ..Self::new(ErrorCode::RateLimited, format!("Too many attempts. Try again in {seconds} seconds."))
        }
    }

    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.detail)
    }
}

impl Error for ServiceError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// What a store method fails with.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique value is taken; names which, such as `users.email`.
    #[error("{0} is taken")]
    Conflict(&'static str),
    /// The cursor of a page was not made by us.
    #[error("the cursor is not valid")]
    BadCursor,
    /// The database cannot be reached or is overloaded; trying again may help.
    #[error("the database is unavailable")]
    Unavailable(#[source] BoxError),
    /// A row holds what our code never writes; names table and column.
    #[error("row of {table} is inconsistent: {detail}")]
    Inconsistent { table: &'static str, detail: String },
    #[error("the database refused a statement")]
    Other(#[source] BoxError),
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(what) => Self::new(ErrorCode::Conflict, format!("{what} is taken.")),
            StoreError::BadCursor => Self::malformed("The cursor is not valid; start again without one."),
            StoreError::Unavailable(_) => {
                Self::unavailable("The database cannot be reached at the moment.", Duration::from_secs(5))
                    .with_source(error)
            }
            StoreError::Inconsistent { .. } | StoreError::Other(_) => Self::internal(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_have_error_statuses() {
        let mut seen = std::collections::HashSet::new();
        for code in ErrorCode::ALL {
            assert!(seen.insert(code.as_str()), "{code} stands twice");
            assert!((400..600).contains(&code.status()));
        }
    }
}

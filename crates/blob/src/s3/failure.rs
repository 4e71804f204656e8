//! What goes wrong between here and an S3 service. Holds no address, no header and no sentence of the
//! service's answer, so that neither a key nor a signature gets into a log.

use std::{error::Error, io, time::Duration};

use http::StatusCode;
use object_store::client::{HttpError, HttpErrorKind};
use songkeep_domain::blob::BlobError;

/// Longer ones are not the short words that services use.
const MAX_CODE: usize = 64;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// `code` is the word that the service gives besides the status; empty when it gave none.
    #[error("the S3 service answered {} {}", status.as_u16(), words(*status, code))]
    Answer { status: StatusCode, code: String },
    #[error("the S3 service did not answer within {0:?}")]
    Timeout(Duration),
    #[error("the S3 service cannot be reached: {0}")]
    Unreachable(String),
    #[error("the connection to the S3 service broke: {0}")]
    Broken(String),
    #[error("the S3 service gave an answer that makes no sense: {0}")]
    Nonsense(String),
}

fn words(status: StatusCode, code: &str) -> &str {
    if code.is_empty() { status.canonical_reason().unwrap_or_default() } else { code }
}

impl Failure {
    /// `document` is the body of the answer; only its `<Code>` is taken from it.
    pub(crate) fn from_answer(status: StatusCode, document: &[u8]) -> Self {
        let text = String::from_utf8_lossy(document);
        let code = text
            .split_once("<Code>")
            .and_then(|(_, rest)| rest.split_once("</Code>"))
            .map(|(code, _)| code)
            .filter(|code| code.len() <= MAX_CODE && code.bytes().all(|byte| byte.is_ascii_alphanumeric()))
            .unwrap_or_default();
        Self::Answer { status, code: code.to_owned() }
    }

    /// What the HTTP client says. The only time limit of its own is the one for connecting.
    pub(crate) fn from_client(error: &HttpError) -> Self {
        match error.kind() {
            HttpErrorKind::Timeout => Self::Unreachable("no connection in time".to_owned()),
            HttpErrorKind::Connect => Self::Unreachable(innermost(error)),
            _ => Self::Broken(innermost(error)),
        }
    }

    /// What object_store says: mostly our own failure in its wrapping.
    pub(crate) fn from_store(error: &object_store::Error) -> Self {
        let mut current: &(dyn Error + 'static) = error;
        loop {
            if let Some(failure) = current.downcast_ref::<Self>() {
                return failure.clone();
            }
            match current.source() {
                Some(source) => current = source,
                None => return Self::Nonsense(current.to_string()),
            }
        }
    }

    pub(crate) fn is_missing(&self) -> bool {
        matches!(self, Self::Answer { status: StatusCode::NOT_FOUND, .. })
    }

    /// Whether the same request may well succeed a moment later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Answer { .. } if self.is_full() => false,
            Self::Answer { status, code } => {
                (status.is_server_error() && *status != StatusCode::NOT_IMPLEMENTED)
                    || matches!(*status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
                    || matches!(code.as_str(), "InternalError" | "RequestTimeout" | "SlowDown")
            }
            Self::Timeout(_) | Self::Unreachable(_) | Self::Broken(_) => true,
            Self::Nonsense(_) => false,
        }
    }

    /// Services have several words for it: `XMinioStorageFull`, `QuotaExceeded`, …
    fn is_full(&self) -> bool {
        let Self::Answer { status, code } = self else { return false };
        *status == StatusCode::INSUFFICIENT_STORAGE
            || ["StorageFull", "DiskFull", "QuotaExceeded", "InsufficientStorage"]
                .iter()
                .any(|word| code.contains(word))
    }
}

fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut current = error;
    while let Some(source) = current.source() {
        current = source;
    }
    current.to_string()
}

impl From<object_store::Error> for Failure {
    fn from(error: object_store::Error) -> Self {
        Self::from_store(&error)
    }
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        let kind = match &failure {
            _ if failure.is_full() => io::ErrorKind::StorageFull,
            Failure::Answer { status: StatusCode::NOT_FOUND, .. } => io::ErrorKind::NotFound,
            Failure::Answer { status: StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, .. } => {
                io::ErrorKind::PermissionDenied
            }
            Failure::Timeout(_) => io::ErrorKind::TimedOut,
            Failure::Unreachable(_) => io::ErrorKind::NotConnected,
            Failure::Broken(_) => io::ErrorKind::ConnectionReset,
            Failure::Nonsense(_) => io::ErrorKind::InvalidData,
            Failure::Answer { .. } => io::ErrorKind::Other,
        };
        Self::new(kind, failure)
    }
}

impl From<Failure> for BlobError {
    fn from(failure: Failure) -> Self {
        failed(failure.into())
    }
}

pub(crate) fn failed(error: io::Error) -> BlobError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => BlobError::Full(error),
        _ => BlobError::Io(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, document: &str) -> Failure {
        Failure::from_answer(StatusCode::from_u16(status).expect("a status"), document.as_bytes())
    }

    #[test]
    fn an_answer_is_told_by_its_status_and_code_and_nothing_else() {
        let refused = answer(
            403,
            "<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>KEY</AWSAccessKeyId>\
             <StringToSign>secret things</StringToSign></Error>",
        );
        assert_eq!(refused.to_string(), "the S3 service answered 403 SignatureDoesNotMatch");
        assert_eq!(answer(404, "").to_string(), "the S3 service answered 404 Not Found");
        assert_eq!(
            answer(500, "<Code>not a code!</Code>").to_string(),
            "the S3 service answered 500 Internal Server Error"
        );
    }

    #[test]
    fn a_full_service_is_full_whatever_it_calls_it() {
        for full in [
            answer(507, ""),
            answer(507, "<Error><Code>XMinioStorageFull</Code></Error>"),
            answer(400, "<Error><Code>XMinioAdminBucketQuotaExceeded</Code></Error>"),
            answer(403, "<Error><Code>QuotaExceeded</Code></Error>"),
        ] {
            assert!(!full.is_transient(), "{full}");
            assert!(matches!(BlobError::from(full), BlobError::Full(_)));
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for passing in [
            answer(500, ""),
            answer(503, "<Error><Code>SlowDown</Code></Error>"),
            answer(429, ""),
            answer(400, "<Error><Code>RequestTimeout</Code></Error>"),
            answer(200, "<Error><Code>InternalError</Code></Error>"),
            Failure::Timeout(Duration::from_secs(1)),
            Failure::Unreachable(String::new()),
            Failure::Broken(String::new()),
        ] {
            assert!(passing.is_transient(), "{passing}");
        }
        for lasting in [
            answer(404, ""),
            answer(403, ""),
            answer(301, ""),
            answer(501, ""),
            Failure::Nonsense(String::new()),
        ] {
            assert!(!lasting.is_transient(), "{lasting}");
            assert!(matches!(BlobError::from(lasting), BlobError::Io(_)));
        }
    }
}

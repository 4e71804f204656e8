//! Names and labels of what is counted. All labels come from a closed list.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_histogram, histogram};

use super::failure::Failure;

const SECONDS: &str = "songkeep_blob_s3_seconds";
const ERRORS: &str = "songkeep_blob_s3_errors_total";
const RETRIES: &str = "songkeep_blob_s3_retries_total";

pub(crate) fn describe() {
    describe_histogram!(SECONDS, "Time of requests to the S3 service with all their attempts, by operation");
    describe_counter!(ERRORS, "Requests to the S3 service that failed in the end, by operation");
    describe_counter!(RETRIES, "Further attempts of requests to the S3 service, by operation");
}

pub(crate) fn retried(operation: &'static str) {
    counter!(RETRIES, "op" => operation).increment(1);
}

/// That something is not there is an answer and no error.
pub(crate) fn ended(operation: &'static str, after: Duration, failure: Option<&Failure>) {
    histogram!(SECONDS, "op" => operation).record(after.as_secs_f64());
    if failure.is_some_and(|failure| !failure.is_missing()) {
        counter!(ERRORS, "op" => operation).increment(1);
    }
}

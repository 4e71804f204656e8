//! Names and labels of the service's metrics. All labels come from closed lists.

use metrics::{counter, describe_counter, describe_gauge, gauge};

const SIGN_INS: &str = "songkeep_auth_signins_total";
const HASH_QUEUE: &str = "songkeep_auth_hash_queue";
const REPLAYS: &str = "songkeep_auth_refresh_replays_total";

pub(crate) fn describe() {
    describe_counter!(SIGN_INS, "Attempts to sign in, by result");
    describe_gauge!(HASH_QUEUE, "Passwords that wait to be hashed");
    describe_counter!(REPLAYS, "Sessions ended because a used refresh token came again");
}

/// What became of an attempt to sign in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignInResult {
    Ok,
    UnknownAccount,
    WrongPassword,
    NotVerified,
    Disabled,
    /// Sent away because too many signed in at once.
    Overloaded,
}

impl SignInResult {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::UnknownAccount => "unknown_account",
            Self::WrongPassword => "wrong_password",
            Self::NotVerified => "not_verified",
            Self::Disabled => "disabled",
            Self::Overloaded => "overloaded",
        }
    }
}

pub(crate) fn signed_in(result: SignInResult) {
    counter!(SIGN_INS, "result" => result.as_str()).increment(1);
}

pub(crate) fn replayed() {
    counter!(REPLAYS).increment(1);
}

pub(crate) fn hash_queue(waiting: usize) {
    gauge!(HASH_QUEUE).set(waiting as f64);
}

//! The auth service: accounts and sessions.

use serde::{Deserialize, Serialize};
use songkeep_domain::{SessionId, session::SessionState, user::User};

use crate::service::service;

/// `password` is 8 to 256 characters. No `Debug`: it must not reach a log.
#[derive(Clone, Serialize, Deserialize)]
pub struct SignUp {
    pub email: String,
    pub password: String,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct SignedUp {
    /// One sentence: what to do next.
    pub detail: String,
    /// Whether the address must be verified before sign-in.
    pub verification_required: bool,
    /// Only when the operator exposes it (tests, development).
    pub verification_token: Option<String>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct SetUpAdmin {
    pub token: String,
    pub email: String,
    pub password: String,
}

/// As [`SetUpAdmin`], for an account that there is.
#[derive(Clone, Serialize, Deserialize)]
pub struct ResetPassword {
    pub token: String,
    pub password: String,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct SignIn {
    pub email: String,
    pub password: String,
}

/// The tokens of a sign-in or refresh; no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub struct IssuedTokens {
    pub access_token: String,
    /// Seconds that the access token lives.
    pub expires_in: u64,
    pub refresh_token: String,
    /// Seconds that the refresh token lives.
    pub refresh_expires_in: u64,
}

service! {
    /// Accounts and sessions.
    role Auth, trait AuthApi, client AuthClient, remote RemoteAuth, rpc AuthRpc;

    /// Makes an account. With verification on, the answer is the same whether or not the address is
    /// taken; else `email_taken`. `invalid` for bad addresses and passwords.
    [Gateway] fn sign_up(SignUp) -> SignedUp;

    /// Uses up a verification token. `not_found` when unknown, `token_expired` when used or too old.
    /// The answer is one sentence.
    [Gateway] fn verify_email(String) -> String;

    /// Makes the first admin through the printed link's token; errors as `verify_email`.
    [Gateway] fn set_up_admin(SetUpAdmin) -> String;

    /// Mails a link for a new password to the account of an address. The answer, one sentence, and the time
    /// it takes are the same when there is none; `invalid` for what is no address.
    [Gateway] fn forgot_password(String) -> String;

    /// Sets the password of a mailed link and ends all sessions of its account; errors as `verify_email`, and
    /// `invalid` for a bad password. The answer is one sentence.
    [Gateway] fn reset_password(ResetPassword) -> String;

    /// `invalid_credentials` in constant time, `email_not_verified`, `account_disabled`.
    [Gateway] fn sign_in(SignIn) -> IssuedTokens;

    /// Exchanges a refresh token; `unauthenticated` when it does not hold.
    [Gateway; idempotent] fn refresh(String) -> IssuedTokens;

    /// Ends the session of a refresh token; nothing happens when there is none.
    [Gateway; idempotent] fn sign_out(Option<String>) -> ();

    /// The signed-in account.
    [Gateway; idempotent] fn me(()) -> User;

    /// Whether a session still stands; None when it never did.
    [Gateway; idempotent] fn check_session(SessionId) -> Option<SessionState>;
}

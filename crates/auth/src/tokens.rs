//! Random tokens, how they are kept, and how the successor of a refresh token is derived. The one place
//! of this service where randomness comes in.

use std::time::Duration;

use aws_lc_rs::{digest, hmac, rand};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::SecretString;
use songkeep_api::token::derive_key;
use songkeep_domain::{
    OneTimeTokenId, ServiceError, ServiceResult, Timestamp, UserId,
    session::SuccessorNonce,
    user::{NewOneTimeToken, TokenHash, TokenPurpose},
};

/// How long a link holds. Who asked for a new password waits for the mail, and it opens an account that
/// somebody uses; the others may wait for a day.
const fn link_lifetime(purpose: TokenPurpose) -> Duration {
    match purpose {
        TokenPurpose::VerifyEmail | TokenPurpose::AdminSetup => Duration::from_secs(24 * 3_600),
        TokenPurpose::ResetPassword => Duration::from_secs(3_600),
    }
}

fn random<const N: usize>() -> ServiceResult<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| ServiceError::internal("the system gives no randomness"))?;
    Ok(bytes)
}

/// 256 random bits, in characters that need no escaping in a URL.
pub(crate) fn new_token() -> ServiceResult<String> {
    Ok(BASE64_URL_SAFE_NO_PAD.encode(random::<32>()?))
}

pub(crate) fn new_nonce() -> ServiceResult<SuccessorNonce> {
    random()
}

/// What the database keeps of a token.
pub(crate) fn hash(token: &str) -> TokenHash {
    let digest = digest::digest(&digest::SHA256, token.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// A token for a link, and its row.
pub(crate) struct LinkToken {
    pub token: String,
    pub row: NewOneTimeToken,
}

impl LinkToken {
    pub fn new(user_id: Option<UserId>, purpose: TokenPurpose, now: Timestamp) -> ServiceResult<Self> {
        let token = new_token()?;
        let row = NewOneTimeToken {
            id: OneTimeTokenId::new(),
            user_id,
            purpose,
            hash: hash(&token),
            created_at: now,
            expires_at: now.plus(link_lifetime(purpose)),
        };
        Ok(Self { token, row })
    }
}

/// Derives successors of refresh tokens, so that the same one can be given twice without being kept
/// anywhere. Without the key nobody can tell the successor of a token, not even with the database.
pub(crate) struct Successors(hmac::Key);

impl Successors {
    pub fn new(secret: &SecretString) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, &derive_key(secret, "refresh token successor")))
    }

    pub fn derive(&self, presented: &str, nonce: &SuccessorNonce) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(nonce);
        context.update(presented.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(context.sign())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_depends_on_secret_token_and_nonce_and_on_nothing_else() {
        let [one, other] =
            ["one secret", "another secret"].map(|text| Successors::new(&SecretString::from(text)));
        let successor = one.derive("token", &[1; 16]);
        assert_eq!(successor, one.derive("token", &[1; 16]));
        assert_eq!(successor.len(), 43);
        assert_ne!(successor, other.derive("token", &[1; 16]));
        assert_ne!(successor, one.derive("token2", &[1; 16]));
        assert_ne!(successor, one.derive("token", &[2; 16]));
    }

    #[test]
    fn tokens_are_256_bits_in_url_characters_and_differ() {
        let [one, other] = [(); 2].map(|()| new_token().expect("randomness"));
        assert_ne!(one, other);
        assert_eq!(one.len(), 43);
        assert!(one.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'));
    }
}

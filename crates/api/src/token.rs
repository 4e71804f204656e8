//! Signed tokens, one key and audience per purpose, so that none stands in for another:
//! access tokens (auth signs, gateway verifies), service tokens (between services), stream tokens
//! and image signatures (keys derived from the internal secret, so that the byte server cannot mint
//! sessions).

use std::{sync::Arc, time::Duration};

use aws_lc_rs::{hkdf, hmac};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use songkeep_domain::{
    Actor, CallContext, Clock, NodeRole, ServiceError, ServiceResult, SessionId, SongId, SourceRef,
    Timestamp, UserId, UserRole,
};

/// How far the clocks of two nodes may differ.
pub const CLOCK_LEEWAY: Duration = Duration::from_secs(10);

/// Why a token does not hold. Never shown to clients in detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the token is malformed, of another purpose or not signed by us")]
    Invalid,
    #[error("the token has expired")]
    Expired,
    #[error("the token is for another song")]
    OtherSong,
}

/// A 256-bit key for `purpose`, derived from a secret by HKDF-SHA-256.
pub fn derive_key(secret: &SecretString, purpose: &str) -> [u8; 32] {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"songkeep");
    let mut key = [0u8; 32];
    salt.extract(secret.expose_secret().as_bytes())
        .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut key))
        .expect("32 bytes are within what HKDF-SHA-256 gives");
    key
}

/// HS256 JWTs of one purpose.
struct Jwt {
    audience: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl Jwt {
    fn new(key: &[u8], audience: &str) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "aud"]);
        // Compared with the injected clock below.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self {
            audience: audience.to_owned(),
            encoding: EncodingKey::from_secret(key),
            decoding: DecodingKey::from_secret(key),
            validation,
        }
    }

    fn sign<C: Serialize>(&self, claims: &C) -> ServiceResult<String> {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.encoding)
            .map_err(ServiceError::internal)
    }

    fn verify<C: DeserializeOwned + Expires>(
        &self,
        token: &str,
        now: Timestamp,
        leeway: Duration,
    ) -> Result<C, TokenError> {
        let claims = jsonwebtoken::decode::<C>(token, &self.decoding, &self.validation)
            .map_err(|_| TokenError::Invalid)?
            .claims;
        if Timestamp::from_secs(claims.exp()).plus(leeway) <= now {
            return Err(TokenError::Expired);
        }
        Ok(claims)
    }
}

trait Expires {
    /// Seconds since 1970.
    fn exp(&self) -> i64;
}

/// Signs and verifies what a client sends as `Authorization: Bearer`.
#[derive(Clone)]
pub struct AccessTokens {
    jwt: Arc<Jwt>,
    clock: Arc<dyn Clock>,
}

#[derive(Serialize, Deserialize)]
struct AccessClaims {
    iss: String,
    aud: String,
    sub: UserId,
    sid: SessionId,
    role: UserRole,
    iat: i64,
    exp: i64,
}

impl Expires for AccessClaims {
    fn exp(&self) -> i64 {
        self.exp
    }
}

/// What a valid access token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedAccess {
    pub actor: Actor,
    pub expires_at: Timestamp,
}

impl AccessTokens {
    #[must_use]
    pub fn new(jwt_secret: &SecretString, clock: Arc<dyn Clock>) -> Self {
        let key = derive_key(jwt_secret, "access token");
        Self { jwt: Arc::new(Jwt::new(&key, "songkeep-api")), clock }
    }

    /// # Errors
    /// `internal` when the claims cannot be written.
    pub fn sign(&self, actor: &Actor, lifetime: Duration) -> ServiceResult<String> {
        let now = self.clock.now();
        self.jwt.sign(&AccessClaims {
            iss: "songkeep-auth".to_owned(),
            aud: self.jwt.audience.clone(),
            sub: actor.user_id,
            sid: actor.session_id,
            role: actor.role,
            iat: now.as_secs(),
            exp: now.plus(lifetime).as_secs(),
        })
    }

    /// Says nothing of whether the session still stands.
    ///
    /// # Errors
    /// When it is not ours, of another purpose, or expired.
    pub fn verify(&self, token: &str) -> Result<VerifiedAccess, TokenError> {
        let claims: AccessClaims = self.jwt.verify(token, self.clock.now(), Duration::ZERO)?;
        Ok(VerifiedAccess {
            actor: Actor { user_id: claims.sub, session_id: claims.sid, role: claims.role },
            expires_at: Timestamp::from_secs(claims.exp),
        })
    }
}

/// Signs and verifies `X-Service-Token`.
pub struct ServiceTokens {
    key: [u8; 32],
    clock: Arc<dyn Clock>,
}

#[derive(Serialize, Deserialize)]
struct ServiceClaims {
    iss: NodeRole,
    aud: String,
    iat: i64,
    exp: i64,
    jti: uuid::Uuid,
    ctx: CallContext,
}

impl Expires for ServiceClaims {
    fn exp(&self) -> i64 {
        self.exp
    }
}

/// What a valid service token says.
#[derive(Clone, Debug)]
pub struct VerifiedService {
    pub issuer: NodeRole,
    pub context: CallContext,
    pub jti: uuid::Uuid,
}

impl ServiceTokens {
    /// Longest life that is accepted.
    pub const LIFETIME: Duration = Duration::from_secs(60);

    #[must_use]
    pub fn new(internal_secret: &SecretString, clock: Arc<dyn Clock>) -> Self {
        Self { key: derive_key(internal_secret, "service token"), clock }
    }

    fn jwt(&self, audience: NodeRole) -> Jwt {
        Jwt::new(&self.key, &format!("songkeep-{audience}"))
    }

    /// # Errors
    /// `internal` when the claims cannot be written.
    pub fn sign(&self, issuer: NodeRole, audience: NodeRole, ctx: &CallContext) -> ServiceResult<String> {
        let jwt = self.jwt(audience);
        let now = self.clock.now();
        jwt.sign(&ServiceClaims {
            iss: issuer,
            aud: jwt.audience.clone(),
            iat: now.as_secs(),
            exp: now.plus(Self::LIFETIME).as_secs(),
            jti: uuid::Uuid::new_v4(),
            ctx: ctx.clone(),
        })
    }

    /// # Errors
    /// When it is not ours, for another service, expired, or made to live longer than a minute.
    pub fn verify(&self, token: &str, audience: NodeRole) -> Result<VerifiedService, TokenError> {
        let now = self.clock.now();
        let claims: ServiceClaims = self.jwt(audience).verify(token, now, CLOCK_LEEWAY)?;
        let latest = now.plus(Self::LIFETIME).plus(CLOCK_LEEWAY).as_secs();
        if claims.exp > latest || claims.exp - claims.iat > Self::LIFETIME.as_secs().cast_signed() {
            return Err(TokenError::Invalid);
        }
        Ok(VerifiedService { issuer: claims.iss, context: claims.ctx, jti: claims.jti })
    }
}

/// Signs and verifies the token in a song's stream URL.
#[derive(Clone)]
pub struct StreamTokens {
    jwt: Arc<Jwt>,
    clock: Arc<dyn Clock>,
}

#[derive(Serialize, Deserialize)]
struct StreamClaims {
    aud: String,
    sub: UserId,
    sid: SessionId,
    song: SongId,
    exp: i64,
}

impl Expires for StreamClaims {
    fn exp(&self) -> i64 {
        self.exp
    }
}

/// For whom a stream URL was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StreamAccess {
    pub user_id: UserId,
    pub session_id: SessionId,
    pub song_id: SongId,
}

/// What a valid token of a stream URL says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedStream {
    pub access: StreamAccess,
    pub expires_at: Timestamp,
}

impl StreamTokens {
    #[must_use]
    pub fn new(internal_secret: &SecretString, clock: Arc<dyn Clock>) -> Self {
        let key = derive_key(internal_secret, "stream token");
        Self { jwt: Arc::new(Jwt::new(&key, "songkeep-stream-url")), clock }
    }

    /// # Errors
    /// `internal` when the claims cannot be written.
    pub fn sign(&self, access: StreamAccess, lifetime: Duration) -> ServiceResult<String> {
        self.jwt.sign(&StreamClaims {
            aud: self.jwt.audience.clone(),
            sub: access.user_id,
            sid: access.session_id,
            song: access.song_id,
            exp: self.clock.now().plus(lifetime).as_secs(),
        })
    }

    /// # Errors
    /// When it is not ours, of another purpose, for another song, or expired.
    pub fn verify(&self, token: &str, song_id: SongId) -> Result<StreamAccess, TokenError> {
        let VerifiedStream { access, .. } = self.read(token)?;
        if access.song_id == song_id { Ok(access) } else { Err(TokenError::OtherSong) }
    }

    /// For which song it is, too.
    ///
    /// # Errors
    /// When it is not ours, of another purpose, or expired.
    pub fn read(&self, token: &str) -> Result<VerifiedStream, TokenError> {
        let claims: StreamClaims = self.jwt.verify(token, self.clock.now(), Duration::ZERO)?;
        let access = StreamAccess { user_id: claims.sub, session_id: claims.sid, song_id: claims.song };
        Ok(VerifiedStream { access, expires_at: Timestamp::from_secs(claims.exp) })
    }
}

/// Signs the addresses of images, so that the image route fetches nothing that we did not offer.
#[derive(Clone)]
pub struct ImageSigner {
    key: Arc<hmac::Key>,
}

impl ImageSigner {
    #[must_use]
    pub fn new(internal_secret: &SecretString) -> Self {
        Self {
            key: Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &derive_key(internal_secret, "image address"))),
        }
    }

    /// Hex of the first 128 bits: enough for an address that grants a public picture.
    #[must_use]
    pub fn sign(&self, source: &SourceRef) -> String {
        hex::encode(&hmac::sign(&self.key, source.key().as_bytes()).as_ref()[..16])
    }

    /// In constant time.
    #[must_use]
    pub fn verify(&self, source: &SourceRef, signature: &str) -> bool {
        let expected = self.sign(source);
        aws_lc_rs::constant_time::verify_slices_are_equal(expected.as_bytes(), signature.as_bytes()).is_ok()
    }
}

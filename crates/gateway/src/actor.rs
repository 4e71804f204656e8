//! Who may call a route stands in its signature: a handler takes exactly one of [`Anyone`],
//! [`SignedIn`] and [`AdminOnly`].

use axum::extract::FromRequestParts;
use http::{HeaderMap, header, request::Parts};
use songkeep_api::token::VerifiedAccess;
use songkeep_domain::{CallContext, ServiceError, ServiceResult};
use songkeep_http_kit::{ApiError, call_context};

use crate::GatewayState;

/// Longest `Authorization` that is looked at; ours are far shorter.
const MAX_AUTHORIZATION: usize = 4_096;

/// A call that needs no sign-in; a token that came along is not looked at.
pub(crate) struct Anyone(pub(crate) CallContext);

/// A call of a signed-in account: 401 unless the access token holds and its session stands.
pub(crate) struct SignedIn(pub(crate) CallContext, pub(crate) VerifiedAccess);

/// A call of an administrator: as [`SignedIn`], and 403 unless the account is an admin now.
pub(crate) struct AdminOnly(pub(crate) CallContext);

impl<S: Send + Sync> FromRequestParts<S> for Anyone {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(call_context(parts)))
    }
}

impl FromRequestParts<GatewayState> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &GatewayState) -> Result<Self, Self::Rejection> {
        let mut ctx = call_context(parts);
        let token = bearer(&parts.headers)?;
        let mut access = state
            .access_tokens
            .verify(token)
            .map_err(|error| ServiceError::unauthenticated().with_source(error))?;
        let actor = state.sessions.check(&ctx, &access).await?;
        // The role that the account has now, whatever the token says.
        access.actor = actor.clone();
        ctx.actor = Some(actor);
        Ok(Self(ctx, access))
    }
}

impl FromRequestParts<GatewayState> for AdminOnly {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &GatewayState) -> Result<Self, Self::Rejection> {
        let SignedIn(ctx, _) = SignedIn::from_request_parts(parts, state).await?;
        ctx.require_admin()?;
        Ok(Self(ctx))
    }
}

/// The token of the one `Authorization: Bearer`. Tokens are taken from nowhere else.
fn bearer(headers: &HeaderMap) -> ServiceResult<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let token = match (values.next(), values.next()) {
        (Some(value), None) if value.len() <= MAX_AUTHORIZATION => {
            value.to_str().ok().and_then(|value| value.split_once(' ')).and_then(|(scheme, token)| {
                let token = token.trim();
                (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
            })
        }
        _ => None,
    };
    token.ok_or_else(ServiceError::unauthenticated)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(values: &[&'static str]) -> HeaderMap {
        let values = values.iter().map(|value| (header::AUTHORIZATION, HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        values.for_each(|(name, value)| {
            headers.append(name, value);
        });
        headers
    }

    #[test]
    fn the_scheme_is_read_in_any_case() {
        for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c "] {
            assert_eq!(bearer(&headers(&[value])).ok(), Some("a.b.c"), "{value}");
        }
    }

    #[test]
    fn anything_but_one_bearer_token_is_none() {
        for values in [
            &[][..],
            &["Bearer"],
            &["Bearer "],
            &["Basic YTpi"],
            &["a.b.c"],
            &["Bearera.b.c"],
            &["Bearer a.b.c", "Bearer a.b.c"],
        ] {
            assert!(bearer(&headers(values)).is_err(), "{values:?}");
        }
    }
}

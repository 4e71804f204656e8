//! Who calls, and in what circumstances.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{ErrorCode, ServiceError, ServiceResult, SessionId, UserId, UserRole};

/// A signed-in account acting through one of its sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    pub user_id: UserId,
    pub session_id: SessionId,
    pub role: UserRole,
}

/// What is known of the program at the other end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientInfo {
    /// The address as far as trusted proxies vouch for it.
    pub ip: Option<IpAddr>,
    /// `User-Agent`, cut to 256 characters.
    pub user_agent: Option<String>,
}

/// Goes with every call of a service, local or remote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallContext {
    pub actor: Option<Actor>,
    pub client: ClientInfo,
    /// The id under which this request is found in every log.
    pub request_id: String,
    /// W3C trace context, when the caller sent one.
    pub traceparent: Option<String>,
}

impl CallContext {
    /// A call on behalf of `actor`, as tests and commands make it.
    #[must_use]
    pub fn for_actor(actor: Actor) -> Self {
        Self { actor: Some(actor), ..Self::default() }
    }

    /// # Errors
    /// `unauthenticated` when nobody is signed in.
    pub fn require_user(&self) -> ServiceResult<&Actor> {
        self.actor.as_ref().ok_or_else(ServiceError::unauthenticated)
    }

    /// # Errors
    /// `unauthenticated` when nobody is signed in, `forbidden` when the account is no admin.
    pub fn require_admin(&self) -> ServiceResult<&Actor> {
        let actor = self.require_user()?;
        if actor.role == UserRole::Admin {
            Ok(actor)
        } else {
            Err(ServiceError::new(ErrorCode::Forbidden, "Only an administrator may do this."))
        }
    }
}

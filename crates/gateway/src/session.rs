//! Whether the session of an access token still stands, asked of the auth service through a cache
//! short enough that an ended session is out everywhere within 5 s even when no news of it arrives.

use std::{sync::Arc, time::Duration};

use moka::future::Cache;
use songkeep_api::{auth::AuthClient, token::VerifiedAccess};
use songkeep_domain::{
    Actor, CallContext, ServiceError, ServiceResult, SessionId, UserId, session::SessionState,
};

/// Longest time that an answer of the auth service is believed.
const CACHE_TTL: Duration = Duration::from_secs(3);
const CACHED_SESSIONS: u64 = 100_000;

pub(crate) struct Sessions {
    auth: AuthClient,
    states: Cache<SessionId, Option<SessionState>>,
}

impl Sessions {
    pub(crate) fn new(auth: AuthClient) -> Self {
        let states = Cache::builder().max_capacity(CACHED_SESSIONS).time_to_live(CACHE_TTL).build();
        Self { auth, states }
    }

    /// The actor behind a verified token, with the role that the account has now.
    ///
    /// # Errors
    /// `unauthenticated` when the session has ended; the auth service's error when it cannot say.
    pub(crate) async fn check(&self, ctx: &CallContext, access: &VerifiedAccess) -> ServiceResult<Actor> {
        let session_id = access.actor.session_id;
        let state = self
            .states
            .try_get_with(session_id, self.auth.check_session(ctx, session_id))
            .await
            .map_err(|error| shared(&error))?;
        match state {
            Some(state) if state.alive && state.user_id == access.actor.user_id => {
                Ok(Actor { user_id: state.user_id, session_id, role: state.role })
            }
            _ => Err(ServiceError::unauthenticated()),
        }
    }

    /// As [`Self::check`], believing nothing that was heard before.
    pub(crate) async fn check_now(&self, ctx: &CallContext, access: &VerifiedAccess) -> ServiceResult<Actor> {
        self.forget_session(access.actor.session_id).await;
        self.check(ctx, access).await
    }

    pub(crate) async fn forget_session(&self, id: SessionId) {
        self.states.invalidate(&id).await;
    }

    pub(crate) async fn forget_user(&self, id: UserId) {
        let of_user = |state: &Option<SessionState>| state.as_ref().is_some_and(|state| state.user_id == id);
        let sessions: Vec<_> =
            self.states.iter().filter(|(_, state)| of_user(state)).map(|(session, _)| *session).collect();
        for session in sessions {
            self.forget_session(session).await;
        }
    }

    pub(crate) fn forget_all(&self) {
        self.states.invalidate_all();
    }
}

/// The same error for each of those who waited for one answer.
fn shared(error: &Arc<ServiceError>) -> ServiceError {
    let copy = ServiceError {
        fields: error.fields.clone(),
        retry_after: error.retry_after,
        ..ServiceError::new(error.code, error.detail.clone())
    };
    if error.source.is_some() { copy.with_source(Arc::clone(error)) } else { copy }
}

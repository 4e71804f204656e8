//! The signed addresses that listeners come with. A player asks for a song in many pieces, so what a
//! token says is remembered for a while; whether it still holds is the business of `grants`.

use std::{borrow::Cow, sync::Arc, time::Duration};

use moka::future::Cache;
use songkeep_api::token::{StreamAccess, StreamTokens, TokenError, VerifiedStream};
use songkeep_domain::{Clock, SongId};

const MAX_REMEMBERED: u64 = 5_000;
/// Without a request.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);

pub(crate) struct Addresses {
    tokens: StreamTokens,
    clock: Arc<dyn Clock>,
    verified: Cache<String, VerifiedStream>,
}

impl Addresses {
    pub(crate) fn new(tokens: StreamTokens, clock: Arc<dyn Clock>) -> Self {
        let verified = Cache::builder().max_capacity(MAX_REMEMBERED).time_to_idle(REMEMBERED_FOR).build();
        Self { tokens, clock, verified }
    }

    /// Who may hear the song, by the query of the address.
    ///
    /// # Errors
    /// When its token is missing, not ours, for another song, or expired.
    pub(crate) async fn verify(&self, query: &str, song_id: SongId) -> Result<StreamAccess, TokenError> {
        let token = find_token(query);
        let known =
            self.verified.get(token.as_ref()).await.filter(|known| self.clock.now() < known.expires_at);
        let verified = match known {
            Some(verified) => verified,
            None => {
                let verified = self.tokens.read(&token)?;
                self.verified.insert(token.into_owned(), verified).await;
                verified
            }
        };
        if verified.access.song_id == song_id { Ok(verified.access) } else { Err(TokenError::OtherSong) }
    }
}

/// The first `token` of a query; empty when there is none, which is no valid token.
fn find_token(query: &str) -> Cow<'_, str> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    match query.strip_prefix("token=") {
        // As we write it.
        Some(token) if !token.contains(['%', '+', '&']) => Cow::Borrowed(token),
        _ => pairs.find(|(name, _)| name == "token").map(|(_, token)| token).unwrap_or_default(),
    }
}

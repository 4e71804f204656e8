//! One client's stream of events: what it missed, then what happens, without a gap and without
//! repeats, until the access token expires or the session ends.

use std::{collections::VecDeque, convert::Infallible, pin::Pin};

use axum::response::sse;
use futures::Stream;
use songkeep_api::{download::ListEvents, token::VerifiedAccess, wire};
use songkeep_domain::{
    CallContext, ServiceError, ServiceResult,
    event::{Event, EventBody, EventsAfter, LibraryChange},
};
use tokio::time::{Interval, MissedTickBehavior, Sleep};

use super::hub::{Signal, Subscription};
use crate::GatewayState;

/// Events asked for at once while catching up; also bounds what waits for a slow client.
const PAGE: u32 = 200;

/// What a client says it saw last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResumeFrom {
    /// Nothing: it wants what happens from now on.
    Now,
    After(i64),
    /// An id that we never gave.
    Unknown,
}

impl ResumeFrom {
    /// Reads `Last-Event-ID`.
    pub(crate) fn parse(last_event_id: Option<&str>) -> Self {
        match last_event_id {
            None | Some("") => Self::Now,
            Some(text) => match text.parse() {
                Ok(seq) if seq >= 0 => Self::After(seq),
                _ => Self::Unknown,
            },
        }
    }
}

pub(crate) struct Feed {
    state: GatewayState,
    ctx: CallContext,
    access: VerifiedAccess,
    signals: Subscription,
    /// `seq` of the last event that went into `waiting`.
    seen: i64,
    waiting: VecDeque<sse::Event>,
    /// More may be found after `seen` than is in `waiting`.
    behind: bool,
    recheck: Interval,
    expiry: Pin<Box<Sleep>>,
}

impl Feed {
    /// Listens first and looks back then, so that nothing falls between.
    ///
    /// # Errors
    /// When the download service cannot say what happened.
    pub(crate) async fn open(
        state: GatewayState,
        ctx: CallContext,
        access: VerifiedAccess,
        from: ResumeFrom,
    ) -> ServiceResult<Self> {
        let signals = state.hub.subscribe(access.actor.user_id);
        let rhythm = state.settings.events.recheck;
        let mut recheck = tokio::time::interval_at(tokio::time::Instant::now() + rhythm, rhythm);
        recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let left = access.expires_at.since(state.clock.now());
        let mut feed = Self {
            state,
            ctx,
            access,
            signals,
            seen: 0,
            waiting: VecDeque::new(),
            behind: false,
            recheck,
            expiry: Box::pin(tokio::time::sleep(left)),
        };
        match from {
            ResumeFrom::Now => {
                feed.seen = feed.newest_seq().await?;
                // An id without data: a client that is cut off before its first event resumes here.
                let hello = sse::Event::default().comment("connected").id(feed.seen.to_string());
                feed.waiting.push_back(hello);
            }
            ResumeFrom::After(seq) => {
                feed.waiting.push_back(sse::Event::default().comment("connected"));
                feed.seen = seq;
                feed.catch_up().await?;
            }
            ResumeFrom::Unknown => feed.reset().await?,
        }
        Ok(feed)
    }

    pub(crate) fn into_stream(self) -> impl Stream<Item = Result<sse::Event, Infallible>> + Send + 'static {
        futures::stream::unfold(self, |mut feed| async move {
            let event = feed.next().await?;
            Some((Ok(event), feed))
        })
    }

    /// None at the end: expired, signed out, or a service is away; the client may resume.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if self.state.clock.now() >= self.access.expires_at {
                return None;
            }
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            if self.behind {
                self.catch_up().await.ok()?;
                continue;
            }
            tokio::select! {
                () = &mut self.expiry => return None,
                _ = self.recheck.tick() => self.still_signed_in().await?,
                signal = self.signals.next() => self.take(signal).await?,
            }
        }
    }

    async fn take(&mut self, signal: Signal) -> Option<()> {
        match signal {
            Signal::Event(event) if event.seq <= self.seen => {}
            Signal::Event(event) if event.seq == self.seen + 1 => self.push(&event),
            Signal::Event(_) | Signal::CatchUp => self.behind = true,
            Signal::Recheck => self.still_signed_in().await?,
            Signal::SessionEnded(id) if id == self.access.actor.session_id => return None,
            Signal::Close => return None,
            Signal::SessionEnded(_) => {}
        }
        Some(())
    }

    /// None when the session has ended, or nobody can say that it stands.
    async fn still_signed_in(&mut self) -> Option<()> {
        self.state.sessions.check_now(&self.ctx, &self.access).await.ok().map(drop)
    }

    async fn catch_up(&mut self) -> ServiceResult<()> {
        let request = ListEvents { after_seq: self.seen, limit: PAGE };
        match self.state.download.list_events(&self.ctx, request).await? {
            EventsAfter::Gap => self.reset().await,
            EventsAfter::Events(events) => {
                // The service may give fewer than asked for, so only an empty answer is the end.
                self.behind = !events.is_empty();
                for event in &events {
                    self.push(event);
                }
                Ok(())
            }
        }
    }

    /// Tells the client to load everything afresh, and goes on from the newest event.
    async fn reset(&mut self) -> ServiceResult<()> {
        self.seen = self.newest_seq().await?;
        self.behind = false;
        let reset = sse::Event::default().event("reset").id(self.seen.to_string()).data("{}");
        self.waiting.push_back(reset);
        Ok(())
    }

    async fn newest_seq(&self) -> ServiceResult<i64> {
        self.state.download.last_event_seq(&self.ctx, ()).await
    }

    fn push(&mut self, event: &Event) {
        self.seen = event.seq;
        match encode(event) {
            Ok(event) => self.waiting.push_back(event),
            Err(error) => tracing::error!(seq = event.seq, error = %error, "an event cannot be written"),
        }
    }
}

fn encode(event: &Event) -> Result<sse::Event, ServiceError> {
    let (name, data) = match event.body.clone() {
        EventBody::Job { job } => ("job", serde_json::to_string(&wire::Job::from(*job))),
        EventBody::Library { change, song_id, song } => {
            let change = match change {
                LibraryChange::Added => "added",
                LibraryChange::Updated => "updated",
                LibraryChange::Removed => "removed",
            };
            let song = song.map(|song| wire::Song::from(*song));
            let data = wire::LibraryEvent { change: change.to_owned(), song_id: song_id.0, song };
            ("library", serde_json::to_string(&data))
        }
    };
    let data = data.map_err(ServiceError::internal)?;
    Ok(sse::Event::default().event(name).id(event.seq.to_string()).data(data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_client_saw_last() {
        assert_eq!(ResumeFrom::parse(None), ResumeFrom::Now);
        assert_eq!(ResumeFrom::parse(Some("0")), ResumeFrom::After(0));
        assert_eq!(ResumeFrom::parse(Some("42")), ResumeFrom::After(42));
        for text in ["-1", "abc", "9223372036854775808", "1.5", " 1"] {
            assert_eq!(ResumeFrom::parse(Some(text)), ResumeFrom::Unknown, "{text}");
        }
    }
}

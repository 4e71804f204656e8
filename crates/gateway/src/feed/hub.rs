//! Fans the process's one bus subscription out to open streams, by account. Keeps nothing: a stream
//! that falls behind asks the download service for what it missed.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use songkeep_domain::{SessionId, UserId, event::Event};
use tokio::sync::broadcast;

/// Signals that wait for one slow stream before it has to catch up.
const BUFFERED: usize = 64;

#[derive(Clone, Debug)]
pub(crate) enum Signal {
    Event(Arc<Event>),
    /// Something may have been missed.
    CatchUp,
    /// The account changed: look whether the session still stands.
    Recheck,
    SessionEnded(SessionId),
    /// This node stops.
    Close,
}

#[derive(Default)]
pub(crate) struct Hub {
    accounts: Mutex<HashMap<UserId, broadcast::Sender<Signal>>>,
}

/// Signals for one stream; leaving is by dropping it.
pub(crate) struct Subscription {
    hub: Arc<Hub>,
    user: UserId,
    signals: Option<broadcast::Receiver<Signal>>,
}

impl Hub {
    /// Everything for `user` from now on.
    pub(crate) fn subscribe(self: &Arc<Self>, user: UserId) -> Subscription {
        let signals = self.lock().entry(user).or_insert_with(|| broadcast::Sender::new(BUFFERED)).subscribe();
        Subscription { hub: Arc::clone(self), user, signals: Some(signals) }
    }

    pub(crate) fn event(&self, event: Event) {
        let user = event.user_id;
        self.send(user, || Signal::Event(Arc::new(event)));
    }

    pub(crate) fn user_changed(&self, user: UserId) {
        self.send(user, || Signal::Recheck);
    }

    /// Whose session it was is not known here: every stream compares.
    pub(crate) fn session_ended(&self, session: SessionId) {
        self.send_all(&Signal::SessionEnded(session));
    }

    /// Ends all streams, so that they do not hold up the end of the process; clients resume elsewhere.
    pub(crate) fn close(&self) {
        self.send_all(&Signal::Close);
    }

    pub(crate) fn lagged(&self) {
        self.send_all(&Signal::CatchUp);
        self.send_all(&Signal::Recheck);
    }

    // Sending fails only when the last stream is just leaving.
    fn send(&self, user: UserId, signal: impl FnOnce() -> Signal) {
        if let Some(sender) = self.lock().get(&user) {
            let _ = sender.send(signal());
        }
    }

    fn send_all(&self, signal: &Signal) {
        for sender in self.lock().values() {
            let _ = sender.send(signal.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, broadcast::Sender<Signal>>> {
        // Nothing that panics happens under the lock, and a map of senders cannot be half-changed.
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subscription {
    /// The next signal; `CatchUp` when this stream was too slow.
    pub(crate) async fn next(&mut self) -> Signal {
        match self.signals.as_mut() {
            Some(signals) => match signals.recv().await {
                Ok(signal) => signal,
                Err(broadcast::error::RecvError::Lagged(_)) => Signal::CatchUp,
                // The sender lives as long as it has receivers.
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut accounts = self.hub.lock();
        self.signals = None;
        if let Entry::Occupied(entry) = accounts.entry(self.user)
            && entry.get().receiver_count() == 0
        {
            entry.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use songkeep_domain::{
        SongId, Timestamp,
        event::{EventBody, LibraryChange},
    };

    use super::*;

    fn event(user_id: UserId, seq: i64) -> Event {
        let body = EventBody::Library { change: LibraryChange::Removed, song_id: SongId::new(), song: None };
        Event { user_id, seq, at: Timestamp::from_micros(0), body }
    }

    #[tokio::test]
    async fn an_account_hears_its_own_events_only_and_is_forgotten_with_its_last_stream() {
        let hub = Arc::new(Hub::default());
        let (ada, bob) = (UserId::new(), UserId::new());
        let mut first = hub.subscribe(ada);
        let second = hub.subscribe(ada);
        hub.event(event(bob, 1));
        hub.event(event(ada, 7));
        assert!(matches!(first.next().await, Signal::Event(event) if event.seq == 7));
        drop(first);
        assert_eq!(hub.lock().len(), 1);
        drop(second);
        assert!(hub.lock().is_empty());
    }

    #[tokio::test]
    async fn a_stream_that_is_too_slow_is_told_to_catch_up() {
        let hub = Arc::new(Hub::default());
        let ada = UserId::new();
        let mut stream = hub.subscribe(ada);
        for seq in 1..=200 {
            hub.event(event(ada, seq));
        }
        assert!(matches!(stream.next().await, Signal::CatchUp));
    }
}

//! The connections to Redis, made again and again for as long as the bus lives.

use std::{future::pending, sync::Arc, time::Duration};

use futures::StreamExt as _;
use redis::{AsyncConnectionConfig, Client, Value, aio::MultiplexedConnection, aio::PubSub};
use songkeep_domain::bus::Notice;
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    backoff::Backoff,
    failure::Failure,
    metrics,
    outbox::Sending,
    wakeups::{self, Wakeups},
};
use crate::fanout::WeakFanout;

/// How often a silent connection is tried.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(5);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// For all connections and what is said first on them.
const OPEN_LIMIT: Duration = Duration::from_secs(15);
/// A server that takes longer for anything is taken for dead.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// What this process and the things in Redis are called.
pub(super) struct Names {
    /// Of this process, and unique to it.
    pub origin: String,
    pub stream: String,
    /// Channels belong to the whole server: the number of the database keeps two of them apart.
    pub channel: String,
}

impl Names {
    pub fn new(namespace: &str, database: i64) -> Self {
        Self {
            origin: uuid::Uuid::new_v4().simple().to_string(),
            stream: format!("{namespace}:jobs"),
            channel: format!("{namespace}:{database}:news"),
        }
    }

    /// A message: who tells it, a space, the notice as JSON.
    pub fn pack(&self, notice: &Notice) -> Vec<u8> {
        let mut message = format!("{} ", self.origin).into_bytes();
        serde_json::to_writer(&mut message, notice).expect("notices are plain data");
        message
    }

    /// None when it is one of our own, which was told here already.
    fn unpack(&self, message: &[u8]) -> Option<Notice> {
        let space = message.iter().position(|byte| *byte == b' ').unwrap_or(message.len());
        let (origin, json) = message.split_at(space);
        if origin == self.origin.as_bytes() {
            return None;
        }
        Some(serde_json::from_slice(json).unwrap_or_else(|error| {
            tracing::warn!(%error, "a message on the bus cannot be read");
            Notice::Lagged
        }))
    }
}

pub(super) struct Session {
    pub client: Client,
    pub names: Arc<Names>,
    pub wants_jobs: bool,
    pub forget_consumers_after: Duration,
    pub fanout: WeakFanout,
    pub sending: Sending,
    /// The connection for commands, while there is one.
    pub link: watch::Sender<Option<MultiplexedConnection>>,
    pub closing: CancellationToken,
}

struct Connections {
    link: MultiplexedConnection,
    news: PubSub,
    wakeups: Option<Wakeups>,
}

impl Session {
    /// Runs until the bus is closed.
    pub async fn keep_alive(mut self) {
        let mut backoff = Backoff::new();
        let mut before = false;
        let mut warned = false;
        let closing = self.closing.clone();
        loop {
            let opened = tokio::select! {
                () = closing.cancelled() => break,
                opened = timeout(OPEN_LIMIT, self.open()) => opened.unwrap_or(Err(Failure::Timeout)),
            };
            let failure = match opened {
                Ok(connections) => {
                    tracing::info!("connected to Redis");
                    if before {
                        metrics::reconnected();
                    }
                    before = true;
                    let since = Instant::now();
                    let Some(failure) = self.run(connections).await else { break };
                    backoff.held_for(since.elapsed());
                    warned = false;
                    failure
                }
                Err(failure) => failure,
            };
            self.sending.give_up();
            if warned {
                tracing::debug!(error = %failure, "Redis is still away");
            } else {
                tracing::warn!(error = %failure, "Redis is away: news stay in the process meanwhile");
                warned = true;
            }
            tokio::select! {
                () = closing.cancelled() => break,
                () = sleep(backoff.next()) => {}
            }
        }
        self.sending.give_up();
    }

    async fn open(&self) -> Result<Connections, Failure> {
        let link = self.connect(ANSWER_LIMIT).await?;
        let mut news = self.client.get_async_pubsub().await?;
        news.subscribe(&self.names.channel).await?;
        let mut wakeups = None;
        if self.wants_jobs {
            let link = self.connect(wakeups::BLOCK + ANSWER_LIMIT).await?;
            let prepared = wakeups.insert(Wakeups {
                link,
                stream: self.names.stream.clone(),
                consumer: self.names.origin.clone(),
                forget_after: self.forget_consumers_after,
                fanout: self.fanout.clone(),
            });
            prepared.prepare().await?;
        }
        Ok(Connections { link, news, wakeups })
    }

    async fn connect(&self, answer_limit: Duration) -> Result<MultiplexedConnection, Failure> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_LIMIT))
            .set_response_timeout(Some(answer_limit));
        Ok(self.client.get_multiplexed_async_connection_with_config(&config).await?)
    }

    /// Runs until one of the connections fails, which gives up the others; None when the bus is closed.
    async fn run(&mut self, connections: Connections) -> Option<Failure> {
        let Connections { mut link, news, wakeups } = connections;
        // Whatever was told before the subscription is missed.
        self.fanout.tell(Notice::Lagged);
        self.link.send_replace(Some(link.clone()));
        metrics::connected(true);
        let wakeups = async {
            match wakeups {
                Some(wakeups) => wakeups.run().await,
                None => pending().await,
            }
        };
        let ended = tokio::select! {
            ended = self.sending.run(link.clone(), &self.closing) => ended,
            failure = listen(news, &self.names, &self.fanout) => Some(failure),
            error = wakeups => Some(error.into()),
        };
        self.link.send_replace(None);
        metrics::connected(false);
        if ended.is_none()
            && self.wants_jobs
            && let Err(error) =
                wakeups::delete_consumer(&mut link, &self.names.stream, &self.names.origin).await
        {
            tracing::debug!(%error, "others have to remove this process from the readers of wake-ups");
        }
        ended
    }
}

/// Tells what others tell, until the connection fails.
async fn listen(news: PubSub, names: &Names, fanout: &WeakFanout) -> Failure {
    let (mut sink, mut messages) = news.split();
    let mut beat = interval(HEARTBEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            message = messages.next() => match message {
                Some(message) => {
                    if let Some(notice) = names.unpack(message.get_payload_bytes()) {
                        fanout.tell(notice);
                    }
                }
                None => return Failure::Closed,
            },
            _ = beat.tick() => match timeout(ANSWER_LIMIT, sink.ping::<Value>()).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return error.into(),
                Err(_) => return Failure::Timeout,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use songkeep_domain::SessionId;

    use super::*;

    #[test]
    fn a_message_is_read_by_everybody_but_its_sender() {
        let (names, others) = (Names::new("a", 0), Names::new("a", 0));
        let notice = Notice::SessionEnded { session_id: SessionId::new() };
        let message = names.pack(&notice);
        assert_eq!(names.unpack(&message), None);
        assert_eq!(others.unpack(&message), Some(notice));
    }

    #[test]
    fn what_cannot_be_read_may_have_been_anything() {
        let names = Names::new("a", 0);
        for message in ["", " ", "x", "x {}", "x {\"notice\":\"from_the_future\"}", "\u{0}"] {
            assert_eq!(names.unpack(message.as_bytes()), Some(Notice::Lagged), "{message:?}");
        }
    }
}

//! What this process has to tell the others: a bounded queue, and the task's side that sends it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use redis::{Pipeline, RedisResult, Value, aio::MultiplexedConnection};
use songkeep_domain::bus::Notice;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    failure::{Failure, is_refusal},
    metrics,
    session::{HEARTBEAT, Names},
};
use crate::fanout::WeakFanout;

/// Notices that may wait for Redis: some seconds of a busy process, some megabytes.
const CAPACITY: usize = 4_096;
/// Notices sent at once, so that a limit that is checked in between waits for no more than these.
const BATCH: usize = 64;
/// Wake-ups kept in the stream, at least.
const KEPT_WAKEUPS: usize = 1_000;
/// How long [`Outbox::deliver`] waits for room and for the answer, each.
const DELIVERY_LIMIT: Duration = Duration::from_secs(2);
/// How often the others are told that they missed something while more and more is dropped.
const TELL_MISSED_EVERY: Duration = Duration::from_secs(1);

struct Parcel {
    notice: Notice,
    delivered: Option<oneshot::Sender<Result<(), Failure>>>,
}

/// What to do about notices that cannot be delivered.
#[derive(Clone)]
struct Losses {
    /// Others must be told that they missed something.
    untold: Arc<AtomicBool>,
    /// Where a wake-up goes that cannot be shared; None when no jobs are wanted here.
    wakes: Option<WeakFanout>,
}

impl Losses {
    fn lose(&self, notice: &Notice) {
        metrics::dropped(1);
        self.untold.store(true, Ordering::Relaxed);
        if let (Notice::JobReady, Some(fanout)) = (notice, &self.wakes) {
            fanout.tell(Notice::JobReady);
        }
    }
}

/// The side that never waits.
pub(super) struct Outbox {
    queue: mpsc::Sender<Parcel>,
    losses: Losses,
}

impl Outbox {
    /// `wakes` are those to wake when a wake-up cannot be shared.
    pub fn new(names: Arc<Names>, wakes: Option<WeakFanout>) -> (Self, Sending) {
        let (queue, waiting) = mpsc::channel(CAPACITY);
        let losses = Losses { untold: Arc::default(), wakes };
        let sending =
            Sending { waiting, batch: Vec::with_capacity(BATCH), losses: losses.clone(), names, told: None };
        (Self { queue, losses }, sending)
    }

    pub fn push(&self, notice: Notice) {
        if let Err(error) = self.queue.try_send(Parcel { notice, delivered: None }) {
            self.losses.lose(&error.into_inner().notice);
        }
    }

    /// Without a connection nothing is kept: it would be old news when there is one again.
    pub fn lose(&self, notice: &Notice) {
        self.losses.lose(notice);
    }

    /// Waits until Redis has it.
    pub async fn deliver(&self, notice: Notice) -> Result<(), Failure> {
        let Ok(room) = timeout(DELIVERY_LIMIT, self.queue.reserve()).await else {
            self.losses.lose(&notice);
            return Err(Failure::QueueFull);
        };
        let Ok(room) = room else {
            self.losses.lose(&notice);
            return Err(Failure::NotConnected);
        };
        let (delivered, answer) = oneshot::channel();
        room.send(Parcel { notice, delivered: Some(delivered) });
        timeout(DELIVERY_LIMIT, answer).await?.unwrap_or(Err(Failure::NotConnected))
    }
}

/// The task's side.
pub(super) struct Sending {
    waiting: mpsc::Receiver<Parcel>,
    /// On their way; still here when the connection fails meanwhile.
    batch: Vec<Parcel>,
    losses: Losses,
    names: Arc<Names>,
    told: Option<Instant>,
}

impl Sending {
    /// Runs until the connection fails, or to the end of what waits when `closing`: then it returns None.
    pub async fn run(
        &mut self,
        mut link: MultiplexedConnection,
        closing: &CancellationToken,
    ) -> Option<Failure> {
        let mut beat = interval(HEARTBEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let sent = tokio::select! {
                () = closing.cancelled() => {
                    self.finish(&mut link).await;
                    return None;
                }
                _ = self.waiting.recv_many(&mut self.batch, BATCH) => self.send(&mut link).await,
                _ = beat.tick() => redis::cmd("PING").query_async(&mut link).await.map_err(Failure::from),
            };
            if let Err(failure) = sent {
                return Some(failure);
            }
            if let Err(failure) = self.tell_missed(&mut link).await {
                return Some(failure);
            }
        }
    }

    async fn finish(&mut self, link: &mut MultiplexedConnection) {
        self.waiting.close();
        while self.waiting.recv_many(&mut self.batch, BATCH).await > 0 {
            if let Err(error) = self.send(link).await {
                tracing::warn!(%error, "the last notices were not told");
                return;
            }
        }
    }

    /// Drops all that waits.
    pub fn give_up(&mut self) {
        while let Ok(parcel) = self.waiting.try_recv() {
            self.batch.push(parcel);
        }
        for parcel in self.batch.drain(..) {
            self.losses.lose(&parcel.notice);
            answer(parcel.delivered, Err(Failure::NotConnected));
        }
    }

    /// Sends the batch. When the connection fails, it is still there.
    async fn send(&mut self, link: &mut MultiplexedConnection) -> Result<(), Failure> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let mut pipeline = Pipeline::with_capacity(self.batch.len());
        pipeline.ignore_errors();
        for parcel in &self.batch {
            self.add(&mut pipeline, &parcel.notice);
        }
        let answers: Vec<RedisResult<Value>> = pipeline.query_async(link).await?;
        let mut broken = None;
        let mut refused = None;
        for (parcel, redis) in self.batch.drain(..).zip(answers) {
            let result = redis.map(drop).map_err(|error| {
                self.losses.lose(&parcel.notice);
                if is_refusal(&error) {
                    refused = Some(error.clone());
                } else {
                    broken = Some(error.clone());
                }
                Failure::from(error)
            });
            answer(parcel.delivered, result);
        }
        if let Some(error) = refused {
            tracing::warn!(%error, "Redis refused notices");
        }
        broken.map_or(Ok(()), |error| Err(error.into()))
    }

    fn add(&self, pipeline: &mut Pipeline, notice: &Notice) {
        if matches!(notice, Notice::JobReady) {
            let wakeup = pipeline.cmd("XADD").arg(&self.names.stream);
            wakeup.arg("MAXLEN").arg("~").arg(KEPT_WAKEUPS).arg("*").arg("from").arg(&self.names.origin);
        } else {
            pipeline.cmd("PUBLISH").arg(&self.names.channel).arg(self.names.pack(notice));
        }
    }

    /// After notices were dropped, tells the others so, once the rush is over or when it goes on and on.
    async fn tell_missed(&mut self, link: &mut MultiplexedConnection) -> Result<(), Failure> {
        let due = || self.told.is_none_or(|told| told.elapsed() >= TELL_MISSED_EVERY);
        if !self.losses.untold.load(Ordering::Relaxed) || !(self.waiting.is_empty() || due()) {
            return Ok(());
        }
        self.losses.untold.store(false, Ordering::Relaxed);
        self.told = Some(Instant::now());
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(&self.names.channel).arg(self.names.pack(&Notice::Lagged));
        let told: RedisResult<()> = publish.query_async(link).await;
        let Err(error) = told else { return Ok(()) };
        self.losses.untold.store(true, Ordering::Relaxed);
        if is_refusal(&error) { Ok(()) } else { Err(error.into()) }
    }
}

fn answer(delivered: Option<oneshot::Sender<Result<(), Failure>>>, result: Result<(), Failure>) {
    if let Some(delivered) = delivered {
        // Nobody waits any more when it took too long.
        let _ = delivered.send(result);
    }
}

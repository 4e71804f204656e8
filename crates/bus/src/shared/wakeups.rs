//! Wake-ups for jobs: a stream that is read by a group, so that each of them wakes one process. They
//! are not acknowledged: the database knows what waits, and is polled.

use std::time::Duration;

use redis::{
    RedisError, RedisResult, Value, aio::MultiplexedConnection, cmd, streams::StreamInfoConsumersReply,
};
use songkeep_domain::bus::Notice;
use tokio::time::sleep;

use super::failure::is_refusal;
use crate::fanout::WeakFanout;

const GROUP: &str = "workers";
/// How long one read waits for news.
pub(super) const BLOCK: Duration = Duration::from_secs(5);
/// How long to leave a stream alone that the server lets nobody use, for want of memory or permission.
const AFTER_REFUSAL: Duration = Duration::from_secs(5);

/// Tells the wake-ups that this process is to have.
pub(super) struct Wakeups {
    /// Of its own, because reading blocks it.
    pub link: MultiplexedConnection,
    pub stream: String,
    pub consumer: String,
    pub forget_after: Duration,
    pub fanout: WeakFanout,
}

impl Wakeups {
    /// Makes what is read from, and removes consumers whose process is gone.
    pub async fn prepare(&mut self) -> RedisResult<()> {
        let prepared = match self.ensure_group().await {
            Ok(()) => self.forget_idle().await,
            failed => failed,
        };
        match prepared {
            // Then the database's poll must do, and the rest of the bus works.
            Err(error) if is_refusal(&error) => {
                tracing::warn!(%error, "Redis refuses to hold the wake-ups for jobs");
                Ok(())
            }
            prepared => prepared,
        }
    }

    /// Runs until the connection fails.
    pub async fn run(mut self) -> RedisError {
        loop {
            let next = match self.read().await {
                Ok(true) => {
                    self.fanout.tell(Notice::JobReady);
                    continue;
                }
                Ok(false) => continue,
                Err(error) if is_gone(&error) => {
                    tracing::info!("Redis forgot the wake-ups for jobs: starting afresh");
                    let made = self.ensure_group().await;
                    // One may have come while nobody could hear it.
                    self.fanout.tell(Notice::JobReady);
                    made
                }
                Err(error) => Err(error),
            };
            match next {
                Ok(()) => {}
                Err(error) if is_refusal(&error) => {
                    tracing::warn!(%error, "Redis refuses to hold the wake-ups for jobs");
                    sleep(AFTER_REFUSAL).await;
                }
                Err(error) => return error,
            }
        }
    }

    /// Whether one came within the time. One at a time, so that no process takes those of others.
    async fn read(&mut self) -> RedisResult<bool> {
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP").arg(GROUP).arg(&self.consumer).arg("COUNT").arg(1);
        read.arg("BLOCK").arg(BLOCK.as_millis() as usize).arg("NOACK");
        read.arg("STREAMS").arg(&self.stream).arg(">");
        let answer: Value = read.query_async(&mut self.link).await?;
        Ok(answer != Value::Nil)
    }

    /// A new group begins with what comes next: whoever makes it looks at the database anyway.
    async fn ensure_group(&mut self) -> RedisResult<()> {
        let mut create = cmd("XGROUP");
        create.arg("CREATE").arg(&self.stream).arg(GROUP).arg("$").arg("MKSTREAM");
        match create.query_async(&mut self.link).await {
            Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
            made => made,
        }
    }

    async fn forget_idle(&mut self) -> RedisResult<()> {
        let mut list = cmd("XINFO");
        list.arg("CONSUMERS").arg(&self.stream).arg(GROUP);
        let reply: StreamInfoConsumersReply = list.query_async(&mut self.link).await?;
        let longest = usize::try_from(self.forget_after.as_millis()).unwrap_or(usize::MAX);
        for consumer in reply.consumers {
            if consumer.idle > longest && consumer.name != self.consumer {
                delete_consumer(&mut self.link, &self.stream, &consumer.name).await?;
            }
        }
        Ok(())
    }
}

/// A consumer that still lives comes back with its next read.
pub(super) async fn delete_consumer(
    link: &mut MultiplexedConnection,
    stream: &str,
    consumer: &str,
) -> RedisResult<()> {
    cmd("XGROUP").arg("DELCONSUMER").arg(stream).arg(GROUP).arg(consumer).query_async(link).await
}

/// Whether the stream or its group is no more.
fn is_gone(error: &RedisError) -> bool {
    matches!(error.code(), Some("NOGROUP" | "UNBLOCKED"))
}

//! The threads that hash passwords. Hashing takes tens of milliseconds and megabytes, so there are as
//! many threads as cores and a short queue before them; whoever finds it full is sent away. Each thread
//! keeps its memory from one password to the next, because fresh memory costs a twelfth of the work,
//! and gives it back when nobody has come for a moment.

use std::{
    collections::VecDeque,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use argon2::{Block, Params};
use tokio::sync::oneshot;

use crate::metrics;

type Work = Box<dyn FnOnce(&mut Memory) + Send>;

/// How long an idle thread keeps its memory.
const KEPT_FOR: Duration = Duration::from_secs(2);

/// What passwords are hashed in.
#[derive(Default)]
pub(crate) struct Memory(Vec<Block>);

impl Memory {
    /// As much as these parameters ask for; what it holds means nothing.
    pub fn of(&mut self, params: &Params) -> &mut [Block] {
        let count = params.block_count();
        if self.0.len() < count {
            self.0.resize(count, Block::default());
        }
        &mut self.0[..count]
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PoolError {
    #[error("too many passwords wait to be hashed")]
    Full,
    #[error("hashing a password panicked")]
    Panicked,
}

/// Its threads end with it, after the work that they have begun.
pub(crate) struct HashPool(Arc<Shared>);

struct Shared {
    queue: Mutex<Queue>,
    /// Wakes one idle thread.
    wake: Condvar,
    most_waiting: usize,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Work>,
    closed: bool,
}

impl HashPool {
    /// # Errors
    /// When the system gives no more threads.
    pub fn start(threads: usize, most_waiting: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared { queue: Mutex::default(), wake: Condvar::new(), most_waiting });
        let pool = Self(Arc::clone(&shared));
        for _ in 0..threads {
            let shared = Arc::clone(&shared);
            thread::Builder::new().name("songkeep-hash".to_owned()).spawn(move || shared.serve())?;
        }
        Ok(pool)
    }

    /// # Errors
    /// `Full` at once, when enough wait already.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, PoolError> {
        let (answer, answered) = oneshot::channel();
        self.0.push(Box::new(move |memory| {
            // Who asked may have gone away meanwhile; nothing is hashed for nobody.
            if !answer.is_closed() {
                let _ = answer.send(work(memory));
            }
        }))?;
        answered.await.map_err(|_| PoolError::Panicked)
    }
}

impl Drop for HashPool {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.wake.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No work runs under the lock, so a panic cannot leave the queue in disorder.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, work: Work) -> Result<(), PoolError> {
        let mut queue = self.lock();
        if queue.waiting.len() >= self.most_waiting {
            return Err(PoolError::Full);
        }
        queue.waiting.push_back(work);
        metrics::hash_queue(queue.waiting.len());
        drop(queue);
        self.wake.notify_one();
        Ok(())
    }

    /// None when the pool has gone and all work is done. Frees the memory when there is none for a while.
    fn pop(&self, memory: &mut Memory) -> Option<Work> {
        let mut queue = self.lock();
        loop {
            if let Some(work) = queue.waiting.pop_front() {
                metrics::hash_queue(queue.waiting.len());
                return Some(work);
            }
            if queue.closed {
                return None;
            }
            queue = if memory.0.is_empty() {
                self.wake.wait(queue).unwrap_or_else(PoisonError::into_inner)
            } else {
                let (queue, waited) =
                    self.wake.wait_timeout(queue, KEPT_FOR).unwrap_or_else(PoisonError::into_inner);
                if waited.timed_out() && queue.waiting.is_empty() {
                    drop(queue);
                    *memory = Memory::default();
                    self.lock()
                } else {
                    queue
                }
            };
        }
    }

    fn serve(&self) {
        let mut memory = Memory::default();
        while let Some(work) = self.pop(&mut memory) {
            // The panic itself has been told by the hook; who asked hears of it, and the thread goes on.
            let _ = catch_unwind(AssertUnwindSafe(|| work(&mut memory)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn sends_away_whoever_finds_the_queue_full_and_goes_on_afterwards() {
        let pool = HashPool::start(1, 2).expect("a thread");
        let (begun, has_begun) = mpsc::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let mut first = Box::pin(pool.run(move |_| {
            begun.send(()).expect("the test listens");
            may_go_on.recv().expect("the test tells");
            1
        }));
        assert!((&mut first).now_or_never().is_none());
        has_begun.recv().expect("the work begins");
        let mut second = Box::pin(pool.run(|_| 2));
        let mut third = Box::pin(pool.run(|_| 3));
        assert!((&mut second).now_or_never().is_none());
        assert!((&mut third).now_or_never().is_none());
        assert_eq!(pool.run(|_| 4).await, Err(PoolError::Full));
        go_on.send(()).expect("the work waits");
        assert_eq!((first.await, second.await, third.await), (Ok(1), Ok(2), Ok(3)));
        assert_eq!(pool.run(|_| 5).await, Ok(5));
    }

    #[tokio::test]
    async fn does_nothing_for_callers_who_went_away() {
        let pool = HashPool::start(1, 10).expect("a thread");
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let mut first = Box::pin(pool.run(move |_| may_go_on.recv().expect("the test tells")));
        assert!((&mut first).now_or_never().is_none());
        let (done, was_done) = mpsc::channel::<()>();
        let mut second = Box::pin(pool.run(move |_| done.send(()).is_ok()));
        assert!((&mut second).now_or_never().is_none());
        drop(second);
        go_on.send(()).expect("the work waits");
        first.await.expect("an answer");
        pool.run(|_| ()).await.expect("an answer");
        assert!(was_done.try_recv().is_err(), "hashed for nobody");
    }

    #[tokio::test]
    async fn survives_work_that_panics() {
        let pool = HashPool::start(1, 1).expect("a thread");
        assert_eq!(pool.run(|_| panic!("on purpose")).await, Err::<(), _>(PoolError::Panicked));
        assert_eq!(pool.run(|_| 1).await, Ok(1));
    }
}

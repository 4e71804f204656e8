//! Whether a process that cannot be reached is worth waiting for: one that restarts is back within
//! seconds, and a call that was never sent loses nothing by waiting for it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;
use uuid::Uuid;

/// How long calls wait for a process that is away, counted from the first that missed it. Later ones
/// fail at once.
const HOLD: Duration = Duration::from_secs(5);
/// After so long without an attempt nobody knows any more whether it is the same outage.
const FORGOTTEN: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// The outage of one process, as all calls of it see it.
#[derive(Debug, Default)]
pub struct Outage(Mutex<Option<Span>>);

#[derive(Clone, Copy, Debug)]
struct Span {
    began: Instant,
    last: Instant,
}

impl Outage {
    fn span(&self) -> MutexGuard<'_, Option<Span>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that no connection could be made. Whether it is worth trying again after a pause.
    pub fn goes_on(&self) -> bool {
        let now = Instant::now();
        let mut span = self.span();
        let began = span.filter(|span| now - span.last < FORGOTTEN).map_or(now, |span| span.began);
        *span = Some(Span { began, last: now });
        now - began < HOLD
    }

    /// Notes that a connection was made.
    pub fn is_over(&self) {
        *self.span() = None;
    }
}

/// Pauses between attempts: they double, and are spread so that many calls do not come back as one.
#[derive(Debug)]
pub struct Pauses(Duration);

impl Pauses {
    #[must_use]
    pub const fn new() -> Self {
        Self(FIRST_PAUSE)
    }

    /// The next one, 50 to 150 % of its nominal length.
    pub fn next_pause(&mut self) -> Duration {
        let nominal = self.0;
        self.0 = (nominal * 2).min(LONGEST_PAUSE);
        let spread = f64::from(Uuid::new_v4().as_bytes()[0]) / 255.0;
        nominal.mul_f64(0.5 + spread)
    }
}

impl Default for Pauses {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_wait_from_the_first_miss_on_and_fail_at_once_later() {
        let outage = Outage::default();
        assert!(outage.goes_on());
        advance(HOLD - Duration::from_millis(1)).await;
        assert!(outage.goes_on());
        advance(Duration::from_millis(1)).await;
        assert!(!outage.goes_on());
        advance(FORGOTTEN - Duration::from_secs(1)).await;
        assert!(!outage.goes_on(), "it is away for longer than a restart takes");
        outage.is_over();
        assert!(outage.goes_on(), "another one");
        advance(FORGOTTEN).await;
        assert!(outage.goes_on(), "nobody looked for so long that this may be another one");
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let mut pauses = Pauses::new();
        for nominal in [50, 100, 200, 400, 400, 400] {
            let pause = pauses.next_pause().as_millis();
            assert!((nominal / 2..=nominal * 3 / 2).contains(&pause), "{pause} for {nominal}");
        }
    }
}

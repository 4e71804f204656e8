//! How long to wait before Redis is tried again.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(10);

/// Delays that double, each shortened at random by up to a half so that many processes do not come back
/// in step.
pub(super) struct Backoff(Duration);

impl Backoff {
    pub const fn new() -> Self {
        Self(FIRST)
    }

    pub fn next(&mut self) -> Duration {
        let delay = self.0;
        self.0 = delay.saturating_mul(2).min(LONGEST);
        // The middle when the system has no randomness.
        let unit = getrandom::u32().map_or(0.5, |bits| f64::from(bits) / f64::from(u32::MAX));
        delay.mul_f64(1.0 - unit / 2.0)
    }

    /// To be called when a connection is lost: one that held for a while was a good one.
    pub fn held_for(&mut self, time: Duration) {
        if time >= LONGEST {
            self.0 = FIRST;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_start_again_after_a_connection_that_held() {
        let mut backoff = Backoff::new();
        for expected in [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000] {
            let delay = backoff.next().as_millis();
            assert!((expected / 2..=expected).contains(&delay), "{delay} of {expected}");
        }
        backoff.held_for(Duration::from_millis(9_999));
        assert!(backoff.next() >= Duration::from_secs(5));
        backoff.held_for(Duration::from_secs(10));
        assert!(backoff.next() <= FIRST);
    }
}

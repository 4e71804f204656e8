//! When to try again: failed jobs by policy, store calls until the database is back.

use std::{future::Future, time::Duration};

use songkeep_domain::{StoreError, StoreResult, job::FailureCode};

/// How failed attempts are spaced: exponential backoff with jitter.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Delay after the first failure, before jitter.
    pub base: Duration,
    /// What each further failure multiplies the delay by.
    pub factor: u32,
    /// Longest delay, before jitter.
    pub cap: Duration,
    /// 0.2 spreads a delay over 80–120 % of itself.
    pub jitter: f64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { base: Duration::from_secs(10), factor: 3, cap: Duration::from_secs(30 * 60), jitter: 0.2 }
    }
}

impl RetryPolicy {
    /// How long to wait after the failure of attempt number `attempt` (from 1); None when the job is
    /// to fail for good. `unit` is a random number in `0.0..1.0`.
    #[must_use]
    pub fn retry_in(
        &self,
        code: FailureCode,
        attempt: u32,
        max_attempts: u32,
        unit: f64,
    ) -> Option<Duration> {
        if !code.is_transient() || attempt >= max_attempts {
            return None;
        }
        let grown = self.base.saturating_mul(self.factor.saturating_pow(attempt.saturating_sub(1)));
        Some(spread(grown.min(self.cap), self.jitter, unit))
    }
}

/// `duration` moved by up to `jitter` of itself in either direction.
fn spread(duration: Duration, jitter: f64, unit: f64) -> Duration {
    duration.mul_f64((1.0 + jitter * (2.0 * unit - 1.0)).max(0.0))
}

/// `duration` ±20 %, so that many nodes do not act in step.
pub(crate) fn jittered(duration: Duration) -> Duration {
    spread(duration, 0.2, random_unit())
}

/// A random number in `0.0..1.0` for jitter; the middle when the system has no randomness.
#[must_use]
pub fn random_unit() -> f64 {
    // 53 bits are what a double holds exactly.
    getrandom::u64().map_or(0.5, |bits| (bits >> 11) as f64 / (1_u64 << 53) as f64)
}

/// Delays that double from `first` to `longest`, jittered.
pub(crate) struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// For store calls that failed.
    pub const fn of_store() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(2))
    }

    pub fn next(&mut self) -> Duration {
        let delay = self.next.min(self.longest);
        self.next = delay.saturating_mul(2);
        jittered(delay)
    }

    pub const fn reset(&mut self) {
        self.next = self.first;
    }
}

/// Calls again while the database is unavailable, for ever: a handler that uses it is ended from
/// outside, by its timeout or the loss of its lease.
///
/// # Errors
/// Any other error of the store, at once.
pub async fn until_available<T, F: Future<Output = StoreResult<T>>>(call: impl Fn() -> F) -> StoreResult<T> {
    let mut backoff = Backoff::of_store();
    loop {
        match call().await {
            Err(StoreError::Unavailable(_)) => tokio::time::sleep(backoff.next()).await,
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(policy: &RetryPolicy, attempt: u32) -> Option<u64> {
        policy.retry_in(FailureCode::Timeout, attempt, 100, 0.5).map(|delay| delay.as_secs())
    }

    #[test]
    fn delays_triple_up_to_the_cap() {
        let policy = RetryPolicy::default();
        let delays: Vec<_> = (1..=7).map(|attempt| secs(&policy, attempt)).collect();
        assert_eq!(delays, [10, 30, 90, 270, 810, 1800, 1800].map(Some));
        assert_eq!(secs(&policy, 99), Some(1800), "no overflow");
    }

    #[test]
    fn jitter_spreads_a_delay_to_both_sides() {
        let policy = RetryPolicy::default();
        let at = |unit| policy.retry_in(FailureCode::Internal, 1, 5, unit).map(|d| d.as_millis());
        assert_eq!((at(0.0), at(0.5)), (Some(8_000), Some(10_000)));
        assert!(at(0.999).is_some_and(|millis| (11_900..12_000).contains(&millis)));
    }

    #[test]
    fn final_failures_and_last_attempts_are_not_tried_again() {
        let policy = RetryPolicy::default();
        assert_eq!(policy.retry_in(FailureCode::Private, 1, 5, 0.5), None);
        assert_eq!(policy.retry_in(FailureCode::Timeout, 5, 5, 0.5), None);
        assert!(policy.retry_in(FailureCode::Timeout, 4, 5, 0.5).is_some());
    }

    #[test]
    fn random_numbers_stay_within_the_unit() {
        assert!((0..1_000).map(|_| random_unit()).all(|unit| (0.0..1.0).contains(&unit)));
    }
}

//! Rate limits by GCRA, in memory of bounded size.
//!
//! GCRA keeps one number per key: the moment at which all calls so far are paid for, at one call per
//! emission interval (`period / burst`). A call is refused while that moment lies further ahead than
//! `burst - 1` intervals. A key whose moment has passed is as good as one that was never seen, and is
//! forgotten.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use songkeep_domain::bus::{RateDecision, RateRule};
use tokio::time::Instant;

/// Parts of the table that are locked apart; a power of two.
const SHARDS: usize = 16;
/// Keys that may be indebted at the same time, over all shards. Whoever brings up more makes those
/// forgotten that owe least.
const MOST_KEYS: usize = 1 << 18;
/// How long a passed key may stay, so that a flood's memory is given back.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Keys are kept as 128 bits of keyed hashes, so that their length costs no memory and nobody can aim
/// at another's.
type Key = u128;

pub(crate) struct RateLimits {
    start: Instant,
    hashers: [RandomState; 2],
    shards: [Mutex<Shard>; SHARDS],
}

/// Moments are nanoseconds since `RateLimits::start`.
#[derive(Default)]
struct Shard {
    paid_at: HashMap<Key, u64>,
    swept_at: u64,
}

impl RateLimits {
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            hashers: [RandomState::new(), RandomState::new()],
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    pub fn check(&self, rule: RateRule, key: &str) -> RateDecision {
        if rule.burst == 0 {
            return RateDecision::Refused { retry_after: rule.period };
        }
        // Rounded up, so that the rate is never exceeded, not even by a fraction.
        let interval = nanos(rule.period).div_ceil(u64::from(rule.burst));
        let tolerance = interval.saturating_mul(u64::from(rule.burst - 1));
        let now = nanos(self.start.elapsed());
        let key = self.key(rule.name, key);
        let mut shard = self.shard(key);
        let paid_at = shard.paid_at.get(&key).map_or(now, |paid_at| (*paid_at).max(now));
        let open_at = paid_at.saturating_sub(tolerance);
        if open_at > now {
            return RateDecision::Refused { retry_after: Duration::from_nanos(open_at - now) };
        }
        shard.make_room(now);
        shard.paid_at.insert(key, paid_at.saturating_add(interval));
        RateDecision::Allowed
    }

    fn key(&self, rule: &str, key: &str) -> Key {
        let [high, low] = self.hashers.each_ref().map(|state| Key::from(state.hash_one((rule, key))));
        high << 64 | low
    }

    fn shard(&self, key: Key) -> MutexGuard<'_, Shard> {
        let index = (key as usize) % SHARDS;
        // A shard is in order after each statement, so another thread's panic does not spoil it.
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().expect("no test panics with a lock").paid_at.len()).sum()
    }
}

impl Shard {
    const MOST_KEYS: usize = MOST_KEYS / SHARDS;

    /// Forgets passed keys now and then, and when that is not enough the half that owes least. Each
    /// call pays for it a constant part on average.
    fn make_room(&mut self, now: u64) {
        let full = self.paid_at.len() >= Self::MOST_KEYS;
        if !full && now.saturating_sub(self.swept_at) < nanos(SWEEP_EVERY) {
            return;
        }
        self.swept_at = now;
        self.paid_at.retain(|_, paid_at| *paid_at > now);
        if self.paid_at.len() > Self::MOST_KEYS / 2 {
            let mut moments: Vec<u64> = self.paid_at.values().copied().collect();
            let middle = moments.len() / 2;
            let (_, median, _) = moments.select_nth_unstable(middle);
            let median = *median;
            // Of those that owe the same, as many as it takes.
            let mut surplus = self.paid_at.len() - middle;
            self.paid_at.retain(|_, paid_at| {
                let stays = *paid_at > median || surplus == 0;
                surplus -= usize::from(!stays);
                stays
            });
        }
        if self.paid_at.capacity() > 4 * self.paid_at.len().max(64) {
            self.paid_at.shrink_to(2 * self.paid_at.len());
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn rule(burst: u32, period: Duration) -> RateRule {
        RateRule { name: "a_test", burst, period }
    }

    fn retry_after(decision: RateDecision) -> Duration {
        match decision {
            RateDecision::Refused { retry_after } => retry_after,
            RateDecision::Allowed => panic!("allowed"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn lets_the_burst_through_at_once_and_then_one_call_per_interval() {
        let limits = RateLimits::new();
        let rule = rule(5, Duration::from_secs(10));
        for _ in 0..5 {
            assert_eq!(limits.check(rule, "a"), RateDecision::Allowed);
        }
        for _ in 0..20 {
            assert_eq!(retry_after(limits.check(rule, "a")), Duration::from_secs(2));
            tokio::time::advance(Duration::from_nanos(1_999_999_999)).await;
            assert_eq!(retry_after(limits.check(rule, "a")), Duration::from_nanos(1));
            tokio::time::advance(Duration::from_nanos(1)).await;
            assert_eq!(limits.check(rule, "a"), RateDecision::Allowed);
        }
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(limits.check(rule, "a"), RateDecision::Allowed);
        assert_eq!(limits.check(rule, "a"), RateDecision::Allowed);
        assert!(retry_after(limits.check(rule, "a")) > Duration::ZERO, "two intervals pay for two calls");
    }

    #[tokio::test(start_paused = true)]
    async fn never_gives_more_than_the_rate_when_the_interval_is_no_whole_number() {
        let limits = RateLimits::new();
        let rule = rule(7, Duration::from_secs(60));
        let mut allowed = 0;
        for _ in 0..6_000 {
            allowed += u32::from(limits.check(rule, "a") == RateDecision::Allowed);
            tokio::time::advance(Duration::from_millis(100)).await;
        }
        // Ten periods: the burst and seven in each, the last of them due at the end.
        assert!((76..=77).contains(&allowed), "{allowed}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_waits_as_long_as_it_was_told_is_let_in() {
        let limits = RateLimits::new();
        for burst in [1, 3, 20, 7_919] {
            let rule = rule(burst, Duration::from_secs(3_600));
            let key = burst.to_string();
            while limits.check(rule, &key) == RateDecision::Allowed {}
            let wait = retry_after(limits.check(rule, &key));
            tokio::time::advance(wait).await;
            assert_eq!(limits.check(rule, &key), RateDecision::Allowed, "a burst of {burst}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_call_costs_nothing() {
        let limits = RateLimits::new();
        let rule = rule(1, Duration::from_secs(1));
        assert_eq!(limits.check(rule, "a"), RateDecision::Allowed);
        for _ in 0..1_000 {
            assert_eq!(retry_after(limits.check(rule, "a")), Duration::from_secs(1));
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(limits.check(rule, "a"), RateDecision::Allowed);
    }

    #[tokio::test(start_paused = true)]
    async fn keys_and_rules_are_counted_apart() {
        let limits = RateLimits::new();
        let first = rule(1, Duration::from_secs(60));
        let second = RateRule { name: "another", ..first };
        for (rule, key) in [(first, "a"), (first, "b"), (second, "a")] {
            assert_eq!(limits.check(rule, key), RateDecision::Allowed);
            assert!(matches!(limits.check(rule, key), RateDecision::Refused { .. }));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_of_nothing_refuses_everything_and_huge_values_do_not_overflow() {
        let limits = RateLimits::new();
        assert_eq!(retry_after(limits.check(rule(0, Duration::from_secs(9)), "a")), Duration::from_secs(9));
        let longest = rule(1, Duration::MAX);
        assert_eq!(limits.check(longest, "a"), RateDecision::Allowed);
        assert!(matches!(limits.check(longest, "a"), RateDecision::Refused { .. }));
        let most = rule(u32::MAX, Duration::MAX);
        assert_eq!(limits.check(most, "b"), RateDecision::Allowed);
    }

    #[tokio::test(start_paused = true)]
    async fn a_million_keys_stay_bounded_and_do_not_free_whoever_owes_most() {
        let limits = RateLimits::new();
        let rule = rule(20, Duration::from_secs(60));
        while limits.check(rule, "the one who tries hardest") == RateDecision::Allowed {}
        for number in 0..1_000_000u32 {
            assert_eq!(limits.check(rule, &number.to_string()), RateDecision::Allowed);
        }
        assert!(limits.len() <= MOST_KEYS, "{} keys", limits.len());
        assert!(matches!(limits.check(rule, "the one who tries hardest"), RateDecision::Refused { .. }));
    }

    #[tokio::test(start_paused = true)]
    async fn idle_keys_are_forgotten_and_their_memory_is_given_back() {
        let limits = RateLimits::new();
        let rule = rule(20, Duration::from_secs(60));
        for number in 0..100_000u32 {
            limits.check(rule, &number.to_string());
        }
        assert_eq!(limits.len(), 100_000);
        tokio::time::advance(SWEEP_EVERY).await;
        for number in 0..1_000u32 {
            limits.check(rule, &format!("later {number}"));
        }
        assert_eq!(limits.len(), 1_000);
        let capacity: usize =
            limits.shards.iter().map(|shard| shard.lock().expect("no panic").paid_at.capacity()).sum();
        assert!(capacity < 10_000, "{capacity}");
    }
}

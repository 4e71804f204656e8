//! Rate limits that all processes share: GCRA in one script, on the clock of Redis.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use redis::{RedisResult, Script, aio::MultiplexedConnection};
use songkeep_domain::bus::{RateDecision, RateRule};

/// Moments are microseconds, which a double holds exactly for 285 years since 1970. The key holds the
/// moment at which all calls so far are paid for, and expires then. Returns 0 when the call is allowed,
/// else after how long one will be. A moment further ahead than this limit can make it, as after a
/// clock that jumped back or a rule that got stricter, counts as the furthest.
const SCRIPT: &str = r"
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local interval, tolerance = tonumber(ARGV[1]), tonumber(ARGV[2])
local paid_at = tonumber(redis.call('GET', KEYS[1]) or '') or now
paid_at = math.min(math.max(paid_at, now), now + tolerance + interval)
local wait = paid_at - tolerance - now
if wait > 0 then
  return wait
end
paid_at = paid_at + interval
redis.call('SET', KEYS[1], string.format('%.0f', paid_at), 'PX', math.ceil((paid_at - now) / 1000))
return 0
";

/// Longer periods are cut, so that no moment leaves the exact range of a double.
const LONGEST_PERIOD: Duration = Duration::from_secs(10 * 365 * 86_400);

pub(super) struct SharedRates {
    script: Script,
    namespace: String,
}

impl SharedRates {
    pub fn new(namespace: &str) -> Self {
        Self { script: Script::new(SCRIPT), namespace: namespace.to_owned() }
    }

    pub async fn check(
        &self,
        link: &mut MultiplexedConnection,
        rule: RateRule,
        key: &str,
    ) -> RedisResult<RateDecision> {
        // Rounded up, so that the rate is never exceeded, not even by a fraction.
        let period = micros(rule.period.min(LONGEST_PERIOD));
        let interval = period.div_ceil(u64::from(rule.burst.max(1)));
        let tolerance = interval * u64::from(rule.burst.saturating_sub(1));
        let wait: u64 =
            self.script.key(self.key(rule.name, key)).arg(interval).arg(tolerance).invoke_async(link).await?;
        Ok(match wait {
            0 => RateDecision::Allowed,
            wait => RateDecision::Refused { retry_after: Duration::from_micros(wait) },
        })
    }

    /// Addresses and accounts are hashed: any length costs the same, and nobody reads them there.
    fn key(&self, rule: &str, key: &str) -> String {
        let digest = digest(&SHA256, key.as_bytes());
        format!("{}:rate:{rule}:{}", self.namespace, hex::encode(&digest.as_ref()[..16]))
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

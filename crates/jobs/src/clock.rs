//! Comparing this machine's clock with another.

use std::time::Duration;

use songkeep_domain::Timestamp;

/// By how many milliseconds our clock is ahead (negative: behind), when certainly by more than `slack`:
/// the other clock was read at some moment between `before` and `after` of ours, so a slow answer is no
/// proof.
#[must_use]
pub fn clock_ahead_ms(before: Timestamp, other: Timestamp, after: Timestamp, slack: Duration) -> Option<i64> {
    let slack = i64::try_from(slack.as_micros()).unwrap_or(i64::MAX);
    let least_ahead = before.as_micros().saturating_sub(other.as_micros());
    let most_ahead = after.as_micros().saturating_sub(other.as_micros());
    if least_ahead > slack {
        Some(least_ahead / 1_000)
    } else if most_ahead < slack.saturating_neg() {
        Some(most_ahead / 1_000)
    } else {
        None
    }
}

/// `the clock is 120.0 s ahead of the database's`; `whose` is the other's, as a genitive.
#[must_use]
pub fn clock_words(ahead_ms: i64, whose: &str) -> String {
    let side = if ahead_ms < 0 { "behind" } else { "ahead of" };
    let secs = ahead_ms.unsigned_abs() as f64 / 1_000.0;
    format!("the clock is {secs:.1} s {side} {whose}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ahead(before: i64, other: i64, after: i64) -> Option<i64> {
        let [before, other, after] = [before, other, after].map(Timestamp::from_secs);
        clock_ahead_ms(before, other, after, Duration::from_secs(10))
    }

    #[test]
    fn a_clock_is_off_only_when_the_round_trip_cannot_explain_it() {
        assert_eq!(ahead(100, 100, 100), None);
        assert_eq!(ahead(100, 110, 100), None);
        assert_eq!(ahead(100, 111, 100), Some(-11_000));
        assert_eq!(ahead(111, 100, 111), Some(11_000));
        assert_eq!(ahead(100, 111, 105), None, "the answer took five seconds");
        assert_eq!(ahead(105, 100, 130), None, "the answer took 25 seconds");
    }

    #[test]
    fn words_say_by_how_much_and_to_which_side() {
        assert_eq!(clock_words(120_040, "the database's"), "the clock is 120.0 s ahead of the database's");
        assert_eq!(clock_words(-11_000, "the database's"), "the clock is 11.0 s behind the database's");
    }
}

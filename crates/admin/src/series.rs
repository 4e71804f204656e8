//! The series of the overview: how time is cut, and what stood at the end of each part.

use std::time::Duration;

use songkeep_api::admin::Series;
use songkeep_domain::{
    ServiceError, ServiceResult, Timestamp,
    library::LibraryTotals,
    overview::{Activity, Buckets},
};

/// Traffic is kept for so long, see the sweeper.
const MAX_HOURS: u32 = 720;

/// Seconds of a bucket, so that a plot has about a hundred of them.
const fn width(hours: u32) -> u32 {
    match hours {
        0..=2 => 60,
        3..=6 => 300,
        7..=24 => 900,
        25..=72 => 3_600,
        73..=168 => 7_200,
        _ => 21_600,
    }
}

/// As many whole buckets as the hours have; the present falls into the last one.
///
/// # Errors
/// `invalid` for hours that are not 1 to 720.
pub(crate) fn buckets(hours: u32, now: Timestamp) -> ServiceResult<Buckets> {
    if !(1..=MAX_HOURS).contains(&hours) {
        let detail = format!("hours must be from 1 to {MAX_HOURS}.");
        return Err(ServiceError::invalid("hours", "out_of_range", detail));
    }
    let width = width(hours);
    let count = (hours * 3_600).div_ceil(width);
    let seconds = i64::from(width);
    let last = now.as_secs().div_euclid(seconds) * seconds;
    Ok(Buckets {
        from: Timestamp::from_secs(last - i64::from(count - 1) * seconds),
        width: Duration::from_secs(width.into()),
        count: count as usize,
    })
}

pub(crate) fn of(buckets: &Buckets, activity: Activity, totals: &LibraryTotals) -> Series {
    Series {
        bucket_seconds: u32::try_from(buckets.width.as_secs()).unwrap_or(u32::MAX),
        from: buckets.from,
        requests: activity.requests,
        errors: activity.errors,
        imports_completed: activity.imports_completed,
        imports_failed: activity.imports_failed,
        storage_bytes: levels(totals.storage_bytes, &activity.bytes_added),
        songs: levels(totals.songs, &activity.songs_added),
        users: levels(totals.users, &activity.users_added),
    }
}

/// What stood at the end of each bucket, from what stands now and what each one added.
fn levels(now: u64, added: &[u64]) -> Vec<u64> {
    let mut level = now;
    let mut levels: Vec<u64> = added
        .iter()
        .rev()
        .map(|added| {
            let end = level;
            level = level.saturating_sub(*added);
            end
        })
        .collect();
    levels.reverse();
    levels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_present_falls_into_the_last_bucket_whatever_the_hours() {
        for now in [1_772_366_400, 1_772_366_459, 1_772_366_461] {
            for hours in 1..=MAX_HOURS {
                let cut = buckets(hours, Timestamp::from_secs(now)).expect("within bounds");
                let width = i64::try_from(cut.width.as_secs()).expect("small");
                let count = i64::try_from(cut.count).expect("small");
                let end = cut.from.as_secs() + width * count;
                assert!((end - width..end).contains(&now), "{hours} h");
                assert!(width * count >= i64::from(hours) * 3_600, "{hours} h");
                assert!(cut.count <= 121, "{hours} h: {}", cut.count);
            }
        }
        for hours in [0, MAX_HOURS + 1, u32::MAX] {
            assert!(buckets(hours, Timestamp::from_secs(0)).is_err());
        }
    }

    #[test]
    fn levels_are_walked_backwards_from_what_stands_now() {
        assert_eq!(levels(10, &[1, 0, 4]), [6, 6, 10]);
        assert_eq!(levels(3, &[5, 5]), [0, 3], "more may have been added than was counted");
    }
}

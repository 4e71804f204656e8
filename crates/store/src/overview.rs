//! What goes on over time: traffic as the gateways counted it, and what other tables say of the rest.

use std::time::Duration;

use async_trait::async_trait;
use sea_orm::Value;
use songkeep_domain::{
    StoreResult, Timestamp,
    overview::{Activity, Buckets, OverviewStore, TrafficMinute},
};
use uuid::Uuid;

use crate::{Store, rows::Row};

/// Rows of one statement, whose values both databases take.
const BATCH: usize = 200;

/// `$1` is where the buckets begin, `$2` how wide they are, `$3` where they end, as in the others.
const TRAFFIC: &str = "SELECT (minute - $1) / $2 AS bucket, CAST(SUM(requests) AS BIGINT) AS requests, \
     CAST(SUM(errors) AS BIGINT) AS errors FROM traffic WHERE minute >= $1 AND minute < $3 GROUP BY 1";
const JOBS: &str = "SELECT (finished_at - $1) / $2 AS bucket, \
     COUNT(CASE WHEN status = 'completed' THEN 1 END) AS completed, \
     COUNT(CASE WHEN status = 'failed' THEN 1 END) AS failed \
     FROM jobs WHERE finished_at >= $1 AND finished_at < $3 GROUP BY 1";
const SONGS: &str = "SELECT (created_at - $1) / $2 AS bucket, COUNT(*) AS songs, \
     CAST(SUM(size_bytes) AS BIGINT) AS bytes FROM songs WHERE created_at >= $1 AND created_at < $3 GROUP BY 1";
const USERS: &str = "SELECT (created_at - $1) / $2 AS bucket, COUNT(*) AS users FROM users \
     WHERE created_at >= $1 AND created_at < $3 GROUP BY 1";

#[async_trait]
impl OverviewStore for Store {
    async fn record_traffic(&self, node: Uuid, minutes: &[TrafficMinute]) -> StoreResult<()> {
        let tx = self.begin().await?;
        for minutes in minutes.chunks(BATCH) {
            let mut values: Vec<Value> = vec![node.into()];
            let mut rows = Vec::with_capacity(minutes.len());
            for TrafficMinute { minute, requests, errors } in minutes {
                values.extend([(*minute).into(), number(*requests).into(), number(*errors).into()]);
                let n = values.len();
                rows.push(format!("(${}, $1, ${}, ${n})", n - 2, n - 1));
            }
            let insert = format!(
                "INSERT INTO traffic (minute, node, requests, errors) VALUES {} \
                 ON CONFLICT (minute, node) DO NOTHING",
                rows.join(", ")
            );
            tx.run(&insert, values).await?;
        }
        tx.commit().await
    }

    async fn activity(&self, buckets: &Buckets) -> StoreResult<Activity> {
        let empty = || vec![0; buckets.count];
        let mut activity = Activity {
            requests: empty(),
            errors: empty(),
            imports_completed: empty(),
            imports_failed: empty(),
            songs_added: empty(),
            bytes_added: empty(),
            users_added: empty(),
        };
        for row in self.all(TRAFFIC, bounds(buckets, 60 * 1_000_000)).await? {
            let row = Row::new("traffic", &row);
            add(&mut activity.requests, &row, "requests")?;
            add(&mut activity.errors, &row, "errors")?;
        }
        for row in self.all(JOBS, bounds(buckets, 1)).await? {
            let row = Row::new("jobs", &row);
            add(&mut activity.imports_completed, &row, "completed")?;
            add(&mut activity.imports_failed, &row, "failed")?;
        }
        for row in self.all(SONGS, bounds(buckets, 1)).await? {
            let row = Row::new("songs", &row);
            add(&mut activity.songs_added, &row, "songs")?;
            add(&mut activity.bytes_added, &row, "bytes")?;
        }
        for row in self.all(USERS, bounds(buckets, 1)).await? {
            add(&mut activity.users_added, &Row::new("users", &row), "users")?;
        }
        Ok(activity)
    }
}

/// Beginning, width and end of all buckets, in units of so many microseconds.
fn bounds(buckets: &Buckets, micros: i64) -> [Value; 3] {
    let Buckets { from, width, count } = *buckets;
    let end = from.plus(width * u32::try_from(count).unwrap_or(u32::MAX));
    let unit = |moment: Timestamp| moment.as_micros().div_euclid(micros);
    [unit(from).into(), (in_micros(width) / micros).max(1).into(), unit(end).into()]
}

fn in_micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Adds what a row counted to its bucket.
fn add(counts: &mut [u64], row: &Row<'_>, column: &str) -> StoreResult<()> {
    let bucket: usize = row.count("bucket")?;
    if let Some(count) = counts.get_mut(bucket) {
        *count += row.count::<u64>(column)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::tests::open;

    #[tokio::test]
    async fn only_what_falls_into_the_buckets_is_read_on_sqlite() {
        let (store, _folder) = open().await;
        store.migrate().await.expect("a new database");
        let cases = [
            (TRAFFIC, "traffic"),
            (JOBS, "jobs_outcomes"),
            (SONGS, "songs_created"),
            (USERS, "users_created"),
        ];
        for (sql, index) in cases {
            let values = [0_i64, 1, 2].map(Value::from);
            let steps = store.all(&format!("EXPLAIN QUERY PLAN {sql}"), values).await.expect("valid");
            let steps = steps.iter().map(|step| step.try_get::<String>("", "detail").expect("a step"));
            let plan = steps.collect::<Vec<_>>().join("; ");
            assert!(plan.starts_with("SEARCH") && plan.contains(index), "{sql}: {plan}");
        }
    }
}

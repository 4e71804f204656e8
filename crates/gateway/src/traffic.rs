//! How much this gateway answers: counted by the minute, and handed to the admin service when a minute is
//! over. What a process counted in its last minute ends with it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::StatusCode;
use songkeep_api::admin::{AdminClient, RecordTraffic};
use songkeep_domain::{CallContext, Clock, overview::TrafficMinute};
use uuid::Uuid;

/// Minutes that are kept for an admin service that is away: a day's.
const MOST_MINUTES: usize = 24 * 60;

pub(crate) struct Traffic {
    /// Names this process among all gateways.
    node: Uuid,
    clock: Arc<dyn Clock>,
    /// By minute; those that were handed over are gone.
    minutes: Mutex<BTreeMap<i64, TrafficMinute>>,
}

impl Traffic {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { node: Uuid::now_v7(), clock, minutes: Mutex::default() }
    }

    fn minutes(&self) -> MutexGuard<'_, BTreeMap<i64, TrafficMinute>> {
        self.minutes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn this_minute(&self) -> i64 {
        self.clock.now().as_secs().div_euclid(60)
    }

    fn count(&self, status: StatusCode) {
        let minute = self.this_minute();
        let mut minutes = self.minutes();
        let counted = minutes.entry(minute).or_insert(TrafficMinute { minute, ..TrafficMinute::default() });
        counted.requests += 1;
        counted.errors += u64::from(status.is_server_error());
        if minutes.len() > MOST_MINUTES {
            minutes.pop_first();
        }
    }

    /// The minutes that are over.
    fn closed(&self) -> Vec<TrafficMinute> {
        let now = self.this_minute();
        self.minutes().range(..now).map(|(_, counted)| *counted).collect()
    }

    /// Hands closed minutes over, for ever. What could not be handed over is so the next time; the same
    /// minutes again change nothing.
    pub(crate) async fn report(self: Arc<Self>, admin: AdminClient, every: Duration) {
        let mut told = true;
        loop {
            tokio::time::sleep(every).await;
            let minutes = self.closed();
            if minutes.is_empty() {
                continue;
            }
            let request = RecordTraffic { node: self.node, minutes: minutes.clone() };
            match admin.record_traffic(&CallContext::default(), request).await {
                Ok(()) => {
                    told = true;
                    let mut kept = self.minutes();
                    for counted in minutes {
                        kept.remove(&counted.minute);
                    }
                }
                Err(error) => {
                    // Once for each outage.
                    if std::mem::take(&mut told) {
                        tracing::warn!(%error, "the admin service did not take what this gateway counted");
                    }
                }
            }
        }
    }
}

/// Counts every answer.
pub(crate) async fn count(State(traffic): State<Arc<Traffic>>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    traffic.count(response.status());
    response
}

//! What `/ready` looks at: what this process cannot work without, its clock, and whether it is about to
//! end.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use futures::future::{join_all, join5};
use reqwest::header::DATE;
use songkeep_api::wire::DependencyState;
use songkeep_domain::{Clock, NodeRole, Timestamp, blob::BlobStore, bus::Bus, job::JobStore as _};
use songkeep_http_kit::Readiness;
use songkeep_jobs::{clock_ahead_ms, clock_words};
use songkeep_media::tools::{ToolState, Tools};
use songkeep_store::Store;
use songkeep_worker::Worker;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A dependency that does not answer for so long counts as down.
const PATIENCE: Duration = Duration::from_secs(3);
/// A service that is needed may be away for so long, as it is when it restarts: calls wait for it, and
/// all its callers leaving their balancer at once would be worse.
const RESTART: Duration = Duration::from_secs(10);
/// Clocks further apart than this make tokens and ages wrong.
const MAX_CLOCK_SKEW: Duration = Duration::from_secs(10);
/// What a `Date` header leaves out.
const DATE_STEP: Duration = Duration::from_secs(1);

/// The dependencies of a process; what its roles do not use is None.
pub struct Dependencies {
    pub draining: CancellationToken,
    pub store: Option<Store>,
    pub blobs: Option<Arc<dyn BlobStore>>,
    pub bus: Option<Arc<dyn Bus>>,
    pub worker: Option<Worker>,
    pub tools: Option<Tools>,
    pub clock: Arc<dyn Clock>,
    /// Services in other processes that this one calls.
    pub services: Vec<RemoteService>,
    pub http: reqwest::Client,
}

/// How a caller depends on a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Without it the caller is of no use.
    Required,
    /// Without it a part is missing.
    Useful,
}

/// A service in another process.
pub struct RemoteService {
    role: NodeRole,
    /// Base of its address.
    base: String,
    need: Need,
    away_since: Mutex<Option<Instant>>,
}

/// The other clock's time, and ours before and after it was told.
struct Told {
    before: Timestamp,
    other: Timestamp,
    after: Timestamp,
}

#[async_trait]
impl Readiness for Dependencies {
    async fn check(&self) -> Vec<DependencyState> {
        if self.draining.is_cancelled() {
            return vec![state("shutdown", Err("this process is stopping".to_owned()))];
        }
        let services = join_all(self.services.iter().map(|service| service.check(self)));
        let (database, audio, bus, tools, services) =
            join5(self.database(), self.audio(), self.bus(), self.tools(), services).await;
        let (services, told): (Vec<_>, Vec<_>) = services.into_iter().unzip();
        let jobs = self.worker.as_ref().map(|worker| {
            let health = worker.health();
            state("jobs", if health.is_ready() { Ok(()) } else { Err(health.state.to_string()) })
        });
        let clock = compare_with_services(&told.into_iter().flatten().collect::<Vec<_>>());
        let alone = self.store.is_none().then_some(clock).flatten();
        database
            .into_iter()
            .chain([audio, bus, jobs, tools, alone].into_iter().flatten())
            .chain(services)
            .collect()
    }
}

impl Dependencies {
    /// Whether it answers, and whether it has our time.
    async fn database(&self) -> Vec<DependencyState> {
        let Some(store) = &self.store else { return Vec::new() };
        let before = self.clock.now();
        let asked = in_time(async { store.database_now().await.map_err(words) }).await;
        let after = self.clock.now();
        match asked {
            Ok(database) => {
                let ahead = clock_ahead_ms(before, database, after, MAX_CLOCK_SKEW);
                let clock = ahead.map_or(Ok(()), |ahead_ms| Err(clock_words(ahead_ms, "the database's")));
                vec![state("database", Ok(())), state("clock", clock)]
            }
            Err(error) => vec![state("database", Err(error))],
        }
    }

    async fn audio(&self) -> Option<DependencyState> {
        let blobs = self.blobs.as_ref()?;
        Some(state("audio", in_time(async { blobs.check().await.map_err(words) }).await))
    }

    async fn bus(&self) -> Option<DependencyState> {
        let bus = self.bus.as_ref()?;
        // Without it everything goes on: jobs by polling, limits by each node alone.
        let bus = state("bus", in_time(async { bus.check().await.map_err(words) }).await);
        Some(DependencyState { required: false, ..bus })
    }

    async fn tools(&self) -> Option<DependencyState> {
        let result = match self.tools.as_ref()?.status().await.state {
            ToolState::Failed { reason, .. } => Err(reason),
            ToolState::Missing | ToolState::Preparing { .. } | ToolState::Ready { .. } => Ok(()),
        };
        Some(state("tools", result))
    }
}

impl RemoteService {
    pub fn new(role: NodeRole, base: &str, need: Need) -> Self {
        Self { role, base: base.trim_end_matches('/').to_owned(), need, away_since: Mutex::default() }
    }

    async fn check(&self, asker: &Dependencies) -> (DependencyState, Option<Told>) {
        let answer = in_time(async { self.ask(asker).await.map_err(words) }).await;
        let (result, told) = match answer {
            Ok(told) => (Ok(()), told),
            Err(error) => (Err(error), None),
        };
        let restarts = self.note(result.is_err()) < RESTART;
        let required = self.need == Need::Required && !(result.is_err() && restarts);
        (DependencyState { required, ..state(&format!("{} service", self.role), result) }, told)
    }

    /// For how long it has been away by now.
    fn note(&self, is_away: bool) -> Duration {
        let mut since = self.away_since.lock().unwrap_or_else(PoisonError::into_inner);
        *since = is_away.then(|| since.unwrap_or_else(Instant::now));
        since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    async fn ask(&self, asker: &Dependencies) -> Result<Option<Told>, reqwest::Error> {
        let before = asker.clock.now();
        // The address is the operator's own business.
        let answer = asker.http.get(format!("{}/health", self.base)).send().await;
        let answer = answer.and_then(reqwest::Response::error_for_status);
        let answer = answer.map_err(reqwest::Error::without_url)?;
        let after = asker.clock.now();
        let date =
            answer.headers().get(DATE).and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
        Ok(date.and_then(timestamp).map(|other| Told { before, other, after }))
    }
}

fn timestamp(time: SystemTime) -> Option<Timestamp> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_micros(i64::try_from(since.as_micros()).ok()?))
}

/// The clock of a process without a database, by what most of at least two others have: one alone may be
/// the one that is wrong.
fn compare_with_services(told: &[Told]) -> Option<DependencyState> {
    if told.len() < 2 {
        return None;
    }
    let mut off: Vec<i64> = told
        .iter()
        .filter_map(|told| {
            clock_ahead_ms(told.before.minus(DATE_STEP), told.other, told.after, MAX_CLOCK_SKEW)
        })
        .collect();
    off.sort_unstable();
    let result = if off.len() * 2 > told.len() {
        Err(clock_words(off[off.len() / 2], "that of most other services"))
    } else {
        Ok(())
    };
    Some(state("clock", result))
}

/// The error's own words, without its causes: they may name hosts and paths.
fn words(error: impl std::fmt::Display) -> String {
    error.to_string()
}

async fn in_time<T>(check: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    tokio::time::timeout(PATIENCE, check).await.unwrap_or_else(|_| Err("does not answer".to_owned()))
}

fn state(name: &str, result: Result<(), String>) -> DependencyState {
    DependencyState { name: name.to_owned(), ok: result.is_ok(), required: true, detail: result.err() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(ours: i64, other: i64) -> Told {
        let ours = Timestamp::from_secs(ours);
        Told { before: ours, other: Timestamp::from_secs(other), after: ours }
    }

    #[test]
    fn a_clock_is_wrong_when_most_others_say_so() {
        let detail = |told: &[Told]| compare_with_services(told).map(|state| state.detail);
        assert_eq!(detail(&[told(1_000, 880)]), None, "the other may be the one that is wrong");
        let all = [told(1_000, 880), told(1_000, 881), told(1_000, 880)];
        let words = "the clock is 119.0 s ahead of that of most other services";
        assert_eq!(detail(&all), Some(Some(words.to_owned())));
        let one = [told(1_000, 880), told(1_000, 1_000), told(1_000, 999)];
        assert_eq!(detail(&one), Some(None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_is_away_from_its_first_failure_on() {
        let service = RemoteService::new(NodeRole::Auth, "http://auth:8000/", Need::Required);
        assert_eq!(service.note(true), Duration::ZERO);
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(service.note(true), Duration::from_secs(7));
        assert_eq!(service.note(false), Duration::ZERO);
        tokio::time::advance(Duration::from_secs(7)).await;
        assert_eq!(service.note(true), Duration::ZERO);
    }
}

//! Many workers on a long queue in PostgreSQL. The work itself is made up: this is about who gets what,
//! when, and how often.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use futures::future::join_all;
use secrecy::SecretString;
use songkeep_bus::LocalBus;
use songkeep_domain::{
    EmailAddress, JobId, SystemClock, UserId, UserRole,
    job::{ClaimedJob, ImportFailure, JobStore as _},
    user::{NewUser, UserStore as _},
};
use songkeep_jobs::{Completion, Engine, EnginePorts, EngineSettings, JobHandler, JobReporter};
use songkeep_store::Store;
use songkeep_testkit::{
    postgres::{fresh_database, query},
    world::new_song,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

const WORKERS: usize = 8;
const SLOTS: usize = 2;
const JOBS: usize = 2_000;
/// Claims whose time is taken.
const CLAIMS: usize = 100;
const PATIENCE: Duration = Duration::from_secs(120);

/// Imports of sources that nobody has yet, spread over the accounts and three priorities.
fn enqueue(first: usize, last: usize) -> String {
    insert(first, last, "queued")
}

fn insert(first: usize, last: usize, status: &str) -> String {
    format!(
        "INSERT INTO jobs (id, user_id, source_provider, source_id, title, search_text, status, stage, \
         priority, run_at, max_attempts, hints, created_at, updated_at) \
         SELECT gen_random_uuid(), owners.ids[1 + number % array_length(owners.ids, 1)], 'youtube', \
         'Q' || lpad(number::text, 10, '0'), 'a song', 'a song', '{status}', 'resolve', number % 3, number, 5, \
         '{{}}', number, number \
         FROM generate_series({first}, {last}) AS number, (SELECT array_agg(id) AS ids FROM users) AS owners; \
         ANALYZE jobs"
    )
}

struct Database {
    url: String,
    bus: Arc<LocalBus>,
}

impl Database {
    /// With tables and some accounts.
    async fn new() -> Self {
        let database = Self { url: fresh_database().await.unwrap(), bus: LocalBus::new() };
        let store = database.open().await;
        store.migrate().await.unwrap();
        for number in 0..20 {
            let user = NewUser {
                id: UserId::new(),
                email: EmailAddress::parse(&format!("listener{number}@example.com")).unwrap(),
                password_hash: None,
                role: UserRole::User,
                verified_at: None,
                created_at: store.database_now().await.unwrap(),
            };
            store.create_user(user, None).await.unwrap();
        }
        store.close().await;
        database
    }

    /// As a process of its own opens it.
    async fn open(&self) -> Store {
        Store::connect(&SecretString::from(self.url.clone()), self.bus.clone()).await.unwrap()
    }

    async fn ask(&self, sql: &str) -> String {
        query(&self.url, sql).await.unwrap().trim_end().to_owned()
    }
}

/// Makes a song out of nothing, and notes the order.
#[derive(Default)]
struct Noting(Mutex<Vec<(JobId, String)>>);

#[async_trait]
impl JobHandler for Noting {
    async fn run(&self, job: &ClaimedJob, _: &JobReporter) -> Result<Completion, ImportFailure> {
        let source = job.job.source.id().to_owned();
        self.0.lock().unwrap().push((job.claim.job_id, source));
        let sha256 = format!("{:0>64}", job.claim.job_id.0.simple());
        Ok(Completion::Publish(Box::new(new_song("a song", sha256))))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_workers_do_each_job_once_and_the_most_urgent_first() {
    let database = Database::new().await;
    database.ask(&enqueue(1, JOBS)).await;
    let (handler, shutdown) = (Arc::new(Noting::default()), CancellationToken::new());
    let mut engines = Vec::new();
    for number in 0..WORKERS {
        let ports = EnginePorts {
            jobs: Arc::new(database.open().await),
            bus: database.bus.clone(),
            clock: Arc::new(SystemClock),
            handler: handler.clone(),
        };
        let settings =
            EngineSettings { node: format!("node{number}"), slots: SLOTS, ..EngineSettings::default() };
        engines.push(Engine::new(ports, settings));
    }
    let began = Instant::now();
    let running = engines.iter().map(|engine| engine.run(shutdown.clone()));
    let done = async {
        while database.ask("SELECT count(*) FROM jobs WHERE status = 'completed'").await != JOBS.to_string() {
            assert!(began.elapsed() < PATIENCE, "{} have begun", handler.0.lock().unwrap().len());
            sleep(Duration::from_millis(200)).await;
        }
        let took = began.elapsed();
        println!("{JOBS} jobs by {WORKERS} workers: {:.0} a second", JOBS as f64 / took.as_secs_f64());
        shutdown.cancel();
    };
    tokio::join!(join_all(running), done);

    let begun = handler.0.lock().unwrap().clone();
    let ids: BTreeSet<_> = begun.iter().map(|(id, _)| *id).collect();
    assert_eq!((begun.len(), ids.len()), (JOBS, JOBS), "none twice");
    let counted = "SELECT (SELECT count(*) FROM jobs WHERE attempt = 1 AND status = 'completed'), \
                   (SELECT count(DISTINCT source_id) FROM songs), (SELECT count(*) FROM songs), \
                   (SELECT count(*) FROM library_entries)";
    assert_eq!(database.ask(counted).await, format!("{JOBS}|{JOBS}|{JOBS}|{JOBS}"));
    let completed = "SELECT count(*) FROM events WHERE payload LIKE '%\"completed\"%'";
    assert_eq!(database.ask(completed).await, JOBS.to_string(), "told once each");

    // A job that was claimed may be overtaken while its work begins on a busy machine.
    let turn = |source: &str| {
        let number: usize = source[1..].parse().unwrap();
        (2 - number % 3, number)
    };
    let mut order: Vec<_> = begun.iter().map(|(_, source)| turn(source)).collect();
    let begun_at: HashMap<_, _> = order.iter().enumerate().map(|(at, turn)| (*turn, at)).collect();
    order.sort_unstable();
    for (at, turn) in order.iter().enumerate() {
        let real = begun_at[turn];
        assert!(real.abs_diff(at) <= JOBS / 8, "{turn:?} was number {real} instead of {at}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_from_a_long_queue_goes_by_the_index() {
    let database = Database::new().await;
    // What was done long ago lies before the queue.
    database.ask(&insert(200_001, 250_000, "completed")).await;
    let (mut claimed, mut length) = (BTreeSet::new(), 0);
    for queued in [1_000, 100_000] {
        database.ask(&enqueue(length + 1, queued)).await;
        length = queued;
        database.ask("SELECT pg_stat_reset()").await;
        let store = database.open().await;
        let mut times = Vec::new();
        for _ in 0..CLAIMS {
            let began = Instant::now();
            let job = store.claim_job("a test", Duration::from_secs(600)).await.unwrap().unwrap();
            times.push(began.elapsed());
            assert!(claimed.insert(job.claim.job_id), "nobody else has it");
        }
        // With its connections their statistics are handed over.
        store.close().await;
        times.sort_unstable();
        println!(
            "a claim from {queued} queued jobs: {:?} in the middle, {:?} at most",
            times[CLAIMS / 2],
            times[CLAIMS - 1]
        );
        let scans = "SELECT coalesce(idx_scan, 0) FROM pg_stat_user_indexes WHERE indexrelname = 'jobs_due'";
        let began = Instant::now();
        while database.ask(scans).await.parse::<usize>().unwrap() < CLAIMS {
            assert!(began.elapsed() < PATIENCE, "the index is not used: {}", database.ask(scans).await);
            sleep(Duration::from_millis(100)).await;
        }
        let read = "SELECT t.seq_tup_read, i.idx_tup_read FROM pg_stat_user_tables AS t, \
                    pg_stat_user_indexes AS i WHERE t.relname = 'jobs' AND i.indexrelname = 'jobs_due'";
        let read = database.ask(read).await;
        println!("rows read in sequence and by the index: {read}");
        let (in_sequence, by_index) = read.split_once('|').unwrap();
        assert_eq!(in_sequence, "0", "no claim reads the whole queue");
        assert!(by_index.parse::<usize>().unwrap() < 20 * CLAIMS, "a claim reads few entries: {by_index}");
    }
}

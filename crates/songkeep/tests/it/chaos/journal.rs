//! What the load saw and was promised.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
};

use crate::sse::Event;

#[derive(Default)]
pub struct Journal(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    /// Calls that went well, by kind.
    done: BTreeMap<&'static str, u64>,
    /// Calls that failed in ways that faults excuse, by kind.
    failed: BTreeMap<&'static str, Vec<String>>,
    /// What nothing excuses.
    broken: Vec<String>,
    /// Acknowledged imports by account and source.
    jobs: BTreeMap<(String, String), String>,
    /// Refresh tokens of sign-ins that were answered.
    sessions: Vec<String>,
    heard: BTreeMap<String, Heard>,
}

/// What an account heard by its events.
#[derive(Clone, Debug, Default)]
pub struct Heard {
    pub last_id: i64,
    /// How often by job and by song.
    pub completed: BTreeMap<String, u32>,
    pub added: BTreeMap<String, u32>,
}

impl Journal {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap()
    }

    pub fn done(&self, kind: &'static str) {
        *self.entries().done.entry(kind).or_default() += 1;
    }

    pub fn failed(&self, kind: &'static str, why: String) {
        self.entries().failed.entry(kind).or_default().push(why);
    }

    pub fn broken(&self, what: String) {
        println!("broken: {what}");
        self.entries().broken.push(what);
    }

    pub fn acknowledged(&self, account: &str, source: &str, job: &str) {
        self.entries().jobs.insert((account.to_owned(), source.to_owned()), job.to_owned());
    }

    /// Source and id of each acknowledged job of an account.
    pub fn jobs_of(&self, account: &str) -> BTreeMap<String, String> {
        let entries = self.entries();
        let own = entries.jobs.iter().filter(|((its, _), _)| its == account);
        own.map(|((_, source), job)| (source.clone(), job.clone())).collect()
    }

    pub fn acknowledged_count(&self) -> usize {
        self.entries().jobs.len()
    }

    pub fn signed_in(&self, refresh: String) {
        self.entries().sessions.push(refresh);
    }

    pub fn sessions(&self) -> Vec<String> {
        self.entries().sessions.clone()
    }

    pub fn count(&self, kind: &str) -> u64 {
        self.entries().done.get(kind).copied().unwrap_or(0)
    }

    pub fn heard_by(&self, account: &str) -> Heard {
        self.entries().heard.get(account).cloned().unwrap_or_default()
    }

    /// Each event comes once and none is left out, over all connections.
    pub fn heard(&self, account: &str, event: &Event) {
        if event.name == "reset" {
            self.broken(format!("{account} was told to begin anew: {event:?}"));
        }
        let Some(id) = event.id.filter(|_| !event.name.is_empty()) else { return };
        let last = self.heard_by(account).last_id;
        if id != last + 1 {
            self.broken(format!("{account} heard {id} after {last}: {event:?}"));
        }
        let data = event.json();
        let mut entries = self.entries();
        let heard = entries.heard.entry(account.to_owned()).or_default();
        heard.last_id = id;
        let (counts, field) = match event.name.as_str() {
            "job" if data["status"] == "completed" => (&mut heard.completed, "id"),
            "library" if data["change"] == "added" => (&mut heard.added, "song_id"),
            _ => return,
        };
        *counts.entry(data[field].as_str().unwrap().to_owned()).or_default() += 1;
    }

    /// Prints what was done and what failed.
    pub fn print(&self) {
        let entries = self.entries();
        println!("done: {:?}; {} jobs acknowledged", entries.done, entries.jobs.len());
        for (kind, failures) in &entries.failed {
            let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
            for failure in failures {
                *kinds.entry(failure).or_default() += 1;
            }
            println!("failed {kind}: {} times: {kinds:?}", failures.len());
        }
    }

    pub fn assert_unbroken(&self) {
        let broken = &self.entries().broken;
        assert!(broken.is_empty(), "{broken:#?}");
    }

    pub fn assert_nothing_failed(&self) {
        self.assert_only_failed(&[]);
    }

    /// Whatever else may have failed does not depend on what was away.
    pub fn assert_only_failed(&self, kinds: &[&str]) {
        let entries = self.entries();
        let others: Vec<_> = entries.failed.iter().filter(|(kind, _)| !kinds.contains(kind)).collect();
        assert!(others.is_empty(), "{others:#?}");
    }
}

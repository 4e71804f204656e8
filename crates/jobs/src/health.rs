//! What an engine says of itself, for readiness checks and the administrator's overview.

use std::{fmt, sync::Mutex};

use crate::clock::clock_words;

/// Whether the engine takes jobs, and if not, why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EngineState {
    /// The clocks have not been compared yet, or the engine does not run.
    Starting,
    Ready,
    /// This machine's clock differs too much from the database's; positive when it is ahead.
    ClockOff {
        ahead_ms: i64,
    },
    /// The last call for a job failed.
    StoreFailing,
    /// An attempt failed, and the handler says that others would too.
    WorkFailing,
    Stopping,
}

impl fmt::Display for EngineState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("starting"),
            Self::Ready => f.write_str("ready"),
            Self::ClockOff { ahead_ms } => {
                write!(f, "{}: no jobs are taken", clock_words(*ahead_ms, "the database's"))
            }
            Self::StoreFailing => f.write_str("the job store fails: no jobs can be taken"),
            Self::WorkFailing => f.write_str("what imports need is missing here: no jobs are taken"),
            Self::Stopping => f.write_str("stopping"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineHealth {
    pub state: EngineState,
    /// Jobs being worked on.
    pub running: usize,
    pub slots: usize,
}

impl EngineHealth {
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.state == EngineState::Ready
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClockState {
    Unknown,
    Right,
    Off { ahead_ms: i64 },
}

/// Whether attempts can go well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Well,
    /// An attempt failed, and it is not known yet whether the node is to blame.
    Doubted,
    Failing,
}

#[derive(Debug)]
struct Facts {
    clock: ClockState,
    work: Work,
    store_fails: bool,
    stopping: bool,
}

/// The facts that a state is made of.
#[derive(Debug)]
pub(crate) struct HealthBoard(Mutex<Facts>);

impl HealthBoard {
    pub fn new() -> Self {
        let facts =
            Facts { clock: ClockState::Unknown, work: Work::Well, store_fails: false, stopping: false };
        Self(Mutex::new(facts))
    }

    fn facts(&self) -> std::sync::MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// True when this is news.
    pub fn set_clock(&self, clock: ClockState) -> bool {
        std::mem::replace(&mut self.facts().clock, clock) != clock
    }

    /// True when this is news.
    pub fn set_store_fails(&self, fails: bool) -> bool {
        std::mem::replace(&mut self.facts().store_fails, fails) != fails
    }

    /// What it was before.
    pub fn set_work(&self, work: Work) -> Work {
        std::mem::replace(&mut self.facts().work, work)
    }

    /// An attempt failed; what is known already stays.
    pub fn doubt_work(&self) {
        let mut facts = self.facts();
        if facts.work == Work::Well {
            facts.work = Work::Doubted;
        }
    }

    pub fn set_stopping(&self) {
        self.facts().stopping = true;
    }

    pub fn may_claim(&self) -> bool {
        let facts = self.facts();
        !facts.stopping && facts.clock == ClockState::Right && facts.work == Work::Well
    }

    pub fn state(&self) -> EngineState {
        let facts = self.facts();
        match (facts.stopping, facts.clock) {
            (true, _) => EngineState::Stopping,
            (_, ClockState::Off { ahead_ms }) => EngineState::ClockOff { ahead_ms },
            _ if facts.store_fails => EngineState::StoreFailing,
            _ if facts.work == Work::Failing => EngineState::WorkFailing,
            (_, ClockState::Unknown) => EngineState::Starting,
            (_, ClockState::Right) => EngineState::Ready,
        }
    }
}

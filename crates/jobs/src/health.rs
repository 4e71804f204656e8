//! What an engine says of itself, for readiness checks and the administrator's overview.

use std::{fmt, sync::Mutex};

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
    Stopping,
}

impl fmt::Display for EngineState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("starting"),
            Self::Ready => f.write_str("ready"),
            Self::ClockOff { ahead_ms } => {
                let side = if *ahead_ms < 0 { "behind" } else { "ahead of" };
                let secs = ahead_ms.unsigned_abs() as f64 / 1_000.0;
                write!(f, "the clock is {secs:.1} s {side} the database's: no jobs are taken")
            }
            Self::StoreFailing => f.write_str("the job store fails: no jobs can be taken"),
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

#[derive(Debug)]
struct Facts {
    clock: ClockState,
    store_fails: bool,
    stopping: bool,
}

/// The facts that a state is made of.
#[derive(Debug)]
pub(crate) struct HealthBoard(Mutex<Facts>);

impl HealthBoard {
    pub fn new() -> Self {
        Self(Mutex::new(Facts { clock: ClockState::Unknown, store_fails: false, stopping: false }))
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

    pub fn set_stopping(&self) {
        self.facts().stopping = true;
    }

    pub fn may_claim(&self) -> bool {
        let facts = self.facts();
        !facts.stopping && facts.clock == ClockState::Right
    }

    pub fn state(&self) -> EngineState {
        let facts = self.facts();
        match (facts.stopping, facts.clock) {
            (true, _) => EngineState::Stopping,
            (_, ClockState::Off { ahead_ms }) => EngineState::ClockOff { ahead_ms },
            _ if facts.store_fails => EngineState::StoreFailing,
            (_, ClockState::Unknown) => EngineState::Starting,
            (_, ClockState::Right) => EngineState::Ready,
        }
    }
}

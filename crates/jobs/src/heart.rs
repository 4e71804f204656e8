//! The heartbeat of one job, apart from the work: extends the lease, carries progress, and hears of
//! cancellation and loss.

use std::{sync::Arc, time::Duration};

use songkeep_domain::job::{Claim, Heartbeat, JobStore};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    EngineSettings,
    reporter::{ReportBox, Urgency},
    retry::Backoff,
};

/// Whether the job is still ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    Held,
    CancelRequested,
    /// Final; nothing may be written any more.
    Lost,
}

pub(crate) struct Heart {
    jobs: Arc<dyn JobStore>,
    claim: Claim,
    reports: Arc<ReportBox>,
    hold: watch::Sender<Hold>,
    lease: Duration,
    progress_gap: Duration,
    stage_gap: Duration,
    /// When the last heartbeat was sent.
    beat_at: Instant,
    /// When the last heartbeat that arrived was sent: the lease lives at least `lease` from then.
    extended_at: Instant,
    /// After a failure, no heartbeat before this.
    not_before: Option<Instant>,
    backoff: Backoff,
}

impl Heart {
    /// `claimed_at` is a moment before the claim was asked for.
    pub fn new(
        jobs: Arc<dyn JobStore>,
        claim: Claim,
        reports: Arc<ReportBox>,
        settings: &EngineSettings,
        claimed_at: Instant,
    ) -> (Self, watch::Receiver<Hold>) {
        let (hold, watched) = watch::channel(Hold::Held);
        let lease = settings.lease;
        let heart = Self {
            jobs,
            claim,
            reports,
            hold,
            lease,
            progress_gap: settings.progress_gap,
            stage_gap: settings.stage_gap,
            beat_at: claimed_at,
            extended_at: claimed_at,
            not_before: None,
            backoff: Backoff::new(lease / 60, lease / 6),
        };
        (heart, watched)
    }

    /// Beats until the job is lost; whoever ends the job drops this.
    pub async fn run(mut self) {
        loop {
            self.wait_for_next().await;
            let expires_at = self.extended_at + self.lease;
            if Instant::now() >= expires_at {
                tracing::warn!(job_id = %self.claim.job_id, "no heartbeat arrived within the lease: dropping the job");
                break;
            }
            if !self.beat(expires_at).await {
                break;
            }
        }
        self.hold.send_replace(Hold::Lost);
    }

    async fn wait_for_next(&self) {
        loop {
            let due = self.due().min(self.extended_at + self.lease);
            tokio::select! {
                () = sleep_until(due) => return,
                () = self.reports.changed.notified() => {}
            }
        }
    }

    fn due(&self) -> Instant {
        if let Some(not_before) = self.not_before {
            return not_before;
        }
        let after = match self.reports.urgency() {
            Urgency::None => self.lease / 3,
            Urgency::Moved => self.progress_gap.min(self.lease / 3),
            Urgency::Staged => self.stage_gap.min(self.lease / 3),
            Urgency::Ask => Duration::ZERO,
        };
        self.beat_at + after
    }

    /// False when the job is lost.
    async fn beat(&mut self, expires_at: Instant) -> bool {
        self.beat_at = Instant::now();
        let report = self.reports.take();
        let answer = tokio::select! {
            answer = self.jobs.heartbeat(&self.claim, self.lease, report.progress, report.title.as_deref()) => answer,
            () = sleep_until(expires_at) => return true,
        };
        match answer {
            Ok(Heartbeat::Extended { cancel_requested }) => {
                self.extended_at = self.beat_at;
                self.not_before = None;
                self.backoff.reset();
                if cancel_requested {
                    self.hold.send_replace(Hold::CancelRequested);
                }
                true
            }
            Ok(Heartbeat::Lost) => false,
            Err(error) => {
                if self.not_before.is_none() {
                    tracing::warn!(job_id = %self.claim.job_id, error = &error as &dyn std::error::Error, "a heartbeat failed");
                }
                self.reports.put_back(report);
                self.not_before = Some(Instant::now() + self.backoff.next());
                true
            }
        }
    }
}

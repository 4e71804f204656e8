//! What a handler says of its progress, kept until the next heartbeat carries it to the store.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use songkeep_domain::job::{ImportStage, JobProgress};
use tokio::sync::Notify;

/// How soon the store should hear of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// With the next regular heartbeat.
    None,
    /// The percentage moved.
    Moved,
    /// Stage or title changed.
    Staged,
    /// Somebody may have cancelled the job: ask at once.
    Ask,
}

#[derive(Debug)]
struct Said {
    progress: JobProgress,
    title: Option<String>,
    urgency: Urgency,
}

/// Shared by the reporter, the heartbeat and the listener for cancellations.
#[derive(Debug)]
pub(crate) struct ReportBox {
    said: Mutex<Said>,
    pub changed: Notify,
}

/// What one heartbeat carries.
#[derive(Debug)]
pub(crate) struct Report {
    pub progress: JobProgress,
    pub title: Option<String>,
}

impl ReportBox {
    pub fn new(progress: JobProgress) -> Self {
        let said = Said { progress, title: None, urgency: Urgency::None };
        Self { said: Mutex::new(said), changed: Notify::new() }
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn urgency(&self) -> Urgency {
        self.said().urgency
    }

    /// Takes what is to be sent; what is said from now on is for the next report.
    pub fn take(&self) -> Report {
        let mut said = self.said();
        said.urgency = Urgency::None;
        Report { progress: said.progress, title: said.title.take() }
    }

    /// Puts back what could not be sent.
    pub fn put_back(&self, report: Report) {
        let mut said = self.said();
        if said.title.is_none() {
            said.title = report.title;
        }
        said.urgency = said.urgency.max(Urgency::Staged);
    }

    pub fn ask(&self) {
        self.raise(|_| Urgency::Ask);
    }

    fn raise(&self, change: impl FnOnce(&mut Said) -> Urgency) {
        let mut said = self.said();
        let urgency = change(&mut said);
        // The heartbeat plans anew only when something became more urgent: progress is reported far
        // more often than it is written.
        if urgency > said.urgency {
            said.urgency = urgency;
            drop(said);
            self.changed.notify_one();
        }
    }
}

/// Through which a handler tells how far it is. Cheap enough to call for every chunk: reports are
/// gathered and written with the heartbeat, soon when the stage changes.
#[derive(Clone, Debug)]
pub struct JobReporter(Arc<ReportBox>);

impl JobReporter {
    pub(crate) const fn new(reports: Arc<ReportBox>) -> Self {
        Self(reports)
    }

    /// `percent` is over all stages, 0–100; within an attempt it never goes back.
    pub fn report(&self, stage: ImportStage, percent: u8) {
        self.0.raise(|said| {
            let before = said.progress;
            said.progress = JobProgress { stage, percent: before.percent.max(percent.min(100)) };
            match said.progress {
                now if now.stage != before.stage => Urgency::Staged,
                now if now != before => Urgency::Moved,
                _ => Urgency::None,
            }
        });
    }

    /// Names the job after its recording.
    pub fn set_title(&self, title: &str) {
        self.0.raise(|said| {
            said.title = Some(title.to_owned());
            Urgency::Staged
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reports() -> (Arc<ReportBox>, JobReporter) {
        let reports = Arc::new(ReportBox::new(JobProgress { stage: ImportStage::Resolve, percent: 0 }));
        (Arc::clone(&reports), JobReporter::new(reports))
    }

    #[test]
    fn the_percentage_never_goes_back() {
        let (reports, reporter) = reports();
        reporter.report(ImportStage::Download, 40);
        reporter.report(ImportStage::Download, 20);
        reporter.report(ImportStage::Process, 200);
        assert_eq!(reports.take().progress, JobProgress { stage: ImportStage::Process, percent: 100 });
    }

    #[test]
    fn a_report_that_was_not_sent_is_sent_later_with_the_newest_title() {
        let (reports, reporter) = reports();
        reporter.set_title("first");
        let report = reports.take();
        assert_eq!(reports.urgency(), Urgency::None);
        reports.put_back(report);
        assert_eq!(reports.urgency(), Urgency::Staged);
        assert_eq!(reports.take().title.as_deref(), Some("first"));

        reporter.set_title("first");
        let report = reports.take();
        reporter.set_title("second");
        reports.put_back(report);
        assert_eq!(reports.take().title.as_deref(), Some("second"));
    }
}

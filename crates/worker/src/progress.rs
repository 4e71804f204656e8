//! How an import's stages share the percentage that listeners see.

use songkeep_domain::{job::ImportStage, media::FetchObserver, song::SongMetadata};
use songkeep_jobs::JobReporter;

/// Percent at which each stage begins.
pub const DOWNLOAD_FROM: u8 = 5;
pub const PROCESS_FROM: u8 = 80;
pub const STORE_FROM: u8 = 90;
pub const PUBLISH_FROM: u8 = 98;

/// Turns what a fetcher tells into stage, percentage and title of its job.
pub struct FetchProgress<'a>(pub &'a JobReporter);

impl FetchObserver for FetchProgress<'_> {
    fn preparing_tools(&self) {
        self.0.report(ImportStage::PreparingTools, 0);
    }

    fn resolved(&self, metadata: &SongMetadata) {
        if !metadata.title.trim().is_empty() {
            self.0.set_title(&metadata.title);
        }
        self.0.report(ImportStage::Download, DOWNLOAD_FROM);
    }

    fn downloaded(&self, bytes: u64, total: u64) {
        self.0.report(ImportStage::Download, download_percent(bytes, total));
    }

    fn processing(&self) {
        self.0.report(ImportStage::Process, PROCESS_FROM);
    }
}

/// While the total is unknown, a download stays at its beginning.
fn download_percent(bytes: u64, total: u64) -> u8 {
    let width = u128::from(PROCESS_FROM - DOWNLOAD_FROM);
    let done = (u128::from(bytes.min(total)) * width).checked_div(u128::from(total)).unwrap_or(0);
    DOWNLOAD_FROM + u8::try_from(done).expect("at most the width of the stage")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_fills_its_share_and_never_more() {
        assert_eq!(download_percent(0, 100), 5);
        assert_eq!(download_percent(50, 100), 42);
        assert_eq!(download_percent(100, 100), 80);
        assert_eq!(download_percent(300, 100), 80, "more came than was told");
        assert_eq!(download_percent(7_000, 0), 5, "the total is unknown");
        assert_eq!(download_percent(u64::MAX, u64::MAX), 80);
    }
}

//! How things stand with the tools, for `doctor`, the administrator's page and logs.

use std::{fmt, path::PathBuf};

use super::ToolSet;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolState {
    /// Not there; the first import will set them up.
    Missing,
    Preparing {
        /// What is being done, e.g. `3 of 18: fetching deno`.
        step: String,
    },
    Ready {
        /// Of yt-dlp.
        version: String,
        /// Name and version, e.g. `deno 2.9.8`.
        js_runtime: String,
        ffmpeg_version: String,
    },
    Failed {
        reason: String,
        /// What an administrator can do: sentences.
        remedy: String,
    },
}

impl ToolState {
    pub(super) fn ready(set: &ToolSet) -> Self {
        Self::Ready {
            version: set.ytdlp_version.clone(),
            js_runtime: format!("{} {}", set.js_runtime.name, set.js_runtime.version),
            ffmpeg_version: set.ffmpeg_version.clone(),
        }
    }
}

/// Displays as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolStatus {
    pub state: ToolState,
    pub tools_dir: PathBuf,
}

impl fmt::Display for ToolStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dir = self.tools_dir.display();
        match &self.state {
            ToolState::Missing => write!(f, "not set up yet; the first import does it (about 110 MB, {dir})"),
            ToolState::Preparing { step } => write!(f, "being set up: {step}"),
            ToolState::Ready { version, js_runtime, ffmpeg_version } => {
                write!(f, "ready: yt-dlp {version}, {js_runtime}, ffmpeg {ffmpeg_version} ({dir})")
            }
            ToolState::Failed { reason, remedy } => write!(f, "not working: {reason}. {remedy}"),
        }
    }
}

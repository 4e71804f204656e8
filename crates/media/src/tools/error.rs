//! Why the tools are not there, and what an administrator can do.

/// What is wrong with the tools. Cheap to clone: every waiting job hears of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ToolError {
    pub kind: ToolErrorKind,
    /// What happened, with the last words of the program that failed.
    pub reason: String,
    /// What to do about it: sentences.
    pub remedy: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolErrorKind {
    /// No Python, or too old, or without pip.
    Python,
    /// The packages could not be fetched.
    Network,
    DiskFull,
    /// The folder of the tools cannot be written.
    Folder,
    JsRuntime,
    Ffmpeg,
    Downloader,
    /// The installation failed in another way.
    Install,
}

const OWN_TOOLS: &str = "Or point YTDLP_PATH, FFMPEG_PATH and JS_RUNTIME_PATH at tools of your own.";

impl ToolError {
    pub(crate) fn new(kind: ToolErrorKind, reason: impl Into<String>) -> Self {
        let remedy = match kind {
            ToolErrorKind::Python => {
                "Install Python 3.11 or newer with its venv module (Debian and Ubuntu: \
                 apt-get install python3 python3-venv)."
                    .to_owned()
            }
            ToolErrorKind::Network => format!(
                "Let this machine reach the Python package index, or set HTTPS_PROXY or PIP_INDEX_URL (and \
                 SSL_CERT_FILE where a proxy has its own certificates). {OWN_TOOLS}"
            ),
            ToolErrorKind::DiskFull => "Free some 600 MB for the folder of the tools.".to_owned(),
            ToolErrorKind::Folder => {
                "Make TOOLS_DIR a folder that this account may write, or that holds a finished set.".to_owned()
            }
            ToolErrorKind::JsRuntime => {
                "Let JS_RUNTIME_PATH name deno 2.3 or node 22, or newer; or leave it empty to have deno \
                 installed."
                    .to_owned()
            }
            ToolErrorKind::Ffmpeg => {
                "Let FFMPEG_PATH name ffmpeg 5 or newer (Debian and Ubuntu: apt-get install ffmpeg); or leave \
                 it empty to have one installed."
                    .to_owned()
            }
            ToolErrorKind::Downloader => {
                "Let YTDLP_PATH name yt-dlp as a Python program or a folder with its package, not a binary; or \
                 leave it empty to have one installed."
                    .to_owned()
            }
            ToolErrorKind::Install => {
                format!("Read what the installer said and try again. {OWN_TOOLS}")
            }
        };
        Self { kind, reason: reason.into(), remedy }
    }

    pub(crate) fn folder(path: &std::path::Path, error: &std::io::Error) -> Self {
        let kind =
            if matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded) {
                ToolErrorKind::DiskFull
            } else {
                ToolErrorKind::Folder
            };
        Self::new(kind, format!("{}: {error}", path.display()))
    }
}

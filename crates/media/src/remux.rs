//! Makes the file that is stored out of what was downloaded: the same packets in an MP4 with the index in
//! front, the same bytes each time. Only what browsers cannot play is encoded again.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use songkeep_domain::job::{FailureCode, ImportFailure};
use songkeep_sandbox::{ChildSpec, Launcher, Limits, RunError};

use crate::probe::{ProbeError, Probed, probe};

const TIMEOUT: Duration = Duration::from_secs(15 * 60);
const CPU_SECS: u64 = 20 * 60;
const MAX_OUTPUT: usize = 16 * 1024;
/// Formats of files that hold music, and none that names other files.
const INPUTS: &str =
    "matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,ogg,mp3,flac,wav,aac,aiff,w64,caf,asf,mpegts,ac3,eac3,wv,tta";
const TRANSCODED: [&str; 6] = ["-c:a", "libopus", "-b:a", "160k", "-ac", "2"];

/// What is to be made of a download.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Opus as it is, in `.mp4` (ffmpeg refuses it in `.m4a`).
    KeepOpus,
    /// AAC as it is, in `.m4a`.
    KeepAac,
    /// Anything else becomes Opus at 160 kbit/s.
    ToOpus,
}

impl Plan {
    /// By the codec's name as yt-dlp gives it (`opus`, `mp4a.40.2`, `vorbis`).
    #[must_use]
    pub fn for_codec(codec: Option<&str>) -> Self {
        match codec.map(str::to_ascii_lowercase).as_deref() {
            Some("opus") => Self::KeepOpus,
            Some(codec) if codec == "aac" || codec.starts_with("mp4a.40") => Self::KeepAac,
            _ => Self::ToOpus,
        }
    }

    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::KeepOpus | Self::ToOpus => "mp4",
            Self::KeepAac => "m4a",
        }
    }

    const fn codec(self) -> &'static str {
        match self {
            Self::KeepOpus | Self::ToOpus => "opus",
            Self::KeepAac => "aac",
        }
    }

    const fn muxer(self) -> &'static str {
        match self {
            Self::KeepOpus | Self::ToOpus => "mp4",
            Self::KeepAac => "ipod",
        }
    }

    /// Where the sound begins and ends. Opus says itself what a decoder has to leave out; WebM's whole
    /// milliseconds would cut off too much of it. With AAC the file must say it, in samples rather than in the
    /// usual milliseconds.
    const fn edits(self) -> [&'static str; 2] {
        match self {
            Self::KeepOpus => ["-use_editlist", "0"],
            Self::KeepAac => ["-movie_timescale", "44100"],
            Self::ToOpus => ["-movie_timescale", "48000"],
        }
    }

    const fn encoding(self) -> &'static [&'static str] {
        match self {
            Self::KeepOpus | Self::KeepAac => &["-c:a", "copy"],
            Self::ToOpus => &TRANSCODED,
        }
    }
}

/// A finished file and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remuxed {
    pub path: PathBuf,
    pub extension: &'static str,
    pub probed: Probed,
}

/// What the result is held against.
#[derive(Clone, Copy, Debug)]
pub struct Expectations {
    /// Seconds, as the source says; None when it does not.
    pub duration: Option<f64>,
    pub max_duration_sec: u64,
    pub max_bytes: u64,
}

/// Runs ffmpeg.
#[derive(Clone, Copy, Debug)]
pub struct Remuxer<'a> {
    pub launcher: Launcher,
    pub ffmpeg: &'a Path,
}

impl Remuxer<'_> {
    /// Writes `folder/song.<ext>` from `input`, and checks it.
    ///
    /// # Errors
    /// `ToolBroken` when the input cannot be read or is not all there, `TooLong`, `TooLarge`, `DiskFull`,
    /// `Timeout`.
    pub async fn remux(
        &self,
        input: &Path,
        plan: Plan,
        folder: &Path,
        expected: Expectations,
    ) -> Result<Remuxed, ImportFailure> {
        let extension = plan.extension();
        let path = folder.join(format!("song.{extension}"));
        let spec = ChildSpec::new(self.ffmpeg)
            .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-y"])
            .args(["-protocol_whitelist", "file", "-format_whitelist", INPUTS, "-i"])
            .arg(as_file(input))
            .args(["-map", "0:a:0", "-map_metadata", "-1", "-map_chapters", "-1"])
            .args(plan.encoding())
            // No time, no version, no names: the same input makes the same bytes.
            .args(["-fflags", "+bitexact", "-flags:a", "+bitexact", "-movflags", "+faststart"])
            .args(plan.edits())
            .args(["-f", plan.muxer()])
            .arg(as_file(&path))
            .env("LANG", "C.UTF-8")
            .cwd(folder)
            .limits(Limits {
                file_bytes: Some(expected.max_bytes),
                cpu_secs: Some(CPU_SECS),
                ..Limits::default()
            });
        let finished = self.launcher.run(spec, TIMEOUT, MAX_OUTPUT).await.map_err(|error| match error {
            RunError::Timeout(_) => ImportFailure::new(FailureCode::Timeout, format!("ffmpeg: {error}")),
            RunError::Spawn(_) | RunError::Io(_) => {
                ImportFailure::new(FailureCode::ToolBroken, format!("ffmpeg: {error}"))
            }
        })?;
        if !finished.status.success() {
            return Err(ffmpeg_failure(&finished.status.to_string(), &finished.stderr_text()));
        }
        let probed = probe_in_background(path.clone()).await?;
        check(&probed, plan, expected)?;
        Ok(Remuxed { path, extension, probed })
    }
}

/// ffmpeg must not take a name for an address.
fn as_file(path: &Path) -> OsString {
    let mut text = OsString::from("file:");
    text.push(path);
    text
}

fn ffmpeg_failure(status: &str, said: &str) -> ImportFailure {
    let code = if said.contains("No space left on device") || said.contains("Disk quota exceeded") {
        FailureCode::DiskFull
    } else if said.contains("File too large") || status.contains("SIGXFSZ") {
        FailureCode::TooLarge
    } else {
        FailureCode::ToolBroken
    };
    ImportFailure::new(code, format!("ffmpeg ended with {status}: {}", said.trim()))
}

async fn probe_in_background(path: PathBuf) -> Result<Probed, ImportFailure> {
    let probed = tokio::task::spawn_blocking(move || probe(&path)).await;
    match probed {
        Ok(Ok(probed)) => Ok(probed),
        Ok(Err(ProbeError::Io(error))) => Err(ImportFailure::new(FailureCode::Internal, error.to_string())),
        Ok(Err(error)) => Err(ImportFailure::new(FailureCode::ToolBroken, error.to_string())),
        Err(error) => Err(ImportFailure::new(FailureCode::Internal, error.to_string())),
    }
}

fn check(probed: &Probed, plan: Plan, expected: Expectations) -> Result<(), ImportFailure> {
    let broken = |detail: String| Err(ImportFailure::new(FailureCode::ToolBroken, detail));
    if probed.packets == 0 || probed.duration_ms == 0 {
        return broken("the file has no sound".to_owned());
    }
    if probed.codec != plan.codec() {
        return broken(format!("the file holds {} instead of {}", probed.codec, plan.codec()));
    }
    if !probed.index_first {
        return broken("the index is not in front".to_owned());
    }
    let seconds = probed.duration_ms as f64 / 1000.0;
    if let Some(wanted) = expected.duration.filter(|wanted| *wanted > 0.0)
        && (seconds - wanted).abs() > tolerance(wanted)
    {
        return broken(format!("truncated: {seconds:.2} s of {wanted:.2} s"));
    }
    if seconds > expected.max_duration_sec as f64 + 1.0 {
        return Err(ImportFailure::new(FailureCode::TooLong, format!("it takes {seconds:.0} s")));
    }
    Ok(())
}

/// By how many seconds a file may differ from what the source says: 2 %, at least the second that whole
/// numbers may be off, at most two.
fn tolerance(wanted: f64) -> f64 {
    (wanted * 0.02).clamp(1.0, 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Probed {
        Probed {
            codec: "opus".to_owned(),
            duration_ms: 200_000,
            bitrate_kbps: 128,
            packets: 10_000,
            index_first: true,
        }
    }

    fn code(probed: &Probed, duration: Option<f64>) -> Option<FailureCode> {
        let expected = Expectations { duration, max_duration_sec: 300, max_bytes: 1 << 20 };
        check(probed, Plan::KeepOpus, expected).err().map(|failure| failure.code)
    }

    #[test]
    fn what_browsers_play_is_kept_as_it_is() {
        assert_eq!(Plan::for_codec(Some("opus")), Plan::KeepOpus);
        assert_eq!(Plan::for_codec(Some("mp4a.40.2")), Plan::KeepAac);
        for codec in [Some("vorbis"), Some("mp4a.6b"), Some("ac-3"), Some("none"), None] {
            assert_eq!(Plan::for_codec(codec), Plan::ToOpus, "{codec:?}");
        }
    }

    #[test]
    fn a_file_that_is_not_all_there_is_refused() {
        for told in [Some(200.0), Some(201.9), Some(198.5), Some(0.0), None] {
            assert_eq!(code(&good(), told), None, "{told:?}");
        }
        for told in [Some(202.1), Some(400.0), Some(150.0)] {
            assert_eq!(code(&good(), told), Some(FailureCode::ToolBroken), "{told:?}");
        }
        let short = Probed { duration_ms: 3_000, ..good() };
        assert_eq!(code(&short, Some(4.0)), None);
        assert_eq!(code(&short, Some(4.1)), Some(FailureCode::ToolBroken));
    }

    #[test]
    fn files_without_sound_or_with_the_wrong_one_are_refused() {
        for probed in [
            Probed { packets: 0, ..good() },
            Probed { duration_ms: 0, ..good() },
            Probed { codec: "aac".to_owned(), ..good() },
            Probed { index_first: false, ..good() },
        ] {
            assert_eq!(code(&probed, None), Some(FailureCode::ToolBroken), "{probed:?}");
        }
        assert_eq!(code(&Probed { duration_ms: 302_000, ..good() }, None), Some(FailureCode::TooLong));
    }

    #[test]
    fn a_full_disk_and_a_limit_are_told_apart() {
        assert_eq!(
            ffmpeg_failure("exit status: 228", "av_interleaved_write_frame(): No space left on device").code,
            FailureCode::DiskFull
        );
        assert_eq!(ffmpeg_failure("signal: 25 (SIGXFSZ)", "").code, FailureCode::TooLarge);
        assert_eq!(ffmpeg_failure("exit status: 1", "Invalid data found").code, FailureCode::ToolBroken);
    }
}

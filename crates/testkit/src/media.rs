//! Tiny media made at test time, and what a file sounds like: nothing recorded is ever committed.

mod melody;
mod recording;

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail};
use tokio::process::Command;

pub(crate) use self::{
    melody::Melody,
    recording::{Recording, ensure_recording},
};

/// Finds ffmpeg: `FFMPEG_PATH`, then `PATH`, then the one among the tests' tools (`SONGKEEP_TEST_TOOLS_DIR`,
/// else `target/test-tools`).
///
/// # Errors
/// When there is none anywhere.
pub fn find_ffmpeg() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("FFMPEG_PATH").filter(|path| !path.is_empty()) {
        return Ok(PathBuf::from(path));
    }
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let of_system = std::env::split_paths(&on_path).map(|folder| folder.join("ffmpeg"));
    if let Some(path) = of_system.into_iter().find(|path| path.is_file()) {
        return Ok(path);
    }
    let tools = std::env::var_os("SONGKEEP_TEST_TOOLS_DIR")
        .map_or_else(|| target_dir().join("test-tools"), PathBuf::from);
    find_packaged_ffmpeg(&tools, 8)
        .context("there is no ffmpeg: install the package ffmpeg, or set FFMPEG_PATH")
}

/// `imageio_ffmpeg/binaries/ffmpeg-<platform>-<version>`, wherever the Python environment put it.
fn find_packaged_ffmpeg(folder: &Path, depth: u8) -> Option<PathBuf> {
    let entries: Vec<PathBuf> = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).collect();
    if folder.ends_with("imageio_ffmpeg/binaries") {
        let is_ffmpeg = |path: &&PathBuf| {
            path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with("ffmpeg-"))
        };
        return entries.iter().find(is_ffmpeg).cloned();
    }
    let deeper = depth.checked_sub(1)?;
    entries.iter().filter(|path| path.is_dir()).find_map(|path| find_packaged_ffmpeg(path, deeper))
}

/// What a file sounds like: the MD5 of its first audio stream decoded to 16-bit PCM, as 32 hex digits.
/// Only sums of the same ffmpeg can be compared.
///
/// # Errors
/// When the file cannot be decoded.
pub async fn decoded_md5(ffmpeg: &Path, file: &Path) -> anyhow::Result<String> {
    let mut args = vec![OsStr::new("-i"), file.as_os_str()];
    args.extend(["-map", "0:a:0", "-c:a", "pcm_s16le", "-f", "md5", "-"].map(OsStr::new));
    let output = run_ffmpeg(ffmpeg, &args).await?;
    let text = String::from_utf8(output).context("ffmpeg did not print a checksum")?;
    let sum = text.trim().strip_prefix("MD5=").context("ffmpeg did not print a checksum")?;
    Ok(sum.to_owned())
}

/// Writes a sine tone to `to`; the extension says the format (`mp3`, `flac`, `ogg`, `opus`, `m4a`, `wav`, …).
/// The same arguments make the same bytes.
///
/// # Errors
/// When ffmpeg cannot write such a file.
pub async fn make_tone(ffmpeg: &Path, to: &Path, frequency_hz: u32, length: Duration) -> anyhow::Result<()> {
    let source = format!("sine=frequency={frequency_hz}:sample_rate=48000:duration={}", length.as_secs_f64());
    let mut args = ["-f", "lavfi", "-i", source.as_str(), "-ac", "2"].map(OsStr::new).to_vec();
    args.extend(BIT_EXACT.map(OsStr::new));
    args.push(to.as_os_str());
    run_ffmpeg(ffmpeg, &args).await.map(drop)
}

/// Leaves out of a file what differs from one run or machine to the next.
const BIT_EXACT: [&str; 6] = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact"];

/// Runs ffmpeg, overwriting what is there; what it printed.
async fn run_ffmpeg(ffmpeg: &Path, args: &[&OsStr]) -> anyhow::Result<Vec<u8>> {
    let output = Command::new(ffmpeg)
        .args(["-hide_banner", "-nostdin", "-loglevel", "error", "-y"])
        .args(args)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("{} does not start", ffmpeg.display()))?;
    if !output.status.success() {
        bail!("ffmpeg failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(output.stdout)
}

/// The folder of everything built.
fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target"), PathBuf::from)
}

//! The files of a recording as YouTube would hold them. Made once and kept below the target folder, where
//! parallel test processes share them.

use std::{
    ffi::OsStr,
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use aws_lc_rs::digest::{SHA256, digest};

use super::{BIT_EXACT, Melody, melody::SAMPLE_RATE, run_ffmpeg, target_dir};

/// To be raised when the files for the same description change.
const VERSION: u32 = 2;
const OPUS: &str = "251.webm";
const AAC: &str = "140.m4a";
const WIDE: &str = "wide.jpg";
const SMALL: &str = "small.jpg";
const SQUARE: &str = "square.jpg";

/// Files of one recording. Nobody may change them.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    pub(crate) opus_webm: PathBuf,
    pub(crate) aac_m4a: PathBuf,
    /// JPEG, 1280 × 720.
    pub(crate) wide_cover: PathBuf,
    /// JPEG, 480 × 360.
    pub(crate) small_cover: PathBuf,
    /// JPEG, 544 × 544.
    pub(crate) square_cover: PathBuf,
    pub(crate) length: Duration,
}

/// The files of a tune with a cover of two colours (`rrggbb`).
pub(crate) async fn ensure_recording(
    ffmpeg: &Path,
    melody: Melody,
    colours: [&str; 2],
) -> anyhow::Result<Recording> {
    let description = format!("{VERSION} {melody:?} {colours:?}");
    let name = hex::encode(&digest(&SHA256, description.as_bytes()).as_ref()[..8]);
    let shelf = target_dir().join("tmp/songkeep-media");
    tokio::fs::create_dir_all(&shelf).await.with_context(|| format!("cannot make {}", shelf.display()))?;
    let folder = shelf.join(&name);
    if !folder.is_dir() {
        let lock = lock(shelf.join(format!("{name}.lock"))).await?;
        // Another process may have made it while this one waited.
        if !folder.is_dir() {
            let unfinished = tempfile::Builder::new().prefix(&name).tempdir_in(&shelf)?;
            make(ffmpeg, unfinished.path(), melody, colours).await?;
            tokio::fs::rename(unfinished.keep(), &folder).await?;
        }
        drop(lock);
    }
    #[expect(clippy::cast_precision_loss, reason = "a tune has few samples")]
    let length = Duration::from_secs_f64(melody.len() as f64 / SAMPLE_RATE as f64);
    Ok(Recording {
        opus_webm: folder.join(OPUS),
        aac_m4a: folder.join(AAC),
        wide_cover: folder.join(WIDE),
        small_cover: folder.join(SMALL),
        square_cover: folder.join(SQUARE),
        length,
    })
}

/// Waits for the lock, which ends when the file is dropped.
async fn lock(path: PathBuf) -> anyhow::Result<File> {
    let locked = tokio::task::spawn_blocking(move || {
        let file = File::create(path)?;
        file.lock()?;
        std::io::Result::Ok(file)
    });
    locked.await?.context("cannot lock the shelf of test media")
}

async fn make(ffmpeg: &Path, folder: &Path, melody: Melody, colours: [&str; 2]) -> anyhow::Result<()> {
    let pcm = folder.join("tune.pcm");
    let samples = tokio::task::spawn_blocking(move || melody.to_pcm()).await?;
    tokio::fs::write(&pcm, samples).await?;
    let opus = folder.join(OPUS);
    let aac = folder.join(AAC);
    let mut args = ["-f", "s16le", "-ar", "48000", "-ac", "2", "-i"].map(OsStr::new).to_vec();
    args.push(pcm.as_os_str());
    args.extend(["-c:a", "libopus", "-b:a", "128k"].map(OsStr::new));
    args.extend(BIT_EXACT.map(OsStr::new));
    args.push(opus.as_os_str());
    let whole_packets = format!("aresample=44100,atrim=end_sample={}", melody.aac_len());
    args.extend(["-af", &whole_packets, "-c:a", "aac", "-b:a", "128k"].map(OsStr::new));
    // What YouTube calls 140 is a fragmented file with an index in front and no edit list.
    args.extend(["-movflags", "+dash+empty_moov+default_base_moof+global_sidx"].map(OsStr::new));
    args.extend(["-frag_duration", "5000000"].map(OsStr::new));
    args.extend(BIT_EXACT.map(OsStr::new));
    args.push(aac.as_os_str());
    run_ffmpeg(ffmpeg, &args).await?;
    tokio::fs::remove_file(&pcm).await?;
    make_covers(ffmpeg, folder, colours).await
}

async fn make_covers(ffmpeg: &Path, folder: &Path, [from, to]: [&str; 2]) -> anyhow::Result<()> {
    // The source moves its colours from picture to picture; one picture with fixed ends is always the same.
    let source = format!("gradients=size=1280x720:c0=0x{from}:c1=0x{to}:x0=0:y0=0:x1=1280:y1=720:seed=1");
    let [wide, small, square] = [WIDE, SMALL, SQUARE].map(|name| folder.join(name));
    let mut args = ["-f", "lavfi", "-i", source.as_str()].map(OsStr::new).to_vec();
    for (path, filter) in
        [(&wide, "null"), (&small, "scale=480:270,pad=480:360:0:45"), (&square, "crop=720:720,scale=544:544")]
    {
        args.extend(
            ["-map", "0:v", "-frames:v", "1", "-update", "1", "-q:v", "3", "-vf", filter].map(OsStr::new),
        );
        args.extend(["-fflags", "+bitexact", "-flags:v", "+bitexact"].map(OsStr::new));
        args.push(path.as_os_str());
    }
    run_ffmpeg(ffmpeg, &args).await.map(drop)
}

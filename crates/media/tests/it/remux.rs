use std::{path::PathBuf, time::Duration};

use songkeep_domain::job::FailureCode;
use songkeep_media::{
    probe::probe,
    remux::{Expectations, Plan, Remuxer},
};
use songkeep_sandbox::Launcher;
use songkeep_testkit::media::{find_ffmpeg, make_tone};
use tempfile::TempDir;

use crate::world::test_tools;

const LENGTH: Duration = Duration::from_secs(3);
const EXPECTED: Expectations = Expectations { duration: Some(3.0), max_duration_sec: 60, max_bytes: 8 << 20 };

async fn tone(extension: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(format!("tone.{extension}"));
    make_tone(&find_ffmpeg().unwrap(), &path, 440, LENGTH).await.unwrap();
    (dir, path)
}

#[tokio::test]
async fn what_browsers_cannot_play_becomes_opus_and_the_same_bytes_each_time() {
    let tools = test_tools().ensure().await.unwrap();
    let remuxer = Remuxer { launcher: Launcher::new(), ffmpeg: &tools.ffmpeg };
    for extension in ["flac", "ogg", "mp3"] {
        let (dir, input) = tone(extension).await;
        let mut files = Vec::new();
        for name in ["one", "two"] {
            let folder = dir.path().join(name);
            std::fs::create_dir(&folder).unwrap();
            let made = remuxer.remux(&input, Plan::ToOpus, &folder, EXPECTED).await.unwrap();
            assert_eq!(made.probed.codec, "opus", "{extension}");
            assert!(made.probed.index_first && made.probed.packets > 100);
            files.push(std::fs::read(made.path).unwrap());
        }
        assert!(files[0] == files[1], "{extension}");
    }
}

#[tokio::test]
async fn a_file_that_ends_too_early_is_refused() {
    let tools = test_tools().ensure().await.unwrap();
    let remuxer = Remuxer { launcher: Launcher::new(), ffmpeg: &tools.ffmpeg };
    let (dir, input) = tone("webm").await;
    let whole = std::fs::read(&input).unwrap();
    std::fs::write(&input, &whole[..whole.len() / 2]).unwrap();
    let failure = remuxer.remux(&input, Plan::KeepOpus, dir.path(), EXPECTED).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::ToolBroken);
    assert!(failure.detail.contains("truncated"), "{failure}");
}

#[tokio::test]
async fn lists_that_name_other_files_are_not_read() {
    let tools = test_tools().ensure().await.unwrap();
    let remuxer = Remuxer { launcher: Launcher::new(), ffmpeg: &tools.ffmpeg };
    let (dir, input) = tone("m4a").await;
    for (name, text) in [
        (
            "list.m4a",
            format!("#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{}\n#EXT-X-ENDLIST\n", input.display()),
        ),
        ("concat.m4a", format!("ffconcat version 1.0\nfile {}\n", input.display())),
        ("text.m4a", "not a song".to_owned()),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let failure = remuxer.remux(&path, Plan::KeepAac, dir.path(), EXPECTED).await.unwrap_err();
        assert_eq!(failure.code, FailureCode::ToolBroken, "{name}: {failure}");
    }
}

#[tokio::test]
async fn a_codec_other_than_announced_is_refused_and_a_limit_is_kept() {
    let tools = test_tools().ensure().await.unwrap();
    let remuxer = Remuxer { launcher: Launcher::new(), ffmpeg: &tools.ffmpeg };
    let (dir, input) = tone("m4a").await;
    let failure = remuxer.remux(&input, Plan::KeepOpus, dir.path(), EXPECTED).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::ToolBroken, "{failure}");
    let small = Expectations { max_bytes: 4096, ..EXPECTED };
    let failure = remuxer.remux(&input, Plan::KeepAac, dir.path(), small).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::TooLarge, "{failure}");
}

#[tokio::test]
async fn our_reading_of_a_file_agrees_with_how_it_was_made() {
    let (_dir, path) = tone("m4a").await;
    let probed = probe(&path).unwrap();
    assert_eq!(probed.codec, "aac");
    assert!((2_950..=3_100).contains(&probed.duration_ms), "{probed:?}");
    let (_dir, path) = tone("flac").await;
    assert!(probe(&path).is_err());
}

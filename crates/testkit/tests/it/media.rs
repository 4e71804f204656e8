//! Media made at test time.

use std::time::Duration;

use songkeep_testkit::{
    fake_youtube::{Catalog, FakeYouTube},
    media::{decoded_md5, find_ffmpeg, make_tone},
};

#[tokio::test]
async fn a_tone_is_the_same_every_time_and_tones_differ() {
    let ffmpeg = find_ffmpeg().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut sums = Vec::new();
    for (name, frequency_hz) in [("a.flac", 440), ("b.flac", 440), ("c.flac", 523)] {
        let file = folder.path().join(name);
        make_tone(&ffmpeg, &file, frequency_hz, Duration::from_secs(1)).await.unwrap();
        sums.push((std::fs::read(&file).unwrap(), decoded_md5(&ffmpeg, &file).await.unwrap()));
    }
    assert_eq!(sums[0], sums[1]);
    assert_ne!(sums[0].1, sums[2].1);
    assert_eq!(sums[0].1.len(), 32);
}

#[tokio::test]
async fn no_two_songs_sound_alike() {
    let ffmpeg = find_ffmpeg().unwrap();
    let (one, other) = tokio::join!(Catalog::tiny(), Catalog::tiny());
    let catalog = (one.unwrap(), other.unwrap()).0;
    let youtube = FakeYouTube::start(catalog).await.unwrap();
    let mut sums = Vec::new();
    for video in &youtube.videos()[..6] {
        sums.push(decoded_md5(&ffmpeg, &video.media.webm_251).await.unwrap());
        sums.push(decoded_md5(&ffmpeg, &video.media.m4a_140).await.unwrap());
    }
    sums.sort();
    sums.dedup();
    assert_eq!(sums.len(), 12);
}

#[tokio::test]
async fn a_remuxed_song_sounds_like_its_source() {
    let ffmpeg = find_ffmpeg().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let youtube = FakeYouTube::start(Catalog::tiny().await.unwrap()).await.unwrap();
    for video in &youtube.videos()[..6] {
        for (source, name, edit_list) in
            [(&video.media.webm_251, "song.mp4", "0"), (&video.media.m4a_140, "song.m4a", "auto")]
        {
            let copy = folder.path().join(name);
            let status = tokio::process::Command::new(&ffmpeg)
                .args(["-v", "error", "-nostdin", "-y", "-i"])
                .arg(source)
                // Without an edit list the start is trimmed by what Opus itself says: WebM's times are
                // milliseconds, too coarse for 6.5 of them.
                .args(["-c", "copy", "-movflags", "+faststart", "-use_editlist", edit_list])
                .arg(&copy)
                .status()
                .await;
            assert!(status.unwrap().success());
            let sums =
                (decoded_md5(&ffmpeg, source).await.unwrap(), decoded_md5(&ffmpeg, &copy).await.unwrap());
            assert_eq!(sums.0, sums.1, "{} {name}", video.title);
        }
    }
}

#[tokio::test]
async fn what_is_no_media_cannot_be_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text.mp3");
    std::fs::write(&file, "not a song").unwrap();
    let error = decoded_md5(&find_ffmpeg().unwrap(), &file).await.unwrap_err();
    assert!(error.to_string().starts_with("ffmpeg failed: "), "{error}");
}

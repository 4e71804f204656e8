use songkeep_domain::{media::SongFetcher, song::Container};
use songkeep_testkit::{fake_youtube::Behaviour, media::decoded_md5};

use crate::world::{Heard, World, youtube};

#[tokio::test]
async fn a_song_keeps_the_sound_that_the_source_has() {
    let world = World::new().await;
    let video = &world.fake.videos()[0];
    let (heard, folder) = (Heard::default(), world.job_folder("job"));
    let song = world.fetcher.fetch(&youtube(&video.id), &folder, &heard).await.unwrap();

    assert_eq!((song.extension, song.container, song.codec.as_str()), ("mp4", Container::Mp4, "opus"));
    assert_eq!(song.path, folder.join("song.mp4"));
    let wanted = i64::try_from(video.media.length.as_millis()).unwrap();
    assert!((i64::try_from(song.duration_ms).unwrap() - wanted).abs() <= 60, "{} ms", song.duration_ms);
    assert!(song.bitrate_kbps > 8, "{} kbit/s", song.bitrate_kbps);
    let ffmpeg = world.fetcher.tools.ensure().await.unwrap().ffmpeg.clone();
    assert_eq!(
        decoded_md5(&ffmpeg, &song.path).await.unwrap(),
        decoded_md5(&ffmpeg, &video.media.webm_251).await.unwrap()
    );

    let log = heard.log();
    assert_eq!(log.resolved, std::slice::from_ref(&song.metadata));
    assert_eq!(song.metadata.title, video.title);
    assert_eq!(song.metadata.artist.as_deref(), Some(video.artists.join(", ").as_str()));
    assert_eq!(song.metadata.album, video.album);
    let size = std::fs::metadata(&video.media.webm_251).unwrap().len();
    assert_eq!(log.downloaded.last(), Some(&(size, size)));
    assert!(log.downloaded.is_sorted());
    assert_eq!(log.processing, 1);

    assert!(world.fake.solved_challenges() > 0, "Opus takes a solved challenge");
    assert_eq!(world.fake.denied_hosts(), Vec::<String>::new());
    assert!(!world.fake.contacted_hosts().is_empty());
}

#[tokio::test]
async fn where_only_aac_is_offered_it_is_kept() {
    let world = World::new().await;
    let video = &world.fake.videos()[1];
    world.fake.set(&video.id, Behaviour::OnlyM4a);
    let song = world.fetch(&video.id, "job").await.unwrap();
    assert_eq!((song.extension, song.container, song.codec.as_str()), ("m4a", Container::Mp4, "aac"));
    let ffmpeg = world.fetcher.tools.ensure().await.unwrap().ffmpeg.clone();
    assert_eq!(
        decoded_md5(&ffmpeg, &song.path).await.unwrap(),
        decoded_md5(&ffmpeg, &video.media.m4a_140).await.unwrap()
    );
}

#[tokio::test]
async fn the_same_recording_makes_the_same_bytes() {
    let world = World::new().await;
    for (behaviour, number) in [(Behaviour::Normal, 0), (Behaviour::OnlyM4a, 1)] {
        let id = world.fake.videos()[number].id.clone();
        world.fake.set(&id, behaviour);
        let first = world.fetch(&id, &format!("first-{number}")).await.unwrap();
        let second = world.fetch(&id, &format!("second-{number}")).await.unwrap();
        assert_ne!(first.path, second.path);
        assert!(std::fs::read(first.path).unwrap() == std::fs::read(second.path).unwrap(), "{behaviour:?}");
    }
    assert_eq!(world.pool.worker_pids().len(), 1, "one warm worker did it all");
}

#[tokio::test]
async fn media_that_were_refused_once_are_asked_for_again() {
    let world = World::new().await;
    let id = world.fake.videos()[0].id.clone();
    world.fake.set(&id, Behaviour::ForbiddenTimes(1));
    world.fetch(&id, "job").await.unwrap();
    assert_eq!(world.fake.media_downloads(&id), 1);
}

#[tokio::test]
async fn nothing_but_the_song_is_left_in_the_folder() {
    let world = World::new().await;
    let folder = world.job_folder("job");
    let id = world.fake.videos()[2].id.clone();
    world.fetcher.fetch(&youtube(&id), &folder, &Heard::default()).await.unwrap();
    let mut files = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() { folders.push(entry.path()) } else { files.push(entry.file_name()) }
        }
    }
    assert_eq!(files, ["song.mp4"]);
}

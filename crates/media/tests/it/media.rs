use secrecy::SecretString;
use songkeep_media::{Media, MediaError, MediaSettings};
use songkeep_testkit::fake_youtube::{Catalog, FakeYouTube, SearchBehaviour};

use crate::world::{Heard, test_tools_dir};

fn settings(fake: &FakeYouTube, folder: &std::path::Path) -> MediaSettings {
    MediaSettings {
        tools_dir: test_tools_dir(),
        work_dir: folder.join("work"),
        workers: 1,
        upstream_proxy: Some(SecretString::from(fake.proxy_url())),
        ca_file: Some(fake.ca_file().to_owned()),
        max_duration_sec: 7200,
        max_bytes: 64 << 20,
        ytdlp_path: None,
        ffmpeg_path: None,
        js_runtime_path: None,
        environment: std::env::vars_os().collect(),
    }
}

#[tokio::test]
async fn what_is_found_can_be_fetched_and_all_of_it_through_the_proxy() {
    let fake = FakeYouTube::start(Catalog::tiny().await.unwrap()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let media = Media::new(settings(&fake, folder.path())).unwrap();
    let video = &fake.videos()[3];
    let query = format!("{} {}", video.channel, video.title);
    let found = media.source.search(&query, 5).await.unwrap();
    let hit = found.iter().find(|hit| hit.source.id() == video.id).unwrap();

    let job = folder.path().join("job");
    std::fs::create_dir(&job).unwrap();
    let song = media.fetcher.fetch(&hit.source, &job, &Heard::default()).await.unwrap();
    assert_eq!(song.metadata.title, video.title);

    // The way round, when the source's own search is built anew.
    fake.set_search(SearchBehaviour::UnknownShape);
    let found = media.source.search(&query, 5).await.unwrap();
    assert!(found.iter().any(|hit| hit.source.id() == video.id), "{found:?}");
    media.stop().await;
    assert_eq!(fake.denied_hosts(), Vec::<String>::new());
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_at_the_start() {
    let fake = FakeYouTube::start(Catalog::tiny().await.unwrap()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let bad = MediaSettings {
        upstream_proxy: Some(SecretString::from("no proxy at all")),
        ..settings(&fake, folder.path())
    };
    assert!(matches!(Media::new(bad), Err(MediaError::Proxy(_))));
    let bad = MediaSettings { ca_file: Some("/nowhere.pem".into()), ..settings(&fake, folder.path()) };
    assert!(matches!(Media::new(bad), Err(MediaError::Folder { .. })));
}

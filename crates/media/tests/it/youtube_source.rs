//! The YouTube source against a YouTube of our own, with a stand-in for the download tool.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use secrecy::SecretString;
use songkeep_domain::{
    SourceProvider, SourceRef,
    media::{HitKind, SongSource, SourceError, SourceHit},
};
use songkeep_media::{flat_search::FlatSearch, outgoing::Outgoing, youtube::YoutubeSource};
use songkeep_testkit::fake_youtube::{Behaviour, Catalog, FakeYouTube, SearchBehaviour, Video};

/// Answers with one hit of its own, or fails.
#[derive(Default)]
struct StandIn {
    fails: bool,
    searches: AtomicU32,
    descriptions: AtomicU32,
}

impl StandIn {
    fn answer<T>(&self, counter: &AtomicU32, answer: T) -> Result<T, SourceError> {
        counter.fetch_add(1, Ordering::Relaxed);
        if self.fails { Err(SourceError::Unavailable("the tool is broken".to_owned())) } else { Ok(answer) }
    }

    fn searches(&self) -> u32 {
        self.searches.load(Ordering::Relaxed)
    }

    fn descriptions(&self) -> u32 {
        self.descriptions.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl FlatSearch for StandIn {
    async fn flat_search(&self, query: &str, _limit: u32) -> Result<Vec<SourceHit>, SourceError> {
        self.answer(&self.searches, vec![tools_hit(&source("toolfoundit"), query)])
    }

    async fn describe(&self, source: &SourceRef) -> Result<SourceHit, SourceError> {
        self.answer(&self.descriptions, tools_hit(source, "as the tool says"))
    }
}

fn tools_hit(source: &SourceRef, title: &str) -> SourceHit {
    SourceHit {
        source: source.clone(),
        title: title.to_owned(),
        artists: vec![],
        album: None,
        channel: None,
        channel_verified: false,
        duration_sec: None,
        view_count: None,
        kind: HitKind::Unknown,
        is_live: false,
    }
}

fn source(id: &str) -> SourceRef {
    SourceRef::new(SourceProvider::Youtube, id).unwrap()
}

struct World {
    youtube: FakeYouTube,
    tool: Arc<StandIn>,
    source: YoutubeSource,
}

impl World {
    async fn start() -> Self {
        Self::with_tool(StandIn::default()).await
    }

    async fn with_broken_tool() -> Self {
        Self::with_tool(StandIn { fails: true, ..StandIn::default() }).await
    }

    async fn with_tool(tool: StandIn) -> Self {
        let youtube = FakeYouTube::start(Catalog::tiny().await.unwrap()).await.unwrap();
        let proxy = SecretString::from(youtube.proxy_url());
        let outgoing = Outgoing::new(Some(&proxy), Some(youtube.ca_file())).unwrap();
        let tool = Arc::new(tool);
        let source = YoutubeSource::new(outgoing, Arc::clone(&tool) as Arc<dyn FlatSearch>);
        Self { youtube, tool, source }
    }

    /// The first song.
    fn song(&self) -> Video {
        self.youtube.videos().into_iter().next().unwrap()
    }

    /// The first that the music catalogue does not have.
    fn other(&self) -> Video {
        self.youtube.videos().into_iter().find(|video| video.id.starts_with("SKlive")).unwrap()
    }

    /// All that was contacted lies where search and pictures live, and nothing else was tried.
    fn assert_only_youtube_was_contacted(&self) {
        assert_eq!(self.youtube.denied_hosts(), Vec::<String>::new());
        for host in self.youtube.contacted_hosts().into_keys() {
            assert!(
                ["www.youtube.com", "music.youtube.com", "i.ytimg.com"].contains(&host.as_str()),
                "{host}"
            );
        }
    }
}

#[tokio::test]
async fn a_search_asks_both_catalogues_and_puts_the_one_for_music_first() {
    let world = World::start().await;
    let song = world.song();
    let hits = world.source.search(&format!("{} {}", song.title, song.channel), 20).await.unwrap();

    let first = &hits[0];
    assert_eq!((first.source.id(), first.title.as_str()), (song.id.as_str(), song.title.as_str()));
    assert_eq!(
        (first.kind, &first.artists, &first.album),
        (HitKind::OfficialAudio, &song.artists, &song.album)
    );
    assert_eq!((first.duration_sec, first.is_live), (Some(song.duration_sec), false));
    // The site for music says "1.2M plays"; the other one counts.
    assert_eq!(first.view_count, Some(song.view_count));
    let copies = hits.iter().filter(|hit| hit.source == first.source).count();
    assert_eq!(copies, 1);

    let hosts = world.youtube.contacted_hosts();
    assert_eq!((hosts.get("www.youtube.com"), hosts.get("music.youtube.com")), (Some(&1), Some(&1)));
    assert_eq!(world.tool.searches(), 0);
    world.assert_only_youtube_was_contacted();
}

#[tokio::test]
async fn what_only_the_site_for_videos_has_is_found_too() {
    let world = World::start().await;
    let video = world.other();
    let hits = world.source.search(&video.title, 20).await.unwrap();
    let hit = hits.iter().find(|hit| hit.source.id() == video.id).unwrap();
    assert_eq!(
        (hit.title.as_str(), hit.channel.as_deref()),
        (video.title.as_str(), Some(video.channel.as_str()))
    );
    assert_eq!((hit.view_count, hit.duration_sec), (Some(video.view_count), Some(video.duration_sec)));
    assert_eq!(world.tool.searches(), 0);
}

#[tokio::test]
async fn every_song_is_found_by_its_name_with_all_that_the_source_knows() {
    let world = World::start().await;
    for song in world.youtube.videos().into_iter().filter(|video| video.album.is_some()) {
        let hits =
            world.source.search(&format!("{} {}", song.title, song.artists.join(" ")), 20).await.unwrap();
        let hit =
            hits.iter().find(|hit| hit.source.id() == song.id).unwrap_or_else(|| panic!("{}", song.title));
        assert_eq!((&hit.artists, &hit.album), (&song.artists, &song.album), "{}", song.title);
    }
}

#[tokio::test]
async fn at_most_so_many_of_each_catalogue_are_given() {
    let world = World::start().await;
    let hits = world.source.search("paper lanterns", 1).await.unwrap();
    assert!((1..=2).contains(&hits.len()), "{hits:?}");
}

#[tokio::test]
async fn when_youtube_changes_its_answers_the_tool_is_asked() {
    let world = World::start().await;
    world.youtube.set_search(SearchBehaviour::UnknownShape);
    let hits = world.source.search("anything", 5).await.unwrap();
    assert_eq!((hits[0].source.id(), hits[0].title.as_str()), ("toolfoundit", "anything"));
    assert_eq!(world.tool.searches(), 1);
}

#[tokio::test]
async fn when_the_tool_fails_too_the_source_is_unavailable() {
    let world = World::with_broken_tool().await;
    for behaviour in [SearchBehaviour::Down, SearchBehaviour::UnknownShape] {
        world.youtube.set_search(behaviour);
        let answer = world.source.search("anything", 5).await;
        assert!(matches!(answer, Err(SourceError::Unavailable(_))), "{behaviour:?}: {answer:?}");
    }
    assert_eq!(world.tool.searches(), 2);
    world.assert_only_youtube_was_contacted();
}

#[tokio::test]
async fn an_empty_answer_is_doubted_but_stands_when_nobody_knows_better() {
    let world = World::start().await;
    world.youtube.set_search(SearchBehaviour::Empty);
    assert_eq!(world.source.search("anything", 5).await.unwrap().len(), 1);

    let world = World::with_broken_tool().await;
    world.youtube.set_search(SearchBehaviour::Empty);
    assert_eq!(world.source.search("anything", 5).await.unwrap(), []);
}

#[tokio::test]
async fn a_slow_youtube_is_not_waited_for() {
    let world = World::start().await;
    world.youtube.set_search(SearchBehaviour::Slow(Duration::from_secs(60)));
    let started = Instant::now();
    assert_eq!(world.source.search("anything", 5).await.unwrap()[0].source.id(), "toolfoundit");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[tokio::test]
async fn describes_a_recording_without_the_tool() {
    let world = World::with_broken_tool().await;
    let song = world.song();
    let hit = world.source.describe(&source(&song.id)).await.unwrap();
    assert_eq!((hit.source.id(), hit.title.as_str()), (song.id.as_str(), song.title.as_str()));
    assert_eq!((&hit.artists, &hit.album, hit.kind), (&song.artists, &song.album, HitKind::OfficialAudio));
    assert_eq!((hit.duration_sec, hit.view_count), (Some(song.duration_sec), Some(song.view_count)));
    assert_eq!(world.tool.descriptions(), 0);
    world.assert_only_youtube_was_contacted();
}

#[tokio::test]
async fn a_recording_that_is_unknown_gone_or_private_is_not_found() {
    let world = World::start().await;
    let unknown = world.source.describe(&source("nosuchvideo")).await;
    assert!(matches!(unknown, Err(SourceError::NotFound)), "{unknown:?}");
    let song = world.song();
    for behaviour in [Behaviour::Unavailable, Behaviour::Private] {
        world.youtube.set(&song.id, behaviour);
        let answer = world.source.describe(&source(&song.id)).await;
        assert!(matches!(answer, Err(SourceError::NotFound)), "{behaviour:?}: {answer:?}");
    }
    assert_eq!(world.tool.descriptions(), 0);
}

#[tokio::test]
async fn the_tool_describes_what_youtube_does_not_tell_us() {
    let world = World::start().await;
    let song = world.song();
    for behaviour in [Behaviour::RateLimited, Behaviour::ServerError] {
        world.youtube.set(&song.id, behaviour);
        let hit = world.source.describe(&source(&song.id)).await.unwrap();
        assert_eq!(hit.title, "as the tool says", "{behaviour:?}");
    }
    assert_eq!(world.tool.descriptions(), 2);
}

#[tokio::test]
async fn a_live_stream_is_described_as_one() {
    let world = World::start().await;
    let song = world.song();
    world.youtube.set(&song.id, Behaviour::Live);
    let hit = world.source.describe(&source(&song.id)).await.unwrap();
    assert_eq!((hit.is_live, hit.duration_sec), (true, None));
}

#[tokio::test]
async fn the_picture_of_a_recording_is_an_image() {
    let world = World::start().await;
    let image = world.source.thumbnail(&source(&world.song().id)).await.unwrap();
    assert_eq!(image.media_type, "image/jpeg");
    assert!(image.bytes.starts_with(&[0xff, 0xd8, 0xff]));
    assert!(image.bytes.len() <= 512 * 1024);
    world.assert_only_youtube_was_contacted();
}

#[tokio::test]
async fn an_unknown_recording_has_no_picture() {
    let world = World::start().await;
    let answer = world.source.thumbnail(&source("nosuchvideo")).await;
    assert!(matches!(answer, Err(SourceError::NotFound)), "{answer:?}");
}

#[tokio::test]
async fn an_unreachable_youtube_is_unavailable() {
    let proxy = SecretString::from("http://127.0.0.1:9".to_owned());
    let tool = Arc::new(StandIn { fails: true, ..StandIn::default() });
    let source_of_songs = YoutubeSource::new(Outgoing::new(Some(&proxy), None).unwrap(), tool);
    let id = source("SKsong00001");
    assert!(matches!(source_of_songs.search("x", 5).await, Err(SourceError::Unavailable(_))));
    assert!(matches!(source_of_songs.describe(&id).await, Err(SourceError::Unavailable(_))));
    assert!(matches!(source_of_songs.thumbnail(&id).await, Err(SourceError::Unavailable(_))));
}

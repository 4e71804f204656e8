use songkeep_domain::media::SourceError;
use songkeep_media::flat_search::FlatSearch;
use songkeep_testkit::fake_youtube::{Behaviour, SearchBehaviour};

use crate::world::{World, youtube};

#[tokio::test]
async fn the_download_tool_searches_as_well() {
    let world = World::new().await;
    let video = &world.fake.videos()[0];
    let hits = world.pool.flat_search(&format!("{} {}", video.channel, video.title), 5).await.unwrap();
    assert!((1..=5).contains(&hits.len()), "{hits:?}");
    let hit = hits.iter().find(|hit| hit.source.id() == video.id).unwrap();
    assert!(hit.title.contains(&video.title), "{hit:?}");
    assert_eq!(hit.duration_sec, Some(video.duration_sec));
    assert!(!hit.is_live);

    assert_eq!(world.pool.flat_search(" \n\t ", 5).await.unwrap(), []);
    assert_eq!(world.pool.flat_search("song", 0).await.unwrap(), []);
}

#[tokio::test]
async fn a_query_is_nothing_but_a_query() {
    let world = World::new().await;
    for query in ["ytsearch50:song", "--exec touch", "https://example.com/", "file:///etc/passwd", ":ytfav"] {
        let hits = world.pool.flat_search(query, 3).await.unwrap();
        assert!(hits.len() <= 3, "{query}");
    }
    assert_eq!(world.fake.denied_hosts(), Vec::<String>::new());
    assert!(world.fake.contacted_hosts().keys().all(|host| host.ends_with("youtube.com")));
}

#[tokio::test]
async fn one_recording_is_described_by_its_id() {
    let world = World::new().await;
    let video = &world.fake.videos()[0];
    let hit = world.pool.describe(&youtube(&video.id)).await.unwrap();
    assert_eq!(hit.source, youtube(&video.id));
    assert_eq!(hit.title, video.title);
    assert_eq!(hit.duration_sec, Some(video.duration_sec));

    world.fake.set(&video.id, Behaviour::Unavailable);
    assert!(matches!(world.pool.describe(&youtube(&video.id)).await, Err(SourceError::NotFound)));
    world.fake.set(&video.id, Behaviour::BotCheck);
    assert!(matches!(world.pool.describe(&youtube(&video.id)).await, Err(SourceError::Unavailable(_))));
}

#[tokio::test]
async fn a_search_that_finds_nothing_or_cannot_be_asked_are_two_things() {
    let world = World::new().await;
    world.fake.set_search(SearchBehaviour::Empty);
    assert_eq!(world.pool.flat_search("anything", 5).await.unwrap(), []);
    world.fake.set_search(SearchBehaviour::Down);
    assert!(world.pool.flat_search("anything", 5).await.is_err());
}

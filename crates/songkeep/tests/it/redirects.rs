//! `STREAM_DELIVERY=redirect`: the bytes of songs come from the S3 service itself, and only for a while.

use std::time::{Duration, Instant};

use futures::TryStreamExt as _;
use reqwest::{Client, Method, Response, StatusCode, Url, header, redirect::Policy};
use songkeep::backends::Backends;
use tokio::time::sleep;

use crate::{
    kit::{App, Topology, problem_of},
    over_servers,
    streaming::{shelve, take, web_stream_url},
};

const SOURCE: &str = "ShelvedSong";
const SIZE: usize = 200_000;
/// The longest that an address of the service may hold.
const HOLDS_FOR: u64 = 300;

async fn start(topology: Topology) -> (App, Vec<u8>) {
    let mut bytes = Vec::new();
    let settings = [("STREAM_DELIVERY", "redirect")];
    let shelved = async |backends: &Backends| bytes = shelve(backends, SOURCE, SIZE).await;
    let app = App::start_after(topology, &settings, shelved).await;
    (app, bytes)
}

/// One that stays where it is sent.
fn stubborn() -> Client {
    Client::builder().no_proxy().redirect(Policy::none()).timeout(Duration::from_secs(60)).build().unwrap()
}

fn text<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

over_servers! {
    async fn listeners_are_sent_to_the_s3_service_for_five_minutes(topology: Topology) {
        let (app, bytes) = start(topology).await;
        let ada = app.listener("ada@example.com").await;
        let song = take(&ada, SOURCE).await;
        let s3 = app.settings.s3.clone().unwrap();
        let public = s3.public_endpoint.unwrap();
        assert_ne!(public, s3.endpoint);
        let client = stubborn();
        for url in [ada.stream_url(&song).await, web_stream_url(&ada, &song).await] {
            let answer = client.get(&url).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::FOUND);
            assert_eq!(text(&answer, "cache-control"), "no-store");
            let target = text(&answer, "location").to_owned();
            assert!(target.starts_with(&format!("{public}/{}/audio/", s3.bucket)), "{target}");
            let holds_for = query(&target, "X-Amz-Expires").parse::<u64>().unwrap();
            assert!((1..=HOLDS_FOR).contains(&holds_for), "{holds_for}");
            gives_the_song(&client, &target, &bytes).await;
            let forever = target.replace(&format!("X-Amz-Expires={holds_for}"), "X-Amz-Expires=86400");
            assert_ne!(forever, target);
            assert_eq!(client.get(&forever).send().await.unwrap().status(), StatusCode::FORBIDDEN);

            let head = client.head(&url).send().await.unwrap();
            assert_eq!((head.status(), text(&head, "location")), (StatusCode::OK, ""));
            assert_eq!(text(&head, "content-length"), SIZE.to_string());
            assert_eq!(text(&head, "content-type"), "audio/mp4");

            // A player follows by itself, with its range.
            let part = app.client.get(&url).header(header::RANGE, "bytes=1000-1999").send().await.unwrap();
            assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
            assert!(part.bytes().await.unwrap() == bytes[1_000..2_000]);

            let (bare, _) = url.split_once('?').unwrap();
            let answer = client.get(format!("{bare}?token=made.up.token")).send().await.unwrap();
            assert_eq!(problem_of(answer, StatusCode::UNAUTHORIZED).await, "unauthenticated");
        }
        let page = app.client.get(&app.web).header(header::ACCEPT, "text/html").send().await.unwrap();
        let policy = text(&page, "content-security-policy");
        let media = policy.split(';').map(str::trim).find(|part| part.starts_with("media-src ")).unwrap();
        assert!(media.split(' ').any(|source| source == public), "{policy}");
        app.stop().await;
    }
}

fn query(url: &str, name: &str) -> String {
    let url = Url::parse(url).unwrap();
    let found = url.query_pairs().find(|(its, _)| its == name);
    found.unwrap_or_else(|| panic!("{name} is not in {url}")).1.into_owned()
}

async fn gives_the_song(client: &Client, target: &str, bytes: &[u8]) {
    let answer = client.get(target).send().await.unwrap();
    assert_eq!((answer.status(), text(&answer, "content-type")), (StatusCode::OK, "audio/mp4"));
    assert!(answer.bytes().await.unwrap() == bytes);
    for (range, expected) in [("bytes=0-99", 0..100), ("bytes=-77", SIZE - 77..SIZE)] {
        let answer = client.get(target).header(header::RANGE, range).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        let content_range = format!("bytes {}-{}/{SIZE}", expected.start, expected.end - 1);
        assert_eq!(text(&answer, "content-range"), content_range);
        assert!(answer.bytes().await.unwrap() == bytes[expected]);
    }
}

over_servers! {
    async fn nobody_is_sent_there_once_a_right_has_ended_and_old_addresses_end_too(topology: Topology) {
        let (app, _) = start(topology).await;
        let ada = app.listener("ada@example.com").await;
        let song = take(&ada, SOURCE).await;
        let url = ada.stream_url(&song).await;
        let client = stubborn();
        assert_eq!(client.get(&url).send().await.unwrap().status(), StatusCode::FOUND);
        let removed = ada.call(Method::DELETE, &format!("/library/{song}")).send().await.unwrap();
        assert_eq!(removed.status(), StatusCode::NO_CONTENT);
        let removed_at = Instant::now();
        loop {
            let answer = client.get(&url).send().await.unwrap();
            if answer.status() == StatusCode::NOT_FOUND {
                break;
            }
            assert!(removed_at.elapsed() < Duration::from_secs(5), "{}", answer.status());
            sleep(Duration::from_millis(50)).await;
        }

        let blobs = app.backends.blobs().unwrap();
        let object = blobs.list().try_next().await.unwrap().unwrap();
        let short = blobs.presign_get(&object.key, Duration::from_secs(1)).await.unwrap().unwrap();
        let signed_at = Instant::now();
        while client.get(short.as_str()).send().await.unwrap().status() != StatusCode::FORBIDDEN {
            assert!(signed_at.elapsed() < Duration::from_secs(30), "{short} still holds");
            sleep(Duration::from_millis(100)).await;
        }
        app.stop().await;
    }
}

//! Media behind signed addresses: who gets them, in which parts, and how downloads go wrong.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use reqwest::{Client, Response, StatusCode, Url};
use songkeep_testkit::fake_youtube::{Behaviour, FakeYouTube};

use crate::fake_youtube::{player, start};

const ID: &str = "SKsong00001";

/// The address of itag 140 as an app gets it: nothing is left to be solved.
async fn plain_url(client: &Client) -> String {
    let answer = player(client, "VISIONOS", ID).await;
    let formats = answer["streamingData"]["adaptiveFormats"].as_array().unwrap();
    assert_eq!(formats.len(), 1, "apps get the lesser half");
    formats[0]["url"].as_str().unwrap().to_owned()
}

/// The scrambled signature and the address of itag 251 as a browser gets them.
async fn cipher(client: &Client) -> (String, Url) {
    let answer = player(client, "WEB", ID).await;
    let format = &answer["streamingData"]["adaptiveFormats"][1];
    assert_eq!((format["itag"].as_u64(), format.get("url")), (Some(251), None));
    let cipher = format["signatureCipher"].as_str().unwrap();
    let parts: HashMap<String, String> =
        Url::parse(&format!("http://x/?{cipher}")).unwrap().query_pairs().into_owned().collect();
    assert_eq!(parts["sp"], "sig");
    (parts["s"].clone(), Url::parse(&parts["url"]).unwrap())
}

/// What the script of the player would make of them.
fn solved(scrambled: &str, url: &Url) -> Url {
    let mut solved = url.clone();
    solved.query_pairs_mut().clear();
    for (name, value) in url.query_pairs() {
        let value = if name == "n" { format!("{}Zz", turned_round(&value)) } else { value.into_owned() };
        solved.query_pairs_mut().append_pair(&name, &value);
    }
    solved.query_pairs_mut().append_pair("sig", &turned_round(&scrambled[3..]));
    solved
}

fn turned_round(text: &str) -> String {
    text.chars().rev().collect()
}

async fn get(client: &Client, url: &str, range: Option<&str>) -> Response {
    let request = client.get(url);
    range.iter().fold(request, |request, range| request.header("Range", *range)).send().await.unwrap()
}

fn source(youtube: &FakeYouTube) -> Vec<u8> {
    std::fs::read(&youtube.videos()[0].media.m4a_140).unwrap()
}

#[tokio::test]
async fn a_browser_gets_opus_once_both_riddles_are_solved() {
    let (youtube, client) = start().await;
    let (scrambled, url) = cipher(&client).await;
    let unsolved = format!("{url}&sig={}", turned_round(&scrambled[3..]));
    let unsigned = solved(&scrambled, &url).to_string().replace("&sig=", "&signature=");
    for refused in [url.as_str(), unsolved.as_str(), unsigned.as_str()] {
        assert_eq!(get(&client, refused, None).await.status(), StatusCode::FORBIDDEN, "{refused}");
    }
    assert_eq!((youtube.media_downloads(ID), youtube.solved_challenges()), (0, 0));
    let answer = get(&client, solved(&scrambled, &url).as_str(), None).await;
    assert_eq!(answer.headers()["content-type"], "audio/webm");
    let source = std::fs::read(&youtube.videos()[0].media.webm_251).unwrap();
    assert!(answer.bytes().await.unwrap() == source);
    assert_eq!((youtube.media_downloads(ID), youtube.solved_challenges()), (1, 1));
}

#[tokio::test]
async fn an_address_is_good_for_nothing_else() {
    let (_youtube, client) = start().await;
    let url = plain_url(&client).await;
    for (from, to) in [
        (ID, "SKsong00002"),
        ("itag=140", "itag=251"),
        ("c=VISIONOS", "c=ANDROID"),
        ("expire=", "expire=9"),
        ("sig=", "sig=0"),
    ] {
        let forged = url.replace(from, to);
        assert_ne!(forged, url);
        assert_eq!(get(&client, &forged, None).await.status(), StatusCode::FORBIDDEN, "{forged}");
    }
    assert_eq!(get(&client, &url, None).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn ranges_are_parts_of_the_file() {
    let (youtube, client) = start().await;
    let url = plain_url(&client).await;
    let source = source(&youtube);
    let size = source.len();
    for (range, expected) in [
        ("0-99", 0..100),
        ("100-", 100..size),
        ("-77", size - 77..size),
        ("5-99999999", 5..size),
        ("0-0", 0..1),
    ] {
        let answer = get(&client, &url, Some(&format!("bytes={range}"))).await;
        assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT, "{range}");
        let content_range = format!("bytes {}-{}/{size}", expected.start, expected.end - 1);
        assert_eq!(answer.headers()["content-range"], content_range.as_str());
        assert!(answer.bytes().await.unwrap() == source[expected.clone()], "{range}");
        let answer = get(&client, &format!("{url}&range={range}"), None).await;
        assert_eq!(answer.status(), StatusCode::OK, "{range}");
        assert!(answer.bytes().await.unwrap() == source[expected], "{range}");
    }
    for range in [format!("bytes={size}-"), "bytes=9-3".to_owned(), "lines=1-2".to_owned()] {
        let answer = get(&client, &url, Some(&range)).await;
        assert_eq!(answer.status(), StatusCode::RANGE_NOT_SATISFIABLE, "{range}");
        assert_eq!(answer.headers()["content-range"], format!("bytes */{size}").as_str());
    }
    assert_eq!(youtube.media_downloads(ID), 4, "a part that does not begin the file is no new download");
    let head = client.head(&url).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], size.to_string().as_str());
    assert_eq!(youtube.media_downloads(ID), 4);
}

#[tokio::test]
async fn media_are_forbidden_as_often_as_asked_for() {
    let (youtube, client) = start().await;
    let url = plain_url(&client).await;
    youtube.set(ID, Behaviour::ForbiddenTimes(2));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(get(&client, &url, None).await.status().as_u16());
    }
    assert_eq!(statuses, [403, 403, 200]);
    assert_eq!(youtube.media_downloads(ID), 1);
    youtube.set(ID, Behaviour::Forbidden);
    assert_eq!(get(&client, &url, None).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn no_download_gets_beyond_the_middle_of_a_truncated_file() {
    let (youtube, client) = start().await;
    let url = plain_url(&client).await;
    let source = source(&youtube);
    youtube.set(ID, Behaviour::Truncated);
    let mut answer = get(&client, &url, None).await;
    assert_eq!(answer.headers()["content-length"], source.len().to_string().as_str());
    let mut got = Vec::new();
    let error = loop {
        match answer.chunk().await {
            Ok(chunk) => got.extend(chunk.expect("the body must not end well")),
            Err(error) => break error,
        }
    };
    assert!(error.is_body() || error.is_decode(), "{error:?}");
    assert!(got.len() <= source.len() / 2 && source.starts_with(&got), "{}", got.len());
    let rest = client.get(&url).header("Range", format!("bytes={}-", source.len() / 2)).send().await;
    if let Ok(answer) = rest {
        assert!(answer.bytes().await.is_err());
    }
}

#[tokio::test]
async fn a_download_hangs_and_others_do_not() {
    let (youtube, client) = start().await;
    let url = plain_url(&client).await;
    youtube.set(ID, Behaviour::Hangs);
    let mut answer = get(&client, &url, None).await;
    assert_eq!(answer.chunk().await.unwrap().unwrap().len(), 1024);
    let silence = tokio::time::timeout(Duration::from_millis(200), answer.chunk()).await;
    assert!(silence.is_err(), "{silence:?}");
    youtube.set(ID, Behaviour::Normal);
    assert_eq!(get(&client, &url, None).await.bytes().await.unwrap().len(), source(&youtube).len());
}

#[tokio::test]
async fn a_throttle_slows_downloads_and_can_be_lifted_under_way() {
    let (youtube, client) = start().await;
    let url = plain_url(&client).await;
    let size = source(&youtube).len();
    youtube.set_throttle(Some(2_000));
    let begun = Instant::now();
    let mut answer = get(&client, &url, None).await;
    let mut got = 0;
    while got < 500 {
        got += answer.chunk().await.unwrap().unwrap().len();
    }
    assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
    youtube.set_throttle(None);
    while let Some(chunk) = answer.chunk().await.unwrap() {
        got += chunk.len();
    }
    assert_eq!(got, size);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

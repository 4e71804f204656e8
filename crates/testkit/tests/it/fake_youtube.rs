//! The fake's pages, its inner API and its walls, as a plain HTTP client sees them.

use std::time::{Duration, Instant};

use reqwest::{Certificate, Client, Proxy, StatusCode};
use serde_json::{Value, json};
use songkeep_testkit::fake_youtube::{Behaviour, Catalog, FakeYouTube, SearchBehaviour, Video, VideoKind};

const API: &str = "https://www.youtube.com/youtubei/v1";
const MUSIC_SEARCH: &str = "https://music.youtube.com/youtubei/v1/search?prettyPrint=false";

pub async fn start() -> (FakeYouTube, Client) {
    start_with(Catalog::tiny().await.unwrap()).await
}

async fn start_with(catalog: Catalog) -> (FakeYouTube, Client) {
    let youtube = FakeYouTube::start(catalog).await.unwrap();
    let authority = Certificate::from_pem(&std::fs::read(youtube.ca_file()).unwrap()).unwrap();
    let client = Client::builder()
        .proxy(Proxy::all(youtube.proxy_url()).unwrap())
        .tls_certs_only([authority])
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    (youtube, client)
}

async fn post(client: &Client, url: &str, client_name: &str, mut body: Value) -> Value {
    body["context"] =
        json!({ "client": { "clientName": client_name, "clientVersion": "2.2026", "hl": "en" } });
    let answer = client.post(url).json(&body).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.json().await.unwrap()
}

pub async fn player(client: &Client, client_name: &str, id: &str) -> Value {
    post(client, &format!("{API}/player"), client_name, json!({ "videoId": id })).await
}

async fn web_search(client: &Client, query: &str) -> Value {
    let body = json!({ "query": query, "params": "EgIQAfABAQ==" });
    post(client, &format!("{API}/search"), "WEB", body).await
}

async fn music_search(client: &Client, query: &str) -> Value {
    let body = json!({ "query": query, "params": "EgWKAQIIAWoKEAoQAxAEEAkQBQ==" });
    post(client, MUSIC_SEARCH, "WEB_REMIX", body).await
}

/// All values below `value` that are called `name`.
fn all<'a>(value: &'a Value, name: &str) -> Vec<&'a Value> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| if key == name { vec![value] } else { all(value, name) })
            .collect(),
        Value::Array(values) => values.iter().flat_map(|value| all(value, name)).collect(),
        _ => Vec::new(),
    }
}

fn ids(renderers: &[&Value]) -> Vec<String> {
    renderers.iter().filter_map(|renderer| renderer["videoId"].as_str()).map(str::to_owned).collect()
}

fn find(youtube: &FakeYouTube, id: &str) -> Video {
    youtube.videos().into_iter().find(|video| video.id == id).unwrap()
}

#[tokio::test]
async fn every_song_is_the_best_hit_for_its_own_name_in_both_catalogues() {
    let (youtube, client) = start().await;
    let songs = youtube.videos().into_iter().filter(|video| video.kind == VideoKind::OfficialAudio);
    for song in songs {
        for query in [song.title.clone(), format!("{} {}", song.channel, song.title)] {
            let answer = web_search(&client, &query).await;
            let found = ids(&all(&answer, "videoRenderer"));
            // The official video of a song is as good a hit for the videos' catalogue.
            let best = find(&youtube, &found[0]);
            assert!(best.id == song.id || best.kind == VideoKind::OfficialVideo, "{query}: {found:?}");
            assert!(found.contains(&song.id), "{query}: {found:?}");
            let answer = music_search(&client, &query).await;
            assert_eq!(all(&answer, "playlistItemData")[0]["videoId"], song.id.as_str(), "{query}");
        }
    }
    assert!(youtube.denied_hosts().is_empty());
    let contacted = youtube.contacted_hosts();
    assert_eq!(contacted.keys().collect::<Vec<_>>(), ["music.youtube.com", "www.youtube.com"]);
    assert_eq!(contacted["www.youtube.com"], 12);
    assert_eq!(youtube.searches(), 24);
}

#[tokio::test]
async fn results_of_videos_have_the_shape_and_the_noise_of_the_real_ones() {
    let (youtube, client) = start().await;
    let answer = web_search(&client, "tea & rain").await;
    let sections =
        &answer["contents"]["twoColumnSearchResultsRenderer"]["primaryContents"]["sectionListRenderer"];
    let sections = sections["contents"].as_array().unwrap();
    let items = sections[0]["itemSectionRenderer"]["contents"].as_array().unwrap();
    let kinds: Vec<&String> = items.iter().flat_map(|item| item.as_object().unwrap().keys()).collect();
    assert_eq!(kinds, ["adSlotRenderer", "videoRenderer", "shelfRenderer", "videoRenderer"]);
    assert!(sections.last().unwrap()["continuationItemRenderer"].is_object());
    assert_eq!(all(&answer, "playlistRenderer").len(), 1);

    let song = &items[1]["videoRenderer"];
    assert_eq!(song["videoId"], "SKsong00003");
    assert_eq!(song["title"]["runs"][0]["text"], "Tea & Rain");
    assert_eq!(song["lengthText"]["simpleText"], "0:04");
    assert_eq!(song["ownerText"]["runs"][0]["text"], "Mirela Stoica - Topic");
    let channel = &song["ownerText"]["runs"][0]["navigationEndpoint"]["browseEndpoint"]["browseId"];
    assert!(channel.as_str().is_some_and(|id| id.starts_with("UC") && id.len() == 24), "{channel}");
    assert_eq!(song["viewCountText"]["simpleText"], "48,211 views");
    let official = &items[3]["videoRenderer"];
    assert_eq!(official["viewCountText"]["simpleText"], "2,004,118 views");
    assert_eq!(
        official["ownerBadges"][0]["metadataBadgeRenderer"]["style"],
        "BADGE_STYLE_TYPE_VERIFIED_ARTIST"
    );

    youtube.set("SKsong00003", Behaviour::Live);
    let answer = web_search(&client, "tea & rain").await;
    let song = all(&answer, "videoRenderer")[0].clone();
    assert!(song.get("lengthText").is_none(), "{song}");
    youtube.set("SKsong00003", Behaviour::TooLong);
    let answer = web_search(&client, "tea & rain").await;
    assert_eq!(all(&answer, "videoRenderer")[0]["lengthText"]["simpleText"], "3:00:00");
}

#[tokio::test]
async fn results_of_songs_tell_artists_from_albums_by_page_type() {
    let (_youtube, client) = start().await;
    let answer = music_search(&client, "northbound ferro pine").await;
    let rows = all(&answer, "musicShelfRenderer")[0]["contents"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "the slowed one is no song, and the last row leads nowhere");
    let row = &rows[0]["musicResponsiveListItemRenderer"];
    let column = |nth: usize| {
        let text = &row["flexColumns"][nth]["musicResponsiveListItemFlexColumnRenderer"]["text"];
        text["runs"].as_array().unwrap().clone()
    };
    let watch = &column(0)[0]["navigationEndpoint"]["watchEndpoint"];
    assert_eq!(watch["videoId"], "SKsong00006");
    let config = &watch["watchEndpointMusicSupportedConfigs"]["watchEndpointMusicConfig"];
    assert_eq!(config["musicVideoType"], "MUSIC_VIDEO_TYPE_ATV");
    let about: Vec<(String, String)> = column(1)
        .iter()
        .map(|run| {
            let kind = all(run, "pageType").first().and_then(|kind| kind.as_str()).unwrap_or("").to_owned();
            (run["text"].as_str().unwrap().to_owned(), kind)
        })
        .collect();
    let artist = "MUSIC_PAGE_TYPE_ARTIST";
    let expected = [
        ("Ferro Pine", artist),
        (" & ", ""),
        ("Ada Lindqvist", artist),
        (" • ", ""),
        ("Northbound", "MUSIC_PAGE_TYPE_ALBUM"),
        (" • ", ""),
        ("0:04", ""),
    ];
    assert_eq!(about, expected.map(|(text, kind)| (text.to_owned(), kind.to_owned())));
    assert_eq!(column(2)[0]["text"], "5.1k\u{a0}plays");
    assert_eq!(all(&row["badges"], "iconType"), ["MUSIC_EXPLICIT_BADGE"]);
    assert!(all(&rows[1], "videoId").is_empty());
}

#[tokio::test]
async fn other_recordings_are_among_the_videos_and_not_among_the_songs() {
    let (_youtube, client) = start().await;
    let videos = ids(&all(&web_search(&client, "paper lanterns").await, "videoRenderer"));
    assert_eq!(videos, ["SKsong00002", "SKcover0002", "SKlive00002"]);
    let songs = music_search(&client, "paper lanterns").await;
    assert_eq!(ids(&all(&songs, "playlistItemData")), ["SKsong00002"]);
    let everything = post(&client, MUSIC_SEARCH, "WEB_REMIX", json!({ "query": "paper lanterns" })).await;
    assert_eq!(ids(&all(&everything, "playlistItemData")).len(), 3);
}

#[tokio::test]
async fn nonsense_finds_nothing() {
    let (_youtube, client) = start().await;
    for query in ["qwxzv zzkpt", "", "!!!"] {
        let videos = web_search(&client, query).await;
        assert!(all(&videos, "videoRenderer").is_empty(), "{query}");
        assert_eq!(all(&videos, "backgroundPromoRenderer").len(), 1);
        let songs = music_search(&client, query).await;
        assert!(all(&songs, "musicResponsiveListItemRenderer").is_empty(), "{query}");
        assert_eq!(all(&songs, "messageRenderer").len(), 1);
    }
}

#[tokio::test]
async fn a_large_catalogue_comes_in_pages_that_end() {
    let (youtube, client) = start_with(Catalog::tiny().await.unwrap().with_copies(50)).await;
    assert_eq!(youtube.videos().len(), 60);
    let mut seen = Vec::new();
    let mut answer = web_search(&client, "northbound").await;
    loop {
        let page = ids(&all(&answer, "videoRenderer"));
        let tokens = all(&answer, "continuationCommand");
        let Some(token) = tokens.first() else {
            assert!(page.is_empty());
            break;
        };
        seen.extend(page);
        let body = json!({ "continuation": token["token"] });
        answer = post(&client, &format!("{API}/search"), "WEB", body).await;
        assert!(answer["onResponseReceivedCommands"][0]["appendContinuationItemsAction"].is_object());
    }
    assert_eq!(seen.len(), 2 + 50 / 6);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 2 + 50 / 6);
    let exact = ids(&all(&web_search(&client, "northbound no. 6").await, "videoRenderer"));
    assert_eq!(exact[0], "SKcopy00006");
}

#[tokio::test]
async fn searches_fail_in_the_ways_asked_for() {
    let (youtube, client) = start().await;
    youtube.set_search(SearchBehaviour::UnknownShape);
    let ours = web_search(&client, "paper lanterns").await;
    assert!(all(&ours, "videoRenderer").is_empty() && ours["contents"].is_object());
    let yt_dlp = client
        .post(format!("{API}/search"))
        .header("Sec-Fetch-Mode", "navigate")
        .json(&json!({ "query": "paper lanterns", "context": { "client": { "clientName": "WEB" } } }));
    let answer: Value = yt_dlp.send().await.unwrap().json().await.unwrap();
    assert!(!all(&answer, "videoRenderer").is_empty());

    youtube.set_search(SearchBehaviour::Empty);
    let empty = web_search(&client, "paper lanterns").await;
    assert!(all(&empty, "videoRenderer").is_empty());
    assert_eq!(all(&empty, "backgroundPromoRenderer").len(), 1);

    youtube.set_search(SearchBehaviour::Down);
    let answer = client.post(format!("{API}/search")).json(&json!({ "query": "tea" })).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);

    youtube.set_search(SearchBehaviour::Slow(Duration::from_millis(300)));
    let begun = Instant::now();
    assert!(!all(&web_search(&client, "tea").await, "videoRenderer").is_empty());
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn the_player_says_why_a_video_does_not_play() {
    let (youtube, client) = start().await;
    let id = "SKsong00001";
    for (behaviour, status, reason) in [
        (Behaviour::Unavailable, "ERROR", "Video unavailable"),
        (Behaviour::Private, "LOGIN_REQUIRED", "Private video"),
        (Behaviour::AgeRestricted, "LOGIN_REQUIRED", "Sign in to confirm your age"),
        (Behaviour::GeoBlocked, "UNPLAYABLE", "Video unavailable"),
        (Behaviour::BotCheck, "LOGIN_REQUIRED", "Sign in to confirm you’re not a bot"),
    ] {
        youtube.set(id, behaviour);
        let answer = player(&client, "TVHTML5", id).await;
        let playability = &answer["playabilityStatus"];
        assert_eq!((&playability["status"], &playability["reason"]), (&json!(status), &json!(reason)));
        assert!(answer.get("streamingData").is_none(), "{behaviour:?}");
    }
    for (behaviour, status) in [
        (Behaviour::RateLimited, StatusCode::TOO_MANY_REQUESTS),
        (Behaviour::ServerError, StatusCode::INTERNAL_SERVER_ERROR),
    ] {
        youtube.set(id, behaviour);
        let page = client.get(format!("https://www.youtube.com/watch?v={id}")).send().await.unwrap();
        let api = client.post(format!("{API}/player")).json(&json!({ "videoId": id })).send().await.unwrap();
        assert_eq!((page.status(), api.status()), (status, status));
    }
    for (behaviour, formats) in
        [(Behaviour::Normal, vec![140, 251]), (Behaviour::OnlyM4a, vec![140]), (Behaviour::NoFormats, vec![])]
    {
        youtube.set(id, behaviour);
        let answer = player(&client, "TVHTML5", id).await;
        assert_eq!(answer["playabilityStatus"]["status"], "OK");
        let itags: Vec<&Value> = all(&answer["streamingData"]["adaptiveFormats"], "itag");
        assert_eq!(itags, formats, "{behaviour:?}");
    }
    youtube.set(id, Behaviour::Live);
    let live = player(&client, "WEB", id).await;
    assert_eq!(live["videoDetails"]["isLive"], true);
    assert!(live["streamingData"]["hlsManifestUrl"].is_string());
    youtube.set(id, Behaviour::TooLong);
    assert_eq!(player(&client, "WEB", id).await["videoDetails"]["lengthSeconds"], "10800");
    let unknown = player(&client, "WEB", "nothinghere").await;
    assert_eq!(unknown["playabilityStatus"]["status"], "ERROR");
}

#[tokio::test]
async fn the_watch_page_leads_to_the_script_of_the_player() {
    let (_youtube, client) = start().await;
    let text = async |url: &str| client.get(url).send().await.unwrap().text().await.unwrap();
    let page = text("https://www.youtube.com/watch?v=SKsong00003").await;
    assert!(
        page.contains("var ytInitialPlayerResponse = {") && page.contains("var ytInitialData = {"),
        "{page}"
    );
    let path = page.split_once(r#""PLAYER_JS_URL":""#).unwrap().1.split('"').next().unwrap();
    let script = text(&format!("https://www.youtube.com{path}")).await;
    assert!(script.contains("signatureTimestamp:20654"));
    assert!(text("https://www.youtube.com/iframe_api").await.contains(r"\/s\/player\/"));
    let short = client.get("https://youtu.be/SKsong00003").send().await.unwrap();
    assert_eq!(short.headers()["location"], "https://www.youtube.com/watch?v=SKsong00003");
}

#[tokio::test]
async fn every_song_has_pictures() {
    let (youtube, client) = start().await;
    for video in youtube.videos() {
        for (url, file) in [
            (format!("https://i.ytimg.com/vi/{}/hqdefault.jpg", video.id), &video.media.small_cover),
            (format!("https://i.ytimg.com/vi/{}/maxresdefault.jpg", video.id), &video.media.wide_cover),
            (
                format!("https://lh3.googleusercontent.com/art/{}=w60-h60-l90-rj", video.id),
                &video.media.square_cover,
            ),
        ] {
            let answer = client.get(&url).send().await.unwrap();
            assert_eq!(answer.headers()["content-type"], "image/jpeg", "{url}");
            let bytes = answer.bytes().await.unwrap();
            assert!(bytes.starts_with(&[0xff, 0xd8, 0xff]) && bytes == std::fs::read(file).unwrap(), "{url}");
        }
    }
    let unknown = client.get("https://i.ytimg.com/vi/nothinghere/hqdefault.jpg").send().await.unwrap();
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn every_other_host_is_refused_and_remembered() {
    let (youtube, client) = start().await;
    for url in [
        "https://example.com/",
        "https://youtube.com.example.net/",
        "https://127.0.0.1/",
        "https://www.youtube.com:8443/",
    ] {
        assert!(client.get(url).send().await.is_err(), "{url}");
    }
    for url in ["http://plain.example/", "http://www.youtube.com/"] {
        assert_eq!(client.get(url).send().await.unwrap().status(), StatusCode::FORBIDDEN, "{url}");
    }
    let straight =
        Client::builder().no_proxy().build().unwrap().get(youtube.proxy_url()).send().await.unwrap();
    assert_eq!(straight.status(), StatusCode::FORBIDDEN);
    let itself = youtube.proxy_url().replace("http://", "");
    let expected = [
        "example.com",
        "youtube.com.example.net",
        "127.0.0.1",
        "www.youtube.com",
        "plain.example",
        "www.youtube.com",
        itself.as_str(),
    ];
    assert_eq!(youtube.denied_hosts(), expected);
    assert!(youtube.contacted_hosts().is_empty());
}

#[tokio::test]
async fn nothing_answers_once_the_fake_is_dropped() {
    let (youtube, client) = start().await;
    let url = "https://www.youtube.com/generate_204";
    assert_eq!(client.get(url).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    drop(youtube);
    let deadline = Instant::now() + Duration::from_secs(5);
    while client.get(url).send().await.is_ok() {
        assert!(Instant::now() < deadline, "it still answers");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

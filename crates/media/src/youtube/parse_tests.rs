//! Answers in the shapes that YouTube sends, and in shapes that it might.

use proptest::prelude::*;
use serde_json::{Value, json};
use songkeep_domain::{
    SourceProvider, SourceRef,
    media::{HitKind, SourceHit},
};

use super::parse::{Description, Page, description, merge, songs, videos};

fn source(id: &str) -> SourceRef {
    SourceRef::new(SourceProvider::Youtube, id).expect("the tests' ids are well formed")
}

fn web_answer(items: Value) -> Value {
    json!({"contents": {"twoColumnSearchResultsRenderer": {"primaryContents": {"sectionListRenderer": {"contents": [
        {"itemSectionRenderer": {"contents": items}},
        {"continuationItemRenderer": {"continuationEndpoint": {"continuationCommand": {"token": "x"}}}}
    ]}}}}})
}

fn music_answer(rows: Value) -> Value {
    json!({"contents": {"tabbedSearchResultsRenderer": {"tabs": [{"tabRenderer": {"content": {"sectionListRenderer":
        {"contents": [{"musicShelfRenderer": {"title": {"runs": [{"text": "Songs"}]}, "contents": rows}}]}}}}]}}})
}

fn video_row(id: &str, title: &str) -> Value {
    json!({"videoRenderer": {
        "videoId": id,
        "title": {"runs": [{"text": title}]},
        "lengthText": {"simpleText": "3:25"},
        "ownerText": {"runs": [{"text": "Some Channel", "navigationEndpoint": {"browseEndpoint": {"browseId": "UCx"}}}]},
        "ownerBadges": [{"metadataBadgeRenderer": {"style": "BADGE_STYLE_TYPE_VERIFIED_ARTIST"}}],
        "viewCountText": {"simpleText": "1,234 views"},
        "publishedTimeText": {"simpleText": "3 years ago"},
        "thumbnail": {"thumbnails": [{"url": "https://i.ytimg.com/vi/x/hq720.jpg", "width": 720, "height": 404}]}
    }})
}

fn linked(text: &str, page: &str) -> Value {
    json!({"text": text, "navigationEndpoint": {"browseEndpoint": {"browseId": "X", "browseEndpointContextSupportedConfigs":
        {"browseEndpointContextMusicConfig": {"pageType": page}}}}})
}

fn column(runs: Value) -> Value {
    json!({"musicResponsiveListItemFlexColumnRenderer": {"text": {"runs": runs}}})
}

fn song_row(id: &str, title: &str, kind: &str, details: Value) -> Value {
    json!({"musicResponsiveListItemRenderer": {
        "flexColumns": [
            column(json!([{"text": title, "navigationEndpoint": {"watchEndpoint": {"videoId": id,
                "watchEndpointMusicSupportedConfigs": {"watchEndpointMusicConfig": {"musicVideoType": kind}}}}}])),
            column(details),
            column(json!([{"text": "333K\u{a0}plays"}])),
        ],
        "badges": [{"musicInlineBadgeRenderer": {"icon": {"iconType": "MUSIC_EXPLICIT_BADGE"}}}],
        "playlistItemData": {"videoId": id}
    }})
}

fn dot() -> Value {
    json!({"text": " • "})
}

fn only(page: Page) -> SourceHit {
    assert_eq!((page.hits.len(), page.unreadable), (1, 0), "{page:?}");
    page.hits.into_iter().next().expect("there is one")
}

#[test]
fn a_video_is_read_with_all_that_its_row_says() {
    let hit = only(videos(&web_answer(json!([video_row("aaaaaaaaaaa", "Artist\u{a0}- Title")]))));
    let expected = SourceHit {
        source: source("aaaaaaaaaaa"),
        title: "Artist - Title".to_owned(),
        artists: vec![],
        album: None,
        channel: Some("Some Channel".to_owned()),
        channel_verified: true,
        duration_sec: Some(205),
        view_count: Some(1_234),
        kind: HitKind::Unknown,
        is_live: false,
    };
    assert_eq!(hit, expected);
}

#[test]
fn videos_in_shelves_count_and_advertisements_and_other_rows_do_not() {
    let answer = web_answer(json!([
        {"adSlotRenderer": {"content": {"inFeedAdLayoutRenderer": video_row("adadadadada", "Buy this")}}},
        {"channelRenderer": {"channelId": "UCx", "title": {"simpleText": "A channel"}}},
        video_row("aaaaaaaaaaa", "first"),
        {"reelShelfRenderer": {"items": [{"reelItemRenderer": {"videoId": "shortshorts", "headline": {"simpleText": "s"}}}]}},
        {"shelfRenderer": {"content": {"verticalListRenderer": {"items": [video_row("bbbbbbbbbbb", "second")]}}}},
        {"playlistRenderer": {"playlistId": "PLx", "videos": [{"childVideoRenderer": {"videoId": "ccccccccccc"}}]}},
        video_row("aaaaaaaaaaa", "first again"),
    ]));
    let page = videos(&answer);
    let titles: Vec<_> = page.hits.iter().map(|hit| hit.title.as_str()).collect();
    assert_eq!((titles, page.unreadable), (vec!["first", "second"], 0));
}

#[test]
fn live_streams_and_announcements_are_told_apart() {
    let mut live = video_row("aaaaaaaaaaa", "live now");
    live["videoRenderer"].as_object_mut().expect("a row").remove("lengthText");
    live["videoRenderer"]["viewCountText"] = json!({"runs": [{"text": "12,345"}, {"text": " watching"}]});
    live["videoRenderer"]["badges"] =
        json!([{"metadataBadgeRenderer": {"style": "BADGE_STYLE_TYPE_LIVE_NOW"}}]);
    let mut soon = video_row("bbbbbbbbbbb", "soon");
    soon["videoRenderer"]["upcomingEventData"] = json!({"startTime": "1900000000"});
    let page = videos(&web_answer(json!([live, soon, video_row("ccccccccccc", "Live at Home")])));
    let read: Vec<_> = page.hits.iter().map(|hit| (hit.is_live, hit.duration_sec, hit.view_count)).collect();
    assert_eq!(read, [(true, None, None), (true, Some(205), Some(1_234)), (false, Some(205), Some(1_234))]);
}

#[test]
fn rows_keep_what_can_be_read_of_them_and_are_counted_when_nothing_can() {
    let page = videos(&web_answer(json!([
        {"videoRenderer": {"videoId": "aaaaaaaaaaa", "title": {"simpleText": "bare"}}},
        {"videoRenderer": {"videoId": "aaaaaaaaaab", "title": {"runs": [{"text": "odd"}, {"bold": true}, 7]}, "lengthText": "3:00", "ownerText": [], "viewCountText": null}},
        {"videoRenderer": {"videoId": "not an id", "title": {"simpleText": "x"}}},
        {"videoRenderer": {"videoId": "aaaaaaaaaac", "title": {"simpleText": " \u{200b} "}}},
        {"videoRenderer": {"title": {"simpleText": "no id"}}},
        {"videoRenderer": []},
    ])));
    let read: Vec<_> = page.hits.iter().map(|hit| (hit.title.as_str(), hit.duration_sec)).collect();
    assert_eq!((read, page.unreadable), (vec![("bare", None), ("odd", None)], 4));
}

#[test]
fn texts_of_rows_are_cleaned_and_hours_are_read() {
    let mut row = video_row("aaaaaaaaaaa", "\u{202b}فيروز - سألوني الناس\u{202c}\u{0}\n");
    row["videoRenderer"]["lengthText"] = json!({"simpleText": "\u{200e}10:02:03"});
    let hit = only(videos(&web_answer(json!([row]))));
    assert_eq!((hit.title.as_str(), hit.duration_sec), ("فيروز - سألوني الناس", Some(36_123)));
}

#[test]
fn a_song_is_read_with_artists_album_kind_and_plays() {
    let details = json!([
        linked("Daft Punk", "MUSIC_PAGE_TYPE_ARTIST"), {"text": " & "}, linked("Pharrell", "MUSIC_PAGE_TYPE_ARTIST"),
        dot(), linked("Random Access Memories", "MUSIC_PAGE_TYPE_ALBUM"), dot(), {"text": "4:09"},
    ]);
    let hit = only(songs(&music_answer(json!([song_row(
        "aaaaaaaaaaa",
        "Get Lucky",
        "MUSIC_VIDEO_TYPE_ATV",
        details
    )]))));
    let expected = SourceHit {
        source: source("aaaaaaaaaaa"),
        title: "Get Lucky".to_owned(),
        artists: vec!["Daft Punk".to_owned(), "Pharrell".to_owned()],
        album: Some("Random Access Memories".to_owned()),
        channel: None,
        channel_verified: false,
        duration_sec: Some(249),
        view_count: Some(333_000),
        kind: HitKind::OfficialAudio,
        is_live: false,
    };
    assert_eq!(hit, expected);
}

#[test]
fn artist_and_album_are_told_apart_by_their_pages_and_not_by_place() {
    let details = json!([
        linked("An Album", "MUSIC_PAGE_TYPE_ALBUM"), dot(), {"text": "2:51"}, dot(), linked("An Artist", "MUSIC_PAGE_TYPE_ARTIST"),
    ]);
    let hit =
        only(songs(&music_answer(json!([song_row("aaaaaaaaaaa", "T", "MUSIC_VIDEO_TYPE_OMV", details)]))));
    assert_eq!((hit.artists, hit.album.as_deref()), (vec!["An Artist".to_owned()], Some("An Album")));
    assert_eq!((hit.kind, hit.duration_sec), (HitKind::OfficialVideo, Some(171)));
}

#[test]
fn without_links_the_first_words_are_the_artist() {
    let details = json!([{"text": "Song"}, dot(), {"text": "Some One"}, {"text": ", "}, {"text": "Other"}, dot(), {"text": "Maybe Album"}, dot(), {"text": "1:02:51"}]);
    let hit = only(songs(&music_answer(json!([song_row("aaaaaaaaaaa", "T", "SOMETHING_NEW", details)]))));
    assert_eq!(hit.artists, ["Some One", "Other"]);
    assert_eq!((hit.album, hit.kind, hit.duration_sec), (None, HitKind::Unknown, Some(3_771)));
}

#[test]
fn an_uploader_is_a_channel_and_no_artist() {
    let details = json!([linked("someone", "MUSIC_PAGE_TYPE_USER_CHANNEL"), dot(), {"text": "2:00"}]);
    let hit =
        only(songs(&music_answer(json!([song_row("aaaaaaaaaaa", "T", "MUSIC_VIDEO_TYPE_UGC", details)]))));
    assert_eq!((hit.artists.len(), hit.channel.as_deref(), hit.kind), (0, Some("someone"), HitKind::User));
}

#[test]
fn rows_of_artists_and_lost_songs_are_skipped_and_others_without_any_endpoint_are_counted() {
    let artist = json!({"musicResponsiveListItemRenderer": {
        "flexColumns": [column(json!([{"text": "An Artist"}]))],
        "navigationEndpoint": {"browseEndpoint": {"browseId": "UCx"}}
    }});
    let grey =
        json!({"musicResponsiveListItemRenderer": {"flexColumns": [column(json!([{"text": "Gone"}]))]}});
    let mut gone = grey.clone();
    gone["musicResponsiveListItemRenderer"]["musicItemRendererDisplayPolicy"] =
        json!("MUSIC_ITEM_RENDERER_DISPLAY_POLICY_GREY_OUT");
    let mut only_item_data = song_row("aaaaaaaaaaa", "Kept", "X", json!([]));
    only_item_data["musicResponsiveListItemRenderer"]["flexColumns"] =
        json!([column(json!([{"text": "Kept"}])), column(json!([{"text": "Somebody • 3:33"}]))]);
    let page = songs(&music_answer(json!([artist, grey, gone, only_item_data])));
    assert_eq!((page.hits.len(), page.unreadable), (1, 1));
    assert_eq!((page.hits[0].title.as_str(), page.hits[0].duration_sec), ("Kept", Some(213)));
    assert_eq!(page.hits[0].artists, ["Somebody"]);
}

#[test]
fn nothing_found_differs_from_nothing_understood() {
    assert!(videos(&web_answer(json!([]))).is_certainly_empty());
    assert!(songs(&music_answer(json!([]))).is_certainly_empty());
    let renamed = web_answer(json!([{"newVideoModel": {"videoId": "aaaaaaaaaaa", "title": "x"}}]));
    for answer in [renamed, json!({}), json!({"error": {"code": 400}}), json!(null), json!([[]])] {
        assert!(!videos(&answer).is_certainly_empty(), "{answer}");
        assert!(videos(&answer).hits.is_empty());
    }
}

#[test]
fn both_catalogues_make_one_list_with_the_best_of_both() {
    let details =
        json!([linked("Artist", "MUSIC_PAGE_TYPE_ARTIST"), dot(), linked("Album", "MUSIC_PAGE_TYPE_ALBUM")]);
    let songs =
        songs(&music_answer(json!([song_row("aaaaaaaaaaa", "Title", "MUSIC_VIDEO_TYPE_ATV", details)]))).hits;
    let videos = videos(&web_answer(json!([
        video_row("bbbbbbbbbbb", "other"),
        video_row("aaaaaaaaaaa", "Artist - Title")
    ])))
    .hits;
    let merged = merge(songs, videos);
    assert_eq!(merged.iter().map(|hit| hit.source.id()).collect::<Vec<_>>(), ["aaaaaaaaaaa", "bbbbbbbbbbb"]);
    let both = &merged[0];
    assert_eq!(
        (both.title.as_str(), both.kind, both.album.as_deref()),
        ("Title", HitKind::OfficialAudio, Some("Album"))
    );
    assert_eq!((both.view_count, both.channel_verified, both.duration_sec), (Some(1_234), true, Some(205)));
    assert_eq!(both.channel.as_deref(), Some("Some Channel"));
}

fn player_answer(id: &str) -> Value {
    json!({"playabilityStatus": {"status": "OK"}, "videoDetails": {
        "videoId": id, "title": "Elvish Theme", "lengthSeconds": "171", "author": "Doug Kaufman - Topic",
        "viewCount": "1234", "isLiveContent": false,
        "shortDescription": "Provided to YouTube by X\n\nElvish Theme · Doug Kaufman\n\nAn Album\n\n℗ 2008 X"
    }})
}

#[test]
fn a_recording_is_described_by_the_player() {
    let id = source("aaaaaaaaaaa");
    let Description::Recording(hit) = description(&player_answer("aaaaaaaaaaa"), &id) else {
        panic!("it is described")
    };
    assert_eq!(
        (hit.title.as_str(), hit.duration_sec, hit.view_count),
        ("Elvish Theme", Some(171), Some(1_234))
    );
    assert_eq!((hit.artists, hit.album.as_deref()), (vec!["Doug Kaufman".to_owned()], Some("An Album")));
    assert_eq!((hit.channel.as_deref(), hit.is_live), (Some("Doug Kaufman - Topic"), false));
}

#[test]
fn what_is_gone_or_private_is_not_there_and_what_is_withheld_is_unreadable() {
    let id = source("aaaaaaaaaaa");
    let refused =
        |status: &str, reason: &str| json!({"playabilityStatus": {"status": status, "reason": reason}});
    for answer in [refused("ERROR", "Video unavailable"), refused("LOGIN_REQUIRED", "This video is private")]
    {
        assert_eq!(description(&answer, &id), Description::NotThere, "{answer}");
    }
    for answer in [
        refused("LOGIN_REQUIRED", "Sign in to confirm you’re not a bot"),
        refused("UNPLAYABLE", "Not in your country"),
        player_answer("bbbbbbbbbbb"),
        json!({"videoDetails": {"videoId": "aaaaaaaaaaa", "title": "x"}}),
        json!({}),
        json!(3),
    ] {
        assert_eq!(description(&answer, &id), Description::Unreadable, "{answer}");
    }
}

/// Any JSON, made of the names that the parser looks for more often than of others.
fn any_json() -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec![
        "videoRenderer",
        "musicResponsiveListItemRenderer",
        "musicResponsiveListItemFlexColumnRenderer",
        "videoId",
        "title",
        "runs",
        "text",
        "simpleText",
        "lengthText",
        "viewCountText",
        "flexColumns",
        "fixedColumns",
        "badges",
        "style",
        "navigationEndpoint",
        "pageType",
        "playlistItemData",
        "musicVideoType",
        "playabilityStatus",
        "status",
        "videoDetails",
        "shortDescription",
        "lengthSeconds",
        "sectionListRenderer",
        "ownerBadges",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[0-9:., KMBkmb\u{a0}•]{0,9}( views| plays)?".prop_map(Value::from),
        prop::sample::select(vec!["aaaaaaaaaaa", "OK", "MUSIC_PAGE_TYPE_ARTIST", " • "])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 96, 8, move |inner| {
        let key = prop_oneof![4 => names.clone().prop_map(str::to_owned), 1 => "\\PC{0,6}"];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map(key, inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_answer_makes_the_parsers_panic(answer in any_json()) {
        let id = source("aaaaaaaaaaa");
        let merged = merge(songs(&answer).hits, videos(&answer).hits);
        prop_assert!(merged.iter().all(|hit| !hit.title.is_empty()));
        let _ = description(&answer, &id);
    }

    #[test]
    fn rows_of_any_shape_do_not_make_the_parsers_panic(row in any_json()) {
        let answer = json!({"videoRenderer": row, "x": [{"musicResponsiveListItemRenderer": row}]});
        prop_assert!(videos(&answer).hits.len() <= 1);
        let _ = songs(&answer);
    }
}

//! Searches of the two catalogues, WEB (videos) and WEB_REMIX (music), with the noise that surrounds real results.

use std::{collections::BTreeSet, sync::Arc};

use serde_json::{Value, json};

use super::{
    Behaviour, Shared,
    catalog::{Catalog, Video, VideoKind},
    player::{VISITOR, channel_id, channel_name, music_video_type, told_seconds},
};

const PAGE: usize = 20;
/// `params` of the music catalogue begin like this when only songs, or only videos, are wanted.
const ONLY_SONGS: &str = "EgWKAQII";
const ONLY_VIDEOS: &str = "EgWKAQIQ";
/// `params` of the other catalogue when only videos are wanted.
const WEB_ONLY_VIDEOS: &str = "EgIQAfABAQ";

/// What a search asks for.
pub(super) struct Wanted {
    query: String,
    params: String,
    offset: usize,
    continued: bool,
}

impl Wanted {
    /// From the body of a request; `token` is a continuation that came in the address.
    pub(super) fn of(body: &Value, token: Option<&str>) -> Self {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let given = body["continuation"].as_str().or(token);
        match given
            .and_then(|token| token.split_once('|'))
            .and_then(|(at, rest)| Some((at, rest.split_once('|')?)))
        {
            Some((offset, (params, query))) => Self {
                query: query.to_owned(),
                params: params.to_owned(),
                offset: offset.parse().unwrap_or(usize::MAX),
                continued: true,
            },
            None => {
                Self { query: text("query"), params: text("params"), offset: 0, continued: given.is_some() }
            }
        }
    }

    /// The token of the page after this one.
    fn next(&self) -> String {
        format!("{}|{}|{}", self.offset.saturating_add(PAGE), self.params, self.query)
    }
}

/// Videos that share words with the query, the most alike first. At least a third of the query's words must be
/// there; one that has begun counts.
fn find(catalog: &Catalog, query: &str) -> Vec<Arc<Video>> {
    let wanted = words(query);
    let mut found: Vec<_> = catalog
        .videos()
        .iter()
        .filter_map(|video| {
            let album = video.album.as_deref().unwrap_or_default();
            let names = words(&format!("{} {} {album}", video.title, video.artists.join(" ")));
            let is_there = |word: &&String| {
                names.contains(*word)
                    || word.chars().count() > 2 && names.iter().any(|name| name.starts_with(*word))
            };
            let matched = wanted.iter().filter(is_there).count();
            (matched > 0 && matched * 3 >= wanted.len()).then(|| (matched, names.len(), Arc::clone(video)))
        })
        .collect();
    found.sort_by_key(|(matched, names, _)| (usize::MAX - matched, *names));
    found.into_iter().map(|(.., video)| video).collect()
}

fn words(text: &str) -> BTreeSet<String> {
    let lower = text.to_lowercase();
    lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// An answer of the right kind for a page that has `items`, which begin at the wanted offset.
pub(super) fn web(shared: &Shared, wanted: &Wanted, nothing: bool) -> Value {
    let found = if nothing { Vec::new() } else { find(&shared.catalog, &wanted.query) };
    let mut items: Vec<Value> =
        found.iter().skip(wanted.offset).take(PAGE).map(|video| video_renderer(shared, video)).collect();
    let is_empty = items.is_empty();
    if !wanted.continued {
        items.insert(0, advertisement());
        if is_empty {
            items.push(json!({ "backgroundPromoRenderer": {
                "title": { "runs": [{ "text": "No results found" }] },
                "bodyText": { "runs": [{ "text": "Try different keywords or remove search filters" }] },
            } }));
        } else {
            items.insert(2, shelf());
        }
        if !wanted.params.starts_with(WEB_ONLY_VIDEOS) && !is_empty {
            items.insert(1, channel());
            items.push(playlist("Songs for the bus"));
        }
    }
    let mut contents = vec![json!({ "itemSectionRenderer": { "contents": items } })];
    if !is_empty {
        contents.push(json!({ "continuationItemRenderer": {
            "trigger": "CONTINUATION_TRIGGER_ON_ITEM_SHOWN",
            "continuationEndpoint": {
                "commandMetadata": { "webCommandMetadata": { "sendPost": true, "apiUrl": "/youtubei/v1/search" } },
                "continuationCommand": { "token": wanted.next(), "request": "CONTINUATION_REQUEST_TYPE_SEARCH" },
            },
        } }));
    }
    let mut answer = json!({
        "responseContext": { "visitorData": VISITOR },
        "estimatedResults": found.len().to_string(),
    });
    if wanted.continued {
        answer["onResponseReceivedCommands"] = json!([{ "appendContinuationItemsAction": { "targetId": "search-feed", "continuationItems": contents } }]);
    } else {
        answer["contents"] = json!({ "twoColumnSearchResultsRenderer": {
            "primaryContents": { "sectionListRenderer": { "contents": contents, "targetId": "search-feed" } },
        } });
    }
    answer
}

fn video_renderer(shared: &Shared, video: &Video) -> Value {
    let behaviour = shared.behaviour(&video.id);
    let channel = channel_name(video);
    let owner = json!({ "runs": [{
        "text": channel,
        "navigationEndpoint": { "browseEndpoint": { "browseId": channel_id(&video.channel) } },
    }] });
    let thumbnail = |name: &str, width: u32, height: u32| json!({ "url": format!("https://i.ytimg.com/vi/{}/{name}.jpg", video.id), "width": width, "height": height });
    let mut renderer = json!({
        "videoId": video.id,
        "thumbnail": { "thumbnails": [thumbnail("hqdefault", 480, 360), thumbnail("hq720", 1280, 720)] },
        "title": {
            "runs": [{ "text": video.title }],
            "accessibility": { "accessibilityData": { "label": format!("{} by {channel}", video.title) } },
        },
        "longBylineText": owner,
        "ownerText": owner,
        "shortBylineText": owner,
        "navigationEndpoint": {
            "commandMetadata": { "webCommandMetadata": { "url": format!("/watch?v={}", video.id) } },
            "watchEndpoint": { "videoId": video.id },
        },
    });
    if behaviour == Behaviour::Live {
        renderer["viewCountText"] = json!({ "runs": [{ "text": "1,024" }, { "text": " watching" }] });
        renderer["badges"] = json!([{ "metadataBadgeRenderer": {
            "style": "BADGE_STYLE_TYPE_LIVE_NOW", "label": "LIVE",
        } }]);
    } else {
        let length = clock(told_seconds(video, behaviour));
        renderer["lengthText"] = json!({ "simpleText": length });
        renderer["viewCountText"] = json!({ "simpleText": format!("{} views", thousands(video.view_count)) });
        renderer["publishedTimeText"] = json!({ "simpleText": "3 years ago" });
    }
    if video.kind == VideoKind::OfficialVideo {
        renderer["ownerBadges"] = json!([{ "metadataBadgeRenderer": {
            "icon": { "iconType": "OFFICIAL_ARTIST_BADGE" },
            "style": "BADGE_STYLE_TYPE_VERIFIED_ARTIST",
            "tooltip": "Official Artist Channel",
        } }]);
    }
    json!({ "videoRenderer": renderer })
}

/// Something to sell, with a video of its own that no catalogue has.
fn advertisement() -> Value {
    json!({ "adSlotRenderer": {
        "fulfillmentContent": { "fulfilledLayout": { "inFeedAdLayoutRenderer": { "renderingContent": {
            "promotedVideoRenderer": {
                "videoId": "SKadvert001",
                "title": { "simpleText": "Headphones that you need" },
                "lengthText": { "simpleText": "0:30" },
            },
        } } } },
    } })
}

fn shelf() -> Value {
    json!({ "shelfRenderer": {
        "title": { "simpleText": "People also search for" },
        "content": { "verticalListRenderer": { "items": [playlist("Evening mix")] } },
    } })
}

fn playlist(title: &str) -> Value {
    json!({ "playlistRenderer": {
        "playlistId": "PLfakefakefakefake",
        "title": { "simpleText": title },
        "videoCount": "12",
        "videos": [{ "childVideoRenderer": {
            "videoId": "SKplaylist1",
            "title": { "simpleText": "Somewhere in a playlist" },
            "lengthText": { "simpleText": "3:33" },
        } }],
    } })
}

fn channel() -> Value {
    let title = "A channel of that name";
    json!({ "channelRenderer": {
        "channelId": channel_id(title),
        "title": { "simpleText": title },
        "subscriberCountText": { "simpleText": "12 subscribers" },
    } })
}

/// The music catalogue. `nothing` as in [`web`].
pub(super) fn music(shared: &Shared, wanted: &Wanted, nothing: bool) -> Value {
    let found = if nothing { Vec::new() } else { find(&shared.catalog, &wanted.query) };
    let is_wanted = |video: &&Arc<Video>| {
        let is_song = video.kind == VideoKind::OfficialAudio;
        if wanted.params.starts_with(ONLY_SONGS) {
            is_song
        } else {
            !(is_song && wanted.params.starts_with(ONLY_VIDEOS))
        }
    };
    let mut rows: Vec<Value> = found
        .iter()
        .filter(is_wanted)
        .skip(wanted.offset)
        .take(PAGE)
        .map(|video| music_row(shared, video))
        .collect();
    let mut shelf = json!({});
    if !rows.is_empty() {
        shelf["continuations"] = json!([{ "nextContinuationData": { "continuation": wanted.next() } }]);
        if !wanted.continued {
            rows.push(row_without_endpoints());
        }
    }
    let context = json!({ "visitorData": VISITOR });
    if wanted.continued {
        shelf["contents"] = json!(rows);
        return json!({
            "responseContext": context,
            "continuationContents": { "musicShelfContinuation": shelf },
        });
    }
    let section = if rows.is_empty() {
        json!({ "itemSectionRenderer": { "contents": [{ "messageRenderer": {
            "text": { "runs": [{ "text": "No results found" }] },
        } }] } })
    } else {
        shelf["contents"] = json!(rows);
        shelf["title"] = json!({ "runs": [{ "text": "Songs" }] });
        json!({ "musicShelfRenderer": shelf })
    };
    json!({
        "responseContext": context,
        "contents": { "tabbedSearchResultsRenderer": { "tabs": [{ "tabRenderer": {
            "title": "YT Music",
            "selected": true,
            "content": { "sectionListRenderer": { "contents": [section] } },
        } }] } },
    })
}

fn music_row(shared: &Shared, video: &Video) -> Value {
    let watch = json!({ "watchEndpoint": {
        "videoId": video.id,
        "watchEndpointMusicSupportedConfigs": { "watchEndpointMusicConfig": {
            "musicVideoType": music_video_type(video.kind),
        } },
    } });
    let linked = |text: &str, page_type: &str, id: String| {
        json!({ "text": text, "navigationEndpoint": { "browseEndpoint": {
            "browseId": id,
            "browseEndpointContextSupportedConfigs": { "browseEndpointContextMusicConfig": { "pageType": page_type } },
        } } })
    };
    let separator = json!({ "text": " • " });
    let mut about = Vec::new();
    for (nth, artist) in video.artists.iter().enumerate() {
        if nth > 0 {
            about.push(json!({ "text": " & " }));
        }
        about.push(linked(artist, "MUSIC_PAGE_TYPE_ARTIST", channel_id(artist)));
    }
    about.push(separator.clone());
    if let Some(album) = &video.album {
        about.push(linked(album, "MUSIC_PAGE_TYPE_ALBUM", format!("MPREb_{}", &channel_id(album)[2..13])));
        about.push(separator);
    }
    about.push(json!({ "text": clock(told_seconds(video, shared.behaviour(&video.id))) }));
    let column = |runs: Value| {
        json!({ "musicResponsiveListItemFlexColumnRenderer": {
            "text": { "runs": runs },
            "displayPriority": "MUSIC_RESPONSIVE_LIST_ITEM_COLUMN_DISPLAY_PRIORITY_HIGH",
        } })
    };
    let art = |side: u32| {
        let url = format!("https://lh3.googleusercontent.com/art/{}=w{side}-h{side}-l90-rj", video.id);
        json!({ "url": url, "width": side, "height": side })
    };
    // Units and numbers are kept together by a no-break space.
    let plays = format!("{}\u{a0}plays", short_count(video.view_count));
    let mut row = json!({
        "thumbnail": { "musicThumbnailRenderer": { "thumbnail": { "thumbnails": [art(60), art(120)] } } },
        "overlay": { "musicItemThumbnailOverlayRenderer": { "content": { "musicPlayButtonRenderer": {
            "playNavigationEndpoint": watch,
        } } } },
        "flexColumns": [
            column(json!([{ "text": video.title, "navigationEndpoint": watch }])),
            column(json!(about)),
            column(json!([{ "text": plays }])),
        ],
        "playlistItemData": { "videoId": video.id },
    });
    if video.is_explicit {
        row["badges"] = json!([{ "musicInlineBadgeRenderer": {
            "icon": { "iconType": "MUSIC_EXPLICIT_BADGE" },
            "accessibilityData": { "accessibilityData": { "label": "Explicit" } },
        } }]);
    }
    json!({ "musicResponsiveListItemRenderer": row })
}

/// A song that is greyed out: it leads nowhere.
fn row_without_endpoints() -> Value {
    let column = |text: &str| json!({ "musicResponsiveListItemFlexColumnRenderer": { "text": { "runs": [{ "text": text }] } } });
    json!({ "musicResponsiveListItemRenderer": {
        "musicItemRendererDisplayPolicy": "MUSIC_ITEM_RENDERER_DISPLAY_POLICY_GREY_OUT",
        "flexColumns": [column("A song that is gone"), column("Somebody • 3:33")],
    } })
}

/// `3:25`, `1:02:03`.
fn clock(seconds: u32) -> String {
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// `1,234,567`
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `902`, `5.1k`, `333k`, `27M`
fn short_count(number: u64) -> String {
    let in_units = |unit: u64, name: &str| {
        let tenths = number * 10 / unit;
        if tenths < 100 && !tenths.is_multiple_of(10) {
            format!("{}.{}{name}", tenths / 10, tenths % 10)
        } else {
            format!("{}{name}", tenths / 10)
        }
    };
    match number {
        0..1_000 => number.to_string(),
        1_000..1_000_000 => in_units(1_000, "k"),
        _ => in_units(1_000_000, "M"),
    }
}

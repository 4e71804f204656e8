//! What the hosts answer once TLS has ended: pages, the inner API, scripts, pictures and media.

use std::{collections::HashMap, io, path::Path, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited, combinators::UnsyncBoxBody};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{CONTENT_TYPE, HeaderValue, LOCATION, RANGE, SET_COOKIE},
};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{
    Behaviour, SearchBehaviour, Shared, playback,
    player::{self, VISITOR, channel_id, channel_name},
    search::{self, Wanted},
};

pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

const PLAYER_ID: &str = "abcdef12";
const PLAYER_SCRIPT: &str = include_str!("base.js");
/// As in the script.
const SIGNATURE_TIMESTAMP: u32 = 20_654;
const MAX_REQUEST_BYTES: usize = 256 * 1024;

pub(super) async fn answer(shared: &Arc<Shared>, host: &str, request: Request<Incoming>) -> Response<Body> {
    shared.note_request(host);
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let query: HashMap<String, String> =
        form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let id = query.get("v").map_or("", String::as_str);
    tracing::debug!(host, method = %head.method, uri = %head.uri, "the fake YouTube was asked");
    if ["ytimg.com", "googleusercontent.com", "ggpht.com"].iter().any(|name| host.ends_with(name)) {
        return picture(shared, path).await;
    }
    match path {
        "/videoplayback" => {
            let range = head.headers.get(RANGE).and_then(|range| range.to_str().ok());
            playback::answer(shared, &head.method, &query, range).await
        }
        _ if path.starts_with("/api/manifest/") => manifest(path),
        _ if path.starts_with("/youtubei/v1/") && head.method == Method::POST => {
            let Ok(body) = Limited::new(body, MAX_REQUEST_BYTES).collect().await else {
                return text(StatusCode::PAYLOAD_TOO_LARGE, "");
            };
            let body: Value = serde_json::from_slice(&body.to_bytes()).unwrap_or_default();
            inner_api(shared, host, path, &head.headers, &query, &body).await
        }
        "/watch" => watch(shared, id),
        "/results" => results(shared, query.get("search_query").map_or("", String::as_str)),
        "/oembed" => oembed(shared, query.get("url").map_or("", String::as_str)),
        "/iframe_api" => {
            let url = format!(
                r"https:\/\/www.youtube.com\/s\/player\/{PLAYER_ID}\/www-widgetapi.vflset\/www-widgetapi.js"
            );
            typed("text/javascript; charset=utf-8", format!("var scriptUrl = \"{url}\";"))
        }
        _ if path.starts_with("/s/player/") => typed("text/javascript; charset=utf-8", PLAYER_SCRIPT),
        "/" | "/tv" => config_page(host),
        _ if path.starts_with("/embed/") => config_page(host),
        "/generate_204" => text(StatusCode::NO_CONTENT, ""),
        _ => match path
            .strip_prefix("/shorts/")
            .or_else(|| path.strip_prefix('/').filter(|_| host == "youtu.be"))
        {
            Some(id) => redirect(&format!("https://www.youtube.com/watch?v={id}")),
            None => text(StatusCode::NOT_FOUND, "There is no such page."),
        },
    }
}

async fn inner_api(
    shared: &Shared,
    host: &str,
    path: &str,
    headers: &HeaderMap,
    query: &HashMap<String, String>,
    body: &Value,
) -> Response<Body> {
    let id = body["videoId"].as_str().unwrap_or_default();
    let client = body["context"]["client"]["clientName"].as_str().unwrap_or("WEB");
    match path.trim_start_matches("/youtubei/v1/") {
        "search" => {
            let is_music = client == "WEB_REMIX" || host.starts_with("music.");
            let token = query.get("continuation").or_else(|| query.get("ctoken")).map(String::as_str);
            search_api(shared, headers, is_music, &Wanted::of(body, token)).await
        }
        "player" => match outage(shared, id) {
            Some(status) => api_error(status),
            None => json_answer(&player::response(shared, id, client)),
        },
        "next" => match outage(shared, id) {
            Some(status) => api_error(status),
            None => json_answer(&next(shared, id)),
        },
        _ => api_error(StatusCode::NOT_FOUND),
    }
}

async fn search_api(shared: &Shared, headers: &HeaderMap, is_music: bool, wanted: &Wanted) -> Response<Body> {
    shared.state().searches += 1;
    let behaviour = shared.state().search;
    match behaviour {
        SearchBehaviour::Down => return api_error(StatusCode::INTERNAL_SERVER_ERROR),
        SearchBehaviour::Slow(time) => tokio::time::sleep(time).await,
        SearchBehaviour::UnknownShape if !is_yt_dlp(headers) => {
            return json_answer(&json!({
                "responseContext": { "visitorData": VISITOR },
                "contents": { "searchFeedViewModel": { "rows": [{ "tileViewModel": { "contentId": "unheard-of" } }] } },
            }));
        }
        SearchBehaviour::Normal | SearchBehaviour::UnknownShape | SearchBehaviour::Empty => {}
    }
    let nothing = behaviour == SearchBehaviour::Empty;
    let found =
        if is_music { search::music(shared, wanted, nothing) } else { search::web(shared, wanted, nothing) };
    json_answer(&found)
}

fn is_yt_dlp(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate")
}

/// What page and player answer instead of anything useful.
fn outage(shared: &Shared, id: &str) -> Option<StatusCode> {
    match shared.behaviour(id) {
        Behaviour::RateLimited => Some(StatusCode::TOO_MANY_REQUESTS),
        Behaviour::ServerError => Some(StatusCode::INTERNAL_SERVER_ERROR),
        _ => None,
    }
}

fn next(shared: &Shared, id: &str) -> Value {
    let contents = shared.catalog.find(id).map_or_else(Vec::new, |video| {
        vec![
            json!({ "videoPrimaryInfoRenderer": { "title": { "runs": [{ "text": video.title }] } } }),
            json!({ "videoSecondaryInfoRenderer": { "owner": { "videoOwnerRenderer": {
                "title": { "runs": [{
                    "text": channel_name(video),
                    "navigationEndpoint": { "browseEndpoint": { "browseId": channel_id(&video.channel) } },
                }] },
            } } } }),
        ]
    });
    json!({ "contents": { "twoColumnWatchNextResults": { "results": { "results": { "contents": contents } } } } })
}

fn watch(shared: &Shared, id: &str) -> Response<Body> {
    if let Some(status) = outage(shared, id) {
        return text(status, "<!DOCTYPE html><html><body>Something went wrong.</body></html>");
    }
    page(&[
        format!("ytcfg.set({});", in_script(&config("WEB"))),
        format!("var ytInitialPlayerResponse = {};", in_script(&player::response(shared, id, "WEB"))),
        format!("var ytInitialData = {};", in_script(&next(shared, id))),
    ])
}

fn results(shared: &Shared, query: &str) -> Response<Body> {
    shared.state().searches += 1;
    let behaviour = shared.state().search;
    if behaviour == SearchBehaviour::Down {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "");
    }
    let found = search::web(
        shared,
        &Wanted::of(&json!({ "query": query }), None),
        behaviour == SearchBehaviour::Empty,
    );
    page(&[
        format!("ytcfg.set({});", in_script(&config("WEB"))),
        format!("var ytInitialData = {};", in_script(&found)),
    ])
}

fn oembed(shared: &Shared, url: &str) -> Response<Body> {
    let id = url.split_once("v=").map_or(url, |(_, rest)| rest);
    let id = id.split('&').next().unwrap_or_default();
    let behaviour = shared.behaviour(id);
    match shared.catalog.find(id) {
        Some(video) if !matches!(behaviour, Behaviour::Unavailable | Behaviour::Private) => {
            json_answer(&json!({
                "title": video.title,
                "author_name": channel_name(video),
                "author_url": format!("https://www.youtube.com/channel/{}", channel_id(&video.channel)),
                "type": "video",
                "provider_name": "YouTube",
                "thumbnail_url": format!("https://i.ytimg.com/vi/{id}/hqdefault.jpg"),
                "thumbnail_width": 480,
                "thumbnail_height": 360,
            }))
        }
        _ => text(StatusCode::NOT_FOUND, "Not Found"),
    }
}

fn config_page(host: &str) -> Response<Body> {
    let client = if host.starts_with("music.") { "WEB_REMIX" } else { "WEB" };
    let mut response = page(&[format!("ytcfg.set({});", in_script(&config(client)))]);
    response
        .headers_mut()
        .insert(SET_COOKIE, HeaderValue::from_static("__Secure-YEC=FAKEVISITOR; Path=/; Secure"));
    response
}

fn config(client: &str) -> Value {
    json!({
        "INNERTUBE_CONTEXT": { "client": {
            "clientName": client,
            "clientVersion": "2.20260708.00.00",
            "hl": "en",
            "visitorData": VISITOR,
        } },
        "INNERTUBE_API_KEY": "FAKEKEY",
        "INNERTUBE_CONTEXT_CLIENT_NAME": if client == "WEB" { 1 } else { 67 },
        "PLAYER_JS_URL": format!("/s/player/{PLAYER_ID}/player_ias.vflset/en_US/base.js"),
        "STS": SIGNATURE_TIMESTAMP,
        "VISITOR_DATA": VISITOR,
    })
}

/// JSON that no text in it can break out of its script element.
fn in_script(value: &Value) -> String {
    value.to_string().replace("</", "<\\/")
}

fn page(scripts: &[String]) -> Response<Body> {
    let scripts: String = scripts.iter().map(|script| format!("<script>{script}</script>")).collect();
    typed(
        "text/html; charset=utf-8",
        format!("<!DOCTYPE html><html><head><title>YouTube</title></head><body>{scripts}</body></html>"),
    )
}

/// A broadcast that goes on: there is a list of variants, and one of segments that does not end.
fn manifest(path: &str) -> Response<Body> {
    let lines = if path.ends_with("/master.m3u8") {
        let variant = path.replace("/master.m3u8", "/itag/234/index.m3u8");
        format!(
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=140000,CODECS=\"mp4a.40.2\"\n\
             https://manifest.googlevideo.com{variant}\n"
        )
    } else {
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:5\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:5.0,\nsegment7.ts\n"
            .to_owned()
    };
    typed("application/vnd.apple.mpegurl", lines)
}

/// `/vi/<id>/<name>.jpg`, or art of the music catalogue.
async fn picture(shared: &Shared, path: &str) -> Response<Body> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let file = match parts[..] {
        ["vi", id, name] => shared.catalog.find(id).and_then(|video| match name {
            "maxresdefault.jpg" | "hq720.jpg" | "mqdefault.jpg" => Some(&video.media.wide_cover),
            "hqdefault.jpg" | "sddefault.jpg" | "default.jpg" | "0.jpg" => Some(&video.media.small_cover),
            _ => None,
        }),
        ["art", name] => {
            let id = name.split('=').next().unwrap_or_default();
            shared.catalog.find(id).map(|video| &video.media.square_cover)
        }
        _ => None,
    };
    match file {
        Some(file) => jpeg(file).await,
        None => text(StatusCode::NOT_FOUND, ""),
    }
}

async fn jpeg(file: &Path) -> Response<Body> {
    match tokio::fs::read(file).await {
        Ok(bytes) => typed("image/jpeg", bytes),
        Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the test media are gone"),
    }
}

fn json_answer(value: &Value) -> Response<Body> {
    typed("application/json; charset=UTF-8", value.to_string())
}

/// An error as the inner API tells it.
fn api_error(status: StatusCode) -> Response<Body> {
    let message = status.canonical_reason().unwrap_or_default();
    let error = json!({ "error": { "code": status.as_u16(), "message": message, "status": message } });
    let mut response = json_answer(&error);
    *response.status_mut() = status;
    response
}

fn redirect(to: &str) -> Response<Body> {
    match HeaderValue::from_str(to) {
        Ok(to) => {
            let mut response = text(StatusCode::SEE_OTHER, "");
            response.headers_mut().insert(LOCATION, to);
            response
        }
        Err(_) => text(StatusCode::NOT_FOUND, ""),
    }
}

fn typed(media_type: &'static str, content: impl Into<Bytes>) -> Response<Body> {
    let mut response =
        Response::new(Full::new(content.into()).map_err(|never| match never {}).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

pub(super) fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = typed(if text.starts_with('<') { "text/html" } else { "text/plain" }, text);
    *response.status_mut() = status;
    response
}

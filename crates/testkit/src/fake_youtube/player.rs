//! What the player is told of a video: whether it may be played, what it is, and where its bytes are.

use serde_json::{Value, json};

use super::{
    Behaviour, Shared,
    catalog::{Format, Video, VideoKind},
    signature::{Address, ClientKind},
};

/// What [`Behaviour::TooLong`] claims.
pub(super) const TOO_LONG_SEC: u32 = 3 * 3600;
pub(super) const VISITOR: &str = "FAKEVISITOR";

/// The answer of `player` to this client; also embedded in the watch page.
pub(super) fn response(shared: &Shared, id: &str, client: &str) -> Value {
    let Some(video) = shared.catalog.find(id) else {
        return refused(UNAVAILABLE);
    };
    let behaviour = shared.behaviour(id);
    match behaviour {
        Behaviour::Unavailable => return refused(UNAVAILABLE),
        Behaviour::Private => return refused(PRIVATE),
        _ => {}
    }
    let refusal = match behaviour {
        Behaviour::AgeRestricted => Some(AGE_RESTRICTED),
        Behaviour::GeoBlocked => Some(GEO_BLOCKED),
        Behaviour::BotCheck => Some(BOT_CHECK),
        _ => None,
    };
    let mut answer = refusal.map_or_else(
        || {
            json!({
                "playabilityStatus": { "status": "OK", "playableInEmbed": true },
                "streamingData": streaming_data(shared, video, client, behaviour),
            })
        },
        refused,
    );
    answer["responseContext"] = json!({ "visitorData": VISITOR });
    answer["videoDetails"] = details(video, behaviour);
    answer["microformat"] = json!({ "playerMicroformatRenderer": microformat(video, behaviour) });
    answer
}

/// Length in seconds as the fake tells it.
pub(super) fn told_seconds(video: &Video, behaviour: Behaviour) -> u32 {
    match behaviour {
        Behaviour::TooLong => TOO_LONG_SEC,
        Behaviour::Live => 0,
        _ => video.duration_sec,
    }
}

/// The name of the channel outside the music catalogue.
pub(super) fn channel_name(video: &Video) -> String {
    match video.kind {
        VideoKind::OfficialAudio => format!("{} - Topic", video.channel),
        VideoKind::OfficialVideo | VideoKind::User => video.channel.clone(),
    }
}

/// 24 characters that begin with UC, the same for the same name.
pub(super) fn channel_id(name: &str) -> String {
    let sum = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, name.as_bytes());
    format!("UC{}", &hex::encode(sum)[..22])
}

/// status, reason, subreason, whether it is an age gate
type Refusal = (&'static str, &'static str, &'static str, bool);

const UNAVAILABLE: Refusal = ("ERROR", "Video unavailable", "This video isn't available anymore", false);
const PRIVATE: Refusal =
    ("LOGIN_REQUIRED", "Private video", "Sign in if you've been granted access to this video", false);
const AGE_RESTRICTED: Refusal = (
    "LOGIN_REQUIRED",
    "Sign in to confirm your age",
    "This video may be inappropriate for some users.",
    true,
);
const GEO_BLOCKED: Refusal = (
    "UNPLAYABLE",
    "Video unavailable",
    "The uploader has not made this video available in your country",
    false,
);
const BOT_CHECK: Refusal = (
    "LOGIN_REQUIRED",
    "Sign in to confirm you’re not a bot",
    "This helps protect our community. Learn more",
    false,
);

fn refused((status, reason, subreason, age_gate): Refusal) -> Value {
    let mut playability = json!({
        "status": status,
        "reason": reason,
        "errorScreen": { "playerErrorMessageRenderer": {
            "reason": { "simpleText": reason },
            "subreason": { "simpleText": subreason },
            "icon": { "iconType": "ERROR_OUTLINE" },
        } },
    });
    if age_gate {
        playability["desktopLegacyAgeGateReason"] = json!(1);
    }
    json!({ "playabilityStatus": playability })
}

fn details(video: &Video, behaviour: Behaviour) -> Value {
    let is_live = behaviour == Behaviour::Live;
    let mut details = json!({
        "videoId": video.id,
        "title": video.title,
        "lengthSeconds": told_seconds(video, behaviour).to_string(),
        "channelId": channel_id(&video.channel),
        "author": channel_name(video),
        "shortDescription": description(video),
        "viewCount": video.view_count.to_string(),
        "keywords": [video.channel, video.title],
        "thumbnail": { "thumbnails": [
            { "url": format!("https://i.ytimg.com/vi/{}/hqdefault.jpg", video.id), "width": 480, "height": 360 },
            { "url": format!("https://i.ytimg.com/vi/{}/maxresdefault.jpg", video.id), "width": 1280, "height": 720 },
        ] },
        "isLiveContent": is_live,
        "isPrivate": false,
        "musicVideoType": music_video_type(video.kind),
    });
    if is_live {
        details["isLive"] = json!(true);
    }
    details
}

pub(super) const fn music_video_type(kind: VideoKind) -> &'static str {
    match kind {
        VideoKind::OfficialAudio => "MUSIC_VIDEO_TYPE_ATV",
        VideoKind::OfficialVideo => "MUSIC_VIDEO_TYPE_OMV",
        VideoKind::User => "MUSIC_VIDEO_TYPE_UGC",
    }
}

/// Songs of the music catalogue have a description that programs write and read.
fn description(video: &Video) -> String {
    match (&video.album, video.kind) {
        (Some(album), VideoKind::OfficialAudio) => format!(
            "Provided to YouTube by Fake Records\n\n{} · {}\n\n{album}\n\n℗ {} Fake Records\n\nReleased on: {}-04-01\n\n\
             Auto-generated by YouTube.",
            video.title,
            video.artists.join(" · "),
            video.year,
            video.year
        ),
        _ => format!("{} by {}.", video.title, video.channel),
    }
}

fn microformat(video: &Video, behaviour: Behaviour) -> Value {
    let date = format!("{}-04-01T00:00:00-07:00", video.year);
    let mut microformat = json!({
        "title": { "simpleText": video.title },
        "description": { "simpleText": description(video) },
        "lengthSeconds": told_seconds(video, behaviour).to_string(),
        "ownerChannelName": channel_name(video),
        "externalChannelId": channel_id(&video.channel),
        "category": "Music",
        "isFamilySafe": behaviour != Behaviour::AgeRestricted,
        "viewCount": video.view_count.to_string(),
        "publishDate": date,
        "uploadDate": date,
    });
    match behaviour {
        Behaviour::GeoBlocked => microformat["availableCountries"] = json!(["NZ"]),
        Behaviour::Live => {
            microformat["liveBroadcastDetails"] = json!({ "isLiveNow": true, "startTimestamp": date });
        }
        _ => {}
    }
    microformat
}

fn streaming_data(shared: &Shared, video: &Video, client: &str, behaviour: Behaviour) -> Value {
    let formats: &[Format] = match (behaviour, ClientKind::of(client)) {
        (Behaviour::NoFormats | Behaviour::Live, _) => &[],
        // Who cannot run scripts gets the lesser half, as at the real one.
        (Behaviour::OnlyM4a, _) | (_, ClientKind::App) => &[Format::Aac],
        (_, ClientKind::Script) => &[Format::Aac, Format::Opus],
    };
    let formats: Vec<Value> =
        formats.iter().map(|&format| describe(shared, video, format, client, behaviour)).collect();
    let mut data = json!({ "expiresInSeconds": "21540", "formats": [], "adaptiveFormats": formats });
    if behaviour == Behaviour::Live {
        data["hlsManifestUrl"] = json!(format!(
            "https://manifest.googlevideo.com/api/manifest/hls_variant/id/{}/master.m3u8",
            video.id
        ));
    }
    data
}

fn describe(shared: &Shared, video: &Video, format: Format, client: &str, behaviour: Behaviour) -> Value {
    let seconds = match behaviour {
        Behaviour::TooLong => f64::from(TOO_LONG_SEC),
        _ => video.media.length.as_secs_f64(),
    };
    let size = video.media.size_bytes(format);
    let millis = (seconds * 1000.0).round();
    let mut described = json!({
        "itag": format.itag(),
        "mimeType": format!("{}; codecs=\"{}\"", format.media_type(), format.codec()),
        "bitrate": 130_000,
        "averageBitrate": 128_000,
        "contentLength": size.to_string(),
        "approxDurationMs": format!("{millis}"),
        "audioSampleRate": format.sample_rate().to_string(),
        "audioChannels": 2,
        "audioQuality": "AUDIO_QUALITY_MEDIUM",
        "quality": "tiny",
        "qualityOrdinal": "QUALITY_ORDINAL_UNKNOWN",
        "projectionType": "RECTANGULAR",
        "lastModified": "1",
        "loudnessDb": -1.5,
        "initRange": { "start": "0", "end": "265" },
        "indexRange": { "start": "266", "end": "1000" },
    });
    match shared.signatures.address(video, format, client, seconds) {
        Address::Plain(url) => described["url"] = json!(url),
        Address::Ciphered(cipher) => described["signatureCipher"] = json!(cipher),
    }
    described
}

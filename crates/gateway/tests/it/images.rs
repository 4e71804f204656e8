//! Pictures at signed addresses.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, StatusCode, header};
use secrecy::SecretString;
use songkeep_api::{search::EncodedImage, token::ImageSigner};
use songkeep_domain::ErrorCode;

use crate::{
    samples::{VIDEO, source},
    world::World,
};

const BYTES: &[u8] = b"\xff\xd8\xff\xe0 a picture";

fn address(world: &World) -> String {
    format!("/thumbnails/youtube/{VIDEO}?sig={}", world.images.sign(&source(VIDEO)))
}

fn show(world: &World, media_type: &str) {
    let image = EncodedImage { media_type: media_type.to_owned(), data: STANDARD.encode(BYTES) };
    world.services.state().image = Some(image);
}

#[tokio::test]
async fn a_signed_address_shows_the_picture_to_anybody_for_a_day() {
    let world = World::new().await;
    show(&world, "image/jpeg");
    let answer = world.get(&address(&world)).send().await;
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, BYTES));
    assert_eq!(answer.header(header::CONTENT_TYPE), "image/jpeg");
    assert_eq!(answer.header(header::CACHE_CONTROL), "public, max-age=86400, immutable");
    assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    assert_eq!(answer.header(HeaderName::from_static("cross-origin-resource-policy")), "cross-origin");
    assert_eq!(world.services.only_call().ctx.actor, None);
    let etag = answer.header(header::ETAG);
    for known in [etag.to_owned(), format!("\"x\", W/{etag}"), "*".to_owned()] {
        let again = world.get(&address(&world)).header(header::IF_NONE_MATCH, known).send().await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(again.header(header::ETAG), etag);
    }
    let other = world.get(&address(&world)).header(header::IF_NONE_MATCH, "\"x\"").send().await;
    assert_eq!(other.status, StatusCode::OK);
}

#[tokio::test]
async fn an_address_that_we_did_not_sign_fetches_nothing() {
    let world = World::new().await;
    show(&world, "image/jpeg");
    let good = world.images.sign(&source(VIDEO));
    let others = ImageSigner::new(&SecretString::from("the secret of somebody else, long enough"));
    let signatures = [
        String::new(),
        "?sig=".to_owned(),
        format!("?sig={}", &good[..31]),
        format!("?sig={good}0"),
        format!("?sig={}", good.to_uppercase()),
        format!("?sig={}", world.images.sign(&source("aaaaaaaaaaa"))),
        format!("?sig={}", others.sign(&source(VIDEO))),
    ];
    for query in signatures {
        let answer = world.get(&format!("/thumbnails/youtube/{VIDEO}{query}")).send().await;
        answer.problem(StatusCode::FORBIDDEN, "forbidden");
    }
    for path in ["vimeo/dQw4w9WgXcQ", "youtube/short", "youtube/..%2F..%2Fetc", "youtube/dQw4w9WgXc%00"] {
        let answer = world.get(&format!("/thumbnails/{path}?sig={good}")).send().await;
        answer.problem(StatusCode::NOT_FOUND, "not_found");
    }
    assert!(world.services.calls().is_empty());
}

#[tokio::test]
async fn only_plain_pictures_are_served_from_our_origin() {
    let world = World::new().await;
    for media_type in ["image/svg+xml", "text/html", "image/jpeg; charset=x", "IMAGE/JPEG", ""] {
        show(&world, media_type);
        let answer = world.get(&address(&world)).send().await;
        answer.problem(StatusCode::BAD_GATEWAY, "bad_gateway");
    }
    world.services.state().image =
        Some(EncodedImage { media_type: "image/png".to_owned(), data: "no base64!".to_owned() });
    let answer = world.get(&address(&world)).send().await;
    answer.problem(StatusCode::BAD_GATEWAY, "bad_gateway");
}

#[tokio::test]
async fn a_picture_that_is_not_there_is_not_remembered_as_missing() {
    let world = World::new().await;
    for (code, status) in [(ErrorCode::NotFound, 404), (ErrorCode::SearchUnavailable, 503)] {
        world.services.fail("search.thumbnail", code);
        let answer = world.get(&address(&world)).send().await;
        answer.problem(StatusCode::from_u16(status).unwrap(), code.as_str());
    }
}

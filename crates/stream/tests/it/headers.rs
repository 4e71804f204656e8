//! Ranges, conditions and headers, as RFC 9110 wants them.

use http::Method;

use crate::world::{Answer, LAST_MODIFIED, World};

const SIZE: usize = 300_000;

fn assert_whole(answer: &Answer, world: &World, why: &str) {
    assert_eq!(answer.status, 200, "{why}");
    assert_eq!(answer.header("content-length"), SIZE.to_string(), "{why}");
    assert_eq!(answer.header("content-range"), "", "{why}");
    assert_eq!(answer.header("content-type"), "audio/mp4", "{why}");
    assert!(answer.body == world.song, "{why}: other bytes");
}

#[tokio::test]
async fn without_a_range_everything_comes_with_its_headers() {
    let world = World::new(SIZE).await;
    let answer = world.get(&[]).await;
    assert_whole(&answer, &world, "plain");
    assert_eq!(answer.header("accept-ranges"), "bytes");
    assert_eq!(answer.header("etag"), world.etag());
    assert_eq!(answer.header("last-modified"), LAST_MODIFIED);
    assert_eq!(answer.header("cache-control"), "private, max-age=0, must-revalidate, no-transform");
    assert_eq!(answer.header("content-disposition"), "inline");
    assert_eq!(answer.header("content-encoding"), "");
}

#[tokio::test]
async fn nothing_is_compressed_whatever_the_client_accepts() {
    let world = World::new(SIZE).await;
    let answer = world.get(&[("accept-encoding", "gzip, br, zstd, deflate")]).await;
    assert_whole(&answer, &world, "accept-encoding");
    assert_eq!(answer.header("content-encoding"), "");
}

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let world = World::new(SIZE).await;
    let (get, head) = (world.get(&[]).await, world.head(&[]).await);
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_eq!(head.headers, get.headers);
}

#[tokio::test]
async fn head_ignores_ranges_because_they_are_defined_for_get_only() {
    let world = World::new(SIZE).await;
    for range in ["bytes=0-9", "bytes=900000-"] {
        let answer = world.head(&[("range", range)]).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-length")), (200, "300000"));
        assert_eq!(answer.header("content-range"), "");
    }
}

#[tokio::test]
async fn a_single_range_is_answered_with_just_its_bytes() {
    let world = World::new(SIZE).await;
    for (range, first, last) in [
        ("bytes=0-0", 0, 0),
        ("bytes=0-1", 0, 1),
        ("bytes=100-299", 100, 299),
        ("bytes=131071-262145", 131_071, 262_145),
        ("bytes=299999-299999", 299_999, 299_999),
        ("bytes=0-", 0, 299_999),
        ("bytes=250000-", 250_000, 299_999),
        ("bytes=250000-999999999", 250_000, 299_999),
        ("bytes=-1", 299_999, 299_999),
        ("bytes=-1000", 299_000, 299_999),
        ("bytes=-999999", 0, 299_999),
        ("BYTES=5-6", 5, 6),
        ("bytes=5-6,", 5, 6),
        ("bytes=5-6,300000-", 5, 6),
    ] {
        let answer = world.get(&[("range", range)]).await;
        assert_eq!(answer.status, 206, "{range}");
        assert_eq!(answer.header("content-range"), format!("bytes {first}-{last}/300000"), "{range}");
        assert_eq!(answer.header("content-length"), (last - first + 1).to_string(), "{range}");
        assert_eq!(answer.header("content-type"), "audio/mp4", "{range}");
        assert_eq!(answer.header("etag"), world.etag(), "{range}");
        assert_eq!(answer.header("last-modified"), LAST_MODIFIED, "{range}");
        assert_eq!(answer.header("accept-ranges"), "bytes", "{range}");
        assert!(answer.body == world.song[first..=last], "{range}: other bytes");
    }
}

#[tokio::test]
async fn a_range_behind_the_end_is_a_416_that_tells_the_size() {
    let world = World::new(SIZE).await;
    for range in [
        "bytes=300000-",
        "bytes=300000-300001",
        "bytes=-0",
        "bytes=99999999999999999999-",
        "bytes=300000-,-0",
    ] {
        let answer = world.get(&[("range", range)]).await;
        assert_eq!(answer.status, 416, "{range}");
        assert_eq!(answer.header("content-range"), "bytes */300000", "{range}");
        assert_eq!(answer.problem().code.as_str(), "range_not_satisfiable", "{range}");
    }
}

#[tokio::test]
async fn a_malformed_or_unknown_range_is_answered_with_everything() {
    let world = World::new(SIZE).await;
    for range in
        ["bytes=5-3", "bytes=abc", "bytes=", "bytes", "seconds=1-2", "bytes=1-2-3", "bytes=0-1,x", "é"]
    {
        assert_whole(&world.get(&[("range", range)]).await, &world, range);
    }
    let twice = world.get(&[("range", "bytes=0-1"), ("range", "bytes=2-3")]).await;
    assert_whole(&twice, &world, "two headers");
}

#[tokio::test]
async fn several_ranges_come_as_the_parts_of_one_body() {
    let world = World::new(SIZE).await;
    let answer = world.get(&[("range", "bytes=0-9, 200000-260000, -5")]).await;
    assert_eq!(answer.status, 206);
    assert_eq!(answer.header("content-range"), "");
    assert_eq!(answer.header("content-length"), answer.body.len().to_string());
    let boundary = answer.header("content-type").strip_prefix("multipart/byteranges; boundary=").unwrap();
    let mut expected = Vec::new();
    for (first, last) in [(0, 9), (200_000, 260_000), (299_995, 299_999)] {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: audio/mp4\r\nContent-Range: bytes {first}-{last}/300000\r\n\r\n"
        );
        expected.extend_from_slice(head.as_bytes());
        expected.extend_from_slice(&world.song[first..=last]);
    }
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    // Nothing precedes the first boundary.
    assert!(answer.body == expected[2..]);
}

#[tokio::test]
async fn too_many_or_overlapping_ranges_are_answered_with_everything() {
    let world = World::new(SIZE).await;
    let many: Vec<String> = (0..17).map(|at| format!("{at}-{at}")).collect();
    for range in
        [format!("bytes={}", many.join(",")), "bytes=0-,0-".to_owned(), "bytes=0-200000,100000-".to_owned()]
    {
        assert_whole(&world.get(&[("range", &range)]).await, &world, &range);
    }
}

#[tokio::test]
async fn if_range_holds_only_for_the_same_strong_tag_or_the_exact_date() {
    let world = World::new(SIZE).await;
    let etag = world.etag();
    for holds in
        [etag.as_str(), LAST_MODIFIED, "Wednesday, 15-Nov-95 06:25:24 GMT", "Wed Nov 15 06:25:24 1995"]
    {
        let answer = world.get(&[("range", "bytes=0-1"), ("if-range", holds)]).await;
        assert_eq!(answer.status, 206, "{holds}");
    }
    let (weak, bare) = (format!("W/{etag}"), etag.trim_matches('"').to_owned());
    let later = "Wed, 15 Nov 1995 06:25:25 GMT";
    for fails in
        [weak.as_str(), bare.as_str(), "\"other\"", "", "*", later, "Wed, 15 Nov 1995 06:25:23 GMT", "soon"]
    {
        let answer = world.get(&[("range", "bytes=0-1"), ("if-range", fails)]).await;
        assert_whole(&answer, &world, fails);
        let behind = world.get(&[("range", "bytes=900000-"), ("if-range", fails)]).await;
        assert_whole(&behind, &world, fails);
    }
    assert_whole(&world.get(&[("if-range", &etag)]).await, &world, "without a range");
}

#[tokio::test]
async fn if_none_match_saves_the_bytes_of_a_known_song() {
    let world = World::new(SIZE).await;
    let etag = world.etag();
    for known in [etag.clone(), format!("W/{etag}"), format!("\"x\", {etag}"), "*".to_owned()] {
        for (method, range) in [(Method::GET, "bytes=0-1"), (Method::GET, "none"), (Method::HEAD, "none")] {
            let headers = [("if-none-match", known.as_str()), ("range", range)];
            let answer = world.request(method, &world.address(), &headers).await;
            assert_eq!((answer.status.as_u16(), answer.body.len()), (304, 0), "{known}");
            assert_eq!(answer.header("etag"), etag);
            assert_eq!(answer.header("last-modified"), LAST_MODIFIED);
            assert_ne!(answer.header("cache-control"), "");
            assert_eq!(answer.header("content-length"), "", "only the song's length could stand there");
            assert_eq!(answer.header("content-type"), "");
        }
    }
    assert_whole(&world.get(&[("if-none-match", "\"other\"")]).await, &world, "other tag");
    let two_lines = world.get(&[("if-none-match", "\"other\""), ("if-none-match", &etag)]).await;
    assert_eq!(two_lines.status, 304);
}

#[tokio::test]
async fn if_modified_since_counts_only_without_if_none_match() {
    let world = World::new(SIZE).await;
    let (before, after) = ("Wed, 15 Nov 1995 06:25:23 GMT", "Wed, 15 Nov 1995 06:25:25 GMT");
    for since in [LAST_MODIFIED, after] {
        assert_eq!(world.get(&[("if-modified-since", since)]).await.status, 304, "{since}");
        assert_eq!(world.head(&[("if-modified-since", since)]).await.status, 304, "{since}");
    }
    for since in [before, "yesterday", ""] {
        assert_whole(&world.get(&[("if-modified-since", since)]).await, &world, since);
    }
    let other = world.get(&[("if-modified-since", after), ("if-none-match", "\"other\"")]).await;
    assert_whole(&other, &world, "the tag says that it changed");
    let etag = world.etag();
    let same = world.get(&[("if-modified-since", before), ("if-none-match", &etag)]).await;
    assert_eq!(same.status, 304);
}

#[tokio::test]
async fn conditions_for_changes_have_no_meaning_here() {
    let world = World::new(SIZE).await;
    let headers = [("if-match", "\"other\""), ("if-unmodified-since", "Wed, 15 Nov 1994 06:25:24 GMT")];
    assert_whole(&world.get(&headers).await, &world, "if-match");
}

#[tokio::test]
async fn a_song_without_bytes_has_no_ranges() {
    let world = World::new(0).await;
    let whole = world.get(&[]).await;
    assert_eq!((whole.status.as_u16(), whole.header("content-length")), (200, "0"));
    let suffix = world.get(&[("range", "bytes=-5")]).await;
    assert_eq!((suffix.status.as_u16(), suffix.header("content-length")), (200, "0"));
    let first = world.get(&[("range", "bytes=0-")]).await;
    assert_eq!((first.status.as_u16(), first.header("content-range")), (416, "bytes */0"));
}

#[tokio::test]
async fn other_methods_are_not_allowed() {
    let world = World::new(10).await;
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
        let answer = world.request(method, &world.address(), &[]).await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "GET,HEAD"));
    }
}

//! What is really embedded: both apps as they were built, or the page in their place.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};
use axum::{Router, response::Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{Method, StatusCode, header};
use songkeep_web_assets::IS_BUILT;

use crate::{HTML, send, text, value};

fn apps() -> Router {
    songkeep_web_assets::router(songkeep_web_assets::player(&[]), Some(songkeep_web_assets::admin()))
}

async fn get(path: &str) -> Response {
    send(apps(), Method::GET, path, &[HTML]).await
}

/// Paths of files of ours that a text names in quotes.
fn named(text: &str) -> impl Iterator<Item = String> {
    text.split(['"', '\'', '`', '(', ')', ' '])
        .filter(|part| part.starts_with("/_app/") || part.starts_with("/admin/_app/"))
        .map(str::to_owned)
}

/// What is named in a script beside itself: `"./chunk.js"` and `"../chunks/chunk.js"`.
fn beside(path: &str, script: &str) -> Vec<String> {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let above = folder.rsplit_once('/').map_or("", |(above, _)| above);
    let is_file = |part: &&str| part.ends_with(".js") || part.ends_with(".css") || part.ends_with(".woff2");
    script
        .split(['"', '\'', '`', '(', ')'])
        .filter(is_file)
        .filter_map(|part| {
            let near = part.strip_prefix("./").map(|name| format!("{folder}/{name}"));
            near.or_else(|| part.strip_prefix("../").map(|name| format!("{above}/{name}")))
        })
        .collect()
}

/// The `style` attributes of the markup in a script.
fn style_attributes(script: &str) -> Vec<String> {
    let parts: Vec<&str> = script.split("style=\"").collect();
    let ends_in_space =
        |text: &str| text.ends_with(|last: char| last.is_whitespace()) || text.ends_with("\\t");
    parts
        .windows(2)
        .filter(|pair| ends_in_space(pair[0]))
        .filter_map(|pair| pair[1].split('"').next())
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn both_apps_and_all_files_that_they_name_are_served_and_come_from_nowhere_else() {
    let mut styles = BTreeSet::new();
    for shell in ["/", "/admin"] {
        let page = get(shell).await;
        assert_eq!(page.status(), StatusCode::OK, "{shell}");
        assert_eq!(value(&page, header::CONTENT_TYPE), "text/html; charset=utf-8");
        let page = text(page).await;
        assert!(!page.contains("http://") && !page.contains("https://"), "nothing from other hosts: {page}");
        assert!(!page.contains(" style=") && !page.contains(" onclick"), "{page}");
        let mut queue: Vec<String> = named(&page).collect();
        let mut seen = BTreeSet::new();
        while let Some(path) = queue.pop() {
            if !seen.insert(path.clone()) {
                continue;
            }
            let file = get(&path).await;
            assert_eq!(file.status(), StatusCode::OK, "{path}");
            assert_ne!(value(&file, header::CONTENT_TYPE), "application/octet-stream", "{path}");
            if path.contains("/immutable/") {
                assert_eq!(
                    value(&file, header::CACHE_CONTROL),
                    "public, max-age=31536000, immutable",
                    "{path}"
                );
            }
            if path.ends_with(".js") || path.ends_with(".css") {
                let small = [HTML, (header::ACCEPT_ENCODING, "br")];
                let small = send(apps(), Method::GET, &path, &small).await;
                assert_eq!(value(&small, header::CONTENT_ENCODING), "br", "{path} has no small form");
                let content = text(file).await;
                styles.extend(style_attributes(&content));
                queue.extend(named(&content));
                queue.extend(beside(&path, &content));
            }
        }
        assert_eq!(IS_BUILT, seen.len() >= 5, "{shell}: {seen:?}");
    }
    assert_eq!(styles.is_empty(), !IS_BUILT, "SvelteKit hides its announcer in another way");
    // The policy knows SvelteKit's own by its hash, and browsers would leave out any other.
    let policy = get("/").await.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
    styles.retain(|style| !policy.contains(&STANDARD.encode(digest(&SHA256, style.as_bytes()))));
    assert!(styles.is_empty(), "`style` attributes in markup, use `style:` or a class: {styles:?}");
}

#[tokio::test]
async fn no_unsafe_script_or_style_is_needed() {
    for shell in ["/", "/admin"] {
        let page = get(shell).await;
        let policy = value(&page, header::CONTENT_SECURITY_POLICY).to_owned();
        let page = text(page).await;
        let tags = page.split("<script").skip(1).filter_map(|rest| rest.split('>').next());
        let scripts = tags.filter(|tag| !tag.contains("src=")).count();
        let rule = |name: &str| {
            policy
                .split("; ")
                .find(|rule| rule.split(' ').next() == Some(name))
                .unwrap_or_default()
                .to_owned()
        };
        assert_eq!(rule("script-src").matches("'sha256-").count(), scripts, "{shell}: {policy}");
        assert_eq!(rule("style-src").matches("'sha256-").count(), page.matches("<style").count(), "{policy}");
        assert!(!policy.contains("unsafe-inline") && !policy.contains("unsafe-eval"), "{policy}");
    }
}

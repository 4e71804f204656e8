//! The audit log.

use serde_json::json;
use songkeep_domain::{
    AuditId, PageRequest, StoreError, UserId,
    audit::{AuditEntry, AuditStore as _},
};

use crate::world::{World, now};

fn entry(action: &str, target: Option<&str>) -> AuditEntry {
    AuditEntry {
        id: AuditId::new(),
        at: now(),
        actor_id: None,
        action: action.to_owned(),
        target: target.map(str::to_owned),
        ip: None,
        detail: json!({}),
    }
}

pub async fn entries_come_back_as_they_were_written(world: World) {
    let full = AuditEntry {
        actor_id: Some(UserId::new()),
        ip: Some("2001:db8::1".to_owned()),
        detail: json!({ "from": "user", "to": ["admin", 1, null, "\u{0}é"] }),
        ..entry("user.role", Some("someone@example.com"))
    };
    let bare = entry("auth.signin_failed", None);
    for entry in [&full, &bare] {
        world.store.append_audit(entry.clone()).await.unwrap();
    }
    let page = world.store.list_audit(None, &PageRequest::first(9)).await.unwrap();
    assert_eq!(page.items, [bare, full]);
    assert!(page.next_cursor.is_none());
}

pub async fn entries_are_listed_newest_first_in_pages(world: World) {
    let entries: Vec<AuditEntry> = (0..5).map(|n| entry(&format!("test.{n}"), None)).collect();
    for entry in &entries {
        world.store.append_audit(entry.clone()).await.unwrap();
    }
    let mut page = PageRequest::first(2);
    let mut listed = Vec::new();
    loop {
        let found = world.store.list_audit(None, &page).await.unwrap();
        listed.extend(found.items);
        let Some(cursor) = found.next_cursor else { break };
        page.cursor = Some(cursor);
    }
    assert!(entries.iter().rev().eq(&listed));
    page.cursor = Some("bm9uZQ".to_owned());
    assert!(matches!(world.store.list_audit(None, &page).await, Err(StoreError::BadCursor)));
}

pub async fn entries_are_found_by_action_and_target(world: World) {
    for (action, target) in [
        ("user.disable", Some("Someone@example.com")),
        ("song.delete", None),
        ("auth.signin", Some("disabled")),
    ] {
        world.store.append_audit(entry(action, target)).await.unwrap();
    }
    let find = async |q: &str| {
        let found = world.store.list_audit(Some(q), &PageRequest::first(9)).await.unwrap().items;
        found.into_iter().map(|entry| entry.action).collect::<Vec<_>>()
    };
    assert_eq!(find("DISABLE").await, ["auth.signin", "user.disable"]);
    assert_eq!(find("someone@").await, ["user.disable"]);
    assert_eq!(find("song.").await, ["song.delete"]);
    assert_eq!(find("%").await, Vec::<String>::new());
}

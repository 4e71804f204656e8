//! Links that set passwords: of repeated sign-ups and of forgotten passwords.

use songkeep_domain::{
    AuditId, PageRequest, UserId, UserRole,
    audit::{AuditEntry, AuditStore as _},
    bus::Notice,
    user::{TokenHash, TokenPurpose, TokenUse, User, UserStore as _},
};

use crate::world::{World, address, at_once, new_user, now, one_time_token, random_hash};

async fn password(world: &World, email: &str) -> String {
    world.store.find_credentials(&address(email)).await.unwrap().unwrap().password_hash.unwrap()
}

/// The hash of a token that brings a password along.
async fn sign_up_link(world: &World, user: UserId, password: &str) -> TokenHash {
    let token = one_time_token(Some(user), TokenPurpose::VerifyEmail);
    let hash = token.hash;
    world.store.add_sign_up_token(token, password.to_owned()).await.unwrap();
    hash
}

async fn verify(world: &World, hash: &TokenHash) -> TokenUse<User> {
    world.store.verify_email(hash, None, now()).await.unwrap()
}

pub async fn each_sign_up_link_brings_its_own_password(world: World) {
    for (email, followed, expected) in
        [("a@example.com", 0, "a hash"), ("b@example.com", 1, "second"), ("c@example.com", 2, "third")]
    {
        let new = new_user(email, UserRole::User);
        let id = new.id;
        let first = one_time_token(Some(id), TokenPurpose::VerifyEmail);
        let first_hash = first.hash;
        world.store.create_user(new, Some(first)).await.unwrap();
        let (session, _) = world.session(id).await;
        let hashes =
            [first_hash, sign_up_link(&world, id, "second").await, sign_up_link(&world, id, "third").await];
        assert_eq!(password(&world, email).await, "a hash", "nothing changes before a link is followed");
        let used = verify(&world, &hashes[followed]).await;
        assert!(matches!(used, TokenUse::Accepted(_)), "{used:?}");
        assert_eq!(password(&world, email).await, expected);
        assert_eq!(world.is_alive(session).await, followed == 0, "{expected}");
        for hash in &hashes {
            assert_eq!(verify(&world, hash).await, TokenUse::Expired);
        }
        assert_eq!(password(&world, email).await, expected);
    }
}

pub async fn a_sign_up_link_changes_no_password_that_was_chosen_since(world: World) {
    let id = world.user_named("ada@example.com", UserRole::User).await;
    let plain = one_time_token(Some(id), TokenPurpose::VerifyEmail);
    let hash = plain.hash;
    world.store.add_one_time_token(plain).await.unwrap();
    assert!(matches!(verify(&world, &hash).await, TokenUse::Accepted(_)));
    let late = sign_up_link(&world, id, "a stranger's").await;
    assert!(matches!(verify(&world, &late).await, TokenUse::Accepted(_)));
    assert_eq!(password(&world, "ada@example.com").await, "a hash", "the account is verified");

    let id = world.user_named("bob@example.com", UserRole::User).await;
    let early = sign_up_link(&world, id, "a stranger's").await;
    world.store.set_password(id, "by command".to_owned(), now()).await.unwrap();
    assert_eq!(verify(&world, &early).await, TokenUse::Expired);
    assert_eq!(password(&world, "bob@example.com").await, "by command");
}

fn deed() -> AuditEntry {
    AuditEntry {
        id: AuditId::new(),
        at: now(),
        actor_id: None,
        action: "auth.reset_password".to_owned(),
        target: None,
        ip: Some("192.0.2.7".to_owned()),
        detail: serde_json::json!({}),
    }
}

async fn reset(world: &World, hash: &TokenHash, boss: Option<&str>) -> TokenUse<User> {
    let boss = boss.map(address);
    world.store.reset_password(hash, "new".to_owned(), boss.as_ref(), deed(), now()).await.unwrap()
}

pub async fn a_reset_link_sets_the_password_and_ends_all_else(world: World) {
    let id = world.user_named("ada@example.com", UserRole::User).await;
    let sessions = [world.session(id).await.0, world.session(id).await.0];
    let sign_up = sign_up_link(&world, id, "a stranger's").await;
    let links = [(); 2].map(|()| one_time_token(Some(id), TokenPurpose::ResetPassword));
    let hashes = links.clone().map(|link| link.hash);
    for link in links {
        world.store.add_one_time_token(link).await.unwrap();
    }
    assert_eq!(reset(&world, &random_hash(), None).await, TokenUse::Unknown);
    assert_eq!(reset(&world, &sign_up, None).await, TokenUse::Unknown, "another purpose");
    assert_eq!(reset(&world, &hashes[0], None).await, TokenUse::Expired, "the newest wins");
    assert_eq!(password(&world, "ada@example.com").await, "a hash");
    world.heard();

    let TokenUse::Accepted(user) = reset(&world, &hashes[1], Some("ADA@example.com")).await else {
        panic!("the link is good");
    };
    assert_eq!((user.id, user.role), (id, UserRole::Admin), "it proved that the mail arrives");
    assert!(user.verified_at.is_some());
    assert_eq!(password(&world, "ada@example.com").await, "new");
    let told = world.heard();
    for session in sessions {
        assert!(!world.is_alive(session).await);
        assert!(told.contains(&Notice::SessionEnded { session_id: session }));
    }
    assert!(told.contains(&Notice::UserChanged { user_id: id }));
    assert_eq!(reset(&world, &hashes[1], None).await, TokenUse::Expired);
    assert_eq!(verify(&world, &sign_up).await, TokenUse::Expired);
    let record = world.store.list_audit(None, &PageRequest::first(9)).await.unwrap().items;
    assert_eq!(record.len(), 1);
    assert_eq!((record[0].actor_id, record[0].target.as_deref()), (Some(id), Some("ada@example.com")));
}

pub async fn a_disabled_account_cannot_be_reset(world: World) {
    let id = world.user_named("ada@example.com", UserRole::User).await;
    let link = one_time_token(Some(id), TokenPurpose::ResetPassword);
    let hash = link.hash;
    world.store.add_one_time_token(link).await.unwrap();
    world.store.set_disabled(id, true, now()).await.unwrap();
    assert_eq!(reset(&world, &hash, None).await, TokenUse::Expired);
    assert_eq!(password(&world, "ada@example.com").await, "a hash");
    assert!(world.store.list_audit(None, &PageRequest::first(9)).await.unwrap().items.is_empty());
}

pub async fn links_of_one_account_used_at_once_do_not_block_each_other(world: World) {
    let stores = [world.store.clone(), world.another().await];
    for _ in 0..5 {
        let id = world.user().await;
        let mut links = Vec::new();
        for n in 0..6 {
            links.push(sign_up_link(&world, id, &format!("password {n}")).await);
        }
        let link = one_time_token(Some(id), TokenPurpose::ResetPassword);
        let reset = link.hash;
        world.store.add_one_time_token(link).await.unwrap();
        let verified = at_once(10, |n| {
            let (store, hash) = (stores[n % 2].clone(), links[n % 6]);
            let another = one_time_token(Some(id), TokenPurpose::ResetPassword);
            async move {
                match n {
                    0..6 => {
                        let used = store.verify_email(&hash, None, now()).await.unwrap();
                        return usize::from(matches!(used, TokenUse::Accepted(_)));
                    }
                    6 | 7 => {
                        store.reset_password(&reset, "new".to_owned(), None, deed(), now()).await.unwrap();
                    }
                    8 => store.add_one_time_token(another).await.unwrap(),
                    _ => {
                        store.set_password(id, "by command".to_owned(), now()).await.unwrap();
                    }
                }
                0
            }
        })
        .await;
        assert!(verified.iter().sum::<usize>() <= 1);
    }
}

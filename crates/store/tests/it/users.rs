//! Accounts and their one-time tokens.

use songkeep_domain::{
    PageRequest, StoreError, UserId, UserRole,
    bus::Notice,
    user::{TokenPurpose, TokenUse, User, UserFilter, UserStatus, UserStore as _},
};

use crate::world::{DAY, World, address, at_once, new_user, now, one_time_token, random_hash};

pub async fn an_account_is_found_by_its_id_and_by_its_address_in_any_case(world: World) {
    let new = new_user("Someone@Example.com", UserRole::User);
    let user = world.store.create_user(new.clone(), None).await.unwrap();
    assert_eq!((user.id, user.email.as_str(), user.created_at), (new.id, new.email.as_str(), new.created_at));
    assert_eq!(world.store.find_user(user.id).await.unwrap(), Some(user.clone()));
    let found = world.store.find_credentials(&address("sOMEONE@example.COM")).await.unwrap().unwrap();
    assert_eq!((found.user, found.password_hash.as_deref()), (user, Some("a hash")));
    assert!(world.store.find_credentials(&address("else@example.com")).await.unwrap().is_none());
    assert!(world.store.find_user(UserId::new()).await.unwrap().is_none());
}

pub async fn a_taken_address_is_a_conflict_and_stores_no_token(world: World) {
    world.user_named("someone@example.com", UserRole::User).await;
    let new = new_user("SOMEONE@example.com", UserRole::User);
    let token = one_time_token(Some(new.id), TokenPurpose::VerifyEmail);
    let hash = token.hash;
    let refused = world.store.create_user(new, Some(token)).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict("users.email")), "{refused:?}");
    assert_eq!(world.store.verify_email(&hash, None, now()).await.unwrap(), TokenUse::Unknown);
}

pub async fn parallel_sign_ups_of_one_address_make_one_account(world: World) {
    let stores = [world.store.clone(), world.another().await];
    let results = at_once(8, |n| {
        let store = stores[n % 2].clone();
        let new = new_user(["a@example.com", "A@example.com"][n % 2], UserRole::User);
        let token = one_time_token(Some(new.id), TokenPurpose::VerifyEmail);
        async move { store.create_user(new, Some(token)).await }
    })
    .await;
    let (made, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
    assert_eq!(made.len(), 1);
    assert!(
        refused.iter().all(|result| matches!(result, Err(StoreError::Conflict("users.email")))),
        "{refused:?}"
    );
    assert_eq!(
        world.store.list_users(&UserFilter::default(), &PageRequest::first(50)).await.unwrap().items.len(),
        1
    );
}

pub async fn a_verification_token_works_once_and_until_it_expires(world: World) {
    let new = new_user("someone@example.com", UserRole::User);
    let id = new.id;
    let token = one_time_token(Some(id), TokenPurpose::VerifyEmail);
    let hash = token.hash;
    world.store.create_user(new, Some(token)).await.unwrap();
    assert_eq!(world.store.verify_email(&random_hash(), None, now()).await.unwrap(), TokenUse::Unknown);
    assert_eq!(world.store.verify_email(&hash, None, now().plus(2 * DAY)).await.unwrap(), TokenUse::Expired);
    let at = now();
    let TokenUse::Accepted(user) = world.store.verify_email(&hash, None, at).await.unwrap() else {
        panic!("the token is good");
    };
    assert_eq!((user.id, user.verified_at, user.role), (id, Some(at), UserRole::User));
    assert_eq!(world.store.verify_email(&hash, None, now()).await.unwrap(), TokenUse::Expired);

    let other_purpose = one_time_token(Some(id), TokenPurpose::ResetPassword);
    let hash = other_purpose.hash;
    world.store.add_one_time_token(other_purpose).await.unwrap();
    assert_eq!(world.store.verify_email(&hash, None, now()).await.unwrap(), TokenUse::Unknown);
}

pub async fn a_newer_token_makes_the_earlier_one_void(world: World) {
    let [user, other] = [world.user().await, world.user().await];
    let tokens = [user, user, other].map(|user| one_time_token(Some(user), TokenPurpose::VerifyEmail));
    let hashes = tokens.clone().map(|token| token.hash);
    for token in tokens {
        world.store.add_one_time_token(token).await.unwrap();
    }
    assert_eq!(world.store.verify_email(&hashes[0], None, now()).await.unwrap(), TokenUse::Expired);
    for hash in &hashes[1..] {
        assert!(matches!(world.store.verify_email(hash, None, now()).await.unwrap(), TokenUse::Accepted(_)));
    }

    let links = [(); 2].map(|()| one_time_token(None, TokenPurpose::AdminSetup));
    let hashes = links.clone().map(|token| token.hash);
    for link in links {
        world.store.add_one_time_token(link).await.unwrap();
    }
    let admin = || new_user("admin@example.com", UserRole::Admin);
    let used = world.store.create_admin_with_token(&hashes[0], admin(), now()).await.unwrap();
    assert_eq!(used, TokenUse::Expired);
    let used = world.store.create_admin_with_token(&hashes[1], admin(), now()).await.unwrap();
    assert!(matches!(used, TokenUse::Accepted(_)));
}

pub async fn parallel_uses_of_a_token_accept_one(world: World) {
    let user = world.user().await;
    let token = one_time_token(Some(user), TokenPurpose::VerifyEmail);
    let hash = token.hash;
    world.store.add_one_time_token(token).await.unwrap();
    let stores = [world.store.clone(), world.another().await];
    let results = at_once(8, |n| {
        let store = stores[n % 2].clone();
        async move { store.verify_email(&hash, None, now()).await.unwrap() }
    })
    .await;
    assert_eq!(results.iter().filter(|result| matches!(result, TokenUse::Accepted(_))).count(), 1);
    assert_eq!(results.iter().filter(|result| **result == TokenUse::Expired).count(), 7);
}

async fn verify(world: &World, user: UserId, bootstrap: &str) -> User {
    let token = one_time_token(Some(user), TokenPurpose::VerifyEmail);
    let hash = token.hash;
    world.store.add_one_time_token(token).await.unwrap();
    match world.store.verify_email(&hash, Some(&address(bootstrap)), now()).await.unwrap() {
        TokenUse::Accepted(user) => user,
        other => panic!("{other:?}"),
    }
}

pub async fn the_bootstrap_address_becomes_admin_only_while_there_is_none(world: World) {
    let [listener, boss] = [
        world.user_named("listener@example.com", UserRole::User).await,
        world.user_named("boss@example.com", UserRole::User).await,
    ];
    assert_eq!(verify(&world, listener, "boss@example.com").await.role, UserRole::User);
    assert!(!world.store.has_admin().await.unwrap());
    world.heard();
    assert_eq!(verify(&world, boss, "BOSS@example.com").await.role, UserRole::Admin);
    assert_eq!(world.heard(), [Notice::UserChanged { user_id: boss }]);
    assert!(world.store.has_admin().await.unwrap());
    assert_eq!(verify(&world, listener, "listener@example.com").await.role, UserRole::User);
}

pub async fn a_set_up_token_makes_one_admin(world: World) {
    let token = one_time_token(None, TokenPurpose::AdminSetup);
    let hash = token.hash;
    world.store.add_one_time_token(token).await.unwrap();
    let unknown =
        world.store.create_admin_with_token(&random_hash(), new_user("a@b.de", UserRole::Admin), now()).await;
    assert_eq!(unknown.unwrap(), TokenUse::Unknown);
    let stores = [world.store.clone(), world.another().await];
    let results = at_once(6, |n| {
        let store = stores[n % 2].clone();
        let new = new_user(&format!("admin{n}@example.com"), UserRole::Admin);
        async move { store.create_admin_with_token(&hash, new, now()).await.unwrap() }
    })
    .await;
    assert_eq!(
        results.iter().filter(|result| matches!(result, TokenUse::Accepted(_))).count(),
        1,
        "{results:?}"
    );
    assert_eq!(
        world.store.list_users(&UserFilter::default(), &PageRequest::first(50)).await.unwrap().items.len(),
        1
    );

    let late = one_time_token(None, TokenPurpose::AdminSetup);
    let hash = late.hash;
    world.store.add_one_time_token(late).await.unwrap();
    let used =
        world.store.create_admin_with_token(&hash, new_user("a@b.de", UserRole::Admin), now()).await.unwrap();
    assert_eq!(used, TokenUse::Expired, "an admin exists");
}

pub async fn a_taken_address_leaves_the_set_up_token_usable(world: World) {
    world.user_named("taken@example.com", UserRole::User).await;
    let token = one_time_token(None, TokenPurpose::AdminSetup);
    let hash = token.hash;
    world.store.add_one_time_token(token).await.unwrap();
    let create =
        |address: &str| world.store.create_admin_with_token(&hash, new_user(address, UserRole::Admin), now());
    let refused = create("taken@example.com").await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict("users.email")), "{refused:?}");
    let TokenUse::Accepted(admin) = create("free@example.com").await.unwrap() else {
        panic!("the token is good")
    };
    assert_eq!(admin.role, UserRole::Admin);
}

pub async fn several_ways_to_become_the_first_admin_at_once_make_one(world: World) {
    let boss = world.user_named("boss@example.com", UserRole::User).await;
    let verification = one_time_token(Some(boss), TokenPurpose::VerifyEmail);
    let link = one_time_token(None, TokenPurpose::AdminSetup);
    let (mail, setup) = (verification.hash, link.hash);
    world.store.add_one_time_token(verification).await.unwrap();
    world.store.add_one_time_token(link).await.unwrap();
    let stores = [world.store.clone(), world.another().await];
    at_once(2, |n| {
        let store = stores[n].clone();
        async move {
            if n == 0 {
                store.verify_email(&mail, Some(&address("boss@example.com")), now()).await.map(drop).unwrap();
            } else {
                let new = new_user("first@example.com", UserRole::Admin);
                store.create_admin_with_token(&setup, new, now()).await.map(drop).unwrap();
            }
        }
    })
    .await;
    let users = world.store.list_users(&UserFilter::default(), &PageRequest::first(50)).await.unwrap();
    assert_eq!(users.items.iter().filter(|row| row.user.role == UserRole::Admin).count(), 1);
}

pub async fn a_new_password_ends_all_sessions(world: World) {
    let [user, other] = [world.user().await, world.user().await];
    let sessions = [world.session(user).await.0, world.session(user).await.0];
    let others = world.session(other).await.0;
    world.store.rehash_password(user, "the same".to_owned()).await.unwrap();
    assert!(world.is_alive(sessions[0]).await);
    world.heard();
    let changed = world.store.set_password(user, "another".to_owned(), now()).await.unwrap().unwrap();
    let found = world.store.find_credentials(&address(&changed.email)).await.unwrap().unwrap();
    assert_eq!(found.password_hash.as_deref(), Some("another"));
    let heard = world.heard();
    for session in sessions {
        assert!(!world.is_alive(session).await);
        assert!(heard.contains(&Notice::SessionEnded { session_id: session }));
    }
    assert!(heard.contains(&Notice::UserChanged { user_id: user }));
    assert!(world.is_alive(others).await);
}

pub async fn a_disabled_account_has_no_sessions_and_is_no_admin(world: World) {
    let admin = world.user_named("admin@example.com", UserRole::Admin).await;
    let (session, _) = world.session(admin).await;
    let at = now();
    let disabled = world.store.set_disabled(admin, true, at).await.unwrap().unwrap();
    assert_eq!(disabled.disabled_at, Some(at));
    assert!(!world.is_alive(session).await);
    assert!(!world.store.has_admin().await.unwrap());
    let enabled = world.store.set_disabled(admin, false, now()).await.unwrap().unwrap();
    assert_eq!(enabled.disabled_at, None);
    assert!(!world.is_alive(session).await, "it has ended for good");
    assert!(world.store.has_admin().await.unwrap());
}

pub async fn a_role_is_changed_and_told(world: World) {
    let user = world.user().await;
    let (session, _) = world.session(user).await;
    world.heard();
    let changed = world.store.set_role(user, UserRole::Admin, now()).await.unwrap().unwrap();
    assert_eq!(changed.role, UserRole::Admin);
    assert_eq!(world.heard(), [Notice::UserChanged { user_id: user }]);
    let state = songkeep_domain::session::SessionStore::find_session_state(&world.store, session, now());
    let state = state.await.unwrap().unwrap();
    assert_eq!((state.role, state.alive), (UserRole::Admin, true));
}

pub async fn changes_of_unknown_accounts_find_nobody(world: World) {
    let nobody = UserId::new();
    assert!(world.store.set_password(nobody, String::new(), now()).await.unwrap().is_none());
    assert!(world.store.set_role(nobody, UserRole::Admin, now()).await.unwrap().is_none());
    assert!(world.store.set_disabled(nobody, true, now()).await.unwrap().is_none());
    world.store.rehash_password(nobody, String::new()).await.unwrap();
}

pub async fn accounts_are_listed_newest_first_in_pages(world: World) {
    let mut made = Vec::new();
    for _ in 0..7 {
        made.push(world.user().await);
    }
    world.add_song(made[3], "One").await;
    world.add_song(made[3], "Two").await;
    made.reverse();
    let mut listed = Vec::new();
    let mut page = PageRequest::first(3);
    loop {
        let found = world.store.list_users(&UserFilter::default(), &page).await.unwrap();
        listed.extend(found.items);
        let Some(cursor) = found.next_cursor else { break };
        page.cursor = Some(cursor);
    }
    assert_eq!(listed.iter().map(|row| row.user.id).collect::<Vec<_>>(), made);
    let sizes: Vec<(u64, u64)> = listed.iter().map(|row| (row.song_count, row.storage_bytes)).collect();
    assert_eq!(sizes, [(0, 0), (0, 0), (0, 0), (2, 6_000_000), (0, 0), (0, 0), (0, 0)]);
    page.cursor = Some("no cursor".to_owned());
    let refused = world.store.list_users(&UserFilter::default(), &page).await.unwrap_err();
    assert!(matches!(refused, StoreError::BadCursor));
}

pub async fn accounts_are_filtered_by_address_and_status(world: World) {
    let active = world.user_named("Active_1@example.com", UserRole::User).await;
    let disabled = world.user_named("disabled@example.com", UserRole::User).await;
    let unverified = world.user_named("unverified@example.com", UserRole::User).await;
    for user in [active, disabled] {
        verify(&world, user, "nobody@example.com").await;
    }
    world.store.set_disabled(disabled, true, now()).await.unwrap();
    let list = async |q: Option<&str>, status: Option<UserStatus>| {
        let filter = UserFilter { q: q.map(str::to_owned), status };
        let found = world.store.list_users(&filter, &PageRequest::first(50)).await.unwrap();
        found.items.iter().map(|row| row.user.id).collect::<Vec<_>>()
    };
    assert_eq!(list(None, Some(UserStatus::Active)).await, [active]);
    assert_eq!(list(None, Some(UserStatus::Disabled)).await, [disabled]);
    assert_eq!(list(None, Some(UserStatus::Unverified)).await, [unverified]);
    assert_eq!(list(Some("ACTIVE_"), None).await, [active]);
    assert_eq!(list(Some("_"), None).await, [active]);
    assert_eq!(list(Some("%"), None).await, []);
    assert_eq!(list(Some("example"), None).await, [unverified, disabled, active]);
    assert_eq!(list(Some("nul\0"), None).await, []);
}

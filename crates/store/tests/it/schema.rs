//! Migrations and what the tables themselves enforce.

use songkeep_domain::{
    StoreError, UserId, UserRole,
    user::{TokenPurpose, UserFilter, UserStore as _},
};

use crate::world::{World, address, at_once, new_user, one_time_token, wish};

pub async fn migrating_again_changes_nothing(world: World) {
    let user = world.user_named("someone@example.com", UserRole::User).await;
    world.store.migrate().await.unwrap();
    world.another().await.migrate().await.unwrap();
    world.store.check_schema().await.unwrap();
    let found = world.store.find_credentials(&address("someone@example.com")).await.unwrap().unwrap();
    assert_eq!(found.user.id, user);
}

pub async fn many_may_migrate_at_once(world: World) {
    let empty = world.empty().await;
    let stores = at_once(6, |_| {
        let opening = empty.opening();
        async move {
            let store = opening.await;
            store.migrate().await.unwrap();
            store
        }
    })
    .await;
    for store in stores {
        store.check_schema().await.unwrap();
        store.close().await;
    }
}

pub async fn an_old_schema_is_noticed(world: World) {
    assert!(world.store.has_tables().await.unwrap());
    world.store.check_schema().await.unwrap();
    world.store.ping().await.unwrap();
    let empty = world.empty().await;
    let store = empty.another().await;
    store.ping().await.unwrap();
    assert!(!store.has_tables().await.unwrap());
    let refused = store.check_schema().await.unwrap_err();
    let reason = std::error::Error::source(&refused).unwrap().to_string();
    assert!(reason.contains("`songkeep migrate`"), "{reason}");
}

pub async fn references_are_checked(world: World) {
    let token = one_time_token(Some(UserId::new()), TokenPurpose::VerifyEmail);
    let refused = world.store.add_one_time_token(token).await;
    assert!(matches!(refused, Err(StoreError::Other(_))), "{refused:?}");
    let source = crate::world::next_source();
    let refused =
        songkeep_domain::job::JobStore::enqueue_import(&world.store, wish(UserId::new(), &source)).await;
    assert!(refused.is_err(), "{refused:?}");
}

pub async fn a_dropped_transaction_leaves_nothing(world: World) {
    // The token is refused because its account is another's; the account goes with it.
    let token = one_time_token(Some(UserId::new()), TokenPurpose::VerifyEmail);
    world.store.create_user(new_user("someone@example.com", UserRole::User), Some(token)).await.unwrap_err();
    let all = songkeep_domain::PageRequest::first(9);
    assert!(world.store.list_users(&UserFilter::default(), &all).await.unwrap().items.is_empty());
    world.user_named("someone@example.com", UserRole::User).await;
}

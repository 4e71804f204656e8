//! Sessions and their chains of refresh tokens.

use std::{collections::HashSet, time::Duration};

use songkeep_domain::{
    SessionId, UserRole,
    bus::Notice,
    event::EventStore as _,
    session::{NewRefreshToken, Rotation, SessionEnd, SessionStore as _, SuccessorNonce},
    user::{TokenHash, TokenPurpose, UserStore as _},
};

use crate::world::{DAY, World, at_once, now, one_time_token, random_hash, refresh_token};

const GRACE: Duration = Duration::from_secs(10);
const NONCE: SuccessorNonce = [7; 16];

/// Presents a token; what it was answered, and the successor that was offered.
async fn rotate(world: &World, presented: &TokenHash, after: Duration) -> (Rotation, NewRefreshToken) {
    let successor = refresh_token(now().plus(2 * DAY));
    let at = now().plus(after);
    let answer =
        world.store.rotate_refresh_token(presented, successor.clone(), NONCE, at, GRACE).await.unwrap();
    (answer, successor)
}

pub async fn a_session_lives_until_it_ends(world: World) {
    let user = world.user().await;
    let [(session, _), (other, _)] = [world.session(user).await, world.session(user).await];
    let state = world.store.find_session_state(session, now()).await.unwrap().unwrap();
    assert_eq!(
        (state.session_id, state.user_id, state.role, state.alive),
        (session, user, UserRole::User, true)
    );
    world.heard();
    assert!(world.store.end_session(session, SessionEnd::SignedOut, now()).await.unwrap());
    assert_eq!(world.heard(), [Notice::SessionEnded { session_id: session }]);
    assert!(!world.store.end_session(session, SessionEnd::SignedOut, now()).await.unwrap());
    assert!(world.heard().is_empty());
    assert!(!world.is_alive(session).await);
    assert!(world.is_alive(other).await);
    assert!(world.store.find_session_state(SessionId::new(), now()).await.unwrap().is_none());
}

pub async fn a_session_is_dead_when_it_expires_or_its_account_is_disabled(world: World) {
    let user = world.user().await;
    let (session, _) = world.session(user).await;
    let late = world.store.find_session_state(session, now().plus(2 * DAY)).await.unwrap().unwrap();
    assert!(!late.alive);
    world.store.set_disabled(user, true, now()).await.unwrap();
    assert!(!world.is_alive(session).await);
}

pub async fn tokens_follow_each_other_in_a_chain(world: World) {
    let user = world.user().await;
    let (session, mut token) = world.session(user).await;
    for _ in 0..5 {
        let (answer, successor) = rotate(&world, &token, Duration::ZERO).await;
        let Rotation::Rotated { session_id, user: found } = answer else { panic!("{answer:?}") };
        assert_eq!((session_id, found.id), (session, user));
        token = successor.hash;
    }
    let later = world.store.find_session_state(session, now().plus(DAY + DAY / 2)).await.unwrap().unwrap();
    assert!(later.alive, "each token moves the session's end");
}

pub async fn the_same_token_again_within_the_grace_gets_the_same_successor(world: World) {
    let user = world.user().await;
    let (session, token) = world.session(user).await;
    let (_, successor) = rotate(&world, &token, Duration::ZERO).await;
    for _ in 0..3 {
        let (answer, refused) = rotate(&world, &token, Duration::from_secs(9)).await;
        let Rotation::Repeated { session_id, user: found, nonce } = answer else { panic!("{answer:?}") };
        assert_eq!((session_id, found.id, nonce), (session, user, NONCE));
        assert_eq!(
            rotate(&world, &refused.hash, Duration::ZERO).await.0,
            Rotation::Refused,
            "never a second successor"
        );
    }
    assert!(matches!(rotate(&world, &successor.hash, Duration::ZERO).await.0, Rotation::Rotated { .. }));
}

pub async fn a_replay_after_the_grace_ends_the_session(world: World) {
    let user = world.user().await;
    let (session, token) = world.session(user).await;
    let (_, successor) = rotate(&world, &token, Duration::ZERO).await;
    world.heard();
    let (answer, _) = rotate(&world, &token, Duration::from_secs(11)).await;
    assert_eq!(answer, Rotation::Replayed { session_id: session, user_id: user });
    assert_eq!(world.heard(), [Notice::SessionEnded { session_id: session }]);
    assert!(!world.is_alive(session).await);
    for token in [token, successor.hash] {
        assert_eq!(rotate(&world, &token, Duration::ZERO).await.0, Rotation::Refused);
    }
}

pub async fn a_replay_after_the_successor_was_used_ends_the_session(world: World) {
    let user = world.user().await;
    let (session, first) = world.session(user).await;
    let (_, second) = rotate(&world, &first, Duration::ZERO).await;
    let (_, third) = rotate(&world, &second.hash, Duration::ZERO).await;
    let (answer, _) = rotate(&world, &first, Duration::ZERO).await;
    assert_eq!(answer, Rotation::Replayed { session_id: session, user_id: user });
    assert_eq!(rotate(&world, &third.hash, Duration::ZERO).await.0, Rotation::Refused);
}

pub async fn unknown_and_expired_tokens_are_refused(world: World) {
    let user = world.user().await;
    let (session, token) = world.session(user).await;
    assert_eq!(rotate(&world, &random_hash(), Duration::ZERO).await.0, Rotation::Refused);
    assert_eq!(rotate(&world, &token, 2 * DAY).await.0, Rotation::Refused);
    assert!(world.is_alive(session).await, "an expired token is no replay");
    assert!(matches!(rotate(&world, &token, Duration::ZERO).await.0, Rotation::Rotated { .. }));
}

pub async fn tokens_of_ended_sessions_and_disabled_accounts_are_refused(world: World) {
    let user = world.user().await;
    let (session, token) = world.session(user).await;
    world.store.end_session(session, SessionEnd::Revoked, now()).await.unwrap();
    assert_eq!(rotate(&world, &token, Duration::ZERO).await.0, Rotation::Refused);
    let (_, token) = world.session(user).await;
    world.store.set_disabled(user, true, now()).await.unwrap();
    assert_eq!(rotate(&world, &token, Duration::ZERO).await.0, Rotation::Refused);
}

pub async fn eight_parallel_rotations_make_one_successor(world: World) {
    let user = world.user().await;
    let stores = [world.store.clone(), world.another().await];
    let (session, mut token) = world.session(user).await;
    for _ in 0..5 {
        let answers = at_once(8, |n| {
            let store = stores[n % 2].clone();
            let successor = refresh_token(now().plus(DAY));
            let nonce = [u8::try_from(n).unwrap(); 16];
            async move {
                let answer =
                    store.rotate_refresh_token(&token, successor.clone(), nonce, now(), GRACE).await.unwrap();
                (answer, successor, nonce)
            }
        })
        .await;
        let mut winners = answers.iter().filter(|(answer, ..)| matches!(answer, Rotation::Rotated { .. }));
        let (_, successor, winning_nonce) = winners.next().unwrap();
        assert!(winners.next().is_none(), "two successors");
        let repeated: HashSet<SuccessorNonce> = answers
            .iter()
            .filter_map(|(answer, ..)| match answer {
                Rotation::Rotated { .. } => None,
                Rotation::Repeated { nonce, .. } => Some(*nonce),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(repeated, HashSet::from([*winning_nonce]));
        token = successor.hash;
    }
    assert!(world.is_alive(session).await);
}

pub async fn any_token_of_a_session_ends_it_once(world: World) {
    let user = world.user().await;
    let (session, first) = world.session(user).await;
    let (_, second) = rotate(&world, &first, Duration::ZERO).await;
    let end = async |hash: TokenHash| {
        world.store.end_session_of_token(&hash, SessionEnd::SignedOut, now()).await.unwrap()
    };
    assert_eq!(end(random_hash()).await, None);
    assert_eq!(end(first).await, Some(session), "a used one too");
    assert_eq!(end(second.hash).await, None);
    assert!(!world.is_alive(session).await);
}

pub async fn dead_sessions_and_old_tokens_are_forgotten(world: World) {
    let user = world.user().await;
    let [(ended, _), (alive, token)] = [world.session(user).await, world.session(user).await];
    world.store.end_session(ended, SessionEnd::SignedOut, now()).await.unwrap();
    world.store.add_one_time_token(one_time_token(Some(user), TokenPurpose::VerifyEmail)).await.unwrap();
    assert_eq!(world.store.delete_dead_sessions(now().minus(DAY)).await.unwrap(), 0);
    assert_eq!(world.store.delete_dead_sessions(now().plus(DAY / 2)).await.unwrap(), 1);
    assert!(world.store.find_session_state(ended, now()).await.unwrap().is_none());
    assert!(world.is_alive(alive).await);

    rotate(&world, &token, Duration::ZERO).await;
    let gone = world.store.delete_dead_sessions(now().plus(DAY + DAY / 2)).await.unwrap();
    assert_eq!(gone, 2, "the used link of the chain and the unused mail");
    assert!(world.is_alive(alive).await);
}

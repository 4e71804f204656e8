//! What the command line does.

use songkeep_domain::{ErrorCode, UserRole};

use crate::setup::{PASSWORD, Setup, refresh, settings, sign_in};

#[tokio::test]
async fn a_command_makes_verified_accounts() {
    let setup = Setup::new(settings()).await;
    let user = setup.service.create_user("Ada@example.com", PASSWORD, UserRole::Admin).await.unwrap();
    assert_eq!((user.role, user.verified_at.is_some()), (UserRole::Admin, true));
    for client in &setup.clients {
        sign_in(client, "ada@example.com", PASSWORD).await.unwrap();
    }
    let create = async |email: &str, password: &str| {
        setup.service.create_user(email, password, UserRole::User).await.unwrap_err().code
    };
    assert_eq!(create("ADA@example.com", PASSWORD).await, ErrorCode::EmailTaken);
    assert_eq!(create("ada", PASSWORD).await, ErrorCode::Invalid);
    assert_eq!(create("bob@example.com", "short").await, ErrorCode::Invalid);
    let entries = setup.audit().await;
    let created = entries.iter().filter(|entry| entry.action == "user.create").collect::<Vec<_>>();
    assert_eq!(created.len(), 1, "what was refused is not recorded");
    assert_eq!((created[0].actor_id, created[0].target.clone()), (None, Some(user.id.to_string())));
    assert_eq!(created[0].detail["by"], "command");
}

#[tokio::test]
async fn a_command_changes_roles_but_never_takes_the_last_admin_away() {
    let setup = Setup::new(settings()).await;
    let service = &setup.service;
    setup.add_user("ada@example.com").await;
    setup.add_user("bob@example.com").await;
    assert_eq!(service.set_role("ADA@example.com", UserRole::Admin).await.unwrap().role, UserRole::Admin);
    let error = service.set_role("ada@example.com", UserRole::User).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::Conflict);
    assert_eq!(setup.find_user("ada@example.com").await.unwrap().role, UserRole::Admin);
    service.set_role("bob@example.com", UserRole::Admin).await.unwrap();
    assert_eq!(service.set_role("ada@example.com", UserRole::User).await.unwrap().role, UserRole::User);
    let error = service.set_role("nobody@example.com", UserRole::Admin).await.unwrap_err();
    assert_eq!(error.code, ErrorCode::NotFound);
    let changes = setup.audit().await.iter().filter(|entry| entry.action == "user.set_role").count();
    assert_eq!(changes, 3);
}

#[tokio::test]
async fn a_command_sets_a_new_password_and_ends_all_sessions() {
    let setup = Setup::new(settings()).await;
    setup.add_user("ada@example.com").await;
    for (client, password) in setup.clients.iter().zip(["new password 1", "new password 2"]) {
        let old = if password.ends_with('1') { PASSWORD } else { "new password 1" };
        let tokens = sign_in(client, "ada@example.com", old).await.unwrap();
        setup.service.reset_password("Ada@example.com", password).await.unwrap();
        assert!(!setup.is_alive(client, setup.actor(&tokens).session_id).await);
        let error = refresh(client, &tokens.refresh_token).await.err().unwrap();
        assert_eq!(error.code, ErrorCode::Unauthenticated);
        let error = sign_in(client, "ada@example.com", old).await.err().unwrap();
        assert_eq!(error.code, ErrorCode::InvalidCredentials);
        sign_in(client, "ada@example.com", password).await.unwrap();
    }
    let reset = async |email: &str, password: &str| {
        setup.service.reset_password(email, password).await.unwrap_err().code
    };
    assert_eq!(reset("nobody@example.com", PASSWORD).await, ErrorCode::NotFound);
    assert_eq!(reset("ada@example.com", "short").await, ErrorCode::Invalid);
    let record = format!("{:?}", setup.audit().await);
    assert!(record.contains("user.reset_password") && !record.contains("new password"), "{record}");
}

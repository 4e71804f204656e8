//! Accounts and sessions: sign-up, verification, sign-in, and the refresh token's cookie.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, StatusCode};
use songkeep_api::{
    auth::{IssuedTokens, ResetPassword, SetUpAdmin, SignIn, SignUp},
    wire::{
        Detail, ForgotPasswordRequest, Me, RefreshRequest, ResetPasswordRequest, SetUpRequest, SignInRequest,
        SignUpAnswer, SignUpRequest, TokenAnswer, VerifyEmailRequest,
    },
};
use songkeep_domain::{ErrorCode, ServiceError};
use songkeep_http_kit::{ApiError, ApiResult, Json, OptionalJson};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::problems::{BadBody, BadToken, Limited, NeedsToken, Problems, RefusedSignIn, Taken};
use crate::{
    GatewayState,
    actor::{Anyone, SignedIn},
};

pub(super) fn routes() -> OpenApiRouter<GatewayState> {
    OpenApiRouter::new()
        .routes(routes!(sign_up))
        .routes(routes!(verify_email))
        .routes(routes!(set_up_admin))
        .routes(routes!(forgot_password))
        .routes(routes!(reset_password))
        .routes(routes!(sign_in))
        .routes(routes!(refresh_session))
        .routes(routes!(sign_out))
        .routes(routes!(get_me))
}

/// Make an account
///
/// Where addresses are verified, the answer is the same whether or not the address has an account
/// already; the mail tells its owner.
#[utoipa::path(
    post, path = "/auth/signup", tag = "auth",
    responses(
        (status = 201, description = "What to do next.", body = SignUpAnswer),
        Problems<(BadBody, Taken, Limited)>,
    ),
)]
async fn sign_up(
    State(state): State<GatewayState>,
    Anyone(ctx): Anyone,
    Json(body): Json<SignUpRequest>,
) -> ApiResult<(StatusCode, axum::Json<SignUpAnswer>)> {
    state.limiter.sign_up(&ctx.client).await?;
    let request = SignUp { email: body.email, password: body.password };
    let done = state.auth.sign_up(&ctx, request).await?;
    let answer = SignUpAnswer {
        detail: done.detail,
        verification_required: done.verification_required,
        verification_token: done.verification_token,
    };
    Ok((StatusCode::CREATED, axum::Json(answer)))
}

/// Verify an address with the token from the mail
#[utoipa::path(
    post, path = "/auth/verify-email", tag = "auth",
    responses(
        (status = 200, description = "The address is verified.", body = Detail),
        Problems<(BadBody, BadToken, Limited)>,
    ),
)]
async fn verify_email(
    State(state): State<GatewayState>,
    Anyone(ctx): Anyone,
    Json(body): Json<VerifyEmailRequest>,
) -> ApiResult<axum::Json<Detail>> {
    state.limiter.token(&ctx.client).await?;
    let detail = state.auth.verify_email(&ctx, body.token).await?;
    Ok(axum::Json(Detail { detail }))
}

/// Make the first administrator with the token of the printed link
#[utoipa::path(
    post, path = "/auth/setup", tag = "auth",
    responses(
        (status = 201, description = "The account is made; sign in with it.", body = Detail),
        Problems<(BadBody, BadToken, Taken, Limited)>,
    ),
)]
async fn set_up_admin(
    State(state): State<GatewayState>,
    Anyone(ctx): Anyone,
    Json(body): Json<SetUpRequest>,
) -> ApiResult<(StatusCode, axum::Json<Detail>)> {
    state.limiter.set_up(&ctx.client).await?;
    let request = SetUpAdmin { token: body.token, email: body.email, password: body.password };
    let detail = state.auth.set_up_admin(&ctx, request).await?;
    Ok((StatusCode::CREATED, axum::Json(Detail { detail })))
}

/// Ask for a link by which a forgotten password is replaced
///
/// The answer is the same whether or not the address has an account; the mail tells its owner. The link
/// holds for an hour.
#[utoipa::path(
    post, path = "/auth/forgot-password", tag = "auth",
    responses(
        (status = 200, description = "A mail is on its way, if there is an account.", body = Detail),
        Problems<(BadBody, Limited)>,
    ),
)]
async fn forgot_password(
    State(state): State<GatewayState>,
    Anyone(ctx): Anyone,
    Json(body): Json<ForgotPasswordRequest>,
) -> ApiResult<axum::Json<Detail>> {
    state.limiter.forgot_password(&ctx.client, &body.email).await?;
    let detail = state.auth.forgot_password(&ctx, body.email).await?;
    Ok(axum::Json(Detail { detail }))
}

/// Choose a new password with the token from the mail
///
/// Ends all sessions of the account. The address counts as verified.
#[utoipa::path(
    post, path = "/auth/reset-password", tag = "auth",
    responses(
        (status = 200, description = "The password is changed; sign in with it.", body = Detail),
        Problems<(BadBody, BadToken, Limited)>,
    ),
)]
async fn reset_password(
    State(state): State<GatewayState>,
    Anyone(ctx): Anyone,
    Json(body): Json<ResetPasswordRequest>,
) -> ApiResult<axum::Json<Detail>> {
    state.limiter.reset_password(&ctx.client).await?;
    let request = ResetPassword { token: body.token, password: body.password };
    let detail = state.auth.reset_password(&ctx, request).await?;
    Ok(axum::Json(Detail { detail }))
}

/// Sign in
///
/// Also sets the refresh token as an `HttpOnly` cookie.
#[utoipa::path(
    post, path = "/auth/signin", tag = "auth",
    responses(
        (status = 200, description = "Signed in.", body = TokenAnswer,
         headers(("Set-Cookie" = String, description = "The refresh token."))),
        Problems<(BadBody, RefusedSignIn, Limited)>,
    ),
)]
async fn sign_in(
    State(state): State<GatewayState>,
    Anyone(ctx): Anyone,
    Json(body): Json<SignInRequest>,
) -> ApiResult<Response> {
    state.limiter.sign_in(&ctx.client, &body.email).await?;
    let request = SignIn { email: body.email, password: body.password };
    let tokens = state.auth.sign_in(&ctx, request).await?;
    Ok(signed_in(&state, tokens))
}

/// Exchange the refresh token for new tokens
///
/// The cookie counts first, then the body. The token that was sent is used up.
#[utoipa::path(
    post, path = "/auth/refresh", tag = "auth",
    request_body = Option<RefreshRequest>,
    params(("refresh_token" = Option<String>, Cookie, description = "As a sign-in set it.")),
    responses(
        (status = 200, description = "As after a sign-in.", body = TokenAnswer,
         headers(("Set-Cookie" = String, description = "The next refresh token."))),
        Problems<(BadBody, NeedsToken, Limited)>,
    ),
)]
async fn refresh_session(
    State(state): State<GatewayState>,
    Anyone(ctx): Anyone,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson<Option<RefreshRequest>>,
) -> ApiResult<Response> {
    let cookie = state.settings.cookie.read(&headers);
    let had_cookie = cookie.is_some();
    let Some(token) = cookie.or_else(|| token_in(body.flatten())) else {
        let detail = "There is no session to carry on: sign in.";
        return Err(ServiceError::new(ErrorCode::Unauthenticated, detail).into());
    };
    state.limiter.token(&ctx.client).await?;
    match state.auth.refresh(&ctx, token).await {
        Ok(tokens) => Ok(signed_in(&state, tokens)),
        // It will never hold again, so the browser need not send it any more.
        Err(error) if had_cookie && matches!(error.code.status(), 401 | 403) => {
            Ok((state.settings.cookie.clear(), ApiError(error)).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// End the session
///
/// Answers the same when there is none.
#[utoipa::path(
    post, path = "/auth/logout", tag = "auth",
    request_body = Option<RefreshRequest>,
    params(("refresh_token" = Option<String>, Cookie, description = "As a sign-in set it.")),
    responses(
        (status = 200, description = "No session any more.", body = Detail,
         headers(("Set-Cookie" = String, description = "Takes the refresh token away."))),
        Problems<(BadBody, Limited)>,
    ),
)]
async fn sign_out(
    State(state): State<GatewayState>,
    Anyone(ctx): Anyone,
    headers: HeaderMap,
    OptionalJson(body): OptionalJson<Option<RefreshRequest>>,
) -> ApiResult<Response> {
    if let Some(token) = state.settings.cookie.read(&headers).or_else(|| token_in(body.flatten())) {
        state.limiter.token(&ctx.client).await?;
        state.auth.sign_out(&ctx, Some(token)).await?;
    }
    let detail = Detail { detail: "You are signed out.".to_owned() };
    Ok((state.settings.cookie.clear(), axum::Json(detail)).into_response())
}

/// The signed-in account
#[utoipa::path(
    get, path = "/auth/me", tag = "auth", security(("bearer" = [])),
    responses((status = 200, description = "The account.", body = Me), Problems<(NeedsToken,)>),
)]
async fn get_me(State(state): State<GatewayState>, SignedIn(ctx, _): SignedIn) -> ApiResult<axum::Json<Me>> {
    Ok(axum::Json(state.auth.me(&ctx, ()).await?.into()))
}

fn token_in(body: Option<RefreshRequest>) -> Option<String> {
    body.and_then(|body| body.refresh_token).filter(|token| !token.is_empty())
}

fn signed_in(state: &GatewayState, tokens: IssuedTokens) -> Response {
    let cookie = state.settings.cookie.set(tokens.refresh_token, tokens.refresh_expires_in);
    let answer = TokenAnswer {
        access_token: tokens.access_token,
        token_type: "bearer",
        expires_in: tokens.expires_in,
    };
    (cookie, axum::Json(answer)).into_response()
}

//! The error answers of routes, for their description.

use std::{collections::BTreeMap, marker::PhantomData};

use songkeep_api::Problem;
use songkeep_domain::ErrorCode;
use utoipa::{
    IntoResponses,
    openapi::{ContentBuilder, HeaderBuilder, Object, Ref, RefOr, Response, ResponseBuilder, Type},
};

/// Every route: pages of other origins, our own failures, and services that are away or slow.
const ALWAYS: &[ErrorCode] = &[
    ErrorCode::OriginNotAllowed,
    ErrorCode::Internal,
    ErrorCode::BadGateway,
    ErrorCode::Unavailable,
    ErrorCode::GatewayTimeout,
];

/// The error answers of a route: of all the sets in the tuple `T`, and those of every route.
pub(super) struct Problems<T>(PhantomData<fn() -> T>);

/// Some error codes, named by a type so that they can stand in a route's attribute.
pub(super) trait Codes {
    fn codes() -> Vec<ErrorCode>;
}

macro_rules! problem_sets {
    ($($(#[$doc:meta])* $name:ident: $($code:ident)+;)+) => {
        $(
            $(#[$doc])*
            pub(super) enum $name {}

            impl Codes for $name {
                fn codes() -> Vec<ErrorCode> {
                    vec![$(ErrorCode::$code),+]
                }
            }
        )+
    };
}

problem_sets! {
    /// Calls that need the bearer token.
    NeedsToken: Unauthenticated;
    /// Calls that need an administrator.
    NeedsAdmin: Unauthenticated Forbidden;
    /// Values in the query.
    BadQuery: Malformed Invalid;
    /// A body of JSON.
    BadBody: Malformed PayloadTooLarge UnsupportedMediaType Invalid;
    Missing: NotFound;
    Clash: Conflict;
    Limited: RateLimited;
    Taken: EmailTaken;
    /// A one-time token.
    BadToken: NotFound TokenExpired;
    RefusedSignIn: InvalidCredentials EmailNotVerified AccountDisabled;
    SearchDown: SearchUnavailable;
    /// The signature in an address.
    BadSignature: Forbidden;
}

macro_rules! tuples {
    ($(($($set:ident)+))+) => {
        $(impl<$($set: Codes),+> Codes for ($($set,)+) {
            fn codes() -> Vec<ErrorCode> {
                [$($set::codes()),+].concat()
            }
        })+
    };
}

impl Codes for () {
    fn codes() -> Vec<ErrorCode> {
        Vec::new()
    }
}

tuples! { (A) (A B) (A B C) (A B C D) }

impl<T: Codes> IntoResponses for Problems<T> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
        for code in T::codes().iter().chain(ALWAYS) {
            let codes = by_status.entry(code.status()).or_default();
            if !codes.contains(code) {
                codes.push(*code);
            }
        }
        by_status
            .into_iter()
            .map(|(status, codes)| (status.to_string(), describe(status, &codes).into()))
            .collect()
    }
}

/// One status may stand for several codes.
fn describe(status: u16, codes: &[ErrorCode]) -> Response {
    let description =
        codes.iter().map(|code| format!("`{code}`: {}.", code.title())).collect::<Vec<_>>().join(" ");
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let response = ResponseBuilder::new().description(description).content(Problem::MEDIA_TYPE, content);
    if matches!(status, 429 | 502..=504) {
        let seconds = HeaderBuilder::new()
            .schema(Some(Object::with_type(Type::Integer)))
            .description(Some("Seconds to wait before the call is worth repeating."));
        return response.header("Retry-After", seconds.build()).build();
    }
    response.build()
}

//! The routes, one file for each area, and their description.

mod admin;
mod auth;
mod docs;
mod events;
mod images;
mod jobs;
mod library;
mod music;
mod problems;

use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};
use utoipa_axum::router::OpenApiRouter;

use crate::GatewayState;

pub(crate) use docs::serve_docs;

/// All described routes, without layers.
pub(crate) fn described() -> OpenApiRouter<GatewayState> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(auth::routes())
        .merge(music::routes())
        .merge(library::routes())
        .merge(jobs::routes())
        .merge(events::routes())
        .merge(images::routes())
        .merge(admin::routes())
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Songkeep",
        description = "Search, import and stream your own music. Errors are `application/problem+json`.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    // Relative to this document, so that it holds behind the web port's /api too.
    servers((url = "./")),
    tags(
        (name = "auth", description = "Accounts and sessions"),
        (name = "music", description = "Search, library and streams"),
        (name = "jobs", description = "Imports"),
        (name = "events", description = "What happens, while it happens"),
        (name = "images", description = "Pictures"),
        (name = "admin", description = "For administrators"),
    ),
    components(schemas(songkeep_api::Problem, songkeep_api::wire::LibraryEvent)),
    modifiers(&Bearer),
)]
struct Document;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = Http::builder()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("The `access_token` of a sign-in or refresh."))
            .build();
        document
            .components
            .get_or_insert_default()
            .add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

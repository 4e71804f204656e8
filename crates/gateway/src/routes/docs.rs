//! The description for programs (`/openapi.json`) and for people (`/docs`, `/docs/errors`). All of it
//! comes from this program; a page here loads nothing from any other host.

use std::{fmt::Write as _, sync::Arc};

use axum::{
    Router,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use bytes::Bytes;
use http::header;
use songkeep_domain::{ErrorCode, ServiceError};
use songkeep_http_kit::{ApiError, ApiResult, Path};
use utoipa::openapi::OpenApi;
use utoipa_swagger_ui::Config;

/// What the pages need: scripts, styles and pictures of ours, and calls of this API.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                           connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes that describe the others.
pub(crate) fn serve_docs(document: &OpenApi) -> Router {
    let json: Bytes = serde_json::to_vec(document).expect("a description has string keys only").into();
    // Relative, as everything here, so that it holds behind the web port's /api too.
    let config = Config::new(["../openapi.json"])
        .use_base_layout()
        .try_it_out_enabled(true)
        .display_request_duration(true)
        // Else the page would send the document to a public validator.
        .validator_url("none");
    let config = Arc::new(config);
    let index = Arc::clone(&config);
    let errors: Bytes = errors_page().into();
    let json_headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")];
    Router::new()
        .route("/openapi.json", get(move || async move { (json_headers, json) }))
        .route("/docs", get(async || Redirect::temporary("docs/")))
        .route("/docs/", get(move || async move { page_file("index.html", index) }))
        .route("/docs/errors", get(move || async move { page("text/html; charset=utf-8", errors) }))
        .route("/docs/{file}", get(move |Path(file): Path<String>| async move { page_file(&file, config) }))
}

fn page_file(name: &str, config: Arc<Config<'static>>) -> ApiResult<Response> {
    match utoipa_swagger_ui::serve(name, config) {
        Ok(Some(file)) => Ok(page(&file.content_type, file.bytes.into_owned().into())),
        Ok(None) => Err(ServiceError::not_found("This page").into()),
        Err(error) => Err(ApiError(ServiceError::internal(error.to_string()))),
    }
}

fn page(content_type: &str, body: Bytes) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (header::CACHE_CONTROL, "public, max-age=3600"),
    ];
    (headers, body).into_response()
}

/// Where the `type` of a problem points to: one anchor for each code.
fn errors_page() -> String {
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Errors · Songkeep</title>\n</head>\n<body>\n<h1>Errors</h1>\n\
         <p>Errors come as <code>application/problem+json</code>. Their <code>code</code> is one of these; \
         their <code>instance</code> is the id under which the log has the request.</p>\n<dl>\n",
    );
    for code in ErrorCode::ALL {
        let (title, status) = (code.title(), code.status());
        writeln!(page, "<dt id=\"{code}\"><code>{code}</code></dt>\n<dd>{title} (status {status}).</dd>")
            .expect("a String takes everything");
    }
    page.push_str("</dl>\n</body>\n</html>\n");
    page
}

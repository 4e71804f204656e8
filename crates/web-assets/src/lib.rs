//! The web apps: their files, embedded in the binary, and the router that serves them. It knows nothing of
//! the API that the apps talk to. Where the apps were not built before the binary was, a page says so.

mod encoding;
mod policy;
mod site;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    response::Response,
};
use rust_embed::RustEmbed;

pub use site::Site;

/// Whether both apps were there when this was compiled.
pub const IS_BUILT: bool = matches!(env!("SONGKEEP_WEB_IS_BUILT").as_bytes(), b"1");

/// The first part of the paths of the administrators' app.
const ADMIN: &str = "admin";

/// First parts of paths that belong to programs: what is unknown there is a problem document, never a page.
const NOT_PAGES: [&str; 6] = ["api", "health", "internal", "js", "metrics", "ready"];

#[derive(RustEmbed)]
#[folder = "$OUT_DIR/player"]
struct PlayerFiles;

#[derive(RustEmbed)]
#[folder = "$OUT_DIR/admin"]
struct AdminFiles;

/// The listeners' app. It may also play from `media_origins`, such as `https://media.example.com`; entries
/// that are no plain origins are left out.
pub fn player(media_origins: &[String]) -> Site {
    Site::new::<PlayerFiles>(media_origins)
}

/// The administrators' app.
pub fn admin() -> Site {
    Site::new::<AdminFiles>(&[])
}

struct Sites {
    player: Site,
    admin: Option<Site>,
}

/// Serves `admin` under `/admin`, and nothing there without it; `player` has all other paths. It uses the
/// router's fallback, so merge routes into it, not it into a router with a fallback of its own.
pub fn router(player: Site, admin: Option<Site>) -> Router {
    Router::new().fallback(serve).with_state(Arc::new(Sites { player, admin }))
}

async fn serve(State(sites): State<Arc<Sites>>, request: Request) -> Response {
    let path = request.uri().path().trim_start_matches('/');
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let (method, headers) = (request.method(), request.headers());
    if first != ADMIN {
        return sites.player.serve(path, !NOT_PAGES.contains(&first), method, headers);
    }
    match &sites.admin {
        Some(admin) => admin.serve(rest, true, method, headers),
        None => site::not_found(),
    }
}

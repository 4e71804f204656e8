//! The refresh cookie: how a browser keeps its refresh token out of the page's reach.

use axum_extra::extract::cookie::{Cookie, CookieJar};
use http::HeaderMap;

pub use axum_extra::extract::cookie::SameSite;

/// Attributes of the refresh cookie. It is always `HttpOnly` and of `Path=/`.
#[derive(Clone, Debug)]
pub struct RefreshCookie {
    pub name: String,
    pub secure: bool,
    pub same_site: SameSite,
    /// None: of the answering host only.
    pub domain: Option<String>,
}

impl Default for RefreshCookie {
    fn default() -> Self {
        Self { name: "refresh_token".to_owned(), secure: true, same_site: SameSite::Lax, domain: None }
    }
}

impl RefreshCookie {
    /// The token that came with a request.
    #[must_use]
    pub fn read(&self, headers: &HeaderMap) -> Option<String> {
        CookieJar::from_headers(headers)
            .get(&self.name)
            .map(|cookie| cookie.value().to_owned())
            .filter(|token| !token.is_empty())
    }

    /// Sets `token`; `max_age_secs` is how long it lives.
    pub fn set(&self, token: String, max_age_secs: u64) -> CookieJar {
        CookieJar::new().add(self.cookie(token, i64::try_from(max_age_secs).unwrap_or(i64::MAX)))
    }

    /// Makes the browser forget the token.
    pub fn clear(&self) -> CookieJar {
        CookieJar::new().add(self.cookie(String::new(), 0))
    }

    fn cookie(&self, value: String, max_age_secs: i64) -> Cookie<'static> {
        let mut cookie = Cookie::build((self.name.clone(), value))
            .http_only(true)
            .path("/")
            .secure(self.secure)
            .same_site(self.same_site)
            .max_age(time::Duration::seconds(max_age_secs))
            .build();
        if let Some(domain) = &self.domain {
            cookie.set_domain(domain.clone());
        }
        cookie
    }
}

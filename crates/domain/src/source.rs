//! Where songs come from: providers, their ids, and how pasted text is read as one.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

/// A site that songs are imported from. Each has its own grammar of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceProvider {
    Youtube,
}

impl SourceProvider {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Youtube => "youtube",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "youtube" => Some(Self::Youtube),
            _ => None,
        }
    }
}

impl fmt::Display for SourceProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One recording at one provider. The id has been checked against the provider's grammar, so it
/// is safe in a URL and in a file name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawSourceRef")]
pub struct SourceRef {
    provider: SourceProvider,
    id: String,
}

#[derive(Deserialize)]
struct RawSourceRef {
    provider: SourceProvider,
    id: String,
}

impl TryFrom<RawSourceRef> for SourceRef {
    type Error = InvalidSource;

    fn try_from(raw: RawSourceRef) -> Result<Self, Self::Error> {
        Self::new(raw.provider, &raw.id)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSource {
    #[error("the id does not match the provider's grammar")]
    BadId,
    #[error("the link is not of a supported site")]
    UnsupportedUrl,
}

impl SourceRef {
    /// # Errors
    /// When `id` does not match the provider's grammar (YouTube: 11 of `[A-Za-z0-9_-]`).
    pub fn new(provider: SourceProvider, id: &str) -> Result<Self, InvalidSource> {
        let ok = match provider {
            SourceProvider::Youtube => is_youtube_id(id),
        };
        if ok { Ok(Self { provider, id: id.to_owned() }) } else { Err(InvalidSource::BadId) }
    }

    /// Reads a link: `watch?v=`, `youtu.be/`, `/shorts/`, `/embed/`, `/live/`, `/v/`, on any of
    /// YouTube's hosts including music. The link itself is never handed on: it is rebuilt from the id.
    ///
    /// # Errors
    /// When it is no link, or of another site, or without a video's id.
    pub fn from_url(text: &str) -> Result<Self, InvalidSource> {
        let text = text.trim();
        let with_scheme = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let url = Url::parse(&with_scheme).map_err(|_| InvalidSource::UnsupportedUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(InvalidSource::UnsupportedUrl);
        }
        let host = url.host_str().ok_or(InvalidSource::UnsupportedUrl)?.to_ascii_lowercase();
        let mut path = url.path_segments().into_iter().flatten();
        let id = match host.as_str() {
            "youtu.be" | "www.youtu.be" => path.next().map(str::to_owned),
            "youtube.com"
            | "www.youtube.com"
            | "m.youtube.com"
            | "music.youtube.com"
            | "youtube-nocookie.com"
            | "www.youtube-nocookie.com" => match path.next() {
                Some("watch") => url.query_pairs().find(|(key, _)| key == "v").map(|(_, id)| id.into_owned()),
                Some("shorts" | "embed" | "live" | "v") => path.next().map(str::to_owned),
                _ => None,
            },
            _ => None,
        };
        Self::new(SourceProvider::Youtube, &id.ok_or(InvalidSource::UnsupportedUrl)?)
            .map_err(|_| InvalidSource::UnsupportedUrl)
    }

    /// Reads what was typed into a search field as a link, or as nothing of the kind. A bare
    /// 11-character word counts only when it cannot be an ordinary word (it has a digit, `_` or `-`
    /// and mixed case).
    #[must_use]
    pub fn from_pasted(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.contains("://") || text.contains("youtu") && text.contains('/') {
            return Self::from_url(text).ok();
        }
        let has = |test: fn(&char) -> bool| text.chars().any(|c| test(&c));
        let looks_random = has(|c| c.is_ascii_digit() || matches!(c, '_' | '-'))
            && has(char::is_ascii_uppercase)
            && has(char::is_ascii_lowercase);
        if looks_random { Self::new(SourceProvider::Youtube, text).ok() } else { None }
    }

    #[must_use]
    pub const fn provider(&self) -> SourceProvider {
        self.provider
    }

    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The page of this recording, rebuilt from the checked id.
    #[must_use]
    pub fn page_url(&self) -> String {
        match self.provider {
            SourceProvider::Youtube => format!("https://www.youtube.com/watch?v={}", self.id),
        }
    }

    /// `provider:id`; jobs with equal keys do the same work.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}:{}", self.provider, self.id)
    }
}

impl fmt::Display for SourceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.provider, self.id)
    }
}

/// `RickAstley` as `Rick Astley`: channels of record companies write names in one word
/// (`RickAstleyVEVO`). Names in capitals stay as they are.
#[must_use]
pub fn spaced_name(joined: &str) -> String {
    let mut spaced = String::with_capacity(joined.len() + 4);
    let mut after_lower = false;
    for c in joined.chars() {
        if c.is_uppercase() && after_lower {
            spaced.push(' ');
        }
        after_lower = c.is_lowercase();
        spaced.push(c);
    }
    spaced
}

fn is_youtube_id(id: &str) -> bool {
    id.len() == 11 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_of_a_youtube_link() {
        for link in [
            "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
            "https://youtube.com/watch?list=PL1&v=dQw4w9WgXcQ&t=5",
            "http://m.youtube.com/watch?v=dQw4w9WgXcQ",
            "https://music.youtube.com/watch?v=dQw4w9WgXcQ&si=x",
            "https://youtu.be/dQw4w9WgXcQ?si=abc",
            "youtu.be/dQw4w9WgXcQ",
            "https://www.youtube.com/shorts/dQw4w9WgXcQ",
            "https://www.youtube.com/embed/dQw4w9WgXcQ",
            "https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ",
        ] {
            let source = SourceRef::from_pasted(link).unwrap_or_else(|| panic!("{link}"));
            assert_eq!(source.id(), "dQw4w9WgXcQ");
        }
    }

    #[test]
    fn refuses_other_sites_and_smuggled_paths() {
        for link in [
            "https://example.com/watch?v=dQw4w9WgXcQ",
            "https://youtube.com.evil.example/watch?v=dQw4w9WgXcQ",
            "https://youtube.com@evil.example/watch?v=dQw4w9WgXcQ",
            "file:///etc/passwd",
            "https://www.youtube.com/watch?v=dQw4w9WgXcQ%2F..%2Fx",
            "https://www.youtube.com/playlist?list=PL123",
            "javascript:alert(1)",
        ] {
            assert_eq!(SourceRef::from_url(link), Err(InvalidSource::UnsupportedUrl), "{link}");
        }
    }

    #[test]
    fn refuses_ids_outside_the_grammar() {
        for id in [
            "",
            "dQw4w9WgXc",
            "dQw4w9WgXcQ#/../../../x",
            "dQw4w9WgXc\0",
            "dQw4w9WgXc\u{e9}",
            &"a".repeat(300),
        ] {
            assert_eq!(SourceRef::new(SourceProvider::Youtube, id), Err(InvalidSource::BadId), "{id:?}");
        }
    }

    #[test]
    fn an_ordinary_word_is_a_query_and_not_an_id() {
        for text in ["bittersweet", "californica", "wonderwall1", "hello world", "Beethoven 5"] {
            assert_eq!(SourceRef::from_pasted(text), None, "{text}");
        }
        assert!(SourceRef::from_pasted("dQw4w9WgXcQ").is_some());
    }
}

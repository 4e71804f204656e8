//! The compressed forms that files were given when the apps were built, and which of them a client takes.

use http::{HeaderMap, header};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Brotli,
    Gzip,
}

/// Smallest first.
pub(crate) const ENCODINGS: [Encoding; 2] = [Encoding::Brotli, Encoding::Gzip];

impl Encoding {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// What the form's name has behind the file's.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Gzip => ".gz",
        }
    }
}

/// The forms that a client takes, the one to send first.
pub(crate) fn accepted(headers: &HeaderMap) -> Vec<Encoding> {
    let wishes: Vec<(&str, f32)> = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(wish)
        .collect();
    let weight = |name: &str| {
        let of = |wanted: &str| wishes.iter().find(|(wish, _)| wish.eq_ignore_ascii_case(wanted));
        of(name).or_else(|| of("*")).map_or(0.0, |(_, weight)| *weight)
    };
    let mut forms: Vec<(Encoding, f32)> =
        ENCODINGS.into_iter().map(|form| (form, weight(form.name()))).filter(|(_, w)| *w > 0.0).collect();
    // A stable order, so that the smaller form goes first where both are as welcome.
    forms.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    forms.into_iter().map(|(form, _)| form).collect()
}

/// A name and how much it is wanted; a weight that cannot be read is none.
fn wish(text: &str) -> (&str, f32) {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    (name, weight.map_or(1.0, |weight| weight.trim().parse().unwrap_or(0.0)))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(value: &'static str) -> Vec<Encoding> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
        accepted(&headers)
    }

    #[test]
    fn the_smaller_form_goes_first_unless_another_is_wanted_more() {
        use Encoding::{Brotli, Gzip};
        assert_eq!(of("gzip, deflate, br, zstd"), [Brotli, Gzip]);
        assert_eq!(of("gzip;q=1.0, br;q=0.5"), [Gzip, Brotli]);
        assert_eq!(of("*"), [Brotli, Gzip]);
        assert_eq!(of("GZIP"), [Gzip]);
        assert_eq!(of("*;q=0.1, br;q=0"), [Gzip]);
    }

    #[test]
    fn what_is_not_named_or_refused_is_not_sent() {
        assert!(accepted(&HeaderMap::new()).is_empty());
        for refused in ["identity", "deflate", "br;q=0, gzip;q=0", "br;q=lots", "xbr", "", "*;q=0"] {
            assert_eq!(of(refused), [], "{refused}");
        }
    }
}

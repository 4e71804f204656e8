//! E-mail addresses, equal when they reach the same mailbox in practice.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

/// An address as it was typed (NFC, trimmed) and the key by which it is compared:
/// lower case, NFC, with the domain in its ASCII (IDNA) form.
#[derive(Clone, Debug)]
pub struct EmailAddress {
    display: String,
    key: String,
}

/// The text is no address that mail can be sent to.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid e-mail address")]
pub struct InvalidEmail;

impl EmailAddress {
    /// # Errors
    /// When there is no `local@domain` of sensible length and characters.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let display: String = text.trim().nfc().collect();
        if display.len() > 254 || display.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(InvalidEmail);
        }
        let (local, domain) = display.rsplit_once('@').ok_or(InvalidEmail)?;
        let local_ok = !local.is_empty()
            && local.len() <= 64
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..")
            && !local.contains(['@', '"', '(', ')', '<', '>', '[', ']', ',', ';', ':', '\\']);
        if !local_ok {
            return Err(InvalidEmail);
        }
        let domain = idna::domain_to_ascii_strict(domain).map_err(|_| InvalidEmail)?;
        if domain.is_empty() || domain.split('.').any(str::is_empty) {
            return Err(InvalidEmail);
        }
        let key = format!("{}@{domain}", local.to_lowercase().nfc().collect::<String>());
        Ok(Self { display, key })
    }

    /// As it was typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.display
    }

    /// By what it is compared and found.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl PartialEq for EmailAddress {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for EmailAddress {}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.display)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_normal_form_and_idna_do_not_make_two_accounts() {
        let pairs = [
            ("aDmin@example.com", "admin@EXAMPLE.com"),
            ("jose\u{301}@example.com", "jos\u{e9}@example.com"),
            ("a@b\u{fc}cher.example", "a@xn--bcher-kva.example"),
        ];
        for (a, b) in pairs {
            assert_eq!(EmailAddress::parse(a), EmailAddress::parse(b), "{a} and {b}");
        }
    }

    #[test]
    fn refuses_what_is_no_address() {
        for text in ["", "a", "@", "a@", "@b", "a b@c.de", "a@b..c", "a\0@b.c", "a@b@c.de", "a\n@b.c"] {
            assert!(EmailAddress::parse(text).is_err(), "{text:?}");
        }
    }
}

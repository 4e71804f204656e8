//! Versions of a recording (live, cover, karaoke, sped up …): how titles and queries name them. A word
//! such as "live" names a version only where versions are named: in brackets, after a dash, at the end,
//! or before words like "at"; "Live Forever" is a song.

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    Live,
    Cover,
    Remix,
    Slowed,
    SpedUp,
    Reverb,
    Instrumental,
    Karaoke,
    EightD,
    Nightcore,
    Loop,
    Reaction,
    Tutorial,
    Mashup,
    Acoustic,
    BassBoosted,
    Tribute,
    Parody,
    Excerpt,
    Collection,
    Demo,
}

/// How a version is named.
struct Naming {
    version: Version,
    /// What a score is multiplied by when the version was not asked for.
    factor: f64,
    /// In a sentence: "live version".
    noun: &'static str,
    /// Phrases that name it wherever they stand. Folded.
    anywhere: &'static [&'static str],
    /// Phrases that name it only where versions are named. Folded.
    in_place: &'static [&'static str],
}

const NAMINGS: &[Naming] = &[
    Naming {
        version: Version::Live,
        factor: 0.72,
        noun: "live version",
        anywhere: &[
            "live at",
            "live from",
            "live session",
            "live performance",
            "live version",
            "in concert",
            "unplugged",
            "tiny desk",
            "en vivo",
            "ao vivo",
            "en directo",
            "en concierto",
            "dal vivo",
            "live aus",
            "ライブ",
            "라이브",
            "現場",
        ],
        in_place: &["live"],
    },
    Naming {
        version: Version::Cover,
        factor: 0.55,
        noun: "cover",
        anywhere: &[
            "cover by",
            "covered by",
            "cover version",
            "piano cover",
            "guitar cover",
            "drum cover",
            "bass cover",
            "violin cover",
            "metal cover",
            "cover of",
            "covers",
            "歌ってみた",
            "カバー",
            "커버",
            "翻唱",
            "кавер",
        ],
        in_place: &["cover", "coverversion"],
    },
    Naming {
        version: Version::Remix,
        factor: 0.62,
        noun: "remix",
        anywhere: &["remix", "rmx", "bootleg", "ремикс", "リミックス", "리믹스", "phonk"],
        in_place: &["flip", "club mix", "extended mix", "dub mix", "vip mix", "rework", "hardstyle"],
    },
    Naming {
        version: Version::Slowed,
        factor: 0.48,
        noun: "slowed version",
        anywhere: &["slowed", "slowed down", "daycore", "ultra slowed"],
        in_place: &[],
    },
    Naming {
        version: Version::SpedUp,
        factor: 0.48,
        noun: "sped-up version",
        anywhere: &["sped up", "speed up", "spedup", "speedup", "speed version"],
        in_place: &[],
    },
    Naming {
        version: Version::Reverb,
        factor: 0.55,
        noun: "reverb version",
        anywhere: &["reverb", "reverbed"],
        in_place: &[],
    },
    Naming {
        version: Version::Instrumental,
        factor: 0.55,
        noun: "instrumental",
        anywhere: &[
            "instrumental",
            "backing track",
            "no vocals",
            "off vocal",
            "minus one",
            "type beat",
            "伴奏",
        ],
        in_place: &["piano version"],
    },
    Naming {
        version: Version::Karaoke,
        factor: 0.42,
        noun: "karaoke version",
        anywhere: &[
            "karaoke",
            "in the style of",
            "made famous by",
            "originally performed by",
            "караоке",
            "カラオケ",
            "노래방",
        ],
        in_place: &["sing along"],
    },
    Naming {
        version: Version::EightD,
        factor: 0.48,
        noun: "8D version",
        anywhere: &["8d", "16d"],
        in_place: &[],
    },
    Naming {
        version: Version::Nightcore,
        factor: 0.45,
        noun: "nightcore version",
        anywhere: &["nightcore"],
        in_place: &[],
    },
    Naming {
        version: Version::Loop,
        factor: 0.45,
        noun: "loop",
        anywhere: &[
            "1 hour", "one hour", "2 hours", "3 hours", "10 hours", "1 hora", "1 stunde", "1h", "10h",
            "looped",
        ],
        in_place: &["loop"],
    },
    Naming {
        version: Version::Reaction,
        factor: 0.35,
        noun: "reaction",
        anywhere: &["reacts", "reacting", "first time hearing", "first listen", "vocal coach"],
        in_place: &["reaction"],
    },
    Naming {
        version: Version::Tutorial,
        factor: 0.35,
        noun: "lesson",
        anywhere: &[
            "tutorial",
            "how to play",
            "guitar lesson",
            "piano lesson",
            "bass lesson",
            "guitar tab",
            "synthesia",
        ],
        in_place: &["lesson", "chords", "explained"],
    },
    Naming {
        version: Version::Mashup,
        factor: 0.5,
        noun: "mashup",
        anywhere: &["mashup", "mash up"],
        in_place: &["medley"],
    },
    Naming {
        version: Version::Acoustic,
        factor: 0.8,
        noun: "acoustic version",
        anywhere: &["acoustic version", "acoustic session"],
        in_place: &["acoustic"],
    },
    Naming {
        version: Version::BassBoosted,
        factor: 0.48,
        noun: "bass-boosted version",
        anywhere: &["bass boosted", "bassboosted", "bass boost"],
        in_place: &[],
    },
    Naming {
        version: Version::Tribute,
        factor: 0.5,
        noun: "tribute",
        anywhere: &["tribute to", "a tribute"],
        in_place: &["tribute", "tribute band"],
    },
    Naming { version: Version::Parody, factor: 0.45, noun: "parody", anywhere: &["parody"], in_place: &[] },
    Naming {
        version: Version::Excerpt,
        factor: 0.4,
        noun: "excerpt",
        anywhere: &["shorts"],
        in_place: &["teaser", "trailer", "preview", "snippet"],
    },
    Naming {
        version: Version::Collection,
        factor: 0.45,
        noun: "collection of songs",
        anywhere: &["full album", "greatest hits", "playlist", "best songs", "full discography"],
        in_place: &["best of"],
    },
    Naming {
        version: Version::Demo,
        factor: 0.8,
        noun: "demo",
        anywhere: &["demo version"],
        in_place: &["demo"],
    },
];

impl Version {
    fn naming(self) -> &'static Naming {
        NAMINGS.iter().find(|naming| naming.version == self).expect("each version has a naming")
    }

    /// What a score is multiplied by when nobody asked for this version.
    #[must_use]
    pub fn factor(self) -> f64 {
        self.naming().factor
    }

    #[must_use]
    pub fn noun(self) -> &'static str {
        self.naming().noun
    }

    /// With "a" or "an".
    #[must_use]
    pub fn with_article(self) -> String {
        let noun = self.noun();
        let article = if noun.starts_with(['a', 'e', 'i', 'o', 'u', '8']) { "an" } else { "a" };
        format!("{article} {noun}")
    }
}

/// A version as a title names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named {
    pub version: Version,
    /// The words that name it, folded.
    pub phrase: &'static str,
    /// False when the words may as well belong to the song's own name ("Chain Reaction").
    pub certain: bool,
}

/// The versions that a title names. `brackets` are the contents of its brackets, `segments` what
/// follows its dashes. All texts are folded.
#[must_use]
pub fn named(whole: &str, brackets: &[String], segments: &[String]) -> Vec<Named> {
    NAMINGS.iter().filter_map(|naming| find_naming(naming, whole, brackets, segments)).collect()
}

fn find_naming(naming: &Naming, whole: &str, brackets: &[String], segments: &[String]) -> Option<Named> {
    let in_brackets = |phrase: &str| brackets.iter().any(|text| has_phrase(text, phrase));
    let certain = naming.anywhere.iter().find(|phrase| has_phrase(whole, phrase));
    if let Some(phrase) = certain.or_else(|| naming.in_place.iter().find(|phrase| in_brackets(phrase))) {
        return Some(Named { version: naming.version, phrase, certain: true });
    }
    let after_dash = |phrase: &str| {
        segments.iter().any(|text| {
            text.strip_prefix(phrase).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        })
    };
    let loose = naming.in_place.iter().find(|phrase| ends_with_phrase(whole, phrase) || after_dash(phrase));
    loose.map(|phrase| Named { version: naming.version, phrase, certain: false })
}

/// The versions that a folded query asks for, and the query without those words.
#[must_use]
pub fn asked(query: &str) -> (Vec<Version>, String) {
    let versions: Vec<Version> = named(query, &[], &[]).iter().map(|named| named.version).collect();
    let mut rest = format!(" {query} ");
    for version in &versions {
        let naming = version.naming();
        // Longest first, so that "live at" does not leave "at" behind where "live" would match too.
        let mut phrases: Vec<_> = naming.anywhere.iter().chain(naming.in_place).collect();
        phrases.sort_by_key(|phrase| std::cmp::Reverse(phrase.len()));
        for phrase in phrases {
            let padded = format!(" {phrase} ");
            while let Some(at) = rest.find(&padded) {
                rest.replace_range(at..at + padded.len(), " ");
            }
        }
    }
    let rest = rest.trim().to_owned();
    // A query of nothing else is a query for those words.
    if rest.is_empty() { (versions, query.to_owned()) } else { (versions, rest) }
}

/// Whether `name` (a channel, folded) is in the business of one kind of version.
#[must_use]
pub fn of_channel(name: &str) -> Option<Version> {
    [
        ("karaoke", Version::Karaoke),
        ("nightcore", Version::Nightcore),
        ("tribute", Version::Tribute),
        ("covers", Version::Cover),
        ("8d", Version::EightD),
        ("instrumentals", Version::Instrumental),
        ("reacts", Version::Reaction),
        ("reactions", Version::Reaction),
    ]
    .into_iter()
    .find(|(word, _)| has_phrase(name, word))
    .map(|(_, version)| version)
}

/// Whether the phrase stands in the text as whole words; phrases of other scripts match anywhere.
#[must_use]
pub fn has_phrase(text: &str, phrase: &str) -> bool {
    if !phrase.is_ascii() {
        return text.contains(phrase);
    }
    text.match_indices(phrase).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + phrase.len()..].chars().next();
        before.is_none_or(|c| c == ' ') && after.is_none_or(|c| c == ' ')
    })
}

/// At the end and not the whole text: "Song live", but not the song "Live".
fn ends_with_phrase(text: &str, phrase: &str) -> bool {
    text.strip_suffix(phrase).is_some_and(|rest| rest.ends_with(' '))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::fold;

    #[test]
    fn a_version_word_inside_a_song_title_names_no_version() {
        for title in [
            "live forever",
            "live and let die",
            "cover me",
            "tribute",
            "undercover",
            "album of the year song",
        ] {
            assert_eq!(named(title, &[], &[]), [], "{title}");
        }
    }

    #[test]
    fn version_words_in_their_places_are_seen() {
        for (title, version) in [
            ("hotel california live", Version::Live),
            ("hurt cover by somebody", Version::Cover),
            ("blinding lights slowed reverb", Version::Slowed),
            ("believer 8d audio", Version::EightD),
            ("hello in the style of adele", Version::Karaoke),
            ("lofi beats 1 hour", Version::Loop),
        ] {
            assert!(named(title, &[], &[]).iter().any(|named| named.version == version), "{title}");
        }
    }

    #[test]
    fn a_query_is_split_into_song_and_versions() {
        assert_eq!(asked("hotel california live"), (vec![Version::Live], "hotel california".to_owned()));
        assert_eq!(asked("live forever oasis"), (vec![], "live forever oasis".to_owned()));
        assert_eq!(asked("karaoke"), (vec![Version::Karaoke], "karaoke".to_owned()));
    }

    #[test]
    fn every_version_has_one_naming_and_a_penalty() {
        let mut seen = std::collections::HashSet::new();
        for naming in NAMINGS {
            assert!(seen.insert(naming.version));
            assert!((0.3..1.0).contains(&naming.factor));
            for phrase in naming.anywhere.iter().chain(naming.in_place) {
                assert_eq!(*phrase, fold(phrase), "phrases are folded");
            }
        }
    }
}

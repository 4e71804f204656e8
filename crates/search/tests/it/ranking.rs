//! Cases of what is typed and what a source finds, near misses included.

use songkeep_domain::{
    SourceProvider, SourceRef,
    media::{HitKind, SourceHit},
};
use songkeep_search::ranking::rank;

const ATV: HitKind = HitKind::OfficialAudio;
const OMV: HitKind = HitKind::OfficialVideo;
const WEB: HitKind = HitKind::Unknown;

/// Title, artist or channel, kind, length in seconds, views in thousands.
type Row = (&'static str, &'static str, HitKind, u32, u64);

struct Case {
    query: &'static str,
    /// In the source's order; a `*` before the channel means verified.
    rows: &'static [Row],
    /// Indices in the order they must come in; those left out may stand anywhere behind the first.
    order: &'static [usize],
}

fn hit(index: usize, row: &Row) -> SourceHit {
    let (title, channel, kind, secs, views) = *row;
    let name = channel.trim_start_matches('*');
    SourceHit {
        source: SourceRef::new(SourceProvider::Youtube, &format!("row-{index:07}")).unwrap(),
        title: title.to_owned(),
        artists: if matches!(kind, HitKind::OfficialAudio) { vec![name.to_owned()] } else { vec![] },
        album: None,
        channel: Some(name.to_owned()),
        channel_verified: channel.starts_with('*'),
        duration_sec: Some(secs),
        view_count: Some(views * 1_000),
        kind,
        is_live: false,
    }
}

const CASES: &[Case] = &[
    Case {
        query: "never gonna give you up",
        rows: &[
            ("Never Gonna Give You Up (Karaoke Version)", "Sing King", WEB, 214, 9_000),
            (
                "Rick Astley - Never Gonna Give You Up (Official Video) (4K Remaster)",
                "*Rick Astley",
                WEB,
                213,
                1_600_000,
            ),
            ("Never Gonna Give You Up - 10 Hours", "loops", WEB, 36_000, 20_000),
            ("Never Gonna Give You Up", "Rick Astley", ATV, 214, 300_000),
        ],
        order: &[3, 1],
    },
    Case {
        query: "bohemain rapsody quen",
        rows: &[
            ("Bohemian Rhapsody - Panic! At The Disco", "*Panic! At The Disco", WEB, 362, 90_000),
            ("Bohemian Rhapsody", "Queen", ATV, 355, 800_000),
            ("Queen - Bohemian Rhapsody (Live Aid 1985)", "*Queen Official", WEB, 150, 70_000),
        ],
        order: &[1],
    },
    Case {
        query: "queen bohemian rhapsody live aid",
        rows: &[
            ("Bohemian Rhapsody", "Queen", ATV, 355, 800_000),
            ("Queen - Bohemian Rhapsody (Live Aid 1985)", "*Queen Official", WEB, 350, 70_000),
        ],
        order: &[1],
    },
    Case {
        query: "hallelujah jeff buckley",
        rows: &[
            ("Hallelujah", "Leonard Cohen", ATV, 279, 200_000),
            ("Hallelujah", "Jeff Buckley", ATV, 414, 250_000),
            ("Jeff Buckley - Hallelujah (cover)", "bedroom singer", WEB, 400, 20),
        ],
        order: &[1],
    },
    Case {
        query: "leonard cohen hallelujah",
        rows: &[
            ("Hallelujah", "Jeff Buckley", ATV, 414, 250_000),
            ("Hallelujah", "Leonard Cohen", ATV, 279, 200_000),
        ],
        order: &[1],
    },
    Case {
        query: "hotel california live",
        rows: &[
            ("Hotel California (2013 Remaster)", "Eagles", ATV, 391, 500_000),
            ("Eagles - Hotel California (Live 1977) (Official Video)", "*Eagles", OMV, 430, 250_000),
            ("Hotel California live cover", "some band", WEB, 420, 90),
        ],
        order: &[1],
    },
    Case {
        query: "hotel california live eagles",
        rows: &[
            ("Hotel California", "Some Tribute Band", WEB, 391, 100),
            ("Hotel California (Live)", "Eagles", ATV, 430, 50_000),
        ],
        order: &[1],
    },
    Case {
        query: "live forever oasis",
        rows: &[
            ("Live Forever (Live at Knebworth)", "*Oasis", WEB, 290, 12_000),
            ("Live Forever", "Oasis", ATV, 277, 90_000),
        ],
        order: &[1, 0],
    },
    Case {
        query: "blinding lights",
        rows: &[
            ("The Weeknd - Blinding Lights (slowed + reverb)", "chill", WEB, 240, 50_000),
            ("Blinding Lights (sped up)", "speed radio", WEB, 170, 30_000),
            ("Blinding Lights 8D AUDIO", "8D Tunes", WEB, 202, 40_000),
            ("The Weeknd - Blinding Lights (Official Audio)", "*TheWeekndVEVO", WEB, 202, 700_000),
            ("Blinding Lights", "Loi", ATV, 190, 30_000),
        ],
        order: &[3],
    },
    Case {
        query: "blinding lights slowed reverb",
        rows: &[
            ("Blinding Lights", "The Weeknd", ATV, 202, 900_000),
            ("The Weeknd - Blinding Lights (slowed + reverb)", "chill", WEB, 240, 50_000),
        ],
        order: &[1],
    },
    Case {
        query: "ignition remix",
        rows: &[
            ("Ignition", "R. Kelly", ATV, 190, 9_000),
            ("Ignition (Remix)", "R. Kelly", ATV, 187, 200_000),
        ],
        order: &[1, 0],
    },
    Case {
        query: "夜に駆ける",
        rows: &[
            ("夜に駆ける 歌ってみた", "歌い手", WEB, 260, 900),
            ("YOASOBI「夜に駆ける」 Official Music Video", "*Ayase / YOASOBI", WEB, 262, 300_000),
            ("怪物", "YOASOBI", ATV, 206, 200_000),
        ],
        order: &[1],
    },
    Case {
        query: "кино группа крови",
        rows: &[
            ("Группа крови (кавер на гитаре)", "гитарист", WEB, 280, 100),
            ("Звезда по имени Солнце", "Кино", ATV, 226, 90_000),
            ("Группа крови", "Кино", ATV, 285, 80_000),
        ],
        order: &[2],
    },
    Case {
        query: "아이유 좋은날",
        rows: &[("밤편지", "아이유", ATV, 253, 90_000), ("좋은 날", "아이유", ATV, 233, 80_000)],
        order: &[1],
    },
    Case {
        query: "beyonce deja vu",
        rows: &[
            ("Deja Vu", "Olivia Rodrigo", ATV, 216, 700_000),
            ("Déjà Vu (feat. Jay-Z)", "Beyoncé", ATV, 240, 100_000),
        ],
        order: &[1],
    },
    Case {
        query: "old town road",
        rows: &[
            ("Lil Nas X - Old Town Road (REACTION)", "Reactor", WEB, 700, 800),
            ("How to play Old Town Road on guitar", "Lessons", WEB, 600, 400),
            ("Old Town Road", "Lil Nas X", ATV, 113, 400_000),
            ("Old Town Road (feat. Billy Ray Cyrus) [Remix]", "Lil Nas X", ATV, 157, 900_000),
        ],
        order: &[2],
    },
    Case {
        query: "nightcall kavinsky",
        rows: &[
            ("Nightcall (Nightcore)", "NightcoreZ", WEB, 220, 2_000),
            ("Night Call", "Somebody Else", ATV, 200, 900),
            ("Nightcall (feat. Lovefoxxx)", "Kavinsky", ATV, 258, 100_000),
        ],
        order: &[2],
    },
    Case {
        query: "night call kavinsky",
        rows: &[("Night", "Somebody", ATV, 200, 9_000), ("Nightcall", "Kavinsky", ATV, 258, 100_000)],
        order: &[1],
    },
    Case {
        query: "hello adele",
        rows: &[
            ("Hello It's Me", "Todd Rundgren", ATV, 222, 30_000),
            ("Hello (Adele Piano Cover)", "Pianist", WEB, 290, 5_000),
            ("Adele - Hello (Official Music Video)", "*AdeleVEVO", OMV, 367, 3_200_000),
            ("Hello", "Lionel Richie", ATV, 251, 400_000),
            ("Hello", "Adele", ATV, 296, 500_000),
        ],
        order: &[4, 2],
    },
    Case {
        query: "smooth operator",
        rows: &[
            ("Smooth Operator", "Sade - Topic", WEB, 298, 40_000),
            ("Smooth Operator - Sade tribute", "Wedding Band", WEB, 300, 90),
            ("Smooth Criminal", "Michael Jackson", ATV, 258, 900_000),
        ],
        order: &[0, 1],
    },
    Case {
        query: "tribute tenacious d",
        rows: &[
            ("A Tribute to Tenacious D", "Fans", WEB, 300, 50),
            ("Tenacious D - Tribute (Official Video)", "*Tenacious D", OMV, 249, 100_000),
        ],
        order: &[1],
    },
    Case {
        query: "chain reaction diana ross",
        rows: &[
            ("Diana Ross chain reaction - first time hearing", "Reactor", WEB, 500, 90),
            ("Diana Ross - Chain Reaction", "*DianaRossVEVO", WEB, 230, 30_000),
        ],
        order: &[1],
    },
    Case {
        query: "1989 taylor swift style",
        rows: &[
            ("1999", "Prince", ATV, 379, 50_000),
            ("Style", "Taylor Swift", ATV, 231, 900_000),
            ("1989 (Full Album)", "Uploads", WEB, 3_000, 400),
        ],
        order: &[1],
    },
    Case {
        query: "lose yourself instrumental",
        rows: &[
            ("Lose Yourself", "Eminem", ATV, 326, 900_000),
            ("Lose Yourself (Instrumental)", "Eminem", ATV, 320, 20_000),
            ("Lose Yourself Karaoke", "Sing King", WEB, 320, 9_000),
        ],
        order: &[1],
    },
    Case {
        query: "daft punk around the world",
        rows: &[
            ("Around the World", "Red Hot Chili Peppers", ATV, 238, 90_000),
            ("Around the World", "Daft Punk", ATV, 429, 100_000),
            ("Around the World (Radio Edit)", "Daft Punk", ATV, 241, 9_000),
            ("Daft Punk - Around the World (1 hour)", "loops", WEB, 3_600, 900),
        ],
        order: &[1, 2],
    },
    Case {
        query: "video games",
        rows: &[
            ("Best video games of all time", "Gamer", WEB, 1_900, 9_000),
            ("Video Games", "Lana Del Rey", ATV, 282, 200_000),
        ],
        order: &[1, 0],
    },
    Case {
        query: "satisfaction rolling stones",
        rows: &[
            ("Satisfaction", "Benny Benassi", ATV, 285, 90_000),
            ("(I Can't Get No) Satisfaction (Mono)", "The Rolling Stones", ATV, 223, 90_000),
            ("Satisfaction - Rolling Stones mashup", "DJ", WEB, 223, 100),
        ],
        order: &[1],
    },
    Case {
        query: "asap rocky praise the lord",
        rows: &[
            ("Praise the Lord", "Gospel Choir", ATV, 240, 9_000),
            (
                "A$AP Rocky - Praise The Lord (Da Shine) (Official Video) ft. Skepta",
                "*ASAPROCKYUPTOWN",
                OMV,
                206,
                300_000,
            ),
        ],
        order: &[1],
    },
];

#[test]
fn the_recording_that_was_meant_comes_first() {
    let mut wrong = Vec::new();
    for case in CASES {
        let hits = case.rows.iter().enumerate().map(|(index, row)| hit(index, row)).collect();
        let ranked = rank(case.query, hits);
        let places: Vec<usize> = ranked.iter().map(|row| row.hit.source.id()[4..].parse().unwrap()).collect();
        let named: Vec<usize> = places.iter().copied().filter(|index| case.order.contains(index)).collect();
        if places[0] != case.order[0] || named != case.order {
            let rows: Vec<String> = ranked
                .iter()
                .map(|row| format!("  {:.3} {} ({:?})", row.confidence_score, row.hit.title, row.reasons))
                .collect();
            wrong.push(format!("{}:\n{}", case.query, rows.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

#[test]
fn scores_lie_between_0_and_1_and_every_row_has_reasons() {
    for case in CASES {
        let hits = case.rows.iter().enumerate().map(|(index, row)| hit(index, row)).collect();
        for row in rank(case.query, hits) {
            assert!((0.0..=1.0).contains(&row.confidence_score), "{row:?}");
            assert!(!row.reasons.is_empty(), "{row:?}");
        }
    }
}

#[test]
fn a_clear_match_is_sure_and_a_stranger_is_not() {
    let rows: &[Row] = &[("Hello", "Adele", ATV, 296, 500_000), ("Quarterly report", "Office", WEB, 300, 1)];
    let ranked = rank("adele hello", rows.iter().enumerate().map(|(i, row)| hit(i, row)).collect());
    assert!(ranked[0].confidence_score > 0.85, "{ranked:?}");
    assert!(ranked[1].confidence_score < 0.2, "{ranked:?}");
}

#[test]
fn the_reasons_say_what_was_found() {
    let rows: &[Row] = &[
        ("Hello", "Adele", ATV, 296, 500_000),
        ("Adele - Hello (Live at the Royal Albert Hall)", "*AdeleVEVO", WEB, 300, 90_000),
        ("Hello karaoke", "Sing King", WEB, 296, 90),
    ];
    let ranked = rank("adele hello", rows.iter().enumerate().map(|(i, row)| hit(i, row)).collect());
    let reasons =
        |title: &str| ranked.iter().find(|row| row.hit.title.starts_with(title)).unwrap().reasons.join("; ");
    assert!(reasons("Hello").contains("title and artist match"), "{}", reasons("Hello"));
    assert!(ranked[0].reasons.iter().any(|reason| reason == "official audio"));
    assert!(reasons("Adele").contains("live version, which you did not ask for"));
    assert!(reasons("Hello karaoke").contains("karaoke version, which you did not ask for"));
}

#[test]
fn equals_keep_the_sources_order_and_doubles_are_dropped() {
    let row: Row = ("Song", "Band", ATV, 200, 10);
    let mut hits: Vec<SourceHit> = (0..6).map(|index| hit(index, &row)).collect();
    hits.push(hit(2, &row));
    let ranked = rank("song band", hits.clone());
    let order: Vec<&str> = ranked.iter().map(|row| row.hit.source.id()).collect();
    assert_eq!(order, (0..6).map(|index| format!("row-{index:07}")).collect::<Vec<_>>());
    assert_eq!(rank("song band", hits), ranked);
}

#[test]
fn odd_texts_rank_without_harm() {
    let titles =
        ["", "((((", ")))", "- - -", "(Official Video)", "🎵🎵🎵", "\u{202e}evil", "a", "[MV] () 【】"];
    for query in ["", " ", "?!", "live", "🎵", "(((", "\u{301}", "of the"] {
        let hits = titles
            .iter()
            .enumerate()
            .map(|(index, title)| SourceHit {
                title: (*title).to_owned(),
                ..hit(index, &("", "", WEB, 0, 0))
            })
            .collect();
        for row in rank(query, hits) {
            assert!((0.0..=1.0).contains(&row.confidence_score), "{query:?} {row:?}");
        }
    }
}

//! Labelled cases: what sources say, and what a library should show.

use super::*;

/// Title of the video, its channel, and the title and artist that a library should show.
type Case = (&'static str, &'static str, &'static str, Option<&'static str>);

fn video(title: &str, channel: &str) -> RawMetadata {
    let channel = Some(channel.to_owned()).filter(|name| !name.is_empty());
    RawMetadata { title: title.to_owned(), channel, ..RawMetadata::default() }
}

fn check(cases: &[Case]) {
    let mut wrong = Vec::new();
    for (title, channel, song, artist) in cases {
        let cleaned = clean_metadata(&video(title, channel));
        if (cleaned.title.as_str(), cleaned.artist.as_deref()) != (*song, *artist) {
            wrong.push(format!("{title:?} by {channel:?}: {:?} by {:?}", cleaned.title, cleaned.artist));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn words_about_the_upload_leave_the_title() {
    check(&[
        (
            "Rick Astley - Never Gonna Give You Up (Official Video) (4K Remaster)",
            "Rick Astley",
            "Never Gonna Give You Up",
            Some("Rick Astley"),
        ),
        ("a-ha - Take On Me (Official Video) [Remastered in 4K]", "a-ha", "Take On Me", Some("a-ha")),
        ("Adele - Hello (Official Music Video)", "Adele", "Hello", Some("Adele")),
        (
            "The Weeknd - Blinding Lights (Official Audio)",
            "TheWeekndVEVO",
            "Blinding Lights",
            Some("The Weeknd"),
        ),
        ("Toto - Africa [HD] [Lyrics]", "someone", "Africa", Some("Toto")),
        ("Coldplay - Yellow | Official Video", "Coldplay", "Yellow", Some("Coldplay")),
        ("Coldplay - Yellow - Official Video", "Coldplay", "Yellow", Some("Coldplay")),
        (
            "Queen – Bohemian Rhapsody (Official Video Remastered)",
            "Queen Official",
            "Bohemian Rhapsody",
            Some("Queen"),
        ),
        ("ABBA - Dancing Queen (Official Lyric Video)", "AbbaVEVO", "Dancing Queen", Some("ABBA")),
        ("Eminem - Lose Yourself [HD]", "msvogue23", "Lose Yourself", Some("Eminem")),
        ("Imagine Dragons - Believer Official Music Video HD", "x", "Believer", Some("Imagine Dragons")),
        ("Imagine Dragons - Believer lyrics", "x", "Believer", Some("Imagine Dragons")),
        ("Shakira - Waka Waka (Video Oficial)", "shakiraVEVO", "Waka Waka", Some("Shakira")),
        ("Stromae - Alors on danse (Clip Officiel)", "StromaeVEVO", "Alors on danse", Some("Stromae")),
        (
            "[MV] IU(아이유) - Palette(팔레트) (Feat. G-DRAGON)",
            "1theK",
            "Palette(팔레트) (Feat. G-DRAGON)",
            Some("IU(아이유)"),
        ),
        ("Avicii - Levels (Visualizer) #edm #music", "AviciiOfficialVEVO", "Levels", Some("Avicii")),
        ("Official Video | Muse - Uprising", "x", "Uprising", Some("Muse")),
        ("Ed Sheeran - Perfect (Lyrics / Letra)", "x", "Perfect", Some("Ed Sheeran")),
        ("Radiohead - Creep (Explicit)", "x", "Creep", Some("Radiohead")),
        (
            "Gorillaz - Clint Eastwood (Official Video) (Directed by Jamie Hewlett)",
            "Gorillaz",
            "Clint Eastwood",
            Some("Gorillaz"),
        ),
        ("Алёна Швец - Олень (Официальный клип)", "x", "Олень", Some("Алёна Швец")),
        ("周杰倫 - 晴天【官方MV】", "x", "晴天", Some("周杰倫")),
    ]);
}

#[test]
fn words_that_belong_to_the_song_stay() {
    check(&[
        (
            "Daft Punk - Get Lucky (feat. Pharrell Williams) [Official Audio]",
            "x",
            "Get Lucky (feat. Pharrell Williams)",
            Some("Daft Punk"),
        ),
        (
            "Mark Ronson ft. Bruno Mars - Uptown Funk (Official Video)",
            "x",
            "Uptown Funk",
            Some("Mark Ronson ft. Bruno Mars"),
        ),
        ("R. Kelly - Ignition (Remix)", "x", "Ignition (Remix)", Some("R. Kelly")),
        (
            "Eagles - Hotel California (Live 1977) (Official Video) [HD]",
            "x",
            "Hotel California (Live 1977)",
            Some("Eagles"),
        ),
        ("Nirvana - Come As You Are (Official Live Video)", "x", "Come As You Are (Live)", Some("Nirvana")),
        (
            "Taylor Swift - Love Story (Taylor’s Version) [Official Lyric Video]",
            "x",
            "Love Story (Taylor’s Version)",
            Some("Taylor Swift"),
        ),
        ("Rihanna - Umbrella (Remastered 2011)", "x", "Umbrella (Remastered 2011)", Some("Rihanna")),
        ("Moby - Porcelain (Radio Edit)", "x", "Porcelain (Radio Edit)", Some("Moby")),
        ("The Prodigy - Firestarter (Instrumental)", "x", "Firestarter (Instrumental)", Some("The Prodigy")),
        (
            "The Buggles - Video Killed The Radio Star",
            "x",
            "Video Killed The Radio Star",
            Some("The Buggles"),
        ),
        ("Fetty Wap - Make It Official", "x", "Make It Official", Some("Fetty Wap")),
        ("India Arie - Video", "India Arie", "Video", Some("India Arie")),
        ("LCD Soundsystem - New Body Rhumba - Live", "x", "New Body Rhumba - Live", Some("LCD Soundsystem")),
        (
            "(What's the Story) Morning Glory?",
            "Oasis - Topic",
            "(What's the Story) Morning Glory?",
            Some("Oasis"),
        ),
        ("Prince - 1999", "x", "1999", Some("Prince")),
        ("Prince - 1999 (Official Video 1982)", "x", "1999", Some("Prince")),
    ]);
}

#[test]
fn only_dashes_between_words_part_artist_and_title() {
    check(&[
        ("JAY-Z - 99 Problems", "x", "99 Problems", Some("JAY-Z")),
        ("Anti-Hero", "Taylor Swift", "Anti-Hero", Some("Taylor Swift")),
        ("Blink-182 – All The Small Things", "x", "All The Small Things", Some("Blink-182")),
        ("Sigur Rós — Hoppípolla", "x", "Hoppípolla", Some("Sigur Rós")),
        ("Jay-Z Interview", "Jay", "Jay-Z Interview", Some("Jay")),
        ("Simon–Garfunkel Medley", "x y", "Simon–Garfunkel Medley", Some("x y")),
        ("Daft Punk- Around The World", "Daft Punk", "Around The World", Some("Daft Punk")),
        ("Song (Remix - Radio Edit)", "Somebody", "Song (Remix - Radio Edit)", Some("Somebody")),
        (
            "Bohemian Rhapsody - Remastered 2011",
            "Queen Official",
            "Bohemian Rhapsody - Remastered 2011",
            Some("Queen"),
        ),
        ("Wonderwall - Live at Knebworth", "Oasis", "Wonderwall - Live at Knebworth", Some("Oasis")),
        ("01 - Queen - Innuendo", "x", "Innuendo", Some("Queen")),
        ("311 - Amber", "x", "Amber", Some("311")),
        ("Pink Floyd - Shine On - Part 2", "x", "Shine On - Part 2", Some("Pink Floyd")),
        ("X - ", "x", "X", Some("x")),
        (" - ", "", "-", None),
    ]);
}

#[test]
fn the_channel_settles_which_side_is_the_artist() {
    check(&[
        ("Bohemian Rhapsody - Queen", "Queen Official", "Bohemian Rhapsody", Some("Queen")),
        ("Hallelujah - Jeff Buckley (Live)", "JeffBuckleyVEVO", "Hallelujah (Live)", Some("Jeff Buckley")),
        ("Hallelujah by Jeff Buckley", "Jeff Buckley", "Hallelujah", Some("Jeff Buckley")),
        ("Beyonce: Halo", "Beyoncé", "Halo", Some("Beyonce")),
        ("夜に駆ける / YOASOBI", "YOASOBI", "夜に駆ける", Some("YOASOBI")),
        ("PSY - GANGNAM STYLE(강남스타일) M/V", "officialpsy", "GANGNAM STYLE(강남스타일)", Some("PSY")),
        (
            "BLACKPINK - ‘뚜두뚜두 (DDU-DU DDU-DU)’ M/V",
            "BLACKPINK",
            "뚜두뚜두 (DDU-DU DDU-DU)",
            Some("BLACKPINK"),
        ),
        ("Mood (feat. iann dior) - 24kGoldn", "24kGoldn", "Mood (feat. iann dior)", Some("24kGoldn")),
        ("AC/DC - Thunderstruck", "x", "Thunderstruck", Some("AC/DC")),
        ("Drake - Practice", "x", "Practice", Some("Drake")),
        ("Pasoori | Ali Sethi", "Ali Sethi", "Pasoori", Some("Ali Sethi")),
        ("BTS (방탄소년단) 'Dynamite' Official MV", "HYBE LABELS", "Dynamite", Some("BTS (방탄소년단)")),
        ("YOASOBI「夜に駆ける」 Official Music Video", "Ayase / YOASOBI", "夜に駆ける", Some("YOASOBI")),
        ("映画『君の名は。』予告", "東宝", "映画『君の名は。』予告", Some("東宝")),
        ("The Beatles - Hey Jude", "TheBeatlesVEVO", "Hey Jude", Some("The Beatles")),
        ("Lofi mix \"to study\"", "Lofi Girl", "Lofi mix \"to study\"", Some("Lofi Girl")),
        ("\"Heroes\"", "David Bowie", "Heroes", Some("David Bowie")),
    ]);
}

#[test]
fn titles_as_they_are_found_in_the_wild() {
    check(&[
        (
            "twenty one pilots: Stressed Out [OFFICIAL VIDEO]",
            "Fueled By Ramen",
            "twenty one pilots: Stressed Out",
            Some("Fueled By Ramen"),
        ),
        (
            "twenty one pilots: Stressed Out [OFFICIAL VIDEO]",
            "twenty one pilots",
            "Stressed Out",
            Some("twenty one pilots"),
        ),
        ("Kendrick Lamar - HUMBLE.", "KendrickLamarVEVO", "HUMBLE.", Some("Kendrick Lamar")),
        (
            "Nicky Jam x J. Balvin - X (EQUIS) | Video Oficial | Prod. Afro Bros & Jeon",
            "someone",
            "X (EQUIS) | Prod. Afro Bros & Jeon",
            Some("Nicky Jam x J. Balvin"),
        ),
        (
            "Official髭男dism - Pretender［Official Video］",
            "OFFICIAL HIGE DANDISM",
            "Pretender",
            Some("Official髭男dism"),
        ),
        ("Måneskin - Beggin' (Lyrics)", "Lyrical World", "Beggin'", Some("Måneskin")),
        ("Guns N' Roses - November Rain", "GunsNRosesVEVO", "November Rain", Some("Guns N' Roses")),
        (
            "Kesariya (From \"Brahmastra\") - Official Video",
            "Sony Music India",
            "Kesariya (From \"Brahmastra\")",
            Some("Sony Music India"),
        ),
        ("Darude - Sandstorm", "Ultra Records", "Sandstorm", Some("Darude")),
        ("M83 'Midnight City' Official video", "M83", "Midnight City", Some("M83")),
        (
            "The Verve - Bitter Sweet Symphony (Official Music Video) [Remastered 2016]",
            "x",
            "Bitter Sweet Symphony [Remastered 2016]",
            Some("The Verve"),
        ),
        (
            "Dua Lipa - Levitating Featuring DaBaby (Official Music Video)",
            "x",
            "Levitating Featuring DaBaby",
            Some("Dua Lipa"),
        ),
        (
            "Chopin: Nocturne No. 2, Op. 9",
            "Some Pianist",
            "Chopin: Nocturne No. 2, Op. 9",
            Some("Some Pianist"),
        ),
        ("Sting - Englishman In New York (Official Video) HD", "x", "Englishman In New York", Some("Sting")),
        (
            "Nelly Furtado - Say It Right (Official Music Video) | HD Remaster",
            "x",
            "Say It Right",
            Some("Nelly Furtado"),
        ),
        ("LIVE - Lightning Crashes", "x", "Lightning Crashes", Some("LIVE")),
    ]);
}

#[test]
fn accounts_that_labels_keep_are_not_artists() {
    check(&[
        ("Around the World", "Daft Punk - Topic", "Around the World", Some("Daft Punk")),
        ("Song - Live in Paris", "Some Band - Topic", "Song - Live in Paris", Some("Some Band")),
        ("Never Gonna Give You Up", "RickAstleyVEVO", "Never Gonna Give You Up", Some("Rick Astley")),
        ("Thunderstruck", "ACDCVEVO", "Thunderstruck", Some("ACDC")),
        ("Song", "Various Artists - Topic", "Song", None),
        ("Song", "Release - Topic", "Song", None),
        ("Song", "VEVO", "Song", None),
        ("Bohemian Rhapsody", "SuperLyrics", "Bohemian Rhapsody", None),
        ("Bohemian Rhapsody", "Best Karaoke", "Bohemian Rhapsody", None),
    ]);
}

#[test]
fn fields_for_music_come_before_the_title() {
    let raw = RawMetadata {
        title: "Somebody - Something (Official Video)".to_owned(),
        track: Some("Get Lucky (Official Audio)".to_owned()),
        artists: vec!["Daft Punk - Topic".into(), "Pharrell Williams".into(), "daft punk".into()],
        album: Some("Random Access Memories".to_owned()),
        channel: Some("Daft Punk - Topic".to_owned()),
        release_year: Some(2013),
        ..RawMetadata::default()
    };
    let expected = SongMetadata {
        title: "Get Lucky".to_owned(),
        artist: Some("Daft Punk, Pharrell Williams".to_owned()),
        album: Some("Random Access Memories".to_owned()),
        channel: Some("Daft Punk - Topic".to_owned()),
        release_year: Some(2013),
    };
    assert_eq!(clean_metadata(&raw), expected);
}

#[test]
fn known_artists_leave_the_title_and_others_do_not() {
    let with = |title: &str| {
        let cleaned = clean_metadata(&RawMetadata { artists: vec!["Queen".into()], ..video(title, "x") });
        assert_eq!(cleaned.artist.as_deref(), Some("Queen"), "{title}");
        cleaned.title
    };
    assert_eq!(with("Queen - Innuendo (Official Video)"), "Innuendo");
    assert_eq!(with("Innuendo - Queen"), "Innuendo");
    assert_eq!(with("Flash - Theme"), "Flash - Theme");
}

#[test]
fn a_distributors_description_says_what_is_what() {
    let description = "Provided to YouTube by DistroKid\n\nOver the Northern Mountains · Mattias Westlund · Another Name\n\nThe Battle for Wesnoth OST\n\n℗ 2008 Wesnoth Project\n\nReleased on: 2010-01-01\n\nAuto-generated by YouTube.";
    let raw = RawMetadata {
        description: Some(description.to_owned()),
        ..video("Mattias Westlund - Over the Northern Mountains", "Mattias Westlund - Topic")
    };
    let cleaned = clean_metadata(&raw);
    assert_eq!(cleaned.title, "Over the Northern Mountains");
    assert_eq!(cleaned.artist.as_deref(), Some("Mattias Westlund, Another Name"));
    assert_eq!(cleaned.album.as_deref(), Some("The Battle for Wesnoth OST"));
    assert_eq!(cleaned.release_year, Some(2008));
    assert_eq!(cleaned.channel.as_deref(), Some("Mattias Westlund - Topic"));
}

#[test]
fn a_dot_in_the_title_is_no_credit() {
    let provided =
        Provided::parse("Provided to YouTube by X\n\nA · B · C\n\n℗ X", "A · B").unwrap_or_default();
    assert_eq!(
        provided,
        Provided { title: Some("A · B".into()), artists: vec!["C".into()], album: None, year: None }
    );
}

#[test]
fn ordinary_descriptions_say_nothing() {
    for description in
        ["", "Subscribe!\nA · B\nC", "Provided to YouTube by X", "Provided to YouTube by X\n\nno dot"]
    {
        assert_eq!(Provided::parse(description, "A"), None, "{description:?}");
    }
}

#[test]
fn texts_are_fit_to_be_stored() {
    let raw = RawMetadata {
        title: format!("\u{202e}Bad\u{0}\u{7}\nActor\u{a0}\u{200b} -  {}", "é".repeat(900)),
        album: Some("\u{1b}[31m \t".to_owned()),
        channel: Some(" \u{feff} ".to_owned()),
        uploader: Some("n".repeat(900)),
        release_year: Some(12),
        ..RawMetadata::default()
    };
    let cleaned = clean_metadata(&raw);
    assert_eq!(cleaned.artist.as_deref(), Some("Bad Actor"));
    assert!(cleaned.title.chars().count() <= MAX_TITLE_CHARS && cleaned.title.starts_with("éé"));
    assert_eq!(cleaned.album.as_deref(), Some("[31m"));
    assert_eq!(cleaned.channel.map(|name| name.chars().count()), Some(MAX_NAME_CHARS));
    assert_eq!(cleaned.release_year, None);
    assert_eq!(clean_metadata(&RawMetadata::default()).title, UNTITLED);
}

#[test]
fn right_to_left_and_joined_scripts_survive() {
    check(&[
        ("فيروز - سألوني الناس (Official Audio)", "x", "سألوني الناس", Some("فيروز")),
        ("می\u{200c}خوام - آهنگ", "آهنگ", "می\u{200c}خوام", Some("آهنگ")),
        ("עידן רייכל - ממעמקים (הקליפ הרשמי)", "x", "ממעמקים", Some("עידן רייכל")),
        ("लता मंगेशकर - लग जा गले", "x", "लग जा गले", Some("लता मंगेशकर")),
    ]);
}

proptest::proptest! {
    #[test]
    fn never_panics_and_keeps_its_promises(
        title in "\\PC{0,60}|[-–—|:\"'()\\[\\]「」a-zA-Z0-9 #.]{0,60}",
        channel in "\\PC{0,20}|[a-zA-Z -]{0,12}( - Topic|VEVO)",
        description in "(Provided to YouTube by X\n)?[\\PC·℗\n ]{0,60}",
    ) {
        let raw = RawMetadata { description: Some(description), ..video(&title, &channel) };
        let cleaned = clean_metadata(&raw);
        let texts = [Some(&cleaned.title), cleaned.artist.as_ref(), cleaned.album.as_ref(), cleaned.channel.as_ref()];
        for text in texts.into_iter().flatten() {
            proptest::prop_assert!(!text.is_empty() && text.trim() == text);
            proptest::prop_assert!(!text.chars().any(char::is_control));
        }
    }
}

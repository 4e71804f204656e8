//! The page, used as a person uses it, in a real browser. What a test touches is what can be seen.

use std::time::Duration;

use songkeep_testkit::{
    browser::{Browser, Complaint, Key, Screen},
    fake_youtube::{Behaviour, SearchBehaviour, Video},
};

use crate::kit::{App, Topology};

/// The page keeps its audio element to itself, and what a row's button says may pass quickly; this lets
/// the test look at both.
const WATCH: &str = "
    const Original = window.Audio;
    window.Audio = function () { return (window.testAudio = new Original()); };
    window.testSeen = new Set();
    const look = ({ textContent }) => testSeen.add(textContent);
    const lookAround = () => document.querySelectorAll('.row-action .label, .badge:not([hidden])').forEach(look);
    new MutationObserver(lookAround).observe(document, { subtree: true, childList: true, attributes: true });
";
const SONG: &str = "Café sur la Lune";
const PASSWORD: &str = "correct horse";
/// Slow enough to see an import on its way.
const SLOW: Option<u64> = Some(60_000);

/// An installation and a browser that has never been there.
struct Visit {
    app: App,
    browser: Browser,
}

impl Visit {
    async fn start(screen: Screen) -> Self {
        Self::start_with(screen, &[]).await
    }

    async fn start_with(screen: Screen, settings: &[(&str, &str)]) -> Self {
        let (app, browser) =
            tokio::join!(App::start_with(Topology::AllInOne, settings), Browser::start(screen));
        let browser = browser.unwrap();
        browser.before_each_document(WATCH).await.unwrap();
        Self { app, browser }
    }

    /// Opens a place of the page, given with its leading `/`.
    async fn open(&self, place: &str) {
        self.browser.open(&format!("{}{place}", self.app.web)).await.unwrap();
    }

    /// A signed-in person who has done nothing yet.
    async fn signed_in(screen: Screen, settings: &[(&str, &str)]) -> Self {
        let visit = Self::start_with(screen, settings).await;
        visit.app.listener("ada@example.com").await;
        visit.open("/").await;
        visit.fill_in("ada@example.com", PASSWORD).await;
        visit.sees("Nothing here yet").await;
        visit
    }

    async fn fill_in(&self, email: &str, password: &str) {
        self.browser.fill("#email", email).await.unwrap();
        self.browser.fill("#password", password).await.unwrap();
        self.browser.click("form.account button").await.unwrap();
    }

    async fn sees(&self, text: &str) {
        self.browser.wait_for_text(text).await.unwrap();
    }

    async fn press(&self, text: &str) {
        self.browser.press_button(text).await.unwrap();
    }

    async fn is(&self, expression: &str) {
        self.browser.wait_until(expression).await.unwrap();
    }

    async fn number(&self, expression: &str) -> f64 {
        self.browser
            .eval(expression)
            .await
            .unwrap()
            .as_f64()
            .unwrap_or_else(|| panic!("{expression} is no number"))
    }

    async fn search(&self, words: &str) {
        self.browser.fill(".search-field", words).await.unwrap();
        self.browser.press_keys(&[Key::Enter]).await.unwrap();
    }

    fn video(&self, title: &str) -> Video {
        let videos = self.app.youtube.videos();
        videos
            .into_iter()
            .find(|video| video.title == title)
            .unwrap_or_else(|| panic!("no video is called {title}"))
    }

    /// Presses Import on a hit and sees it get on; then it can be played, by the same button.
    async fn import(&self, title: &str) {
        self.browser.click(&format!("[aria-label=\"Import {title}\"]")).await.unwrap();
        self.is(&format!("document.querySelector('[aria-label=\"Play {title}\"]') !== null")).await;
        self.is("document.querySelector('.badge').hidden").await;
        let seen = self.browser.eval("[...testSeen]").await.unwrap();
        let seen: Vec<&str> = seen.as_array().unwrap().iter().filter_map(|text| text.as_str()).collect();
        assert!(seen.contains(&"1"), "the number of imports under way was not shown: {seen:?}");
        let percents: Vec<u32> =
            seen.iter().filter_map(|text| text.strip_suffix(" %")?.parse().ok()).collect();
        assert!(percents.len() >= 2 && percents.is_sorted(), "no progress was seen: {seen:?}");
    }

    /// Presses Play on the row, and the song is heard.
    async fn play(&self, title: &str) {
        self.browser.click(&format!("[aria-label=\"Play {title}\"]")).await.unwrap();
        self.is_heard(title).await;
    }

    async fn is_heard(&self, title: &str) {
        self.is("!testAudio.paused && testAudio.currentTime > 0").await;
        let before = self.number("testAudio.currentTime").await;
        self.is(&format!("testAudio.currentTime > {before} + 0.4")).await;
        assert_eq!(self.browser.text(".bar .row-title").await.unwrap(), title);
        let wanted = f64::from(self.video(title).duration_sec);
        let length = self.number("testAudio.duration").await;
        assert!((length - wanted).abs() < 0.3, "lasts {length} s instead of {wanted} s");
    }

    /// The sum of a good visit: nothing to complain of, nothing from elsewhere.
    async fn ends_well(self) {
        self.ends_with(&[]).await;
    }

    /// As [`Visit::ends_well`], but these answers of the server were provoked.
    async fn ends_with(self, provoked: &[&str]) {
        let complaints = self.browser.complaints().await.unwrap();
        let unexpected: Vec<&Complaint> = complaints
            .iter()
            .filter(|complaint| {
                let is_known = provoked.iter().any(|path| complaint.message.contains(path));
                complaint.source != "network" || !is_known
            })
            .collect();
        assert!(unexpected.is_empty(), "{unexpected:?}");
        let origins = self.browser.requested_origins().await.unwrap();
        assert_eq!(origins.into_iter().collect::<Vec<_>>(), [self.app.web.as_str()]);
        assert!(self.app.youtube.denied_hosts().is_empty(), "{:?}", self.app.youtube.denied_hosts());
        self.browser.close().await.unwrap();
        self.app.stop().await;
    }

    /// The token link of the latest mail, as a place of this page.
    async fn mailed_place(&self) -> String {
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(mail) = self.app.outbox.0.lock().await.last() {
                return place_of(&mail.text);
            }
            assert!(std::time::Instant::now() < deadline, "no mail was sent");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The path and query of the link with a token in a text.
fn place_of(text: &str) -> String {
    let link = text.split_whitespace().find(|word| word.contains("token=")).expect("a link");
    let (_, rest) = link.split_once("://").unwrap();
    rest[rest.find('/').unwrap()..].to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newcomer_signs_up_imports_a_song_and_plays_it() {
    let visit = Visit::start_with(Screen::Desktop, &[("EXPOSE_VERIFICATION_TOKEN", "0")]).await;
    let browser = &visit.browser;
    visit.app.youtube.set_throttle(SLOW);

    visit.open("/").await;
    visit.press("Make an account").await;
    visit.fill_in("ada@example.com", "short").await;
    visit.sees("Use at least 8 characters.").await;
    visit.fill_in("ada@example.com", PASSWORD).await;
    visit.sees("Nearly there").await;
    visit.open(&visit.mailed_place().await).await;
    visit.sees("Sign in").await;
    assert!(
        !browser.current_url().await.unwrap().as_str().contains("token"),
        "the token stays in the address"
    );
    visit.fill_in("ada@example.com", PASSWORD).await;
    visit.sees("Nothing here yet").await;

    visit.search(SONG).await;
    visit.sees("From YouTube").await;
    visit.is("document.querySelector('.row .cover img').naturalWidth > 0").await;
    visit.import(SONG).await;
    visit.play(SONG).await;

    browser.click(".bar-toggle").await.unwrap();
    visit.is("testAudio.paused").await;
    browser.click(".seek").await.unwrap();
    lands_at(&visit, 4.0).await;
    browser.press_keys(&[Key::Left]).await.unwrap();
    lands_at(&visit, 0.0).await;
    browser.press_keys(&[Key::Right]).await.unwrap();
    lands_at(&visit, 5.0).await;
    browser.click(".bar-toggle").await.unwrap();
    visit.is("!testAudio.paused && testAudio.currentTime > 5.2").await;
    // The song ends, and can be heard again.
    visit.is("testAudio.ended && document.querySelector('.bar-toggle').title === 'Play'").await;
    browser.click(".bar-toggle").await.unwrap();
    visit.is("!testAudio.paused && testAudio.currentTime > 0 && testAudio.currentTime < 4").await;

    browser.reload().await.unwrap();
    visit.sees("In your library").await;
    visit.press("Library").await;
    visit.sees(SONG).await;
    visit.press("Imports").await;
    visit.sees("In your library").await;
    browser.click(&format!("[aria-label=\"Play {SONG}\"]")).await.unwrap();
    visit.is_heard(SONG).await;

    visit.press("Sign out").await;
    visit.sees("New here?").await;
    visit.is("testAudio.paused && document.querySelector('.bar') === null").await;
    browser.reload().await.unwrap();
    visit.sees("New here?").await;
    visit.ends_well().await;
}

async fn lands_at(visit: &Visit, seconds: f64) {
    visit.is(&format!("!testAudio.seeking && Math.abs(testAudio.currentTime - {seconds}) < 0.3")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_works_on_a_phone() {
    let visit = Visit::signed_in(Screen::Phone, &[]).await;
    let browser = &visit.browser;
    visit.app.youtube.set_throttle(SLOW);
    visit.search(SONG).await;
    visit.sees("From YouTube").await;
    visit.import(SONG).await;
    visit.play(SONG).await;
    for place in ["Library", "Imports", "Search"] {
        visit.press(place).await;
        visit.is(&format!("document.querySelector('h1').innerText.startsWith('{place}')")).await;
        let wide = visit.number("document.documentElement.scrollWidth").await;
        assert!(wide <= 390.0, "{place} is {wide} wide");
        let small = browser
            .eval(
                "[...document.querySelectorAll('main button, nav a, nav button, .bar-toggle')]
                    .filter((button) => button.getClientRects().length)
                    .map((button) => [button.outerHTML, button.getBoundingClientRect()])
                    .filter(([, box]) => box.width < 44 || box.height < 44).map(([html]) => html)",
            )
            .await
            .unwrap();
        assert_eq!(small, serde_json::json!([]), "too small for fingers in {place}");
    }
    // The player and the tabs stand one above the other.
    visit
        .is("document.querySelector('.bar').getBoundingClientRect().bottom
            <= document.querySelector('.rail').getBoundingClientRect().top + 1")
        .await;

    visit.press("Library").await;
    browser.click(".row-remove").await.unwrap();
    visit.sees("Removed").await;
    visit.is("document.querySelectorAll('main .row').length === 0").await;
    visit.press("Undo").await;
    visit.is("document.querySelectorAll('main .row').length === 1").await;
    visit.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_within_reach_of_the_keyboard() {
    let visit = Visit::start(Screen::Desktop).await;
    let browser = &visit.browser;
    visit.app.listener("ada@example.com").await;
    visit.app.youtube.set_throttle(SLOW);
    visit.open("/").await;
    visit.is("document.activeElement.id === 'email'").await;
    browser.type_text("ada@example.com").await.unwrap();
    browser.press_keys(&[Key::Tab]).await.unwrap();
    browser.type_text(PASSWORD).await.unwrap();
    browser.press_keys(&[Key::Enter]).await.unwrap();

    visit.is("document.activeElement.matches('.search-field')").await;
    browser.type_text("sur la lune").await.unwrap();
    browser.press_keys(&[Key::Enter]).await.unwrap();
    visit.sees("From YouTube").await;
    browser.press_keys(&[Key::Down]).await.unwrap();
    visit.is(&format!("document.activeElement.getAttribute('aria-label') === 'Import {SONG}'")).await;
    visit.is("getComputedStyle(document.activeElement).outlineStyle === 'solid'").await;
    browser.press_keys(&[Key::Enter]).await.unwrap();
    visit
        .is(&format!("document.activeElement.getAttribute('aria-label').startsWith('Importing {SONG}')"))
        .await;
    visit.is(&format!("document.activeElement.getAttribute('aria-label') === 'Play {SONG}'")).await;
    visit
        .is(&format!("document.getElementById('announcer').innerText === '{SONG} is in your library.'"))
        .await;
    browser.press_keys(&[Key::Enter]).await.unwrap();
    visit.is_heard(SONG).await;
    browser.press_keys(&[Key::Space]).await.unwrap();
    visit.is("testAudio.paused").await;
    browser.type_text("/").await.unwrap();
    visit.is("document.activeElement.matches('.search-field')").await;
    visit.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tabs_share_a_session_until_one_of_them_signs_out() {
    let visit = Visit::signed_in(Screen::Desktop, &[]).await;
    let browser = &visit.browser;
    let first = browser.current_tab().await.unwrap();
    let second = browser.open_tab().await.unwrap();
    visit.open("/library").await;
    visit.sees("Nothing here yet").await;
    // Each reload uses the refresh cookie up and gets another.
    for tab in [&first, &second, &first, &second] {
        browser.go_to_tab(tab).await.unwrap();
        browser.reload().await.unwrap();
        visit.sees("Nothing here yet").await;
    }
    browser.eval("window.stayed = true").await.unwrap();
    browser.go_to_tab(&first).await.unwrap();
    visit.search(SONG).await;
    visit.sees("From YouTube").await;
    visit.import(SONG).await;

    browser.go_to_tab(&second).await.unwrap();
    visit.sees(SONG).await;
    visit.press("Sign out").await;
    visit.sees("New here?").await;
    browser.go_to_tab(&first).await.unwrap();
    visit.sees("New here?").await;
    visit.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_is_said_where_it_happened() {
    let visit = Visit::start(Screen::Desktop).await;
    let browser = &visit.browser;
    visit.app.listener("ada@example.com").await;
    visit.open("/").await;
    browser.click("form.account button").await.unwrap();
    visit.sees("Enter an e-mail address").await;
    visit.fill_in("ada@example.com", "wrong horse").await;
    visit.sees("The address or the password is wrong.").await;
    visit.fill_in("ada@example.com", PASSWORD).await;
    visit.sees("Nothing here yet").await;

    visit.search("zzzz qqqq").await;
    visit.sees("Nothing was found for “zzzz qqqq”.").await;
    visit.app.youtube.set_search(SearchBehaviour::Down);
    visit.search("paper lanterns").await;
    visit.is("document.querySelector('.status.problem').innerText.endsWith('.')").await;
    visit.app.youtube.set_search(SearchBehaviour::Normal);

    let video = visit.video(SONG);
    visit.app.youtube.set(&video.id, Behaviour::Private);
    visit.search(SONG).await;
    browser.click(&format!("[aria-label=\"Import {SONG}\"]")).await.unwrap();
    visit.sees("private").await;
    visit.press("Imports").await;
    visit.sees("Failed").await;
    visit.sees("private").await;
    visit.app.youtube.set(&video.id, Behaviour::Normal);
    visit.press("Try again").await;
    visit.sees("In your library").await;
    visit.play(SONG).await;
    visit.ends_with(&["/api/auth/signin", "/api/songs/search"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_with_tokens_work_once_and_say_so_the_second_time() {
    let visit = Visit::start(Screen::Desktop).await;
    let place = place_of(&visit.app.setup_link().await);
    visit.open(&place).await;
    visit.sees("This account will be the administrator of this server.").await;
    visit.fill_in("root@example.com", PASSWORD).await;
    visit.sees("Nothing here yet").await;
    assert_eq!(visit.browser.text(".who").await.unwrap(), "root@example.com");
    visit.press("Sign out").await;
    visit.sees("New here?").await;

    visit.open(&place).await;
    visit.fill_in("other@example.com", PASSWORD).await;
    visit.is("document.querySelector('[role=alert]:not([hidden])').innerText.endsWith('.')").await;

    visit.open("/verify?token=nonsense").await;
    visit.sees("This link did not work").await;
    visit.press("Go to sign-in").await;
    visit.sees("New here?").await;
    visit.ends_with(&["/api/auth/setup", "/api/auth/verify-email"]).await;
}

//! A real browser, driven as a person would: Debian's chromium through its chromedriver, without a window.
//! It ends with the test process, however that ends.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use fantoccini::{
    Client, ClientBuilder, Locator,
    actions::{InputSource as _, KeyAction, KeyActions},
    error::CmdError,
    wd::{Capabilities, WebDriverCompatibleCommand, WindowHandle},
};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use url::Url;

pub use fantoccini::key::Key;

const MISSING: &str = "The browser is not installed: install the Debian packages `chromium` and \
                       `chromium-driver` (`make test` does).";
/// How long the page may take to show something.
const PATIENCE: Duration = Duration::from_secs(30);
/// Everything of the browser lives in a group and a folder of its own; both go when standard input ends,
/// which it does with the process that holds it.
const SCRIPT: &str = r#"
trap '' PIPE HUP INT TERM
command -v chromium >/dev/null && command -v chromedriver >/dev/null || exit 1
dir=$(mktemp -d) || exit 1
TMPDIR=$dir HOME=$dir setsid sh -c '
  { chromedriver --port=0 </dev/null 2>/dev/null; echo ended; } &
  read -r _
  kill -KILL 0'
rm -rf "$dir"
"#;

/// What the browser is shown on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Screen {
    /// 1280 × 800, with a mouse.
    Desktop,
    /// 390 × 844, with fingers.
    Phone,
}

/// A browser of its own, with nothing in its profile.
///
/// Methods that look for something wait until it is there; their error says what the page showed instead.
pub struct Browser {
    client: Client,
    /// Its standard input keeps the browser alive.
    _watchdog: Child,
}

/// One tab of a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tab(WindowHandle);

/// A complaint of the browser: a script's error, a refused load, a broken policy.
#[derive(Clone, Debug)]
pub struct Complaint {
    /// `javascript`, `network`, `security` and others.
    pub source: String,
    pub message: String,
}

impl Browser {
    /// # Errors
    /// When the browser is not installed or does not start; the message says what to do.
    pub async fn start(screen: Screen) -> anyhow::Result<Self> {
        let (watchdog, port) = spawn_blocking(start_driver).await??;
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(screen))
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .context("chromium does not start")?;
        Ok(Self { client, _watchdog: watchdog })
    }

    /// Runs a script in each document before the document's own.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn before_each_document(&self, script: &str) -> anyhow::Result<()> {
        let command = json!({
            "cmd": "Page.addScriptToEvaluateOnNewDocument",
            "params": { "source": script },
        });
        self.vendor("goog/cdp/execute", command).await?;
        Ok(())
    }

    /// # Errors
    /// When nothing answers there.
    pub async fn open(&self, url: &str) -> anyhow::Result<()> {
        self.client.goto(url).await.with_context(|| format!("{url} cannot be opened"))
    }

    /// # Errors
    /// When the browser is gone.
    pub async fn reload(&self) -> anyhow::Result<()> {
        Ok(self.client.refresh().await?)
    }

    /// # Errors
    /// When the browser is gone.
    pub async fn current_url(&self) -> anyhow::Result<Url> {
        Ok(self.client.current_url().await?)
    }

    /// Opens a further tab and goes to it.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn open_tab(&self) -> anyhow::Result<Tab> {
        let tab = Tab(self.client.new_window(true).await?.handle);
        self.go_to_tab(&tab).await?;
        Ok(tab)
    }

    /// # Errors
    /// When the browser is gone.
    pub async fn current_tab(&self) -> anyhow::Result<Tab> {
        Ok(Tab(self.client.window().await?))
    }

    /// # Errors
    /// When the tab is gone.
    pub async fn go_to_tab(&self, tab: &Tab) -> anyhow::Result<()> {
        Ok(self.client.switch_to_window(tab.0.clone()).await?)
    }

    /// What an expression is in the page.
    ///
    /// # Errors
    /// When it throws.
    pub async fn eval(&self, expression: &str) -> anyhow::Result<Value> {
        let script = format!("return ({expression});");
        self.client.execute(&script, Vec::new()).await.with_context(|| expression.to_owned())
    }

    /// Waits until an expression is true of the page; its value.
    ///
    /// # Errors
    /// When it does not become so.
    pub async fn wait_until(&self, expression: &str) -> anyhow::Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let value = self.eval(expression).await;
            match &value {
                Ok(Value::Null | Value::Bool(false)) | Err(_) if Instant::now() < deadline => {}
                Ok(Value::Null | Value::Bool(false)) => {
                    let page = self.eval("document.body.innerText").await.unwrap_or_default();
                    bail!(
                        "`{expression}` does not become true. The page shows:\n{}",
                        page.as_str().unwrap_or("nothing")
                    );
                }
                _ => return value,
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    /// Waits until the page shows a text.
    ///
    /// # Errors
    /// When it does not come.
    pub async fn wait_for_text(&self, text: &str) -> anyhow::Result<()> {
        let text = Value::from(text);
        self.wait_until(&format!("document.body.innerText.includes({text})")).await?;
        Ok(())
    }

    /// The text that an element shows.
    ///
    /// # Errors
    /// When there is no such element.
    pub async fn text(&self, css: &str) -> anyhow::Result<String> {
        Ok(self.find(Locator::Css(css)).await?.text().await?)
    }

    /// Clicks or taps the first element that is visible.
    ///
    /// # Errors
    /// When there is none, or something covers it.
    pub async fn click(&self, css: &str) -> anyhow::Result<()> {
        self.find(Locator::Css(css)).await?.click().await.with_context(|| format!("{css} cannot be clicked"))
    }

    /// Clicks or taps the button or link with this text.
    ///
    /// # Errors
    /// As [`Browser::click`].
    pub async fn press_button(&self, text: &str) -> anyhow::Result<()> {
        let path = format!(
            "//*[self::a or self::button][normalize-space()=\"{text}\" or span[normalize-space()=\"{text}\"]]"
        );
        let button = self.find(Locator::XPath(&path)).await?;
        button.click().await.with_context(|| format!("`{text}` cannot be clicked"))
    }

    /// Puts a text into a field in place of what is there.
    ///
    /// # Errors
    /// When there is no such field.
    pub async fn fill(&self, css: &str, text: &str) -> anyhow::Result<()> {
        let field = self.find(Locator::Css(css)).await?;
        field.clear().await?;
        Ok(field.send_keys(text).await?)
    }

    /// Presses keys where the focus is.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn press_keys(&self, keys: &[Key]) -> anyhow::Result<()> {
        let values = keys.iter().map(|&key| char::from(key));
        self.act(values).await
    }

    /// Types where the focus is.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn type_text(&self, text: &str) -> anyhow::Result<()> {
        self.act(text.chars()).await
    }

    /// What the browser complained of since the last call.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn complaints(&self) -> anyhow::Result<Vec<Complaint>> {
        let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
        let entries = self.vendor("se/log", json!({ "type": "browser" })).await?;
        let entries = entries.as_array().context("the browser's log has another form")?;
        Ok(entries
            .iter()
            .filter(|entry| matches!(entry["level"].as_str(), Some("WARNING" | "SEVERE")))
            .map(|entry| Complaint { source: text(entry, "source"), message: text(entry, "message") })
            .collect())
    }

    /// Where pages of all tabs have loaded anything from since the last call, such as `http://127.0.0.1:3000`.
    ///
    /// # Errors
    /// When the browser is gone.
    pub async fn requested_origins(&self) -> anyhow::Result<BTreeSet<String>> {
        let entries = self.vendor("se/log", json!({ "type": "performance" })).await?;
        let mut origins = BTreeSet::new();
        for entry in entries.as_array().context("the browser's log has another form")? {
            let message: Value = serde_json::from_str(entry["message"].as_str().unwrap_or_default())?;
            let event = &message["message"];
            if event["method"] != "Network.requestWillBeSent" {
                continue;
            }
            let url = Url::parse(event["params"]["request"]["url"].as_str().unwrap_or_default())?;
            if !matches!(url.scheme(), "data" | "blob" | "about") {
                origins.insert(url.origin().ascii_serialization());
            }
        }
        Ok(origins)
    }

    /// # Errors
    /// When the browser is gone.
    pub async fn close(self) -> anyhow::Result<()> {
        Ok(self.client.close().await?)
    }

    async fn find(&self, locator: Locator<'_>) -> anyhow::Result<fantoccini::elements::Element> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            for element in self.client.find_all(locator).await? {
                // It may have gone in between.
                if element.is_displayed().await.unwrap_or(false) {
                    return Ok(element);
                }
            }
            if Instant::now() > deadline {
                let page = self.eval("document.body.innerText").await.unwrap_or_default();
                bail!("{locator:?} is not there. The page shows:\n{}", page.as_str().unwrap_or("nothing"));
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    }

    async fn act(&self, keys: impl Iterator<Item = char>) -> anyhow::Result<()> {
        let mut actions = KeyActions::new("keyboard".to_owned());
        for value in keys {
            actions = actions.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        }
        Ok(self.client.perform_actions(actions).await?)
    }

    async fn vendor(&self, path: &'static str, body: Value) -> Result<Value, CmdError> {
        self.client.issue_cmd(Vendor { path, body }).await
    }
}

/// A command that chromedriver knows beyond the standard.
#[derive(Debug)]
struct Vendor {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Vendor {
    fn endpoint(&self, base_url: &Url, session_id: Option<&str>) -> Result<Url, url::ParseError> {
        base_url.join(&format!("session/{}/{}", session_id.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (hyper::Method, Option<String>) {
        (hyper::Method::POST, Some(self.body.to_string()))
    }
}

fn capabilities(screen: Screen) -> Capabilities {
    let mut options = json!({ "args": [
        "--headless",
        // Chromium refuses to start as root with its sandbox; it meets nothing but our own page.
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--no-proxy-server",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--autoplay-policy=no-user-gesture-required",
        "--window-size=1280,800",
    ] });
    if screen == Screen::Phone {
        options["mobileEmulation"] =
            json!({ "deviceMetrics": { "width": 390, "height": 844, "pixelRatio": 2, "touch": true } });
    }
    let mut capabilities = Capabilities::new();
    capabilities.insert("goog:chromeOptions".to_owned(), options);
    let logs = json!({ "browser": "ALL", "performance": "ALL" });
    capabilities.insert("goog:loggingPrefs".to_owned(), logs);
    capabilities
}

/// How often chromedriver may find its port taken: it takes a free one of IPv6, and the same of IPv4 may
/// belong to somebody.
const PORT_TRIES: usize = 10;

fn start_driver() -> anyhow::Result<(Child, u16)> {
    for _ in 1..PORT_TRIES {
        match try_start_driver() {
            Err(error) if error.to_string().contains("port not available") => {}
            result => return result,
        }
    }
    try_start_driver()
}

fn try_start_driver() -> anyhow::Result<(Child, u16)> {
    let mut watchdog = Command::new("sh")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("a shell cannot be started")?;
    let output = watchdog.stdout.take().context("standard output was asked for")?;
    let mut lines = BufReader::new(output).lines();
    let mut said = String::new();
    let port = loop {
        let line = match lines.next() {
            Some(Ok(line)) if line != "ended" => line,
            _ if !said.is_empty() => bail!("chromedriver ended at its start:\n{said}"),
            _ => bail!(MISSING),
        };
        // "ChromeDriver was started successfully on port 12345."
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            break port
                .trim_end_matches('.')
                .parse()
                .context("chromedriver names its port in another way")?;
        }
        said += &line;
        said.push('\n');
    };
    // What it says later is read away, so that it never waits for us.
    std::thread::spawn(move || lines.for_each(drop));
    Ok((watchdog, port))
}

//! The tools that an import needs (yt-dlp with its Python, a JavaScript runtime, ffmpeg): fetched at the
//! first need into a folder that processes share, tried out, and from then on only looked up. An operator's
//! own tools take the place of any of them.

mod check;
mod environment;
mod error;
mod install;
mod own;
mod packages;
mod python;
mod status;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use songkeep_sandbox::Launcher;
use tokio::{sync::watch, task::AbortHandle};

pub use check::{Interpreter, JsRuntime};
pub use error::{ToolError, ToolErrorKind};
pub use packages::{PACKAGES, Package, Part};
pub use status::{ToolState, ToolStatus};

use install::{Lock, Unfinished};
use packages::{set_name, short_hash};
use python::{Python, find_python};

/// After a failure, those who ask within this time hear of it instead of causing the next.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Where the tools live, and which are the operator's own.
#[derive(Clone, Debug, Default)]
pub struct ToolSettings {
    pub tools_dir: PathBuf,
    /// A Python program (script or archive) or a folder with the package `yt_dlp`.
    pub ytdlp_path: Option<PathBuf>,
    pub ffmpeg_path: Option<PathBuf>,
    pub js_runtime_path: Option<PathBuf>,
    /// The environment of this process. The installer sees what is meant for it.
    pub environment: Vec<(OsString, OsString)>,
}

/// Tools that were tried out together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolSet {
    pub interpreter: Interpreter,
    pub ytdlp_version: String,
    /// The roots that yt-dlp trusts, as a PEM file.
    pub certificates: Option<PathBuf>,
    pub js_runtime: JsRuntime,
    pub ffmpeg: PathBuf,
    pub ffmpeg_version: String,
}

impl ToolSet {
    /// One line: `yt-dlp 2026.10.26, deno 2.9.8, ffmpeg 7.1`.
    #[must_use]
    pub fn versions(&self) -> String {
        let Self { ytdlp_version, js_runtime, ffmpeg_version, .. } = self;
        format!("yt-dlp {ytdlp_version}, {} {}, ffmpeg {ffmpeg_version}", js_runtime.name, js_runtime.version)
    }

    fn is_complete(&self) -> bool {
        let site = self.interpreter.site.as_deref();
        self.interpreter.python.exists()
            && site.is_none_or(Path::exists)
            && self.js_runtime.path.exists()
            && self.ffmpeg.exists()
    }
}

/// The tools of this process; clones are the same.
#[derive(Clone)]
pub struct Tools {
    inner: Arc<Inner>,
}

struct Inner {
    settings: ToolSettings,
    launcher: Launcher,
    phase: watch::Sender<Phase>,
    task: Mutex<Option<AbortHandle>>,
}

#[derive(Clone)]
enum Phase {
    Idle,
    Preparing(String),
    Ready(Arc<ToolSet>),
    Failed(ToolError, Instant),
}

impl Tools {
    #[must_use]
    pub fn new(mut settings: ToolSettings, launcher: Launcher) -> Self {
        // Programs are started in other folders. It stays as it is where there is no current one.
        settings.tools_dir = std::path::absolute(&settings.tools_dir).unwrap_or(settings.tools_dir);
        let (phase, _) = watch::channel(Phase::Idle);
        Self { inner: Arc::new(Inner { settings, launcher, phase, task: Mutex::new(None) }) }
    }

    /// The tools, set up first where they are not there. That goes on when this future is dropped.
    ///
    /// # Errors
    /// When they cannot be set up; the error says what an administrator can do.
    pub async fn ensure(&self) -> Result<Arc<ToolSet>, ToolError> {
        let mut phase = self.inner.phase.subscribe();
        let mut asked = false;
        loop {
            let now = phase.borrow_and_update().clone();
            match now {
                Phase::Ready(set) if set.is_complete() => return Ok(set),
                // Somebody removed them.
                Phase::Ready(gone) => {
                    self.inner.phase.send_if_modified(|phase| {
                        let same = matches!(phase, Phase::Ready(set) if Arc::ptr_eq(set, &gone));
                        if same {
                            *phase = Phase::Idle;
                        }
                        same
                    });
                }
                Phase::Failed(error, at) if asked || at.elapsed() < RETRY_AFTER => return Err(error),
                Phase::Idle | Phase::Failed(..) => {
                    asked = true;
                    self.prepare_in_background();
                }
                Phase::Preparing(_) => asked = true,
            }
            // The sender lives as long as `self`.
            let _ = phase.changed().await;
        }
    }

    /// Begins to set the tools up, unless they are ready or somebody has begun. Needs a tokio runtime.
    pub fn prepare_in_background(&self) {
        let begin = self.inner.phase.send_if_modified(|phase| {
            let begin = matches!(phase, Phase::Idle | Phase::Failed(..));
            if begin {
                *phase = Phase::Preparing("looking for them".to_owned());
            }
            begin
        });
        if !begin {
            return;
        }
        let inner = Arc::clone(&self.inner);
        let task = tokio::spawn(async move {
            let work = Arc::clone(&inner);
            // In a task of its own, so that a panic in there cannot leave everybody waiting.
            let work = tokio::spawn(async move { work.prepare().await });
            let _stop_with_us = AbortOnDrop(work.abort_handle());
            let outcome = work.await.unwrap_or_else(|error| {
                Err(ToolError::new(ToolErrorKind::Install, format!("setting up ended early: {error}")))
            });
            inner.phase.send_replace(match outcome {
                Ok(set) => Phase::Ready(Arc::new(set)),
                Err(error) => {
                    tracing::warn!(reason = %error.reason, remedy = %error.remedy, "no download tools");
                    Phase::Failed(error, Instant::now())
                }
            });
        });
        *self.inner.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task.abort_handle());
    }

    /// Whether [`Tools::ensure`] would answer at once.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(*self.inner.phase.borrow(), Phase::Ready(_))
    }

    /// How things stand; never installs anything.
    pub async fn status(&self) -> ToolStatus {
        let now = self.inner.phase.borrow().clone();
        let state = match now {
            Phase::Preparing(step) => ToolState::Preparing { step },
            Phase::Ready(set) => ToolState::ready(&set),
            Phase::Failed(error, _) => ToolState::Failed { reason: error.reason, remedy: error.remedy },
            Phase::Idle => match self.inner.find().await {
                Ok((plan, _)) => plan.known.map_or(ToolState::Missing, |set| ToolState::ready(&set)),
                Err(error) => ToolState::Failed { reason: error.reason, remedy: error.remedy },
            },
        };
        ToolStatus { state, tools_dir: self.inner.settings.tools_dir.clone() }
    }

    /// Gives up setting them up.
    pub fn stop(&self) {
        if let Some(task) = self.inner.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What is to be done for this machine and these settings.
struct Plan {
    packages: Vec<Package>,
    /// Name of the folder that holds or will hold the packages.
    set: String,
    /// Name of the file in there that says that this set passed with the operator's own tools as they are.
    passed: String,
    /// A set that passed before and is complete.
    known: Option<ToolSet>,
}

impl Inner {
    async fn prepare(&self) -> Result<ToolSet, ToolError> {
        let (plan, python) = self.find().await?;
        if let Some(set) = plan.known {
            return Ok(set);
        }
        let dir = &self.settings.tools_dir;
        std::fs::create_dir_all(dir).map_err(|error| ToolError::folder(dir, &error))?;
        let lock =
            Lock::take(dir, || self.say("waiting for another process that sets them up".to_owned())).await?;
        // The other process may have done it all.
        let (plan, _) = self.find().await?;
        if let Some(set) = plan.known {
            return Ok(set);
        }
        let home = dir.join(&plan.set);
        if plan.packages.is_empty() || home.join("site").is_dir() {
            std::fs::create_dir_all(&home).map_err(|error| ToolError::folder(&home, &error))?;
            let set = self.check(&home, &plan, &python).await?;
            remember(&home, &plan.passed, &set)?;
            return Ok(set);
        }

        let unfinished = Unfinished::create(dir, &plan.set, &lock)?;
        // One for the installer, one for unpacking, and three checks.
        let steps = plan.packages.len() + 5;
        let mut done = 0;
        install::install(
            self.launcher,
            &python,
            &plan.packages,
            &unfinished.path,
            &self.settings.environment,
            |step| {
                done += 1;
                self.say(format!("{done} of {steps}: {step}"));
            },
        )
        .await?;
        let set = self.check(&unfinished.path, &plan, &python).await?;
        let set = moved(set, &unfinished.path, &home);
        remember(&unfinished.path, &plan.passed, &set)?;
        unfinished.finish(dir, &plan.set)?;
        tracing::info!(folder = %home.display(), "the download tools are ready: {}", set.versions());
        Ok(set)
    }

    /// Looks at what there is, without changing anything.
    async fn find(&self) -> Result<(Plan, Python), ToolError> {
        let settings = &self.settings;
        let python = find_python(self.launcher, &settings.environment).await?;
        let own = [
            (Part::Downloader, &settings.ytdlp_path),
            (Part::Ffmpeg, &settings.ffmpeg_path),
            (Part::JsRuntime, &settings.js_runtime_path),
        ];
        let packages: Vec<Package> = PACKAGES
            .into_iter()
            .filter(|package| own.iter().any(|(part, path)| *part == package.part && path.is_none()))
            .collect();
        let set = set_name(&packages, &python.tag);
        let faces: Vec<String> =
            own.iter().map(|(_, path)| path.as_deref().map_or_else(String::new, own::face)).collect();
        let passed = format!("passed-{}.json", short_hash(&format!("{}\n{faces:?}", python.path.display())));
        let known = std::fs::read(settings.tools_dir.join(&set).join(&passed))
            .ok()
            .and_then(|bytes| serde_json::from_slice::<ToolSet>(&bytes).ok())
            .filter(ToolSet::is_complete);
        Ok((Plan { packages, set, passed, known }, python))
    }

    /// Tries the tools out that are in `home` or the operator's own.
    async fn check(&self, home: &Path, plan: &Plan, python: &Python) -> Result<ToolSet, ToolError> {
        let settings = &self.settings;
        let steps = plan.packages.len() + 5;
        let say = |back: usize, step: &str| self.say(format!("{} of {steps}: {step}", steps - back));
        let site = home.join("site");

        say(2, "trying the JavaScript runtime");
        let runtime = settings.js_runtime_path.clone().unwrap_or_else(|| site.join("bin/deno"));
        let js_runtime = check::check_js_runtime(self.launcher, &runtime).await?;

        say(1, "trying ffmpeg");
        let ffmpeg = match &settings.ffmpeg_path {
            Some(path) => path.clone(),
            None => own::bundled_ffmpeg(&site)?,
        };
        let ffmpeg_version = check::check_ffmpeg(self.launcher, &ffmpeg).await?;

        say(0, "trying yt-dlp");
        let interpreter = match &settings.ytdlp_path {
            None => Interpreter { python: python.path.clone(), site: Some(site) },
            Some(path) => own::interpreter(self.launcher, path, python, &settings.environment).await?,
        };
        let scratch = home.join("scratch");
        std::fs::create_dir_all(&scratch).map_err(|error| ToolError::folder(&scratch, &error))?;
        let downloader = check::check_downloader(self.launcher, &interpreter, &js_runtime, &scratch).await;
        let _ = std::fs::remove_dir_all(&scratch);
        let downloader = downloader?;
        Ok(ToolSet {
            interpreter,
            ytdlp_version: downloader.version,
            certificates: downloader.certificates,
            js_runtime,
            ffmpeg,
            ffmpeg_version,
        })
    }

    fn say(&self, step: String) {
        tracing::info!("preparing the download tools: {step}");
        self.phase.send_replace(Phase::Preparing(step));
    }
}

/// The same set after its folder got another name.
fn moved(set: ToolSet, from: &Path, to: &Path) -> ToolSet {
    let place = |path: PathBuf| match path.strip_prefix(from) {
        Ok(rest) => to.join(rest),
        Err(_) => path,
    };
    ToolSet {
        interpreter: Interpreter {
            python: place(set.interpreter.python),
            site: set.interpreter.site.map(place),
        },
        certificates: set.certificates.map(place),
        js_runtime: JsRuntime { path: place(set.js_runtime.path), ..set.js_runtime },
        ffmpeg: place(set.ffmpeg),
        ..set
    }
}

fn remember(home: &Path, name: &str, set: &ToolSet) -> Result<(), ToolError> {
    let path = home.join(name);
    let text = serde_json::to_vec_pretty(set)
        .map_err(|error| ToolError::new(ToolErrorKind::Install, error.to_string()))?;
    std::fs::write(&path, text).map_err(|error| ToolError::folder(&path, &error))
}

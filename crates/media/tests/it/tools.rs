use std::ffi::OsString;

use songkeep_media::tools::{ToolErrorKind, ToolSettings, ToolState, Tools};
use songkeep_sandbox::{Launcher, find_program};

use crate::world::{test_tools, test_tools_dir};

#[tokio::test]
async fn the_tools_are_set_up_once_and_found_again() {
    let tools = test_tools();
    let set = tools.ensure().await.unwrap();
    assert!(set.interpreter.python.is_absolute() && set.ffmpeg.is_file() && set.js_runtime.path.is_file());
    assert!(set.certificates.as_ref().unwrap().starts_with(set.interpreter.site.as_ref().unwrap()));

    let again = test_tools();
    let status = again.status().await;
    assert!(matches!(&status.state, ToolState::Ready { version, .. } if *version == set.ytdlp_version));
    assert!(status.to_string().starts_with("ready: yt-dlp "), "{status}");
    assert_eq!(again.ensure().await.unwrap(), set);
    assert!(test_tools_dir().join("current/site/yt_dlp").is_dir());
}

#[tokio::test]
async fn asking_how_things_stand_installs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let settings = ToolSettings {
        tools_dir: dir.path().join("tools"),
        environment: std::env::vars_os().collect(),
        ..ToolSettings::default()
    };
    let tools = Tools::new(settings, Launcher::new());
    assert_eq!(tools.status().await.state, ToolState::Missing);
    assert!(!dir.path().join("tools").exists());
}

#[tokio::test]
async fn without_a_way_to_the_packages_the_error_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let mut environment: Vec<(OsString, OsString)> =
        std::env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with("PIP_")).collect();
    for (name, value) in [
        ("PIP_INDEX_URL", "http://127.0.0.1:9/simple"),
        ("PIP_RETRIES", "0"),
        ("PIP_CONFIG_FILE", "/dev/null"),
    ] {
        environment.push((name.into(), value.into()));
    }
    let tools_dir = dir.path().join("tools");
    let settings = ToolSettings { tools_dir: tools_dir.clone(), environment, ..ToolSettings::default() };
    let tools = Tools::new(settings, Launcher::new());

    let error = tools.ensure().await.unwrap_err();
    assert_eq!(error.kind, ToolErrorKind::Network, "{error}");
    assert!(error.remedy.contains("HTTPS_PROXY") && error.remedy.contains("FFMPEG_PATH"), "{}", error.remedy);
    let status = tools.status().await;
    assert!(matches!(status.state, ToolState::Failed { .. }), "{status}");
    assert_eq!(tools.ensure().await.unwrap_err(), error, "told again rather than tried again");
    let left: Vec<_> =
        std::fs::read_dir(tools_dir).unwrap().flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["lock"]);
}

#[tokio::test]
async fn an_operators_own_tools_need_no_packages() {
    let managed = test_tools().ensure().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let settings = ToolSettings {
        tools_dir: dir.path().to_owned(),
        ytdlp_path: managed.interpreter.site.clone(),
        ffmpeg_path: Some(managed.ffmpeg.clone()),
        js_runtime_path: Some(managed.js_runtime.path.clone()),
        environment: std::env::vars_os().collect(),
    };
    let set = Tools::new(settings, Launcher::new()).ensure().await.unwrap();
    assert_eq!(set.versions(), managed.versions());
    let has_packages =
        std::fs::read_dir(dir.path()).unwrap().flatten().any(|entry| entry.path().join("site").exists());
    assert!(!has_packages);
}

#[tokio::test]
async fn tools_that_vanish_are_noticed() {
    let managed = test_tools().ensure().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let ffmpeg = dir.path().join("ffmpeg");
    std::os::unix::fs::symlink(&managed.ffmpeg, &ffmpeg).unwrap();
    let settings = ToolSettings {
        tools_dir: dir.path().join("tools"),
        ytdlp_path: managed.interpreter.site.clone(),
        ffmpeg_path: Some(ffmpeg.clone()),
        js_runtime_path: Some(managed.js_runtime.path.clone()),
        environment: std::env::vars_os().collect(),
    };
    let tools = Tools::new(settings, Launcher::new());
    tools.ensure().await.unwrap();
    assert!(tools.is_ready());
    std::fs::remove_file(&ffmpeg).unwrap();
    assert_eq!(tools.ensure().await.unwrap_err().kind, ToolErrorKind::Ffmpeg);
}

#[tokio::test]
async fn a_runtime_that_is_none_is_refused() {
    let managed = test_tools().ensure().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let settings = ToolSettings {
        tools_dir: dir.path().to_owned(),
        ytdlp_path: managed.interpreter.site.clone(),
        ffmpeg_path: Some(managed.ffmpeg.clone()),
        js_runtime_path: find_program("true", "/usr/bin:/bin".as_ref()),
        environment: std::env::vars_os().collect(),
    };
    let error = Tools::new(settings, Launcher::new()).ensure().await.unwrap_err();
    assert_eq!(error.kind, ToolErrorKind::JsRuntime, "{error}");
}

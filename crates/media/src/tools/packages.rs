//! What the managed tools are made of: exact versions that were seen to work together. A new set is
//! tried by changing this list; nothing else names a version.

use aws_lc_rs::digest::{SHA256, digest};

/// A package of the Python package index at one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Package {
    pub name: &'static str,
    pub version: &'static str,
    pub part: Part,
}

/// Which tool a package is for. An operator's own tool replaces its part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Downloader,
    JsRuntime,
    Ffmpeg,
}

const fn package(name: &'static str, version: &'static str, part: Part) -> Package {
    Package { name, version, part }
}

/// `yt-dlp-ejs` must be the version that yt-dlp's own metadata asks for; deno is at least the one there.
/// Everything that yt-dlp needs is listed, since its own pins do not resolve.
pub const PACKAGES: [Package; 13] = [
    package("yt-dlp", "2026.10.26", Part::Downloader),
    package("yt-dlp-ejs", "0.8.0", Part::Downloader),
    package("brotli", "1.2.1", Part::Downloader),
    package("certifi", "2026.10.19.post1", Part::Downloader),
    package("charset-normalizer", "3.5.2", Part::Downloader),
    package("idna", "3.20", Part::Downloader),
    package("mutagen", "1.48.1", Part::Downloader),
    package("pycryptodomex", "3.24.2", Part::Downloader),
    package("requests", "2.34.2", Part::Downloader),
    package("urllib3", "2.8.0", Part::Downloader),
    package("websockets", "17.4", Part::Downloader),
    package("deno", "2.9.8", Part::JsRuntime),
    package("imageio-ffmpeg", "0.8.1", Part::Ffmpeg),
];

/// Lines for pip.
#[must_use]
pub fn requirements(packages: &[Package]) -> String {
    packages.iter().map(|package| format!("{}=={}\n", package.name, package.version)).collect()
}

/// Name of the folder of this set of packages for this interpreter, e.g. `2026.10.26-1f0c9a7e`.
#[must_use]
pub fn set_name(packages: &[Package], python_tag: &str) -> String {
    let head = packages
        .iter()
        .find(|package| package.name == "yt-dlp")
        .map_or("own", |downloader| downloader.version);
    format!("{head}-{}", short_hash(&format!("{python_tag}\n{}", requirements(packages))))
}

/// Eight hexadecimal digits that stand for a text.
#[must_use]
pub fn short_hash(text: &str) -> String {
    hex::encode(&digest(&SHA256, text.as_bytes()).as_ref()[..4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_set_follows_its_contents() {
        let all = set_name(&PACKAGES, "cp311");
        assert!(all.starts_with("2026.10.26-"), "{all}");
        assert_ne!(all, set_name(&PACKAGES, "cp312"));
        assert_ne!(all, set_name(&PACKAGES[..12], "cp311"));
        assert!(set_name(&PACKAGES[11..], "cp311").starts_with("own-"));
    }

    #[test]
    fn requirements_are_exact() {
        assert!(requirements(&PACKAGES).lines().all(|line| line.contains("==")));
    }
}

//! Digest of what a recipe says of its inputs, so that a lock can tell whether it is still of this recipe.

use std::fmt::Write as _;

use amiforge_formats::digest::Digest;
use amiforge_rootfs::packages::resolve::BasePackages;

use crate::recipe::{DebSource, PinTarget, Recipe, Recommends, SignerKeys, SourceFrom, Stage};

/// The digest. Mirrors, keys, filters, scripts and commands play no part: they choose nothing that is fetched.
pub(super) fn digest(recipe: &Recipe) -> Digest {
    Digest::of(text(recipe).as_bytes())
}

/// Everything that chooses an input, a line each.
fn text(recipe: &Recipe) -> String {
    let mut text = String::from("amiforge inputs 1\n");
    if let Some(deb) = &recipe.deb {
        packages(deb, &mut text);
    }
    for one in &recipe.stages {
        stage(one, &mut text);
    }
    text
}

fn packages(deb: &DebSource, text: &mut String) {
    for archive in &deb.archives {
        let signed = if archive.keys == SignerKeys::Unsigned { "unsigned" } else { "signed" };
        line(text, &["archive", &archive.name, signed]);
        line(text, &with("suites", &archive.suites));
        line(text, &with("components", &archive.components));
    }
    line(text, &["arch", &deb.arch]);
    line(text, &with("foreign", &deb.foreign));
    line(text, &["base", base(deb.base)]);
    line(text, &with("packages", &sorted(&deb.packages)));
    line(text, &with("without", &sorted(&deb.without)));
    line(text, &["recommends", recommends(deb.recommends)]);
    for pin in &deb.pins {
        let (kind, to) = match &pin.to {
            PinTarget::Version(version) => ("version", version),
            PinTarget::Suite(suite) => ("suite", suite),
        };
        line(text, &["pin", &pin.package, kind, to, &pin.priority.to_string()]);
    }
}

fn stage(stage: &Stage, text: &mut String) {
    line(text, &["stage", &stage.name, recommends(stage.recommends)]);
    line(text, &with("packages", &sorted(&stage.packages)));
    for source in &stage.sources {
        let sha256 = source.sha256.map(|digest| digest.to_string()).unwrap_or_default();
        match &source.from {
            SourceFrom::Url(url) => line(text, &["url", url, &sha256]),
            SourceFrom::Path(_, name) => line(text, &["path", name, &sha256]),
            SourceFrom::Archive { archive, path } => line(text, &["of", archive, path, &sha256]),
            SourceFrom::Git { url, commit } => line(text, &["git", url, commit, &sha256]),
        }
    }
}

/// The text is part of the format of the digest.
fn base(base: BasePackages) -> &'static str {
    match base {
        BasePackages::None => "None",
        BasePackages::Essential => "Essential",
        BasePackages::Required => "Required",
        BasePackages::Important => "Important",
        BasePackages::Standard => "Standard",
    }
}

fn recommends(recommends: Recommends) -> &'static str {
    match recommends {
        Recommends::Take => "with recommended",
        Recommends::Leave => "without recommended",
    }
}

fn sorted(words: &[String]) -> Vec<String> {
    let mut words = words.to_vec();
    words.sort();
    words.dedup();
    words
}

fn with<'a>(first: &'a str, rest: &'a [String]) -> Vec<&'a str> {
    std::iter::once(first).chain(rest.iter().map(String::as_str)).collect()
}

/// Words, each with its length before it, so that no two lists give the same line.
fn line(text: &mut String, words: &[&str]) {
    for word in words {
        // Writing to a String cannot fail.
        let _ = write!(text, "{}:{word} ", word.len());
    }
    text.push('\n');
}

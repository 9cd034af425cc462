//! The digest of the inputs that a recipe requests, by which a lock is matched with its recipe.

use std::fmt::Write as _;

use amiforge_formats::digest::Digest;
use amiforge_rootfs::packages::resolve::BasePackages;

use crate::recipe::{DebSource, PinTarget, Recipe, Recommends, SignerKeys, SourceFrom, Stage};

/// The digest. Mirrors, keys, filters, scripts and commands are not part of it: they select nothing that is fetched.
pub(super) fn digest(recipe: &Recipe) -> Digest {
    Digest::of(text(recipe).as_bytes())
}

/// Everything that selects an input, one line each. The text is the input of the digest, so its format never changes.
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

/// The name in the digest's text.
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

fn sorted(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    names.sort();
    names.dedup();
    names
}

fn with<'a>(first: &'a str, rest: &'a [String]) -> Vec<&'a str> {
    std::iter::once(first).chain(rest.iter().map(String::as_str)).collect()
}

/// Appends a line of strings, each after its length, so that no two lists give the same line.
fn line(text: &mut String, fields: &[&str]) {
    for field in fields {
        // Writing to a String cannot fail.
        let _ = write!(text, "{}:{field} ", field.len());
    }
    text.push('\n');
}

//! The digest of the inputs that a recipe requests, by which a lock is matched with its recipe.

use std::fmt::Write as _;

use amiforge_formats::digest::Digest;

use amiforge_rootfs::sources::DigestPin;

use crate::recipe::{Recipe, SourceFrom, Stage};

/// The digest. Mirrors, keys, filters, scripts and commands are not part of it: they select nothing that is fetched.
pub(super) fn digest(recipe: &Recipe) -> Digest {
    Digest::of(text(recipe).as_bytes())
}

/// Everything that selects an input, one line each. The text is the input of the digest, so its format never changes.
fn text(recipe: &Recipe) -> String {
    let mut text = String::from("amiforge inputs 1\n");
    for one in recipe.packages.iter().flat_map(|packages| packages.backend().lock_inputs()) {
        line(&mut text, &one);
    }
    if let Some(upgrade) = recipe.upgrade {
        let pin = recipe.sources.first().map(|source| source.pin);
        let pin = if let Some(DigestPin::Exact(digest)) = pin { digest.to_string() } else { String::new() };
        line(&mut text, &["over", upgrade.lock_input(), &pin]);
    }
    for one in &recipe.snapshots {
        let choice = one.choice.chosen_by(recipe.image.arch).unwrap_or_else(|| one.choice.to_string());
        line(&mut text, &["snapshot", &choice, one.region.as_deref().unwrap_or_default()]);
    }
    for one in &recipe.stages {
        stage(one, &mut text);
    }
    text
}

fn stage(stage: &Stage, text: &mut String) {
    line(text, &["stage", &stage.name, stage.recommends.lock_input()]);
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
fn line(text: &mut String, fields: &[impl AsRef<str>]) {
    for field in fields {
        let field = field.as_ref();
        // Writing to a String cannot fail.
        let _ = write!(text, "{}:{field} ", field.len());
    }
    text.push('\n');
}

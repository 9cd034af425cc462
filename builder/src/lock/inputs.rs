//! Digest of what a recipe says of its inputs, so that a lock can tell whether it is still of this recipe.

use std::fmt::Write as _;

use amiforge_formats::digest::Digest;

use crate::recipe::{Recipe, SourceFrom, Stage};

/// The digest. Mirrors, keys, filters, scripts and commands play no part: they choose nothing that is fetched.
pub(super) fn digest(recipe: &Recipe) -> Digest {
    Digest::of(text(recipe).as_bytes())
}

/// Everything that chooses an input, a line each.
fn text(recipe: &Recipe) -> String {
    let mut text = String::from("amiforge inputs 1\n");
    for one in recipe.packages.iter().flat_map(|packages| packages.backend().lock_inputs()) {
        line(&mut text, &one);
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
fn line(text: &mut String, words: &[impl AsRef<str>]) {
    for word in words {
        let word = word.as_ref();
        // Writing to a String cannot fail.
        let _ = write!(text, "{}:{word} ", word.len());
    }
    text.push('\n');
}

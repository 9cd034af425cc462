//! Keys of layers: digests of everything that a layer depends on, so that it is made again exactly when one of those
//! inputs changes.

use std::collections::BTreeMap;

use amiforge_formats::digest::Digest;
use amiforge_packages::configure::AccountIds;
use amiforge_packages::locked::{LockReason, LockedPackage, PackageId};
use amiforge_sandbox::Seed;

use crate::pipeline::BuildOptions;
use crate::pipeline::epoch::BuildTime;
use crate::recipe::{PackageSource, Recipe, Stage};

/// Raised when the same inputs make another layer than before.
const REVISION: u32 = 6;

/// A key in the making. Every part has its length before it, so no two lists of parts run together.
#[derive(Debug)]
struct LayerKey(Vec<u8>);

impl LayerKey {
    fn of(kind: &str) -> Self {
        let mut key = Self(Vec::new());
        key.text(kind);
        key.text(env!("CARGO_PKG_VERSION"));
        key.text(&REVISION.to_string());
        key
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn texts(&mut self, all: &[String]) {
        self.text(&all.len().to_string());
        for text in all {
            self.text(text);
        }
    }

    fn env(&mut self, env: &BTreeMap<String, String>) {
        self.text(&env.len().to_string());
        for (name, value) in env {
            self.text(name);
            self.text(value);
        }
    }

    /// Where the time of the build comes from; that of the inputs follows from them.
    fn epoch(&mut self, recipe: &Recipe, options: &BuildOptions) {
        self.text(&format!("{:?}", options.source_date_epoch.or(recipe.image.epoch)));
    }

    /// The seed of random numbers, and whether a second run looks for files that depend on them.
    fn random(&mut self, seed: Seed, recipe: &Recipe) {
        self.bytes(seed.bytes());
        self.text(&recipe.secrets.second_run.to_string());
    }

    fn done(self) -> Digest {
        Digest::of(&self.0)
    }
}

/// The key of packages that are unpacked and configured.
pub(super) fn configured(
    packages: &[LockedPackage],
    source: &PackageSource,
    (recipe, options): (&Recipe, &BuildOptions),
    seed: Seed,
    accounts: &AccountIds,
) -> Digest {
    let mut key = LayerKey::of("configured");
    key.text(&format!("{:?}", recipe.clock));
    key.random(seed, recipe);
    key.epoch(recipe, options);
    for text in source.backend().layer_key() {
        key.text(&text);
    }
    key.env(&recipe.debconf);
    key.text(&accounts.lines());
    key.text(&packages.len().to_string());
    for package in packages {
        // Not the archive: the digest says which package it is. The reason, because apt's list in the image records it.
        let reason = match package.reason {
            LockReason::Named => "Named",
            LockReason::Base => "Base",
            LockReason::Dependency => "Dependency",
        };
        key.text(&format!("{} {} {} {reason}", package.name, package.version, package.arch));
        key.bytes(&package.sha256.0);
    }
    key.done()
}

/// The key of packages that are installed over a system: by what the system was before, and the packages' own key.
pub(super) fn over(
    before: Digest,
    packages: Digest,
    (source, removed): (&PackageSource, &[PackageId]),
) -> Digest {
    let mut key = LayerKey::of("over");
    key.bytes(&before.0);
    key.bytes(&packages.0);
    // Not every kind has what is removed in the lock.
    for line in source.backend().lock_inputs() {
        key.texts(&line);
    }
    for one in removed {
        key.text(&format!("{} {} {}", one.name, one.version, one.arch));
    }
    key.done()
}

/// The key of the files that a stage installs: its tools by their own key, its sources and patches by their digests.
pub(super) fn stage(
    stage: &Stage,
    recipe: &Recipe,
    tools: Digest,
    sources: &[Digest],
    patches: &[(String, Vec<u8>)],
) -> Digest {
    let mut key = LayerKey::of("stage");
    key.text(&format!("{:?}", recipe.clock));
    key.random(Seed::shared(), recipe);
    key.bytes(&tools.0);
    for (source, digest) in stage.sources.iter().zip(sources) {
        key.text(&format!("{} {}", source.folder, source.strip));
        key.bytes(&digest.0);
    }
    for (_, patch) in patches {
        key.bytes(&Digest::of(patch).0);
    }
    key.texts(&stage.run);
    key.env(&stage.env);
    for (from, to) in &stage.installs {
        key.text(from);
        key.text(to);
    }
    key.done()
}

/// The key of a tree after the commands of a recipe, by what it was before.
pub(super) fn run(
    before: Digest,
    (recipe, options): (&Recipe, &BuildOptions),
    stale: bool,
    seed: Seed,
    time: BuildTime,
) -> Digest {
    let mut key = LayerKey::of("run with steps");
    key.text(if stale { "initrds" } else { "" });
    key.text(&format!("{:?}", recipe.clock));
    key.random(seed, recipe);
    key.epoch(recipe, options);
    key.text(&format!("{} {}", time.latest.secs, time.made.secs));
    key.bytes(&before.0);
    for run in &recipe.runs {
        key.text(&run.command);
        key.env(&run.env);
    }
    key.done()
}

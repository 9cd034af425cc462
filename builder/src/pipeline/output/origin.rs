//! The origin of an image in its manifest: name, version, architecture, inputs, and what was removed from it.

use amiforge_formats::time::Time;
use amiforge_formats::tree::Printable;
use amiforge_image::manifest::{AllowedLeak, Cleaned, ImageOrigin, ManifestInput, Secret};
use amiforge_image::measure::Measurements;
use amiforge_packages::locked::LockedPackage;
use amiforge_rootfs::normalize::{PathOutcome, RuleChange};

use super::secrets;
use crate::lock::Lock;
use crate::pipeline::layers::LayerBuilder;
use crate::pipeline::system::Inputs;
use crate::provenance::kept_base;

/// The inputs: what the lock pins, then the sources, then files of the host, then the snapshot whose disk is kept.
fn inputs(builder: &LayerBuilder<'_>, inputs: &Inputs<'_>) -> Vec<ManifestInput> {
    builder.options.lock.iter().flat_map(locked).chain(named(builder, inputs)).collect()
}

/// The inputs that are no entries of the lock.
pub(super) fn named(builder: &LayerBuilder<'_>, inputs: &Inputs<'_>) -> Vec<ManifestInput> {
    let sources = inputs.sources.inputs.iter().map(|input| ManifestInput {
        kind: input.kind.to_owned(),
        name: input.label.clone(),
        sha256: input.sha256,
    });
    let base = kept_base(builder.recipe, builder.options.lock.as_ref());
    sources.chain(inputs.host_files.inputs()).chain(base).collect()
}

/// The inputs that a lock pins.
fn locked(lock: &Lock) -> impl Iterator<Item = ManifestInput> + '_ {
    let stages = lock.stages.iter().flat_map(|stage| {
        let source = |source: &crate::lock::LockedSource| ManifestInput {
            kind: "source".to_owned(),
            name: format!("{}: {}", stage.name, source.label),
            sha256: Some(source.sha256),
        };
        let tools = stage.packages.iter().map(|tool| package("tool", tool));
        stage.sources.iter().map(source).chain(tools)
    });
    lock.image.iter().map(|one| package(one.kind.name(), one)).chain(stages)
}

fn package(kind: &str, package: &LockedPackage) -> ManifestInput {
    ManifestInput {
        kind: kind.to_owned(),
        name: format!("{} {} {}", package.name, package.version, package.arch),
        sha256: Some(package.sha256),
    }
}

/// All of it.
pub(super) fn origin(
    builder: &LayerBuilder<'_>,
    (epoch, boot_mode): (Time, Option<&str>),
    inputs: &Inputs<'_>,
    (secrets, leaks): (Vec<Secret>, Vec<AllowedLeak>),
    measurements: Option<Measurements>,
) -> ImageOrigin {
    let (recipe, lock) = (builder.recipe, builder.options.lock.as_ref());
    let cleaned = |change: &RuleChange| Cleaned {
        outcome: match change.outcome {
            PathOutcome::Removed => "removed".to_owned(),
            PathOutcome::Emptied => "emptied".to_owned(),
            PathOutcome::Opened => "owner root and mode 0755 set".to_owned(),
        },
        path: Printable(&change.path).to_string(),
        rule: change.rule.name().to_owned(),
    };
    ImageOrigin {
        name: recipe.image.name.clone(),
        version: recipe.image.version.clone(),
        arch: recipe.image.arch.name().to_owned(),
        epoch: epoch.secs,
        boot_mode: boot_mode.map(str::to_owned),
        recipe: recipe.digest,
        lock: lock.map(Lock::digest),
        inputs: self::inputs(builder, inputs),
        cleaned: inputs.changes.iter().map(cleaned).collect(),
        secrets,
        secrets_unknown: secrets::unknown(recipe),
        leaks_allowed: leaks,
        skipped: inputs.skipped.clone(),
        measurements,
    }
}

//! Provenance: the predicate that says from what, by what and under which parameters an image was built.
//!
//! Follows SLSA Provenance 1.0 (<https://slsa.dev/spec/v1.0/provenance>), whose dependencies are in-toto resource
//! descriptors. Reproducible: keys are sorted, there is no time in it, and the invocation is named by the digest of the lock.
//! It knows nothing of the image's bytes, so it can be put into the image that it describes.

mod aws_resource;
mod dependencies;
pub mod summary;
#[cfg(test)]
mod tests;

use amiforge_image::manifest::ManifestInput;
use amiforge_image::provenance::{BUILD_TYPE, BUILDER_ID};
use amiforge_rootfs::assemble::ListedInput;
use amiforge_rootfs::sources::DigestPin;
use amiforge_sandbox::SandboxClock;
use serde_json::{Map, Value, json};

use crate::lock::Lock;
use crate::recipe::{Recipe, Scripts};

/// What a predicate is made of.
#[derive(Debug, Clone, Copy)]
pub struct BuildFacts<'a> {
    /// The recipe.
    pub recipe: &'a Recipe,
    /// Its lock; none for a recipe that has nothing to lock.
    pub lock: Option<&'a Lock>,
    /// `SOURCE_DATE_EPOCH` of the build, which goes before the recipe's own epoch.
    pub source_date_epoch: Option<i64>,
    /// The inputs that no lock pins, in the order and with the names of the manifest: sources, then files of the host, then
    /// the snapshot whose disk is kept, then signatures.
    pub inputs: &'a [ManifestInput],
    /// The patches of stages, which the manifest does not list.
    pub patches: &'a [ManifestInput],
}

/// What the disk is of that is kept: a snapshot, by which its child finds it (see [`ManifestInput::base_snapshot`]), or a file.
pub fn kept_base(recipe: &Recipe, lock: Option<&Lock>) -> Option<ManifestInput> {
    let first = recipe.sources.first().filter(|_| recipe.keep)?;
    let Some(named) = recipe.snapshots.iter().position(|named| named.source == 0) else {
        let sha256 = match first.pin {
            DigestPin::Exact(digest) => Some(digest),
            _ => None,
        };
        return Some(ManifestInput::of_base_file(&first.label, sha256));
    };
    let locked = lock?.snapshots.get(named)?;
    Some(ManifestInput::of_base(&locked.snapshot, &locked.region, locked.sha256))
}

/// The predicate.
pub fn predicate(facts: &BuildFacts<'_>) -> Value {
    let recipe = facts.recipe;
    let mut metadata = Map::new();
    let mut external = json!({
        "image": { "arch": recipe.image.arch.name(), "name": recipe.image.name },
        "options": {},
        "recipe": { "digest": { "sha256": recipe.digest.to_string() }, "name": "recipe.toml" },
    });
    if let Some(version) = &recipe.image.version {
        external["image"]["version"] = json!(version);
    }
    if let Some(epoch) = facts.source_date_epoch {
        external["options"]["sourceDateEpoch"] = json!(epoch);
    }
    if let Some(lock) = facts.lock {
        let digest = lock.digest().to_string();
        external["lock"] = json!({ "digest": { "sha256": digest }, "name": "recipe.lock" });
        metadata.insert("invocationId".to_owned(), json!(digest));
    }
    json!({
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": external,
            "internalParameters": {
                "notHermetic": not_hermetic(recipe),
                "tool": { "name": "amiforge", "version": env!("CARGO_PKG_VERSION") },
            },
            "resolvedDependencies": dependencies::all(facts),
        },
        "runDetails": {
            "builder": { "id": BUILDER_ID, "version": { "amiforge": env!("CARGO_PKG_VERSION") } },
            "metadata": metadata,
        },
    })
}

/// The text of a predicate: indented, with a newline at its end.
pub fn text(predicate: &Value) -> String {
    format!("{predicate:#}\n")
}

/// Sources as they are known before the first byte of the image is written: digests that no recipe pins are taken on the
/// way, so what goes into the image has only those that are pinned.
pub fn pinned(inputs: &[ListedInput]) -> Vec<ManifestInput> {
    let pinned = |input: &ListedInput| ManifestInput {
        kind: input.kind.to_owned(),
        name: input.label.clone(),
        sha256: input.sha256.filter(|_| input.pinned),
    };
    inputs.iter().map(pinned).collect()
}

/// What could reach the image besides parameters and dependencies, as words: nothing, unless the recipe gives its commands
/// the clock of the host.
fn not_hermetic(recipe: &Recipe) -> Vec<&'static str> {
    let scripts =
        recipe.packages.as_ref().is_some_and(|packages| packages.backend().scripts() == Scripts::Run);
    let runs = scripts || !recipe.runs.is_empty() || !recipe.stages.is_empty();
    if runs && recipe.clock != SandboxClock::Still { vec!["clock"] } else { Vec::new() }
}

/// A text as a part of a URI (RFC 3986, 2.1), in which `/` and `@` stay.
fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;

    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~/+@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

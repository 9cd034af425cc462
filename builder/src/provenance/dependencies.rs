//! The dependencies of a build as in-toto resource descriptors: a line for each entry of the lock, and one for each input
//! that no lock pins.
//!
//! Follows the in-toto Attestation Framework 1.0, `ResourceDescriptor`. `name` and the annotation `kind` are those of the
//! manifest's `inputs`, in the same order, so both can be compared; a host's path or mirror is in none.

use amiforge_formats::digest::Digest;
use amiforge_image::manifest::ManifestInput;
use amiforge_image::provenance::{PATCH, RELEASE};
use amiforge_packages::backend::DistributionRelease;
use amiforge_packages::host::without_credentials;
use amiforge_packages::locked::{LockReason, LockedArchive, LockedPackage, PackageId};
use amiforge_rootfs::sources::{SourceKind, SourceSpec};
use serde_json::{Value, json};

use super::{BuildFacts, aws_resource, percent_encoded};
use crate::lock::{Lock, LockedSource, LockedStage};
use crate::recipe::{Recipe, SourceFrom, Stage};

/// Every dependency: the archives that the lock was made from, then the inputs in the order of the manifest, then patches.
pub(super) fn all(facts: &BuildFacts<'_>) -> Vec<Value> {
    let recipe = facts.recipe;
    let locked = facts.lock.into_iter().flat_map(|lock| locked(lock, recipe));
    let named = facts.inputs.iter().map(|input| disk(input, facts).unwrap_or_else(|| file(input, recipe)));
    let patches = facts.patches.iter().map(|patch| file(patch, recipe));
    locked.chain(named).chain(patches).collect()
}

fn locked<'a>(lock: &'a Lock, recipe: &'a Recipe) -> impl Iterator<Item = Value> + 'a {
    let stages = lock.stages.iter().enumerate().flat_map(move |(index, locked)| {
        let stage = recipe.stages.get(index);
        let sources = locked.sources.iter().enumerate();
        let sources = sources.map(move |(index, source)| stage_source(locked, source, index, stage));
        let tools = locked.packages.iter();
        sources.chain(tools.map(move |tool| package("tool", tool, recipe, Some(&locked.name))))
    });
    let image = lock.image.iter().map(move |one| package(one.kind.name(), one, recipe, None));
    lock.archives.iter().map(archive).chain(image).chain(stages)
}

/// The signed list of a suite, by which its indexes and so its packages were checked.
fn archive(archive: &LockedArchive) -> Value {
    let mut annotations = json!({ "archive": archive.name, "kind": RELEASE, "published": archive.date, "suite": archive.suite });
    if let Some(signer) = &archive.signer {
        annotations["signer"] = json!(signer);
    }
    json!({
        "annotations": annotations,
        "digest": { "sha256": archive.release.to_string() },
        "name": format!("{} {}", archive.name, archive.suite),
    })
}

/// A package of the image, or of the tools of a stage.
fn package(kind: &str, package: &LockedPackage, recipe: &Recipe, stage: Option<&str>) -> Value {
    let id = PackageId {
        name: package.name.clone(),
        version: package.version.clone(),
        arch: package.arch.clone(),
    };
    let release = recipe.packages.as_ref().map(|packages| packages.backend().release());
    let release = release.unwrap_or(DistributionRelease { distribution: &package.archive, suite: "" });
    let reason = match package.reason {
        LockReason::Named => "named",
        LockReason::Base => "base",
        LockReason::Dependency => "dependency",
    };
    let mut annotations =
        json!({ "archive": package.archive, "kind": kind, "path": package.path, "reason": reason });
    if let Some(stage) = stage {
        annotations["stage"] = json!(stage);
    }
    json!({
        "annotations": annotations,
        "digest": { "sha256": package.sha256.to_string() },
        "name": format!("{} {} {}", package.name, package.version, package.arch),
        "uri": package.kind.format().purl(&id, &release),
    })
}

/// A source of a stage, at the address that the recipe gives.
fn stage_source(locked: &LockedStage, source: &LockedSource, index: usize, stage: Option<&Stage>) -> Value {
    let mut annotations = json!({ "kind": "source", "stage": locked.name });
    let from = stage.and_then(|stage| stage.sources.get(index)).map(|source| &source.from);
    let uri = match from {
        Some(SourceFrom::Url(url)) => Some(without_credentials(url)),
        Some(SourceFrom::Path(_, name)) => Some(file_uri(name)),
        Some(SourceFrom::Git { url, commit }) => {
            annotations["gitCommit"] = json!(commit);
            Some(format!("git+{}@{commit}", without_credentials(url)))
        }
        Some(SourceFrom::Archive { archive, path }) => {
            annotations["archive"] = json!(archive);
            annotations["path"] = json!(path);
            None
        }
        None => None,
    };
    let name = format!("{}: {}", locked.name, source.label);
    descriptor(&annotations, &name, Some(source.sha256), uri)
}

/// An input that is the disk of a snapshot or an AMI; none for another.
fn disk(input: &ManifestInput, facts: &BuildFacts<'_>) -> Option<Value> {
    let mut annotations = json!({ "kind": input.kind });
    let at = facts.recipe.snapshots.iter().position(|named| named.label == input.name);
    let locked = at.and_then(|at| facts.lock?.snapshots.get(at));
    let uri = match (locked, input.base_snapshot()) {
        (Some(locked), _) => aws_resource::of_locked(locked, &mut annotations),
        (None, Some(base)) => aws_resource::of_base(base),
        (None, None) => return None,
    };
    Some(descriptor(&annotations, &input.name, input.sha256, Some(uri)))
}

/// An input that no lock pins: a source, a file of the host, a signature, or a patch.
fn file(input: &ManifestInput, recipe: &Recipe) -> Value {
    let named = |source: &&SourceSpec| source.label == input.name;
    let path = recipe.sources.iter().find(named).map(|source| match &source.kind {
        SourceKind::Dir { path, .. }
        | SourceKind::Tar { path }
        | SourceKind::Oci { path, .. }
        | SourceKind::Image { path, .. } => path,
    });
    // The last name of a path, which the label has too: the rest may be a folder of the host.
    let last = path.and_then(|path| path.file_name()).map(|name| name.to_string_lossy());
    let uri = match last {
        Some(name) => Some(file_uri(&name)),
        None if matches!(input.kind.as_str(), "file" | PATCH) => Some(file_uri(&input.name)),
        // A descriptor needs a digest or an address.
        None => input.sha256.is_none().then(|| file_uri(&input.name)),
    };
    descriptor(&json!({ "kind": input.kind }), &input.name, input.sha256, uri)
}

fn descriptor(annotations: &Value, name: &str, sha256: Option<Digest>, uri: Option<String>) -> Value {
    let mut descriptor = json!({ "annotations": annotations, "name": name });
    if let Some(sha256) = sha256 {
        descriptor["digest"] = json!({ "sha256": sha256.to_string() });
    }
    if let Some(uri) = uri {
        descriptor["uri"] = json!(uri);
    }
    descriptor
}

/// A name of the recipe as a URI with a relative path (RFC 3986, 3.3): never the path on the host.
fn file_uri(name: &str) -> String {
    format!("file:{}", percent_encoded(name))
}

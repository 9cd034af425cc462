//! `[[source]]`: from keys to specs.

use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use amiforge_packages::PackageSource;
use amiforge_packages::backend::Scripts;
use amiforge_packages::over::UpgradePolicy;
use amiforge_rootfs::sources::oci::check_platform;
use amiforge_rootfs::sources::{DigestPin, OwnerRule, SourceKind, SourceSpec};

use super::checker::Checker;
use super::diagnostic::KeyPath;
use super::disk_choice::{DiskChoice, check_name, check_owner};
use super::keys::{AmiKey, NewestAmiKeys, SourceKeys, SourceKindKey};
use super::spec::SnapshotSource;
use super::{Arch, packages, parse};

/// The sources of a recipe.
#[derive(Default)]
pub(super) struct CheckedSources {
    /// The source of packages.
    pub(super) packages: Option<PackageSource>,
    /// Of packages over the first source: which of its packages get newer versions.
    pub(super) upgrade: Option<UpgradePolicy>,
    /// The others.
    pub(super) others: Vec<SourceSpec>,
    /// Those of the others that are disks of snapshots.
    pub(super) snapshots: Vec<SnapshotSource>,
}

/// Checks every source.
pub(super) fn check(
    all: &[SourceKeys],
    arch: Arch,
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> CheckedSources {
    let mut checked = CheckedSources::default();
    for (index, keys) in all.iter().enumerate() {
        let at = at.index(index);
        only_its_own_keys(keys, &at, checker);
        if let Some(kind) = packages::kind(keys.kind) {
            match all.first().filter(|first| index == 1 && first.kind == SourceKindKey::Image) {
                Some(image) => {
                    over_image(image, keys, &at, checker);
                    checked.upgrade = Some(keys.upgrade.unwrap_or_default());
                }
                None if index > 0 => {
                    let message = format!(
                        "{} comes first, or second over an `image`, and there is one at most",
                        packages::named(kind)
                    );
                    checker.reject(at.key("kind"), message);
                }
                None if keys.upgrade.is_some() => {
                    checker.reject_key(at.key("upgrade"), "`upgrade` is for packages over an `image` source");
                }
                None => {}
            }
            let packages = packages::check(kind, keys, arch, &at, checker);
            if checked.upgrade.is_some() && packages.backend().over().is_none() {
                let message = format!(
                    "{} cannot go over an image yet: name it first, or use `[[run]]`",
                    packages::named(kind)
                );
                checker.reject(at.key("kind"), message);
            }
            checked.packages = Some(packages);
        } else {
            let choice = disk_choice(keys, &at, checker);
            let Some(spec) = source(keys, index, arch, &at, checker) else { continue };
            if let Some(choice) = choice {
                let (label, region) = (spec.label.clone(), keys.region.clone());
                checked.snapshots.push(SnapshotSource {
                    source: checked.others.len(),
                    label,
                    choice,
                    region,
                });
            }
            checked.others.push(spec);
        }
    }
    checked
}

/// Packages over an image: what they cannot be, and what the image must have.
fn over_image(image: &SourceKeys, keys: &SourceKeys, at: &KeyPath, checker: &mut Checker<'_>) {
    if image.path.is_some() && image.sha256.as_deref().is_none_or(|sha256| sha256 == "record") {
        let message = "packages over an `image` need its `sha256`: the lock is made for this image and no other \
                       (`sha256sum FILE`)";
        checker.reject(at.key("kind"), message);
    }
    if image.prefix.is_some() || image.strip.is_some() {
        checker.reject(at.key("kind"), "packages go over a whole `image`, without `prefix` and `strip`");
    }
    if keys.base.is_some() {
        checker.reject_key(at.key("base"), "the image is what the packages go over: leave `base` out");
    }
    if keys.scripts.is_some_and(|scripts| scripts != Scripts::Run) {
        let message = "packages over an `image` are installed by its own package manager: `\"run\"`";
        checker.reject_key(at.key("scripts"), message);
    }
}

/// The snapshot or AMI that an `image` source names in place of a path.
fn disk_choice(keys: &SourceKeys, at: &KeyPath, checker: &mut Checker<'_>) -> Option<DiskChoice> {
    let key = if keys.snapshot.is_some() { "snapshot" } else { "ami" };
    let choice = match (&keys.snapshot, &keys.ami) {
        (Some(id), _) => checker.accept(at.key(key), DiskChoice::snapshot(id)),
        (None, Some(AmiKey::Text(text))) => checker.accept(at.key(key), DiskChoice::ami(text)),
        (None, Some(AmiKey::Newest(newest))) => newest_ami(newest, &at.key(key), checker),
        (None, None) => return None,
    };
    let given = [keys.path.is_some(), keys.snapshot.is_some(), keys.ami.is_some()];
    if given.iter().filter(|given| **given).count() > 1 {
        checker.reject(at.key(key), "an `image` source is one of `path`, `snapshot` and `ami`");
    }
    if keys.sha256.is_some() {
        checker.reject_key(at.key("sha256"), format!("the lock pins what `{key}` names"));
    }
    choice
}

fn newest_ami(keys: &NewestAmiKeys, at: &KeyPath, checker: &mut Checker<'_>) -> Option<DiskChoice> {
    let owner = checker.accept(at.key("owner"), check_owner(&keys.owner));
    let name = checker.accept(at.key("name"), check_name(&keys.name));
    owner.and(name).map(|()| DiskChoice::Newest { owner: keys.owner.clone(), name: keys.name.clone() })
}

/// The text by which an `image` source names a snapshot or an AMI, also where it is none.
fn named_in_region(keys: &SourceKeys) -> Option<&str> {
    match (&keys.snapshot, &keys.ami) {
        (Some(text), _) | (None, Some(AmiKey::Text(text))) => Some(text),
        (None, Some(AmiKey::Newest(newest))) => Some(&newest.name),
        (None, None) => None,
    }
}

fn source(
    keys: &SourceKeys,
    index: usize,
    arch: Arch,
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> Option<SourceSpec> {
    let from_region = named_in_region(keys).filter(|_| keys.kind == SourceKindKey::Image);
    let (given, path) = match (from_region, &keys.path) {
        // Where its file is follows from the lock.
        (Some(text), _) => (text, PathBuf::from(text)),
        (None, Some(given)) => (given.as_str(), checker.host_path(at.key("path"), given)),
        (None, None) => {
            let message = match keys.kind {
                SourceKindKey::Image => "an `image` source needs `path`, `snapshot` or `ami`",
                _ => "`[[source]]` needs the key `path`",
            };
            checker.reject(at.key("path"), message);
            return None;
        }
    };
    let kind = match keys.kind {
        SourceKindKey::Dir => {
            SourceKind::Dir { path, owners: owners(keys, at, checker), modes: keys.modes.unwrap_or_default() }
        }
        SourceKindKey::Tar => SourceKind::Tar { path },
        SourceKindKey::Oci => {
            let platform = keys.platform.clone().unwrap_or_else(|| arch.oci_platform().to_owned());
            checker.accept(at.key("platform"), check_platform(&platform).map_err(|error| error.to_string()));
            SourceKind::Oci { path, platform, reference: keys.reference.clone() }
        }
        SourceKindKey::Image => SourceKind::Image { path, partition: keys.partition.clone(), keep: false },
        // Packages of any kind.
        _ => return None,
    };
    let pin =
        checker.accept_optional(at.key("sha256"), keys.sha256.as_ref(), pin).unwrap_or(DigestPin::Unpinned);
    let name = Path::new(given).file_name().map(|name| name.to_string_lossy().into_owned());
    Some(SourceSpec {
        label: format!("source {} ({})", index + 1, name.as_deref().unwrap_or(given)),
        kind,
        pin,
        strip: keys.strip.and_then(|strip| u32::try_from(strip).ok()).unwrap_or(0),
        prefix: checker
            .accept_optional(at.key("prefix"), keys.prefix.as_ref(), parse::image_path)
            .unwrap_or_default(),
        exclude: globs(&keys.exclude, &at.key("exclude"), checker),
        overrides: keys.r#override,
    })
}

/// Rejects keys that this kind of source does not have.
fn only_its_own_keys(keys: &SourceKeys, at: &KeyPath, checker: &mut Checker<'_>) {
    let foreign = [
        (
            "owners",
            SourceKindKey::Dir,
            !keys.owners.is_empty(),
            "a `dir` source: archives bring their owners",
        ),
        ("modes", SourceKindKey::Dir, keys.modes.is_some(), "a `dir` source: archives bring their modes"),
        ("platform", SourceKindKey::Oci, keys.platform.is_some(), "an `oci` source"),
        ("reference", SourceKindKey::Oci, keys.reference.is_some(), "an `oci` source"),
        ("partition", SourceKindKey::Image, keys.partition.is_some(), "an `image` source"),
        ("snapshot", SourceKindKey::Image, keys.snapshot.is_some(), "an `image` source"),
        ("ami", SourceKindKey::Image, keys.ami.is_some(), "an `image` source"),
        ("region", SourceKindKey::Image, keys.region.is_some(), "an `image` source"),
    ];
    for (key, kind, given, kind_name) in foreign {
        if given && keys.kind != kind {
            checker.reject_key(at.key(key), format!("`{key}` is for {kind_name}"));
        }
    }
    for (key, kinds) in packages::misplaced(keys) {
        checker.reject_key(at.key(key), format!("`{key}` is for {kinds}"));
    }
    let of_files = [
        ("path", keys.path.is_some()),
        ("sha256", keys.sha256.is_some()),
        ("strip", keys.strip.is_some()),
        ("prefix", keys.prefix.is_some()),
        ("override", keys.r#override),
    ];
    if let Some(kind) = packages::kind(keys.kind) {
        for (key, _) in of_files.iter().filter(|(_, given)| *given) {
            let message = format!("`{key}` is for folders and archives, not for {}", packages::named(kind));
            checker.reject_key(at.key(key), message);
        }
    }
    if keys.kind == SourceKindKey::Dir && keys.sha256.is_some() {
        checker.reject_key(at.key("sha256"), "a `dir` source has no digest; pack it as a tar to pin it");
    }
}

fn owners(keys: &SourceKeys, at: &KeyPath, checker: &mut Checker<'_>) -> Vec<OwnerRule> {
    let mut rules = Vec::new();
    for (index, rule) in keys.owners.iter().enumerate() {
        let at = at.key("owners").index(index);
        if let Some((uid, gid)) = checker.accept(at.key("owner"), parse::owner_ids(&rule.owner)) {
            rules.push(OwnerRule { path: rule.path.clone(), uid, gid });
        }
    }
    rules
}

fn globs(all: &[String], at: &KeyPath, checker: &mut Checker<'_>) -> Vec<String> {
    for (index, glob) in all.iter().enumerate() {
        if glob.is_empty() {
            checker.reject(at.index(index), "an empty glob matches nothing");
        }
    }
    all.to_vec()
}

fn pin(text: &str) -> Result<DigestPin, String> {
    if text == "record" {
        return Ok(DigestPin::Record);
    }
    let digest =
        digest(text).ok_or_else(|| format!("`{text}` is neither 64 hexadecimal digits nor `record`"))?;
    Ok(DigestPin::Exact(digest))
}

/// A digest in the recipe, without `record`.
pub(super) fn exact(text: &str) -> Result<Digest, String> {
    digest(text).ok_or_else(|| format!("`{text}` is not 64 hexadecimal digits"))
}

fn digest(text: &str) -> Option<Digest> {
    // Registries print the digest with a prefix, `sha256sum` without.
    text.strip_prefix("sha256:").unwrap_or(text).to_ascii_lowercase().parse().ok()
}

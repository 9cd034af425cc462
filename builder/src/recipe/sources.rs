//! `[[source]]`: from keys to specs.

use std::path::Path;

use amiforge_formats::digest::Digest;
use amiforge_packages::PackageSource;
use amiforge_rootfs::sources::oci::check_platform;
use amiforge_rootfs::sources::{DigestPin, OwnerRule, SourceKind, SourceSpec};

use super::checker::Checker;
use super::diagnostic::KeyPath;
use super::keys::{SourceKeys, SourceKindKey};
use super::{Arch, packages, parse};

/// Checks every source; returns the source of packages and the others.
pub(super) fn check(
    all: &[SourceKeys],
    arch: Arch,
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> (Option<PackageSource>, Vec<SourceSpec>) {
    let (mut source_of_packages, mut others) = (None, Vec::new());
    for (index, keys) in all.iter().enumerate() {
        let at = at.index(index);
        only_its_own_keys(keys, &at, checker);
        if let Some(kind) = packages::kind(keys.kind) {
            if index > 0 {
                let message = format!("{} comes first, and there is one at most", packages::named(kind));
                checker.reject(at.key("kind"), message);
            }
            source_of_packages = Some(packages::check(kind, keys, arch, &at, checker));
        } else {
            others.extend(source(keys, index, arch, &at, checker));
        }
    }
    (source_of_packages, others)
}

fn source(
    keys: &SourceKeys,
    index: usize,
    arch: Arch,
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> Option<SourceSpec> {
    let Some(given) = &keys.path else {
        checker.reject(at.key("path"), "`[[source]]` needs the key `path`");
        return None;
    };
    let path = checker.host_path(at.key("path"), given);
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

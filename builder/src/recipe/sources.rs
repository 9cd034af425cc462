//! `[[source]]`: from keys to specs.

use std::path::Path;

use amiforge_rootfs::sources::{OwnerRule, Pin, SourceKind, SourceSpec};

use super::check::Checker;
use super::keys::{SourceKeys, SourceKindKey};
use super::mistake::At;
use super::{Arch, values};

/// Checks every source.
pub(super) fn check(all: &[SourceKeys], arch: Arch, at: &At, checker: &mut Checker<'_>) -> Vec<SourceSpec> {
    all.iter().enumerate().map(|(index, keys)| source(keys, index, arch, &at.index(index), checker)).collect()
}

fn source(keys: &SourceKeys, index: usize, arch: Arch, at: &At, checker: &mut Checker<'_>) -> SourceSpec {
    only_its_own_keys(keys, at, checker);
    let path = checker.host_path(at.key("path"), &keys.path);
    let kind = match keys.kind {
        SourceKindKey::Dir => SourceKind::Dir { path, owners: owners(keys, at, checker) },
        SourceKindKey::Tar => SourceKind::Tar { path },
        SourceKindKey::Oci => {
            let by_arch = match arch {
                Arch::X86_64 => "linux/amd64",
                Arch::Aarch64 => "linux/arm64",
            };
            let platform = keys.platform.clone().unwrap_or_else(|| by_arch.to_owned());
            SourceKind::Oci { path, platform, reference: keys.reference.clone() }
        }
    };
    let pin = checker.optional(at.key("sha256"), keys.sha256.as_ref(), pin).unwrap_or(Pin::Unpinned);
    let name = Path::new(&keys.path).file_name().map(|name| name.to_string_lossy().into_owned());
    SourceSpec {
        label: format!("source {} ({})", index + 1, name.as_deref().unwrap_or(&keys.path)),
        kind,
        pin,
        strip: keys.strip.and_then(|strip| u32::try_from(strip).ok()).unwrap_or(0),
        prefix: checker
            .optional(at.key("prefix"), keys.prefix.as_ref(), values::image_path)
            .unwrap_or_default(),
        exclude: globs(&keys.exclude, &at.key("exclude"), checker),
        overrides: keys.r#override,
    }
}

/// Tells of keys that mean nothing for this kind of source.
fn only_its_own_keys(keys: &SourceKeys, at: &At, checker: &mut Checker<'_>) {
    let foreign = [
        (
            "owners",
            SourceKindKey::Dir,
            !keys.owners.is_empty(),
            "a `dir` source: archives bring their owners",
        ),
        ("platform", SourceKindKey::Oci, keys.platform.is_some(), "an `oci` source"),
        ("reference", SourceKindKey::Oci, keys.reference.is_some(), "an `oci` source"),
    ];
    for (key, kind, given, whose) in foreign {
        if given && keys.kind != kind {
            checker.misplaced(at.key(key), format!("`{key}` is for {whose}"));
        }
    }
    if keys.kind == SourceKindKey::Dir && keys.sha256.is_some() {
        checker.misplaced(at.key("sha256"), "a `dir` source has no digest; pack it as a tar to pin it");
    }
}

fn owners(keys: &SourceKeys, at: &At, checker: &mut Checker<'_>) -> Vec<OwnerRule> {
    let mut rules = Vec::new();
    for (index, rule) in keys.owners.iter().enumerate() {
        let at = at.key("owners").index(index);
        if let Some((uid, gid)) = checker.accept(at.key("owner"), values::owner_ids(&rule.owner)) {
            rules.push(OwnerRule { path: rule.path.clone(), uid, gid });
        }
    }
    rules
}

fn globs(all: &[String], at: &At, checker: &mut Checker<'_>) -> Vec<String> {
    for (index, glob) in all.iter().enumerate() {
        if glob.is_empty() {
            checker.wrong(at.index(index), "an empty glob matches nothing");
        }
    }
    all.to_vec()
}

fn pin(text: &str) -> Result<Pin, String> {
    if text == "record" {
        return Ok(Pin::Record);
    }
    // What registries and `sha256sum` print are both welcome.
    let digits = text.strip_prefix("sha256:").unwrap_or(text).to_ascii_lowercase();
    let digest =
        digits.parse().map_err(|_| format!("`{text}` is neither 64 hexadecimal digits nor `record`"))?;
    Ok(Pin::Exact(digest))
}

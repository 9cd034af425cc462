//! `[[file]]`, `[[user]]`, `[[group]]`, `[system]` and `[normalize]`: from keys to specs.

use std::collections::{BTreeMap, BTreeSet};

use amiforge_image::manifest::AllowedLeak;
use amiforge_leaks::{Allowance, AllowanceError};
use amiforge_rootfs::glob::Globs;
use amiforge_rootfs::normalize::NormalizeRule;
use amiforge_rootfs::steps::accounts::{
    AccountClass, GroupSpec, MakeHome, Principal, SubordinateIds, UserSpec,
};
use amiforge_rootfs::steps::files::{IfMissing, XattrValue};
use amiforge_rootfs::steps::system::SystemSpec;
use amiforge_rootfs::steps::units::{Presets, UnitsSpec};

use super::checker::Checker;
use super::diagnostic::KeyPath;
use super::keys::{
    AllowLeakKeys, FileKeys, GroupKeys, NormalizeKeys, NumberOrText, RemoveKey, SecretsKeys, SystemKeys,
    UserKeys, XattrKey,
};
use super::{Allowed, FileEntry, FilePut, Fstab, Secrets, parse};

/// Checks every `[[file]]`.
pub(super) fn files(all: &[FileKeys], at: &KeyPath, checker: &mut Checker<'_>) -> Vec<FileEntry> {
    all.iter().enumerate().filter_map(|(index, keys)| file(keys, &at.index(index), checker)).collect()
}

fn file(keys: &FileKeys, at: &KeyPath, checker: &mut Checker<'_>) -> Option<FileEntry> {
    let path = checker.accept(at.key("path"), parse::image_path(&keys.path));
    let put = put(keys, at, checker);
    if matches!(put, Some(FilePut::Symlink(_) | FilePut::Remove(_))) && keys.mode.is_some() {
        checker.reject_key(at.key("mode"), "a link or a removal has no mode");
    }
    let mode = checker.accept_optional(at.key("mode"), keys.mode.as_ref(), parse::mode);
    let owner = checker.accept_optional(at.key("owner"), keys.owner.as_ref(), parse::owner);
    let (user, group) = owner.map_or((None, None), |(user, group)| (Some(user), group));
    let xattrs = xattrs(&keys.xattrs, &at.key("xattrs"), checker);
    Some(FileEntry { path: path?, put: put?, mode, user, group, xattrs })
}

/// What a `[[file]]` puts at its path; exactly one key may be given.
fn put(keys: &FileKeys, at: &KeyPath, checker: &mut Checker<'_>) -> Option<FilePut> {
    let mut puts = Vec::new();
    if let Some(text) = &keys.content {
        puts.push(("content", FilePut::Bytes(text.as_bytes().into())));
    }
    if let Some(name) = &keys.source {
        let path = checker.host_path(at.key("source"), name);
        puts.push(("source", FilePut::HostFile { path, name: name.clone() }));
    }
    if let Some(target) = &keys.symlink {
        if target.is_empty() || target.len() > amiforge_formats::tree::SYMLINK_MAX || target.contains('\0') {
            checker.reject(at.key("symlink"), "a link's target has 1 to 4095 bytes and no NUL");
        }
        puts.push(("symlink", FilePut::Symlink(target.clone())));
    }
    match keys.folder {
        Some(true) => puts.push(("folder", FilePut::Folder)),
        Some(false) => checker.reject(at.key("folder"), "`false` says nothing; leave the key out"),
        None => {}
    }
    match &keys.remove {
        Some(RemoveKey::Whether(true)) => puts.push(("remove", FilePut::Remove(IfMissing::Refuse))),
        Some(RemoveKey::Option(option)) if option == "if-present" => {
            puts.push(("remove", FilePut::Remove(IfMissing::Accept)));
        }
        Some(_) => checker.reject(at.key("remove"), "expected is `true` or `\"if-present\"`"),
        None => {}
    }
    for (key, _) in puts.iter().skip(1) {
        checker.reject_key(at.key(key), format!("`{}` says already what to put here", puts[0].0));
    }
    if puts.is_empty() && keys.folder.is_none() && keys.remove.is_none() {
        checker.reject(
            at.clone(),
            "a `[[file]]` needs one of `content`, `source`, `symlink`, `folder` or `remove`",
        );
    }
    puts.into_iter().next().map(|(_, put)| put)
}

fn xattrs(
    all: &BTreeMap<String, XattrKey>,
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> BTreeMap<String, XattrValue> {
    let mut values = BTreeMap::new();
    for (name, value) in all {
        if !name.contains('.') || name.ends_with('.') || name.len() > 255 {
            let message = format!("`{name}` is not the full name of an attribute, such as `user.mime_type`");
            checker.reject_key(at.key(name), message);
        }
        let value = match value {
            XattrKey::Text(text) => Some(XattrValue::Text(text.clone())),
            XattrKey::Bytes(bytes) => {
                checker.accept(at.key(name).key("hex"), parse::hex(&bytes.hex)).map(XattrValue::Bytes)
            }
        };
        values.extend(value.map(|value| (name.clone(), value)));
    }
    values
}

/// Checks every `[[group]]`.
pub(super) fn groups(all: &[GroupKeys], at: &KeyPath, checker: &mut Checker<'_>) -> Vec<GroupSpec> {
    let mut seen = BTreeSet::new();
    let mut specs = Vec::new();
    for (index, keys) in all.iter().enumerate() {
        let at = at.index(index);
        account_name(&keys.name, &mut seen, &at, checker);
        let (name, members) = (keys.name.clone(), keys.members.clone());
        specs.push(GroupSpec { name, gid: keys.gid, class: class(keys.system), members });
    }
    specs
}

/// Checks every `[[user]]`.
pub(super) fn users(all: &[UserKeys], at: &KeyPath, checker: &mut Checker<'_>) -> Vec<UserSpec> {
    let mut seen = BTreeSet::new();
    let mut specs = Vec::new();
    for (index, keys) in all.iter().enumerate() {
        let at = at.index(index);
        account_name(&keys.name, &mut seen, &at, checker);
        specs.push(user(keys, &at, checker));
    }
    specs
}

fn user(keys: &UserKeys, at: &KeyPath, checker: &mut Checker<'_>) -> UserSpec {
    let group = keys.group.as_ref().map(|group| match group {
        NumberOrText::Number(id) => {
            u32::try_from(*id).map(Principal::Id).map_err(|_| format!("`{id}` is not the number of a group"))
        }
        NumberOrText::Text(text) => parse::principal(text),
    });
    let group = group.and_then(|group| checker.accept(at.key("group"), group));
    for (index, line) in keys.authorized_keys.iter().enumerate() {
        if line.trim().is_empty() || line.contains('\n') {
            checker.reject(
                at.key("authorized-keys").index(index),
                "each key is one line, as in `authorized_keys`",
            );
        }
    }
    for (key, text) in
        [("password-hash", &keys.password_hash), ("gecos", &keys.gecos), ("shell", &keys.shell)]
    {
        if text.as_ref().is_some_and(|text| text.contains([':', '\n'])) {
            checker.reject(at.key(key), "a `:` or a line's end would break the account files");
        }
    }
    UserSpec {
        name: keys.name.clone(),
        uid: keys.uid,
        group,
        groups: keys.groups.clone(),
        home: checker.accept_optional(at.key("home"), keys.home.as_ref(), parse::image_path),
        make_home: match keys.make_home {
            None => MakeHome::Default,
            Some(true) => MakeHome::Always,
            Some(false) => MakeHome::Never,
        },
        shell: keys.shell.clone(),
        gecos: keys.gecos.clone(),
        class: class(keys.system),
        password_hash: keys.password_hash.clone(),
        ssh_authorized_keys: keys.authorized_keys.clone(),
        subuid: checker
            .accept_optional(at.key("subuid"), keys.subuid.as_ref(), subordinate)
            .unwrap_or_default(),
        subgid: checker
            .accept_optional(at.key("subgid"), keys.subgid.as_ref(), subordinate)
            .unwrap_or_default(),
    }
}

fn class(system: bool) -> AccountClass {
    if system { AccountClass::System } else { AccountClass::Regular }
}

/// Names that useradd(8) accepts, each once.
fn account_name<'a>(name: &'a str, seen: &mut BTreeSet<&'a str>, at: &KeyPath, checker: &mut Checker<'_>) {
    let first = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    let rest = name.strip_suffix('$').unwrap_or(name);
    let plain = rest.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c));
    if !first || !plain || name.len() > 32 {
        let message =
            format!("`{name}` is not a name for an account: a-z 0-9 - _, a letter first, at most 32");
        checker.reject(at.key("name"), message);
    }
    if !seen.insert(name) {
        checker.reject(at.key("name"), format!("`{name}` stands here a second time"));
    }
}

fn subordinate(text: &str) -> Result<SubordinateIds, String> {
    if text == "none" {
        return Ok(SubordinateIds::None);
    }
    let range =
        text.split_once(':').and_then(|(start, count)| Some((start.parse().ok()?, count.parse().ok()?)));
    let range =
        range.filter(|(start, count): &(u32, u32)| *count > 0 && start.checked_add(count - 1).is_some());
    let (start, count) =
        range.ok_or_else(|| format!("`{text}` is neither `none` nor a range such as `100000:65536`"))?;
    Ok(SubordinateIds::Range { start, count })
}

/// Checks `[system]`.
pub(super) fn system(
    keys: &SystemKeys,
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> (SystemSpec, UnitsSpec, Fstab) {
    let mut seen = BTreeMap::new();
    for (key, units) in [("disable", &keys.disable), ("enable", &keys.enable), ("mask", &keys.mask)] {
        for (index, unit) in units.iter().enumerate() {
            if let Some(earlier) = seen.insert(unit.as_str(), key) {
                checker.reject(at.key(key).index(index), format!("`{unit}` stands in `{earlier}` already"));
            }
        }
    }
    let system = SystemSpec {
        hostname: keys.hostname.clone(),
        timezone: keys.timezone.clone(),
        locale: keys.locale.clone(),
    };
    let units = UnitsSpec {
        presets: if keys.presets { Presets::All } else { Presets::Keep },
        disable: keys.disable.clone(),
        enable: keys.enable.clone(),
        mask: keys.mask.clone(),
    };
    (system, units, keys.fstab.unwrap_or(Fstab::Write))
}

/// Checks `[normalize]`.
pub(super) fn rules(
    keys: &NormalizeKeys,
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> BTreeSet<NormalizeRule> {
    let mut rules = NormalizeRule::defaults();
    for (index, key) in keys.skip.iter().enumerate() {
        if !rules.remove(key) {
            let message = format!("`{}` is not applied anyway", key.name());
            checker.reject(at.key("skip").index(index), message);
        }
    }
    for (index, key) in keys.also.iter().enumerate() {
        if !rules.insert(*key) {
            let message = format!("`{}` is applied anyway", key.name());
            checker.reject(at.key("also").index(index), message);
        }
    }
    rules
}

/// Checks the `[[allow]]`s.
pub(super) fn allowed_leaks(
    keys: &[AllowLeakKeys],
    at: &KeyPath,
    checker: &mut Checker<'_>,
) -> Vec<AllowedLeak> {
    let mut all = Vec::new();
    for (index, keys) in keys.iter().enumerate() {
        let at = at.index(index);
        let reason = keys.reason.trim().to_owned();
        if reason.is_empty() {
            checker.reject(at.key("reason"), "say why it does no harm that it leaves");
        }
        let allowance = Allowance {
            rule: keys.rule.clone(),
            path: keys.path.clone(),
            sha256: keys.sha256.clone(),
            reason: reason.clone(),
        };
        let key = |error: &AllowanceError| match error {
            AllowanceError::Rule(_) => "rule",
            AllowanceError::Digest(_) => "sha256",
            _ => "path",
        };
        if let Err(error) = allowance.check() {
            checker.reject(at.key(key(&error)), error.to_string());
            continue;
        }
        let Allowance { rule, path, sha256, .. } = allowance;
        all.push(AllowedLeak { path, reason, rule, sha256 });
    }
    all
}

/// Checks `[secrets]`.
pub(super) fn secrets(keys: &SecretsKeys, at: &KeyPath, checker: &mut Checker<'_>) -> Secrets {
    let mut allow = Vec::new();
    for (index, keys) in keys.allow.iter().enumerate() {
        let at = at.key("allow").index(index);
        let globs = Globs::new([keys.path.as_str()]).map_err(|error| error.to_string());
        let globs = checker.accept(at.key("path"), globs);
        if !keys.path.starts_with('/') {
            checker.reject(at.key("path"), "paths in the image start with `/`");
        }
        if keys.reason.trim().is_empty() {
            checker.reject(at.key("reason"), "say why it does no harm that every machine has the same");
        }
        let (path, reason) = (keys.path.clone(), keys.reason.trim().to_owned());
        allow.extend(globs.map(|globs| Allowed { path, globs, reason }));
    }
    Secrets { allow, second_run: keys.second_run.unwrap_or(true) }
}

//! `[[file]]`, `[[user]]`, `[[group]]`, `[system]` and `[normalize]`: what is done to the merged tree.

use std::collections::BTreeMap;

use amiforge_rootfs::normalize::NormalizeRule;
use schemars::JsonSchema;
use serde::Deserialize;

use super::NumberOrText;

/// Something put into the tree, or taken out of it. Exactly one of `content`, `source`, `symlink`, `folder` and
/// `remove` says what.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct FileKeys {
    /// Absolute path in the image. Folders on the way are made; links on the way are followed in the image.
    pub(crate) path: String,
    /// A regular file with this text.
    pub(crate) content: Option<String>,
    /// A regular file with the bytes of this one, beside the recipe.
    pub(crate) source: Option<String>,
    /// A symbolic link with this target.
    pub(crate) symlink: Option<String>,
    /// `true`: a folder; one that exists keeps its entries.
    pub(crate) folder: Option<bool>,
    /// `true`: nothing shall be there, and something must have been. `"if-present"`: nothing shall be there.
    pub(crate) remove: Option<RemoveKey>,
    /// Permission bits in octal, as a text such as `"0755"`; `"0644"` for files and `"0755"` for folders if not given.
    pub(crate) mode: Option<String>,
    /// Owner and group in the image, by name or number: `"root"`, `"www-data:www-data"`, `"0:0"`; root if not given.
    pub(crate) owner: Option<String>,
    /// Extended attributes by full name. A text is taken as setcap(8) does for `security.capability` and as setfacl(1)
    /// does for `system.posix_acl_access` and `_default`; `{ hex = "…" }` gives exact bytes.
    #[serde(default)]
    pub(crate) xattrs: BTreeMap<String, XattrKey>,
}

/// Whether to remove.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum RemoveKey {
    /// Whether.
    Whether(bool),
    /// `"if-present"`.
    Option(String),
}

/// The value of an extended attribute.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum XattrKey {
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(HexKeys),
}

/// Bytes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct HexKeys {
    /// Two hexadecimal digits for each byte.
    pub(crate) hex: String,
}

/// A group of the system. One that the image has already is kept; `members` are added.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct GroupKeys {
    /// Its name.
    pub(crate) name: String,
    /// Its number; the next that is free if not given.
    pub(crate) gid: Option<u32>,
    /// Whether it is for a service rather than for people: takes a low number.
    #[serde(default)]
    pub(crate) system: bool,
    /// Users to be in it.
    #[serde(default)]
    pub(crate) members: Vec<String>,
}

/// A user of the system. Of one that the image has already, only what is given changes.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct UserKeys {
    /// Its name.
    pub(crate) name: String,
    /// Its number; the next that is free if not given.
    pub(crate) uid: Option<u32>,
    /// Primary group, by name or number; a group of the user's own name if not given.
    pub(crate) group: Option<NumberOrText>,
    /// Further groups.
    #[serde(default)]
    pub(crate) groups: Vec<String>,
    /// Home; `/home/NAME` if not given, `/nonexistent` for system users.
    pub(crate) home: Option<String>,
    /// Whether the home is made, from `/etc/skel`; for users who are not `system` if not given.
    pub(crate) make_home: Option<bool>,
    /// Login shell; `/bin/bash` or `/bin/sh` if not given, `/usr/sbin/nologin` for system users.
    pub(crate) shell: Option<String>,
    /// Full name.
    pub(crate) gecos: Option<String>,
    /// Whether it is for a service rather than for a person.
    #[serde(default)]
    pub(crate) system: bool,
    /// A crypt(5) string, such as `mkpasswd` prints. Without it the password is locked.
    pub(crate) password_hash: Option<String>,
    /// Lines of `~/.ssh/authorized_keys`.
    #[serde(default)]
    pub(crate) authorized_keys: Vec<String>,
    /// Range of subordinate user ids, such as `"100000:65536"`, or `"none"`; the next free range for people.
    pub(crate) subuid: Option<String>,
    /// Range of subordinate group ids, likewise.
    pub(crate) subgid: Option<String>,
}

/// Settings of the system; what is not given stays as the sources have it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct SystemKeys {
    /// Host name.
    pub(crate) hostname: Option<String>,
    /// Time zone, such as `"Europe/Berlin"`.
    pub(crate) timezone: Option<String>,
    /// Locale, such as `"C.UTF-8"`.
    pub(crate) locale: Option<String>,
    /// Whether the presets of the distribution are applied to all units first, as `systemctl preset-all` does.
    #[serde(default)]
    pub(crate) presets: bool,
    /// systemd units to enable, as their `[Install]` sections say.
    #[serde(default)]
    pub(crate) enable: Vec<String>,
    /// systemd units to disable.
    #[serde(default)]
    pub(crate) disable: Vec<String>,
    /// systemd units to mask: they cannot be started at all.
    #[serde(default)]
    pub(crate) mask: Vec<String>,
    /// What to do about `/etc/fstab`; `"write"` if not given.
    pub(crate) fstab: Option<Fstab>,
}

/// What to do about `/etc/fstab`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fstab {
    /// Write it from the partitions; refused if the sources have one that holds more than comments.
    Write,
    /// Write it from the partitions in the place of any other.
    Replace,
    /// Leave it as the sources have it.
    Keep,
}

/// What is cleaned at the end, so that the image has no identity of a machine and no left-overs.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct NormalizeKeys {
    /// Rules that are not applied: `machine-id`, `ssh-host-keys`, `service-keys`, `random-seeds`, `package-caches`,
    /// `caches`, `logs`, `container-files`, `selinux-labels` and `root-directory` are unless they are listed here.
    #[serde(default)]
    pub(crate) skip: Vec<NormalizeRule>,
    /// Rules that are applied besides: `backups`, `histories`, `temporary-files` and `runtime-files` are only then.
    #[serde(default)]
    pub(crate) also: Vec<NormalizeRule>,
}

/// Secrets in the image. A build draws random numbers that anybody can draw again, so keys, passwords and ids that are
/// made with them are no secrets, and every machine of the image has the same ones. The build names each file that
/// depends on them, and each private key wherever it comes from; `preflight` and `publish` refuse the image because of
/// each that is not allowed here.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct SecretsKeys {
    /// Files that may be in the image all the same.
    #[serde(default)]
    pub(crate) allow: Vec<AllowKeys>,
    /// Whether scripts of packages, stages and commands run a second time with other random numbers, which is how files
    /// that depend on them are found: `true` if not given. It takes the processor time of the first run once more, and
    /// its memory where there is enough; what is found is kept with the layer. With `false` only private keys are found,
    /// by their structure.
    pub(crate) second_run: Option<bool>,
}

/// A secret that may be in the image.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct AllowKeys {
    /// Absolute path in the image, in which `*`, `**` and `?` stand for what they do in `exclude`.
    pub(crate) path: String,
    /// Why that does no harm; it goes into the manifest.
    pub(crate) reason: String,
}

/// Something that the leak gate finds (`amiforge leaks`), and that may leave all the same: what `publish` would refuse. It
/// goes into the manifest with its reason. An entry that allows a kind of private key also counts for `[secrets]`; one that
/// allows nothing is named by `amiforge leaks`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct AllowLeakKeys {
    /// The rule, such as `github-token`; `amiforge leaks --list-rules` lists them. `*` is every rule.
    pub(crate) rule: String,
    /// Absolute path in the image, or name of a file of the bundle, in which `*`, `**` and `?` stand for what they do in
    /// `exclude`.
    pub(crate) path: String,
    /// SHA-256 of the content of the file, or the first 16 digits or more of that of the secret, as findings state both. With it
    /// another content is a finding again.
    pub(crate) sha256: Option<String>,
    /// Why it does no harm.
    pub(crate) reason: String,
}

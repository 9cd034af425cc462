//! `[trust]`.

use schemars::JsonSchema;
use serde::Deserialize;

/// What can be proven of a machine of the image. Without this table nothing is: the root can be written to, and nothing checks it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct TrustKeys {
    /// How far the system is protected; the root is writable if not given.
    pub(crate) profile: Option<TrustProfile>,
    /// What can be written to on a read-only root, and where that goes.
    pub(crate) writable: Option<WritableKeys>,
}

/// How far a system is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TrustProfile {
    /// The root is read-only, and the kernel checks every block of it by a hash tree (dm-verity), whose root hash is on the
    /// command line in the unified kernel image. Needs `[boot]` with `mode = "uefi"`, which it then has if not given.
    Verity,
    /// As `verity`, and there is no way into the machine: no SSH, login, agent or password, nothing that is kept in `/etc`,
    /// and the EFI system partition is not mounted.
    Attestable,
}

/// Folders that can be written to, by their names.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct WritableKeys {
    /// `/etc`; `"tmpfs"` if not given.
    pub(crate) etc: Option<WritableKey>,
    /// `/var`; `"tmpfs"` if not given, `"none"` where a partition is mounted there.
    pub(crate) var: Option<WritableKey>,
}

/// Where writes to a folder of a read-only root go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WritableKey {
    /// To memory: they are gone after the next start.
    Tmpfs,
    /// To the partition of role `data` without `mount` and `label`, the last on the disk, which the machine formats at its first
    /// boot, repairs, and extends to the end of the volume. It is called `amiforge-data` in the partition table; an image that
    /// lists partitions and has none waits for another volume with one. It is kept, and nothing checks it.
    Data,
    /// Nowhere: the folder is read-only.
    None,
}

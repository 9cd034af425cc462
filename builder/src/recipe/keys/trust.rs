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
    /// The certificates that firmware enrols, so that it starts only what is signed; nothing is enrolled if not given. A build
    /// writes requests for signatures, and reads no private key.
    pub(crate) secure_boot: Option<SecureBootKeyFiles>,
    /// The key that signs which values of PCR 11 are good, so that a secret which a TPM keeps for that key opens on this image and
    /// on each that is signed later; nothing is signed for if not given.
    pub(crate) pcr_policy: Option<PcrPolicyKeys>,
}

/// Policies for PCR 11, for the sections `.pcrpkey` and `.pcrsig` of the unified kernel image. Needs `[boot]` and the loader `uki`
/// or `systemd-boot`. A build writes requests for signatures, and takes those that are given to it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct PcrPolicyKeys {
    /// File of the public key: RSA with 2048 bits, PEM as `openssl pkey -pubout` writes it.
    pub(crate) key: String,
    /// States of the boot that are signed for, at most eight: the phases that systemd has measured, joined by colons, or `":"` for none;
    /// `[":", "sysinit", "sysinit:ready"]` if not given, which are those of an initrd without systemd.
    pub(crate) phases: Option<Vec<String>>,
}

/// Files of certificates, in PEM or DER, with RSA keys. Needs `[boot]` with `mode = "uefi"`, which it then has if not given,
/// and the loader `uki` or `systemd-boot`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct SecureBootKeyFiles {
    /// Certificates whose keys sign what firmware starts, or of authorities that sign such certificates.
    pub(crate) db: String,
    /// Certificates whose keys may change `db` and `dbx` of a machine.
    pub(crate) kek: String,
    /// The certificate whose key may change `kek` of a machine. Nobody has to keep that key: without it the next image
    /// brings other certificates.
    pub(crate) pk: String,
    /// Certificates that are revoked, or a signature list (`.esl`) with digests of programs or certificates; nothing is
    /// revoked if not given.
    pub(crate) dbx: Option<String>,
    /// GUID of the owner of all entries, which is measured with them; derived from the image's name if not given.
    pub(crate) owner: Option<String>,
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

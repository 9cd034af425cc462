//! Boot receipts: a record that exactly these bytes of an image booted, and which checks passed. Stored as
//! `IMAGE.boot.json` beside the bundle or raw image and not in it, so that the checksums of a bundle stay valid.
//!
//! A receipt belongs to one image, by the SHA-256 of its bytes and the Merkle root of its blocks. It contains no time
//! and nothing about this machine.
//!
//! A receipt shows that this program wrote it for that image, unless it was forged deliberately. The seal over its
//! fields detects an edit, but it is not a signature: it can be computed by anyone who knows its construction.

mod measured;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use amiforge_image::image::EmitOptions;
use amiforge_image::inspect::{InspectError, Medium};
use amiforge_image::manifest::Manifest;
use amiforge_image::verify::{VerifyError, digest_of};
use amiforge_progress::Monitor;
use serde::{Deserialize, Serialize};

pub use measured::{MeasuredRecord, event_log_path, require_measured};

use super::accel::Accel;
use super::check::Check;
use super::firmware::SecureBoot;
use super::{Arch, Bus, Firmware};

/// Version of the format.
const SCHEMA: u64 = 2;
/// Prefix of the sealed text, for domain separation.
const SEAL_PREFIX: &str = "amiforge boot receipt, schema 2\n";
/// Maximum length of a receipt in bytes.
const MAX_LEN: u64 = 1 << 20;

/// A receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Version of the format.
    pub schema: u64,
    /// SHA-256 of the whole image, as in its manifest.
    pub image: String,
    /// Merkle root of its blocks, as in its manifest.
    pub merkle_root: String,
    /// The passed boots, one per kind of machine.
    pub boots: Vec<BootRecord>,
    /// SHA-256 over the fields above.
    pub seal: String,
}

/// The image of a receipt. A manifest has both digests, and an upload checks the root against every block that is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageDigests {
    /// SHA-256 of the whole image.
    pub plain: Digest,
    /// Merkle root of its blocks.
    pub merkle_root: Digest,
}

impl From<&Manifest> for ImageDigests {
    /// The root is computed from the blocks and not taken from the manifest's field.
    fn from(manifest: &Manifest) -> Self {
        Self { plain: manifest.plain, merkle_root: manifest.blocks.merkle_root() }
    }
}

impl Receipt {
    fn new(image: ImageDigests, boots: Vec<BootRecord>) -> Self {
        let (plain, merkle_root) = (image.plain.to_string(), image.merkle_root.to_string());
        let mut receipt = Self { schema: SCHEMA, image: plain, merkle_root, boots, seal: String::new() };
        receipt.seal = receipt.compute_seal().to_string();
        receipt
    }

    fn is_of(&self, image: ImageDigests) -> bool {
        (&self.image, &self.merkle_root) == (&image.plain.to_string(), &image.merkle_root.to_string())
    }

    /// Computes the seal.
    fn compute_seal(&self) -> Digest {
        let unsealed = Self { seal: String::new(), ..self.clone() };
        // Serialization of structures of strings to JSON cannot fail.
        let text = serde_json::to_string(&unsealed).unwrap_or_default();
        Digest::of(format!("{SEAL_PREFIX}{text}").as_bytes())
    }
}

/// A passed boot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootRecord {
    /// Architecture.
    #[serde(with = "arch_name")]
    pub arch: Arch,
    /// The firmware.
    pub firmware: Firmware,
    /// The bus of the disk.
    pub bus: Bus,
    /// The accelerator: `kvm` or `tcg`.
    pub accelerator: String,
    /// The passed checks.
    pub passed: Vec<Check>,
    /// Version of this program.
    pub tool: String,
    /// What the TPM of the machine measured, if it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<MeasuredRecord>,
}

/// A kind of machine. A receipt has one boot of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MachineKind {
    /// Architecture.
    pub arch: Arch,
    /// The firmware.
    pub firmware: Firmware,
    /// The bus of the disk.
    pub bus: Bus,
    /// Whether Secure Boot was on, for machines with a TPM.
    pub measured: Option<SecureBoot>,
}

/// An architecture as recipes and manifests name it.
mod arch_name {
    use super::Arch;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
    pub(super) fn serialize<S: Serializer>(arch: &Arch, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(arch.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arch, D::Error> {
        let name = String::deserialize(deserializer)?;
        let arch = Arch::ALL.into_iter().find(|arch| arch.name() == name);
        arch.ok_or_else(|| D::Error::custom(format_args!("`{name}` is not an architecture")))
    }
}

/// Why a receipt cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The file cannot be read or written.
    #[error("using `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is not a receipt, or is one of another version.
    #[error("`{}` is no receipt of this version of amiforge", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
    /// The seal does not match the fields.
    #[error("the receipt `{}` was edited: its seal does not fit what it says", path.display())]
    Edited {
        /// The file.
        path: PathBuf,
    },
    /// No boot with a TPM is recorded.
    #[error(
        "the receipt `{}` has no measured boot with Secure Boot {}",
        path.display(),
        secure_boot.as_str()
    )]
    NotMeasured {
        /// The receipt.
        path: PathBuf,
        /// Whether Secure Boot was to be on.
        secure_boot: SecureBoot,
    },
    /// Recorded registers are not those that are predicted.
    #[error("the receipt `{}` has PCR {pcr} ({bank}) {measured}, and {predicted} is predicted", path.display())]
    Unpredicted {
        /// The receipt.
        path: PathBuf,
        /// The register.
        pcr: u32,
        /// The bank.
        bank: &'static str,
        /// The recorded value.
        measured: String,
        /// The predicted value.
        predicted: String,
    },
    /// The event log is not the recorded one, or does not give the recorded registers.
    #[error("the event log `{}` {reason}", path.display())]
    EventLog {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The image cannot be opened.
    #[error("opening the image")]
    Image(#[source] InspectError),
    /// The image cannot be read.
    #[error("digesting the image")]
    Digest(#[source] VerifyError),
    /// There is no receipt.
    #[error("there is no receipt `{}`: the image was not booted, or did not pass", path.display())]
    Missing {
        /// Its expected path.
        path: PathBuf,
    },
    /// The receipt belongs to another image.
    #[error("the receipt `{}` is of an image with the digest {stored}, this one has {expected}", path.display())]
    OtherImage {
        /// The file.
        path: PathBuf,
        /// Digest of the image.
        expected: String,
        /// Digest in the receipt.
        stored: String,
    },
}

impl BootRecord {
    /// The record of a passed boot.
    pub fn new(arch: Arch, firmware: Firmware, bus: Bus, accel: Accel, passed: Vec<Check>) -> Self {
        let tool = env!("CARGO_PKG_VERSION").to_owned();
        Self { arch, firmware, bus, accelerator: accel.name().to_owned(), passed, tool, measured: None }
    }

    fn kind(&self) -> MachineKind {
        let measured = self.measured.as_ref().map(|measured| measured.secure_boot);
        MachineKind { arch: self.arch, firmware: self.firmware, bus: self.bus, measured }
    }
}

/// The path of the receipt of a bundle or a raw file.
///
/// # Errors
/// [`ReceiptError::File`] when the image does not exist.
pub fn path_for(image: &Path) -> Result<PathBuf, ReceiptError> {
    let failed = |source| ReceiptError::File { path: image.to_owned(), source };
    let real = image.canonicalize().map_err(failed)?;
    let name = real.file_name().ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
    let mut receipt = OsString::from(name);
    receipt.push(".boot.json");
    Ok(real.with_file_name(receipt))
}

/// Reads an image and computes its digests.
///
/// # Errors
/// [`ReceiptError::Image`], [`ReceiptError::Digest`].
pub fn compute_digests(image: &Path, monitor: Monitor<'_>) -> Result<ImageDigests, ReceiptError> {
    let medium = Medium::open(image).map_err(ReceiptError::Image)?;
    let stored = digest_of(&medium, u64::MAX, EmitOptions::default(), monitor);
    let stored = stored.map_err(ReceiptError::Digest)?;
    Ok(ImageDigests { plain: stored.plain, merkle_root: stored.blocks.merkle_root() })
}

/// Adds a boot to the receipt of an image. Records of other bytes are discarded.
///
/// # Errors
/// [`ReceiptError::File`].
pub fn add_boot(image: &Path, digests: ImageDigests, boot: BootRecord) -> Result<PathBuf, ReceiptError> {
    let path = path_for(image)?;
    let mut boots = match read(&path) {
        Ok(Some(receipt)) if receipt.is_of(digests) => receipt.boots,
        _ => Vec::new(),
    };
    boots.retain(|known| known.kind() != boot.kind());
    boots.push(boot);
    write(&path, &Receipt::new(digests, boots))?;
    Ok(path)
}

/// Removes the boot of a kind of machine from the receipt, because the image failed on it.
///
/// # Errors
/// [`ReceiptError::File`].
pub fn remove_boot(image: &Path, kind: MachineKind) -> Result<(), ReceiptError> {
    let path = path_for(image)?;
    let Ok(Some(mut receipt)) = read(&path) else { return Ok(()) };
    receipt.boots.retain(|boot| boot.kind() != kind);
    if receipt.boots.is_empty() {
        return fs::remove_file(&path).map_err(|source| ReceiptError::File { path, source });
    }
    receipt.seal = receipt.compute_seal().to_string();
    write(&path, &receipt)
}

/// Reads the receipt of an image with these digests.
///
/// # Errors
/// [`ReceiptError::Missing`], [`ReceiptError::OtherImage`], [`ReceiptError::Edited`], and errors of reading it.
pub fn require(image: &Path, digests: ImageDigests) -> Result<Receipt, ReceiptError> {
    let path = path_for(image)?;
    let receipt = read(&path)?.filter(|receipt| receipt.boots.iter().any(|boot| !boot.passed.is_empty()));
    let Some(receipt) = receipt else { return Err(ReceiptError::Missing { path }) };
    if receipt.is_of(digests) {
        return Ok(receipt);
    }
    let (expected, stored) = if receipt.image == digests.plain.to_string() {
        (digests.merkle_root, receipt.merkle_root)
    } else {
        (digests.plain, receipt.image)
    };
    Err(ReceiptError::OtherImage { path, expected: expected.to_string(), stored })
}

fn read(path: &Path) -> Result<Option<Receipt>, ReceiptError> {
    let failed = |source| ReceiptError::File { path: path.to_owned(), source };
    let text = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(source)),
        Ok(stored) if stored.len() > MAX_LEN => return Err(failed(io::ErrorKind::FileTooLarge.into())),
        Ok(_) => amiforge_progress::regular::read(path).map_err(failed)?,
    };
    let unreadable = |source| ReceiptError::Unreadable { path: path.to_owned(), source };
    let ReceiptVersion { schema } = serde_json::from_slice(&text).map_err(unreadable)?;
    if schema != SCHEMA {
        let problem = format!("its schema is {schema}, not {SCHEMA}");
        return Err(unreadable(serde::de::Error::custom(problem)));
    }
    let receipt: Receipt = serde_json::from_slice(&text).map_err(unreadable)?;
    if receipt.seal != receipt.compute_seal().to_string() {
        return Err(ReceiptError::Edited { path: path.to_owned() });
    }
    Ok(Some(receipt))
}

/// Only the version, read first so that another version is reported as such.
#[derive(Deserialize)]
struct ReceiptVersion {
    schema: u64,
}

fn write(path: &Path, receipt: &Receipt) -> Result<(), ReceiptError> {
    let text = serde_json::to_string_pretty(receipt);
    let text = text.map_err(|source| ReceiptError::File { path: path.to_owned(), source: source.into() })?;
    write_file(path, format!("{text}\n").as_bytes())
}

/// Writes a file atomically.
fn write_file(path: &Path, bytes: &[u8]) -> Result<(), ReceiptError> {
    let write = || {
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(mode)?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|source: io::Error| ReceiptError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;

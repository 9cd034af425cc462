//! Receipts: that the very bytes of an image booted, and what they showed. Kept as `IMAGE.boot.json` beside the bundle or
//! raw image, not in it: a bundle stays what its sums say.
//!
//! A receipt is of one digest; another image under the same name has none. It holds no time and nothing of this machine.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use serde::{Deserialize, Serialize};

use super::accel::Accel;
use super::check::Check;
use super::{Arch, Bus, Firmware};
use crate::image::Options;
use crate::inspect::{InspectError, Medium};
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::verify::{VerifyError, digest_of};

/// Version of the text.
const SCHEMA: u64 = 1;
/// Longest text that is read.
const TEXT_MAX: u64 = 1 << 20;

/// What an image showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// Version of the text.
    pub schema: u64,
    /// SHA-256 of the whole image, as in its manifest.
    pub image: String,
    /// The boots that passed, one for each kind of machine.
    pub boots: Vec<Boot>,
}

/// A boot that passed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boot {
    /// Architecture.
    pub arch: Arch,
    /// What started it.
    pub firmware: Firmware,
    /// How its disk was attached.
    pub bus: Bus,
    /// How instructions were carried out: `kvm` or `tcg`.
    pub accelerator: String,
    /// What it showed.
    pub passed: Vec<Check>,
    /// Version of the program that watched.
    pub tool: String,
}

/// Why a receipt cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// The file cannot be read or written.
    #[error("using `{}`", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is something else.
    #[error("`{}` is no receipt of this version of amiforge", path.display())]
    Strange {
        /// Which.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The image cannot be opened.
    #[error("opening the image")]
    Image(#[source] InspectError),
    /// The image cannot be read.
    #[error("digesting the image")]
    Digest(#[source] VerifyError),
    /// There is none.
    #[error("there is no receipt `{}`: the image was not booted, or did not pass", path.display())]
    Missing {
        /// Where it would be.
        path: PathBuf,
    },
    /// It is of another image.
    #[error("the receipt `{}` is of an image with the digest {found}, this one has {expected}", path.display())]
    Other {
        /// Which.
        path: PathBuf,
        /// Digest of the image.
        expected: String,
        /// Digest in the receipt.
        found: String,
    },
}

impl Boot {
    /// A boot that showed something.
    pub fn new(arch: Arch, firmware: Firmware, bus: Bus, accel: Accel, passed: Vec<Check>) -> Self {
        let accelerator = match accel {
            Accel::Kvm => "kvm",
            Accel::Tcg => "tcg",
        };
        let tool = env!("CARGO_PKG_VERSION").to_owned();
        Self { arch, firmware, bus, accelerator: accelerator.to_owned(), passed, tool }
    }

    fn same_machine(&self, other: &Self) -> bool {
        (self.arch, self.firmware, self.bus) == (other.arch, other.firmware, other.bus)
    }
}

/// Where the receipt of an image, a bundle or a raw file, is.
///
/// # Errors
/// [`ReceiptError::File`] when the image is not there.
pub fn beside(image: &Path) -> Result<PathBuf, ReceiptError> {
    let failed = |source| ReceiptError::File { path: image.to_owned(), source };
    let real = image.canonicalize().map_err(failed)?;
    let name = real.file_name().ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
    let mut receipt = OsString::from(name);
    receipt.push(".boot.json");
    Ok(real.with_file_name(receipt))
}

/// SHA-256 of the bytes of an image, read anew.
///
/// # Errors
/// [`ReceiptError::Image`], [`ReceiptError::Digest`].
pub fn digest(image: &Path, progress: &dyn Progress, interrupt: &Interrupt) -> Result<Digest, ReceiptError> {
    let medium = Medium::open(image).map_err(ReceiptError::Image)?;
    let found = digest_of(&medium, Options::default(), progress, interrupt);
    found.map(|found| found.plain).map_err(ReceiptError::Digest)
}

/// Adds a boot to the receipt of an image; what is there of other bytes goes.
///
/// # Errors
/// [`ReceiptError::File`].
pub fn record(image: &Path, digest: Digest, boot: Boot) -> Result<PathBuf, ReceiptError> {
    let path = beside(image)?;
    let mut boots = match read(&path) {
        Ok(Some(receipt)) if receipt.image == digest.to_string() => receipt.boots,
        _ => Vec::new(),
    };
    boots.retain(|known| !known.same_machine(&boot));
    boots.push(boot);
    write(&path, &Receipt { schema: SCHEMA, image: digest.to_string(), boots })?;
    Ok(path)
}

/// Takes back what the receipt says of a kind of machine: the image failed on it.
///
/// # Errors
/// [`ReceiptError::File`].
pub fn take_back(image: &Path, arch: Arch, firmware: Firmware, bus: Bus) -> Result<(), ReceiptError> {
    let path = beside(image)?;
    let Ok(Some(mut receipt)) = read(&path) else { return Ok(()) };
    receipt.boots.retain(|boot| (boot.arch, boot.firmware, boot.bus) != (arch, firmware, bus));
    if receipt.boots.is_empty() {
        return fs::remove_file(&path).map_err(|source| ReceiptError::File { path, source });
    }
    write(&path, &receipt)
}

/// The receipt of an image with a digest.
///
/// # Errors
/// [`ReceiptError::Missing`], [`ReceiptError::Other`], and what hinders reading it.
pub fn demand(image: &Path, digest: Digest) -> Result<Receipt, ReceiptError> {
    let path = beside(image)?;
    let receipt = read(&path)?.filter(|receipt| receipt.boots.iter().any(|boot| !boot.passed.is_empty()));
    let Some(receipt) = receipt else { return Err(ReceiptError::Missing { path }) };
    if receipt.image == digest.to_string() {
        return Ok(receipt);
    }
    Err(ReceiptError::Other { path, expected: digest.to_string(), found: receipt.image })
}

fn read(path: &Path) -> Result<Option<Receipt>, ReceiptError> {
    let failed = |source| ReceiptError::File { path: path.to_owned(), source };
    let text = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(source)),
        Ok(found) if found.len() > TEXT_MAX => return Err(failed(io::ErrorKind::FileTooLarge.into())),
        Ok(_) => fs::read(path).map_err(failed)?,
    };
    let strange = |source| ReceiptError::Strange { path: path.to_owned(), source };
    let receipt: Receipt = serde_json::from_slice(&text).map_err(strange)?;
    if receipt.schema == SCHEMA {
        return Ok(Some(receipt));
    }
    let what = format!("its schema is {}, not {SCHEMA}", receipt.schema);
    Err(strange(serde::de::Error::custom(what)))
}

/// Writes a receipt at one stroke.
fn write(path: &Path, receipt: &Receipt) -> Result<(), ReceiptError> {
    let write = || {
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer_pretty(&mut file, receipt)?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(mode)?;
        file.persist(path).map_err(|error| error.error)?;
        Ok(())
    };
    write().map_err(|source: io::Error| ReceiptError::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(firmware: Firmware) -> Boot {
        Boot::new(Arch::X86, firmware, Bus::Nvme, Accel::Tcg, vec![Check::Expect("login:".to_owned())])
    }

    #[test]
    fn a_receipt_is_of_one_image_and_of_every_machine_that_it_passed_on() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("web");
        fs::write(&image, "disk").unwrap();
        let digest = Digest::of(b"disk");
        assert!(matches!(demand(&image, digest), Err(ReceiptError::Missing { .. })));
        let path = record(&image, digest, boot(Firmware::Uefi)).unwrap();
        assert!(path.ends_with("web.boot.json"));
        record(&image, digest, boot(Firmware::Bios)).unwrap();
        record(&image, digest, boot(Firmware::Uefi)).unwrap();
        assert_eq!(demand(&image, digest).unwrap().boots, [boot(Firmware::Bios), boot(Firmware::Uefi)]);
        let other = Digest::of(b"other");
        assert!(matches!(demand(&image, other), Err(ReceiptError::Other { .. })));
        record(&image, other, boot(Firmware::Bios)).unwrap();
        assert_eq!(demand(&image, other).unwrap().boots.len(), 1);
        take_back(&image, Arch::X86, Firmware::Bios, Bus::Nvme).unwrap();
        assert!(!path.exists());
        take_back(&image, Arch::X86, Firmware::Bios, Bus::Nvme).unwrap();
    }

    #[test]
    fn a_receipt_of_something_else_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("web");
        fs::write(&image, "disk").unwrap();
        for text in ["", "{}", r#"{"schema":2,"image":"","boots":[]}"#] {
            fs::write(beside(&image).unwrap(), text).unwrap();
            assert!(matches!(demand(&image, Digest::of(b"")), Err(ReceiptError::Strange { .. })), "{text}");
        }
    }
}

//! Sealing: what firmware starts, made once every data partition has its addresses.
//!
//! Owns the kernel's command line, all of it, and the files of the EFI system partition and the loader for a legacy BIOS
//! that carry it. Comes between the plans of the data partitions and the layout of the disk, because the command line may
//! name what follows from those plans (a root hash), and a signature covers the file that holds the line. Must not know
//! recipes, trees, or where kernels and loaders were read from: they are in [`BootSpec`].
//!
//! Follows the Unified Kernel Image Specification, systemd-boot(7), loader.conf(5) and UEFI 2.10, section 3.5.1.1.

mod cmdline;
mod grub;
mod spec;
#[cfg(test)]
mod tests;
mod uki;

use amiforge_formats::pe::PeError;

pub use cmdline::{CommandLine, CommandRoot, LateValues, VerityArguments, Writable, WritableFolders};
pub use spec::{
    BootKernel, BootSpec, EspFile, GrubParts, Initrd, LoaderPrograms, Sealed, SigningPlace, UefiSpec,
    UkiParts,
};

use crate::disk::Loader;

/// Ids of programs in requests for signatures.
pub(crate) const UKI_ID: &str = "uki";
const SYSTEMD_BOOT_ID: &str = "systemd-boot";

/// Why nothing could be sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// A unified kernel image cannot be made.
    #[error("making a unified kernel image")]
    Uki(#[from] PeError),
    /// A program cannot take a signature.
    #[error("reserving the place for a signature")]
    Reserve(#[source] PeError),
    /// GRUB starts unsigned kernels.
    #[error(
        "GRUB starts a kernel without asking firmware whether it is signed: use the loader `uki` or `systemd-boot`"
    )]
    GrubUnsigned,
    /// The kernel would cut the command line.
    #[error(
        "the kernel's command line has {len} bytes, and a kernel takes at most {}: make `cmdline` under `[boot]` shorter",
        CommandLine::MAX
    )]
    CommandLine {
        /// Length in bytes, with all that is added to the recipe's arguments.
        len: usize,
    },
}

/// Makes what firmware starts. The lengths of the result depend on which fields of `late` are set and on the length of
/// the PCR signatures, not on the values: so a disk can be measured with placeholders before the true values are known.
///
/// # Errors
/// [`SealError`].
pub fn seal(boot: &BootSpec, late: &LateValues) -> Result<Sealed, SealError> {
    let cmdline = boot.cmdline.text(late);
    let esp = match &boot.uefi {
        None => Vec::new(),
        Some(_) if cmdline.len() > CommandLine::MAX => {
            return Err(SealError::CommandLine { len: cmdline.len() });
        }
        Some(uefi) => esp_files(boot, uefi, &cmdline, late)?,
    };
    // The writer of the BIOS loader compares the length with what the kernel's own header names.
    let bios = boot.bios.then(|| Loader {
        kernel: boot.kernel.content.clone(),
        head: boot.kernel.head.clone(),
        initrd: boot.initrd.as_ref().map(|initrd| initrd.content.clone()),
        cmdline,
    });
    Ok(Sealed { esp, bios })
}

impl BootSpec {
    /// Path of the unified kernel image on the EFI system partition; none where there is none.
    pub fn uki_path(&self) -> Option<String> {
        let uefi = self.uefi.as_ref()?;
        match &uefi.loader {
            LoaderPrograms::Uki(_) => Some(format!("EFI/BOOT/{}", uefi.default_name)),
            LoaderPrograms::SystemdBoot { .. } => Some(linux_path(self)),
            LoaderPrograms::Grub(_) => None,
        }
    }
}

/// Where systemd-boot looks for unified kernel images (Boot Loader Specification, type 2 entries).
fn linux_path(boot: &BootSpec) -> String {
    format!("EFI/Linux/{}.efi", boot.kernel.release)
}

/// The files that UEFI starts or that its loader reads.
fn esp_files(
    boot: &BootSpec,
    uefi: &UefiSpec,
    cmdline: &str,
    late: &LateValues,
) -> Result<Vec<EspFile>, SealError> {
    let default = format!("EFI/BOOT/{}", uefi.default_name);
    let uki_at = |path: String, parts: &UkiParts| -> Result<EspFile, SealError> {
        let file = EspFile { path, content: uki::uki(parts, boot, cmdline, late)?, signing: None };
        signable(file, UKI_ID, boot.secure_boot)
    };
    Ok(match &uefi.loader {
        LoaderPrograms::Uki(parts) => vec![uki_at(default, parts)?],
        LoaderPrograms::SystemdBoot { program, uki } => vec![
            signable(EspFile::inline(default, program.as_slice()), SYSTEMD_BOOT_ID, boot.secure_boot)?,
            uki_at(linux_path(boot), uki)?,
            EspFile::inline("loader/loader.conf".to_owned(), b"timeout 0\neditor no\n".as_slice()),
        ],
        LoaderPrograms::Grub(_) if boot.secure_boot => return Err(SealError::GrubUnsigned),
        LoaderPrograms::Grub(parts) => grub::files(parts, boot, default, cmdline),
    })
}

/// A program with a place for its signature, where firmware starts only what is signed.
fn signable(file: EspFile, id: &'static str, secure_boot: bool) -> Result<EspFile, SealError> {
    if secure_boot { file.reserve(id).map_err(SealError::Reserve) } else { Ok(file) }
}

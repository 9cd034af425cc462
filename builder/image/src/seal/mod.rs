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
#[cfg(test)]
mod tests;
mod uki;

use amiforge_formats::digest::Digest;
use amiforge_formats::pe::PeError;
use amiforge_formats::tree::Content;

pub use cmdline::CommandLine;
pub use grub::GrubParts;
pub use uki::UkiParts;

use crate::disk::Loader;

/// What an image boots with.
#[derive(Debug, Clone)]
pub struct BootSpec {
    /// The kernel.
    pub kernel: BootKernel,
    /// Its initrd, for a kernel that takes one.
    pub initrd: Option<Initrd>,
    /// The kernel's command line.
    pub cmdline: CommandLine,
    /// What UEFI starts, for machines that have it.
    pub uefi: Option<UefiSpec>,
    /// Whether a legacy BIOS starts the machine, too.
    pub bios: bool,
}

/// A kernel.
#[derive(Debug, Clone)]
pub struct BootKernel {
    /// Its release, such as `6.1.0-56-cloud-amd64`.
    pub release: String,
    /// Absolute path of the file in the machine.
    pub path: String,
    /// The file.
    pub content: Content,
    /// Its first bytes, at most 4096: setup header and headers of the PE file.
    pub head: Vec<u8>,
}

/// An initrd.
#[derive(Debug, Clone)]
pub struct Initrd {
    /// Absolute path of the file in the machine; none for one that is in no file system but the ESP.
    pub path: Option<String>,
    /// The archive.
    pub content: Content,
}

/// What UEFI starts.
#[derive(Debug, Clone)]
pub struct UefiSpec {
    /// Name of the default loader in `EFI/BOOT`, such as `BOOTX64.EFI` (UEFI 2.10, section 3.5.1.1).
    pub default_name: &'static str,
    /// The loader, and what it starts.
    pub loader: LoaderPrograms,
}

/// A loader for UEFI with its programs.
#[derive(Debug, Clone)]
pub enum LoaderPrograms {
    /// A unified kernel image, which firmware starts itself.
    Uki(UkiParts),
    /// systemd-boot, which starts such an image.
    SystemdBoot {
        /// The program.
        program: Vec<u8>,
        /// The image.
        uki: UkiParts,
    },
    /// GRUB, which reads the kernel from the file system that holds it.
    Grub(GrubParts),
}

/// What the command line vouches for; empty where nothing is verified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// Root hash of the dm-verity tree over the root file system: `roothash=` (systemd-veritysetup-generator(8)).
    pub root_hash: Option<Digest>,
}

/// What was sealed.
#[derive(Debug, Clone, Default)]
pub struct Sealed {
    /// Files of the EFI system partition.
    pub esp: Vec<EspFile>,
    /// The loader for a legacy BIOS with all that it starts.
    pub bios: Option<Loader>,
}

/// A file of the EFI system partition.
#[derive(Debug, Clone)]
pub struct EspFile {
    /// Path from the root of the partition, without `/` at its start.
    pub path: String,
    /// Its bytes.
    pub content: Content,
}

/// Why nothing could be sealed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// A unified kernel image cannot be made.
    #[error("making a unified kernel image")]
    Uki(#[from] PeError),
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

/// Makes what firmware starts. The lengths of the result depend on which fields of `trust` are set, not on their values: so
/// a disk can be measured with any value before the true one is known.
///
/// # Errors
/// [`SealError`].
pub fn seal(boot: &BootSpec, trust: &Trust) -> Result<Sealed, SealError> {
    let cmdline = boot.cmdline.text(trust);
    let esp = match &boot.uefi {
        None => Vec::new(),
        Some(_) if cmdline.len() > CommandLine::MAX => {
            return Err(SealError::CommandLine { len: cmdline.len() });
        }
        Some(uefi) => esp_files(boot, uefi, &cmdline)?,
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

/// The files that UEFI starts or that its loader reads.
fn esp_files(boot: &BootSpec, uefi: &UefiSpec, cmdline: &str) -> Result<Vec<EspFile>, SealError> {
    let default = format!("EFI/BOOT/{}", uefi.default_name);
    Ok(match &uefi.loader {
        LoaderPrograms::Uki(parts) => {
            vec![EspFile { path: default, content: uki::uki(parts, boot, cmdline)? }]
        }
        LoaderPrograms::SystemdBoot { program, uki } => vec![
            EspFile::inline(default, program.as_slice()),
            EspFile {
                path: format!("EFI/Linux/{}.efi", boot.kernel.release),
                content: uki::uki(uki, boot, cmdline)?,
            },
            EspFile::inline("loader/loader.conf".to_owned(), b"timeout 0\neditor no\n".as_slice()),
        ],
        LoaderPrograms::Grub(parts) => grub::files(parts, boot, default, cmdline),
    })
}

impl Sealed {
    /// Length in bytes of the longest file of the ESP.
    pub fn longest_esp_file(&self) -> Option<u64> {
        self.esp.iter().map(|file| file.content.len()).max()
    }
}

impl EspFile {
    fn inline(path: String, bytes: &[u8]) -> Self {
        Self { path, content: Content::Inline(bytes.into()) }
    }
}

//! What an image boots with, and what sealing makes of it.

use amiforge_formats::pe::{self, PeError, Reserved};
use amiforge_formats::tree::Content;

use super::cmdline::CommandLine;
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
    /// Whether firmware starts only what is signed: then its programs get a place for a signature.
    pub secure_boot: bool,
    /// The public key of policies for PCR 11: content of the section `.pcrpkey`.
    pub policy_key: Option<Vec<u8>>,
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

/// What a unified kernel image is made of besides kernel, initrd and command line.
#[derive(Debug, Clone)]
pub struct UkiParts {
    /// The stub of systemd.
    pub stub: Vec<u8>,
    /// The text of the section `.osrel`: `os-release` of the system.
    pub os_release: Option<Vec<u8>>,
}

/// GRUB, and where it finds the kernel.
#[derive(Debug, Clone)]
pub struct GrubParts {
    /// The program with all its modules.
    pub program: Vec<u8>,
    /// Id of the file system that holds the kernel, as `search --fs-uuid` takes it.
    pub file_system: String,
    /// Where that file system is mounted, without `/` at its end: GRUB names files from its root.
    pub mount: String,
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
    /// Where its signature goes; none for a file that is not signed.
    pub signing: Option<SigningPlace>,
}

/// Where the signature of a program goes.
#[derive(Debug, Clone)]
pub struct SigningPlace {
    /// The program's id in requests for signatures.
    pub id: &'static str,
    /// The program with an empty table of signatures.
    pub reserved: Reserved,
}

impl Sealed {
    /// Length in bytes of the longest file of the ESP.
    pub fn longest_esp_file(&self) -> Option<u64> {
        self.esp.iter().map(|file| file.content.len()).max()
    }
}

impl EspFile {
    pub(super) fn inline(path: String, bytes: &[u8]) -> Self {
        Self { path, content: Content::Inline(bytes.into()), signing: None }
    }

    /// The file with a place for a signature at its end.
    pub(super) fn reserve(self, id: &'static str) -> Result<Self, PeError> {
        let reserved = pe::reserve(&self.content)?;
        let content = reserved.content.clone();
        Ok(Self { content, signing: Some(SigningPlace { id, reserved }), ..self })
    }
}

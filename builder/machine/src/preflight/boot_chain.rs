//! The boot chain of an image: the file that UEFI firmware runs, the code that a legacy BIOS runs, and the kernel
//! release, command line and initrd that they pass on.

use amiforge_formats::arch::{Arch, BootMode};
use amiforge_formats::bios;
use amiforge_formats::gpt::types;
use amiforge_formats::pe::{self, PeMachine};
use amiforge_formats::read_at::ReadAt as _;
use amiforge_formats::tree::{NodeId, NodeKind};
use amiforge_formats::volume::FsKind;
use amiforge_image::inspect::{DiskView, Medium};

use super::Findings;
use super::files::{Mounted, bytes};

/// Maximum size of a text section in bytes.
const TEXT_MAX: u64 = 64 << 10;

/// Maximum size of an initrd in bytes.
const INITRD_MAX: u64 = 512 << 20;

/// The initrd, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum InitrdState {
    /// The loader chooses it, and its configuration is not read.
    #[default]
    Unknown,
    /// There is none.
    None,
    /// Its bytes.
    Bytes(Vec<u8>),
}

/// The boot chain.
#[derive(Debug, Clone, Default)]
pub(super) struct BootChain {
    pub(super) firmware: Vec<&'static str>,
    pub(super) arch: Option<Arch>,
    pub(super) release: Option<String>,
    pub(super) cmdline: Option<String>,
    pub(super) initrd: InitrdState,
    /// Whether firmware reads the kernel outside of the root: in a unified kernel image, or with this program's own
    /// loader.
    pub(super) beside_root: bool,
    /// Whether what firmware starts has a signature or a place for one, so that it is meant for Secure Boot.
    pub(super) for_secure_boot: bool,
}

impl BootChain {
    /// Finds what firmware would start.
    pub(super) fn find(
        medium: &Medium,
        view: &DiskView,
        volumes: &[Mounted],
        findings: &mut Findings,
    ) -> Self {
        let mut chain = Self::default();
        for volume in volumes.iter().filter(|volume| volume.slot.content.kind() == Some(FsKind::Fat)) {
            chain.uefi(medium, volume, findings);
        }
        chain.bios(medium, view);
        if chain.firmware.is_empty() {
            findings.failure(
                "firmware",
                "firmware finds nothing to start: there is neither EFI/BOOT/BOOTX64.EFI (BOOTAA64.EFI) on an EFI system \
                 partition nor code for a legacy BIOS",
                "give the recipe a `[boot]`",
            );
        }
        chain
    }

    /// Finds what UEFI firmware would start from a FAT file system.
    fn uefi(&mut self, medium: &Medium, volume: &Mounted, findings: &mut Findings) {
        for arch in Arch::ALL {
            let name = arch.firmware().default;
            let Some(id) = lookup(volume, &["EFI", "BOOT", name]) else { continue };
            self.firmware.push(BootMode::Uefi.ec2_name());
            self.arch = Some(arch);
            if volume.slot.role().is_some_and(|role| role != "esp") {
                let what = format!("partition {} holds EFI/BOOT/{name}", volume.slot.title());
                let what = format!("{what} and is of type {}", volume.slot.type_name());
                findings.failure(
                    "esp",
                    what,
                    "give it the type of an EFI system partition (`role = \"esp\"`)",
                );
            }
            if !self.unified(medium, volume, id, arch, name, findings) {
                // The file is a loader. It most likely starts the last unified kernel image of EFI/Linux (Boot Loader
                // Specification).
                let folder = lookup(volume, &["EFI", "Linux"]).and_then(|id| volume.tree.entries(id));
                let last = folder.and_then(|names| names.values().next_back());
                if let Some(id) = last {
                    self.unified(medium, volume, *id, arch, "EFI/Linux", findings);
                }
            }
            return;
        }
    }

    /// Reads the sections of a unified kernel image; false when the file is not one.
    fn unified(
        &mut self,
        medium: &Medium,
        volume: &Mounted,
        id: NodeId,
        arch: Arch,
        name: &str,
        findings: &mut Findings,
    ) -> bool {
        let NodeKind::File(content) = &volume.tree.node(id).kind else { return false };
        let Some(bytes) = bytes(medium, volume, content) else { return false };
        let image = match pe::read(&bytes) {
            Ok(image) => image,
            Err(error) => {
                findings.failure(
                    "uefi",
                    format!("{name} cannot be run by UEFI: {error}"),
                    "build the image again",
                );
                return true;
            }
        };
        self.for_secure_boot |= image.signatures.is_some();
        if image.machine != PeMachine::Known(arch) {
            let what = format!("{name} is for {}, and its name is for {}", image.machine, arch.name());
            findings.failure("uefi", what, "build the image with the `arch` of its packages");
        }
        if image.section(".linux").is_none() {
            return false;
        }
        let text = |section: &str| {
            let text = image.content(&bytes, section, TEXT_MAX).ok()??;
            let text = String::from_utf8_lossy(&text).into_owned();
            Some(text.trim_end_matches(['\0', '\n', ' ']).to_owned())
        };
        self.beside_root = true;
        self.release = text(".uname");
        self.cmdline = Some(text(".cmdline").unwrap_or_default());
        self.initrd = match image.content(&bytes, ".initrd", INITRD_MAX) {
            Ok(Some(initrd)) if !initrd.is_empty() => InitrdState::Bytes(initrd),
            Ok(_) => InitrdState::None,
            Err(_) => InitrdState::Unknown,
        };
        true
    }

    /// Finds code in the MBR, and the command line of this program's own loader.
    fn bios(&mut self, medium: &Medium, view: &DiskView) {
        let mut code = [0; 440];
        if medium.read_exact_at(0, &mut code).is_err() || code.iter().all(|byte| *byte == 0) {
            return;
        }
        self.firmware.push(BootMode::Bios.ec2_name());
        let is_boot = |guid| guid == types::BIOS_BOOT;
        let slot = view
            .slots
            .iter()
            .find(|slot| slot.partition.as_ref().is_some_and(|partition| is_boot(partition.type_guid)));
        // The location of the command line is known for this program's own loader only.
        let is_own_loader = code[..64] == bios::STAGE1[..64];
        self.beside_root |= is_own_loader;
        let mut cmdline = [0; bios::CMDLINE_MAX];
        if let (Some(slot), true, None) = (slot, is_own_loader, &self.cmdline)
            && medium.read_exact_at(slot.start + bios::CMDLINE_AT as u64, &mut cmdline).is_ok()
        {
            let end = cmdline.iter().position(|byte| *byte == 0).unwrap_or(cmdline.len());
            self.cmdline = Some(String::from_utf8_lossy(&cmdline[..end]).into_owned());
        }
    }
}

/// The node at a path of a FAT file system, whose names are case-insensitive.
fn lookup(volume: &Mounted, path: &[&str]) -> Option<NodeId> {
    path.iter().try_fold(volume.tree.root(), |folder, name| {
        let mut entries = volume.tree.entries(folder)?.iter();
        let entry =
            entries.find(|(entry_name, _)| entry_name.as_bytes().eq_ignore_ascii_case(name.as_bytes()));
        entry.map(|(_, id)| *id)
    })
}

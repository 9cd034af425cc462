//! What starts the image: the file that UEFI firmware runs, the code that a legacy BIOS does, and what they hand the
//! kernel.

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

/// Longest section of text that is read.
const TEXT_MAX: u64 = 64 << 10;

/// Longest initrd that is read.
const INITRD_MAX: u64 = 512 << 20;

/// What the initrd is, as far as it is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum InitrdState {
    /// The loader decides, and it was not looked into.
    #[default]
    Unknown,
    /// There is none.
    None,
    /// These bytes.
    Bytes(Vec<u8>),
}

/// What starts an image.
#[derive(Debug, Clone, Default)]
pub(super) struct BootChain {
    pub(super) firmware: Vec<&'static str>,
    pub(super) arch: Option<Arch>,
    pub(super) release: Option<String>,
    pub(super) cmdline: Option<String>,
    pub(super) initrd: InitrdState,
    /// Whether the kernel stands beside the root: in a unified image, or with our own loader.
    pub(super) beside_root: bool,
}

impl BootChain {
    /// Looks for what firmware would start.
    pub(super) fn find(medium: &Medium, view: &DiskView, volumes: &[Mounted], found: &mut Findings) -> Self {
        let mut chain = Self::default();
        for volume in volumes.iter().filter(|volume| volume.slot.content.kind() == Some(FsKind::Fat)) {
            chain.uefi(medium, volume, found);
        }
        chain.bios(medium, view);
        if chain.firmware.is_empty() {
            found.failure(
                "firmware",
                "firmware finds nothing to start: there is neither EFI/BOOT/BOOTX64.EFI (BOOTAA64.EFI) on an EFI system \
                 partition nor code for a legacy BIOS",
                "give the recipe a `[boot]`",
            );
        }
        chain
    }

    /// Looks at what UEFI firmware would start from a file system.
    fn uefi(&mut self, medium: &Medium, volume: &Mounted, found: &mut Findings) {
        for arch in Arch::ALL {
            let name = arch.firmware().default;
            let Some(id) = lookup(volume, &["EFI", "BOOT", name]) else { continue };
            self.firmware.push(BootMode::Uefi.ec2_name());
            self.arch = Some(arch);
            if volume.slot.role().is_some_and(|role| role != "esp") {
                let what = format!("partition {} holds EFI/BOOT/{name}", volume.slot.title());
                let what = format!("{what} and is of type {}", volume.slot.type_name());
                found.failure("esp", what, "give it the type of an EFI system partition (`role = \"esp\"`)");
            }
            if !self.unified(medium, volume, id, arch, name, found) {
                // A loader; what it starts most likely is a unified kernel image, or unknown.
                let folder = lookup(volume, &["EFI", "Linux"]).and_then(|id| volume.tree.entries(id));
                let last = folder.and_then(|names| names.values().next_back());
                if let Some(id) = last {
                    self.unified(medium, volume, *id, arch, "EFI/Linux", found);
                }
            }
            return;
        }
    }

    /// Takes what a unified kernel image says; false when the file is none.
    fn unified(
        &mut self,
        medium: &Medium,
        volume: &Mounted,
        id: NodeId,
        arch: Arch,
        name: &str,
        found: &mut Findings,
    ) -> bool {
        let NodeKind::File(content) = &volume.tree.node(id).kind else { return false };
        let Some(bytes) = bytes(medium, volume, content) else { return false };
        let image = match pe::read(&bytes) {
            Ok(image) => image,
            Err(error) => {
                found.failure(
                    "uefi",
                    format!("{name} cannot be run by UEFI: {error}"),
                    "build the image anew",
                );
                return true;
            }
        };
        if image.machine != PeMachine::Known(arch) {
            let what = format!("{name} is for {}, and its name is for {}", image.machine, arch.name());
            found.failure("uefi", what, "build the image with the `arch` of its packages");
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

    /// Looks for code in the MBR, and for the words of our own loader behind it.
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
        // Only our own loader keeps words where they can be read.
        let ours = code[..64] == bios::STAGE1[..64];
        self.beside_root |= ours;
        let mut words = [0; bios::CMDLINE_MAX];
        if let (Some(slot), true, None) = (slot, ours, &self.cmdline)
            && medium.read_exact_at(slot.start + bios::CMDLINE_AT as u64, &mut words).is_ok()
        {
            let end = words.iter().position(|byte| *byte == 0).unwrap_or(words.len());
            self.cmdline = Some(String::from_utf8_lossy(&words[..end]).into_owned());
        }
    }
}

/// The node at a path of a FAT file system, in which case does not matter.
fn lookup(volume: &Mounted, path: &[&str]) -> Option<NodeId> {
    path.iter().try_fold(volume.tree.root(), |at, name| {
        let mut entries = volume.tree.entries(at)?.iter();
        let found = entries.find(|(there, _)| there.as_bytes().eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, id)| *id)
    })
}

//! A root, an EFI system partition and a disk that start the old kernel.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output};

use amiforge_formats::arch::Arch;
use amiforge_formats::bios;
use amiforge_formats::gpt::types;
use amiforge_formats::pe::{self, UkiSection};
use amiforge_formats::plan::NoSources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{NodeKind, Tree};
use amiforge_image::disk::{
    DiskSize, DiskSpec, Loader, PartitionContent, PartitionSize, PartitionSpec, lay_out,
};
use amiforge_rootfs::steps::kernel_hook::{self, InitrdSource, KernelHookSpec, Uefi, UefiLoader};
use amiforge_tests::{archive, folder_tree, oracle, scratch, volume};

use super::images::{inline, kernel};

pub(crate) const MIB: usize = 1 << 20;

/// A command line with characters that a shell interprets.
pub(crate) const CMDLINE: &str = "root=LABEL=it's \"$HOME\" \\n %s ro";

/// First sector of the loader's partition.
const FIRST: usize = 2048;

pub(crate) const OLD: &str = "6.1.0-9-cloud-amd64";

pub(crate) const NEW: &str = "6.1.0-10-cloud-amd64";

/// A machine: its root, its EFI system partition and its disk, which start the old kernel.
pub(crate) struct Guest {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) stub: Vec<u8>,
    /// Length of the loader's partition in bytes.
    pub(crate) room: u64,
}

impl Guest {
    /// A machine that is set up as a build does it.
    pub(crate) fn new(initrd: InitrdSource, loader: UefiLoader, stub: Vec<u8>, room: usize) -> Option<Self> {
        if !oracle::ready(&["dpkg", "od", "dd"], false) {
            return None;
        }
        let guest = Self { folder: scratch::folder(), stub, room: room as u64 };
        let spec = KernelHookSpec {
            release: Some(OLD.to_owned()),
            cmdline: CMDLINE.to_owned(),
            initrd,
            has_initrd: false,
            drivers: vec!["nvme".to_owned(), "xen".to_owned(), "virtio".to_owned()],
            machine: Arch::X86_64,
            uefi: Some(Uefi {
                loader,
                mount: None,
                partition: "none".to_owned(),
                kernels_on: "/boot".to_owned(),
            }),
            bios: true,
            time: Time::EPOCH,
        };
        let mut tree = volume::tree(&[("bin/sh", Vec::new()), ("var/lib/dpkg/status", Vec::new())], 0);
        assert!(kernel_hook::install(&mut tree, &spec).unwrap());
        guest.write_out(&tree);
        guest.write("root/usr/lib/systemd/boot/efi/linuxx64.efi.stub", &guest.stub);
        guest.write("root/usr/lib/os-release", b"ID=test\n");
        guest.install(OLD, 3);
        Some(guest)
    }

    /// Writes the files of a tree with their modes, without their owners.
    pub(crate) fn write_out(&self, tree: &Tree) {
        for entry in tree.walk() {
            let node = tree.node(entry.id);
            if let NodeKind::File(content) = &node.kind {
                let path = format!("root/{}", String::from_utf8_lossy(&entry.path));
                self.write(&path, &folder_tree::content_bytes(content, &NoSources));
                let mode = fs::Permissions::from_mode(u32::from(node.meta.mode & 0o777));
                fs::set_permissions(self.path(&path), mode).unwrap();
            }
        }
    }

    /// Puts a kernel into `/boot`.
    pub(crate) fn install(&self, release: &str, seed: u32) {
        self.write(&format!("root/boot/vmlinuz-{release}"), &kernel(300_001 + seed as usize, 400_000, seed));
    }

    pub(crate) fn make_initrd(&self, release: &str, seed: u32) {
        self.write(&format!("root/boot/initrd.img-{release}"), &archive::noise(200_003, seed));
    }

    /// Writes disk and EFI system partition as the build does for the old kernel.
    pub(crate) fn built(&self, initrd: Option<&[u8]>) {
        let kernel = self.read(&format!("root/boot/vmlinuz-{OLD}"));
        self.write("esp/EFI/BOOT/BOOTX64.EFI", &self.uki(OLD, initrd));
        let loader = Loader {
            head: kernel[..4096].to_vec(),
            kernel: inline(&kernel),
            initrd: initrd.map(inline),
            cmdline: CMDLINE.to_owned(),
        };
        let partition = PartitionSpec {
            number: Some(1),
            id: "bios-boot".to_owned(),
            label: "bios-boot".to_owned(),
            type_guid: types::BIOS_BOOT,
            guid: None,
            attributes: 0,
            size: PartitionSize::Exact(self.room),
            content: PartitionContent::Loader(loader),
        };
        let spec = DiskSpec {
            name: "guest".to_owned(),
            size: DiskSize::Minimal,
            guid: None,
            time: Time::EPOCH,
            partitions: vec![partition],
        };
        volume::write(&lay_out(&spec).unwrap().plan, &self.path("disk"), 0xcc);
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Writes a shim: a program that is found before the system's one of the same name.
    pub(crate) fn shim(&self, name: &str, text: &str) {
        let path = format!("bin/{name}");
        self.write(&path, format!("#!/bin/sh\n{text}\n").as_bytes());
        fs::set_permissions(self.path(&path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn run(&self) -> Output {
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new(self.path("root/usr/lib/amiforge/update-boot"));
        command.env("PATH", format!("{}:{path}", self.path("bin").display()));
        command.arg("--root").arg(self.path("root")).arg("--esp").arg(self.path("esp"));
        command.arg("--disk").arg(self.path("disk")).output().unwrap()
    }

    /// Runs the script, which has to succeed, and returns its output.
    pub(crate) fn update(&self) -> String {
        let output = self.run();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(output.status.success(), "{text:?}");
        text.concat()
    }

    /// The unified kernel image that the build makes.
    pub(crate) fn uki(&self, release: &str, initrd: Option<&[u8]>) -> Vec<u8> {
        let kernel = self.read(&format!("root/boot/vmlinuz-{release}"));
        let new = self.stub.windows(16).any(|window| window == b"systemd-stub 258");
        let memory = if new { pe::size_of_image(&kernel).unwrap().into() } else { 0 };
        let mut sections = vec![
            UkiSection::new(".osrel", inline(b"ID=test\n")),
            UkiSection::new(".cmdline", inline(CMDLINE.as_bytes())),
            UkiSection::new(".uname", inline(release.as_bytes())),
        ];
        sections.extend(initrd.map(|initrd| UkiSection::new(".initrd", inline(initrd))));
        sections.push(UkiSection { memory, ..UkiSection::new(".linux", inline(&kernel)) });
        folder_tree::content_bytes(&pe::uki(&self.stub, &sections).unwrap(), &NoSources)
    }

    /// Whether the loader on the disk starts this kernel with this initrd and the command line.
    pub(crate) fn bios_starts(&self, release: &str, initrd: Option<&[u8]>) -> bool {
        let disk = self.read("disk");
        let kernel = self.read(&format!("root/boot/vmlinuz-{release}"));
        let number = |at: usize, len: usize| {
            disk[FIRST * 512 + at..][..len].iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
        };
        let stands = |lba: usize, bytes: &[u8]| {
            lba >= FIRST + 8
                && lba * 512 + bytes.len() <= FIRST * 512 + self.room as usize
                && disk[lba * 512..][..bytes.len()] == *bytes
        };
        if !stands(number(8, 8), &kernel) || !initrd.is_none_or(|initrd| stands(number(16, 8), initrd)) {
            return false;
        }
        // Everything but the addresses of kernel and initrd is as the build writes it.
        let initrd = initrd.map(inline);
        let boot =
            bios::load(FIRST as u64, &inline(&kernel), &kernel[..4096], initrd.as_ref(), CMDLINE).unwrap();
        let mut expected = folder_tree::content_bytes(&boot.content, &NoSources)[..4096].to_vec();
        expected[8..24].copy_from_slice(&disk[FIRST * 512 + 8..][..16]);
        disk[FIRST * 512..][..4096] == expected && disk[..440] == boot.mbr
    }
}

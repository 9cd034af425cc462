//! The script that makes a kernel upgrade take effect in a machine: it writes what the build would write, byte for byte,
//! and wherever it is cut off, either the old or the new kernel can be started.
#![expect(clippy::unwrap_used, reason = "a test's own steps must not fail")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use amiforge_formats::arch::Arch;
use amiforge_formats::bios;
use amiforge_formats::cpio::write::{CpioWriter, NewEntry};
use amiforge_formats::gpt::types;
use amiforge_formats::pe::{self, UkiSection};
use amiforge_formats::plan::NoSources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, NodeKind, Tree};
use amiforge_image::disk::{
    DiskSize, DiskSpec, Loader, PartitionContent, PartitionSize, PartitionSpec, lay_out,
};
use amiforge_rootfs::steps::kernel_hook::{self, InitrdOf, KernelHookSpec, Uefi, UefiLoader};
use amiforge_tests::{archive, oracle, scratch, volume, written};

const MIB: usize = 1 << 20;

/// Arguments with what a shell would take for its own.
const CMDLINE: &str = "root=LABEL=it's \"$HOME\" \\n %s ro";

/// Where the loader's partition starts.
const FIRST: usize = 2048;

const OLD: &str = "6.1.0-9-cloud-amd64";
const NEW: &str = "6.1.0-10-cloud-amd64";

/// A kernel of so many bytes: its setup header (boot protocol 2.15), headers of a PE image that asks for `memory`, noise.
fn kernel(len: usize, memory: u32, seed: u32) -> Vec<u8> {
    let mut bytes = archive::noise(len, seed);
    let mut put = |at: usize, new: &[u8]| bytes[at..at + new.len()].copy_from_slice(new);
    put(0, b"MZ");
    put(0x3c, &0x40_u32.to_le_bytes());
    put(0x40, b"PE\0\0");
    put(0x40 + 24, &0x20b_u16.to_le_bytes());
    put(0x40 + 80, &memory.to_le_bytes());
    put(0x1f1, &[39]);
    put(0x1f4, &(((len - 40 * 512) / 16) as u32).to_le_bytes());
    put(0x1fe, &[0x55, 0xaa]);
    put(0x202, b"HdrS\x0f\x02");
    put(0x211, &[1]);
    put(0x22c, &0x7fff_ffff_u32.to_le_bytes());
    put(0x238, &2047_u32.to_le_bytes());
    put(0x258, &(16_u64 << 20).to_le_bytes());
    put(0x260, &((50_u32 << 20) + 1024).to_le_bytes());
    bytes
}

/// A stub of systemd of a version, with room in its headers for so many bytes of section table in all; behind its sections
/// there are symbols, and a signature is named.
fn stub(version: u32, headers: u32) -> Vec<u8> {
    let mut bytes = vec![0; headers as usize];
    let mut put = |at: usize, new: &[u8]| bytes[at..at + new.len()].copy_from_slice(new);
    let pe = 0x80;
    put(0, b"MZ");
    put(0x3c, &(pe as u32).to_le_bytes());
    put(pe, b"PE\0\0\x64\x86\x02\0");
    put(pe + 8, &[0x77; 12]);
    put(pe + 20, &240_u16.to_le_bytes());
    put(pe + 24, &0x20b_u16.to_le_bytes());
    let fields =
        [(8, 0x400), (32, 0x1000), (36, 0x200), (56, 0x3000), (60, headers), (64, 0x1234), (108, 16)];
    for (field, value) in fields {
        put(pe + 24 + field, &u32::to_le_bytes(value));
    }
    put(pe + 24 + 68, &[10]);
    put(pe + 24 + 112 + 32, &[1, 2, 3, 4, 5, 6, 7, 8]);
    let says = format!("#### LoaderInfo: systemd-stub {version}.1-2 ####");
    let sections =
        [(b".text\0\0\0", 0x1ff, 0x1000, headers), (b".sdmagic", says.len() as u32, 0x2100, headers + 0x200)];
    for (number, (name, len, va, raw)) in sections.into_iter().enumerate() {
        let at = pe + 24 + 240 + 40 * number;
        put(at, name);
        for (field, value) in [(8, len), (12, va), (16, 0x200), (20, raw), (36, 0x6000_0020)] {
            put(at + field, &u32::to_le_bytes(value));
        }
    }
    bytes.extend([b'T'; 0x200]);
    bytes.extend(says.bytes());
    bytes.resize(headers as usize + 0x400, 0);
    bytes.extend(*b"symbols and the like");
    bytes
}

fn inline(bytes: &[u8]) -> Content {
    Content::Inline(bytes.into())
}

/// A machine: its root, its EFI system partition and its disk, which start the old kernel.
struct Guest {
    folder: tempfile::TempDir,
    stub: Vec<u8>,
    /// Length of the loader's partition.
    room: u64,
}

impl Guest {
    /// A machine that is set up as a build does it.
    fn new(initrd: InitrdOf, loader: UefiLoader, stub: Vec<u8>, room: usize) -> Option<Self> {
        if !oracle::ready(&["dpkg", "od", "dd"], false) {
            return None;
        }
        let guest = Self { folder: scratch::folder(), stub, room: room as u64 };
        let spec = KernelHookSpec {
            release: Some(OLD.to_owned()),
            cmdline: CMDLINE.to_owned(),
            initrd,
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

    /// The files of a tree; owners are left as they are.
    fn write_out(&self, tree: &Tree) {
        for entry in tree.walk() {
            let node = tree.node(entry.id);
            if let NodeKind::File(content) = &node.kind {
                let path = format!("root/{}", String::from_utf8_lossy(&entry.path));
                self.write(&path, &written::bytes(content, &NoSources));
                let mode = fs::Permissions::from_mode(u32::from(node.meta.mode & 0o777));
                fs::set_permissions(self.path(&path), mode).unwrap();
            }
        }
    }

    /// Puts a kernel into `/boot`.
    fn install(&self, release: &str, seed: u32) {
        self.write(&format!("root/boot/vmlinuz-{release}"), &kernel(300_001 + seed as usize, 400_000, seed));
    }

    fn make_initrd(&self, release: &str, seed: u32) {
        self.write(&format!("root/boot/initrd.img-{release}"), &archive::noise(200_003, seed));
    }

    /// Writes disk and EFI system partition as the build does for the old kernel.
    fn built(&self, initrd: Option<&[u8]>) {
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

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// A program that goes before those of the system.
    fn shim(&self, name: &str, text: &str) {
        let path = format!("bin/{name}");
        self.write(&path, format!("#!/bin/sh\n{text}\n").as_bytes());
        fs::set_permissions(self.path(&path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn run(&self) -> Output {
        let path = std::env::var("PATH").unwrap();
        let mut command = Command::new(self.path("root/usr/lib/amiforge/update-boot"));
        command.env("PATH", format!("{}:{path}", self.path("bin").display()));
        command.arg("--root").arg(self.path("root")).arg("--esp").arg(self.path("esp"));
        command.arg("--disk").arg(self.path("disk")).output().unwrap()
    }

    /// Runs it, which has to succeed.
    fn update(&self) -> String {
        let output = self.run();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        assert!(output.status.success(), "{said:?}");
        said.concat()
    }

    /// The unified kernel image that the build makes.
    fn uki(&self, release: &str, initrd: Option<&[u8]>) -> Vec<u8> {
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
        written::bytes(&pe::uki(&self.stub, &sections).unwrap(), &NoSources)
    }

    /// Whether the loader of the disk starts this kernel, with all that belongs to it.
    fn bios_starts(&self, release: &str, initrd: Option<&[u8]>) -> bool {
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
        // All but the places is as the build writes it.
        let initrd = initrd.map(inline);
        let boot =
            bios::load(FIRST as u64, &inline(&kernel), &kernel[..4096], initrd.as_ref(), CMDLINE).unwrap();
        let mut expected = written::bytes(&boot.content, &NoSources)[..4096].to_vec();
        expected[8..24].copy_from_slice(&disk[FIRST * 512 + 8..][..16]);
        disk[FIRST * 512..][..4096] == expected && disk[..440] == boot.mbr
    }
}

#[test]
fn the_script_writes_what_the_build_writes() {
    // Stubs with room in their headers and without, before and after the kernel runs where it is loaded.
    for stub in [stub(252, 0x400), stub(257, 0x200), stub(258, 0x400)] {
        let Some(guest) = Guest::new(InitrdOf::Auto, UefiLoader::Uki, stub, 4 * MIB) else { return };
        let old = archive::noise(200_003, 5);
        guest.make_initrd(OLD, 5);
        guest.built(Some(&old));
        let (disk, esp) = (guest.read("disk"), guest.read("esp/EFI/BOOT/BOOTX64.EFI"));
        guest.update();
        assert!(
            guest.read("disk") == disk && guest.read("esp/EFI/BOOT/BOOTX64.EFI") == esp,
            "nothing was new"
        );
        guest.install(NEW, 4);
        guest.make_initrd(NEW, 6);
        let new = archive::noise(200_003, 6);
        let said = guest.update();
        assert!(said.contains(&format!("UEFI starts {NEW}")) && said.contains("BIOS starts"), "{said}");
        assert!(guest.read("esp/EFI/BOOT/BOOTX64.EFI") == guest.uki(NEW, Some(&new)), "the same image");
        assert!(guest.bios_starts(NEW, Some(&new)));
        // Once the new one is gone, the old one is started again; both change places for ever.
        for release in [NEW, OLD] {
            fs::remove_file(guest.path(&format!("root/boot/vmlinuz-{release}"))).unwrap();
            let other = if release == NEW { OLD } else { NEW };
            guest.install(other, 9);
            guest.update();
            let initrd = guest.read(&format!("root/boot/initrd.img-{other}"));
            assert!(guest.bios_starts(other, Some(&initrd)), "{other}");
            assert!(guest.read("esp/EFI/BOOT/BOOTX64.EFI") == guest.uki(other, Some(&initrd)));
        }
    }
}

#[test]
fn wherever_it_is_cut_off_a_whole_kernel_is_started() {
    let Some(guest) = Guest::new(InitrdOf::None, UefiLoader::Uki, stub(252, 0x400), 4 * MIB) else { return };
    guest.install(NEW, 4);
    // Of all that is written to the disk, what comes before the limit is; then half of one thing; and no more.
    let count = guest.path("count");
    let gate = |half: &str| {
        format!(
            "case \"$*\" in *{}/esp/*|*of={}/disk*) ;; *) exec $real \"$@\" ;; esac\n\
             n=$(($(cat {count}) + 1)); echo $n >{count}\n\
             [ $n -ne $LIMIT ] || {{ {half}; exit 1; }}\n[ $n -lt $LIMIT ] || exit 1\nexec $real \"$@\"",
            guest.folder.path().display(),
            guest.folder.path().display(),
            count = count.display(),
        )
    };
    for (name, half) in [
        ("cp", "head -c 1000 \"$1\" >\"$2\""),
        ("dd", "$real \"$@\" count=1 2>/dev/null"),
        ("mv", ":"),
        ("rm", ":"),
        ("sync", ":"),
    ] {
        let real = oracle::find(name).unwrap();
        guest.shim(name, &format!("real={}\nLIMIT=$(cat \"$0.limit\")\n{}", real.display(), gate(half)));
    }
    let mut states = std::collections::BTreeSet::new();
    for limit in 1..40 {
        for name in ["cp", "dd", "mv", "rm", "sync"] {
            guest.write(&format!("bin/{name}.limit"), limit.to_string().as_bytes());
        }
        guest.write("count", b"0");
        guest.built(None);
        let output = guest.run();
        let efi = guest.read("esp/EFI/BOOT/BOOTX64.EFI");
        let uefi = [OLD, NEW].map(|release| efi == guest.uki(release, None));
        let bios = [OLD, NEW].map(|release| guest.bios_starts(release, None));
        assert!(uefi.contains(&true), "cut off at {limit}, UEFI has half an image");
        assert!(bios.contains(&true), "cut off at {limit}, the loader has half a kernel");
        states.insert((uefi[1], bios[1]));
        if output.status.success() {
            assert!(uefi[1] && bios[1], "it says that all is done");
            assert!(limit > 5, "there was nothing to cut off");
            break;
        }
    }
    assert!(states.contains(&(true, true)) && states.contains(&(false, false)), "{states:?}");
}

#[test]
fn without_room_nothing_is_touched_and_it_says_so() {
    let Some(guest) = Guest::new(InitrdOf::None, UefiLoader::Uki, stub(252, 0x400), MIB) else { return };
    guest.built(None);
    guest.install(NEW, 4);
    guest.shim("df", "echo head; echo fs 900 800 100 89% /");
    let (disk, esp) = (guest.read("disk"), guest.read("esp/EFI/BOOT/BOOTX64.EFI"));
    let output = guest.run();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("no room on the EFI system partition"), "{said}");
    assert!(said.contains("no room in the BIOS boot partition"), "{said}");
    assert!(guest.read("disk") == disk && guest.read("esp/EFI/BOOT/BOOTX64.EFI") == esp);
    assert_eq!(fs::read_dir(guest.path("esp/EFI/BOOT")).unwrap().count(), 1, "nothing is left behind");
    // A disk that something else starts by now is not ours to write.
    let mut other = disk;
    other[432..440].fill(0);
    guest.write("disk", &other);
    fs::remove_file(guest.path("bin/df")).unwrap();
    guest.write("esp/EFI/BOOT/BOOTX64.EFI", b"another loader");
    let said = guest.update();
    assert!(said.contains("not started by amiforge's loader") && said.contains("left as it was"), "{said}");
    assert!(guest.read("disk") == other && guest.read("esp/EFI/BOOT/BOOTX64.EFI") == b"another loader");
}

#[test]
fn an_initrd_of_our_own_is_made_as_the_build_makes_it() {
    let Some(guest) = Guest::new(InitrdOf::Own, UefiLoader::Uki, stub(252, 0x400), 4 * MIB) else { return };
    if !oracle::ready(&["xz"], false) {
        return;
    }
    guest.built(None);
    guest.install(NEW, 4);
    guest.write("root/m/virtio_pci.ko", b"virtio pci");
    let mut packed = Vec::new();
    std::io::Write::write_all(&mut liblzma::write::XzEncoder::new(&mut packed, 1), b"nvme!").unwrap();
    guest.write("root/m/nvme.ko.xz", &packed);
    // kmod of the distribution is asked for what is needed.
    let said = "case \"$*\" in *show-depends\\ nvme) echo insmod $3m/nvme.ko.xz ;;\n\
                *virtio_pci) echo builtin virtio; echo insmod $3m/virtio_pci.ko x=1 ;;\n\
                *virtio_blk) echo insmod $3m/virtio_pci.ko ;; *) exit 1 ;; esac";
    guest.shim("modprobe", &said.replace("$3", "$4"));
    guest.update();
    let mut archive = CpioWriter::new();
    for folder in ["dev", "modules", "proc", "root", "sys"] {
        archive.add(folder, 0o755, NewEntry::Folder);
    }
    archive.add("dev/console", 0o600, NewEntry::Device { major: 5, minor: 1 });
    archive.add("init", 0o755, NewEntry::File(&guest.read("root/usr/lib/amiforge/initrd-init")));
    archive.add("modules/nvme.ko", 0o644, NewEntry::File(b"nvme!"));
    archive.add("modules/virtio_pci.ko", 0o644, NewEntry::File(b"virtio pci"));
    archive.add("modules/order", 0o644, NewEntry::File(b"nvme.ko\nvirtio_pci.ko\n"));
    let initrd = archive.finish();
    assert!(guest.read("esp/EFI/BOOT/BOOTX64.EFI") == guest.uki(NEW, Some(&initrd)));
    assert!(guest.bios_starts(NEW, Some(&initrd)));
}

#[test]
fn loaders_of_the_distribution_are_told_too() {
    let Some(guest) = Guest::new(InitrdOf::Auto, UefiLoader::Grub, stub(252, 0x400), 4 * MIB) else { return };
    guest.make_initrd(NEW, 6);
    guest.built(None);
    guest.install(NEW, 4);
    let before = "serial --unit=0\nsearch --fs-uuid --set=root 1234\nlinux /vmlinuz-old x\ninitrd /initrd.img-old\nboot\n";
    guest.write("esp/EFI/debian/grub.cfg", before.as_bytes());
    guest.update();
    let after = String::from_utf8(guest.read("esp/EFI/debian/grub.cfg")).unwrap();
    let lines = format!("linux /vmlinuz-{NEW} {CMDLINE}\ninitrd /initrd.img-{NEW}\nboot\n");
    assert_eq!(after, format!("serial --unit=0\nsearch --fs-uuid --set=root 1234\n{lines}"));

    let Some(guest) = Guest::new(InitrdOf::None, UefiLoader::SystemdBoot, stub(252, 0x400), 4 * MIB) else {
        return;
    };
    guest.built(None);
    guest.install(NEW, 4);
    guest.install("6.1.0-99-other", 8);
    for release in [OLD, "6.1.0-8-cloud-amd64"] {
        guest.write(&format!("esp/EFI/Linux/{release}.efi"), b"there");
    }
    guest.update();
    let mut names: Vec<_> =
        fs::read_dir(guest.path("esp/EFI/Linux")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(
        names,
        [format!("{NEW}.efi").as_str(), &format!("{OLD}.efi")],
        "of this flavour, and of those installed"
    );
    assert!(guest.read(&format!("esp/EFI/Linux/{NEW}.efi")) == guest.uki(NEW, None));
}

#[test]
fn shellcheck_has_nothing_to_say() {
    if !oracle::ready(&["shellcheck"], false) {
        return;
    }
    let folder = scratch::repository().join("rootfs/src/steps/kernel_hook/image");
    for name in ["update-boot", "zz-amiforge"] {
        oracle::must(
            "shellcheck",
            &["-s", "sh", "-S", "warning", &Path::new(&folder).join(name).to_string_lossy()],
        );
    }
}

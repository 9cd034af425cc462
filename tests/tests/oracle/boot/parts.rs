//! A Debian kernel and systemd's stub, an initrd whose only program prints how it was booted, and disks made by sgdisk
//! and mtools.

use std::path::{Path, PathBuf};

use amiforge_formats::bios::BiosBoot;
use amiforge_formats::plan::NoSources;
use amiforge_formats::tree::Content;
use amiforge_tests::{archive, folder_tree, oracle, scratch};
use tempfile::TempDir;

/// Start and length in MiB of partition 1: the loader for a legacy BIOS.
const LOADER: (u64, u64) = (1, 40);

/// Start and length in MiB of partition 2: the EFI system partition.
pub(crate) const ESP: (u64, u64) = (41, 40);

/// First sector of the partition with the loader for a legacy BIOS.
pub(crate) const LOADER_SECTOR: u64 = LOADER.0 * 2048;

/// The files that a guest boots from.
pub(crate) struct Parts {
    pub(crate) folder: TempDir,
    /// Debian's kernel for cloud machines.
    pub(crate) kernel: Vec<u8>,
    /// The stub of systemd.
    pub(crate) stub: Vec<u8>,
    /// An initrd with the program of `init.c`, and with noise, so that a wrong length or a cut-off end is seen.
    pub(crate) initrd: Vec<u8>,
    /// The noise that the program prints, which is near the archive's end.
    pub(crate) noise: String,
}

impl Parts {
    /// Extracts kernel and stub from the input, and compiles the program; skips when something is missing.
    pub(crate) fn take() -> Option<Self> {
        if !oracle::ready(&["gcc", "tar"], false) {
            return None;
        }
        let input = scratch::input("min.tar")?;
        let folder = scratch::folder();
        let at = |name: &str| folder.path().join(name);
        let (input, top) = (input.to_string_lossy(), folder.path().to_string_lossy());
        oracle::must(
            "tar",
            &["-xf", &input, "-C", &top, "--wildcards", "./boot/vmlinuz-*", "./usr/lib/systemd/boot"],
        );
        let kernels = std::fs::read_dir(at("boot")).expect("/boot of the input");
        let kernel = kernels.map(|entry| entry.expect("an entry").path()).max().expect("a kernel");
        let source = scratch::repository().join("tests/tests/oracle/boot/init.c");
        let arguments =
            "-static -nostdlib -ffreestanding -fno-stack-protector -fno-pie -no-pie -Os -Wall -Werror -o";
        let mut arguments: Vec<_> = arguments.split(' ').map(str::to_owned).collect();
        arguments.extend([at("init").to_string_lossy().into_owned(), source.to_string_lossy().into_owned()]);
        oracle::must("gcc", &arguments);
        let read = |path: PathBuf| std::fs::read(path).expect("a part");
        let noise: String = archive::noise(40, 11).iter().map(|byte| char::from(b'a' + byte % 26)).collect();
        Some(Self {
            kernel: read(kernel),
            stub: read(at("usr/lib/systemd/boot/efi/linuxx64.efi.stub")),
            initrd: initrd(&read(at("init")), &noise),
            noise,
            folder,
        })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A disk with the loader for a legacy BIOS, or an image for UEFI, or both.
    pub(crate) fn disk(&self, name: &str, boot: Option<&BiosBoot>, uki: Option<&[u8]>) -> PathBuf {
        let path = self.path(name);
        let disk = path.to_string_lossy().into_owned();
        let file = std::fs::File::create(&path).expect("a disk");
        file.set_len((ESP.0 + ESP.1 + 1) << 20).expect("its length");
        let new =
            |number: u32, (at, len): (u64, u64)| format!("--new={number}:{}:+{}", at * 2048, len * 2048);
        let types = ["--typecode=1:ef02", "--typecode=2:ef00"].map(str::to_owned);
        let mut arguments = vec![new(1, LOADER), new(2, ESP)];
        arguments.extend(types);
        arguments.push(disk.clone());
        oracle::must("sgdisk", &arguments);
        if let Some(boot) = boot {
            write_at(&path, 0, &boot.mbr);
            write_at(&path, LOADER.0 << 20, &bytes(&boot.content));
        }
        if let Some(uki) = uki {
            std::fs::write(self.path("uki"), uki).expect("an image");
            let (target, sectors) = (format!("{disk}@@{}M", ESP.0), (ESP.1 * 2048).to_string());
            let uki = self.path("uki").to_string_lossy().into_owned();
            oracle::must("mformat", &["-i", &target, "-F", "-T", &sectors, "::"]);
            oracle::must("mmd", &["-i", &target, "::EFI", "::EFI/BOOT"]);
            oracle::must("mcopy", &["-i", &target, &uki, "::EFI/BOOT/BOOTX64.EFI"]);
        }
        path
    }
}

/// Whether the tools that make disks are installed; skips otherwise.
pub(crate) fn tools() -> bool {
    oracle::ready(&["sgdisk", "mformat", "mmd", "mcopy"], false)
}

/// Content in memory.
pub(crate) fn inline(bytes: &[u8]) -> Content {
    Content::Inline(bytes.into())
}

/// The bytes of a content without sources.
pub(crate) fn bytes(content: &Content) -> Vec<u8> {
    folder_tree::content_bytes(content, &NoSources)
}

/// Writes into a file.
pub(crate) fn write_at(path: &Path, at: u64, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    let file = std::fs::File::options().write(true).open(path).expect("a file");
    file.write_all_at(bytes, at).expect("its bytes");
}

/// An initrd in the format `newc` (Linux, `Documentation/driver-api/early-userspace/buffer-format.rst`).
fn initrd(init: &[u8], noise: &str) -> Vec<u8> {
    let filler = archive::noise(1 << 20, 12);
    let mut archive = Vec::new();
    for (name, mode, device, bytes) in [
        ("dev", 0o4_0755, 0, &[][..]),
        ("dev/console", 0o2_0600, 1, &[]),
        ("proc", 0o4_0755, 0, &[]),
        ("sys", 0o4_0755, 0, &[]),
        ("filler", 0o10_0644, 0, &filler),
        ("noise", 0o10_0644, 0, noise.as_bytes()),
        ("init", 0o10_0755, 0, init),
        ("TRAILER!!!", 0, 0, &[]),
    ] {
        let (number, len) = (archive.len() as u32, bytes.len() as u32);
        let fields = [number, mode, 0, 0, 1, 0, len, 0, 0, device * 5, device, name.len() as u32 + 1, 0];
        archive.extend_from_slice(b"070701");
        archive.extend(fields.iter().flat_map(|field| format!("{field:08x}").into_bytes()));
        archive.extend_from_slice(name.as_bytes());
        archive.push(0);
        archive.resize(archive.len().next_multiple_of(4), 0);
        archive.extend_from_slice(bytes);
        archive.resize(archive.len().next_multiple_of(4), 0);
    }
    archive
}

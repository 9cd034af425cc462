//! A small root that dm-verity checks, made by mke2fs, veritysetup and sgdisk: Debian's kernel, our initrd, and a few programs
//! of Debian.

use std::fs;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use amiforge_formats::arch::Arch;
use amiforge_formats::path;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, Tree};
use amiforge_rootfs::initrd::{InitProgram, KernelModules};
use amiforge_store::blobs::Blobs;
use amiforge_tests::guest::Guest;
use amiforge_tests::{oracle, scratch};
use tempfile::TempDir;

/// MiB of the root, of its hash tree, and of the data partition as the image has it.
const ROOT: u64 = 32;
const HASHES: u64 = 2;
const DATA: u64 = 16;

/// First bytes of the partitions.
pub(crate) const ROOT_AT: u64 = 1 << 20;
pub(crate) const HASHES_AT: u64 = (1 + ROOT) << 20;
const DATA_AT: u64 = (1 + ROOT + HASHES) << 20;

/// Programs of the root, and the libraries that they load.
const PROGRAMS: [&str; 6] = ["bin/cat", "bin/dash", "bin/sync", "bin/touch", "sbin/e2fsck", "sbin/mke2fs"];
const LIBRARIES: [&str; 7] = [
    "ld-linux-x86-64.so.2",
    "libblkid.so.1",
    "libc.so.6",
    "libcom_err.so.2",
    "libe2p.so.2",
    "libext2fs.so.2",
    "libuuid.so.1",
];

/// The kernel's modules that are loaded.
const MODULES: [&str; 5] = ["drivers/md", "lib/reed_solomon", "fs/overlayfs", "fs/erofs", "arch/x86/crypto"];

/// A kernel, an initrd for verified roots, and the programs of a root.
pub(crate) struct Parts {
    pub(crate) folder: TempDir,
    kernel: PathBuf,
    initrd: PathBuf,
}

/// A disk and its root hash.
#[derive(Clone)]
pub(crate) struct Disk {
    pub(crate) path: PathBuf,
    pub(crate) root_hash: String,
}

impl Parts {
    /// Extracts the parts from the input; skips when something is missing.
    pub(crate) fn take() -> Option<Self> {
        if !oracle::ready(
            &["qemu-system-x86_64", "tar", "mke2fs", "veritysetup", "sgdisk", "dumpe2fs"],
            false,
        ) {
            return None;
        }
        let input = scratch::input("min.tar")?;
        let folder = scratch::folder();
        let top = folder.path().join("system");
        fs::create_dir(&top).expect("a folder");
        let mut args =
            vec!["-xf".to_owned(), input.display().to_string(), "-C".to_owned(), top.display().to_string()];
        args.push("--wildcards".to_owned());
        args.extend(
            ["./boot/vmlinuz-*", "./usr/lib/x86_64-linux-gnu/*.so*", "./etc/mke2fs.conf"].map(str::to_owned),
        );
        args.extend(["dep", "builtin"].map(|name| format!("./usr/lib/modules/*/modules.{name}")));
        args.extend(MODULES.map(|folder| format!("./usr/lib/modules/*/kernel/{folder}")));
        args.extend(PROGRAMS.map(|program| format!("./usr/{program}")));
        oracle::must("tar", &args);
        let kernels = fs::read_dir(top.join("boot")).expect("/boot of the input");
        let kernel = kernels.map(|entry| entry.expect("an entry").path()).max().expect("a kernel");
        let initrd = folder.path().join("initrd");
        fs::write(&initrd, initrd_of(&top)).expect("an initrd");
        Some(Self { folder, kernel, initrd })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A disk with a verified root of some version; and a data partition that is to be formatted, if it has one.
    pub(crate) fn disk(&self, name: &str, version: &str, has_data: bool) -> Disk {
        let disk = Disk { path: self.path(name), root_hash: self.make_root(version) };
        let file = fs::File::create(&disk.path).expect("a disk");
        file.set_len(DATA_AT + ((DATA + 1) << 20)).expect("its length");
        let new = |number: u32, at: u64, len: u64| format!("--new={number}:{}:+{len}M", at / 512);
        let mut arguments = vec![new(1, ROOT_AT, ROOT), new(2, HASHES_AT, HASHES)];
        if has_data {
            let data = ["--typecode=3:8300", "--change-name=3:amiforge-data", "--attributes=3:set:48"];
            arguments.push(new(3, DATA_AT, DATA));
            arguments.extend(data.map(str::to_owned));
        }
        arguments.push(disk.path.display().to_string());
        oracle::must("sgdisk", &arguments);
        self.put_root(&disk);
        disk
    }

    /// Puts a root of another version in place of that of a disk, as an update does.
    pub(crate) fn update(&self, disk: &mut Disk, version: &str) {
        disk.root_hash = self.make_root(version);
        self.put_root(disk);
    }

    /// Makes `root` and `hashes`; gives the root hash.
    fn make_root(&self, version: &str) -> String {
        let top = self.path("root");
        let _ = fs::remove_dir_all(&top);
        for folder in
            ["dev", "etc", "proc", "run", "sys", "tmp", "usr/bin", "usr/lib", "usr/lib64", "usr/sbin", "var"]
        {
            fs::create_dir_all(top.join(folder)).expect("a folder");
        }
        for name in ["bin", "lib", "lib64", "sbin"] {
            symlink(format!("usr/{name}"), top.join(name)).expect("a link");
        }
        let system = self.path("system");
        let copy = |from: &str, to: &str| {
            fs::copy(system.join(from), top.join(to)).expect("a file");
        };
        for program in PROGRAMS {
            copy(&format!("usr/{program}"), &format!("usr/{program}"));
        }
        for library in LIBRARIES {
            let folder = if library.starts_with("ld-") { "lib64" } else { "lib" };
            copy(&format!("usr/lib/x86_64-linux-gnu/{library}"), &format!("usr/{folder}/{library}"));
        }
        copy("etc/mke2fs.conf", "etc/mke2fs.conf");
        fs::write(top.join("var/version"), format!("{version}\n")).expect("a file");
        let init = top.join("usr/sbin/init");
        fs::copy(scratch::repository().join("tests/tests/oracle/boot/guest-init"), &init).expect("an init");
        fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).expect("its mode");
        let (root, hashes, top) = (self.text("root.ext4"), self.text("hashes"), self.text("root"));
        let _ = (fs::remove_file(&root), fs::remove_file(&hashes));
        let size = format!("{ROOT}M");
        oracle::must(
            "mke2fs",
            &["-q", "-t", "ext4", "-O", "^has_journal", "-b", "4096", "-m", "0", "-d", &top, &root, &size],
        );
        fs::write(&hashes, []).expect("a file");
        let salt = format!("--salt={}", "5a".repeat(32));
        let made = oracle::must("veritysetup", &["format", &salt, &root, &hashes]);
        let line = made.lines().find_map(|line| line.strip_prefix("Root hash:")).expect("a root hash");
        line.trim().to_owned()
    }

    /// Writes `root` and `hashes` to a disk, whose partitions get the GUIDs of its root hash.
    fn put_root(&self, disk: &Disk) {
        for (name, at) in [("root.ext4", ROOT_AT), ("hashes", HASHES_AT)] {
            super::parts::write_at(&disk.path, at, &fs::read(self.path(name)).expect("a part"));
        }
        disk.name_partitions();
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Boots a disk with these arguments, and another disk; gives the console.
    pub(crate) fn boot(&self, disk: &Disk, cmdline: &str, other: Option<&Disk>) -> String {
        let guest = Guest {
            kernel: &self.kernel,
            initrd: Some(&self.initrd),
            disk: &disk.path,
            other_disk: other.map(|other| other.path.as_path()),
            cmdline: &format!("loglevel=4 {cmdline}"),
            timeout: Duration::from_mins(4),
        };
        guest.run(&self.path("console"))
    }

    /// Boots a disk by its root hash.
    pub(crate) fn boot_verified(&self, disk: &Disk, cmdline: &str, other: Option<&Disk>) -> String {
        self.boot(disk, &format!("roothash={} {cmdline}", disk.root_hash), other)
    }
}

impl Disk {
    /// A copy under another name.
    pub(crate) fn copy(&self, name: &str) -> Self {
        let path = self.path.with_file_name(name);
        oracle::must("cp", &["--sparse=always", &self.path.to_string_lossy(), &path.to_string_lossy()]);
        Self { path, ..self.clone() }
    }

    /// Gives the partitions of the root the GUIDs of the root hash.
    pub(crate) fn name_partitions(&self) {
        let hash = &self.root_hash;
        let id = |at: usize| {
            let part = |from: usize, to: usize| &hash[at + from..at + to];
            format!("{}-{}-{}-{}-{}", part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32))
        };
        let (root, hashes) =
            (format!("--partition-guid=1:{}", id(0)), format!("--partition-guid=2:{}", id(32)));
        oracle::must("sgdisk", &[&root, &hashes, &*self.path.to_string_lossy()]);
    }

    /// Inverts a bit.
    pub(crate) fn flip(&self, at: u64) {
        let file = fs::File::options().read(true).write(true).open(&self.path).expect("a disk");
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).expect("a byte");
        file.write_all_at(&[byte[0] ^ 0x10], at).expect("a byte");
    }

    /// Where a text is on the disk.
    pub(crate) fn find(&self, text: &str) -> u64 {
        let bytes = fs::read(&self.path).expect("a disk");
        let at = bytes.windows(text.len()).position(|window| window == text.as_bytes());
        at.unwrap_or_else(|| panic!("there is no {text}")) as u64
    }

    /// Makes the disk longer.
    pub(crate) fn enlarge(&self, mib: u64) {
        fs::File::options()
            .write(true)
            .open(&self.path)
            .expect("a disk")
            .set_len(mib << 20)
            .expect("its length");
    }

    /// Length in bytes of the file system on the data partition, which e2fsck has to find clean, as sgdisk has the table.
    pub(crate) fn data_len(&self) -> u64 {
        let disk = self.path.to_string_lossy();
        let verified = oracle::must("sgdisk", &["--verify", &*disk]);
        assert!(verified.contains("No problems found"), "{verified}");
        let target = format!("{disk}?offset={DATA_AT}");
        oracle::must("e2fsck", &["-fn", &target]);
        let header = oracle::must("dumpe2fs", &["-h", &target]);
        let line = header.lines().find_map(|line| line.strip_prefix("Block count:")).expect("a count");
        line.trim().parse::<u64>().expect("a number") * 4096
    }

    /// The attributes of the data partition.
    pub(crate) fn data_attributes(&self) -> String {
        let listed = oracle::must("sgdisk", &["--info=3", &*self.path.to_string_lossy()]);
        let line =
            listed.lines().find_map(|line| line.strip_prefix("Attribute flags: ")).expect("attributes");
        line.to_owned()
    }
}

/// The initrd for the kernel below a folder.
fn initrd_of(top: &Path) -> Vec<u8> {
    let folders = fs::read_dir(top.join("usr/lib/modules")).expect("modules");
    let release = folders.map(|entry| entry.expect("an entry").file_name()).max().expect("a release");
    let release = release.to_string_lossy().into_owned();
    let time = Time { secs: 0, nanos: 0 };
    let mut tree = Tree::new(Meta::root_owned(0o755, time));
    let mut left = vec![top.join("usr/lib/modules")];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                left.push(entry);
                continue;
            }
            let name = entry.strip_prefix(top).expect("a path below").to_string_lossy().into_owned();
            let bytes = fs::read(&entry).expect("a file");
            path::write(&mut tree, name.as_bytes(), &bytes, 0o644, time).expect("a file");
        }
    }
    let blobs = Blobs::new();
    let modules = KernelModules::read(&tree, &blobs, &release).expect("a list of modules");
    let drivers = ["nvme", "ext4", "verity", "overlay"].map(str::to_owned);
    let order = modules.load_order(&drivers).expect("an order");
    modules.build_initrd(&tree, &blobs, &order, (Arch::X86_64, InitProgram::Verified)).expect("an initrd")
}

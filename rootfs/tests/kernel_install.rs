//! A kernel upgrade where rpm installs kernels: kernel-install(8) runs the plug-in, and the script chooses the newest
//! kernel without dpkg. The loader is GRUB's configuration, the one that is text.
#![expect(clippy::unwrap_used, reason = "a test's own steps must not fail")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use amiforge_formats::arch::Arch;
use amiforge_formats::path;
use amiforge_formats::plan::NoSources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Meta, NodeKind, Tree};
use amiforge_rootfs::steps::kernel_hook::{self, InitrdSource, KernelHookSpec, Uefi, UefiLoader};

/// Releases as those of Amazon Linux, oldest first; by the order of text the second would be the newest.
const RELEASES: [&str; 3] =
    ["6.1.79-99.167.amzn2023.x86_64", "6.1.94-99.176.amzn2023.x86_64", "6.1.119-129.201.amzn2023.x86_64"];

/// A debug kernel is newer, and of another flavour.
const DEBUG: &str = "6.1.119-129.202.amzn2023.x86_64+debug";

/// What the script runs besides the shell; neither dpkg nor anything of Debian is among them.
const PROGRAMS: [&str; 18] = [
    "cat", "cmp", "cp", "dd", "df", "grep", "head", "mkdir", "mktemp", "mv", "od", "rm", "sed", "sort",
    "stat", "sync", "tail", "tr",
];

/// A machine of the layout of Fedora and its kin: kernels in `/usr/lib/modules`.
struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        let spec = KernelHookSpec {
            release: Some(RELEASES[0].to_owned()),
            cmdline: "root=PARTUUID=x ro".to_owned(),
            initrd: InitrdSource::None,
            has_initrd: false,
            drivers: Vec::new(),
            machine: Arch::X86_64,
            uefi: Some(Uefi {
                loader: UefiLoader::Grub,
                mount: None,
                partition: "none".to_owned(),
                kernels_on: String::new(),
            }),
            bios: false,
            time: Time::EPOCH,
        };
        let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
        for file in ["bin/sh", "usr/lib/sysimage/rpm/rpmdb.sqlite"] {
            path::write(&mut tree, file.as_bytes(), b"", 0o644, Time::EPOCH).unwrap();
        }
        assert!(kernel_hook::install(&mut tree, &spec).unwrap());
        let machine = Self { folder: tempfile::tempdir().unwrap() };
        for entry in tree.walk() {
            let NodeKind::File(content) = &tree.node(entry.id).kind else { continue };
            let bytes = path::bytes_of(content, &NoSources).unwrap();
            machine.write(&format!("root/{}", String::from_utf8_lossy(&entry.path)), &bytes, 0o755);
        }
        machine.write("esp/EFI/debian/grub.cfg", b"search x\nlinux /old y\nboot\n", 0o644);
        fs::create_dir(machine.path("bin")).unwrap();
        for program in PROGRAMS {
            let folders = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(Path::new);
            let found = folders.iter().map(|folder| folder.join(program)).find(|path| path.is_file());
            symlink(found.unwrap(), machine.path("bin").join(program)).unwrap();
        }
        machine
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn write(&self, path: &str, bytes: &[u8], mode: u32) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn kernel(&self, release: &str) -> PathBuf {
        self.path(&format!("root/usr/lib/modules/{release}/vmlinuz"))
    }

    fn install(&self, release: &str) {
        self.write(&format!("root/usr/lib/modules/{release}/vmlinuz"), b"kernel", 0o644);
    }

    /// Runs the script by a PATH without dpkg.
    fn update(&self, args: &[&str]) -> Output {
        let mut command = Command::new(self.path("root/usr/lib/amiforge/update-boot"));
        command.env("PATH", self.path("bin")).arg("--root").arg(self.path("root"));
        command.arg("--esp").arg(self.path("esp")).args(args).output().unwrap()
    }

    /// The release of the kernel that the loader starts.
    fn starts(&self) -> String {
        let text = fs::read_to_string(self.path("esp/EFI/debian/grub.cfg")).unwrap();
        let line =
            text.lines().find_map(|line| line.strip_prefix("linux /usr/lib/modules/")).unwrap_or_default();
        let (release, rest) = line.split_once('/').unwrap_or_default();
        assert_eq!(rest, "vmlinuz root=PARTUUID=x ro", "{text}");
        release.to_owned()
    }

    /// The plug-in of the machine with the paths of this folder, and the script that it runs.
    fn plugin(&self) -> PathBuf {
        let here = |path: &str| self.path(path).display().to_string();
        let script = format!(
            "#!/bin/sh\nPATH={} exec {} --root {} --esp {} \"$@\"\n",
            here("bin"),
            here("root/usr/lib/amiforge/update-boot"),
            here("root"),
            here("esp"),
        );
        self.write("update-boot", script.as_bytes(), 0o755);
        let plugin =
            fs::read_to_string(self.path("root/usr/lib/kernel/install.d/99-amiforge.install")).unwrap();
        let plugin = plugin.replace("/usr/lib/amiforge/update-boot", &here("update-boot"));
        let plugin = plugin.replace("/etc/default/amiforge-boot", &here("root/etc/default/amiforge-boot"));
        self.write("99-amiforge.install", plugin.as_bytes(), 0o755);
        self.path("99-amiforge.install")
    }

    /// Runs kernel-install with the machine's configuration and the plug-in alone; it has to succeed.
    fn kernel_install(&self, args: &[&str]) {
        let mut command = Command::new("kernel-install");
        command.env("KERNEL_INSTALL_PLUGINS", self.plugin()).env("BOOT_ROOT", self.path("root/boot"));
        command
            .env("KERNEL_INSTALL_CONF_ROOT", self.path("root/etc/kernel"))
            .env("MACHINE_ID", "0".repeat(32));
        let output = command.args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_newest_kernel_of_the_flavour_is_started_without_dpkg() {
    let machine = Machine::new();
    for release in RELEASES.into_iter().chain([DEBUG]) {
        machine.install(release);
        let output = machine.update(&[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let expected = if release == DEBUG { RELEASES[2] } else { release };
        assert_eq!(machine.starts(), expected);
    }
    let output = machine.update(&["--without", RELEASES[2]]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(machine.starts(), RELEASES[1]);
}

#[test]
fn kernel_install_makes_an_upgrade_and_a_removal_take_effect() {
    if Command::new("kernel-install").arg("--version").output().is_err() {
        let required = std::env::var_os("REQUIRE_ORACLES").is_some_and(|value| value == "1");
        assert!(!required, "`kernel-install` is not installed");
        println!("SKIP: `kernel-install` is not installed");
        return;
    }
    let machine = Machine::new();
    let [old, _, new] = RELEASES;
    for release in [old, new] {
        machine.install(release);
        machine.kernel_install(&["add", release, &machine.kernel(release).display().to_string()]);
        assert_eq!(machine.starts(), release);
    }
    // As the script of the package that is removed: its files are still there.
    machine.kernel_install(&["remove", new]);
    assert_eq!(machine.starts(), old);
    assert!(!machine.path("root/boot/loader").exists(), "there are no entries of a loader that is not there");
    fs::remove_dir_all(machine.kernel(new).parent().unwrap()).unwrap();
    // The last kernel goes on being started.
    machine.kernel_install(&["remove", old]);
    assert_eq!(machine.starts(), old);
}

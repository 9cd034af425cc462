//! `boot = "keep"` for disks that start real systems: one of amiforge's own in a local region, and one that GRUB starts, made as
//! distributions make theirs. A package goes over each, and a machine says that both are there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use amiforge_formats::digest::Digest;
use amiforge_tests::machine::{self, Disk, End, Firmware, Machine};
use amiforge_tests::program::{self, Bundle};
use amiforge_tests::{oracle, scratch};
use serde_json::Value;

use crate::fixtures::{must, read_file};

/// Packages over the image: `hello` is small, with what it needs there already, and a command.
fn over(packages: &str) -> String {
    format!(
        "\n[[source]]\nkind = \"deb\"\ndistribution = \"debian\"\nsuites = [\"bookworm\", \"bookworm-updates\", \
         \"bookworm-security\"]\npackages = [{packages}]\nrecommends = false\n"
    )
}

/// A unit that says by the new package's command that it is there, and which variant of the kernel runs; and its link.
const UNIT: &str = "\n[[file]]\npath = \"/etc/systemd/system/said.service\"\ncontent = \"\"\"\n[Service]\nType=oneshot\n\
    ExecStart=/bin/sh -c 'echo SAID $(hello) $(uname -r | grep -o rt) > /dev/ttyS0'\n[Install]\nWantedBy=multi-user.target\n\"\"\"\n\n[system]\nenable = \
    [\"said.service\"]\n";

/// What the unit writes.
const SAID: &str = "SAID Hello, world!";

struct Fixture(tempfile::TempDir);

impl Fixture {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, args: &[&str]) -> String {
        let mut command = Command::new(program::path());
        command.args(args).current_dir(self.0.path());
        must(&command.env("AMIFORGE_LOCAL_REGION", self.path("region")).output().unwrap())
    }

    /// A recipe that keeps a disk, puts the package over it, and has it say so; locked, with its files in the store.
    fn keep(&self, source: &str, packages: &str) -> bool {
        let text = format!(
            "boot = \"keep\"\n\n[image]\nname = \"kept\"\nversion = \"1\"\narch = \"x86_64\"\n\n[[source]]\nkind = \"image\"\n{source}{}{UNIT}",
            over(packages)
        );
        fs::write(self.path("kept.toml"), text).unwrap();
        for command in ["lock", "fetch"] {
            let mut run = Command::new(program::path());
            run.args([command, "kept.toml", "--store", "store"]).current_dir(self.0.path());
            let output = run.env("AMIFORGE_LOCAL_REGION", self.path("region")).output().unwrap();
            if !output.status.success() {
                oracle::skip(&format!(
                    "no archive is reachable: {}",
                    String::from_utf8_lossy(&output.stderr)
                ));
                return false;
            }
        }
        true
    }

    /// Builds it; the file systems are judged, and the partition table is that of `before`.
    fn build(&self, before: &Path) -> Bundle {
        self.run(&["build", "kept.toml", "-o", "kept", "--store", "store"]);
        self.run(&["verify", "kept"]);
        let bundle = Bundle::open(&self.path("kept"));
        let root = bundle.partition("ext4");
        oracle::must("e2fsck", &["-fn", &format!("{}?offset={}", bundle.image().display(), root.start)]);
        let table = |disk: &Path| {
            let disk = disk.display().to_string();
            oracle::must("sfdisk", &["-d", &disk]).replace(&disk, "disk")
        };
        assert_eq!(table(&bundle.image()), table(before));
        assert!(read_file(&bundle, "/var/lib/dpkg/status").contains("Package: hello\n"));
        bundle
    }
}

/// Boots a disk until the unit has said these words.
fn says(image: &Path, firmware: Firmware, words: &str) {
    if !machine::ready(firmware) {
        return;
    }
    let run = Machine {
        firmware,
        disk: Disk::Nvme,
        image,
        memory: 1024,
        wait_for: words,
        timeout: std::time::Duration::from_mins(15),
        extra_args: &[],
    }
    .run();
    assert_eq!(run.end, End::Matched, "{firmware:?}: {}", run.console);
    println!("{firmware:?}: {:?}", run.time);
}

#[test]
fn a_package_over_an_ami_sends_tens_of_blocks_and_boots() {
    let Some(tar) = scratch::input("minimal.tar") else { return };
    if !oracle::ready(&["sfdisk", "e2fsck"], false) {
        return;
    }
    let fixture = Fixture(scratch::folder());
    let base = format!(
        "[image]\nname = \"base\"\nversion = \"1\"\narch = \"x86_64\"\n[[source]]\nkind = \"tar\"\npath = \"{}\"\n[disk]\nsize = \"2 GiB\"\n[boot]\nmode = \"bios\"\n",
        tar.canonicalize().unwrap().display()
    );
    fs::write(fixture.path("base.toml"), base).unwrap();
    fixture.run(&["build", "base.toml", "-o", "base", "--store", "store"]);
    let published: Value =
        serde_json::from_str(&fixture.run(&["--json", "publish", "base", "--region", "local"])).unwrap();
    let ami = published["imageId"].as_str().unwrap_or_else(|| panic!("{published}"));
    if !fixture.keep(&format!("ami = \"{ami}\"\nregion = \"local\"\n"), "\"hello\"") {
        return;
    }
    let bundle = fixture.build(&fixture.path("base/disk.raw"));
    let words = ["--json", "publish", "kept", "--region", "local", "--parent", "auto", "--store", "store"];
    let report: Value = serde_json::from_str(&fixture.run(&words)).unwrap();
    let (sent, all) = (report["blocksSent"].as_u64(), published["blocksSent"].as_u64());
    println!("{sent:?} of {all:?} blocks were sent");
    assert!(sent.is_some_and(|sent| sent > 0 && sent < 100), "{report}");
    says(&bundle.image(), Firmware::Bios, SAID);
}

/// Makes a disk as distributions make theirs: a GPT with partitions 14, 15 and 1, GRUB for either firmware, which it
/// reads by their places; files by the kernel's own ext4.
const GRUB: &str = r#"
set -eu
tar=$1 disk=$2 at=$3
truncate -s 3G "$disk"
sfdisk -q "$disk" <<TABLE
label: gpt
size=3MiB, type=21686148-6449-6E6F-744E-656564454649
size=124MiB, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709
TABLE
mkdir -p "$at" "$at.grub"
root=$(losetup -f --show -o $((128 * 1048576)) --sizelimit $(( (3072 - 129) * 1048576 )) "$disk")
trap 'umount -R "$at" 2>/dev/null || true; losetup -d "$root"' EXIT
mkfs.ext4 -q -L root "$root"
uuid=$(blkid -p -s UUID -o value "$root")
mount "$root" "$at"
tar -xf "$tar" -C "$at" --numeric-owner
kernel=$(ls "$at"/boot | grep ^vmlinuz- | sort | tail -1)
initrd=$(ls "$at"/boot | grep ^initrd.img- | sort | tail -1)
mkdir -p "$at/boot/grub"
release=${kernel#vmlinuz-}
entry() {
  printf "menuentry '%s' {\n\tlinux /boot/%s root=UUID=%s ro console=ttyS0 no_timer_check\n\tinitrd /boot/%s\n}\n" "$1" "$kernel" "$uuid" "$initrd"
}
{
  printf 'search --no-floppy --fs-uuid --set=root %s\nset default=0\nset timeout=0\n' "$uuid"
  entry 'Debian GNU/Linux'
  echo "submenu 'Advanced options' {"
  entry "Debian GNU/Linux, with Linux $release"
  echo '}'
} > "$at/boot/grub/grub.cfg"
modules='part_gpt ext2 search search_fs_uuid linux normal boot'
grub-mkimage -O x86_64-efi -p '(hd0,gpt3)/boot/grub' -o "$at.grub/grub.efi" $modules
truncate -s 124M "$at.grub/esp"
mkfs.fat -i 12345678 -n EFI "$at.grub/esp" > /dev/null
mmd -i "$at.grub/esp" ::EFI ::EFI/BOOT
mcopy -i "$at.grub/esp" "$at.grub/grub.efi" ::EFI/BOOT/BOOTX64.EFI
dd if="$at.grub/esp" of="$disk" bs=1M seek=4 conv=notrunc status=none
echo "UUID=$uuid / ext4 defaults 0 1" > "$at/etc/fstab"
echo "UUID=1234-5678 /boot/efi vfat umask=0077,nofail 0 1" >> "$at/etc/fstab"
mkdir -p "$at/boot/efi"
grub-mkimage -O i386-pc -p '(hd0,gpt3)/boot/grub' -o "$at.grub/core.img" biosdisk $modules
cp /usr/lib/grub/i386-pc/boot.img "$at.grub/boot.img"
dd if="$at.grub/core.img" of="$disk" bs=1M seek=1 conv=notrunc status=none
# boot.img loads the first sector of core.img, and that the rest: both by their place on the disk (GRUB manual, "BIOS installation").
python3 - "$disk" "$at.grub/boot.img" <<PATCH
import struct, sys
disk = open(sys.argv[1], "r+b")
boot = bytearray(open(sys.argv[2], "rb").read()[:440])
first = (1 << 20) // 512
boot[0x5c:0x64] = struct.pack("<Q", first)
boot[0x66:0x68] = b"\x90\x90"
disk.write(boot)
disk.seek(first * 512)
core = bytearray(disk.read(512))
core[512 - 12:512 - 4] = struct.pack("<Q", first + 1)
disk.seek(first * 512)
disk.write(core)
PATCH
sync
"#;

/// A fixture with such a disk, and the recipe that keeps it.
fn with_grub(packages: &str) -> Option<(Fixture, PathBuf)> {
    let tar = scratch::input("minimal.tar")?;
    let programs = ["sfdisk", "e2fsck", "losetup", "grub-mkimage", "mkfs.ext4", "mkfs.fat", "mcopy"];
    if !oracle::ready(&programs, true) {
        return None;
    }
    let fixture = Fixture(scratch::folder());
    let disk = fixture.path("grub.raw");
    fs::write(fixture.path("grub.sh"), GRUB).unwrap();
    let words = [fixture.path("grub.sh"), tar.canonicalize().unwrap(), disk.clone(), fixture.path("at")];
    must(&Command::new("bash").args(words).output().unwrap());
    let sha256 = Digest::of(&fs::read(&disk).unwrap());
    let source = format!("path = \"{}\"\nsha256 = \"{sha256}\"\n", disk.display());
    fixture.keep(&source, packages).then_some((fixture, disk))
}

#[test]
fn a_disk_that_grub_starts_keeps_it() {
    let Some((fixture, disk)) = with_grub("\"hello\"") else { return };
    let bundle = fixture.build(&disk);
    let (before, after) = (fs::read(&disk).unwrap(), fs::read(bundle.image()).unwrap());
    let differ =
        before.chunks(1 << 19).zip(after.chunks(1 << 19)).filter(|(one, other)| one != other).count();
    println!("{differ} blocks differ from the disk");
    assert!(differ < 100 && before[..128 << 20] == after[..128 << 20], "{differ}");
    assert_eq!(bundle.manifest["image"]["boot_mode"], "uefi-preferred");
    for firmware in [Firmware::Bios, Firmware::Uefi] {
        says(&bundle.image(), firmware, SAID);
    }
}

#[test]
fn a_new_kernel_is_started_by_the_grub_that_is_kept() {
    let Some((fixture, disk)) = with_grub("\"hello\", \"linux-image-rt-amd64\"") else { return };
    let bundle = fixture.build(&disk);
    let menu = read_file(&bundle, "/boot/grub/grub.cfg");
    // The new one by default, then in the submenu the new and the old one.
    let kernels: Vec<bool> = menu
        .lines()
        .filter(|line| line.trim_start().starts_with("linux"))
        .map(|line| line.contains("-rt-"))
        .collect();
    assert_eq!(kernels, [true, true, false], "{menu}");
    says(&bundle.image(), Firmware::Bios, "SAID Hello, world! rt");
}

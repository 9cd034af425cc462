//! Upgrades that succeed.

use std::fs;

use amiforge_formats::cpio::write::{CpioWriter, NewEntry};
use amiforge_rootfs::steps::kernel_hook::{InitrdSource, UefiLoader};
use amiforge_tests::{archive, oracle};

use super::guest::{CMDLINE, Guest, MIB, NEW, OLD};
use super::images::stub;

#[test]
fn the_script_writes_what_the_build_writes() {
    // Stubs with room in their headers and without, before and after the kernel runs where it is loaded.
    for stub in [stub(252, 0x400), stub(257, 0x200), stub(258, 0x400)] {
        let Some(guest) = Guest::new(InitrdSource::Auto, UefiLoader::Uki, stub, 4 * MIB) else { return };
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
        let text = guest.update();
        assert!(text.contains(&format!("UEFI starts {NEW}")) && text.contains("BIOS starts"), "{text}");
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
fn an_initrd_of_our_own_is_made_as_the_build_makes_it() {
    let Some(guest) = Guest::new(InitrdSource::Own, UefiLoader::Uki, stub(252, 0x400), 4 * MIB) else {
        return;
    };
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
    let script = "case \"$*\" in *show-depends\\ nvme) echo insmod $3m/nvme.ko.xz ;;\n\
                *virtio_pci) echo builtin virtio; echo insmod $3m/virtio_pci.ko x=1 ;;\n\
                *virtio_blk) echo insmod $3m/virtio_pci.ko ;; *) exit 1 ;; esac";
    guest.shim("modprobe", &script.replace("$3", "$4"));
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
    let Some(guest) = Guest::new(InitrdSource::Auto, UefiLoader::Grub, stub(252, 0x400), 4 * MIB) else {
        return;
    };
    guest.make_initrd(NEW, 6);
    guest.built(None);
    guest.install(NEW, 4);
    let before = "serial --unit=0\nsearch --fs-uuid --set=root 1234\nlinux /vmlinuz-old x\ninitrd /initrd.img-old\nboot\n";
    guest.write("esp/EFI/debian/grub.cfg", before.as_bytes());
    guest.update();
    let after = String::from_utf8(guest.read("esp/EFI/debian/grub.cfg")).unwrap();
    let lines = format!("linux /vmlinuz-{NEW} {CMDLINE}\ninitrd /initrd.img-{NEW}\nboot\n");
    assert_eq!(after, format!("serial --unit=0\nsearch --fs-uuid --set=root 1234\n{lines}"));

    let Some(guest) = Guest::new(InitrdSource::None, UefiLoader::SystemdBoot, stub(252, 0x400), 4 * MIB)
    else {
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

//! A disk image that exists, as users have one: imported, changed by its recipe, built and booted.

use std::fs;
use std::time::Duration;

use amiforge_tests::machine::{self, Disk, End, Firmware, Machine};
use amiforge_tests::program::{self, Bundle};
use amiforge_tests::{oracle, scratch};

/// What the kernel starts in the new image.
const INIT: &str = "\n[[file]]\npath = \"/imported\"\nmode = \"0755\"\ncontent = \"\"\"\n#!/bin/sh\n\
    mount -t proc proc /proc\necho IMPORTED $(cat /etc/before) $(cat /etc/hostname)\nsleep 60\n\"\"\"\n";

#[test]
fn an_imported_image_builds_as_it_is_and_boots() {
    let Some(tar) = scratch::input("min.tar") else { return };
    if !oracle::ready(&["qemu-img"], false) {
        return;
    }
    let folder = scratch::folder();
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let base = format!(
        "[image]\nname = \"base\"\nversion = \"1\"\narch = \"x86_64\"\n\n[disk]\nsize = \"2 GiB\"\n\n[boot]\nmode = \"hybrid\"\n\n\
         [[source]]\nkind = \"tar\"\npath = \"{}\"\n\n[[file]]\npath = \"/etc/before\"\ncontent = \"one\\n\"\n",
        tar.display()
    );
    fs::write(at("base.toml"), base).unwrap();
    let bundle = Bundle::build(at("base.toml").as_ref(), at("base").as_ref());
    let raw = bundle.image().to_string_lossy().into_owned();
    let packed = at("base.qcow2");
    oracle::must("qemu-img", &["convert", "-c", "-f", "raw", "-O", "qcow2", &raw, &packed]);
    // Looking into the container is looking into the disk.
    let listed = |image: &str| program::must(&["inspect", &format!("{image}:root/etc")]);
    assert_eq!(listed(&packed), listed(&raw));
    let same = program::run(&["diff", &packed, &raw]);
    assert_eq!(same.status.code(), Some(0), "{}", String::from_utf8_lossy(&same.stdout));

    program::must(&["import", &packed, "-o", &at("web"), "--new-disk"]);
    let recipe = fs::read_to_string(at("web/recipe.toml")).unwrap();
    for fact in
        ["Debian", "packages (deb)", "kernel ", "qcow2 of 2048 MiB", "mode = \"hybrid\"", "boot/efi/**"]
    {
        assert!(recipe.contains(fact), "`{fact}`: {recipe}");
    }
    let out = Bundle::build(at("web/recipe.toml").as_ref(), at("out").as_ref());
    let unchanged = program::must(&["inspect", &format!("{}:root/etc/before", at("out")), "--cat"]);
    assert_eq!(unchanged, "one\n");
    assert!(out.manifest.to_string().contains("image"), "the manifest lists its source");

    let changed = recipe.replace("[boot]\n", "[boot]\ncmdline = \"init=/imported\"\n");
    let changed = changed.replace("[system]\n", "[system]\nhostname = \"renamed\"\n");
    fs::write(at("web/recipe.toml"), changed + INIT).unwrap();
    let changed = Bundle::build(at("web/recipe.toml").as_ref(), at("changed").as_ref());
    for firmware in [Firmware::Uefi, Firmware::Bios] {
        if !machine::ready(firmware) {
            return;
        }
        let run = Machine {
            firmware,
            disk: Disk::Nvme,
            image: &changed.image(),
            memory: 1024,
            wait_for: "IMPORTED one renamed",
            timeout: Duration::from_mins(10),
            extra_args: &[],
        }
        .run();
        assert_eq!(run.end, End::Matched, "{firmware:?}: {}", run.console);
    }
}

//! Menus as Debian writes them, with kernels that come and go.

use amiforge_formats::path;
use amiforge_formats::plan::NoSources;
use amiforge_formats::time::Time;

use super::*;
use crate::steps::testing;

/// A menu of Debian 12, shortened: a simple entry, and those of each kernel in a submenu.
const MENU: &str = "set default=\"0\"
menuentry 'Debian GNU/Linux' --class debian $menuentry_id_option 'gnulinux-simple-1' {
\tload_video
\tif [ x$grub_platform = xxen ]; then insmod xzio; fi
\techo\t'Loading Linux 6.1.0-9-amd64 ...'
\tlinux\t/boot/vmlinuz-6.1.0-9-amd64 root=UUID=1 ro quiet
\tinitrd\t/boot/initrd.img-6.1.0-9-amd64
}
submenu 'Advanced options for Debian GNU/Linux' $menuentry_id_option 'gnulinux-advanced-1' {
\tmenuentry 'Debian GNU/Linux, with Linux 6.1.0-9-amd64' 'gnulinux-6.1.0-9-amd64-advanced-1' {
\t\tlinux\t/boot/vmlinuz-6.1.0-9-amd64 root=UUID=1 ro quiet
\t\tinitrd\t/boot/initrd.img-6.1.0-9-amd64
\t}
\tmenuentry 'Debian GNU/Linux, with Linux 6.1.0-9-amd64 (recovery mode)' 'gnulinux-6.1.0-9-amd64-recovery-1' {
\t\tlinux\t/boot/vmlinuz-6.1.0-9-amd64 root=UUID=1 ro single
\t\tinitrd\t/boot/initrd.img-6.1.0-9-amd64
\t}
\tmenuentry 'Debian GNU/Linux, with Linux 6.1.0-8-amd64' 'gnulinux-6.1.0-8-amd64-advanced-1' {
\t\tlinux\t/boot/vmlinuz-6.1.0-8-amd64 root=UUID=1 ro quiet
\t\tinitrd\t/boot/initrd.img-6.1.0-8-amd64
\t}
}
menuentry 'UEFI Firmware Settings' $menuentry_id_option 'uefi-firmware' {
\tfwsetup
}
";

/// A system with kernels of these releases, their initrds, and a menu.
fn system(releases: &[&str], menu: &str) -> Tree {
    let mut tree = testing::empty();
    let mut write = |path: String, bytes: &[u8], mode| {
        path::write(&mut tree, path.as_bytes(), bytes, mode, Time::EPOCH).unwrap();
    };
    for release in releases {
        write(format!("/boot/vmlinuz-{release}"), b"kernel", 0o644);
        write(format!("/boot/initrd.img-{release}"), b"initrd", 0o644);
    }
    write("/boot/grub/grub.cfg".to_owned(), menu.as_bytes(), 0o600);
    tree
}

fn menu_of(tree: &Tree) -> String {
    String::from_utf8(path::read(tree, &NoSources, b"/boot/grub/grub.cfg").unwrap().unwrap()).unwrap()
}

fn enter(tree: &mut Tree) -> GrubMenu {
    enter_newest_kernel(tree, &NoSources, Time::from_secs(5)).unwrap()
}

#[test]
fn a_newer_kernel_is_entered_before_the_one_that_was_started() {
    let mut tree = system(&["6.1.0-8-amd64", "6.1.0-9-amd64", "6.1.0-40-amd64"], MENU);
    let release = "6.1.0-40-amd64".to_owned();
    assert_eq!(enter(&mut tree), GrubMenu::Entered { path: "/boot/grub/grub.cfg", release });
    let menu = menu_of(&tree);
    let kernels: Vec<&str> = menu
        .lines()
        .filter_map(|line| line.trim().strip_prefix("linux\t/boot/vmlinuz-"))
        .map(|rest| rest.split_whitespace().next().unwrap())
        .collect();
    let [new, old, oldest] = ["6.1.0-40-amd64", "6.1.0-9-amd64", "6.1.0-8-amd64"];
    assert_eq!(kernels, [new, new, new, old, old, oldest]);
    assert!(menu.contains("Debian GNU/Linux, with Linux 6.1.0-40-amd64 (recovery mode)"));
    assert!(menu.contains("initrd\t/boot/initrd.img-6.1.0-40-amd64\n}\nsubmenu"));
    let node = path::find(&tree, b"/boot/grub/grub.cfg").unwrap().unwrap();
    assert_eq!((tree.node(node).meta.mode & 0o777, tree.node(node).meta.mtime), (0o600, Time::from_secs(5)));
    // It is there now: nothing is left to do.
    assert_eq!(enter(&mut tree), GrubMenu::Newest);
    assert_eq!(menu_of(&tree), menu);
}

#[test]
fn entries_of_kernels_that_were_removed_are_left_out() {
    let mut tree = system(&["6.1.0-40-amd64"], MENU);
    assert!(matches!(enter(&mut tree), GrubMenu::Entered { .. }));
    let menu = menu_of(&tree);
    assert!(!menu.contains("6.1.0-9-amd64") && !menu.contains("6.1.0-8-amd64"), "{menu}");
    assert_eq!(menu.matches("menuentry '").count(), 4, "{menu}");
}

#[test]
fn what_cannot_be_entered_is_told_with_its_reason() {
    let mut other = system(&["6.1.0-9-amd64"], "menuentry 'Linux' {\n\tlinux /vmlinuz root=/dev/sda1\n}\n");
    assert!(matches!(enter(&mut other), GrubMenu::Other { reason, .. } if reason.contains("no entry")));
    let mut bare = system(&["6.1.0-9-amd64"], MENU);
    path::write(&mut bare, b"/boot/vmlinuz-6.1.0-40-amd64", b"kernel", 0o644, Time::EPOCH).unwrap();
    assert!(matches!(enter(&mut bare), GrubMenu::Other { reason, .. } if reason.contains("initrd")));
    assert_eq!(menu_of(&bare), MENU);
    let mut entries = system(&["6.1.0-9-amd64"], "insmod blscfg\nblscfg\n");
    assert_eq!(enter(&mut entries), GrubMenu::Newest);
}

//! Upgrades that are cut off, or for which there is no room.

use std::fs;

use amiforge_rootfs::steps::kernel_hook::{InitrdSource, UefiLoader};
use amiforge_tests::oracle;

use super::guest::{Guest, MIB, NEW, OLD};
use super::images::stub;

#[test]
fn wherever_it_is_cut_off_a_whole_kernel_is_started() {
    let Some(guest) = Guest::new(InitrdSource::None, UefiLoader::Uki, stub(252, 0x400), 4 * MIB) else {
        return;
    };
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
    let Some(guest) = Guest::new(InitrdSource::None, UefiLoader::Uki, stub(252, 0x400), MIB) else { return };
    guest.built(None);
    guest.install(NEW, 4);
    guest.shim("df", "echo head; echo fs 900 800 100 89% /");
    let (disk, esp) = (guest.read("disk"), guest.read("esp/EFI/BOOT/BOOTX64.EFI"));
    let output = guest.run();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("no room on the EFI system partition"), "{stderr}");
    assert!(stderr.contains("no room in the BIOS boot partition"), "{stderr}");
    assert!(guest.read("disk") == disk && guest.read("esp/EFI/BOOT/BOOTX64.EFI") == esp);
    assert_eq!(fs::read_dir(guest.path("esp/EFI/BOOT")).unwrap().count(), 1, "nothing is left behind");
    // A disk that something else starts by now is not ours to write.
    let mut other = disk;
    other[432..440].fill(0);
    guest.write("disk", &other);
    fs::remove_file(guest.path("bin/df")).unwrap();
    guest.write("esp/EFI/BOOT/BOOTX64.EFI", b"another loader");
    let output = guest.update();
    assert!(
        output.contains("not started by amiforge's loader") && output.contains("left as it was"),
        "{output}"
    );
    assert!(guest.read("disk") == other && guest.read("esp/EFI/BOOT/BOOTX64.EFI") == b"another loader");
}

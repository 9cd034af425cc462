//! Roots that dm-verity checks, set up by our first program: what can be written, what is kept, and what is refused. The root is
//! a few programs, so that a boot takes seconds.

use amiforge_tests::oracle;

use super::verified_parts::{Disk, HASHES_AT, Parts, ROOT_AT};

const WRITABLE: &str = "amiforge.writable=etc:tmpfs,var:data";

/// Checks that the console has lines.
fn assert_says(console: &str, words: &[&str]) {
    for word in words {
        assert!(console.contains(word), "no `{word}` in\n{console}");
    }
}

#[test]
fn a_verified_root_is_read_only_and_writes_go_where_the_arguments_say() {
    let Some(parts) = Parts::take() else { return };
    let disk = parts.disk("disk", "one", true);
    let console = parts.boot_verified(&disk, WRITABLE, None);
    assert_says(
        &console,
        &[
            &format!("amiforge-init: the root is verified by {}", disk.root_hash),
            "formatting the data partition /dev/nvme0n1p3",
            "GUEST mount / /dev/dm-0 ext4 ro",
            "GUEST mount /etc overlay overlay rw",
            "GUEST mount /var overlay overlay rw",
            "GUEST mount /run/amiforge/data /dev/nvme0n1p3 ext4 rw",
            "GUEST cannot write /",
            "GUEST writes /etc",
            "GUEST writes /var",
            "GUEST boots of var 1, version one",
            "GUEST done",
        ],
    );
    assert!(disk.data_len() >= 15 << 20);
    assert_eq!(disk.data_attributes(), "0000000000000000");
}

#[test]
fn what_is_not_writable_is_read_only_and_memory_is_empty_at_each_boot() {
    let Some(parts) = Parts::take() else { return };
    let disk = parts.disk("disk", "one", false);
    for _ in 0..2 {
        let console = parts.boot_verified(&disk, "amiforge.writable=var:tmpfs,etc:none", None);
        assert_says(
            &console,
            &["GUEST cannot write /etc", "GUEST writes /var", "GUEST boots of var 1, version one"],
        );
    }
    let console = parts.boot_verified(&disk, "", None);
    assert_says(&console, &["GUEST cannot write /etc", "GUEST cannot write /var", "GUEST done"]);
}

#[test]
fn data_is_kept_over_boots_grown_disks_and_versions_until_it_is_reset() {
    let Some(parts) = Parts::take() else { return };
    let mut disk = parts.disk("disk", "one", true);
    let writable = "amiforge.writable=etc:data,var:data";
    parts.boot_verified(&disk, writable, None);
    let small = disk.data_len();
    disk.enlarge(600);
    let console = parts.boot_verified(&disk, writable, None);
    assert_says(&console, &["ends with its disk", "GUEST etc was kept", "GUEST boots of var 2, version one"]);
    let grown = disk.data_len();
    assert!(small < 20 << 20 && grown > 540 << 20, "{small}, then {grown}");
    // A new version of the image on the same disk: what was not written there is of the new version.
    parts.update(&mut disk, "two");
    let console = parts.boot_verified(&disk, &format!("{writable} test=replace"), None);
    assert_says(&console, &["GUEST boots of var 3, version two"]);
    // A machine of a third version without data of its own takes that of the attached disk.
    let third = parts.disk("third", "three", false);
    let console = parts.boot_verified(&third, writable, Some(&disk));
    assert_says(
        &console,
        &["GUEST boots of var 4, version replaced", "GUEST mount /run/amiforge/data /dev/nvme1n1p3"],
    );
    // One with data of its own leaves the other alone.
    let fourth = parts.disk("fourth", "four", true);
    let console = parts.boot_verified(&fourth, writable, Some(&disk));
    assert_says(&console, &["GUEST boots of var 1, version four"]);
    parts.boot_verified(&disk, &format!("{writable} test=reset"), None);
    let console = parts.boot_verified(&disk, writable, None);
    assert_says(&console, &["factory reset", "formatting", "GUEST boots of var 1, version two"]);
    assert!(!console.contains("GUEST etc was kept"), "{console}");
    let console = parts.boot_verified(&disk, writable, None);
    assert_says(&console, &["GUEST boots of var 2, version two"]);
    assert!(disk.data_len() > 540 << 20);
}

#[test]
fn data_that_is_no_file_system_is_neither_used_nor_formatted() {
    let Some(parts) = Parts::take() else { return };
    let disk = parts.disk("disk", "one", true);
    oracle::must("sgdisk", &["--attributes=3:clear:48", &*disk.path.to_string_lossy()]);
    let console = parts.boot_verified(&disk, WRITABLE, None);
    assert_says(&console, &["the data partition has errors that e2fsck -p does not repair: /dev/nvme0n1p3"]);
    assert_refused(&console);
    // Two disks that could be meant.
    let other = disk.copy("other");
    let console = parts.boot_verified(&disk, WRITABLE, Some(&other));
    assert_says(&console, &["several disks have a partition for data"]);
    assert_refused(&console);
}

/// Nothing of the root ran.
fn assert_refused(console: &str) {
    assert!(!console.contains("GUEST"), "it runs:\n{console}");
}

#[test]
fn a_changed_bit_anywhere_stops_the_machine() {
    let Some(parts) = Parts::take() else { return };
    let whole = parts.disk("whole", "one", false);
    let panic = "Kernel panic - not syncing: dm-verity device corrupted";
    let superblock = "amiforge-init: the hash tree has another superblock than this image's";
    let init = whole.find("echo \"GUEST runs\"");
    let at = |offset: u64| HASHES_AT + offset;
    for (name, flipped, words) in [
        ("a program", init, panic),
        ("the file system", ROOT_AT + 1024 + 56, panic),
        ("the top of the hash tree", at(4096 + 3), panic),
        ("a leaf of the hash tree", at(2 * 4096 + 7), panic),
        ("the magic number", at(0), superblock),
        ("the version of the tree", at(12), superblock),
        ("the digest", at(32 + 3), superblock),
        ("the length", at(72 + 1), superblock),
        ("the salt", at(88 + 9), panic),
    ] {
        let disk = whole.copy("damaged");
        disk.flip(flipped);
        let console = parts.boot_verified(&disk, "", None);
        println!("{name}: {}", console.lines().rfind(|line| line.contains(words)).unwrap_or_default());
        assert_says(&console, &[words]);
        assert_refused(&console);
    }
    // Partitions that have the GUIDs of another root hash, for which the tree is not.
    let mut digits: Vec<_> = whole.root_hash.chars().collect();
    digits[40] = if digits[40] == '0' { '1' } else { '0' };
    let disk = Disk { root_hash: digits.into_iter().collect(), ..whole.copy("damaged") };
    disk.name_partitions();
    let console = parts.boot_verified(&disk, "", None);
    assert_says(&console, &[panic]);
    assert_refused(&console);
}

#[test]
fn arguments_that_are_missing_malformed_or_repeated_are_refused() {
    let Some(parts) = Parts::take() else { return };
    let disk = parts.disk("disk", "one", true);
    let hash = &disk.root_hash;
    for (cmdline, words) in [
        ("root=/dev/nvme0n1p1".to_owned(), "the arguments name no root hash"),
        ("roothash=".to_owned(), "this is no root hash of 64 digits"),
        (format!("roothash={}", &hash[1..]), "this is no root hash of 64 digits"),
        (format!("roothash={hash}0"), "this is no root hash of 64 digits"),
        (format!("roothash={}g", &hash[1..]), "this is no root hash of 64 digits"),
        (format!("roothash={hash} roothash={hash}"), "an argument is given twice: roothash="),
        (
            format!("roothash={hash} amiforge.writable=etc:tmpfs,etc:data"),
            "this is no list of what is writable",
        ),
        (format!("roothash={hash} amiforge.writable=usr:tmpfs"), "this is no list of what is writable"),
        (format!("roothash={hash} amiforge.writable=etc:disk"), "this is no list of what is writable"),
        (format!("roothash={hash} amiforge.writable=etc:tmpfs,"), "this is no list of what is writable"),
        (format!("roothash={hash} init=/no/such"), "there is no init at /no/such"),
    ] {
        let console = parts.boot(&disk, &cmdline, None);
        assert_says(&console, &[&format!("amiforge-init: {words}")]);
        assert_refused(&console);
        assert!(!console.contains("Kernel panic"), "{cmdline}: it is switched off:\n{console}");
    }
}

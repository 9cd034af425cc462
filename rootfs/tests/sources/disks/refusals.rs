//! Disks that are refused: of formats that are not read, damaged, or without a telling root.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::fixture::{BOOT, Label, MIB, ROOT, disk, ext4, image, put, refused, root_files};

/// Overwrites bytes of a file.
fn write(path: &Path, at: u64, bytes: &[u8]) {
    File::options().write(true).open(path).unwrap().write_all_at(bytes, at).unwrap();
}

/// CRC-32 as GPT has it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}

/// Changes an entry of both copies of the GPT, check sums included.
fn edit_entries(path: &Path, edit: impl Fn(&mut [u8])) {
    let mut bytes = fs::read(path).unwrap();
    let len = bytes.len();
    for (header, entries) in [(512, 1024), (len - 512, len - 33 * 512)] {
        edit(&mut bytes[entries..entries + 128 * 128]);
        let crc = crc32(&bytes[entries..entries + 128 * 128]);
        bytes[header + 88..header + 92].copy_from_slice(&crc.to_le_bytes());
        bytes[header + 16..header + 20].fill(0);
        let crc = crc32(&bytes[header..header + 92]);
        bytes[header + 16..header + 20].copy_from_slice(&crc.to_le_bytes());
    }
    fs::write(path, bytes).unwrap();
}

#[test]
fn formats_that_are_not_read_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = disk(folder.path(), Label::Gpt, "") else { return };
    for (at, magic, name) in
        [(0x200, &b"LABELONE"[..], "lvm"), (0, b"LUKS\xba\xbe", "luks"), (0x10040, b"_BHRfS_M", "btrfs")]
    {
        write(&disk, ROOT.0, &vec![0; 70_000]);
        write(&disk, ROOT.0 + at, magic);
        let text = refused(image(&disk, None), folder.path());
        assert!(text.contains(&format!("partition 3 is {name}, which is not read")), "{text}");
        let text = refused(image(&disk, Some("3")), folder.path());
        assert!(text.contains(name), "{text}");
    }
    let text = refused(image(&disk, Some("9")), folder.path());
    assert!(text.contains("no partition is `9`") && text.contains("partition 2 `boot` (ext4)"), "{text}");
}

#[test]
fn a_disk_without_a_system_or_with_two_is_refused_with_the_choice() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = disk(folder.path(), Label::Gpt, "") else { return };
    let second = folder.path().join("second.ext4");
    let root = folder.path().join("two");
    for name in ["etc", "usr"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    assert!(ext4(&root, &second, BOOT.1, &[]));
    put(&disk, BOOT.0, &second);
    let text = refused(image(&disk, None), folder.path());
    assert!(text.contains("partition 2 `boot`, partition 3") && text.contains("partition = "), "{text}");
    let empty = folder.path().join("empty.raw");
    File::create(&empty).unwrap().set_len(MIB).unwrap();
    let text = refused(image(&empty, None), folder.path());
    assert!(text.contains("no file system of the disk has both") && text.contains("empty"), "{text}");
    fs::write(&empty, "").unwrap();
    assert!(!refused(image(&empty, None), folder.path()).is_empty());
    assert!(refused(image(&folder.path().join("none"), None), folder.path()).contains("opening"));
}

#[test]
fn overlapping_partitions_and_ones_past_the_end_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = disk(folder.path(), Label::Gpt, "") else { return };
    let good = fs::read(&disk).unwrap();
    edit_entries(&disk, |entries| {
        let first: [u8; 16] = entries[32..48].try_into().unwrap();
        entries[128 + 32..128 + 48].copy_from_slice(&first);
    });
    let text = refused(image(&disk, None), folder.path());
    assert!(text.contains("neither copy of the partition table is good"), "{text}");
    fs::write(&disk, &good).unwrap();
    edit_entries(&disk, |entries| entries[256 + 40..256 + 48].copy_from_slice(&(1u64 << 40).to_le_bytes()));
    assert!(refused(image(&disk, None), folder.path()).contains("partition table"));
    // A file that was cut: the table is there, the root is not.
    fs::write(&disk, &good[..(ROOT.0 + MIB) as usize]).unwrap();
    assert!(!refused(image(&disk, None), folder.path()).is_empty());
    // A file whose sectors have 4096 bytes.
    let mut wide = vec![0; 8 << 20];
    wide[4096..4104].copy_from_slice(b"EFI PART");
    fs::write(&disk, wide).unwrap();
    assert!(refused(image(&disk, None), folder.path()).contains("sectors of 4096 bytes"));
}

#[test]
fn a_damaged_file_system_is_named_with_its_partition() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = disk(folder.path(), Label::Gpt, "LABEL=boot /boot ext4 defaults 0 2\n") else { return };
    write(&disk, ROOT.0 + 1024 + 0x20, &[0xff; 8]);
    let text = refused(image(&disk, None), folder.path());
    assert!(text.contains("reading the ext4 file system of partition 3"), "{text}");
    // A mounted file system, by its label, which it has no more.
    let fstab = "LABEL=boot /boot ext4 defaults 0 2\n";
    let whole = folder.path().join("whole");
    fs::create_dir_all(&whole).unwrap();
    if let Some(disk) = super::fixture::disk(&whole, Label::Gpt, fstab) {
        write(&disk, BOOT.0 + 1024 + 0x20, &[0xff; 8]);
        let text = refused(image(&disk, None), folder.path());
        assert!(text.contains("file system of partition 2 `boot`"), "{text}");
    }
    // A mount point that leads through a file.
    let root = root_files(&folder.path().join("x"), "LABEL=boot /etc/os-release/x ext4 defaults 0 2\n");
    let file = folder.path().join("root.ext4");
    assert!(ext4(&root, &file, ROOT.1, &[]));
    put(&disk, ROOT.0, &file);
    let text = refused(image(&disk, None), folder.path());
    assert!(text.contains("etc/os-release"), "{text}");
}

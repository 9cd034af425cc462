//! Secrets below the files: where somebody who deleted them believes them gone. They are put there by debugfs, mtools and at
//! computed offsets of the image.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::image::{ESP, LEN, LONG_FILE, ROOT};
use super::tool::{run, text, word};

/// Programs that plant.
pub(crate) const PLANTERS: [&str; 4] = ["debugfs", "dumpe2fs", "mcopy", "mdel"];

/// A secret below the files.
pub(crate) struct Buried {
    /// What it is, for the table.
    pub(crate) kind: &'static str,
    /// The bytes on the disk.
    pub(crate) at: u64,
    /// The name of the kind of residue.
    pub(crate) residue: &'static str,
    /// Whether the bytes hold a whole token, which a content rule has to find as well.
    pub(crate) whole: bool,
}

/// A line with a token.
fn secret() -> Vec<u8> {
    format!("deploy token {}{}\n", "gh".to_owned() + "p_", word(36)).into_bytes()
}

/// The root in the image, as e2fsprogs names a part of a file.
fn root(image: &Path) -> String {
    format!("{}?offset={}", text(image), ROOT.0)
}

fn debugfs(image: &Path, command: &str) -> String {
    String::from_utf8_lossy(&run("debugfs", &["-w", "-R", command, &root(image)])).into_owned()
}

/// The block of the file system that holds a block of a file.
fn block(image: &Path, file: &str, logical: u64) -> u64 {
    debugfs(image, &format!("bmap {file} {logical}")).trim().parse().unwrap()
}

/// Writes bytes at an offset of the image that are zero so far.
fn write(image: &Path, at: u64, bytes: &[u8]) {
    let file = OpenOptions::new().read(true).write(true).open(image).unwrap();
    let mut before = vec![0; bytes.len()];
    file.read_exact_at(&mut before, at).unwrap();
    assert!(before.iter().all(|byte| *byte == 0), "something is at {at}");
    file.write_all_at(bytes, at).unwrap();
}

/// Where bytes are in the image.
fn position(image: &Path, needle: &[u8]) -> u64 {
    let at = memchr::memmem::find(&fs::read(image).unwrap(), needle);
    at.unwrap_or_else(|| panic!("{} is not there", String::from_utf8_lossy(needle))) as u64
}

/// Plants everything.
pub(crate) fn plant(image: &Path) -> Vec<Buried> {
    let mut buried = in_root(image);
    buried.extend(in_esp(image));
    buried.extend(in_disk(image));
    assert_eq!(buried.len(), 11);
    buried
}

fn in_root(image: &Path) -> Vec<Buried> {
    let folder = tempfile::tempdir().unwrap();
    let on_disk = |block: u64, within: u64| ROOT.0 + block * 4096 + within;
    // First what debugfs writes, then what goes around it: it would take free blocks and inodes.
    let deleted = [b"[app]\n".to_vec(), secret(), vec![b'#'; 9000]].concat();
    let source = folder.path().join("deleted");
    fs::write(&source, &deleted).unwrap();
    debugfs(image, &format!("write {} /etc/app/deleted.conf", text(&source)));
    let content = on_disk(block(image, "/etc/app/deleted.conf", 0), 0);
    debugfs(image, "rm /etc/app/deleted.conf");
    // A name can be a secret by itself.
    let name = format!("{}{}", "gh".to_owned() + "p_", word(36));
    fs::write(&source, b"").unwrap();
    debugfs(image, &format!("write {} /usr/bin/{name}", text(&source)));
    debugfs(image, &format!("rm /usr/bin/{name}"));
    let entry = position(image, name.as_bytes());

    let slack = on_disk(block(image, &format!("/{LONG_FILE}"), 1), 6000 - 4096 + 40);
    write(image, slack, &secret());
    let journal = on_disk(block(image, "<8>", 20), 0);
    write(image, journal, &secret());
    let free: u64 = debugfs(image, "ffb 1 12000").split(':').next_back().unwrap().trim().parse().unwrap();
    write(image, on_disk(free, 100), &secret());
    // Behind the time of a deletion, which would make it a deleted one.
    let inode = unused_inode(image) + 64;
    write(image, inode, &secret());
    vec![
        Buried { kind: "deleted file (ext4)", at: content, residue: "free-space", whole: true },
        Buried { kind: "deleted directory entry (ext4)", at: entry, residue: "deleted-entry", whole: true },
        Buried { kind: "slack of a file (ext4)", at: slack, residue: "file-slack", whole: true },
        Buried { kind: "journal (ext4)", at: journal, residue: "journal", whole: true },
        Buried { kind: "free block (ext4)", at: on_disk(free, 100), residue: "free-space", whole: true },
        Buried { kind: "unused inode (ext4)", at: inode, residue: "unused-inode", whole: true },
    ]
}

/// First byte on the disk of the last inode, which nothing uses.
fn unused_inode(image: &Path) -> u64 {
    let text = String::from_utf8_lossy(&run("dumpe2fs", &["-h", &root(image)])).into_owned();
    let number = |name: &str| -> u64 {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let last = number("Inode count:");
    let found = debugfs(image, &format!("imap <{last}>"));
    // "Inode N is part of block group G" / "	located at block B, offset 0xNNNN"
    let place = found.split("located at block ").nth(1).unwrap();
    let (block, offset) = place.trim().split_once(", offset 0x").unwrap();
    let offset = u64::from_str_radix(offset.trim(), 16).unwrap();
    ROOT.0 + block.parse::<u64>().unwrap() * 4096 + offset
}

fn in_esp(image: &Path) -> Vec<Buried> {
    let esp = format!("{}@@{}", text(image), ESP.0);
    let folder = tempfile::tempdir().unwrap();
    let name = format!("gh{}.token", word(20));
    let source = folder.path().join(&name);
    fs::write(&source, [b"[app]\n".to_vec(), secret()].concat()).unwrap();
    run("mcopy", &["-i", &esp, text(&source), &format!("::{name}")]);
    run("mdel", &["-i", &esp, &format!("::{name}")]);
    // The long name is in UTF-16, thirteen letters an entry, the first entry last.
    let units: Vec<u8> = name.bytes().skip(1).take(4).flat_map(|byte| [byte, 0]).collect();
    let entry = position(image, &units);
    let file = File::open(image).unwrap();
    let mut bytes = vec![0; ESP.1 as usize];
    file.read_exact_at(&mut bytes, ESP.0).unwrap();
    let tail = memchr::memmem::find(&bytes, b"timeout 3\n").unwrap() as u64;
    let tail = ESP.0 + tail + 60;
    write(image, tail, &secret());
    vec![
        Buried { kind: "deleted entry (FAT)", at: entry, residue: "deleted-entry", whole: false },
        Buried { kind: "tail of a cluster (FAT)", at: tail, residue: "file-slack", whole: true },
    ]
}

fn in_disk(image: &Path) -> Vec<Buried> {
    let gap = ESP.0 + ESP.1 + 5000;
    let after = ROOT.0 + ROOT.1 + (1 << 20);
    assert!(after < LEN);
    write(image, gap, &secret());
    write(image, after, &secret());
    // The third entry of the table, from its name on; 36 units of UTF-16.
    let entry = 1024 + 2 * 128 + 56;
    write(image, entry, &secret());
    reseal(image);
    vec![
        Buried { kind: "gap between partitions", at: gap, residue: "partition-gap", whole: true },
        Buried { kind: "after the last partition", at: after, residue: "partition-gap", whole: true },
        Buried { kind: "unused entry of the GPT", at: entry, residue: "unused-entry", whole: true },
    ]
}

/// Renews the checksums of the primary table: of the entries, then of the header.
fn reseal(image: &Path) {
    let file = OpenOptions::new().read(true).write(true).open(image).unwrap();
    let mut table = vec![0; 34 * 512];
    file.read_exact_at(&mut table, 0).unwrap();
    let crc = crc32(&table[1024..]);
    table[512 + 88..512 + 92].copy_from_slice(&crc.to_le_bytes());
    table[512 + 16..512 + 20].fill(0);
    let crc = crc32(&table[512..512 + 92]);
    table[512 + 16..512 + 20].copy_from_slice(&crc.to_le_bytes());
    file.write_all_at(&table, 0).unwrap();
}

/// CRC-32 of ISO 3309, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), step))
}

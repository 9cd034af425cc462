//! cpio writer: entries in the order given, owned by root, numbered from 1. The same entries give the same bytes.

use super::{MAGIC, TRAILER};

/// Types of entries in their mode (stat(2)).
const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const CHARACTER: u32 = 0o020_000;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewEntry<'a> {
    /// A folder.
    Folder,
    /// A regular file with these bytes, fewer than 4 GiB.
    File(&'a [u8]),
    /// A character device.
    Device {
        /// Its major number.
        major: u32,
        /// Its minor number.
        minor: u32,
    },
}

/// An archive being written.
#[derive(Debug, Default)]
pub struct CpioWriter {
    bytes: Vec<u8>,
    entries: u32,
}

impl CpioWriter {
    /// Without entries.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an entry: a relative path, permission bits, and what it is. Folders go before what is in them.
    pub fn add(&mut self, path: &str, mode: u32, entry: NewEntry<'_>) {
        self.entries += 1;
        let (kind, content, device) = match entry {
            NewEntry::Folder => (DIRECTORY, &[][..], (0, 0)),
            NewEntry::File(content) => (FILE, content, (0, 0)),
            NewEntry::Device { major, minor } => (CHARACTER, &[][..], (major, minor)),
        };
        let links = if kind == DIRECTORY { 2 } else { 1 };
        self.entry(self.entries, kind | mode, links, path.as_bytes(), content, device);
    }

    /// The bytes, with the entry that ends them.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry(0, 0, 1, TRAILER, &[], (0, 0));
        self.bytes
    }

    fn entry(
        &mut self,
        inode: u32,
        mode: u32,
        links: u32,
        name: &[u8],
        content: &[u8],
        (major, minor): (u32, u32),
    ) {
        // uid, gid and mtime are zero, and so is the device that the archive would come from; there is no checksum.
        let (size, name_size) = (content.len() as u32, name.len() as u32 + 1);
        let fields = [inode, mode, 0, 0, links, 0, size, 0, 0, major, minor, name_size, 0];
        self.bytes.extend_from_slice(MAGIC);
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(name);
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    /// Names and contents begin at multiples of four bytes.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_follow_one_another_at_multiples_of_four() {
        let mut archive = CpioWriter::new();
        archive.add("dev", 0o755, NewEntry::Folder);
        archive.add("dev/console", 0o600, NewEntry::Device { major: 5, minor: 1 });
        archive.add("init", 0o755, NewEntry::File(b"hello"));
        let bytes = archive.finish();
        let zeros = |count: usize| "0".repeat(8 * count);
        let (two, three) = (zeros(2), zeros(3));
        let folder = format!("07070100000001000041ed{two}00000002{}00000004{}dev\0\0\0", zeros(6), zeros(1));
        let device = format!(
            "0707010000000200002180{two}00000001{}00000005000000010000000c{}dev/console\0\0\0",
            zeros(4),
            zeros(1)
        );
        let file = format!(
            "07070100000003000081ed{two}00000001{}00000005{}00000005{}init\0\0hello\0\0\0",
            zeros(1),
            zeros(4),
            zeros(1)
        );
        let end = format!("07070100000000{three}00000001{}0000000b{}TRAILER!!!\0\0\0\0", zeros(6), zeros(1));
        assert_eq!(String::from_utf8(bytes).unwrap(), [folder, device, file, end].concat());
    }
}

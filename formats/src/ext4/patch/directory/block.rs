//! One block of entries: names are added to, removed from and changed in it (kernel documentation,
//! `filesystems/ext4/directory.rst`).

use crate::ext4::read::directory::record_len;
use crate::ext4::read::{checksum, fields};
use crate::ext4::spec::PutField;
use crate::ext4::spec::dirent::{TAIL_FILE_TYPE, TAIL_SIZE, entry_size};

/// Shortest entry.
const SHORTEST: usize = 12;

/// An entry as it is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedInode<'n> {
    /// The name.
    pub(super) name: &'n [u8],
    /// The inode.
    pub(super) inode: u32,
    /// The type byte, whether the volume has them or not.
    pub(super) file_type: u8,
}

/// How blocks of a directory are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct LeafFormat {
    /// Bytes of a block.
    pub(super) block: usize,
    /// Whether a block ends with a checksum.
    pub(super) sealed: bool,
    /// Whether entries have a type.
    pub(super) typed: bool,
    /// Seed of checksums of the directory.
    pub(super) seed: u32,
}

/// Offset and length of an entry, and bytes that its name needs; 0 for one of no inode.
struct Slot {
    at: usize,
    len: usize,
    needed: usize,
}

impl LeafFormat {
    /// First byte after the entries.
    pub(super) fn end(&self) -> usize {
        self.block - if self.sealed { TAIL_SIZE } else { 0 }
    }

    fn put_len(&self, bytes: &mut [u8], at: usize, len: usize) {
        // Blocks of 64 KiB: the whole block as 65535, else the upper two bits in the lower ones.
        let stored = match (self.block, len) {
            (65536, 65536) => 65535,
            (65536, len) => (len & 0xfffc | len >> 16 & 3) as u16,
            (_, len) => len as u16,
        };
        bytes.put16(at + 4, stored);
    }

    /// The entries of a block that was checked; it ends at one of an impossible length.
    fn slots(&self, bytes: &[u8]) -> Vec<Slot> {
        let (mut at, mut slots) = (0, Vec::new());
        while at + 8 <= self.end() {
            let len = record_len(fields::u16(bytes, at + 4), self.block);
            if len < SHORTEST || len > self.end() - at {
                break;
            }
            let used = fields::u32(bytes, at) != 0;
            let needed = if used { entry_size(usize::from(fields::u8(bytes, at + 6))) } else { 0 };
            slots.push(Slot { at, len, needed });
            at += len;
        }
        slots
    }

    fn name<'b>(bytes: &'b [u8], slot: &Slot) -> &'b [u8] {
        let len = if slot.needed == 0 { 0 } else { usize::from(fields::u8(bytes, slot.at + 6)) };
        bytes.get(slot.at + 8..slot.at + 8 + len).unwrap_or(&[])
    }

    fn write(&self, bytes: &mut [u8], at: usize, len: usize, entry: &NamedInode<'_>) {
        bytes.put32(at, entry.inode);
        self.put_len(bytes, at, len);
        bytes[at + 6] = entry.name.len() as u8;
        bytes[at + 7] = if self.typed { entry.file_type } else { 0 };
        bytes[at + 8..at + 8 + entry.name.len()].copy_from_slice(entry.name);
    }

    /// Removes a name: its space goes to the entry before it.
    pub(super) fn remove(&self, bytes: &mut [u8], name: &[u8]) -> bool {
        let slots = self.slots(bytes);
        let Some(found) = slots.iter().position(|slot| slot.needed > 0 && Self::name(bytes, slot) == name)
        else {
            return false;
        };
        let slot = &slots[found];
        let (at, len) = (slot.at, slot.len);
        match found.checked_sub(1).and_then(|before| slots.get(before)) {
            Some(before) => {
                bytes[at..at + len].fill(0);
                self.put_len(bytes, before.at, before.len + len);
            }
            None => {
                bytes[at..at + len].fill(0);
                self.put_len(bytes, at, len);
            }
        }
        true
    }

    /// Gives a name another inode.
    pub(super) fn replace(&self, bytes: &mut [u8], entry: &NamedInode<'_>) -> bool {
        let slots = self.slots(bytes);
        let found = slots.iter().find(|slot| slot.needed > 0 && Self::name(bytes, slot) == entry.name);
        let Some(slot) = found else { return false };
        self.write(bytes, slot.at, slot.len, entry);
        true
    }

    /// Adds a name where an entry has room behind it; `false` when none has.
    pub(super) fn insert(&self, bytes: &mut [u8], entry: &NamedInode<'_>) -> bool {
        let wanted = entry_size(entry.name.len());
        let slots = self.slots(bytes);
        let Some(slot) = slots.iter().find(|slot| slot.len - slot.needed.min(slot.len) >= wanted) else {
            return false;
        };
        let (at, len) = (slot.at + slot.needed, slot.len - slot.needed);
        if slot.needed > 0 {
            self.put_len(bytes, slot.at, slot.needed);
        }
        bytes[at..at + len].fill(0);
        self.write(bytes, at, len, entry);
        true
    }

    /// The entries of a block, with names of their own.
    pub(super) fn entries(&self, bytes: &[u8]) -> Vec<(Vec<u8>, u32, u8)> {
        let used = self.slots(bytes).into_iter().filter(|slot| slot.needed > 0);
        used.map(|slot| {
            let file_type = fields::u8(bytes, slot.at + 7);
            (Self::name(bytes, &slot).to_vec(), fields::u32(bytes, slot.at), file_type)
        })
        .collect()
    }

    /// A block with these entries, which fit; the last reaches to the end.
    pub(super) fn fill(&self, entries: &[NamedInode<'_>]) -> Vec<u8> {
        let mut bytes = vec![0; self.block];
        let mut at = 0;
        for (position, entry) in entries.iter().enumerate() {
            let own = entry_size(entry.name.len());
            let len = if position + 1 == entries.len() { self.end() - at } else { own };
            self.write(&mut bytes, at, len, entry);
            at += len;
        }
        if entries.is_empty() {
            self.put_len(&mut bytes, 0, self.end());
        }
        self.seal(&mut bytes);
        bytes
    }

    /// Writes the checksum of a block of entries.
    pub(super) fn seal(&self, bytes: &mut [u8]) {
        if !self.sealed {
            return;
        }
        let end = self.end();
        let sum = checksum::crc32c(self.seed, &bytes[..end]);
        bytes[end..].fill(0);
        bytes.put16(end + 4, TAIL_SIZE as u16);
        bytes[end + 7] = TAIL_FILE_TYPE;
        bytes.put32(end + 8, sum);
    }
}

/// Bytes that entries take.
pub(super) fn space_of(entries: &[NamedInode<'_>]) -> usize {
    entries.iter().map(|entry| entry_size(entry.name.len())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &[u8], inode: u32) -> NamedInode<'_> {
        NamedInode { name, inode, file_type: 1 }
    }

    #[test]
    fn names_come_and_go() {
        let format = LeafFormat { block: 1024, sealed: true, typed: true, seed: 7 };
        let mut bytes = format.fill(&[entry(b"a", 11), entry(b"bb", 12), entry(b"ccccc", 13)]);
        assert!(format.remove(&mut bytes, b"bb") && !format.remove(&mut bytes, b"bb"));
        assert!(format.insert(&mut bytes, &entry(b"d", 14)), "where bb was");
        assert!(format.replace(&mut bytes, &entry(b"a", 20)));
        assert!(format.remove(&mut bytes, b"a"));
        let names =
            |bytes: &[u8]| format.entries(bytes).into_iter().map(|(n, i, _)| (n, i)).collect::<Vec<_>>();
        assert_eq!(names(&bytes), [(b"d".to_vec(), 14), (b"ccccc".to_vec(), 13)]);
        assert!(format.insert(&mut bytes, &entry(b"xy", 15)), "where a was");
        assert!(!format.insert(&mut bytes, &entry(&[b'n'; 255], 16)) || names(&bytes).len() == 4);
        let mut full = format.fill(&[]);
        let mut count = 0;
        while format.insert(&mut full, &entry(format!("{count:08}").as_bytes(), 9)) {
            count += 1;
        }
        assert_eq!(count, 1012 / 16);
    }
}

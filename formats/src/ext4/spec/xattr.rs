//! Extended attributes in inodes and in blocks (kernel documentation: Extended Attributes), and the form in which
//! ext4 stores POSIX ACLs.

use super::{BLOCK_SIZE, PutField, crc32c};

/// `h_magic`, in blocks and in inodes.
pub const MAGIC: u32 = 0xea02_0000;

/// Bytes of a block's header.
pub const HEADER_SIZE: usize = 32;

/// Bytes of an entry before its name.
pub const ENTRY_SIZE: usize = 16;

/// Inodes that may share a block.
pub const REFCOUNT_MAX: u32 = 1024;

/// `e_name_index` and the prefix that it means. The ACLs are whole names.
pub const PREFIXES: [(u8, &[u8]); 5] = [
    (1, b"user."),
    (2, b"system.posix_acl_access"),
    (3, b"system.posix_acl_default"),
    (4, b"trusted."),
    (6, b"security."),
];

/// An attribute as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attribute {
    /// `e_name_index`.
    pub index: u8,
    /// The name after its prefix.
    pub name: Box<[u8]>,
    /// The value in its form on disk.
    pub value: Box<[u8]>,
}

impl Attribute {
    /// Bytes of the entry and the value, each padded to four.
    pub fn size(&self) -> usize {
        self.entry_size() + self.value.len().next_multiple_of(4)
    }

    fn entry_size(&self) -> usize {
        ENTRY_SIZE + self.name.len().next_multiple_of(4)
    }

    /// `e_hash`: of name and value.
    fn hash(&self) -> u32 {
        let name = self.name.iter().fold(0u32, |hash, byte| hash.rotate_left(5) ^ u32::from(*byte));
        self.value.chunks(4).fold(name, |hash, chunk| {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            hash.rotate_left(16) ^ u32::from_le_bytes(word)
        })
    }
}

/// Splits a full name into index and rest; `None` when ext4 cannot store it.
pub fn split_name(name: &[u8]) -> Option<(u8, &[u8])> {
    PREFIXES.iter().find_map(|(index, prefix)| {
        let rest = name.strip_prefix(*prefix)?;
        // A prefix wants a name behind it and an ACL has none.
        (rest.is_empty() != prefix.ends_with(b".")).then_some((*index, rest))
    })
}

/// Writes entries from `out[first..]` on and values from the end of `out` down; offsets count from `base`.
fn encode(out: &mut [u8], first: usize, base: usize, attributes: &[&Attribute], hashed: bool) {
    let (mut at, mut end) = (first, out.len());
    for attribute in attributes {
        let (name, value) = (&attribute.name, &attribute.value);
        end -= value.len().next_multiple_of(4);
        out[end..end + value.len()].copy_from_slice(value);
        out[at] = name.len() as u8;
        out[at + 1] = attribute.index;
        out.put16(at + 2, if value.is_empty() { 0 } else { (end - base) as u16 });
        out.put32(at + 8, value.len() as u32);
        out.put32(at + 12, if hashed { attribute.hash() } else { 0 });
        out[at + ENTRY_SIZE..at + ENTRY_SIZE + name.len()].copy_from_slice(name);
        at += attribute.entry_size();
    }
}

/// The area in an inode: the magic, entries and values in `space` bytes. Hashes are 0 there.
pub fn encode_inline(attributes: &[&Attribute], space: usize) -> Vec<u8> {
    let mut out = vec![0; space];
    out.put32(0, MAGIC);
    encode(&mut out, 4, 4, attributes, false);
    out
}

/// A block of attributes, sorted by index, length and bytes of their names, that `refcount` inodes share; it
/// is at block `at`.
pub fn encode_block(attributes: &[&Attribute], refcount: u32, seed: u32, at: u64) -> Vec<u8> {
    let mut out = encode_block_of(BLOCK_SIZE as usize, attributes, refcount);
    let checksum = crc32c(crc32c(seed, &at.to_le_bytes()), &out);
    out.put32(16, checksum);
    out
}

/// [`encode_block`] of another length, and without a checksum.
pub fn encode_block_of(block_size: usize, attributes: &[&Attribute], refcount: u32) -> Vec<u8> {
    let mut out = vec![0; block_size];
    out.put32(0, MAGIC);
    out.put32(4, refcount);
    out.put32(8, 1); // blocks
    encode(&mut out, HEADER_SIZE, 0, attributes, true);
    let hashes = attributes.iter().map(|attribute| attribute.hash());
    let hash = hashes.clone().fold(0u32, |sum, hash| sum.rotate_left(16) ^ hash);
    // An entry without a hash makes the block one that the kernel may not share.
    out.put32(12, if hashes.clone().any(|hash| hash == 0) { 0 } else { hash });
    out
}

/// Turns a POSIX ACL of the kernel's interface (version 2, entries of 8 bytes) into the form on disk (version 1;
/// only named users and groups carry a number). `None` when it is not such an ACL.
pub fn acl_to_disk(value: &[u8]) -> Option<Vec<u8>> {
    /// `ACL_USER` and `ACL_GROUP`: the tags with a number.
    const NAMED: [u16; 2] = [2, 8];
    let (version, entries) = value.split_at_checked(4)?;
    if version != 2u32.to_le_bytes() || entries.len() % 8 != 0 {
        return None;
    }
    let mut out = 1u32.to_le_bytes().to_vec();
    for entry in entries.chunks_exact(8) {
        let tag = u16::from_le_bytes([entry[0], entry[1]]);
        if ![1, 2, 4, 8, 16, 32].contains(&tag) {
            return None;
        }
        out.extend_from_slice(&entry[..4]);
        if NAMED.contains(&tag) {
            out.extend_from_slice(&entry[4..]);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_split_at_the_prefixes_that_ext4_knows() {
        assert_eq!(split_name(b"user.x"), Some((1, &b"x"[..])));
        assert_eq!(split_name(b"system.posix_acl_default"), Some((3, &b""[..])));
        for refused in
            [&b"user."[..], b"user", b"system.richacl", b"system.posix_acl_accessx", b"foo.bar", b""]
        {
            assert_eq!(split_name(refused), None);
        }
    }

    #[test]
    fn an_acl_drops_the_numbers_that_nobody_reads() {
        let mut uapi = 2u32.to_le_bytes().to_vec();
        for (tag, perm, id) in [(1u16, 6u16, u32::MAX), (2, 4, 1000), (4, 4, u32::MAX)] {
            uapi.extend(tag.to_le_bytes().iter().chain(&perm.to_le_bytes()).chain(&id.to_le_bytes()));
        }
        let disk = acl_to_disk(&uapi).unwrap();
        assert_eq!(disk, *b"\x01\0\0\0\x01\0\x06\0\x02\0\x04\0\xe8\x03\0\0\x04\0\x04\0");
        assert_eq!(acl_to_disk(&uapi[..11]), None);
        assert_eq!(acl_to_disk(&disk), None);
    }

    #[test]
    fn inline_values_count_their_offset_from_the_first_entry() {
        let attribute = Attribute { index: 1, name: b"k"[..].into(), value: b"value"[..].into() };
        let out = encode_inline(&[&attribute], 96);
        assert_eq!(out[..24], *b"\0\0\x02\xea\x01\x01\x54\0\0\0\0\0\x05\0\0\0\0\0\0\0k\0\0\0");
        assert_eq!(out[88..96], *b"value\0\0\0");
        assert_eq!(attribute.size(), 28);
    }
}

//! Extended attributes: in the inode after its fields, and in a block that several inodes may share (kernel
//! documentation, `filesystems/ext4/attributes.rst`).

use std::collections::BTreeSet;

use super::FileSystem;
use super::acl;
use super::checksum;
use super::error::{Corruption, CorruptionSink, Defect, Ext4Location, Ext4ReadError};
use super::fields;
use super::inode::ReadInode;
use crate::read_at::ReadAt;
use crate::tree::Xattrs;

/// Magic number of both forms.
const MAGIC: u32 = 0xea02_0000;
/// Bytes of a block's header.
const HEADER: usize = 32;
/// Bytes of an entry before its name.
const ENTRY: usize = 16;
/// Most inodes that may share a block.
const REFERENCES: u64 = 1024;

/// An attribute as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReadAttribute {
    /// Index of the name's prefix.
    pub(crate) index: u8,
    /// The rest of the name.
    pub(crate) name: Box<[u8]>,
    /// The value.
    pub(crate) value: Box<[u8]>,
    /// The stored hash of name and value.
    pub(crate) hash: u32,
}

impl ReadAttribute {
    /// The full name; `None` when the prefix is not known.
    fn full_name(&self) -> Option<Vec<u8>> {
        let (prefix, whole) = match self.index {
            1 => ("user.", false),
            2 => ("system.posix_acl_access", true),
            3 => ("system.posix_acl_default", true),
            4 => ("trusted.", false),
            6 => ("security.", false),
            7 => ("system.", false),
            _ => return None,
        };
        (whole == self.name.is_empty()).then(|| [prefix.as_bytes(), &self.name].concat())
    }

    /// The valid hashes of this attribute: kernels before 6.2 took bytes of names as signed.
    fn hashes(&self) -> [u32; 2] {
        [true, false].map(|signed| {
            let byte = |byte: u8| if signed { i32::from(byte as i8) as u32 } else { u32::from(byte) };
            let hash = self.name.iter().fold(0_u32, |hash, &value| hash.rotate_left(5) ^ byte(value));
            self.value.chunks(4).fold(hash, |hash, quad| {
                let mut word = [0; 4];
                word.iter_mut().zip(quad).for_each(|(to, from)| *to = *from);
                hash.rotate_left(16) ^ u32::from_le_bytes(word)
            })
        })
    }
}

/// Reads all attributes of an inode.
pub(crate) fn read<R: ReadAt + ?Sized>(
    file_system: &FileSystem<'_, R>,
    inode: &ReadInode,
    sink: &mut dyn CorruptionSink,
) -> Result<Xattrs, Ext4ReadError> {
    let mut all = body(inode, sink)?;
    if inode.xattr_block != 0 {
        all.extend(block(file_system, inode, inode.xattr_block, sink)?.attributes);
    }
    let mut xattrs = Xattrs::new();
    for attribute in all {
        let Some(name) = attribute.full_name() else {
            let found = u64::from(attribute.index);
            inode.report(Defect::Meaningless { field: "e_name_index of an attribute", found }, sink)?;
            continue;
        };
        let value = if matches!(attribute.index, 2 | 3) {
            let Some(value) = acl::from_disk(&attribute.value) else {
                let len = attribute.value.len() as u64;
                inode.report(Defect::Acl { len }, sink)?;
                continue;
            };
            value.into()
        } else {
            attribute.value
        };
        let name: Box<[u8]> = name.into();
        if xattrs.insert(name.clone(), value).is_some() {
            inode.report(Defect::Duplicate { name }, sink)?;
        }
    }
    Ok(xattrs)
}

/// Reads the attributes in the inode.
pub(crate) fn body(
    inode: &ReadInode,
    sink: &mut dyn CorruptionSink,
) -> Result<Vec<ReadAttribute>, Ext4ReadError> {
    let start = 128 + usize::from(inode.extra_size);
    let area = inode.raw.get(start..).unwrap_or(&[]);
    if inode.extra_size == 0 || area.len() < 4 || fields::u32(area, 0) != MAGIC {
        return Ok(Vec::new());
    }
    let location = Ext4Location::XattrBody { inode: inode.number };
    let area =
        Area { bytes: area, first: 4, base: 4, sorted: false, location, offset: inode.offset + start as u64 };
    area.read(sink)
}

/// A block of attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct XattrBlock {
    /// How many inodes use it.
    pub(crate) references: u32,
    /// The stored hash of all attributes.
    pub(crate) hash: u32,
    /// The attributes.
    pub(crate) attributes: Vec<ReadAttribute>,
}

/// Reads a block of attributes on behalf of an inode.
pub(crate) fn block<R: ReadAt + ?Sized>(
    file_system: &FileSystem<'_, R>,
    inode: &ReadInode,
    number: u64,
    sink: &mut dyn CorruptionSink,
) -> Result<XattrBlock, Ext4ReadError> {
    let superblock = file_system.superblock();
    if !file_system.holds(number, 1) {
        let (least, most) = (u64::from(superblock.first_data_block) + 1, superblock.blocks - 1);
        inode.report(Defect::Range { field: "i_file_acl", found: number, least, most }, sink)?;
        return Ok(XattrBlock { references: 0, hash: 0, attributes: Vec::new() });
    }
    let bytes = file_system.block(number)?;
    let location = Ext4Location::XattrBlock { block: number };
    let offset = superblock.offset_of(number);
    let references = fields::u32(&bytes, 4);
    let checks = [
        (fields::u32(&bytes, 0) != MAGIC).then(|| Defect::Value {
            field: "h_magic",
            found: fields::u32(&bytes, 0).into(),
            expected: MAGIC.into(),
        }),
        (!(1..=REFERENCES).contains(&references.into())).then(|| Defect::Range {
            field: "h_refcount",
            found: references.into(),
            least: 1,
            most: REFERENCES,
        }),
        (fields::u32(&bytes, 8) != 1).then(|| Defect::Value {
            field: "h_blocks",
            found: fields::u32(&bytes, 8).into(),
            expected: 1,
        }),
        superblock.has_checksums().then(|| verify(superblock.checksum_seed, number, &bytes)).flatten(),
    ];
    for why in checks.into_iter().flatten() {
        sink.report(Corruption { location, offset, why })?;
    }
    let mut attributes = Vec::new();
    if fields::u32(&bytes, 0) == MAGIC {
        let area = Area { bytes: &bytes, first: HEADER, base: 0, sorted: true, location, offset };
        attributes = area.read(sink)?;
    }
    Ok(XattrBlock { references, hash: fields::u32(&bytes, 12), attributes })
}

/// The hash of a whole block by those of its attributes.
pub(crate) fn block_hash(attributes: &[ReadAttribute]) -> u32 {
    if attributes.iter().any(|attribute| attribute.hash == 0) {
        return 0;
    }
    attributes.iter().fold(0_u32, |hash, attribute| hash.rotate_left(16) ^ attribute.hash)
}

/// The block's own number counts into the checksum.
fn verify(seed: u32, number: u64, bytes: &[u8]) -> Option<Defect> {
    let stored = fields::u32(bytes, 16);
    let computed = checksum::crc32c_without(checksum::crc32c(seed, &number.to_le_bytes()), bytes, 16);
    (stored != computed).then_some(Defect::Checksum { stored, computed })
}

/// An attribute, and the first byte and length of its value.
type StoredValue = ((usize, usize), ReadAttribute);

/// Bytes that hold entries from one end and values from the other.
struct Area<'b> {
    bytes: &'b [u8],
    /// Offset of the first entry.
    first: usize,
    /// What offsets of values are counted from.
    base: usize,
    /// Whether entries must be in order: those of a block.
    sorted: bool,
    location: Ext4Location,
    offset: u64,
}

impl Area<'_> {
    fn corruption(&self, why: Defect) -> Corruption {
        Corruption { location: self.location, offset: self.offset, why }
    }

    fn read(&self, sink: &mut dyn CorruptionSink) -> Result<Vec<ReadAttribute>, Ext4ReadError> {
        let mut attributes: Vec<ReadAttribute> = Vec::new();
        let mut values = Vec::new();
        let mut at = self.first;
        let mut seen = BTreeSet::new();
        loop {
            let left = self.bytes.len().saturating_sub(at) as u64;
            if left < 4 {
                let why = Defect::Missing { what: "the end of the list of attributes" };
                sink.report(self.corruption(why))?;
                break;
            }
            if fields::u32(self.bytes, at) == 0 {
                break;
            }
            let name_len = usize::from(fields::u8(self.bytes, at));
            let name = self.bytes.get(at + ENTRY..at + ENTRY + name_len);
            let Some(name) = name else {
                let most = left.saturating_sub(ENTRY as u64);
                let why = Defect::Range { field: "e_name_len", found: name_len as u64, least: 0, most };
                sink.report(self.corruption(why))?;
                break;
            };
            if let Some((range, attribute)) = self.entry(at, name, sink)? {
                let key = (attribute.index, attribute.name.len(), attribute.name.clone());
                self.check(&attribute, attributes.last(), sink)?;
                if !seen.insert(key) {
                    sink.report(self.corruption(Defect::Duplicate { name: attribute.name.clone() }))?;
                }
                values.push(range);
                attributes.push(attribute);
            }
            at += (ENTRY + name_len).next_multiple_of(4);
        }
        self.check_values(at + 4, values, sink)?;
        Ok(attributes)
    }

    /// Takes one entry and its value.
    fn entry(
        &self,
        at: usize,
        name: &[u8],
        sink: &mut dyn CorruptionSink,
    ) -> Result<Option<StoredValue>, Ext4ReadError> {
        let inode = u64::from(fields::u32(self.bytes, at + 4));
        if inode != 0 {
            sink.report(self.corruption(Defect::Value { field: "e_value_inum", found: inode, expected: 0 }))?;
            return Ok(None);
        }
        let len = fields::u32(self.bytes, at + 8) as usize;
        let start =
            if len == 0 { self.first } else { self.base + usize::from(fields::u16(self.bytes, at + 2)) };
        let Some(value) = start.checked_add(len).and_then(|end| self.bytes.get(start..end)) else {
            let most = self.bytes.len().saturating_sub(start) as u64;
            let why = Defect::Range { field: "e_value_size", found: len as u64, least: 0, most };
            sink.report(self.corruption(why))?;
            return Ok(None);
        };
        let index = fields::u8(self.bytes, at + 1);
        let hash = fields::u32(self.bytes, at + 12);
        let attribute = ReadAttribute { index, name: name.into(), value: value.into(), hash };
        Ok(Some(((start, len), attribute)))
    }

    /// Checks hash and order. Within an inode the kernel writes no hash.
    fn check(
        &self,
        attribute: &ReadAttribute,
        before: Option<&ReadAttribute>,
        sink: &mut dyn CorruptionSink,
    ) -> Result<(), Ext4ReadError> {
        let hashes = attribute.hashes();
        let unset = attribute.hash == 0 && !self.sorted;
        if !unset && !hashes.contains(&attribute.hash) {
            let (found, expected) = (attribute.hash.into(), hashes[0].into());
            sink.report(self.corruption(Defect::Value { field: "e_hash", found, expected }))?;
        }
        let key = |attribute: &ReadAttribute| (attribute.index, attribute.name.len(), attribute.name.clone());
        if let Some(before) = before.filter(|before| self.sorted && key(before) > key(attribute)) {
            let (found, before) = (attribute.index.into(), before.index.into());
            sink.report(self.corruption(Defect::Order { field: "e_name_index and name", found, before }))?;
        }
        Ok(())
    }

    /// Values must be after the entries and must not overlap.
    fn check_values(
        &self,
        entries_end: usize,
        mut values: Vec<(usize, usize)>,
        sink: &mut dyn CorruptionSink,
    ) -> Result<(), Ext4ReadError> {
        values.retain(|(_, len)| *len > 0);
        values.sort_unstable();
        let mut end = entries_end;
        for (start, len) in values {
            // Values are at multiples of four and are padded to them.
            if start % 4 != 0 {
                let why =
                    Defect::Value { field: "e_value_offs modulo 4", found: (start % 4) as u64, expected: 0 };
                sink.report(self.corruption(why))?;
            }
            if start < end {
                let (found, before) = (start as u64, end as u64);
                sink.report(self.corruption(Defect::Order { field: "e_value_offs", found, before }))?;
            }
            end = start + len;
        }
        Ok(())
    }
}

//! qcow2, versions 2 and 3 (QEMU, `docs/interop/qcow2.rst`): a table of two levels from clusters of the disk to clusters
//! of the file. All numbers are big-endian.
//!
//! Counts of references are not read: they only say which clusters are free. Of internal snapshots the active state is
//! what the disk is. Backing files, external data files and encryption are refused.
#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use std::io;
use std::ops::Range;

use super::error::{ContainerError, ErrorsOf, invalid};
use super::map::{ContainerMap, PackedUnit, StoredAs, StoredRun};
use super::tables::TableReader;
use super::unpack::Codec;
use crate::fields::{self, be32};
use crate::read_at::ReadAt;
use crate::tree::Printable;

pub(super) const NAME: &str = "qcow2";
const ERRORS: ErrorsOf = ErrorsOf(NAME);

/// First bytes.
const MAGIC: &[u8] = b"QFI\xfb";

/// Bytes of the header that are read: all that version 3 defines.
const HEADER: u64 = 112;

/// The most bytes of the first table that QEMU takes.
const L1_MAX: u64 = 32 << 20;

/// Bits of an entry that are the offset of a cluster.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;

/// An entry of a cluster that is compressed.
const COMPRESSED: u64 = 1 << 62;

/// An entry of a cluster that reads as zeros.
const ZERO: u64 = 1;

/// Subclusters in a cluster with extended entries.
const SUBCLUSTERS: u64 = 32;

/// Whether a file begins as a qcow2 of any version.
pub(super) fn probe(head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

/// Where clusters are.
#[derive(Debug)]
pub(super) struct Qcow2Map {
    size: u64,
    cluster_bits: u32,
    l1_at: u64,
    /// Version 3: an entry can say that a cluster reads as zeros.
    zero_flag: bool,
    extended: bool,
    codec: Codec,
}

/// Features that a reader must know (bits of `incompatible_features`).
const DIRTY: u64 = 1;
const CORRUPT: u64 = 1 << 1;
const EXTERNAL_DATA: u64 = 1 << 2;
const COMPRESSION_TYPE: u64 = 1 << 3;
const EXTENDED_L2: u64 = 1 << 4;

/// Reads the header.
pub(super) fn open(file: &dyn ReadAt) -> Result<Qcow2Map, ContainerError> {
    let len = file.size().min(HEADER) as usize;
    let mut header = vec![0; len];
    file.read_exact_at(0, &mut header).map_err(ERRORS.io(0))?;
    let version = be32(&header, 4);
    if !(2..=3).contains(&version) {
        return Err(ERRORS.unsupported(format!("is of version {version}")));
    }
    let features = if version == 3 { be64(&header, 72) } else { 0 };
    refuse(file, &header, features)?;
    let cluster_bits = be32(&header, 20);
    if !(9..=21).contains(&cluster_bits) {
        return Err(ERRORS.damaged(format!("clusters of 2^{cluster_bits} bytes")));
    }
    let compression = if features & COMPRESSION_TYPE == 0 { 0 } else { fields::u8(&header, 104) };
    let codec = match compression {
        0 => Codec::Deflate,
        1 => Codec::Zstd,
        other => return Err(ERRORS.unsupported(format!("is compressed with method {other}"))),
    };
    let map = Qcow2Map {
        size: be64(&header, 24),
        cluster_bits,
        l1_at: be64(&header, 40),
        zero_flag: version == 3,
        extended: features & EXTENDED_L2 != 0,
        codec,
    };
    map.check_l1(u64::from(be32(&header, 36)), file.size())?;
    Ok(map)
}

/// Refuses what is not in the file, or cannot be read.
fn refuse(file: &dyn ReadAt, header: &[u8], features: u64) -> Result<(), ContainerError> {
    let unknown = features & !(DIRTY | CORRUPT | EXTERNAL_DATA | COMPRESSION_TYPE | EXTENDED_L2);
    if unknown != 0 {
        return Err(ERRORS.unsupported(format!("has the unknown features {unknown:#x}")));
    }
    if features & CORRUPT != 0 {
        return Err(ContainerError::Unsupported {
            kind: NAME,
            feature: "is marked as corrupt".to_owned(),
            remedy: "repair it: `qemu-img check -r all FILE`",
        });
    }
    if features & EXTERNAL_DATA != 0 {
        return Err(ERRORS.unsupported("keeps its data in another file"));
    }
    match be32(header, 32) {
        0 => {}
        1 => return Err(ERRORS.unsupported("is encrypted (AES)")),
        2 => return Err(ERRORS.unsupported("is encrypted (LUKS)")),
        other => return Err(ERRORS.unsupported(format!("is encrypted with method {other}"))),
    }
    let (at, len) = (be64(header, 8), be32(header, 16));
    if at != 0 {
        let mut name = vec![0; len.min(1023) as usize];
        let name = file.read_exact_at(at, &mut name).map(|()| name).unwrap_or_default();
        return Err(ERRORS.unsupported(format!("has the backing file `{}`", Printable(&name))));
    }
    Ok(())
}

impl Qcow2Map {
    /// Checks that the first table covers the disk and is in the file.
    fn check_l1(&self, entries: u64, file_len: u64) -> Result<(), ContainerError> {
        let span = self.l2_span();
        let needed = self.size.div_ceil(span.max(1));
        if entries < needed {
            let what = format!(
                "a table of {entries} entries for a disk of {} bytes, which takes {needed}",
                self.size
            );
            return Err(ERRORS.damaged(what));
        }
        let bytes = needed.saturating_mul(8);
        if bytes > L1_MAX {
            return Err(ERRORS.unsupported(format!("holds a disk of {} bytes", self.size)));
        }
        let end = self.l1_at.checked_add(bytes);
        if !self.l1_at.is_multiple_of(8) || end.is_none_or(|end| end > file_len) {
            return Err(ERRORS.damaged(format!("its first table is at byte {}, past its end", self.l1_at)));
        }
        Ok(())
    }

    fn cluster(&self) -> u64 {
        1 << self.cluster_bits
    }

    fn entry_len(&self) -> u64 {
        if self.extended { 16 } else { 8 }
    }

    /// Bytes of the disk that one table of the second level covers.
    fn l2_span(&self) -> u64 {
        // At most 2^21 / 8 entries of 2^21 bytes: 2^39.
        self.cluster().checked_div(self.entry_len()).unwrap_or(0).saturating_mul(self.cluster())
    }

    /// The run of zeros of the range `start..start + len`, clipped to the disk.
    fn zeros(&self, start: u64, len: u64) -> StoredRun {
        StoredRun { start, len: len.min(self.size.saturating_sub(start)), stored: StoredAs::Zeros }
    }

    /// The part around the byte `offset` of a cluster, or of subclusters, that is stored as it is from `at` on. The file may
    /// end within its last cluster; what is behind its end reads as zeros, as QEMU has it.
    fn plain(&self, range: Range<u64>, at: u64, offset: u64, file_len: u64) -> io::Result<StoredRun> {
        let (start, end) = (range.start, range.end.min(self.size));
        let left = file_len.saturating_sub(at);
        if left == 0 {
            let what = format!("byte {start} of the disk is at byte {at}, past the end of the file");
            return Err(invalid(ERRORS.damaged(what)));
        }
        let held = start.saturating_add(left).min(end);
        if offset >= held {
            return Ok(StoredRun { start: held, len: end.saturating_sub(held), stored: StoredAs::Zeros });
        }
        Ok(StoredRun { start, len: held.saturating_sub(start), stored: StoredAs::Plain { at } })
    }

    /// The run of a compressed cluster: an offset and a number of sectors of 512 bytes (*Compressed Clusters Descriptor*).
    fn packed(&self, entry: u64, start: u64, file_len: u64) -> io::Result<StoredRun> {
        let bits = 62u32.saturating_sub(self.cluster_bits.saturating_sub(8));
        let at = entry & (1u64 << bits).saturating_sub(1);
        let sectors = ((entry & COMPRESSED.saturating_sub(1)) >> bits).saturating_add(1);
        let len = sectors.saturating_mul(512).saturating_sub(at % 512);
        let left = file_len.saturating_sub(at);
        if left == 0 {
            let what = format!("a compressed cluster is at byte {at}, past the end of the file");
            return Err(invalid(ERRORS.damaged(what)));
        }
        let (len, unpacked) = (len.min(left) as u32, self.cluster() as u32);
        let unit = PackedUnit { at, len, unpacked, codec: self.codec };
        let run = self.cluster().min(self.size.saturating_sub(start));
        Ok(StoredRun { start, len: run, stored: StoredAs::Packed(unit) })
    }

    /// The run of subclusters of one state that holds `offset` (*Extended L2 Entries*).
    fn subclusters(
        &self,
        entry: u64,
        bitmap: u64,
        start: u64,
        offset: u64,
        file_len: u64,
    ) -> io::Result<StoredRun> {
        let len = self.cluster() / SUBCLUSTERS;
        let state =
            |index: u64| (bitmap >> index & 1 != 0, bitmap >> index.saturating_add(SUBCLUSTERS) & 1 != 0);
        let index = offset.saturating_sub(start).checked_div(len).unwrap_or(0);
        let same = |other: &u64| state(*other) == state(index);
        let first = (0..index).rev().take_while(same).last().unwrap_or(index);
        let count = (first..SUBCLUSTERS).take_while(same).count() as u64;
        let skip = first.saturating_mul(len);
        let (start, len) = (start.saturating_add(skip), count.saturating_mul(len));
        let range = start..start.saturating_add(len);
        match state(index) {
            (true, true) => Err(invalid(ERRORS.damaged("a subcluster has data and reads as zeros"))),
            (true, false) if entry & OFFSET != 0 => {
                self.plain(range, (entry & OFFSET).saturating_add(skip), offset, file_len)
            }
            (true, false) => {
                Err(invalid(ERRORS.damaged("a subcluster has data, and no cluster of the file")))
            }
            (false, _) => Ok(self.zeros(start, len)),
        }
    }
}

impl ContainerMap for Qcow2Map {
    fn size(&self) -> u64 {
        self.size
    }

    fn run(&self, tables: &TableReader<'_>, offset: u64) -> io::Result<StoredRun> {
        let span = self.l2_span();
        let index = offset.checked_div(span).unwrap_or(0);
        let l1 = u64::from_be_bytes(tables.array(self.l1_at.saturating_add(index.saturating_mul(8)))?);
        let first = index.saturating_mul(span);
        let l2_at = l1 & OFFSET;
        if l2_at == 0 {
            return Ok(self.zeros(first, span));
        }
        if !l2_at.is_multiple_of(self.cluster()) {
            return Err(invalid(ERRORS.damaged(format!("a table at byte {l2_at}, within a cluster"))));
        }
        let number = offset.saturating_sub(first) >> self.cluster_bits;
        let entry_at = l2_at.saturating_add(number.saturating_mul(self.entry_len()));
        let entry = u64::from_be_bytes(tables.array(entry_at)?);
        let start = offset & !self.cluster().saturating_sub(1);
        if entry & COMPRESSED != 0 {
            return self.packed(entry, start, tables.file_len());
        }
        let at = entry & OFFSET;
        if !at.is_multiple_of(self.cluster()) {
            return Err(invalid(ERRORS.damaged(format!("a cluster at byte {at}, within another"))));
        }
        if self.extended {
            let bitmap = u64::from_be_bytes(tables.array(entry_at.saturating_add(8))?);
            return self.subclusters(entry, bitmap, start, offset, tables.file_len());
        }
        if at == 0 || self.zero_flag && entry & ZERO != 0 {
            return Ok(self.zeros(start, self.cluster()));
        }
        self.plain(start..start.saturating_add(self.cluster()), at, offset, tables.file_len())
    }
}

/// The big-endian 64-bit number at `at`.
fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(fields::array(bytes, at))
}

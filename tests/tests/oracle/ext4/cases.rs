//! One corrupt field for each case: the structure, the bytes written to it, and the defect that has to be reported.

use amiforge_formats::ext4::read::Defect;

/// A structure of the image, by the file or inode that it belongs to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Spot {
    Superblock,
    Descriptor,
    BlockBitmap,
    InodeBitmap,
    Inode(&'static str),
    Number(u32),
    Extents(&'static str),
    Block(&'static str),
    Index(&'static str),
    Leaf(&'static str),
    Attributes(&'static str),
    Body(&'static str),
    Journal,
    Double,
    Reserved,
    Orphans,
    BackupSuperblock,
    BackupDescriptor,
}

/// The step of the reader that refuses the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// `open` refuses.
    Opens,
    /// `tree` refuses.
    Trees,
    /// None: only the checker reads the field.
    Reads,
}

/// Whether the checksum is repaired after the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sum {
    Right,
    Wrong,
}

/// The defect that is reported, as a pattern: values that depend on the layout that mke2fs chooses are left open.
#[derive(Clone, Copy)]
pub(crate) struct Expected {
    pattern: &'static str,
    pub(crate) matches: fn(&Defect) -> bool,
}

impl std::fmt::Debug for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.pattern)
    }
}

/// A corrupt field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) spot: Spot,
    /// Offset of the bytes in the structure.
    pub(crate) offset: usize,
    /// The bytes that are written there.
    pub(crate) bytes: &'static [u8],
    pub(crate) sum: Sum,
    pub(crate) reader: Reader,
    pub(crate) expected: Expected,
}

macro_rules! cases {
    ($($spot:expr, $offset:expr, $bytes:expr, $sum:ident, $reader:ident => $pattern:pat $(if $guard:expr)?,)+) => {
        &[$(Case {
            spot: $spot,
            offset: $offset,
            bytes: $bytes,
            sum: Sum::$sum,
            reader: Reader::$reader,
            expected: Expected {
                pattern: stringify!($pattern),
                matches: |defect| matches!(defect, $pattern $(if $guard)?),
            },
        }),+]
    };
}

use Defect::*;
use Spot::*;

pub(crate) const CASES: &[Case] = cases! {
    Superblock, 0x78, &[1], Wrong, Opens => Checksum { .. },
    Superblock, 0x18, &[9], Right, Opens => Range { field: "s_log_block_size", found: 9, least: 0, most: 6 },
    Superblock, 0x20, &[7], Right, Opens =>
        Range { field: "s_blocks_per_group", found: 8199, least: 8, most: 8192 },
    Superblock, 0x28, &[0, 0, 0, 0], Right, Opens =>
        Range { field: "s_inodes_per_group", found: 0, least: 4, most: 8192 },
    Superblock, 0x0, &[1, 0, 0, 0], Right, Opens => Value { field: "s_inodes_count", found: 1, expected: 1536 },
    Superblock, 0x58, &[0, 3], Right, Opens => Value { field: "bits of s_inode_size", found: 2, expected: 1 },
    Superblock, 0xfe, &[48], Right, Opens => Value { field: "bits of s_desc_size", found: 2, expected: 1 },
    Superblock, 0x175, &[2], Right, Opens => Value { field: "s_checksum_type", found: 2, expected: 1 },
    Superblock, 0xc, &[1, 0, 0, 0], Right, Reads => Value { field: "s_free_blocks_count", found: 1, .. },
    Superblock, 0x10, &[1, 0, 0, 0], Right, Reads => Value { field: "s_free_inodes_count", found: 1, .. },
    Superblock, 0xe8, &[33], Right, Reads => Value { field: "s_last_orphan", found: 33, expected: 0 },
    Superblock, 0x8, &[255, 255], Right, Reads =>
        Range { field: "s_r_blocks_count", found: 65535, least: 0, most: 10240 },
    Descriptor, 0x4, &[9], Wrong, Opens => Checksum { .. },
    Descriptor, 0x0, &[255, 255, 255], Right, Opens => Range { field: "bg_block_bitmap", .. },
    Descriptor, 0x8, &[255, 255], Right, Opens =>
        Range { field: "bg_inode_table", found: 65535, least: 1, most: 20352 },
    Descriptor, 0xc, &[1, 0], Right, Reads => Value { field: "bg_free_blocks_count", found: 1, .. },
    Descriptor, 0xe, &[1, 0], Right, Reads => Value { field: "bg_free_inodes_count", found: 1, .. },
    Descriptor, 0x10, &[99], Right, Reads => Value { field: "bg_used_dirs_count", found: 99, .. },
    Descriptor, 0x1c, &[255, 255], Right, Reads =>
        Range { field: "bg_itable_unused", .. },
    Descriptor, 0x12, &[12], Right, Reads => Meaningless { field: "bg_flags", found: 0x8 },
    BlockBitmap, 0, &[254], Right, Reads => Bitmap { what: "blocks", first: 1, last: 1, marked: "free" },
    BlockBitmap, 1000, &[255], Right, Reads => Bitmap { what: "blocks", first: 8001, last: 8008, marked: "used" },
    InodeBitmap, 0, &[127], Right, Reads => Bitmap { what: "inodes", first: 8, last: 8, marked: "free" },
    InodeBitmap, 1023, &[0], Right, Reads => Padding { bit: 8184 },
    InodeBitmap, 4, &[0], Wrong, Reads => Checksum { .. },
    Inode("small"), 0x4, &[1], Wrong, Trees => Checksum { .. },
    Inode("small"), 0x0, &[0, 0], Right, Trees => Meaningless { field: "i_mode", found: 0x0 },
    Inode("small"), 0x1a, &[1, 0], Right, Reads => Value { field: "i_links_count", found: 1, expected: 2 },
    Inode("small"), 0x1c, &[77], Right, Reads => Value { field: "i_blocks", found: 77, .. },
    Inode("small"), 0x14, &[1, 0, 0, 128], Right, Reads =>
        Value { field: "i_dtime", found: 2_147_483_649, expected: 0 },
    Inode("small"), 0x80, &[33, 0], Right, Trees =>
        Range { field: "i_extra_isize", found: 33, least: 4, most: 128 },
    Inode("small"), 0x28, &[1, 0], Right, Trees => Value { field: "eh_magic", found: 1, expected: 62218 },
    Inode("small"), 0x2a, &[9], Right, Trees => Range { field: "eh_entries", found: 9, least: 0, most: 4 },
    Inode("small"), 0x2e, &[3], Right, Trees =>
        Range { field: "ei_leaf", found: 4_316_442_132_481, least: 2, most: 20479 },
    Inode("small"), 0x3c, &[1, 0, 0, 0], Right, Trees =>
        Range { field: "ee_start", found: 1, least: 2, most: 20479 },
    Inode("usr"), 0x4, &[1, 0], Right, Trees => Value { field: "i_size", found: 1, expected: 1024 },
    Inode("usr"), 0x1a, &[9], Right, Reads => Value { field: "i_links_count", found: 9, expected: 3 },
    Inode("pipe"), 0x20, &[0, 0, 8], Right, Reads =>
        Meaningless { field: "i_flags of a special file", found: 0x80000 },
    Inode("short"), 0x4, &[9], Right, Trees =>
        Value { field: "length of the link's target", found: 5, expected: 9 },
    Extents("pieces"), 0x0, &[1], Right, Trees => Value { field: "eh_magic", found: 62209, expected: 62218 },
    Extents("pieces"), 0x2, &[255, 255], Right, Trees =>
        Range { field: "eh_entries", found: 65535, least: 1, most: 84 },
    Extents("pieces"), 0x6, &[4], Right, Trees => Value { field: "eh_depth", found: 4, expected: 0 },
    Extents("pieces"), 0x10, &[0], Right, Trees => Range { field: "ee_len", found: 0, least: 1, most: 65535 },
    Extents("pieces"), 0x18, &[0, 0], Right, Trees => Order { field: "ee_block", found: 0, before: 128 },
    Extents("pieces"), 0x14, &[255, 255, 255, 255], Right, Trees =>
        Range { field: "ee_start", found: 4_294_967_295, least: 2, most: 20479 },
    Extents("pieces"), 0x20, &[77], Wrong, Trees => Checksum { .. },
    Block("usr"), 0x0, &[77], Right, Trees => Entry { name, .. } if **name == *b".",
    Block("usr"), 0x4, &[11], Right, Trees => Range { field: "rec_len", found: 11, least: 12, most: 1012 },
    Block("usr"), 0xc, &[255, 255], Right, Trees =>
        Range { field: "inode of an entry", found: 65535, least: 1, most: 1536 },
    Block("usr"), 0x1c, &[1], Right, Trees => Range { field: "rec_len", found: 1, least: 16, most: 988 },
    Block("usr"), 0x1f, &[9], Right, Trees => FileType { name, found: 9, expected: 1 } if **name == *b"linked",
    Block("usr"), 0x20, &[47], Right, Trees => Name { name } if **name == *b"/inked",
    Block("usr"), 0x3f8, &[1], Right, Trees => Missing { what: "the checksum at the block's end" },
    Block("usr"), 0x20, &[66], Wrong, Trees => Checksum { .. },
    Index("many"), 0x18, &[1], Right, Trees => Value { field: "reserved_zero", found: 1, expected: 0 },
    Index("many"), 0x1c, &[9], Right, Trees => Range { field: "hash_version", found: 9, least: 0, most: 2 },
    Index("many"), 0x1d, &[7], Right, Trees => Value { field: "info_length", found: 7, expected: 8 },
    Index("many"), 0x1e, &[3], Right, Trees => Range { field: "indirect_levels", found: 3, least: 0, most: 1 },
    Index("many"), 0x20, &[7], Right, Trees => Value { field: "limit", found: 7, expected: 123 },
    Index("many"), 0x22, &[0, 0], Right, Trees => Range { field: "count", found: 0, least: 1, most: 123 },
    Index("many"), 0x24, &[0, 1], Right, Trees =>
        Range { field: "block of an index entry", found: 256, least: 1, .. },
    Index("many"), 0x28, &[0, 0, 0, 0], Right, Trees => Range { field: "hash of a name", .. },
    Index("many"), 0x2c, &[1], Right, Trees => Again { what: "block", number: 1 },
    Index("many"), 0x28, &[8], Wrong, Trees => Checksum { .. },
    Leaf("many"), 0x8, &[33], Right, Trees => Range { field: "hash of a name", .. },
    Attributes("empty"), 0x0, &[1], Right, Trees =>
        Value { field: "h_magic", found: 3_925_999_617, expected: 3_925_999_616 },
    Attributes("empty"), 0x4, &[9], Right, Reads => Value { field: "h_refcount", found: 9, expected: 1 },
    Attributes("empty"), 0x8, &[2], Right, Trees => Value { field: "h_blocks", found: 2, expected: 1 },
    Attributes("empty"), 0x20, &[255], Right, Trees => Value { field: "e_hash", found: 1_981_052_534, .. },
    Attributes("empty"), 0x21, &[9], Right, Trees =>
        Meaningless { field: "e_name_index of an attribute", found: 0x9 },
    Attributes("empty"), 0x24, &[5], Right, Trees => Value { field: "e_value_inum", found: 5, expected: 0 },
    Attributes("empty"), 0x28, &[255, 255], Right, Trees =>
        Range { field: "e_value_size", found: 65535, least: 0, most: 700 },
    Attributes("empty"), 0x2c, &[5], Right, Trees => Value { field: "e_hash", found: 1_981_052_421, .. },
    Attributes("empty"), 0x2c, &[5], Wrong, Trees => Checksum { .. },
    Body("small"), 0x4, &[99], Right, Trees => Range { field: "e_name_len", found: 99, least: 0, most: 76 },
    Body("small"), 0xc, &[255], Right, Trees => Range { field: "e_value_size", found: 255, least: 0, most: 8 },
    Body("usr/bin/odd"), 0x5, &[9], Right, Trees =>
        Meaningless { field: "e_name_index of an attribute", found: 0x9 },
    Journal, 0x0, &[1], Right, Reads => Value { field: "h_magic", found: 20_658_584, expected: 3_225_106_840 },
    Journal, 0xf, &[1], Right, Reads => Value { field: "s_blocksize", found: 1025, expected: 1024 },
    Journal, 0x13, &[1], Right, Reads => Value { field: "s_maxlen", found: 1025, expected: 1024 },
    Journal, 0x1f, &[1], Right, Reads => Value { field: "s_start", found: 1, expected: 0 },
    Journal, 0x2b, &[64], Right, Reads => Meaningless { field: "s_feature_incompat", found: 0x40 },
    Double, 0x4, &[9], Right, Reads => Value { field: "reserved block", found: 9, expected: 3 },
    Double, 0x80, &[9], Right, Reads => Value { field: "reserved block", found: 9, expected: 34 },
    Reserved, 0x0, &[1], Right, Reads => Value { field: "reserved block", found: 8193, expected: 8195 },
    Reserved, 0x10, &[1], Right, Reads => Value { field: "reserved block", found: 1, expected: 0 },
    Number(7), 0x4, &[1], Right, Reads => Value { field: "i_size", found: 67_383_297, expected: 67_383_296 },
    Number(7), 0x1c, &[1], Right, Reads => Value { field: "i_blocks", found: 513, .. },
    Number(7), 0x5c, &[255, 255, 255], Right, Reads =>
        Range { field: "i_block[13]", found: 16_777_215, least: 2, most: 20479 },
    Number(7), 0x28, &[5], Right, Reads =>
        Value { field: "block number beside i_block[13]", found: 5, expected: 0 },
    Number(8), 0x6, &[1], Right, Reads =>
        Range { field: "i_size", found: 65536, least: 1_047_553, most: 4_398_046_511_104 },
    Number(8), 0x14, &[5], Right, Reads =>
        Range { field: "i_dtime of an orphan", found: 5, least: 1536, most: 4_294_967_295 },
    Number(1), 0x1a, &[1], Right, Reads =>
        Value { field: "i_links_count of a reserved inode", found: 1, expected: 0 },
    Orphans, 0x0, &[5], Right, Reads => Value { field: "number of an orphan", found: 5, expected: 0 },
    Orphans, 0x3f8, &[5], Right, Reads => Value { field: "ob_magic", found: 185_649_669, expected: 185_649_668 },
    BackupSuperblock, 0x68, &[9], Right, Reads => Differs { field: "s_uuid", at: 104, found: 0x09, expected: 0x01 },
    BackupSuperblock, 0x5c, &[0], Right, Reads => Value { field: "s_feature_compat", found: 4096, expected: 4156 },
    BackupSuperblock, 0x5a, &[0], Right, Reads => Value { field: "s_block_group_nr", found: 0, expected: 1 },
    BackupSuperblock, 0x88, &[1], Wrong, Reads => Checksum { .. },
    BackupDescriptor, 0x8, &[9], Right, Reads => Value { field: "bg_inode_table", found: 9, expected: 168 },
    BackupDescriptor, 0x8, &[9], Wrong, Reads => Checksum { .. },
};

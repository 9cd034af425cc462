//! One field corrupted and its checksum repaired: the checker names exactly that, and the reader refuses what it needs.

use std::fs;

use amiforge_formats::ext4::check::check;
use amiforge_formats::ext4::read::{Ext4ReadError, FileSystem, open};
use amiforge_formats::plan::SourceId;
use amiforge_tests::{oracle, scratch};

use super::patch::{Guard, Image};
use super::sweep;

/// A structure of the image, found by what it belongs to.
#[derive(Debug, Clone, Copy)]
enum Spot {
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
use Spot::*;

/// What the reader does with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    /// `open` refuses.
    Opens,
    /// `tree` refuses.
    Trees,
    /// Reads it: only the checker looks there.
    Reads,
}
use Reader::{Opens, Reads, Trees};

/// Whether the checksum is put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sum {
    Right,
    Wrong,
}
use Sum::{Right, Wrong};

/// A structure, where in it, the bytes put there, the checksum, the reader, and what is said.
type Case = (Spot, usize, &'static [u8], Sum, Reader, &'static str);

const CASES: &[Case] = &[
    (Superblock, 0x78, &[1], Wrong, Opens, "checksum 0x"),
    (Superblock, 0x18, &[9], Right, Opens, "s_log_block_size is 9, outside 0 to 6"),
    (Superblock, 0x20, &[7], Right, Opens, "s_blocks_per_group is 8199, outside 8 to 8192"),
    (Superblock, 0x28, &[0, 0, 0, 0], Right, Opens, "s_inodes_per_group is 0, outside 4 to 8192"),
    (Superblock, 0x0, &[1, 0, 0, 0], Right, Opens, "s_inodes_count is 1, expected 1536"),
    (Superblock, 0x58, &[0, 3], Right, Opens, "bits of s_inode_size is 2, expected 1"),
    (Superblock, 0xfe, &[48], Right, Opens, "bits of s_desc_size is 2, expected 1"),
    (Superblock, 0x175, &[2], Right, Opens, "s_checksum_type is 2, expected 1"),
    (Superblock, 0xc, &[1, 0, 0, 0], Right, Reads, "s_free_blocks_count is 1"),
    (Superblock, 0x10, &[1, 0, 0, 0], Right, Reads, "s_free_inodes_count is 1"),
    (Superblock, 0xe8, &[33], Right, Reads, "s_last_orphan is 33, expected 0"),
    (Superblock, 0x8, &[255, 255], Right, Reads, "s_r_blocks_count is 65535, outside 0 to 10240"),
    (Descriptor, 0x4, &[9], Wrong, Opens, "checksum 0x"),
    (Descriptor, 0x0, &[255, 255, 255], Right, Opens, "bg_block_bitmap"),
    (Descriptor, 0x8, &[255, 255], Right, Opens, "bg_inode_table is 65535, outside 1 to 20352"),
    (Descriptor, 0xc, &[1, 0], Right, Reads, "bg_free_blocks_count is 1"),
    (Descriptor, 0xe, &[1, 0], Right, Reads, "bg_free_inodes_count is 1"),
    (Descriptor, 0x10, &[99], Right, Reads, "bg_used_dirs_count is 99"),
    (Descriptor, 0x1c, &[255, 255], Right, Reads, "bg_itable_unused"),
    (Descriptor, 0x12, &[12], Right, Reads, "bg_flags is 0x8, which means nothing here"),
    (BlockBitmap, 0, &[254], Right, Reads, "blocks 1 to 1 are marked free and are not"),
    (BlockBitmap, 1000, &[255], Right, Reads, "blocks 8001 to 8008 are marked used and are not"),
    (InodeBitmap, 0, &[127], Right, Reads, "inodes 8 to 8 are marked free and are not"),
    (InodeBitmap, 1023, &[0], Right, Reads, "padding bit 8184 is clear"),
    (InodeBitmap, 4, &[0], Wrong, Reads, "checksum 0x"),
    (Inode("small"), 0x4, &[1], Wrong, Trees, "checksum 0x"),
    (Inode("small"), 0x0, &[0, 0], Right, Trees, "i_mode is 0x0, which means nothing here"),
    (Inode("small"), 0x1a, &[1, 0], Right, Reads, "i_links_count is 1, expected 2"),
    (Inode("small"), 0x1c, &[77], Right, Reads, "i_blocks is 77"),
    (Inode("small"), 0x14, &[1, 0, 0, 128], Right, Reads, "i_dtime is 2147483649, expected 0"),
    (Inode("small"), 0x80, &[33, 0], Right, Trees, "i_extra_isize is 33, outside 4 to 128"),
    (Inode("small"), 0x28, &[1, 0], Right, Trees, "eh_magic is 1, expected 62218"),
    (Inode("small"), 0x2a, &[9], Right, Trees, "eh_entries is 9, outside 0 to 4"),
    (Inode("small"), 0x2e, &[3], Right, Trees, "ei_leaf is 4316442132481, outside 2 to 20479"),
    (Inode("small"), 0x3c, &[1, 0, 0, 0], Right, Trees, "ee_start is 1, outside 2 to 20479"),
    (Inode("usr"), 0x4, &[1, 0], Right, Trees, "i_size is 1, expected 1024"),
    (Inode("usr"), 0x1a, &[9], Right, Reads, "i_links_count is 9, expected 3"),
    (
        Inode("pipe"),
        0x20,
        &[0, 0, 8],
        Right,
        Reads,
        "i_flags of a special file is 0x80000, which means nothing here",
    ),
    (Inode("short"), 0x4, &[9], Right, Trees, "length of the link's target is 5, expected 9"),
    (Extents("pieces"), 0x0, &[1], Right, Trees, "eh_magic is 62209, expected 62218"),
    (Extents("pieces"), 0x2, &[255, 255], Right, Trees, "eh_entries is 65535, outside 1 to 84"),
    (Extents("pieces"), 0x6, &[4], Right, Trees, "eh_depth is 4, expected 0"),
    (Extents("pieces"), 0x10, &[0], Right, Trees, "ee_len is 0, outside 1 to 65535"),
    (Extents("pieces"), 0x18, &[0, 0], Right, Trees, "ee_block is 0 after 128"),
    (
        Extents("pieces"),
        0x14,
        &[255, 255, 255, 255],
        Right,
        Trees,
        "ee_start is 4294967295, outside 2 to 20479",
    ),
    (Extents("pieces"), 0x20, &[77], Wrong, Trees, "checksum 0x"),
    (Block("usr"), 0x0, &[77], Right, Trees, "the entry `.`"),
    (Block("usr"), 0x4, &[11], Right, Trees, "rec_len is 11, outside 12 to 1012"),
    (Block("usr"), 0xc, &[255, 255], Right, Trees, "inode of an entry is 65535, outside 1 to 1536"),
    (Block("usr"), 0x1c, &[1], Right, Trees, "rec_len is 1, outside 16 to 988"),
    (Block("usr"), 0x1f, &[9], Right, Trees, "the entry `linked` has file type 9, its inode 1"),
    (Block("usr"), 0x20, &[47], Right, Trees, "the name `/inked` is not allowed"),
    (Block("usr"), 0x3f8, &[1], Right, Trees, "the checksum at the block's end is missing"),
    (Block("usr"), 0x20, &[66], Wrong, Trees, "checksum 0x"),
    (Index("many"), 0x18, &[1], Right, Trees, "reserved_zero is 1, expected 0"),
    (Index("many"), 0x1c, &[9], Right, Trees, "hash_version is 9, outside 0 to 2"),
    (Index("many"), 0x1d, &[7], Right, Trees, "info_length is 7, expected 8"),
    (Index("many"), 0x1e, &[3], Right, Trees, "indirect_levels is 3, outside 0 to 1"),
    (Index("many"), 0x20, &[7], Right, Trees, "limit is 7, expected 123"),
    (Index("many"), 0x22, &[0, 0], Right, Trees, "count is 0, outside 1 to 123"),
    (Index("many"), 0x24, &[0, 1], Right, Trees, "block of an index entry is 256, outside 1 to"),
    (Index("many"), 0x28, &[0, 0, 0, 0], Right, Trees, "hash of a name"),
    (Index("many"), 0x2c, &[1], Right, Trees, "block 1 was met before"),
    (Index("many"), 0x28, &[8], Wrong, Trees, "checksum 0x"),
    (Leaf("many"), 0x8, &[33], Right, Trees, "hash of a name"),
    (Attributes("empty"), 0x0, &[1], Right, Trees, "h_magic is 3925999617, expected 3925999616"),
    (Attributes("empty"), 0x4, &[9], Right, Reads, "h_refcount is 9, expected 1"),
    (Attributes("empty"), 0x8, &[2], Right, Trees, "h_blocks is 2, expected 1"),
    (Attributes("empty"), 0x20, &[255], Right, Trees, "e_hash is 1981052534"),
    (
        Attributes("empty"),
        0x21,
        &[9],
        Right,
        Trees,
        "e_name_index of an attribute is 0x9, which means nothing here",
    ),
    (Attributes("empty"), 0x24, &[5], Right, Trees, "e_value_inum is 5, expected 0"),
    (Attributes("empty"), 0x28, &[255, 255], Right, Trees, "e_value_size is 65535, outside 0 to 700"),
    (Attributes("empty"), 0x2c, &[5], Right, Trees, "e_hash is 1981052421"),
    (Attributes("empty"), 0x2c, &[5], Wrong, Trees, "checksum 0x"),
    (Body("small"), 0x4, &[99], Right, Trees, "e_name_len is 99, outside 0 to 76"),
    (Body("small"), 0xc, &[255], Right, Trees, "e_value_size is 255, outside 0 to 8"),
    (
        Body("usr/bin/odd"),
        0x5,
        &[9],
        Right,
        Trees,
        "e_name_index of an attribute is 0x9, which means nothing here",
    ),
    (Journal, 0x0, &[1], Right, Reads, "h_magic is 20658584, expected 3225106840"),
    (Journal, 0xf, &[1], Right, Reads, "s_blocksize is 1025, expected 1024"),
    (Journal, 0x13, &[1], Right, Reads, "s_maxlen is 1025, expected 1024"),
    (Journal, 0x1f, &[1], Right, Reads, "s_start is 1, expected 0"),
    (Journal, 0x2b, &[64], Right, Reads, "s_feature_incompat is 0x40, which means nothing here"),
    (Double, 0x4, &[9], Right, Reads, "reserved block is 9, expected 3"),
    (Double, 0x80, &[9], Right, Reads, "reserved block is 9, expected 34"),
    (Reserved, 0x0, &[1], Right, Reads, "reserved block is 8193, expected 8195"),
    (Reserved, 0x10, &[1], Right, Reads, "reserved block is 1, expected 0"),
    (Number(7), 0x4, &[1], Right, Reads, "i_size is 67383297, expected 67383296"),
    (Number(7), 0x1c, &[1], Right, Reads, "i_blocks is 513"),
    (Number(7), 0x5c, &[255, 255, 255], Right, Reads, "i_block[13] is 16777215, outside 2 to 20479"),
    (Number(7), 0x28, &[5], Right, Reads, "block number beside i_block[13] is 5, expected 0"),
    (Number(8), 0x6, &[1], Right, Reads, "i_size is 65536, outside 1047553 to 4398046511104"),
    (Number(8), 0x14, &[5], Right, Reads, "i_dtime of an orphan is 5, outside 1536 to 4294967295"),
    (Number(1), 0x1a, &[1], Right, Reads, "i_links_count of a reserved inode is 1, expected 0"),
    (Orphans, 0x0, &[5], Right, Reads, "number of an orphan is 5, expected 0"),
    (Orphans, 0x3f8, &[5], Right, Reads, "ob_magic is 185649669, expected 185649668"),
    (
        BackupSuperblock,
        0x68,
        &[9],
        Right,
        Reads,
        "s_uuid differs at byte 104 of the structure: 0x09, expected 0x01",
    ),
    (BackupSuperblock, 0x5c, &[0], Right, Reads, "s_feature_compat is 4096, expected 4156"),
    (BackupSuperblock, 0x5a, &[0], Right, Reads, "s_block_group_nr is 0, expected 1"),
    (BackupSuperblock, 0x88, &[1], Wrong, Reads, "checksum 0x"),
    (BackupDescriptor, 0x8, &[9], Right, Reads, "bg_inode_table is 9, expected 168"),
    (BackupDescriptor, 0x8, &[9], Wrong, Reads, "checksum 0x"),
];

/// Where a structure stands and what guards it.
fn locate(file_system: &FileSystem<'_, Vec<u8>>, bytes: &[u8], spot: Spot) -> (u64, Guard) {
    let superblock = file_system.superblock();
    let number = |path: &str| file_system.inode_of(path.as_bytes()).unwrap().unwrap();
    let mapping = |number: u32| file_system.mapping(&file_system.inode(number).unwrap()).unwrap();
    let block = |number: u32, logical: u64| superblock.offset_of(mapping(number).find(logical).unwrap());
    let backup = superblock.group_start(1);
    let group = &file_system.groups()[0];
    match spot {
        Superblock => (1024, Guard::Superblock(1024)),
        Descriptor => (group.offset, Guard::Descriptor(0, group.offset)),
        BlockBitmap => (superblock.offset_of(group.block_bitmap), Guard::BlockBitmap(0)),
        InodeBitmap => (superblock.offset_of(group.inode_bitmap), Guard::InodeBitmap(0)),
        Inode(path) => locate(file_system, bytes, Number(number(path))),
        Number(number) => (file_system.inode_offset(number).unwrap(), Guard::Inode(number)),
        Extents(path) => {
            let at = superblock.offset_of(mapping(number(path)).nodes[0]);
            (at, Guard::Extents(number(path), at))
        }
        Block(path) => (block(number(path), 0), Guard::Leaf(number(path), block(number(path), 0))),
        Index(path) => (block(number(path), 0), Guard::Index(number(path), block(number(path), 0), 0x20)),
        Leaf(path) => (block(number(path), 1), Guard::Leaf(number(path), block(number(path), 1))),
        Attributes(path) => {
            let at = superblock.offset_of(file_system.inode(number(path)).unwrap().xattr_block);
            (at, Guard::Attributes(at))
        }
        Body(path) => {
            let inode = file_system.inode(number(path)).unwrap();
            (inode.offset + 128 + u64::from(inode.extra_size), Guard::Inode(number(path)))
        }
        Journal => (block(superblock.journal_inode, 0), Guard::None),
        Double => {
            let at = file_system.inode_offset(7).unwrap() as usize + 92;
            let double = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
            (superblock.offset_of(double.into()), Guard::None)
        }
        Reserved => (superblock.offset_of(u64::from(2 + superblock.descriptor_blocks())), Guard::None),
        Orphans => (block(superblock.orphan_file_inode, 0), Guard::None),
        BackupSuperblock => (superblock.offset_of(backup), Guard::Superblock(superblock.offset_of(backup))),
        BackupDescriptor => {
            let at = superblock.offset_of(backup + 1);
            (at, Guard::Descriptor(0, at))
        }
    }
}

/// The error of reading and that of building the tree.
fn refusal(bytes: &Vec<u8>) -> (Reader, Option<Ext4ReadError>) {
    match open(bytes) {
        Err(error) => (Opens, Some(error)),
        Ok(file_system) => match file_system.tree(SourceId(0)) {
            Err(error) => (Trees, Some(error)),
            Ok(_) => (Reads, None),
        },
    }
}

#[test]
fn a_corrupt_field_is_named_by_the_checker_and_refused_by_the_reader() {
    if !oracle::ready(&["mke2fs", "e2fsck"], false) {
        return;
    }
    let scratch = scratch::folder();
    let (_, bytes) = sweep::image(scratch.path());
    let sound = Image::new(&bytes);
    let file_system = open(&bytes).unwrap();
    if !sweep::has_attributes(&file_system) {
        return oracle::skip("files of the scratch folder have no attributes");
    }
    let mut wrong = Vec::new();
    for case in CASES {
        let (spot, at, value, sum, reader, expected) = *case;
        let mut image = sound.clone();
        let (start, guard) = locate(&file_system, &bytes, spot);
        image.put(start as usize + at, value);
        image.repair(if sum == Right { guard } else { Guard::None });
        let said: Vec<String> = match check(&image.bytes) {
            Ok(report) => report.findings.iter().map(ToString::to_string).collect(),
            Err(error) => vec![error.to_string()],
        };
        let (found, refused) = refusal(&image.bytes);
        let refused = refused.map(|error| error.to_string());
        let names = |text: &String| text.contains(expected);
        if !said.iter().any(names) || found != reader || !refused.iter().all(names) {
            wrong.push(format!("{case:?}\n  checker: {said:?}\n  reader: {found:?} {refused:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(CASES.len() >= 40);
}

#[test]
fn a_truncated_image_is_refused_with_both_lengths() {
    if !oracle::ready(&["mke2fs", "e2fsck"], false) {
        return;
    }
    let scratch = scratch::folder();
    let (path, bytes) = sweep::image(scratch.path());
    fs::remove_file(path).unwrap();
    for len in [0, 1, 1023, 2047, 2048, 4096, 100_000, bytes.len() - 1] {
        let cut = bytes[..len].to_vec();
        let needed = if len < 2048 { 2048 } else { bytes.len() as u64 };
        for error in [open(&cut).err(), check(&cut).err()] {
            match error {
                Some(Ext4ReadError::Truncated { found, needed: said }) => {
                    assert_eq!((found, said), (len as u64, needed));
                }
                other => panic!("{len}: {other:?}"),
            }
        }
    }
}

#[test]
fn features_that_are_not_read_are_refused_by_name() {
    let mut bytes = vec![0; 4096];
    assert!(matches!(open(&bytes).err(), Some(Ext4ReadError::NotExt4 { found: 0 })));
    bytes[1024 + 0x38..1024 + 0x3a].copy_from_slice(&0xef53_u16.to_le_bytes());
    bytes[1024 + 0x60..1024 + 0x64].copy_from_slice(&(0x8000_0000_u32 | 0x8000 | 0x1_0000 | 4).to_le_bytes());
    let error = open(&bytes).err().unwrap().to_string();
    assert_eq!(error, "features not supported: needs_recovery, inline_data, encrypt, incompat bit 31");
}

//! A corrupt field with a repaired checksum: the checker reports that defect, and the reader refuses the image if it
//! needs the field.

use std::fs;

use amiforge_formats::ext4::check::check;
use amiforge_formats::ext4::read::{Defect, Ext4ReadError, FileSystem, open};
use amiforge_formats::plan::SourceId;
use amiforge_tests::{oracle, scratch};

use super::cases::{CASES, Reader, Spot, Sum};
use super::patch::{Guard, Image};
use super::sweep;

use Spot::*;

/// The offset of a structure, and its checksum.
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

/// The defect of an error.
fn defect_of(error: Ext4ReadError) -> Defect {
    match error {
        Ext4ReadError::Corrupt(corruption) => corruption.why,
        other => panic!("{other}"),
    }
}

/// The step at which the reader refuses the image, and its error.
fn refusal(bytes: &Vec<u8>) -> (Reader, Option<Ext4ReadError>) {
    match open(bytes) {
        Err(error) => (Reader::Opens, Some(error)),
        Ok(file_system) => match file_system.tree(SourceId(0)) {
            Err(error) => (Reader::Trees, Some(error)),
            Ok(_) => (Reader::Reads, None),
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
        let mut image = sound.clone();
        let (start, guard) = locate(&file_system, &bytes, case.spot);
        image.put(start as usize + case.offset, case.bytes);
        image.repair(if case.sum == Sum::Right { guard } else { Guard::None });
        let findings: Vec<Defect> = match check(&image.bytes) {
            Ok(report) => report.findings.into_iter().map(|finding| finding.corruption.why).collect(),
            Err(error) => vec![defect_of(error)],
        };
        let (step, refusal) = refusal(&image.bytes);
        let refusal = refusal.map(defect_of);
        let is_expected = case.expected.matches;
        if !findings.iter().any(is_expected) || step != case.reader || !refusal.iter().all(is_expected) {
            wrong.push(format!("{case:?}\n  checker: {findings:?}\n  reader: {step:?} {refusal:?}"));
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
                Some(Ext4ReadError::Truncated { found, needed: text }) => {
                    assert_eq!((found, text), (len as u64, needed));
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

//! The role of every block of a file system: superblock copies, descriptors, bitmaps, inode tables, and the blocks of
//! every inode.

use std::collections::BTreeMap;

use amiforge_formats::ext4::read::{FileKind, ReadInode};

use super::Ext4Side;
use crate::diff::DiffError;
use crate::diff::files::shown;

/// The role of a block.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::diff) enum Role {
    /// The first block: boot area and superblock.
    Superblock,
    /// A copy of the superblock in a group.
    BackupSuperblock(u32),
    /// The group descriptors.
    Descriptors,
    /// A copy of the descriptors in a group.
    BackupDescriptors(u32),
    /// Blocks reserved for more descriptors.
    Reserved,
    /// The block bitmap of a group.
    BlockBitmap(u32),
    /// The inode bitmap of a group.
    InodeBitmap(u32),
    /// The inode table of a group.
    InodeTable(u32),
    /// The journal.
    Journal,
    /// Blocks of a directory.
    Directory(u32),
    /// Blocks that map the blocks of an inode.
    Mapping(u32),
    /// Blocks of attributes.
    Attributes(u32),
    /// Content of a file, a link or a reserved inode.
    Content(u32),
    /// Unallocated.
    Free,
}

/// A run of blocks with one role.
#[derive(Debug, Clone)]
struct RoleRun {
    start: u64,
    len: u64,
    role: Role,
}

/// The roles of all blocks of a file system.
pub(in crate::diff) struct Roles {
    runs: Vec<RoleRun>,
    paths: BTreeMap<u32, String>,
}

impl Roles {
    /// Reads the roles of all blocks and the paths of all inodes.
    pub(in crate::diff) fn read(side: &Ext4Side<'_>) -> Result<Self, DiffError> {
        let mut runs = groups(side);
        let mut paths = BTreeMap::new();
        for entry in side.files.tree.walk() {
            if let Some(number) = side.files.inode(entry.id) {
                paths.entry(number).or_insert_with(|| shown(&entry.path));
            }
        }
        let superblock = side.system.superblock();
        let reserved = 1..superblock.first_inode.min(32);
        let numbers: std::collections::BTreeSet<u32> = reserved.chain(paths.keys().copied()).collect();
        for number in numbers {
            // An unused reserved inode may lack a checksum; it owns no block.
            let Ok(inode) = side.system.inode(number) else { continue };
            owned(side, &inode, superblock.journal_inode, &mut runs)?;
        }
        runs.sort_by(|a, b| (a.start, &a.role).cmp(&(b.start, &b.role)));
        Ok(Self { runs, paths })
    }

    /// The role of a block.
    pub(in crate::diff) fn of(&self, block: u64) -> Role {
        let after = self.runs.partition_point(|run| run.start <= block);
        let before = self.runs[..after].last();
        before.filter(|run| block < run.start + run.len).map_or(Role::Free, |run| run.role.clone())
    }

    /// The path of an inode, or its number.
    pub(super) fn path(&self, number: u32) -> String {
        self.paths.get(&number).cloned().unwrap_or_else(|| format!("inode {number}"))
    }
}

/// The blocks that belong to groups.
fn groups(side: &Ext4Side<'_>) -> Vec<RoleRun> {
    let superblock = side.system.superblock();
    let mut runs = Vec::new();
    let mut push = |start: u64, len: u64, role: Role| runs.push(RoleRun { start, len, role });
    let tables = u64::from(superblock.descriptor_blocks());
    for (number, group) in (0..superblock.groups()).zip(side.system.groups()) {
        let start = superblock.group_start(number);
        if superblock.has_superblock(number) {
            let backup = number > 0;
            push(start, 1, if backup { Role::BackupSuperblock(number) } else { Role::Superblock });
            let role = if backup { Role::BackupDescriptors(number) } else { Role::Descriptors };
            push(start + 1, tables, role);
            push(start + 1 + tables, superblock.reserved_gdt_blocks.into(), Role::Reserved);
        }
        push(group.block_bitmap, 1, Role::BlockBitmap(number));
        push(group.inode_bitmap, 1, Role::InodeBitmap(number));
        push(group.inode_table, superblock.inode_table_blocks().into(), Role::InodeTable(number));
    }
    if superblock.first_data_block > 0 {
        push(0, 1, Role::Superblock);
    }
    runs
}

/// The blocks of an inode.
fn owned(
    side: &Ext4Side<'_>,
    inode: &ReadInode,
    journal: u32,
    runs: &mut Vec<RoleRun>,
) -> Result<(), DiffError> {
    let number = inode.number;
    if inode.xattr_block > 0 {
        runs.push(RoleRun { start: inode.xattr_block, len: 1, role: Role::Attributes(number) });
    }
    let mapped = inode.stored_blocks > 0
        && match inode.kind() {
            Some(FileKind::File | FileKind::Dir) => true,
            Some(FileKind::Symlink) => !inode.is_fast_symlink(),
            _ => false,
        };
    // The blocks reserved for growth belong to the groups.
    if !mapped || number == amiforge_formats::ext4::read::RESIZE {
        return Ok(());
    }
    let mapping = side.system.mapping(inode)?;
    runs.extend(mapping.nodes.iter().map(|node| RoleRun {
        start: *node,
        len: 1,
        role: Role::Mapping(number),
    }));
    runs.extend(mapping.runs.iter().map(|run| RoleRun {
        start: run.physical,
        len: run.len,
        role: match inode.kind() {
            _ if number == journal => Role::Journal,
            Some(FileKind::Dir) => Role::Directory(number),
            _ => Role::Content(number),
        },
    }));
    Ok(())
}

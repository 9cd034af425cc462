//! The kinds of residue, by where in a format the bytes are.

use std::fmt;

/// Where in a format residue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ResidueKind {
    /// After the end of a file, in its last block or cluster or in blocks that it has beyond.
    FileSlack,
    /// After the target of a symbolic link.
    LinkSlack,
    /// Blocks or clusters that belong to nothing.
    FreeSpace,
    /// Blocks of a file that were reserved and never written: they read as zero through the file.
    Unwritten,
    /// Entries of a directory that were deleted, or what is left of them.
    DeletedEntry,
    /// Between or after the entries of a directory.
    DirectoryGap,
    /// An inode that is not in use and was deleted.
    DeletedInode,
    /// An inode that is not in use.
    UnusedInode,
    /// The content of an inode that is in use and has no name.
    NamelessInode,
    /// Bytes of an inode, or behind it, that none of its fields use.
    InodeGap,
    /// Between extended attributes.
    AttributeGap,
    /// After the last entry of a block that maps a file's blocks.
    MappingGap,
    /// The journal, its superblock apart.
    Journal,
    /// Fields of a superblock or boot sector that no reader needs: reserved ones, and where it was last mounted.
    SuperblockField,
    /// Blocks or sectors that a format reserves for itself.
    Reserved,
    /// After the last entry of a table of the file system, or of the bits of a bitmap.
    TableGap,
    /// The area before a file system that is left to a boot loader.
    BootArea,
    /// After the last block of a file system, within its partition.
    VolumeTail,
    /// Pages of a swap area.
    SwapPages,
    /// Padding of a hash tree.
    HashTreeGap,
    /// Code in the first sector of the disk that is not that of our loader.
    MbrCode,
    /// An entry of a partition table that is not in use.
    UnusedEntry,
    /// Reserved bytes of a partition table.
    PartitionTableGap,
    /// Before, between or after partitions.
    PartitionGap,
    /// A partition without a file system.
    EmptyPartition,
    /// After the kernel and the initrd in a partition of our loader for a legacy BIOS, or in one of its gaps.
    LoaderTail,
}

impl ResidueKind {
    /// All kinds.
    pub const ALL: [Self; 26] = [
        Self::FileSlack,
        Self::LinkSlack,
        Self::FreeSpace,
        Self::Unwritten,
        Self::DeletedEntry,
        Self::DirectoryGap,
        Self::DeletedInode,
        Self::UnusedInode,
        Self::NamelessInode,
        Self::InodeGap,
        Self::AttributeGap,
        Self::MappingGap,
        Self::Journal,
        Self::SuperblockField,
        Self::Reserved,
        Self::TableGap,
        Self::BootArea,
        Self::VolumeTail,
        Self::SwapPages,
        Self::HashTreeGap,
        Self::MbrCode,
        Self::UnusedEntry,
        Self::PartitionTableGap,
        Self::PartitionGap,
        Self::EmptyPartition,
        Self::LoaderTail,
    ];

    /// Its name in reports, one word in kebab case.
    pub fn name(self) -> &'static str {
        match self {
            Self::FileSlack => "file-slack",
            Self::LinkSlack => "link-slack",
            Self::FreeSpace => "free-space",
            Self::Unwritten => "unwritten",
            Self::DeletedEntry => "deleted-entry",
            Self::DirectoryGap => "directory-gap",
            Self::DeletedInode => "deleted-inode",
            Self::UnusedInode => "unused-inode",
            Self::NamelessInode => "nameless-inode",
            Self::InodeGap => "inode-gap",
            Self::AttributeGap => "attribute-gap",
            Self::MappingGap => "mapping-gap",
            Self::Journal => "journal",
            Self::SuperblockField => "superblock-field",
            Self::Reserved => "reserved",
            Self::TableGap => "table-gap",
            Self::BootArea => "boot-area",
            Self::VolumeTail => "volume-tail",
            Self::SwapPages => "swap-pages",
            Self::HashTreeGap => "hash-tree-gap",
            Self::MbrCode => "mbr-code",
            Self::UnusedEntry => "unused-entry",
            Self::PartitionTableGap => "partition-table-gap",
            Self::PartitionGap => "partition-gap",
            Self::EmptyPartition => "empty-partition",
            Self::LoaderTail => "loader-tail",
        }
    }

    /// Whether other tools leave bytes there on purpose, so that their presence alone says little: code of boot loaders,
    /// and what a kernel records while a file system is mounted. What those bytes are matters all the same.
    pub fn is_usual_elsewhere(self) -> bool {
        matches!(
            self,
            Self::Journal
                | Self::BootArea
                | Self::MbrCode
                | Self::SuperblockField
                | Self::MappingGap
                | Self::InodeGap
                | Self::TableGap
        )
    }
}

impl fmt::Display for ResidueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FileSlack => "after the end of a file",
            Self::LinkSlack => "after the target of a symbolic link",
            Self::FreeSpace => "free space",
            Self::Unwritten => "blocks of a file that were never written",
            Self::DeletedEntry => "deleted directory entry",
            Self::DirectoryGap => "gap in a directory",
            Self::DeletedInode => "deleted inode",
            Self::UnusedInode => "unused inode",
            Self::NamelessInode => "inode without a name",
            Self::InodeGap => "unused bytes of an inode",
            Self::AttributeGap => "gap between extended attributes",
            Self::MappingGap => "unused bytes of a block map",
            Self::Journal => "journal",
            Self::SuperblockField => "unused field of a superblock",
            Self::Reserved => "reserved blocks",
            Self::TableGap => "unused bytes of a table",
            Self::BootArea => "boot area",
            Self::VolumeTail => "after the end of a file system",
            Self::SwapPages => "pages of a swap area",
            Self::HashTreeGap => "padding of a hash tree",
            Self::MbrCode => "boot code of the disk",
            Self::UnusedEntry => "unused entry of a partition table",
            Self::PartitionTableGap => "reserved bytes of a partition table",
            Self::PartitionGap => "space outside partitions",
            Self::EmptyPartition => "partition without a file system",
            Self::LoaderTail => "unused bytes of a boot loader's partition",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_a_name_and_words_of_its_own() {
        let names: BTreeSet<_> = ResidueKind::ALL.iter().map(|kind| kind.name()).collect();
        let words: BTreeSet<_> = ResidueKind::ALL.iter().map(ToString::to_string).collect();
        assert_eq!((names.len(), words.len()), (ResidueKind::ALL.len(), ResidueKind::ALL.len()));
        assert!(names.iter().all(|name| name.bytes().all(|byte| byte == b'-' || byte.is_ascii_lowercase())));
    }
}

//! What can be wrong with a FAT volume, and where. Knows the specification's rules, not how they are looked at.

use std::fmt;

use crate::finding::{self, Severity};
use crate::time::Time;
use crate::tree::Printable;

/// A finding of the FAT checker.
pub type FatFinding = finding::Finding<VolumeLocation, VolumeCorruption>;

/// A structure of the volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VolumeLocation {
    /// The boot sector.
    Boot,
    /// The copy of the boot sector.
    BackupBoot,
    /// The FSInfo sector.
    FsInfo,
    /// A copy of the file allocation table.
    Table {
        /// Which one, counted from 0.
        index: u8,
    },
    /// A file, a directory, or an entry of one.
    Path(Vec<u8>),
}

impl fmt::Display for VolumeLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boot => f.write_str("boot sector"),
            Self::BackupBoot => f.write_str("backup boot sector"),
            Self::FsInfo => f.write_str("FSInfo sector"),
            Self::Table { index } => write!(f, "table {index}"),
            Self::Path(path) => write!(f, "/{}", Printable(path)),
        }
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VolumeCorruption {
    /// The volume ends before its boot sector does.
    #[error("{len} bytes are too few for a FAT volume")]
    TooShort {
        /// Length of the volume in bytes.
        len: u64,
    },
    /// A sector does not end in its signature.
    #[error("signature 0x{found:04x} is not 0xaa55")]
    Signature {
        /// The stored value.
        found: u16,
    },
    /// The length of a sector is impossible.
    #[error("sector length {found} is not 512, 1024, 2048 or 4096")]
    SectorLen {
        /// The stored value.
        found: u16,
    },
    /// The length of a cluster is impossible.
    #[error("cluster length {found} is not a power of two of sectors")]
    ClusterLen {
        /// The stored value.
        found: u8,
    },
    /// No sector is reserved, not even for the boot sector.
    #[error("no sectors are reserved")]
    NoReserved,
    /// There is no table.
    #[error("the volume has no table")]
    NoTables,
    /// A table of no sectors.
    #[error("the table has no sectors")]
    NoTableSectors,
    /// The volume's length is given as zero.
    #[error("the volume has no sectors")]
    NoSectors,
    /// The boot sector counts more sectors than there are.
    #[error("{stored} sectors are counted and there are {available}")]
    PastEnd {
        /// Sectors that the boot sector counts.
        stored: u64,
        /// Sectors that there are.
        available: u64,
    },
    /// Tables and root leave no room for data.
    #[error("data would start at sector {start} of {sectors}")]
    NoData {
        /// Where data would start.
        start: u64,
        /// Sectors of the volume.
        sectors: u64,
    },
    /// More clusters than entries of 28 bits can count.
    #[error("{clusters} clusters are more than FAT32 can count")]
    ManyClusters {
        /// Clusters of the volume.
        clusters: u64,
    },
    /// A FAT32 volume with so few clusters that a reader by the book takes it for FAT16.
    #[error("{clusters} clusters are fewer than the 65525 of a FAT32 volume")]
    FewClusters {
        /// Clusters of the volume.
        clusters: u64,
    },
    /// A table too short for the clusters.
    #[error("a table of {entries} entries is too short for {clusters} clusters")]
    ShortTable {
        /// Entries of the table, the two reserved ones included.
        entries: u64,
        /// Clusters of the volume.
        clusters: u64,
    },
    /// An unknown version.
    #[error("version 0x{found:04x} is not 0")]
    Version {
        /// The stored value.
        found: u16,
    },
    /// The table in use is not there.
    #[error("table {index} is in use and there are {tables}")]
    ActiveTable {
        /// The index of the table in use.
        index: u8,
        /// How many there are.
        tables: u8,
    },
    /// A cluster number that no cluster has.
    #[error("cluster {cluster} is not within 2..={last}")]
    NoSuchCluster {
        /// The number.
        cluster: u32,
        /// The last cluster.
        last: u32,
    },
    /// The sector of FSInfo or of the backup is not within the reserved ones.
    #[error("the {what} has sector {sector}, and {reserved} sectors are reserved")]
    OutsideReserved {
        /// `FSInfo sector` or `backup boot sector`.
        what: &'static str,
        /// The sector.
        sector: u16,
        /// How many are reserved.
        reserved: u16,
    },
    /// The copy of the boot sector is not the same.
    #[error("byte {at} is 0x{found:02x}, in the boot sector 0x{expected:02x}")]
    BackupDiffers {
        /// Offset of the first byte that differs.
        at: usize,
        /// The byte in the copy.
        found: u8,
        /// The byte in the boot sector.
        expected: u8,
    },
    /// A signature of FSInfo is wrong.
    #[error("signature 0x{found:08x} is not 0x{expected:08x}")]
    FsInfoSignature {
        /// The stored value.
        found: u32,
        /// What should.
        expected: u32,
    },
    /// FSInfo counts free clusters wrongly.
    #[error("{stored} free clusters are stored and {counted} counted")]
    FreeCount {
        /// The stored value.
        stored: u32,
        /// The entry in the table.
        counted: u32,
    },
    /// FSInfo's hint is no cluster.
    #[error("the hint for a free cluster, {found}, is no cluster")]
    FreeHint {
        /// The stored value.
        found: u32,
    },
    /// The table does not begin with the media byte.
    #[error("it begins with 0x{found:08x}, not with the media byte 0x{media:02x} and ones")]
    Media {
        /// Its first entry.
        found: u32,
        /// The media byte of the boot sector.
        media: u8,
    },
    /// The volume was not unmounted, or a disk error was seen.
    #[error("it is marked as not cleanly unmounted, or as damaged")]
    Dirty,
    /// Two tables differ.
    #[error("it differs from table 0 in byte {at}")]
    TablesDiffer {
        /// Offset of the first byte that differs.
        at: u64,
    },
    /// Clusters in use that nothing uses.
    #[error("{count} clusters are in use by nothing, the first of them {first}")]
    Lost {
        /// How many.
        count: u32,
        /// The first.
        first: u32,
    },
    /// A chain runs into a free cluster.
    #[error("cluster {cluster} of its chain is free")]
    FreeInChain {
        /// The cluster.
        cluster: u32,
    },
    /// A chain runs into a bad cluster.
    #[error("cluster {cluster} of its chain is marked bad")]
    BadInChain {
        /// The cluster.
        cluster: u32,
    },
    /// A chain runs into a cluster of another, or its own.
    #[error("cluster {cluster} of its chain is in use already")]
    CrossLink {
        /// The cluster.
        cluster: u32,
    },
    /// A chain ends before the file does.
    #[error("it has {len} bytes and its chain {available}")]
    ChainTooShort {
        /// Length of the file.
        len: u32,
        /// Bytes of its clusters.
        available: u64,
    },
    /// A chain goes on after the file's end.
    #[error("it has {len} bytes and its chain goes on after them")]
    ChainTooLong {
        /// Length of the file.
        len: u32,
    },
    /// A directory longer than 65,536 entries.
    #[error("it has more than 65536 entries")]
    LongDirectory,
    /// Directories nest deeper than is believed.
    #[error("it is more than 255 directories deep")]
    TooDeep,
    /// `.` or `..` is missing or does not come first.
    #[error("its entry {} is not `{name}`", u8::from(*name != "."))]
    NoDot {
        /// `.` or `..`.
        name: &'static str,
    },
    /// `.` or `..` points elsewhere.
    #[error("its `{name}` points to cluster {found}, not {expected}")]
    DotCluster {
        /// `.` or `..`.
        name: &'static str,
        /// Where it points.
        found: u32,
        /// Where it should.
        expected: u32,
    },
    /// Entries of a long name belong to no short one.
    #[error("a long name belongs to no entry")]
    OrphanLong,
    /// The checksum of a long name does not match the short one.
    #[error("the long name has checksum 0x{stored:02x} and the short one 0x{computed:02x}")]
    LongSum {
        /// The checksum with the long name.
        stored: u8,
        /// What the short name gives.
        computed: u8,
    },
    /// A long name is not UTF-16, has more than 255 bytes, or a character that no name has; its short one is used.
    #[error("its long name cannot be one")]
    LongName,
    /// A short name has a byte that none has.
    #[error("byte 0x{byte:02x} is not allowed in its short name")]
    ShortName {
        /// The byte.
        byte: u8,
    },
    /// A name that no tree can hold.
    #[error("it has no usable name")]
    NoName,
    /// Two entries have one name.
    #[error("the directory has that name twice")]
    SameName,
    /// Two entries have one short name.
    #[error("the directory has its short name `{}` twice", Printable(name))]
    SameShort {
        /// The short name's 11 bytes.
        name: [u8; 11],
    },
    /// A stamp that names no time.
    #[error("date 0x{date:04x} and time 0x{time:04x} name no time")]
    Stamp {
        /// The date.
        date: u16,
        /// The time of day.
        time: u16,
    },
    /// A label outside the root or a second one.
    #[error("a volume label is where none belongs")]
    StrayLabel,
    /// The boot sector and the root directory have different labels.
    #[error("its label `{}` is not that of the root directory, `{}`", Printable(boot), Printable(root))]
    Label {
        /// The boot sector's.
        boot: [u8; 11],
        /// The root directory's.
        root: [u8; 11],
    },
    /// A directory gives a length.
    #[error("it is a directory and gives a length of {len}")]
    DirectoryLen {
        /// The length.
        len: u32,
    },
    /// Attribute bits that are reserved are set.
    #[error("reserved attribute bits 0x{bits:02x} are set")]
    Attributes {
        /// The bits.
        bits: u8,
    },
    /// There are more findings than the report lists.
    #[error("there are more findings; the first {listed} are listed")]
    More {
        /// Findings in the report.
        listed: usize,
    },
}

/// The time of a stamp that is no time: the first that FAT can represent.
pub(super) const NO_TIME: Time = Time::from_secs(315_532_800);

impl VolumeCorruption {
    /// How bad it is.
    pub fn severity(&self) -> Severity {
        match self {
            Self::FreeHint { .. }
            | Self::Dirty
            | Self::OrphanLong
            | Self::Stamp { .. }
            | Self::StrayLabel
            | Self::Label { .. }
            | Self::DirectoryLen { .. }
            | Self::Attributes { .. }
            | Self::More { .. } => Severity::Oddity,
            _ => Severity::Damage,
        }
    }

    /// Whether a tree read past it could hold wrong bytes or names, so that the reader refuses. Past the others it goes
    /// as Linux does: by the short name, by the file's own length.
    pub(super) fn misleads(&self) -> bool {
        let harmless = matches!(
            self,
            Self::FewClusters { .. }
                | Self::OutsideReserved { .. }
                | Self::ChainTooLong { .. }
                | Self::NoDot { .. }
                | Self::DotCluster { .. }
                | Self::LongSum { .. }
                | Self::LongName
                | Self::ShortName { .. }
                | Self::SameShort { .. }
        );
        self.severity() == Severity::Damage && !harmless
    }

    /// The finding of this corruption at a location.
    pub(super) fn at(self, location: VolumeLocation) -> FatFinding {
        FatFinding { severity: self.severity(), location, corruption: self }
    }
}

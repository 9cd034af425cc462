//! Feature bits of the superblock by the names that `mkfs.xfs`, `xfs_info` and the kernel give them.

/// The sets of feature bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct XfsFeatures {
    /// `sb_versionnum`.
    pub version: u16,
    /// `sb_features2`.
    pub features2: u32,
    /// Features that a system may ignore.
    pub compat: u32,
    /// Features that a system must know to write.
    pub ro_compat: u32,
    /// Features that a system must know to read at all.
    pub incompat: u32,
    /// Features of what is in the log.
    pub log_incompat: u32,
}

/// Names are compared without regard to case (`sb_versionnum`).
const CASE_INSENSITIVE: u16 = 0x4000;

pub(crate) const FREE_INODES: u32 = 1;
pub(crate) const OWNERS: u32 = 2;
pub(crate) const SHARED: u32 = 4;
pub(crate) const INODE_TREE_BLOCKS: u32 = 8;

pub(crate) const FILE_TYPE: u32 = 1;
pub(crate) const SPARSE_INODES: u32 = 2;
pub(crate) const META_UUID: u32 = 4;
pub(crate) const BIGTIME: u32 = 8;
pub(crate) const NEEDS_REPAIR: u32 = 0x10;
pub(crate) const NREXT64: u32 = 0x20;
pub(crate) const EXCHANGE_RANGE: u32 = 0x40;
pub(crate) const PARENT: u32 = 0x80;

/// The features of `incompat` that the reader supports.
const READ: u32 =
    FILE_TYPE | SPARSE_INODES | META_UUID | BIGTIME | NEEDS_REPAIR | NREXT64 | EXCHANGE_RANGE | PARENT;
/// The features of `ro_compat` that the checker supports.
const CHECKED: u32 = FREE_INODES | OWNERS | SHARED | INODE_TREE_BLOCKS;

const RO_COMPAT_NAMES: [&str; 4] = ["finobt", "rmapbt", "reflink", "inobtcount"];

const INCOMPAT_NAMES: [&str; 11] = [
    "ftype",
    "sparse",
    "metauuid",
    "bigtime",
    "needsrepair",
    "nrext64",
    "exchange",
    "parent",
    "metadir",
    "zoned",
    "zone_gaps",
];

/// The names of the bits set in `bits`; a bit without one as its set and number.
fn names(bits: u32, set: &str, table: &[&str]) -> Vec<String> {
    (0..32_usize)
        .filter(|bit| bits >> bit & 1 == 1)
        .map(|bit| table.get(bit).map_or_else(|| format!("{set} bit {bit}"), |name| (*name).to_owned()))
        .collect()
}

impl XfsFeatures {
    /// The names of all features that are set, in the order of the superblock.
    pub fn names(&self) -> Vec<String> {
        let mut all = names(self.compat, "compat", &[]);
        all.extend(names(self.ro_compat, "ro_compat", &RO_COMPAT_NAMES));
        all.extend(names(self.incompat, "incompat", &INCOMPAT_NAMES));
        all.extend(self.case());
        all
    }

    fn case(&self) -> Option<String> {
        (self.version & CASE_INSENSITIVE != 0).then(|| "ascii-ci".to_owned())
    }

    /// Whether a feature of the incompatible set is there.
    pub(crate) fn incompat(&self, bit: u32) -> bool {
        self.incompat & bit != 0
    }

    /// Whether a feature of the read-only compatible set is there.
    pub(crate) fn ro_compat(&self, bit: u32) -> bool {
        self.ro_compat & bit != 0
    }

    /// The features that prevent reading, by name. Entries without a type byte are none that a version 5 has.
    pub(crate) fn unreadable(&self) -> Vec<String> {
        let mut all = names(self.incompat & !READ, "incompat", &INCOMPAT_NAMES);
        all.extend(self.case());
        if !self.incompat(FILE_TYPE) {
            all.push("ftype=0".to_owned());
        }
        all
    }

    /// The features that prevent checking, by name.
    pub(crate) fn uncheckable(&self) -> Vec<String> {
        names(self.ro_compat & !CHECKED, "ro_compat", &RO_COMPAT_NAMES)
    }
}

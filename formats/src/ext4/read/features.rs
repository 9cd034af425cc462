//! Feature bits of the superblock by the names that mke2fs and the kernel's documentation give them.

/// The three sets of feature bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    /// Features that a system may ignore.
    pub compat: u32,
    /// Features that a system must know to read at all.
    pub incompat: u32,
    /// Features that a system must know to write.
    pub ro_compat: u32,
}

pub(crate) const SPARSE_SUPER2: u32 = 0x200;
pub(crate) const HAS_JOURNAL: u32 = 0x4;
pub(crate) const RESIZE_INODE: u32 = 0x10;
pub(crate) const DIR_INDEX: u32 = 0x20;
pub(crate) const EXT_ATTR: u32 = 0x8;
pub(crate) const ORPHAN_FILE: u32 = 0x1000;

pub(crate) const FILETYPE: u32 = 0x2;
pub(crate) const META_BG: u32 = 0x10;
pub(crate) const EXTENTS: u32 = 0x40;
pub(crate) const BIT64: u32 = 0x80;
pub(crate) const FLEX_BG: u32 = 0x200;
pub(crate) const CSUM_SEED: u32 = 0x2000;
pub(crate) const LARGEDIR: u32 = 0x4000;

pub(crate) const SPARSE_SUPER: u32 = 0x1;
pub(crate) const LARGE_FILE: u32 = 0x2;
pub(crate) const HUGE_FILE: u32 = 0x8;
pub(crate) const GDT_CSUM: u32 = 0x10;
pub(crate) const DIR_NLINK: u32 = 0x20;
pub(crate) const EXTRA_ISIZE: u32 = 0x40;
pub(crate) const QUOTA: u32 = 0x100;
pub(crate) const METADATA_CSUM: u32 = 0x400;
pub(crate) const READONLY: u32 = 0x1000;
pub(crate) const PROJECT: u32 = 0x2000;
pub(crate) const VERITY: u32 = 0x8000;

/// The features of `incompat` that the reader supports.
const READ: u32 = FILETYPE | META_BG | EXTENTS | BIT64 | FLEX_BG | CSUM_SEED | LARGEDIR;
/// The features of `ro_compat` that the checker supports.
const CHECKED: u32 = SPARSE_SUPER
    | LARGE_FILE
    | 0x4
    | HUGE_FILE
    | GDT_CSUM
    | DIR_NLINK
    | EXTRA_ISIZE
    | QUOTA
    | METADATA_CSUM
    | READONLY
    | PROJECT
    | VERITY;

const COMPAT_NAMES: [&str; 13] = [
    "dir_prealloc",
    "imagic_inodes",
    "has_journal",
    "ext_attr",
    "resize_inode",
    "dir_index",
    "lazy_bg",
    "",
    "exclude_bitmap",
    "sparse_super2",
    "fast_commit",
    "stable_inodes",
    "orphan_file",
];

const INCOMPAT_NAMES: [&str; 18] = [
    "compression",
    "filetype",
    "needs_recovery",
    "journal_dev",
    "meta_bg",
    "",
    "extent",
    "64bit",
    "mmp",
    "flex_bg",
    "ea_inode",
    "",
    "dirdata",
    "metadata_csum_seed",
    "large_dir",
    "inline_data",
    "encrypt",
    "casefold",
];

const RO_COMPAT_NAMES: [&str; 17] = [
    "sparse_super",
    "large_file",
    "btree_dir",
    "huge_file",
    "uninit_bg",
    "dir_nlink",
    "extra_isize",
    "snapshot",
    "quota",
    "bigalloc",
    "metadata_csum",
    "replica",
    "read-only",
    "project",
    "shared_blocks",
    "verity",
    "orphan_present",
];

/// The names of the bits set in `bits`; a bit without one as its set and number.
fn names(bits: u32, set: &str, table: &[&str]) -> Vec<String> {
    let named = |bit: usize| table.get(bit).filter(|name| !name.is_empty());
    (0..32usize)
        .filter(|bit| bits >> bit & 1 == 1)
        .map(|bit| named(bit).map_or_else(|| format!("{set} bit {bit}"), |name| (*name).to_owned()))
        .collect()
}

impl Features {
    /// The names of all features that are set, in the order of the superblock.
    pub fn names(&self) -> Vec<String> {
        let mut all = names(self.compat, "compat", &COMPAT_NAMES);
        all.extend(names(self.incompat, "incompat", &INCOMPAT_NAMES));
        all.extend(names(self.ro_compat, "ro_compat", &RO_COMPAT_NAMES));
        all
    }

    /// Whether a feature of the compatible set is there.
    pub(crate) fn compat(&self, bit: u32) -> bool {
        self.compat & bit != 0
    }

    /// Whether a feature of the incompatible set is there.
    pub(crate) fn incompat(&self, bit: u32) -> bool {
        self.incompat & bit != 0
    }

    /// Whether a feature of the read-only compatible set is there.
    pub(crate) fn ro_compat(&self, bit: u32) -> bool {
        self.ro_compat & bit != 0
    }

    /// The features that prevent reading, by name.
    pub(crate) fn unreadable(&self) -> Vec<String> {
        names(self.incompat & !READ, "incompat", &INCOMPAT_NAMES)
    }

    /// The features that prevent checking, by name.
    pub(crate) fn uncheckable(&self) -> Vec<String> {
        names(self.ro_compat & !CHECKED, "ro_compat", &RO_COMPAT_NAMES)
    }
}

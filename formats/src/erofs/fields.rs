//! The superblock of EROFS as a table of named fields, for tools that show or compare it. Names as in Linux,
//! `fs/erofs/erofs_fs.h`.

use crate::structure::{FieldDisplay, FieldRole, StructField};

/// `struct erofs_super_block`. The sets of feature bits are compared here, too: the format has few.
pub const SUPERBLOCK: &[StructField] = &[
    StructField::own("magic", 0, 4, FieldDisplay::Hex),
    StructField::own("checksum", 4, 4, FieldDisplay::Hex).role(FieldRole::Checksum),
    StructField::own("feature_compat", 8, 4, FieldDisplay::Hex),
    StructField::number("blkszbits", 12, 1),
    StructField::number("sb_extslots", 13, 1),
    StructField::number("root_nid", 14, 2).role(FieldRole::Count),
    StructField::number("inos", 16, 8).role(FieldRole::Count),
    StructField::own("build_time", 24, 8, FieldDisplay::Seconds),
    StructField::number("build_time_nsec", 32, 4),
    StructField::number("blocks", 36, 4),
    StructField::number("meta_blkaddr", 40, 4),
    StructField::number("xattr_blkaddr", 44, 4),
    StructField::own("uuid", 48, 16, FieldDisplay::Uuid),
    StructField::own("volume_name", 64, 16, FieldDisplay::Text),
    StructField::own("feature_incompat", 80, 4, FieldDisplay::Hex),
    StructField::own("available_compr_algs", 84, 2, FieldDisplay::Hex),
    StructField::number("extra_devices", 86, 2),
    StructField::number("devt_slotoff", 88, 2),
    StructField::number("dirblkbits", 90, 1),
    StructField::number("xattr_prefix_count", 91, 1),
    StructField::number("xattr_prefix_start", 92, 4),
    StructField::number("packed_nid", 96, 8),
    StructField::number("xattr_filter_reserved", 104, 1),
    StructField::own("reserved", 105, 23, FieldDisplay::Bytes),
];

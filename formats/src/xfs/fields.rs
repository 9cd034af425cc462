//! The superblock of XFS as a table of named fields, for tools that show or compare it. Names as in "XFS Filesystem Disk
//! Structures".

use crate::structure::{FieldDisplay, FieldRole, StructField};

const fn count(name: &'static str, at: usize, len: usize) -> StructField {
    StructField::big_number(name, at, len).role(FieldRole::Count)
}

const fn bits(name: &'static str, at: usize, len: usize) -> StructField {
    StructField::own(name, at, len, FieldDisplay::BigHex)
}

/// `xfs_dsb`.
pub const SUPERBLOCK: &[StructField] = &[
    bits("sb_magicnum", 0, 4),
    StructField::big_number("sb_blocksize", 4, 4),
    StructField::big_number("sb_dblocks", 8, 8),
    StructField::big_number("sb_rblocks", 16, 8),
    StructField::big_number("sb_rextents", 24, 8),
    StructField::own("sb_uuid", 32, 16, FieldDisplay::Uuid),
    StructField::big_number("sb_logstart", 48, 8),
    StructField::big_number("sb_rootino", 56, 8),
    StructField::big_number("sb_rbmino", 64, 8),
    StructField::big_number("sb_rsumino", 72, 8),
    StructField::big_number("sb_rextsize", 80, 4),
    StructField::big_number("sb_agblocks", 84, 4),
    StructField::big_number("sb_agcount", 88, 4),
    StructField::big_number("sb_rbmblocks", 92, 4),
    StructField::big_number("sb_logblocks", 96, 4),
    bits("sb_versionnum", 100, 2),
    StructField::big_number("sb_sectsize", 102, 2),
    StructField::big_number("sb_inodesize", 104, 2),
    StructField::big_number("sb_inopblock", 106, 2),
    StructField::own("sb_fname", 108, 12, FieldDisplay::Text),
    StructField::big_number("sb_blocklog", 120, 1),
    StructField::big_number("sb_sectlog", 121, 1),
    StructField::big_number("sb_inodelog", 122, 1),
    StructField::big_number("sb_inopblog", 123, 1),
    StructField::big_number("sb_agblklog", 124, 1),
    StructField::big_number("sb_rextslog", 125, 1),
    StructField::big_number("sb_inprogress", 126, 1),
    StructField::big_number("sb_imax_pct", 127, 1),
    count("sb_icount", 128, 8),
    count("sb_ifree", 136, 8),
    count("sb_fdblocks", 144, 8),
    count("sb_frextents", 152, 8),
    StructField::big_number("sb_uquotino", 160, 8),
    StructField::big_number("sb_gquotino", 168, 8),
    bits("sb_qflags", 176, 2),
    bits("sb_flags", 178, 1),
    StructField::big_number("sb_shared_vn", 179, 1),
    StructField::big_number("sb_inoalignmt", 180, 4),
    StructField::big_number("sb_unit", 184, 4),
    StructField::big_number("sb_width", 188, 4),
    StructField::big_number("sb_dirblklog", 192, 1),
    StructField::big_number("sb_logsectlog", 193, 1),
    StructField::big_number("sb_logsectsize", 194, 2),
    StructField::big_number("sb_logsunit", 196, 4),
    bits("sb_features2", 200, 4),
    bits("sb_bad_features2", 204, 4),
    bits("sb_features_compat", 208, 4),
    bits("sb_features_ro_compat", 212, 4),
    bits("sb_features_incompat", 216, 4),
    bits("sb_features_log_incompat", 220, 4),
    StructField::own("sb_crc", 224, 4, FieldDisplay::Hex).role(FieldRole::Checksum),
    StructField::big_number("sb_spino_align", 228, 4),
    StructField::big_number("sb_pquotino", 232, 8),
    bits("sb_lsn", 240, 8).role(FieldRole::Count),
    StructField::own("sb_meta_uuid", 248, 16, FieldDisplay::Uuid),
    StructField::own("sb_metadirino and later", 264, 24, FieldDisplay::Bytes),
];

//! The structures of ext4 as tables of named fields, for tools that show or compare them. Names as in the kernel's
//! `Documentation/filesystems/ext4`.

use crate::structure::{FieldDisplay, FieldRole, StructField};

const fn number(name: &'static str, at: usize, len: usize) -> StructField {
    StructField::number(name, at, len)
}

const fn hexed(name: &'static str, at: usize, len: usize) -> StructField {
    StructField::own(name, at, len, FieldDisplay::Hex)
}

const fn seconds(name: &'static str, at: usize) -> StructField {
    StructField::own(name, at, 4, FieldDisplay::Seconds)
}

const fn bytes(name: &'static str, at: usize, len: usize) -> StructField {
    StructField::own(name, at, len, FieldDisplay::Bytes)
}

const fn text(name: &'static str, at: usize, len: usize) -> StructField {
    StructField::own(name, at, len, FieldDisplay::Text)
}

const fn count(name: &'static str, at: usize, len: usize) -> StructField {
    number(name, at, len).role(FieldRole::Count)
}

/// The superblock. The sets of feature bits are compared by the names of the features, not here.
pub const SUPERBLOCK: &[StructField] = &[
    number("s_inodes_count", 0x0, 4),
    number("s_blocks_count_lo", 0x4, 4),
    number("s_r_blocks_count_lo", 0x8, 4),
    count("s_free_blocks_count_lo", 0xc, 4),
    count("s_free_inodes_count", 0x10, 4),
    number("s_first_data_block", 0x14, 4),
    number("s_log_block_size", 0x18, 4),
    number("s_log_cluster_size", 0x1c, 4),
    number("s_blocks_per_group", 0x20, 4),
    number("s_clusters_per_group", 0x24, 4),
    number("s_inodes_per_group", 0x28, 4),
    seconds("s_mtime", 0x2c),
    seconds("s_wtime", 0x30),
    number("s_mnt_count", 0x34, 2),
    number("s_max_mnt_count", 0x36, 2),
    hexed("s_magic", 0x38, 2),
    hexed("s_state", 0x3a, 2),
    number("s_errors", 0x3c, 2),
    number("s_minor_rev_level", 0x3e, 2),
    seconds("s_lastcheck", 0x40),
    number("s_checkinterval", 0x44, 4),
    number("s_creator_os", 0x48, 4),
    number("s_rev_level", 0x4c, 4),
    number("s_def_resuid", 0x50, 2),
    number("s_def_resgid", 0x52, 2),
    number("s_first_ino", 0x54, 4),
    number("s_inode_size", 0x58, 2),
    number("s_block_group_nr", 0x5a, 2),
    hexed("s_feature_compat", 0x5c, 4).role(FieldRole::Skip),
    hexed("s_feature_incompat", 0x60, 4).role(FieldRole::Skip),
    hexed("s_feature_ro_compat", 0x64, 4).role(FieldRole::Skip),
    StructField::own("s_uuid", 0x68, 16, FieldDisplay::Uuid),
    text("s_volume_name", 0x78, 16),
    text("s_last_mounted", 0x88, 64),
    hexed("s_algorithm_usage_bitmap", 0xc8, 4),
    number("s_prealloc_blocks", 0xcc, 1),
    number("s_prealloc_dir_blocks", 0xcd, 1),
    number("s_reserved_gdt_blocks", 0xce, 2),
    StructField::own("s_journal_uuid", 0xd0, 16, FieldDisplay::Uuid),
    number("s_journal_inum", 0xe0, 4),
    number("s_journal_dev", 0xe4, 4),
    number("s_last_orphan", 0xe8, 4),
    StructField::own("s_hash_seed", 0xec, 16, FieldDisplay::Uuid),
    number("s_def_hash_version", 0xfc, 1),
    number("s_jnl_backup_type", 0xfd, 1),
    number("s_desc_size", 0xfe, 2),
    hexed("s_default_mount_opts", 0x100, 4),
    number("s_first_meta_bg", 0x104, 4),
    seconds("s_mkfs_time", 0x108),
    bytes("s_jnl_blocks", 0x10c, 68).role(FieldRole::Count),
    number("s_blocks_count_hi", 0x150, 4),
    number("s_r_blocks_count_hi", 0x154, 4),
    count("s_free_blocks_count_hi", 0x158, 4),
    number("s_min_extra_isize", 0x15c, 2),
    number("s_want_extra_isize", 0x15e, 2),
    hexed("s_flags", 0x160, 4),
    number("s_raid_stride", 0x164, 2),
    number("s_mmp_interval", 0x166, 2),
    number("s_mmp_block", 0x168, 8),
    number("s_raid_stripe_width", 0x170, 4),
    number("s_log_groups_per_flex", 0x174, 1),
    number("s_checksum_type", 0x175, 1),
    number("s_kbytes_written", 0x178, 8),
    number("s_error_count", 0x194, 4),
    seconds("s_first_error_time", 0x198),
    number("s_first_error_ino", 0x19c, 4),
    number("s_first_error_block", 0x1a0, 8),
    text("s_first_error_func", 0x1a8, 32),
    number("s_first_error_line", 0x1c8, 4),
    seconds("s_last_error_time", 0x1cc),
    number("s_last_error_ino", 0x1d0, 4),
    number("s_last_error_line", 0x1d4, 4),
    number("s_last_error_block", 0x1d8, 8),
    text("s_last_error_func", 0x1e0, 32),
    text("s_mount_opts", 0x200, 64),
    number("s_usr_quota_inum", 0x240, 4),
    number("s_grp_quota_inum", 0x244, 4),
    count("s_overhead_blocks", 0x248, 4),
    bytes("s_backup_bgs", 0x24c, 8),
    bytes("s_encrypt_algos", 0x254, 4),
    bytes("s_encrypt_pw_salt", 0x258, 16),
    number("s_lpf_ino", 0x268, 4),
    number("s_prj_quota_inum", 0x26c, 4),
    hexed("s_checksum_seed", 0x270, 4),
    number("s_wtime_hi", 0x274, 1),
    number("s_mtime_hi", 0x275, 1),
    number("s_mkfs_time_hi", 0x276, 1),
    number("s_lastcheck_hi", 0x277, 1),
    number("s_encoding", 0x27c, 2),
    hexed("s_encoding_flags", 0x27e, 2),
    number("s_orphan_file_inum", 0x280, 4),
    hexed("s_checksum", 0x3fc, 4).role(FieldRole::Checksum),
];

/// A group descriptor; one of 32 bytes ends before the high halves.
pub const GROUP: &[StructField] = &[
    count("bg_block_bitmap_lo", 0, 4),
    count("bg_inode_bitmap_lo", 4, 4),
    count("bg_inode_table_lo", 8, 4),
    count("bg_free_blocks_count_lo", 12, 2),
    count("bg_free_inodes_count_lo", 14, 2),
    count("bg_used_dirs_count_lo", 16, 2),
    hexed("bg_flags", 18, 2).role(FieldRole::Count),
    number("bg_exclude_bitmap_lo", 20, 4),
    hexed("bg_block_bitmap_csum_lo", 24, 2).role(FieldRole::Checksum),
    hexed("bg_inode_bitmap_csum_lo", 26, 2).role(FieldRole::Checksum),
    count("bg_itable_unused_lo", 28, 2),
    hexed("bg_checksum", 30, 2).role(FieldRole::Checksum),
    count("bg_block_bitmap_hi", 32, 4),
    count("bg_inode_bitmap_hi", 36, 4),
    count("bg_inode_table_hi", 40, 4),
    count("bg_free_blocks_count_hi", 44, 2),
    count("bg_free_inodes_count_hi", 46, 2),
    count("bg_used_dirs_count_hi", 48, 2),
    count("bg_itable_unused_hi", 50, 2),
    number("bg_exclude_bitmap_hi", 52, 4),
    hexed("bg_block_bitmap_csum_hi", 56, 2).role(FieldRole::Checksum),
    hexed("bg_inode_bitmap_csum_hi", 58, 2).role(FieldRole::Checksum),
    number("bg_reserved", 60, 4),
];

/// The fields of an inode that the tree does not hold. Times and the mapping are compared as values, not here.
pub const INODE: &[StructField] = &[
    hexed("i_mode", 0, 2).role(FieldRole::Skip),
    number("i_uid", 2, 2).role(FieldRole::Skip),
    number("i_size_lo", 4, 4).role(FieldRole::Skip),
    bytes("times", 8, 12).role(FieldRole::Skip),
    number("i_dtime", 0x14, 4),
    number("i_gid", 0x18, 2).role(FieldRole::Skip),
    count("i_links_count", 0x1a, 2),
    count("i_blocks_lo", 0x1c, 4),
    hexed("i_flags", 0x20, 4),
    number("i_version_lo", 0x24, 4),
    bytes("i_block", 0x28, 60).role(FieldRole::Skip),
    number("i_generation", 0x64, 4),
    count("i_file_acl_lo", 0x68, 4),
    number("i_size_high", 0x6c, 4).role(FieldRole::Skip),
    number("i_obso_faddr", 0x70, 4),
    count("i_blocks_high", 0x74, 2),
    count("i_file_acl_high", 0x76, 2),
    number("i_uid_high", 0x78, 2).role(FieldRole::Skip),
    number("i_gid_high", 0x7a, 2).role(FieldRole::Skip),
    hexed("i_checksum_lo", 0x7c, 2).role(FieldRole::Checksum),
    number("i_reserved", 0x7e, 2),
    number("i_extra_isize", 0x80, 2),
    hexed("i_checksum_hi", 0x82, 2).role(FieldRole::Checksum),
    bytes("extra times", 0x84, 0x14).role(FieldRole::Skip),
    number("i_version_hi", 0x98, 4),
    number("i_projid", 0x9c, 4),
];

/// Bytes that [`INODE`] describes; extended attributes follow.
pub const INODE_LEN: usize = 0xa0;

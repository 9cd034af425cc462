//! The superblock as a table of named fields, for tools that show or compare it.

use super::spec::{SALT_MAX, at};
use crate::structure::{FieldDisplay, FieldRole, StructField};

/// `struct verity_sb` of cryptsetup, `lib/verity/verity.c`.
pub(super) const SUPERBLOCK: &[StructField] = &[
    StructField::own("signature", at::SIGNATURE, 8, FieldDisplay::Text),
    StructField::number("version", at::VERSION, 4),
    StructField::number("hash_type", at::HASH_TYPE, 4),
    StructField::own("uuid", at::UUID, 16, FieldDisplay::Uuid),
    StructField::own("algorithm", at::ALGORITHM, 32, FieldDisplay::Text),
    StructField::number("data_block_size", at::DATA_BLOCK_SIZE, 4),
    StructField::number("hash_block_size", at::HASH_BLOCK_SIZE, 4),
    StructField::number("data_blocks", at::DATA_BLOCKS, 8).role(FieldRole::Count),
    StructField::number("salt_size", at::SALT_SIZE, 2),
    StructField::own("salt", at::SALT, SALT_MAX, FieldDisplay::Bytes),
];

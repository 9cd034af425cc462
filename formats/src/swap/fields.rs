//! The header of a swap area as a table of named fields, for tools that show or compare it.

use crate::structure::{FieldDisplay, StructField};

/// `union swap_header` of Linux, `include/linux/swap.h`.
pub const HEADER: &[StructField] = &[
    StructField::own("bootbits", 0, 1024, FieldDisplay::Bytes),
    StructField::number("version", 1024, 4),
    StructField::number("last_page", 1028, 4),
    StructField::number("nr_badpages", 1032, 4),
    StructField::own("uuid", 1036, 16, FieldDisplay::Uuid),
    StructField::own("label", 1052, 16, FieldDisplay::Text),
    StructField::own("signature", 4086, 10, FieldDisplay::Text),
];

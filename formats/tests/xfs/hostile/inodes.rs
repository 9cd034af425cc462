//! Inodes, and trees of their extents.

use amiforge_formats::xfs::read::XfsDefect;

use super::{put, run};
use crate::fixture::Image;

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn inodes_that_cannot_be_are_refused() {
    run(
        "plain",
        &[
            (
                "number",
                |i| put(i, i.inode("kinds/odd") + 159, &[1]),
                true,
                |why| matches!(why, XfsDefect::Value { field: "di_ino", .. }),
            ),
            (
                "uuid",
                |i| put(i, i.inode("kinds/odd") + 160, &[1]),
                true,
                |why| matches!(why, XfsDefect::Uuid),
            ),
            (
                "version",
                |i| put(i, i.inode("kinds/odd") + 4, &[2]),
                true,
                |why| matches!(why, XfsDefect::Value { field: "di_version", .. }),
            ),
            (
                "mode",
                |i| put(i, i.inode("kinds/odd") + 2, &[0]),
                true,
                |why| matches!(why, XfsDefect::Meaningless { field: "di_mode", .. }),
            ),
            (
                "another kind",
                |i| put(i, i.inode("kinds/pipe") + 2, &[0xc1]),
                true,
                |why| matches!(why, XfsDefect::FileType { found: 5, expected: 6, .. }),
            ),
            (
                "format",
                |i| put(i, i.inode("kinds/odd") + 5, &[1]),
                true,
                |why| matches!(why, XfsDefect::Meaningless { field: "di_format", found: 1 }),
            ),
            (
                "negative size",
                |i| put(i, i.inode("kinds/odd") + 56, &[0x80]),
                true,
                |why| matches!(why, XfsDefect::Range { field: "di_size", .. }),
            ),
            (
                "size of a directory",
                |i| put(i, i.inode("kinds") + 60, &[1]),
                true,
                |why| matches!(why, XfsDefect::Value { field: "di_size of a directory", .. }),
            ),
            (
                "size of a link",
                |i| put(i, i.inode("kinds/long-link") + 61, &[1]),
                true,
                |why| matches!(why, XfsDefect::Range { field: "di_size of a link in its inode", .. }),
            ),
            (
                "extents",
                |i| put(i, i.inode("kinds/sparse") + 31, &[100]),
                true,
                |why| matches!(why, XfsDefect::Range { field: "number of extents in the inode", .. }),
            ),
            (
                "no links",
                |i| put(i, i.inode("kinds/odd") + 16, &[0; 4]),
                true,
                |why| {
                    matches!(
                        why,
                        XfsDefect::Dangling { .. } | XfsDefect::Value { field: "di_nlink", found: 0, .. }
                    )
                },
            ),
            (
                "links",
                |i| put(i, i.inode("kinds/short") + 19, &[9]),
                false,
                |why| matches!(why, XfsDefect::Value { field: "di_nlink", found: 9, expected: 3 }),
            ),
            (
                "blocks",
                |i| put(i, i.inode("kinds/odd") + 70, &[9]),
                false,
                |why| matches!(why, XfsDefect::Value { field: "di_nblocks", .. }),
            ),
            (
                "fork offset",
                |i| put(i, i.inode("attributes/one") + 82, &[200]),
                true,
                |why| matches!(why, XfsDefect::Range { field: "di_forkoff", .. }),
            ),
            (
                "extent out of the device",
                |i| put(i, i.inode("kinds/odd") + 176 + 8, &[0x7f]),
                true,
                |why| matches!(why, XfsDefect::Outside { what: "an extent", .. }),
            ),
            (
                "extent without length",
                |i| put(i, i.inode("kinds/odd") + 176 + 13, &[0, 0, 0]),
                true,
                |why| {
                    matches!(
                        why,
                        XfsDefect::Range { field: "br_blockcount", found: 0, .. } | XfsDefect::Outside { .. }
                    )
                },
            ),
            (
                "extents out of order",
                |i| {
                    let at = i.inode("kinds/sparse") + 176;
                    let first = i.bytes[at..at + 16].to_vec();
                    put(i, at + 16, &first)
                },
                true,
                |why| matches!(why, XfsDefect::Order { field: "br_startoff", .. }),
            ),
            (
                "content of another",
                |i| {
                    let other = i.inode("kinds/odd") + 176;
                    let extent = i.bytes[other..other + 16].to_vec();
                    put(i, i.inode("kinds/beyond") + 176, &extent)
                },
                false,
                |why| matches!(why, XfsDefect::Claimed { .. }),
            ),
        ],
    );
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn trees_of_extents_that_cannot_be_are_refused() {
    run(
        "small-blocks",
        &[
            (
                "level of the root",
                |i| put(i, i.inode("pieces") + 176, &[0xff]),
                true,
                |why| matches!(why, XfsDefect::Range { field: "level of the root", .. }),
            ),
            (
                "entries of the root",
                |i| put(i, i.inode("pieces") + 178, &[0xff]),
                true,
                |why| matches!(why, XfsDefect::Range { field: "entries of the root", .. }),
            ),
            (
                "level",
                |i| put(i, i.with_magic(b"BMA3") + 4, &[0, 9]),
                true,
                |why| matches!(why, XfsDefect::Value { field: "bb_level", .. }),
            ),
            (
                "records",
                |i| put(i, i.with_magic(b"BMA3") + 6, &[0xff, 0xff]),
                true,
                |why| matches!(why, XfsDefect::Range { field: "bb_numrecs", .. }),
            ),
            (
                "owner",
                |i| put(i, i.with_magic(b"BMA3") + 63, &[0]),
                true,
                |why| matches!(why, XfsDefect::Value { field: "owner in the header", .. }),
            ),
            (
                "neighbour",
                |i| put(i, i.with_magic(b"BMA3") + 23, &[0xee]),
                true,
                |why| {
                    matches!(
                        why,
                        XfsDefect::Value {
                            field: "right neighbour of the block before"
                                | "right neighbour of the last block",
                            ..
                        }
                    )
                },
            ),
            (
                "block outside",
                |i| put(i, i.pointers(), &[0xff; 8]),
                true,
                |why| matches!(why, XfsDefect::Outside { what: "a block of extents", .. }),
            ),
            (
                "one block twice",
                |i| {
                    let at = i.pointers();
                    let first = i.bytes[at..at + 8].to_vec();
                    put(i, at + 8, &first)
                },
                true,
                |why| matches!(why, XfsDefect::Claimed { .. }),
            ),
        ],
    );
}

impl Image {
    /// First byte of the pointers of the root of the tree of `pieces`.
    fn pointers(&self) -> usize {
        let node = self.node("pieces");
        assert!(self.bytes[node.offset as usize + 179] >= 2);
        node.offset as usize + 176 + 4 + (node.data.bytes.len() - 4) / 16 * 8
    }
}

//! Directories.

use amiforge_formats::xfs::read::{XfsDefect, open};

use super::{put, run};

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn directories_that_cannot_be_are_refused() {
    run(
        "small-blocks",
        &[
            (
                "parent",
                |i| put(i, i.inode("kinds/a") + 176 + 5, &[0xff]),
                true,
                |why| matches!(why, XfsDefect::Entry { .. }),
            ),
            (
                "cycle",
                |i| {
                    let root = open(&i.bytes).unwrap().superblock().root as u32;
                    put(i, i.inode("kinds/a") + 176 + 6 + 5, &root.to_be_bytes())
                },
                true,
                |why| matches!(why, XfsDefect::Again { what: "directory", .. }),
            ),
            (
                "slash",
                |i| put(i, i.inode("kinds/a") + 176 + 9, b"/"),
                true,
                |why| matches!(why, XfsDefect::Name { .. }),
            ),
            (
                "entries",
                |i| put(i, i.inode("kinds/a") + 176, &[9]),
                true,
                |why| matches!(why, XfsDefect::Range { field: "end of an entry in the inode", .. }),
            ),
            (
                "NUL in a block",
                |i| put(i, i.block("names-150", 0) + 64 + 32 + 9, &[0]),
                true,
                |why| matches!(why, XfsDefect::Name { .. } | XfsDefect::Index { .. }),
            ),
            (
                "name without its hash",
                |i| put(i, i.block("names-150", 0) + 64 + 32 + 9, b"b"),
                true,
                |why| matches!(why, XfsDefect::Index { .. }),
            ),
            (
                "inode outside",
                |i| put(i, i.block("names-150", 0) + 64 + 32, &[0x7f; 4]),
                true,
                |why| matches!(why, XfsDefect::Outside { what: "an inode", .. } | XfsDefect::Dangling { .. }),
            ),
            (
                "tag",
                |i| put(i, i.block("names-150", 0) + 64 + 14, &[0, 1]),
                true,
                |why| matches!(why, XfsDefect::Value { field: "tag of an entry", .. }),
            ),
            (
                "name length",
                |i| put(i, i.block("names-150", 0) + 64 + 8, &[0xff]),
                true,
                |why| matches!(why, XfsDefect::Value { field: "tag of an entry", .. }),
            ),
            (
                "owner",
                |i| put(i, i.block("names-150", 0) + 47, &[0]),
                true,
                |why| matches!(why, XfsDefect::Value { field: "owner in the header", .. }),
            ),
            (
                "address",
                |i| put(i, i.block("names-150", 0) + 15, &[0]),
                true,
                |why| matches!(why, XfsDefect::Value { field: "address in the header", .. }),
            ),
            (
                "uuid",
                |i| put(i, i.block("names-150", 0) + 24, &[0]),
                true,
                |why| matches!(why, XfsDefect::Uuid),
            ),
            (
                "magic number",
                |i| put(i, i.block("names-150", 0), b"XDB3"),
                true,
                |why| matches!(why, XfsDefect::Value { field: "magic number", .. }),
            ),
            (
                "hash in a leaf",
                |i| put(i, i.block("names-150", 32 << 20) + 64, &[0xff]),
                true,
                |why| matches!(why, XfsDefect::Order { .. } | XfsDefect::Index { .. }),
            ),
            (
                "loop in the index",
                |i| {
                    let at = i.block("names-700", 32 << 20) + 64;
                    put(i, at + 4, &(32_u32 << 20).to_be_bytes())
                },
                true,
                |why| matches!(why, XfsDefect::Again { what: "a block of the index", .. }),
            ),
            (
                "entries of a node",
                |i| put(i, i.block("names-700", 32 << 20) + 56, &[0xff, 0xff]),
                true,
                |why| matches!(why, XfsDefect::Range { field: "number of entries", .. }),
            ),
            (
                "free space",
                |i| put(i, i.block("names-700", 64 << 20) + 64, &[0, 1]),
                false,
                |why| matches!(why, XfsDefect::Value { field: "longest unused run in the free space", .. }),
            ),
            (
                "block of another directory",
                |i| {
                    let other = i.inode("names-150") + 176;
                    let extent = i.bytes[other..other + 16].to_vec();
                    put(i, i.inode("names-20") + 176, &extent)
                },
                true,
                |why| matches!(why, XfsDefect::Claimed { .. } | XfsDefect::Value { .. }),
            ),
        ],
    );
}

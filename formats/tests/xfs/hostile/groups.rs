//! Allocation groups.

use amiforge_formats::xfs::read::XfsDefect;

use super::{put, run};

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn groups_that_do_not_fit_are_found() {
    run(
        "plain",
        &[
            (
                "free blocks",
                |i| put(i, i.with_magic(b"XAGF") + 55, &[0]),
                false,
                |why| matches!(why, XfsDefect::Value { field: "agf_freeblks", .. }),
            ),
            (
                "length",
                |i| put(i, i.with_magic(b"XAGF") + 12, &[0xff]),
                false,
                |why| matches!(why, XfsDefect::Value { field: "agf_length", .. }),
            ),
            (
                "levels",
                |i| put(i, i.with_magic(b"XAGF") + 28, &[0xff]),
                false,
                |why| matches!(why, XfsDefect::Range { field: "levels of the tree", .. }),
            ),
            (
                "list",
                |i| put(i, i.with_magic(b"XAGF") + 40, &[0xff]),
                false,
                |why| matches!(why, XfsDefect::Range { field: "agf_flfirst", .. }),
            ),
            (
                "root outside",
                |i| put(i, i.with_magic(b"XAGI") + 20, &[0xff]),
                false,
                |why| matches!(why, XfsDefect::Range { field: "block of the tree", .. }),
            ),
            (
                "inodes",
                |i| put(i, i.with_magic(b"XAGI") + 19, &[1]),
                false,
                |why| matches!(why, XfsDefect::Value { field: "agi_count", .. } | XfsDefect::Range { .. }),
            ),
            (
                "free run",
                |i| put(i, i.with_records(b"AB3B") + 56 + 7, &[1]),
                false,
                |why| matches!(why, XfsDefect::Lost { .. } | XfsDefect::Missing { .. }),
            ),
            (
                "free run outside",
                |i| put(i, i.with_records(b"AB3B") + 56 + 4, &[0xff]),
                false,
                |why| matches!(why, XfsDefect::Outside { what: "a free run", .. }),
            ),
            (
                "free inodes of a chunk",
                |i| put(i, i.with_records(b"IAB3") + 56 + 7, &[77]),
                false,
                |why| matches!(why, XfsDefect::Value { field: "ir_freecount", found: 77, .. }),
            ),
            (
                "inode in use free",
                |i| put(i, i.with_records(b"IAB3") + 56 + 15, &[0xff]),
                false,
                |why| matches!(why, XfsDefect::Dangling { .. } | XfsDefect::Missing { .. }),
            ),
            (
                "shared by another number",
                |i| put(i, i.with_records(b"R3FC") + 56 + 11, &[9]),
                false,
                |why| matches!(why, XfsDefect::Value { field: "files that share a block, by the tree", .. }),
            ),
            (
                "owner of too much",
                |i| put(i, i.with_records(b"RMB3") + 56 + 4, &[0, 0, 0, 9]),
                false,
                |why| matches!(why, XfsDefect::Value { field: "owners of a block, by the tree", .. }),
            ),
            (
                "superblock of a group",
                |i| {
                    let at = i
                        .structures
                        .iter()
                        .map(|one| one.at)
                        .filter(|at| i.bytes[*at..].starts_with(b"XFSB"))
                        .nth(1);
                    put(i, at.unwrap() + 15, &[1])
                },
                false,
                |why| matches!(why, XfsDefect::Value { field: "sb_dblocks", .. }),
            ),
            (
                "free blocks of all",
                |i| put(i, 151, &[1]),
                false,
                |why| matches!(why, XfsDefect::Value { field: "sb_fdblocks", .. }),
            ),
        ],
    );
}

//! Attributes, and targets of links.

use amiforge_formats::xfs::read::XfsDefect;

use super::{put, run};
use crate::fixture::Image;

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn attributes_and_links_that_cannot_be_are_refused() {
    run(
        "plain",
        &[
            (
                "flags",
                |i| {
                    let at = i.inode("attributes/one");
                    let fork = at + 176 + usize::from(i.bytes[at + 82]) * 8;
                    put(i, fork + 4 + 2, &[0x40])
                },
                true,
                |why| matches!(why, XfsDefect::Meaningless { field: "flags of an attribute", .. }),
            ),
            (
                "length of a value",
                |i| {
                    let at = i.inode("attributes/one");
                    let fork = at + 176 + usize::from(i.bytes[at + 82]) * 8;
                    put(i, fork + 4 + 1, &[0xff])
                },
                true,
                |why| matches!(why, XfsDefect::Range { .. } | XfsDefect::Value { .. }),
            ),
            (
                "place in a leaf",
                |i| put(i, i.leaf() + 80 + 4, &[0, 1]),
                true,
                |why| matches!(why, XfsDefect::Range { field: "place of an attribute", .. }),
            ),
            (
                "two in one place",
                |i| {
                    let at = i.leaf() + 80;
                    let place = i.bytes[at + 4..at + 6].to_vec();
                    put(i, at + 8 + 4, &place)
                },
                true,
                |why| matches!(why, XfsDefect::Order { field: "place of an attribute", .. }),
            ),
            (
                "hash",
                |i| put(i, i.leaf() + 80, &[0, 0, 0, 0]),
                true,
                |why| matches!(why, XfsDefect::Value { field: "hash of an attribute", .. }),
            ),
            (
                "part of a value",
                |i| put(i, i.with_magic(b"XARM") + 11, &[1]),
                true,
                |why| matches!(why, XfsDefect::Value { field: "length of a part", .. }),
            ),
            (
                "owner of a value",
                |i| put(i, i.with_magic(b"XARM") + 39, &[1]),
                true,
                |why| matches!(why, XfsDefect::Value { field: "owner in the header", .. }),
            ),
            (
                "part of a target",
                |i| put(i, i.with_magic(b"XSLM") + 7, &[1]),
                true,
                |why| matches!(why, XfsDefect::Value { field: "offset of a part", .. }),
            ),
            (
                "NUL in a target",
                |i| put(i, i.with_magic(b"XSLM") + 60, &[0]),
                true,
                |why| matches!(why, XfsDefect::Value { field: "length of the link's target", .. }),
            ),
        ],
    );
}

impl Image {
    /// First byte of a leaf of attributes with values in it.
    fn leaf(&self) -> usize {
        let is_leaf =
            |at: usize| self.bytes[at + 8..at + 10] == [0x3b, 0xee] && self.bytes[at + 80 + 6] & 1 == 1;
        self.structures.iter().map(|one| one.at).find(|at| is_leaf(*at)).unwrap()
    }
}

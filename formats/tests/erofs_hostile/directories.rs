//! Directories and attributes.

use amiforge_formats::erofs::read::ErofsDefect;

use super::fixture::{Image, Outcome, run};

/// Offset of the name number `index` of the directory whose only block is at `at`.
fn name(image: &Image, at: usize, index: usize) -> usize {
    at + usize::from(u16::from_le_bytes([image.bytes[at + index * 12 + 8], image.bytes[at + index * 12 + 9]]))
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn directories_that_cannot_be_are_refused() {
    run(&[
        (
            "first name",
            |image| image.put(image.behind("dir") + 8, &[13]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Range { field: "first nameoff", found: 13, .. }),
        ),
        (
            "no entry",
            |image| image.put(image.behind("dir") + 8, &[0]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Range { field: "first nameoff", found: 0, .. }),
        ),
        (
            "names past the end",
            |image| image.put(image.behind("dir") + 8, &[0xfc, 0xff]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Range { field: "first nameoff", .. }),
        ),
        (
            "name past the end",
            |image| image.put(image.behind("dir") + 12 + 9, &[0xff]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Range { field: "nameoff", .. } | ErofsDefect::Name { .. }),
        ),
        (
            "slash",
            |image| {
                let at = name(image, image.behind("dir"), 2);
                image.put(at, b"/");
            },
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Name { .. }),
        ),
        (
            "NUL",
            |image| {
                let at = name(image, image.behind("dir"), 2);
                image.put(at, b"\0");
            },
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Name { .. }),
        ),
        (
            "order",
            |image| {
                let at = name(image, image.behind("dir"), 2);
                image.put(at, b"z");
            },
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Order { .. }),
        ),
        (
            "a name twice",
            |image| {
                let at = name(image, image.block("many"), 3);
                image.put(at + 25, b"0");
            },
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Order { .. }),
        ),
        (
            "type",
            |image| image.put(image.behind("dir") + 2 * 12 + 10, &[7]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::FileType { found: 7, expected: 1, .. }),
        ),
        (
            "no `.`",
            |image| {
                let at = name(image, image.behind("dir"), 0);
                image.put(at, b"-");
            },
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Missing { what: "the entry `.`" }),
        ),
        (
            "`.` elsewhere",
            |image| {
                let nid = image.nid("many").to_le_bytes();
                image.put(image.behind("dir"), &nid);
            },
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Entry { .. }),
        ),
        (
            "`..` elsewhere",
            |image| {
                let nid = image.nid("many").to_le_bytes();
                image.put(image.behind("dir") + 12, &nid);
            },
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Entry { .. }),
        ),
        (
            "inode past the end",
            |image| image.put(image.behind("dir") + 2 * 12 + 7, &[0x10]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Outside { what: "the inode", .. }),
        ),
        (
            "a loop",
            |image| {
                let nid = image.nid("dir").to_le_bytes();
                image.put(image.behind("dir") + 3 * 12, &nid);
            },
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::SecondName { .. }),
        ),
        (
            "the middle of an inode",
            |image| {
                let nid = (image.nid("chunks") + 1).to_le_bytes();
                image.put(image.behind("dir") + 2 * 12, &nid);
            },
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Overlap { .. } | ErofsDefect::Meaningless { .. }),
        ),
        (
            "blocks of another",
            |image| {
                let block = (image.block("many") / 4096) as u32;
                let at = image.inode("dir");
                // In one run, at the blocks of the other.
                image.put(at, &[1]);
                image.put(at + 16, &block.to_le_bytes());
            },
            Outcome::Refused,
            |why| {
                matches!(
                    why,
                    ErofsDefect::Overlap { .. }
                        | ErofsDefect::Entry { .. }
                        | ErofsDefect::Order { .. }
                        | ErofsDefect::Missing { .. }
                        | ErofsDefect::Range { .. }
                        | ErofsDefect::Name { .. }
                        | ErofsDefect::FileType { .. }
                )
            },
        ),
        (
            "a hole without an end",
            |image| {
                // Chunks of 2³¹ blocks, the first of which is a hole.
                let at = image.inode("dir");
                image.put(at, &[1 | 4 << 1]);
                image.put(at + 8, &(1_u64 << 43).to_le_bytes());
                image.put(at + 16, &[0x1f, 0, 0, 0]);
                image.put(at + 64, &[0xff; 4]);
            },
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Missing { what: "a block of the directory" }),
        ),
    ]);
}

#[test]
fn attributes_that_cannot_be_are_refused() {
    // Behind the header of 12 bytes: length of the name, index, length of the value, name, value.
    run(&[
        (
            "shared",
            |image| image.put(image.behind("dir/attributed") + 4, &[200]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Range { field: "h_shared_count", found: 200, .. }),
        ),
        (
            "prefix",
            |image| image.put(image.behind("dir/attributed") + 13, &[9]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Meaningless { field: "e_name_index", found: 9 }),
        ),
        (
            "ACL with a name",
            |image| image.put(image.behind("dir/attributed") + 13, &[2]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Meaningless { field: "e_name_index", found: 2 }),
        ),
        (
            "long value",
            |image| image.put(image.behind("dir/attributed") + 15, &[0xff]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Range { field: "length of an attribute", .. }),
        ),
        (
            "long name",
            |image| image.put(image.behind("dir/attributed") + 12, &[0xff]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Range { field: "length of an attribute", .. }),
        ),
        (
            "twice",
            |image| image.put(image.behind("dir/attributed") + 24, b"a"),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Duplicate { .. }),
        ),
        (
            "shared past the end",
            |image| {
                image.put(image.behind("dir/attributed") + 4, &[1]);
                image.put(image.behind("dir/attributed") + 12, &[0xff; 4]);
            },
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Outside { what: "a shared attribute", .. }),
        ),
    ]);
}

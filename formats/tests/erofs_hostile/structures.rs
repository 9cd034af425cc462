//! Inodes, links and maps of chunks.

use amiforge_formats::erofs::read::ErofsDefect;

use super::fixture::{Image, Outcome, run};

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn inodes_that_cannot_be_are_refused() {
    run(&[
        (
            "format",
            |image| image.put(image.inode("inline"), &[0xff, 0xff]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Meaningless { field: "i_format", found: 0xffff }),
        ),
        (
            "layout",
            |image| image.put(image.inode("inline"), &[1 | 5 << 1]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Meaningless { field: "i_format", .. }),
        ),
        (
            "compressed",
            |image| image.put(image.inode("run"), &[1 | 1 << 1]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Compressed { layout: 1 }),
        ),
        (
            "compressed compactly",
            |image| image.put(image.inode("run"), &[1 | 3 << 1]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Compressed { layout: 3 }),
        ),
        (
            "kind",
            |image| image.put(image.inode("inline") + 4, &[0, 0]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Meaningless { field: "i_mode", .. }),
        ),
        (
            "another kind",
            |image| image.put(image.inode("null") + 5, &[0x60]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::FileType { found: 3, expected: 4, .. }),
        ),
        (
            "nanoseconds",
            |image| image.put(image.inode("run") + 40, &[0xff; 4]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Range { field: "i_mtime_nsec", .. }),
        ),
        (
            "no links",
            |image| image.put(image.inode("run") + 44, &[0; 4]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Value { field: "i_nlink", found: 0, .. }),
        ),
        (
            "links",
            |image| image.put(image.inode("first") + 44, &[3]),
            Outcome::Found,
            |why| matches!(why, ErofsDefect::Value { field: "i_nlink", found: 3, expected: 2 }),
        ),
        (
            "links of a directory",
            |image| image.put(image.inode("dir") + 44, &[2]),
            Outcome::Found,
            |why| matches!(why, ErofsDefect::Value { field: "i_nlink", found: 2, expected: 3 }),
        ),
        (
            "negative size",
            |image| image.put(image.inode("run") + 15, &[0x80]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Range { field: "i_size", .. }),
        ),
        (
            "size past the end",
            |image| image.put(image.inode("run") + 13, &[1]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Outside { what: "the content", .. }),
        ),
        (
            "block past the end",
            |image| image.put(image.inode("run") + 16, &[0, 0, 1, 0]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Outside { what: "the content", .. }),
        ),
        (
            "no block",
            |image| image.put(image.inode("run") + 16, &[0xff; 4]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Outside { what: "the content", .. }),
        ),
        (
            "tail in two blocks",
            |image| image.put(image.inode("inline") + 8, &4095_u32.to_le_bytes()),
            Outcome::Refused,
            |why| {
                matches!(
                    why,
                    ErofsDefect::Outside {
                        what: "the inline tail",
                        limit: "the block that it begins in",
                        ..
                    }
                )
            },
        ),
        (
            "content of a device",
            |image| image.put(image.inode("null") + 8, &[1]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Value { field: "i_size of a node without content", .. }),
        ),
        (
            "attributes past the end",
            |image| image.put(image.inode("many/a-long-name-of-a-file-0299") + 2, &[0xff, 0xff]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Outside { what: "the inode", .. }),
        ),
        (
            "empty link",
            |image| image.put(image.inode("link") + 8, &[0]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Range { field: "i_size of a link", found: 0, .. }),
        ),
        (
            "target with a NUL",
            |image| image.put(image.behind("link") + 2, &[0]),
            Outcome::Refused,
            |why| {
                matches!(
                    why,
                    ErofsDefect::Value { field: "length of the link's target", found: 2, expected: 6 }
                )
            },
        ),
    ]);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn maps_of_chunks_that_cannot_be_are_refused() {
    run(&[
        (
            "format",
            |image| image.put(image.inode("chunks") + 16, &[0x43]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Meaningless { field: "chunk format", found: 0x43 }),
        ),
        (
            "upper half",
            |image| image.put(image.inode("chunks") + 18, &[1]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Meaningless { field: "chunk format", .. }),
        ),
        (
            "map past the end",
            |image| image.put(image.inode("chunks") + 12, &[0xff; 3]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Outside { what: "the map of chunks", .. }),
        ),
        (
            "map over other inodes",
            |image| image.put(image.inode("chunks") + 10, &[0xff]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Overlap { what: "the inode", .. } | ErofsDefect::Outside { .. }),
        ),
        (
            "chunk past the end",
            |image| image.put(image.behind("chunks"), &[0xff, 0xff, 0, 0]),
            Outcome::Refused,
            |why| matches!(why, ErofsDefect::Outside { what: "a chunk", .. }),
        ),
        (
            "chunk in the inodes",
            |image| image.put(image.behind("chunks"), &[1, 0, 0, 0]),
            Outcome::Found,
            |why| matches!(why, ErofsDefect::Overlap { what: "the content", .. }),
        ),
        (
            "content in the chunk of another",
            |image| {
                let map = image.behind("chunks");
                let address = image.bytes[map..map + 4].to_vec();
                image.put(image.inode("run") + 16, &address);
            },
            Outcome::Found,
            |why| matches!(why, ErofsDefect::Overlap { what: "the content", .. }),
        ),
        (
            "device",
            |image| image.put(image.inode("chunks") + 16, &[0x20 | 5]),
            Outcome::Refused,
            |why| {
                matches!(
                    why,
                    ErofsDefect::Value { field: "device of a chunk", .. }
                        | ErofsDefect::Value { field: "high bits of a chunk", .. }
                        | ErofsDefect::Overlap { .. }
                        | ErofsDefect::Outside { .. }
                )
            },
        ),
    ]);
    // Files may share whole chunks.
    let mut image = Image::new();
    let map = image.behind("more-chunks");
    let address = image.bytes[map..map + 4].to_vec();
    image.put(image.behind("chunks"), &address);
    assert_eq!(image.outcome().1, []);
}

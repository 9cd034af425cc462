//! Inodes, maps of chunks, directories, attributes and links.

use amiforge_formats::erofs::read::Defect;

use super::fixture::{Image, Outcome, run};

/// Offset of the name number `index` of the directory whose only block is at `at`.
fn name(image: &Image, at: usize, index: usize) -> usize {
    at + usize::from(u16::from_le_bytes([image.bytes[at + index * 12 + 8], image.bytes[at + index * 12 + 9]]))
}

#[test]
fn inodes_that_cannot_be_are_refused() {
    run(&[
        (
            "format",
            |image| image.put(image.inode("inline"), &[0xff, 0xff]),
            Outcome::Refused,
            |why| matches!(why, Defect::Meaningless { field: "i_format", found: 0xffff }),
        ),
        (
            "layout",
            |image| image.put(image.inode("inline"), &[1 | 5 << 1]),
            Outcome::Refused,
            |why| matches!(why, Defect::Meaningless { field: "i_format", .. }),
        ),
        (
            "compressed",
            |image| image.put(image.inode("run"), &[1 | 1 << 1]),
            Outcome::Refused,
            |why| matches!(why, Defect::Compressed { layout: 1 }),
        ),
        (
            "compressed compactly",
            |image| image.put(image.inode("run"), &[1 | 3 << 1]),
            Outcome::Refused,
            |why| matches!(why, Defect::Compressed { layout: 3 }),
        ),
        (
            "kind",
            |image| image.put(image.inode("inline") + 4, &[0, 0]),
            Outcome::Refused,
            |why| matches!(why, Defect::Meaningless { field: "i_mode", .. }),
        ),
        (
            "another kind",
            |image| image.put(image.inode("null") + 5, &[0x60]),
            Outcome::Refused,
            |why| matches!(why, Defect::FileType { found: 3, expected: 4, .. }),
        ),
        (
            "nanoseconds",
            |image| image.put(image.inode("run") + 40, &[0xff; 4]),
            Outcome::Refused,
            |why| matches!(why, Defect::Range { field: "i_mtime_nsec", .. }),
        ),
        (
            "no links",
            |image| image.put(image.inode("run") + 44, &[0; 4]),
            Outcome::Refused,
            |why| matches!(why, Defect::Value { field: "i_nlink", found: 0, .. }),
        ),
        (
            "links",
            |image| image.put(image.inode("first") + 44, &[3]),
            Outcome::Found,
            |why| matches!(why, Defect::Value { field: "i_nlink", found: 3, expected: 2 }),
        ),
        (
            "links of a directory",
            |image| image.put(image.inode("dir") + 44, &[2]),
            Outcome::Found,
            |why| matches!(why, Defect::Value { field: "i_nlink", found: 2, expected: 3 }),
        ),
        (
            "negative size",
            |image| image.put(image.inode("run") + 15, &[0x80]),
            Outcome::Refused,
            |why| matches!(why, Defect::Range { field: "i_size", .. }),
        ),
        (
            "size past the end",
            |image| image.put(image.inode("run") + 13, &[1]),
            Outcome::Refused,
            |why| matches!(why, Defect::Outside { what: "the content", .. }),
        ),
        (
            "block past the end",
            |image| image.put(image.inode("run") + 16, &[0, 0, 1, 0]),
            Outcome::Refused,
            |why| matches!(why, Defect::Outside { what: "the content", .. }),
        ),
        (
            "no block",
            |image| image.put(image.inode("run") + 16, &[0xff; 4]),
            Outcome::Refused,
            |why| matches!(why, Defect::Outside { what: "the content", .. }),
        ),
        (
            "tail in two blocks",
            |image| image.put(image.inode("inline") + 8, &4095_u32.to_le_bytes()),
            Outcome::Refused,
            |why| {
                matches!(
                    why,
                    Defect::Outside { what: "the inline tail", limit: "the block that it begins in", .. }
                )
            },
        ),
        (
            "content of a device",
            |image| image.put(image.inode("null") + 8, &[1]),
            Outcome::Refused,
            |why| matches!(why, Defect::Value { field: "i_size of a node without content", .. }),
        ),
        (
            "attributes past the end",
            |image| image.put(image.inode("many/a-long-name-of-a-file-0299") + 2, &[0xff, 0xff]),
            Outcome::Refused,
            |why| matches!(why, Defect::Outside { what: "the inode", .. }),
        ),
        (
            "empty link",
            |image| image.put(image.inode("link") + 8, &[0]),
            Outcome::Refused,
            |why| matches!(why, Defect::Range { field: "i_size of a link", found: 0, .. }),
        ),
        (
            "target with a NUL",
            |image| image.put(image.behind("link") + 2, &[0]),
            Outcome::Refused,
            |why| {
                matches!(why, Defect::Value { field: "length of the link's target", found: 2, expected: 6 })
            },
        ),
    ]);
}

#[test]
fn maps_of_chunks_that_cannot_be_are_refused() {
    run(&[
        (
            "format",
            |image| image.put(image.inode("chunks") + 16, &[0x43]),
            Outcome::Refused,
            |why| matches!(why, Defect::Meaningless { field: "chunk format", found: 0x43 }),
        ),
        (
            "upper half",
            |image| image.put(image.inode("chunks") + 18, &[1]),
            Outcome::Refused,
            |why| matches!(why, Defect::Meaningless { field: "chunk format", .. }),
        ),
        (
            "map past the end",
            |image| image.put(image.inode("chunks") + 12, &[0xff; 3]),
            Outcome::Refused,
            |why| matches!(why, Defect::Outside { what: "the map of chunks", .. }),
        ),
        (
            "map over other inodes",
            |image| image.put(image.inode("chunks") + 10, &[0xff]),
            Outcome::Refused,
            |why| matches!(why, Defect::Overlap { what: "the inode", .. } | Defect::Outside { .. }),
        ),
        (
            "chunk past the end",
            |image| image.put(image.behind("chunks"), &[0xff, 0xff, 0, 0]),
            Outcome::Refused,
            |why| matches!(why, Defect::Outside { what: "a chunk", .. }),
        ),
        (
            "chunk in the inodes",
            |image| image.put(image.behind("chunks"), &[1, 0, 0, 0]),
            Outcome::Found,
            |why| matches!(why, Defect::Overlap { what: "the content", .. }),
        ),
        (
            "content in the chunk of another",
            |image| {
                let map = image.behind("chunks");
                let address = image.bytes[map..map + 4].to_vec();
                image.put(image.inode("run") + 16, &address);
            },
            Outcome::Found,
            |why| matches!(why, Defect::Overlap { what: "the content", .. }),
        ),
        (
            "device",
            |image| image.put(image.inode("chunks") + 16, &[0x20 | 5]),
            Outcome::Refused,
            |why| {
                matches!(
                    why,
                    Defect::Value { field: "device of a chunk", .. }
                        | Defect::Value { field: "high bits of a chunk", .. }
                        | Defect::Overlap { .. }
                        | Defect::Outside { .. }
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

#[test]
fn directories_that_cannot_be_are_refused() {
    run(&[
        (
            "first name",
            |image| image.put(image.behind("dir") + 8, &[13]),
            Outcome::Refused,
            |why| matches!(why, Defect::Range { field: "first nameoff", found: 13, .. }),
        ),
        (
            "no entry",
            |image| image.put(image.behind("dir") + 8, &[0]),
            Outcome::Refused,
            |why| matches!(why, Defect::Range { field: "first nameoff", found: 0, .. }),
        ),
        (
            "names past the end",
            |image| image.put(image.behind("dir") + 8, &[0xfc, 0xff]),
            Outcome::Refused,
            |why| matches!(why, Defect::Range { field: "first nameoff", .. }),
        ),
        (
            "name past the end",
            |image| image.put(image.behind("dir") + 12 + 9, &[0xff]),
            Outcome::Refused,
            |why| matches!(why, Defect::Range { field: "nameoff", .. } | Defect::Name { .. }),
        ),
        (
            "slash",
            |image| {
                let at = name(image, image.behind("dir"), 2);
                image.put(at, b"/");
            },
            Outcome::Refused,
            |why| matches!(why, Defect::Name { .. }),
        ),
        (
            "NUL",
            |image| {
                let at = name(image, image.behind("dir"), 2);
                image.put(at, b"\0");
            },
            Outcome::Refused,
            |why| matches!(why, Defect::Name { .. }),
        ),
        (
            "order",
            |image| {
                let at = name(image, image.behind("dir"), 2);
                image.put(at, b"z");
            },
            Outcome::Refused,
            |why| matches!(why, Defect::Order { .. }),
        ),
        (
            "a name twice",
            |image| {
                let at = name(image, image.block("many"), 3);
                image.put(at + 25, b"0");
            },
            Outcome::Refused,
            |why| matches!(why, Defect::Order { .. }),
        ),
        (
            "type",
            |image| image.put(image.behind("dir") + 2 * 12 + 10, &[7]),
            Outcome::Refused,
            |why| matches!(why, Defect::FileType { found: 7, expected: 1, .. }),
        ),
        (
            "no `.`",
            |image| {
                let at = name(image, image.behind("dir"), 0);
                image.put(at, b"-");
            },
            Outcome::Refused,
            |why| matches!(why, Defect::Missing { what: "the entry `.`" }),
        ),
        (
            "`.` elsewhere",
            |image| {
                let nid = image.nid("many").to_le_bytes();
                image.put(image.behind("dir"), &nid);
            },
            Outcome::Refused,
            |why| matches!(why, Defect::Entry { .. }),
        ),
        (
            "`..` elsewhere",
            |image| {
                let nid = image.nid("many").to_le_bytes();
                image.put(image.behind("dir") + 12, &nid);
            },
            Outcome::Refused,
            |why| matches!(why, Defect::Entry { .. }),
        ),
        (
            "inode past the end",
            |image| image.put(image.behind("dir") + 2 * 12 + 7, &[0x10]),
            Outcome::Refused,
            |why| matches!(why, Defect::Outside { what: "the inode", .. }),
        ),
        (
            "a loop",
            |image| {
                let nid = image.nid("dir").to_le_bytes();
                image.put(image.behind("dir") + 3 * 12, &nid);
            },
            Outcome::Refused,
            |why| matches!(why, Defect::SecondName { .. }),
        ),
        (
            "the middle of an inode",
            |image| {
                let nid = (image.nid("chunks") + 1).to_le_bytes();
                image.put(image.behind("dir") + 2 * 12, &nid);
            },
            Outcome::Refused,
            |why| matches!(why, Defect::Overlap { .. } | Defect::Meaningless { .. }),
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
                    Defect::Overlap { .. }
                        | Defect::Entry { .. }
                        | Defect::Order { .. }
                        | Defect::Missing { .. }
                        | Defect::Range { .. }
                        | Defect::Name { .. }
                        | Defect::FileType { .. }
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
            |why| matches!(why, Defect::Missing { what: "a block of the directory" }),
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
            |why| matches!(why, Defect::Range { field: "h_shared_count", found: 200, .. }),
        ),
        (
            "prefix",
            |image| image.put(image.behind("dir/attributed") + 13, &[9]),
            Outcome::Refused,
            |why| matches!(why, Defect::Meaningless { field: "e_name_index", found: 9 }),
        ),
        (
            "ACL with a name",
            |image| image.put(image.behind("dir/attributed") + 13, &[2]),
            Outcome::Refused,
            |why| matches!(why, Defect::Meaningless { field: "e_name_index", found: 2 }),
        ),
        (
            "long value",
            |image| image.put(image.behind("dir/attributed") + 15, &[0xff]),
            Outcome::Refused,
            |why| matches!(why, Defect::Range { field: "length of an attribute", .. }),
        ),
        (
            "long name",
            |image| image.put(image.behind("dir/attributed") + 12, &[0xff]),
            Outcome::Refused,
            |why| matches!(why, Defect::Range { field: "length of an attribute", .. }),
        ),
        (
            "twice",
            |image| image.put(image.behind("dir/attributed") + 24, b"a"),
            Outcome::Refused,
            |why| matches!(why, Defect::Duplicate { .. }),
        ),
        (
            "shared past the end",
            |image| {
                image.put(image.behind("dir/attributed") + 4, &[1]);
                image.put(image.behind("dir/attributed") + 12, &[0xff; 4]);
            },
            Outcome::Refused,
            |why| matches!(why, Defect::Outside { what: "a shared attribute", .. }),
        ),
    ]);
}

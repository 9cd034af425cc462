//! Each structure corrupted with a right checksum.

use amiforge_formats::xfs::read::{XfsDefect, open};

use super::fixture::{Image, defect};

/// A corruption: its name, the bytes that it changes, and what is expected of the reader (`true`) or only of the checker.
type Case = (&'static str, fn(&mut Image) -> usize, bool, fn(&XfsDefect) -> bool);

fn put(image: &mut Image, at: usize, bytes: &[u8]) -> usize {
    image.put(at, bytes);
    at
}

fn run(name: &str, cases: &[Case]) {
    let pristine = Image::new(name);
    for (case, corrupt, refused, is_right) in cases {
        let mut image = pristine.clone();
        let at = corrupt(&mut image);
        image.repair(at);
        let (refusal, findings) = image.outcome();
        assert!(findings.iter().any(is_right), "{case}: findings {findings:#?}");
        match refusal {
            Some(error) if *refused => {
                let why = defect(error);
                assert!(is_right(&why), "{case}: {why:?}");
            }
            refusal => assert_eq!(refusal.is_some(), *refused, "{case}: {refusal:?}"),
        }
        image.explain();
    }
}

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

#[test]
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

#[test]
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

#[test]
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

#[test]
fn every_structure_is_under_its_checksum() {
    for name in ["plain", "small-blocks"] {
        let pristine = Image::new(name);
        // One of each kind of structure.
        let mut kinds = std::collections::BTreeSet::new();
        for one in pristine.structures.clone() {
            let kind = (one.crc, one.len, pristine.bytes[one.at..one.at + 2].to_vec());
            if !kinds.insert(kind) {
                continue;
            }
            let mut image = pristine.clone();
            image.bytes[one.at + one.crc] ^= 1;
            let (_, findings) = image.outcome();
            let found = findings.iter().any(|why| matches!(why, XfsDefect::Checksum { .. }));
            // What is left of a structure that is not in use any more has a checksum too.
            if !found {
                assert_eq!(findings, [], "{name} at {}", one.at);
            }
        }
        assert!(kinds.len() > 8, "{kinds:?}");
    }
}

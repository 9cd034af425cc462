//! Every image against what the kernel showed of it: kinds, modes, owners, times, sizes, links, contents and attributes.

use std::fmt::Write as _;

use amiforge_formats::map::RangeKind;
use amiforge_formats::plan::SourceId;
use amiforge_formats::read_at::ReadAt;
use amiforge_formats::tree::{Content, NodeId, NodeKind, Origin, Tree};
use amiforge_formats::volume::{FsKind, VolumeContent, probe};
use amiforge_formats::xfs::check::check;
use amiforge_formats::xfs::read::open;
use sha2::{Digest as _, Sha256};

use super::fixture::{Image, NAMES, lines};

/// The first digits of a digest.
fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().take(8).fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn escaped(name: &[u8]) -> String {
    name.iter().fold(String::new(), |mut text, &byte| {
        if (33..127).contains(&byte) && !b"\\,=".contains(&byte) {
            text.push(byte.into());
        } else {
            write!(text, "\\x{byte:02x}").unwrap();
        }
        text
    })
}

fn bytes_of(content: &Content, image: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; content.len() as usize];
    for segment in content.segments() {
        let Origin::Slice { at, .. } = segment.origin else { panic!("bytes of nowhere") };
        let to = &mut bytes[segment.offset as usize..(segment.offset + segment.len) as usize];
        image.read_exact_at(at, to).unwrap();
    }
    bytes
}

fn line(tree: &Tree, id: NodeId, links: u32, path: &[u8], image: &[u8]) -> String {
    let node = tree.node(id);
    let meta = &node.meta;
    let (mut size, mut sum) = ("0".to_owned(), "-".to_owned());
    match &node.kind {
        NodeKind::File(content) => {
            size = content.len().to_string();
            sum = digest(&bytes_of(content, image));
        }
        NodeKind::Symlink(target) => sum = digest(target),
        NodeKind::CharDevice { major, minor } | NodeKind::BlockDevice { major, minor } => {
            size = format!("{major}:{minor}");
        }
        _ => {}
    }
    let xattrs = meta.xattrs.iter().flat_map(|xattrs| xattrs.iter());
    let xattrs: Vec<_> = xattrs.map(|(name, value)| format!("{}={}", escaped(name), digest(value))).collect();
    let xattrs = if xattrs.is_empty() { "-".to_owned() } else { xattrs.join(",") };
    format!(
        "{} {:04o} {} {} {} {size} {links} {sum} {xattrs} /{}\n",
        node.kind.word(),
        meta.mode,
        meta.uid,
        meta.gid,
        meta.mtime,
        escaped(path)
    )
}

#[test]
fn every_image_is_read_as_the_kernel_shows_it() {
    for name in NAMES {
        let image = Image::new(name);
        assert_eq!(probe(&image.bytes).unwrap(), VolumeContent::Known(FsKind::Xfs));
        let read = FsKind::Xfs.format().read(&image.bytes, SourceId(0)).unwrap();
        assert_eq!(read.id.as_deref(), Some("5ca1ab1e-0000-4000-8000-0123456789ab"));
        assert_eq!(read.label, name.as_bytes()[..name.len().min(12)]);
        let tree = read.tree.unwrap();
        let links = tree.link_counts();
        let mut found: Vec<_> = tree
            .walk()
            .map(|entry| {
                let text = line(&tree, entry.id, links[entry.id.index()], &entry.path, &image.bytes);
                (entry.path, text)
            })
            .collect();
        found.sort();
        let expected = lines(name);
        assert_eq!(found.len(), expected.lines().count(), "{name}");
        for ((_, found), expected) in found.iter().zip(expected.lines()) {
            assert_eq!(found.trim_end(), expected, "{name}");
        }
    }
}

#[test]
fn every_image_is_clean_and_every_byte_of_it_is_explained() {
    for name in NAMES {
        let image = Image::new(name);
        let report = check(&image.bytes).unwrap();
        assert!(report.is_clean(), "{name}: {:#?}", report.findings);
        let map = FsKind::Xfs.format().map(&image.bytes).unwrap();
        let end = map.ranges().iter().fold(0, |at, range| {
            assert_eq!(range.start, at);
            range.end()
        });
        assert_eq!(end, image.bytes.len() as u64);
        assert!(map.ranges().iter().all(|range| range.subject.kind() != RangeKind::Unexplained));
        for one in FsKind::Xfs.format().residue(&image.bytes).unwrap() {
            assert!(one.len > 0 && one.offset + one.len <= image.bytes.len() as u64);
        }
    }
}

#[test]
fn a_fresh_image_has_nothing_below_but_the_record_of_its_log() {
    let found = FsKind::Xfs.format().residue(&Image::new("empty").bytes).unwrap();
    let kinds: Vec<_> = found.iter().map(|one| one.kind.name()).collect();
    assert_eq!(kinds, ["journal"], "{found:?}");
    let found = FsKind::Xfs.format().residue(&Image::new("large-directories").bytes).unwrap();
    for kind in ["deleted-entry", "deleted-inode"] {
        assert!(found.iter().any(|one| one.kind.name() == kind), "{kind}");
    }
}

#[test]
fn a_file_is_read_by_its_path() {
    let image = Image::new("plain");
    let file = |path: &[u8], most| FsKind::Xfs.format().file(&image.bytes, path, most);
    assert_eq!(file(b"kinds/short", 100).unwrap().as_deref(), Some(&b"short\n"[..]));
    assert_eq!(file(b"/kinds/a/b/third-name", 6).unwrap().as_deref(), Some(&b"short\n"[..]));
    assert_eq!(file(b"kinds/empty", 0).unwrap(), Some(Vec::new()));
    let tree = open(&image.bytes).unwrap().tree(SourceId(0)).unwrap();
    for path in [&b"kinds/sparse"[..], b"kinds/reserved", b"shares/three"] {
        let NodeKind::File(content) = &tree.node(tree.lookup(path).unwrap()).kind else { panic!() };
        assert_eq!(file(path, 1 << 21).unwrap(), Some(bytes_of(content, &image.bytes)));
    }
    for absent in [&b"kinds"[..], b"kinds/none", b"kinds/short/x", b"kinds/link", b""] {
        assert_eq!(file(absent, 100).unwrap(), None);
    }
    assert!(file(b"kinds/odd", 10_000).is_err());
}

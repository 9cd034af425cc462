//! Extraction: what is made, and what never is.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use amiforge_formats::plan::NoSources;
use amiforge_formats::tree::{Name, Origin, Segment};

use super::*;

struct Sample {
    tree: Tree,
}

impl Sample {
    fn new() -> Self {
        Self { tree: Tree::new(Meta::root_owned(0o755, Time::from_secs(5))) }
    }

    fn add(&mut self, above: &str, name: &[u8], mode: u16, kind: NodeKind) -> NodeId {
        let dir = self.tree.lookup(above.as_bytes()).unwrap();
        let meta = Meta::root_owned(mode, Time { secs: 1_000_000, nanos: 42 });
        self.tree.add(dir, Name::new(name).unwrap(), Node { meta, kind }).unwrap()
    }

    fn to(&self, dest: &Path, overwrite: Overwrite) -> Result<Extracted, InspectError> {
        extract((&self.tree, self.tree.root()), b"", &NoSources, dest, (Owners::Mine, overwrite))
    }
}

fn text(bytes: &[u8]) -> NodeKind {
    NodeKind::File(Content::Inline(bytes.into()))
}

#[test]
fn modes_times_links_and_holes_come_out_as_they_are_and_power_does_not() {
    let mut sample = Sample::new();
    sample.add("", b"d", 0o500, NodeKind::dir());
    let id = sample.add("d", b"f", 0o4640, text(b"hello"));
    sample.tree.link(sample.tree.root(), Name::new(b"g").unwrap(), id).unwrap();
    sample.add("", b"l", 0o777, NodeKind::Symlink(b"/etc/passwd".as_slice().into()));
    sample.add("", b"p", 0o600, NodeKind::Fifo);
    sample.add("", b"null", 0o666, NodeKind::CharDevice { major: 1, minor: 3 });
    let origin = Origin::Inline { bytes: b"end".as_slice().into(), at: 0 };
    let segments: Vec<_> = vec![Segment { offset: 1 << 20, len: 3, origin }];
    sample.add("", b"s", 0o600, NodeKind::File(Content::Sparse { len: 2 << 20, segments: segments.into() }));
    sample.add("", b"w\xff\n", 0o600, text(b""));
    let folder = tempfile::tempdir().unwrap();
    let dest = folder.path().join("out");
    let done = sample.to(&dest, Overwrite::Never).unwrap();
    assert_eq!((done.devices_left_out, done.set_id_dropped, done.bytes), (1, 1, 8));
    let stat = |name: &str| std::fs::symlink_metadata(dest.join(name)).unwrap();
    assert_eq!(stat("d").mode() & 0o7777, 0o500);
    assert_eq!((stat("d").mtime(), stat("d").mtime_nsec()), (1_000_000, 42));
    assert_eq!(stat("d/f").mode() & 0o7777, 0o640);
    assert_eq!(stat("d/f").ino(), stat("g").ino());
    assert_eq!(std::fs::read_link(dest.join("l")).unwrap(), Path::new("/etc/passwd"));
    assert_eq!(stat("l").mtime(), 1_000_000);
    assert_eq!((stat("s").len(), stat("s").blocks() < 2048), (2 << 20, true));
    assert!(!dest.join("null").exists());
    assert_eq!(std::fs::metadata(&dest).unwrap().mtime(), 5);
    std::fs::set_permissions(dest.join("d"), std::fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_link_in_the_destination_is_never_gone_through() {
    let folder = tempfile::tempdir().unwrap();
    let (dest, outside) = (folder.path().join("out"), folder.path().join("outside"));
    std::fs::create_dir_all(&dest).unwrap();
    std::fs::create_dir_all(&outside).unwrap();
    // The first image leaves a link where the second has a folder.
    let mut first = Sample::new();
    first.add("", b"d", 0o777, NodeKind::Symlink(b"../outside".as_slice().into()));
    first.to(&dest, Overwrite::Never).unwrap();
    let mut second = Sample::new();
    second.add("", b"d", 0o755, NodeKind::dir());
    second.add("d", b"f", 0o644, text(b"escaped"));
    assert!(matches!(second.to(&dest, Overwrite::Never), Err(InspectError::Exists { .. })));
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    // With overwriting allowed, the folder replaces the link.
    second.to(&dest, Overwrite::Allowed).unwrap();
    assert_eq!(std::fs::read(dest.join("d/f")).unwrap(), b"escaped");
    assert!(!dest.join("d").is_symlink());
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn files_are_not_overwritten_or_written_through_unless_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (dest, outside) = (folder.path().join("out"), folder.path().join("precious"));
    std::fs::create_dir_all(&dest).unwrap();
    std::fs::write(&outside, "kept").unwrap();
    symlink(&outside, dest.join("f")).unwrap();
    let mut sample = Sample::new();
    sample.add("", b"f", 0o644, text(b"new"));
    assert!(matches!(sample.to(&dest, Overwrite::Never), Err(InspectError::Exists { .. })));
    sample.to(&dest, Overwrite::Allowed).unwrap();
    assert_eq!(std::fs::read(&outside).unwrap(), b"kept");
    assert_eq!(std::fs::read(dest.join("f")).unwrap(), b"new");
}

#[test]
fn a_single_file_goes_to_the_name_or_into_the_folder() {
    let mut sample = Sample::new();
    let id = sample.add("", b"f", 0o644, text(b"one"));
    let folder = tempfile::tempdir().unwrap();
    let how = (Owners::Mine, Overwrite::Never);
    extract((&sample.tree, id), b"f", &NoSources, &folder.path().join("named"), how).unwrap();
    extract((&sample.tree, id), b"f", &NoSources, folder.path(), how).unwrap();
    for name in ["named", "f"] {
        assert_eq!(std::fs::read(folder.path().join(name)).unwrap(), b"one");
    }
}

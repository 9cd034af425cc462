//! What is written is read back: at random, from a stream, unpacked; as a whole and as a delta.

use std::fs;
use std::path::Path;

use amiforge_formats::digest::BLOCK;
use amiforge_formats::read_at::ReadAt as _;
use amiforge_handover::HandoverError;
use amiforge_handover::check::NoVisitor;
use amiforge_handover::contents::PARENT;
use amiforge_handover::read::{Handover, Input, files_of};
use amiforge_handover::unpack::{UnpackedHandover, unpack};
use amiforge_handover::write::{Destination, ExportOptions, export};
use amiforge_progress::Monitor;

use super::fixture::{Fixture, LEN, bundle, check_bytes, check_file, export_to, names};

fn unpack_to(file: &Path, parent: Option<&Path>, out: &Path) -> Result<UnpackedHandover, HandoverError> {
    unpack(Input::Files(files_of(file)?), parent, out, &mut NoVisitor, Monitor::none())
}

fn same_bundles(one: &Path, other: &Path) {
    assert_eq!(names(one), names(other));
    for name in names(one) {
        assert!(fs::read(one.join(&name)).unwrap() == fs::read(other.join(&name)).unwrap(), "{name}");
    }
}

#[test]
fn an_image_reads_back_at_any_offset_and_each_content_is_stored_once() {
    let fixture = Fixture::new();
    let handover = Handover::open(&fixture.path("web.amx")).unwrap();
    let disk = fs::read(fixture.path("web/disk.raw")).unwrap();
    assert_eq!(handover.size(), LEN);
    // Six contents in seven blocks; zeros and free space are not stored.
    let needed: Vec<_> = handover.contents().needed.iter().map(|block| block.index).collect();
    assert_eq!(needed, [0, 1, 2, 7, 9, 11]);
    let mut all = vec![1; disk.len()];
    handover.read_exact_at(0, &mut all).unwrap();
    assert!(all == disk);
    for (at, len) in [(0, 1), (BLOCK - 3, 6), (BLOCK - 1, 2 * BLOCK + 9), (LEN - 1, 1), (5 * BLOCK, 7)] {
        let mut buf = vec![1; len as usize];
        handover.read_exact_at(at, &mut buf).unwrap();
        assert!(buf == disk[at as usize..(at + len) as usize], "{at}");
    }
    assert!(handover.read_exact_at(LEN - 1, &mut [0; 2]).is_err());
    // Blocks 3, 5, 6, 8 and 10 have no data.
    for (from, to, expected) in [
        (0, LEN, Some(0..3 * BLOCK)),
        (7, 9, Some(7..9)),
        (3 * BLOCK, LEN, Some(4 * BLOCK..5 * BLOCK)),
        (3 * BLOCK + 5, 4 * BLOCK, None),
        (5 * BLOCK, 7 * BLOCK + 1, Some(7 * BLOCK..7 * BLOCK + 1)),
        (10 * BLOCK, u64::MAX, Some(11 * BLOCK..LEN)),
        (LEN, u64::MAX, None),
        (9, 9, None),
    ] {
        assert_eq!(handover.data_from(from, to).unwrap(), expected, "{from} to {to}");
    }
    assert!(handover.read_exact_at(u64::MAX, &mut [0; 2]).is_err());
}

#[test]
fn the_bytes_depend_on_the_bundle_alone() {
    let fixture = Fixture::new();
    for threads in [1, 3] {
        let options = || ExportOptions { threads, ..ExportOptions::default() };
        let out = fixture.path(&format!("{threads}.amx"));
        let to = Destination::File { path: out.clone(), split: None };
        export(&fixture.path("web"), options(), to, Monitor::none()).unwrap();
        assert!(fs::read(&out).unwrap() == fixture.bytes());
        let mut stream = Vec::new();
        let exported =
            export(&fixture.path("web"), options(), Destination::Stream(&mut stream), Monitor::none())
                .unwrap();
        assert!(stream == fixture.bytes());
        assert_eq!(exported.len, stream.len() as u64);
        let checked = check_bytes(&stream);
        assert!(checked.damage.is_none(), "{:?}", checked.damage);
        assert_eq!((checked.blocks, checked.good.unwrap().offset), (6, stream.len() as u64));
    }
}

#[test]
fn an_unpacked_bundle_is_the_one_that_was_exported_and_its_image_has_holes() {
    use std::os::unix::fs::MetadataExt as _;
    let fixture = Fixture::new();
    let out = fixture.path("out");
    let unpacked = unpack_to(&fixture.path("web.amx"), None, &out).unwrap();
    assert_eq!((unpacked.blocks, unpacked.from_parent), (6, 0));
    same_bundles(&fixture.path("web"), &out);
    let disk = fs::metadata(out.join("disk.raw")).unwrap();
    assert!(disk.blocks() * 512 < LEN, "it has holes: {} blocks", disk.blocks());
    let again = unpack_to(&fixture.path("web.amx"), None, &out);
    assert!(matches!(again, Err(HandoverError::Unpack(_))), "{again:?}");
}

#[test]
fn a_delta_holds_what_differs_and_unpacks_over_its_parent_only() {
    let fixture = Fixture::new();
    bundle(&fixture.path("next"), 11);
    let parent = fs::read(fixture.path("web/manifest.json")).unwrap();
    let options = ExportOptions { parent: Some(parent.clone()), ..ExportOptions::default() };
    let path = fixture.path("next.amx");
    let to = Destination::File { path: path.clone(), split: None };
    let exported = export(&fixture.path("next"), options, to, Monitor::none()).unwrap();
    assert_eq!(exported.blocks, 1);
    assert!(check_file(&path).unwrap().damage.is_none());
    let handover = Handover::open(&path).unwrap();
    assert_eq!(handover.contents().documents[PARENT], parent);
    assert!(handover.read_exact_at(2 * BLOCK, &mut [0; 8]).is_ok());
    assert!(handover.read_exact_at(BLOCK, &mut [0; 8]).is_err(), "only the parent has it");
    let out = fixture.path("out");
    for wrong in [None, Some(fixture.path("next"))] {
        let refused = unpack_to(&path, wrong.as_deref(), &out);
        assert!(matches!(refused, Err(HandoverError::Parent { .. })), "{refused:?}");
    }
    let unpacked = unpack_to(&path, Some(&fixture.path("web")), &out).unwrap();
    assert_eq!((unpacked.blocks, unpacked.from_parent), (1, 6));
    same_bundles(&fixture.path("next"), &out);
}

#[test]
fn a_bundle_that_was_changed_is_not_exported() {
    use std::os::unix::fs::FileExt as _;
    let fixture = Fixture::new();
    fs::write(fixture.path("web/tree.txt"), "/ other\n").unwrap();
    let refused = export_to(&fixture.path("web"), &fixture.path("x.amx"), None);
    assert!(matches!(&refused, Err(HandoverError::Bundle { name, .. }) if name == "tree.txt"), "{refused:?}");
    fs::write(fixture.path("web/tree.txt"), "/ dir\n").unwrap();
    let disk = fs::OpenOptions::new().write(true).open(fixture.path("web/disk.raw")).unwrap();
    disk.write_all_at(b"x", BLOCK + 7).unwrap();
    let refused = export_to(&fixture.path("web"), &fixture.path("x.amx"), None);
    assert!(matches!(refused, Err(HandoverError::BlockChanged { index: 1, .. })), "{refused:?}");
    assert_eq!(fixture.names(), ["web", "web.amx"]);
}

#[test]
fn a_taken_name_is_kept_and_what_a_killed_export_left_is_written_over() {
    let fixture = Fixture::new();
    let before = fixture.bytes();
    let refused = export_to(&fixture.path("web"), &fixture.path("web.amx"), None);
    assert!(matches!(refused, Err(HandoverError::Exists { .. })), "{refused:?}");
    assert!(fixture.bytes() == before);
    let partial = fixture.path(".x.amx.partial");
    fs::write(&partial, "half of one").unwrap();
    let running = fs::File::open(&partial).unwrap();
    rustix::fs::flock(&running, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let refused = export_to(&fixture.path("web"), &fixture.path("x.amx"), None);
    assert!(matches!(refused, Err(HandoverError::Busy { .. })), "{refused:?}");
    drop(running);
    export_to(&fixture.path("web"), &fixture.path("x.amx"), None).unwrap();
    assert!(fs::read(fixture.path("x.amx")).unwrap() == before);
    std::os::unix::fs::symlink("web.amx", fixture.path(".y.amx.partial")).unwrap();
    let refused = export_to(&fixture.path("web"), &fixture.path("y.amx"), None);
    assert!(matches!(refused, Err(HandoverError::File { .. })), "{refused:?}");
    assert!(fixture.bytes() == before, "nothing is written through a link");
}

//! The writer, checked with our own reader: trees, changes, limits and refusals.

use amiforge_formats::fat::write;
use amiforge_formats::fat::write::{FatNameError, FatWriteError, ShownPath};
use amiforge_formats::plan::{Data, SourceId};
use amiforge_formats::tree::{Content, NodeKind};
use amiforge_tests::volume;

use super::fixture::{MIB, assert_nothing_below, assert_same, esp, options, plan, tree_of};

#[test]
fn our_reader_gives_back_the_tree_over_garbage() {
    let tree = tree_of(&esp());
    for len in [40 * MIB, 64 * MIB + 512, 300 * MIB] {
        assert_same(&tree, &volume::bytes(&plan(&tree, len), 0xaa));
    }
    assert_same(&volume::tree(&[], 0), &volume::bytes(&plan(&volume::tree(&[], 0), 34 * MIB), 0xff));
}

/// Blocks of 512 KiB that differ.
fn dirty(a: &[u8], b: &[u8]) -> usize {
    a.chunks(512 << 10).zip(b.chunks(512 << 10)).filter(|(a, b)| a != b).count()
}

#[test]
fn a_changed_kernel_dirties_little_else() {
    let files = |kernel: usize, conf: usize| {
        let mut files = esp();
        files.push(("EFI/Linux/a-kernel.efi".to_owned(), vec![1; kernel]));
        files.push(("EFI/Linux/b-kernel.efi".to_owned(), vec![2; 5 << 20]));
        files.push(("loader/extra.conf".to_owned(), vec![3; conf]));
        volume::bytes(&plan(&tree_of(&files), 64 * MIB), 0)
    };
    let before = files(6_000_000, 100);
    // The new bytes of the file, the tables, FSInfo and the directory.
    let grown = dirty(&before, &files(6_200_000, 100));
    let changed = dirty(&before, &files(6_000_000, 3000));
    println!("blocks of 512 KiB dirtied: kernel grown by 200 kB {grown}, a small file grown {changed}");
    assert!(grown <= 5, "{grown}");
    assert!(changed <= 4, "{changed}");
}

#[test]
fn directories_are_written_as_deep_as_they_are_read() {
    let tree = |depth: usize| tree_of(&[("d/".repeat(depth) + "file", vec![1])]);
    let deepest = tree(255);
    let image = volume::bytes(&plan(&deepest, 34 * MIB), 0);
    assert_same(&deepest, &image);
    assert_nothing_below(&image);
    let refused = write::plan(&tree(256), &options(), 34 * MIB).unwrap_err();
    assert!(matches!(refused, FatWriteError::TooDeep { .. }), "{refused}");
}

#[test]
fn trees_that_fat_cannot_hold_are_refused_with_the_path_and_the_reason() {
    let refused =
        |files: &[(&str, Vec<u8>)]| write::plan(&volume::tree(files, 0), &options(), 34 * MIB).unwrap_err();
    let path = |text: &str| ShownPath(text.as_bytes().to_vec());
    assert_eq!(
        refused(&[("EFI/BOOT/a", vec![]), ("EFI/Boot/a", vec![])]),
        FatWriteError::SameName { a: path("EFI/BOOT"), b: path("EFI/Boot") }
    );
    for (name, reason) in [("d/a:b", FatNameError::Character(':')), ("end.", FatNameError::End)] {
        let refused = refused(&[(name, vec![])]);
        assert_eq!(refused, FatWriteError::Name { path: path(name), source: reason });
    }
    for label in ["lower", "TWELVE CHARS", " SPACE", "Ä"] {
        let options = write::FatOptions { label: label.to_owned(), ..options() };
        let error = write::plan(&volume::tree(&[], 0), &options, 34 * MIB).unwrap_err();
        assert_eq!(error, FatWriteError::Label { label: label.to_owned() });
    }
    let mut long = volume::tree(&[("long", vec![])], 0);
    let id = long.lookup(b"long").unwrap();
    long.node_mut(id).kind = NodeKind::File(Content::Slice { source: SourceId(1), at: 0, len: 1 << 32 });
    let error = write::plan(&long, &options(), 8 << 30).unwrap_err();
    assert_eq!(error, FatWriteError::FileTooLong { path: path("long"), len: 1 << 32 });
    let many: Vec<_> = (0..33_000).map(|n| (format!("a name of two entries {n}"), Vec::new())).collect();
    let error = write::plan(&tree_of(&many), &options(), 64 * MIB).unwrap_err();
    assert!(matches!(error, FatWriteError::DirTooLong { entries, .. } if entries > 65_536), "{error}");
}

#[test]
fn contents_stay_references_and_the_least_length_is_the_least() {
    let mut tree = volume::tree(&[("kernel.efi", vec![])], 0);
    let id = tree.lookup(b"kernel.efi").unwrap();
    let len = 50 * MIB + 3;
    tree.node_mut(id).kind = NodeKind::File(Content::Slice { source: SourceId(7), at: 99, len });
    let least = write::minimal_len(&tree, &options(), 0).unwrap();
    assert_eq!(least % (512 * 1024), 0);
    let plan = plan(&tree, least);
    let slice = plan.extents().iter().find(|extent| matches!(extent.data, Data::Slice { .. })).unwrap();
    assert_eq!((slice.len, &slice.data), (len, &Data::Slice { source: SourceId(7), at: 99 }));
    assert_eq!(slice.offset % 4096, 0);
    let slack = write::minimal_len(&tree, &options(), 10 * MIB).unwrap();
    assert!((10 * MIB..11 * MIB).contains(&(slack - least)), "{least} {slack}");
    // Without the gaps between files a slightly smaller volume suffices, and not a much smaller one.
    assert!(write::plan(&tree, &options(), 52 * MIB).is_ok());
    assert!(matches!(write::plan(&tree, &options(), 50 * MIB), Err(FatWriteError::NoSpace { .. })));
}

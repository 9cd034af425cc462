//! What EROFS cannot hold is refused, with the path and both values.

use amiforge_formats::erofs::write::{ErofsOptions, ErofsWriteError, plan};
use amiforge_formats::plan::SourceId;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, NodeKind, Origin, Segment};

use super::fixture::{MIB, add, empty, options, slice};

#[test]
fn trees_that_no_inode_can_hold_are_refused() {
    type Change = fn(&mut amiforge_formats::tree::Node);
    type Expected = fn(&ErofsWriteError) -> bool;
    let cases: [(Change, Expected); 9] = [
        (
            |node| node.meta.mode = 0o10_000,
            |error| matches!(error, ErofsWriteError::Mode { mode: 0o10_000, .. }),
        ),
        (|node| node.meta.mtime.nanos = 1_000_000_000, |error| matches!(error, ErofsWriteError::Time { .. })),
        (
            |node| node.kind = NodeKind::Symlink(Box::default()),
            |error| matches!(error, ErofsWriteError::Symlink { len: 0, .. }),
        ),
        (
            |node| node.kind = NodeKind::Symlink(vec![b'a'; 4096].into()),
            |error| matches!(error, ErofsWriteError::Symlink { len: 4096, .. }),
        ),
        (
            |node| node.kind = NodeKind::CharDevice { major: 4096, minor: 0 },
            |error| matches!(error, ErofsWriteError::Device { .. }),
        ),
        (|node| node.kind = slice(0, 1 << 50), |error| matches!(error, ErofsWriteError::FileTooLarge { .. })),
        (
            |node| {
                let segment =
                    Segment { offset: 5, len: 6, origin: Origin::Slice { source: SourceId(0), at: 0 } };
                node.kind = NodeKind::File(Content::Sparse { len: 10, segments: [segment].into() });
            },
            |error| matches!(error, ErofsWriteError::Segments { .. }),
        ),
        (
            |node| node.meta.xattrs = Some(Box::new([(b"system.other"[..].into(), Box::default())].into())),
            |error| matches!(error, ErofsWriteError::XattrName { .. }),
        ),
        (
            |node| node.meta.xattrs = Some(Box::new([(b"user.x"[..].into(), vec![0; 65_536].into())].into())),
            |error| matches!(error, ErofsWriteError::XattrSpace { needed: 65_536, .. }),
        ),
    ];
    for (at, (change, is_right)) in cases.into_iter().enumerate() {
        let mut tree = empty();
        let root = tree.root();
        let dir = add(&mut tree, root, b"dir", NodeKind::dir());
        let id = add(&mut tree, dir, b"node", slice(0, 10));
        change(tree.node_mut(id));
        let error = plan(&tree, &options(), 64 * MIB).unwrap_err();
        assert!(is_right(&error), "{at}: {error:?}");
        assert!(error.to_string().contains("/dir/node"), "{error}");
    }
}

#[test]
fn options_and_lengths_that_cannot_be_are_refused() {
    let tree = empty();
    let refused = |options: ErofsOptions, len| plan(&tree, &options, len).unwrap_err();
    for label in ["seventeen letters", "a\0b"] {
        let error = refused(ErofsOptions { label: label.into(), ..options() }, MIB);
        assert!(matches!(error, ErofsWriteError::Label { .. }));
    }
    let error = refused(ErofsOptions { time: Time::from_secs(-1), ..options() }, MIB);
    assert!(matches!(error, ErofsWriteError::CreationTime { .. }));
    assert!(matches!(refused(options(), 1 << 44), ErofsWriteError::TooLarge { .. }));
    let error = refused(options(), 4096);
    assert_eq!(error, ErofsWriteError::NoSpace { needed: 8192, available: 4096 });
    assert!(plan(&tree, &options(), 8192).is_ok());
}

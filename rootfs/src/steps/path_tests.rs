//! Resolution of paths in trees, with the notation of `testing`.

use std::sync::Arc;

use amiforge_formats::path::{self, *};
use amiforge_formats::plan::{NoSources, SourceId};
use amiforge_formats::tree::{Content, Meta, Node, NodeKind, Origin, Segment, Tree};

use crate::steps::testing::{NOW, OneSource, add, shape, tree};

/// The path that another one leads to, `?` after one of a missing node.
fn target(tree: &Tree, path: &str) -> String {
    match resolve(tree, path.as_bytes(), Last::Follow) {
        Ok(Some(resolved)) => {
            let mark = if resolved.node.is_some() { "" } else { "?" };
            format!("{}{mark}", String::from_utf8(resolved.path).unwrap())
        }
        Ok(None) => "-".into(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn links_are_followed_within_the_tree() {
    let tree = tree(&[
        ("/usr/lib/x", "file 0644 x"),
        ("/lib", "link usr/lib"),
        ("/abs", "link /lib/../lib/./x"),
        ("/out", "link ../../../usr"),
        ("/a/b/up", "link ../../lib"),
        ("/loop", "link loop"),
        ("/chain", "link gone/on"),
        ("/slash", "link usr/lib/"),
        ("/top", "link /"),
        ("/via", "link usr/lib/x/y"),
    ]);
    for (path, expected) in [
        ("/", "/"),
        ("/lib/x", "/usr/lib/x"),
        ("/abs", "/usr/lib/x"),
        ("/out/lib/x", "/usr/lib/x"),
        ("/a/b/up/x", "/usr/lib/x"),
        ("/slash/x", "/usr/lib/x"),
        ("/top/top/lib", "/usr/lib"),
        ("/lib/new", "/usr/lib/new?"),
        ("/chain", "-"),
        ("/gone/deeper", "-"),
        ("/loop", "`/loop` leads through more than 40 symbolic links"),
        ("/via", "`/usr/lib/x` is a file where a directory is needed"),
    ] {
        assert_eq!(target(&tree, path), expected, "{path}");
    }
    let unresolved = resolve(&tree, b"/a/b/up", Last::Keep).unwrap().unwrap();
    assert_eq!(unresolved.path, b"/a/b/up");
}

#[test]
fn forty_links_are_followed_and_no_more() {
    let mut tree = tree(&[("/l0", "file 0644 x")]);
    for n in 1..=41 {
        add(&mut tree, &format!("/l{n}"), &format!("link l{}", n - 1));
    }
    assert_eq!(target(&tree, "/l40"), "/l0");
    assert!(target(&tree, "/l41").contains("more than 40"));
}

#[test]
fn missing_parents_are_created_at_the_target_of_links() {
    let mut tree = tree(&[("/var/run", "link ../run")]);
    let resolved = resolve_with_parents(&mut tree, b"/var/run/a/b/c", Last::Keep, NOW).unwrap();
    assert_eq!((resolved.path, resolved.node), (b"/run/a/b/c".to_vec(), None));
    assert_eq!(shape(&tree, "/run/a/b"), "dir 0755 0:0");
    write(&mut tree, b"/run/a", b"x", 0o644, NOW).unwrap_err();
    let run = path::resolve(&tree, b"/run", Last::Keep).unwrap().unwrap();
    let node = Node { meta: Meta::root_owned(0o644, NOW), kind: NodeKind::Fifo };
    put(&mut tree, &run, node).unwrap_err();
}

#[test]
fn sparse_and_sliced_content_is_read_and_bounded() {
    let mut tree = tree(&[("/f", "file 0644 x")]);
    let segment = |offset, len, origin| Segment { offset, len, origin };
    let inline = Origin::Inline { bytes: Arc::from(&b"abcd"[..]), at: 1 };
    let slice = Origin::Slice { source: SourceId(0), at: 2 };
    let segments = Arc::from([segment(1, 2, inline), segment(4, 1, slice)]);
    let id = tree.lookup(b"f").unwrap();
    tree.node_mut(id).kind = NodeKind::File(Content::Sparse { len: 6, segments });
    let bytes = read(&tree, &OneSource(b"xyz".to_vec()), b"/f").unwrap().unwrap();
    assert_eq!(bytes, b"\0bc\0z\0");
    assert!(matches!(read(&tree, &NoSources, b"/f"), Err(PathError::Read { .. })));
    tree.node_mut(id).kind = NodeKind::File(Content::Slice { source: SourceId(0), at: 0, len: u64::MAX });
    assert!(matches!(read(&tree, &NoSources, b"/f"), Err(PathError::TooLarge { .. })));
    assert!(matches!(read(&tree, &NoSources, b"/"), Err(PathError::NotAFile { .. })));
}

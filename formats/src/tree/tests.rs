//! Names, links and walks of trees.

use super::*;

fn file() -> Node {
    Node { meta: Meta::root_owned(0o644, Time::EPOCH), kind: NodeKind::File(Content::empty()) }
}

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).unwrap()
}

#[test]
fn walk_is_sorted_and_counts_links() {
    let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
    let dir = Node { meta: Meta::root_owned(0o755, Time::EPOCH), kind: NodeKind::dir() };
    let b = tree.add(tree.root(), name("b"), dir.clone()).unwrap();
    let a = tree.add(tree.root(), name("a"), dir).unwrap();
    let f = tree.add(b, name("f"), file()).unwrap();
    tree.link(a, name("g"), f).unwrap();
    let paths: Vec<_> = tree.walk().map(|entry| String::from_utf8(entry.path).unwrap()).collect();
    assert_eq!(paths, ["", "a", "a/g", "b", "b/f"]);
    let counts = tree.link_counts();
    assert_eq!((counts[0], counts[a.index()], counts[f.index()]), (4, 2, 2));
    assert_eq!(tree.lookup(b"/b/./f"), Some(f));
    assert_eq!(tree.add(b, name("f"), file()), Err(TreeError::Exists { name: name("f") }));
    assert!(matches!(tree.add(f, name("x"), file()), Err(TreeError::NotADir { found: "file" })));
    assert_eq!(tree.link(b, name("d"), a), Err(TreeError::DirLink));
    assert_eq!(tree.unlink(b, b"f"), Some(f));
    assert_eq!(tree.link_counts()[f.index()], 1);
}

#[test]
fn names_that_linux_refuses_are_refused() {
    for wrong in [&b""[..], b".", b"..", b"a/b", b"a\0", &[b'x'; 256]] {
        assert!(Name::new(wrong).is_err());
    }
    assert!(Name::new(&[0xff; 255]).is_ok());
}

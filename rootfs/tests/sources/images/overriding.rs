//! How layers of an image override each other.

use super::{Layout, names};
use crate::archive::{assembled, dir, file, link};

#[test]
fn layers_override_each_other_as_the_specification_says() {
    let layout = Layout::new()
        .layer(&[
            dir("a"),
            file("a/kept", b"1"),
            file("a/gone", b"1"),
            file("a/new", b"1"),
            dir("b"),
            file("b/x", b"1"),
            dir("b/sub"),
            file("b/sub/y", b"1"),
            file("c", b"1"),
            dir("d"),
            file("d/x", b"1"),
            file("e", b"1"),
            link(b'2', "s", "a"),
        ])
        .layer(&[
            file("a/.wh.gone", b""),
            file("a/new", b"22"),
            // The opaque whiteout comes after entries of this layer, and removes only entries of lower layers.
            dir("b"),
            file("b/z", b"22"),
            file("b/.wh..wh..opq", b""),
            dir("c"),
            file("c/in", b"22"),
            file("d", b"22"),
            file(".wh.nothing", b""),
            dir("s"),
        ])
        .layer(&[
            link(b'1', "hard", "a/kept"),
            file(".wh.e", b""),
            file(".wh.b", b""),
            file("b/later", b"333"),
        ])
        .finish();
    let expected = [
        "/a dir",
        "/a/kept 1",
        "/a/new 2",
        "/b dir",
        "/b/later 3",
        "/c dir",
        "/c/in 2",
        "/d 2",
        "/hard link=/a/kept",
        "/s dir",
    ];
    assert_eq!(names(&layout), expected);
    // Again, from the store.
    assert_eq!(names(&layout), expected);
}

/// The names of an image with a base layer of a folder with two files, and further layers on it.
fn names_over_base(layers: &[&[Vec<u8>]]) -> Vec<String> {
    let base = [dir("d"), file("d/a", b"1"), file("d/b", b"22")];
    let layout = layers.iter().fold(Layout::new().layer(&base), |layout, layer| layout.layer(layer));
    names(&layout.finish())
}

#[test]
fn a_hard_link_to_a_lower_file_does_not_keep_the_lower_name() {
    let hard = || link(b'1', "c", "d/a");
    for marks in [vec![file("d/.wh.a", b"")], vec![file(".wh.d", b""), dir("d"), file("d/b", b"22")]] {
        for link_first in [true, false] {
            let mut layer = marks.clone();
            layer.insert(if link_first { 0 } else { marks.len() }, hard());
            assert_eq!(names_over_base(&[&layer]), ["/c 1", "/d dir", "/d/b 2"], "{link_first}");
        }
    }
    let opaque = [hard(), dir("d"), file("d/.wh..wh..opq", b""), file("d/b", b"22")];
    assert_eq!(names_over_base(&[&opaque]), ["/c 1", "/d dir", "/d/b 2"]);
    // A new version of the lower file is another file than the link.
    assert_eq!(names_over_base(&[&[hard(), file("d/a", b"new")]]), ["/c 1", "/d dir", "/d/a 3", "/d/b 2"]);
    // After it, the name is that of the new file.
    let after = names_over_base(&[&[file("d/a", b"new"), hard()]]);
    assert_eq!(after, ["/c 3", "/d dir", "/d/a link=/c", "/d/b 2"]);
    // The link is a name of its layer, and of a lower layer for the next one.
    assert_eq!(names_over_base(&[&[hard()], &[file(".wh.c", b"")]]), ["/d dir", "/d/a 1", "/d/b 2"]);
    assert_eq!(names_over_base(&[&[hard()], &[file("d/.wh.a", b"")]]), ["/c 1", "/d dir", "/d/b 2"]);
    assert_eq!(names_over_base(&[&[hard()], &[file("c", b"new")]]), ["/c 3", "/d dir", "/d/a 1", "/d/b 2"]);
    // A link that repeats an existing one is a name of its layer: a whiteout in the same layer does not remove it.
    let again = names_over_base(&[&[hard()], &[hard(), file(".wh.c", b"")]]);
    assert_eq!(again, ["/c 1", "/d dir", "/d/a link=/c", "/d/b 2"]);
}

#[test]
fn an_implied_directory_takes_nothing_from_a_removed_lower_one() {
    let base = [private_dir(b"d"), file("d/a", b"1")];
    for mark in [file(".wh.d", b""), file("d/.wh..wh..opq", b"")] {
        for layer in [[mark.clone(), file("d/e/b", b"2")], [file("d/e/b", b"2"), mark]] {
            let layout = Layout::new().layer(&base).layer(&layer).finish();
            let (done, _) = assembled(&[layout.spec()], layout.folder.path()).unwrap();
            assert!(done.tree.lookup(b"d/a").is_none());
            let mode = |path: &[u8]| done.tree.node(done.tree.lookup(path).unwrap()).meta.mode;
            assert_eq!(mode(b"d/e"), 0o755);
            let opaque = layer.iter().any(|entry| entry.starts_with(b"d/.wh"));
            assert_eq!(
                mode(b"d"),
                if opaque { 0o700 } else { 0o755 },
                "an opaque directory keeps its metadata"
            );
        }
    }
}

/// A directory of mode 0700.
fn private_dir(name: &[u8]) -> Vec<u8> {
    crate::archive::Header::new(name, b'5', 0).set(100, b"0000700\0").0.to_vec()
}

#[test]
fn whiteouts_may_be_links_and_files_of_aufs_are_ignored() {
    let links = [file("d/.wh.a", b""), link(b'1', "d/.wh.b", "d/.wh.a")];
    assert_eq!(names_over_base(&[&links]), ["/d dir"]);
    assert_eq!(names_over_base(&[&[link(b'1', "d/.wh.a", "d/b")]]), ["/d dir", "/d/b 2"]);
    let aufs = [
        dir(".wh..wh.plnk"),
        file(".wh..wh.aufs", b""),
        dir(".wh..wh.orph"),
        file(".wh..wh.plnk/12.34", b"333"),
        link(b'1', "e", ".wh..wh.plnk/12.34"),
        file("d/.wh..wh.x", b""),
    ];
    assert_eq!(names_over_base(&[&aufs]), ["/d dir", "/d/a 1", "/d/b 2", "/e 3"]);
}

#[test]
fn paths_of_a_layer_lead_through_lower_links_within_the_tree() {
    let base = [
        dir("usr"),
        dir("usr/lib"),
        file("usr/lib/old", b"1"),
        link(b'2', "lib", "usr/lib"),
        link(b'2', "abs", "/usr/lib"),
        link(b'2', "up", "usr/../../usr/lib/./"),
        link(b'2', "chain", "abs"),
    ];
    let links = ["/abs symlink", "/chain symlink", "/lib symlink", "/up symlink", "/usr dir", "/usr/lib dir"];
    let names_after = |layer: &[Vec<u8>]| {
        let names = names(&Layout::new().layer(&base).layer(layer).finish());
        let rest: Vec<_> = names.into_iter().filter(|name| !links.contains(&name.as_str())).collect();
        rest.join(" ")
    };
    for through in ["lib", "abs", "up", "chain"] {
        let layer = [
            file(format!("{through}/x86/new"), b"22"),
            file(format!("{through}/.wh.old"), b""),
            link(b'1', "hard", &format!("{through}/x86/new")),
        ];
        assert_eq!(names_after(&layer), "/hard 2 /usr/lib/x86 dir /usr/lib/x86/new link=/hard", "{through}");
        // An entry for the folder replaces the link; the target of the link is kept.
        let layer =
            [dir(through), file(format!("{through}/.wh..wh..opq"), b""), file(format!("{through}/n"), b"22")];
        assert_eq!(names_after(&layer), format!("/{through} dir /{through}/n 2 /usr/lib/old 1"));
    }
    let refused = |layer: &[Vec<u8>], expected: &str| {
        let refusal = Layout::new().layer(&base).layer(layer).finish().refusal();
        assert!(refusal.contains(expected), "{refusal}");
    };
    refused(
        &[link(b'2', "a", "b"), link(b'2', "b", "a"), file("a/x", b"")],
        "leads through `a`, a symlink to `b`",
    );
    refused(
        &[link(b'2', "f", "usr/lib/old"), file("f/x", b"")],
        "leads through `f`, a symlink to `usr/lib/old`",
    );
    refused(&[file("lib/old/x", b"")], "leads through `usr/lib/old`, a file");
}

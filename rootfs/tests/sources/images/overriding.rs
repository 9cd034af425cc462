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
            // The mark comes after what this layer gives, and takes only what is lower.
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
        .done();
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
    // Once more, from the store.
    assert_eq!(names(&layout), expected);
}

/// A base with a folder of two names, under which further layers are laid.
fn over(layers: &[&[Vec<u8>]]) -> Vec<String> {
    let base = [dir("d"), file("d/a", b"1"), file("d/b", b"22")];
    let layout = layers.iter().fold(Layout::new().layer(&base), |layout, layer| layout.layer(layer));
    names(&layout.done())
}

#[test]
fn a_hard_link_to_a_lower_file_does_not_keep_the_lower_name() {
    let hard = || link(b'1', "c", "d/a");
    for marks in [vec![file("d/.wh.a", b"")], vec![file(".wh.d", b""), dir("d"), file("d/b", b"22")]] {
        for link_first in [true, false] {
            let mut layer = marks.clone();
            layer.insert(if link_first { 0 } else { marks.len() }, hard());
            assert_eq!(over(&[&layer]), ["/c 1", "/d dir", "/d/b 2"], "{link_first}");
        }
    }
    let opaque = [hard(), dir("d"), file("d/.wh..wh..opq", b""), file("d/b", b"22")];
    assert_eq!(over(&[&opaque]), ["/c 1", "/d dir", "/d/b 2"]);
    // A new version of the lower file is another file than the link.
    assert_eq!(over(&[&[hard(), file("d/a", b"new")]]), ["/c 1", "/d dir", "/d/a 3", "/d/b 2"]);
    // After it, the name means the new file.
    let after = over(&[&[file("d/a", b"new"), hard()]]);
    assert_eq!(after, ["/c 3", "/d dir", "/d/a link=/c", "/d/b 2"]);
    // What the layer gives is a name of that layer, and lower for the next one.
    assert_eq!(over(&[&[hard()], &[file(".wh.c", b"")]]), ["/d dir", "/d/a 1", "/d/b 2"]);
    assert_eq!(over(&[&[hard()], &[file("d/.wh.a", b"")]]), ["/c 1", "/d dir", "/d/b 2"]);
    assert_eq!(over(&[&[hard()], &[file("c", b"new")]]), ["/c 3", "/d dir", "/d/a 1", "/d/b 2"]);
    // A link that says again what is there gives the name: its own whiteout in the same layer does not take it.
    let again = over(&[&[hard()], &[hard(), file(".wh.c", b"")]]);
    assert_eq!(again, ["/c 1", "/d dir", "/d/a link=/c", "/d/b 2"]);
}

#[test]
fn a_lower_directory_that_was_removed_lends_nothing_to_one_that_only_names_make() {
    let base = [private_dir(b"d"), file("d/a", b"1")];
    for mark in [file(".wh.d", b""), file("d/.wh..wh..opq", b"")] {
        for layer in [[mark.clone(), file("d/e/b", b"2")], [file("d/e/b", b"2"), mark]] {
            let layout = Layout::new().layer(&base).layer(&layer).done();
            let (done, _) = assembled(&[layout.spec()], layout.folder.path()).unwrap();
            assert!(done.tree.lookup(b"d/a").is_none());
            let mode = |path: &[u8]| done.tree.node(done.tree.lookup(path).unwrap()).meta.mode;
            assert_eq!(mode(b"d/e"), 0o755);
            let opaque = layer.iter().any(|entry| entry.starts_with(b"d/.wh"));
            assert_eq!(mode(b"d"), if opaque { 0o700 } else { 0o755 }, "an opaque directory stays itself");
        }
    }
}

/// A directory of mode 0700.
fn private_dir(name: &[u8]) -> Vec<u8> {
    crate::archive::Header::new(name, b'5', 0).set(100, b"0000700\0").0.to_vec()
}

#[test]
fn whiteouts_may_be_links_and_what_aufs_left_is_no_part_of_the_tree() {
    let links = [file("d/.wh.a", b""), link(b'1', "d/.wh.b", "d/.wh.a")];
    assert_eq!(over(&[&links]), ["/d dir"]);
    assert_eq!(over(&[&[link(b'1', "d/.wh.a", "d/b")]]), ["/d dir", "/d/b 2"]);
    let aufs = [
        dir(".wh..wh.plnk"),
        file(".wh..wh.aufs", b""),
        dir(".wh..wh.orph"),
        file(".wh..wh.plnk/12.34", b"333"),
        link(b'1', "e", ".wh..wh.plnk/12.34"),
        file("d/.wh..wh.x", b""),
    ];
    assert_eq!(over(&[&aufs]), ["/d dir", "/d/a 1", "/d/b 2", "/e 3"]);
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
    let laid = |layer: &[Vec<u8>]| {
        let names = names(&Layout::new().layer(&base).layer(layer).done());
        let rest: Vec<_> = names.into_iter().filter(|name| !links.contains(&name.as_str())).collect();
        rest.join(" ")
    };
    for through in ["lib", "abs", "up", "chain"] {
        let layer = [
            file(format!("{through}/x86/new"), b"22"),
            file(format!("{through}/.wh.old"), b""),
            link(b'1', "hard", &format!("{through}/x86/new")),
        ];
        assert_eq!(laid(&layer), "/hard 2 /usr/lib/x86 dir /usr/lib/x86/new link=/hard", "{through}");
        // An entry for the folder takes the link's place; what the link led to stays.
        let layer =
            [dir(through), file(format!("{through}/.wh..wh..opq"), b""), file(format!("{through}/n"), b"22")];
        assert_eq!(laid(&layer), format!("/{through} dir /{through}/n 2 /usr/lib/old 1"));
    }
    let refused = |layer: &[Vec<u8>], expected: &str| {
        let refusal = Layout::new().layer(&base).layer(layer).done().refusal();
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

//! The result of each action, the refusals, and that no path leaves the tree.

use amiforge_formats::plan::NoSources;

use super::*;
use crate::steps::testing::{NOW, add, empty, shape, text, tree};

fn spec(path: &str, action: FileAction) -> FileSpec {
    FileSpec { path: path.into(), action, mode: None, user: None, group: None, xattrs: BTreeMap::new() }
}

fn write(path: &str, content: &str) -> FileSpec {
    spec(path, FileAction::Write(Content::Inline(content.as_bytes().into())))
}

fn link(path: &str, target: &str) -> FileSpec {
    spec(path, FileAction::Symlink(target.into()))
}

fn run(tree: &mut Tree, specs: &[FileSpec]) {
    apply(tree, &NoSources, specs, NOW).unwrap();
}

fn refusal(tree: &Tree, spec: FileSpec) -> String {
    let error = apply(&mut tree.clone(), &NoSources, &[spec], NOW).unwrap_err();
    std::error::Error::source(&error).unwrap().to_string()
}

#[test]
fn each_action_has_its_result() {
    let mut tree = tree(&[
        ("/etc/passwd", "file 0644 app:x:70:71::/:/bin/sh\n"),
        ("/etc/group", "file 0644 web:x:80:\n"),
        ("/etc/motd", "link /gone"),
        ("/var/run", "link ../run"),
        ("/old/a", "file 0644 x"),
        ("/keep", "dir 0700"),
    ]);
    let mut owned = write("/srv/new/app", "x");
    owned.mode = Some(0o4750);
    owned.user = Some(Principal::Name("app".into()));
    owned.group = Some(Principal::Name("web".into()));
    let mut dir = spec("/keep", FileAction::Folder);
    dir.user = Some(Principal::Id(9));
    run(
        &mut tree,
        &[
            write("/etc/motd", "hello\n"),
            owned,
            link("/etc/link", "../x y"),
            write("/var/run/pid", "1"),
            spec("/old", FileAction::Remove(IfMissing::Refuse)),
            spec("/none", FileAction::Remove(IfMissing::Accept)),
            spec("/none/below", FileAction::Remove(IfMissing::Accept)),
            spec("/made", FileAction::Folder),
            dir,
        ],
    );
    for (path, expected) in [
        ("/etc/motd", "file 0644 0:0"),
        ("/gone", "-"),
        ("/srv/new", "dir 0755 0:0"),
        ("/srv/new/app", "file 4750 70:80"),
        ("/etc/link", "symlink 0777 0:0 ../x y"),
        ("/run/pid", "file 0644 0:0"),
        ("/old", "-"),
        ("/made", "dir 0755 0:0"),
        ("/keep", "dir 0700 9:0"),
    ] {
        assert_eq!(shape(&tree, path), expected, "{path}");
    }
    assert_eq!(text(&tree, "/etc/motd"), "hello\n");
}

#[test]
fn a_replaced_file_loses_its_attributes_and_its_hard_links_keep_them() {
    let mut tree = tree(&[("/a", "file 4755 old")]);
    let a = tree.lookup(b"a").unwrap();
    tree.node_mut(a).meta.xattrs = Some(Box::new([(Box::from(&b"user.x"[..]), Box::from(&b"1"[..]))].into()));
    let root = tree.root();
    tree.link(root, amiforge_formats::tree::Name::new(b"b").unwrap(), a).unwrap();
    run(&mut tree, &[write("/a", "new")]);
    assert_eq!((shape(&tree, "/a"), text(&tree, "/b")), ("file 0644 0:0".into(), "old".into()));
    assert_eq!(tree.node(tree.lookup(b"a").unwrap()).meta, Meta::root_owned(0o644, NOW));
}

#[test]
fn attributes_are_given_as_bytes_and_as_text() {
    let mut tree =
        tree(&[("/etc/passwd", "file 0644 app:x:70:71::/:/bin/sh\n"), ("/etc/group", "file 0644 ")]);
    let mut file = write("/bin/ping", "x");
    file.mode = Some(0o2750);
    for (name, value) in [
        ("security.capability", "cap_net_raw+ep"),
        ("system.posix_acl_access", "u:app:rw"),
        ("user.text", "a b"),
        ("user.hex", "0x00fF"),
        ("user.base64", "0sAAH/"),
    ] {
        file.xattrs.insert(name.into(), XattrValue::parse(value).unwrap());
    }
    let mut dir = spec("/srv", FileAction::Folder);
    dir.xattrs.insert("system.posix_acl_default".into(), XattrValue::Text("u::rwx".into()));
    run(&mut tree, &[file, dir]);
    let meta = &tree.node(tree.lookup(b"bin/ping").unwrap()).meta;
    assert_eq!(meta.mode, 0o2770, "the group bits hold the mask of the ACL");
    let xattrs = meta.xattrs.as_ref().unwrap();
    let value = |name: &str| xattrs[name.as_bytes()].to_vec();
    assert_eq!(value("security.capability")[..8], [1, 0, 0, 2, 0, 0x20, 0, 0]);
    assert_eq!(value("user.text"), b"a b");
    assert_eq!((value("user.hex"), value("user.base64")), (vec![0, 255], vec![0, 1, 255]));
    assert_eq!(value("system.posix_acl_access").len(), 4 + 5 * 8);
    let meta = &tree.node(tree.lookup(b"srv").unwrap()).meta;
    assert_eq!((meta.mode, meta.xattrs.as_ref().unwrap().len()), (0o755, 1));
    for text in ["0x0", "0xzz", "0s!", "0sA"] {
        assert!(XattrValue::parse(text).is_err(), "{text}");
    }
}

#[test]
fn invalid_files_are_refused() {
    let mut tree =
        tree(&[("/dir/file", "file 0644 x"), ("/a", "link b"), ("/b", "link a"), ("/empty", "dir 0755")]);
    add(&mut tree, "/up", "link ../../../..");
    let with = |mut spec: FileSpec, name: &str, value: &str| {
        spec.xattrs.insert(name.into(), XattrValue::Text(value.into()));
        spec
    };
    for (spec, expected) in [
        (write("relative", ""), "is not absolute"),
        (write("", ""), "is not absolute"),
        (write("/a/../b", ""), "is not plain"),
        (write("/a//b", ""), "is not plain"),
        (write("/a/./b", ""), "is not plain"),
        (write("/dir/", ""), "is not plain"),
        (write("/x\0y", ""), "cannot be a file name"),
        (write(&format!("/{}", "x".repeat(256)), ""), "cannot be a file name"),
        (write("/", ""), "the root of the image"),
        (write("/dir", ""), "is a folder with 1 entries"),
        (write("/dir/file/x", ""), "`/dir/file` is a file where a directory is needed"),
        (write("/a/x", ""), "more than 40 symbolic links"),
        (spec("/", FileAction::Remove(IfMissing::Accept)), "the root of the image"),
        (spec("/nothing", FileAction::Remove(IfMissing::Refuse)), "the path does not exist"),
        (spec("/dir/file", FileAction::Folder), "the path is a file, not a folder"),
        (FileSpec { mode: Some(0o10000), ..write("/x", "") }, "more than the twelve bits"),
        (FileSpec { mode: Some(0o644), ..link("/x", "y") }, "has no mode of its own"),
        (FileSpec { mode: Some(0), ..spec("/dir", FileAction::Remove(IfMissing::Refuse)) }, "has no mode"),
        (link("/x", ""), "cannot be the target"),
        (link("/x", "a\0b"), "cannot be the target"),
        (link("/x", &"y".repeat(4096)), "cannot be the target"),
        (FileSpec { user: Some(Principal::Name("nobody".into())), ..write("/x", "") }, "has no `nobody`"),
        (with(write("/x", ""), "nospace", "1"), "is not the name of an attribute"),
        (with(write("/x", ""), "user.", "1"), "is not the name of an attribute"),
        (with(write("/x", ""), "user.x", &"y".repeat(65_537)), "65537 bytes"),
        (with(write("/x", ""), "security.capability", "cap_nothing+ep"), "reading the capabilities"),
        (with(write("/x", ""), "system.posix_acl_access", "zz"), "reading the ACL"),
        (with(link("/x", "y"), "user.x", "1"), "has no extended attributes of its own"),
    ] {
        let message = refusal(&tree, spec.clone());
        assert!(message.contains(expected), "{spec:?}: {message}");
    }
    run(&mut tree, &[write("/empty", "now a file"), write("/up/etc/x", "inside")]);
    assert_eq!((text(&tree, "/empty"), text(&tree, "/etc/x")), ("now a file".into(), "inside".into()));
}

#[test]
fn the_target_of_a_dangling_symlink_is_created() {
    let mut tree = empty();
    add(&mut tree, "/var/lock", "link /run/lock");
    run(&mut tree, &[write("/var/lock/x", "1")]);
    assert_eq!(text(&tree, "/run/lock/x"), "1");
}

//! What is taken of an entry besides its bytes, what is left out with a warning, and which kind a source is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::archive::{assembled, chain, dir, end, file, link, pax, spec, tar_spec};
use amiforge_formats::dump;
use amiforge_formats::tree::{Content, NodeKind};
use amiforge_rootfs::sources::{Modes, SourceKind, SourceSpec};

fn warnings(specs: &[SourceSpec], scratch: &Path) -> Vec<String> {
    assembled(specs, scratch).unwrap().0.warnings
}

#[test]
fn keys_without_an_effect_are_reported() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("root");
    fs::create_dir_all(root.join("run")).unwrap();
    fs::write(root.join("run/s.sock"), b"").unwrap();
    fs::write(scratch.path().join("a.tar"), [dir("run"), file("run/s.sock", b""), end()].concat()).unwrap();
    let folder = SourceKind::Dir { path: root, owners: Vec::new(), modes: Modes::Disk };
    let archive = SourceKind::Tar { path: scratch.path().join("a.tar") };
    for kind in [folder, archive] {
        let mut source = spec("source 1", kind);
        assert_eq!(warnings(&[source.clone()], scratch.path()), [""; 0]);
        source.exclude = ["run/*.sock", "run/*.sokc", "**/*.pyc"].map(str::to_owned).into();
        let found = warnings(&[source.clone()], scratch.path());
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("source 1: `run/*.sokc` in `exclude` matches nothing"), "{found:?}");
        source.exclude = vec!["run".to_owned()];
        let found = warnings(&[source], scratch.path());
        assert_eq!(found, ["source 1: nothing of it goes into the image: `exclude` leaves nothing"]);
    }
    let empty = spec("source 1", SourceKind::Tar { path: scratch.path().join("b.tar") });
    fs::write(scratch.path().join("b.tar"), end()).unwrap();
    let found = warnings(&[empty], scratch.path());
    assert_eq!(found, ["source 1: nothing of it goes into the image: it is empty"]);
}

#[test]
fn leading_slashes_and_foreign_attributes_are_dropped_with_one_warning_each() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("a.tar");
    let quarantine = &vec![0; 90_000];
    let parts = [
        dir("/"),
        dir("/opt/"),
        pax(&[("LIBARCHIVE.xattr.com.apple.quarantine", b"AQ"), ("SCHILY.xattr.com.apple.quarantine", b"x")]),
        file("/opt/a", b"one"),
        link(b'1', "//opt/b", "/opt/a"),
        link(b'2', "opt/l", "/opt/a"),
        pax(&[("SCHILY.xattr.com.apple.quarantine", quarantine), ("SCHILY.xattr.user.k", b"v")]),
        file("opt/c", b""),
    ];
    fs::write(&path, [parts.concat(), end()].concat()).unwrap();
    let (done, _) = assembled(&[tar_spec(&path)], scratch.path()).unwrap();
    assert_eq!(
        done.warnings,
        [
            "source 1: removed the leading `/` from 4 names, the first of them `/opt/`",
            "source 1: left out attributes that Linux file systems cannot hold: `com.apple.quarantine` of 2 names"
        ]
    );
    let lines = dump::to_string(&done.tree);
    let lines: Vec<_> = lines.lines().skip(2).collect();
    assert_eq!(lines[0], "/opt/a file 0644 0:0 1.000000000 3");
    assert_eq!(lines[1], "/opt/b link=/opt/a");
    assert!(
        lines[2].starts_with("/opt/c file 0644 0:0 1.000000000 0") && lines[2].contains("user.k"),
        "{lines:?}"
    );
    assert_eq!(lines[3], "/opt/l symlink 0777 0:0 1.000000000 -> /opt/a");
}

#[test]
fn modes_may_come_as_git_keeps_them_and_the_top_folder_says_nothing_about_the_root() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("root");
    fs::create_dir_all(root.join("bin")).unwrap();
    for (path, mode) in [("bin/t", 0o4710), ("f", 0o600), ("g", 0o666)] {
        fs::write(root.join(path), b"x").unwrap();
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    for (path, mode) in [("bin", 0o2770), ("", 0o700)] {
        fs::set_permissions(root.join(path), fs::Permissions::from_mode(mode)).unwrap();
    }
    let modes = |modes, prefix: &str| {
        let mut source = spec("source 1", SourceKind::Dir { path: root.clone(), owners: Vec::new(), modes });
        source.prefix = prefix.to_owned();
        let (done, _) = assembled(&[source], scratch.path()).unwrap();
        let mode = |path: &str| done.tree.node(done.tree.lookup(path.as_bytes()).unwrap()).meta.mode;
        ["", "bin", "bin/t", "f", "g"].map(|path| mode(&format!("{prefix}/{path}")))
    };
    assert_eq!(modes(Modes::Disk, ""), [0o755, 0o2770, 0o4710, 0o600, 0o666]);
    assert_eq!(modes(Modes::Disk, "/opt"), [0o700, 0o2770, 0o4710, 0o600, 0o666]);
    assert_eq!(modes(Modes::Git, "/opt"), [0o755, 0o755, 0o755, 0o644, 0o644]);
}

#[test]
fn holes_of_a_folders_files_stay_holes() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("root");
    fs::create_dir_all(&root).unwrap();
    let put = |name: &str, len: u64, data: &[u64]| {
        let file = fs::File::create(root.join(name)).unwrap();
        file.set_len(len).unwrap();
        for at in data {
            std::os::unix::fs::FileExt::write_all_at(&file, b"data", *at).unwrap();
        }
        file.sync_all().unwrap();
    };
    put("sparse", 64 << 20, &[8 << 20, (64 << 20) - 4]);
    put("hollow", 1 << 20, &[]);
    fs::write(root.join("full"), vec![0; 100_000]).unwrap();
    let source = spec("source 1", SourceKind::Dir { path: root, owners: Vec::new(), modes: Modes::Disk });
    let (done, blobs) = assembled(&[source], scratch.path()).unwrap();
    let content = |name: &str| match &done.tree.node(done.tree.lookup(name.as_bytes()).unwrap()).kind {
        NodeKind::File(content) => content.clone(),
        other => panic!("{other:?}"),
    };
    let stored = |content: &Content| content.segments().iter().map(|segment| segment.len).sum::<u64>();
    let sparse = content("sparse");
    assert_eq!(sparse.len(), 64 << 20);
    assert!(stored(&sparse) <= 4 << 20, "{sparse:?}");
    let mut bytes = [0; 4];
    let segments = sparse.segments();
    let segment = segments.iter().find(|s| (s.offset..s.offset + s.len).contains(&(8 << 20))).unwrap();
    let amiforge_formats::tree::Origin::Slice { source, at } = &segment.origin else { panic!() };
    let at = at + (8 << 20) - segment.offset;
    amiforge_formats::plan::Sources::read_exact_at(&blobs, *source, at, &mut bytes).unwrap();
    assert_eq!(&bytes, b"data");
    assert_eq!((content("hollow").len(), stored(&content("hollow"))), (1 << 20, 0));
    assert_eq!(stored(&content("full")), 100_000, "zeros that were written stay");
}

#[test]
fn access_lists_of_a_folder_are_said_and_do_not_widen_the_mode() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().join("root");
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("f"), b"x").unwrap();
    // user::rw-, user:1000:rwx, group::r--, mask::rwx, other::---
    let list = [(1u16, 6u16, u32::MAX), (2, 7, 1000), (4, 4, u32::MAX), (16, 7, u32::MAX), (32, 0, u32::MAX)];
    let mut value = 2u32.to_le_bytes().to_vec();
    for (tag, perm, id) in list {
        value.extend([&tag.to_le_bytes()[..], &perm.to_le_bytes(), &id.to_le_bytes()].concat());
    }
    let flags = rustix::fs::XattrFlags::empty();
    if rustix::fs::setxattr(root.join("f"), "system.posix_acl_access", &value, flags).is_err() {
        eprintln!("SKIP: the file system of {} has no access control lists", root.display());
        return;
    }
    let source = spec("source 1", SourceKind::Dir { path: root, owners: Vec::new(), modes: Modes::Disk });
    let (done, _) = assembled(&[source], scratch.path()).unwrap();
    let meta = &done.tree.node(done.tree.lookup(b"f").unwrap()).meta;
    assert_eq!((meta.mode, &meta.xattrs), (0o640, &None));
    assert!(done.warnings[0].contains(
        "left out access control lists, which name users of this host, at 1 path, the first of them `f`"
    ));
}

#[test]
fn nothing_that_could_block_is_opened() {
    let scratch = tempfile::tempdir().unwrap();
    let fifo = scratch.path().join("a.tar");
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let image = |path: &Path| SourceKind::Oci {
        path: path.to_owned(),
        platform: "linux/amd64".to_owned(),
        reference: None,
    };
    for kind in [SourceKind::Tar { path: fifo.clone() }, image(&fifo)] {
        let refused = chain(&assembled(&[spec("source 1", kind)], scratch.path()).unwrap_err());
        assert!(refused.ends_with("a.tar`: it is a FIFO, not a regular file"), "{refused}");
    }
    fs::rename(&fifo, scratch.path().join("index.json")).unwrap();
    let refused = chain(&assembled(&[spec("source 1", image(scratch.path()))], scratch.path()).unwrap_err());
    assert!(refused.contains("no image") || refused.contains("it is a FIFO"), "{refused}");
}

#[test]
fn the_wrong_kind_of_source_is_answered_with_the_right_one() {
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name);
    let layout = [file("oci-layout", b"{}"), file("index.json", b"{}"), dir("blobs"), end()];
    fs::write(path("layout.tar"), layout.concat()).unwrap();
    let saved = [file("manifest.json", b"[]"), file("repositories", b"{}"), end()];
    fs::write(path("saved.tar"), saved.concat()).unwrap();
    fs::write(path("root.tar"), [dir("etc"), file("etc/os-release", b"x"), end()].concat()).unwrap();
    fs::create_dir_all(path("root/etc")).unwrap();
    fs::create_dir_all(path("layout/blobs")).unwrap();
    fs::write(path("layout/oci-layout"), b"{}").unwrap();
    fs::write(path("layout/index.json"), b"{}").unwrap();
    let tar = |name: &str| SourceKind::Tar { path: path(name) };
    let folder = |name: &str| SourceKind::Dir { path: path(name), owners: Vec::new(), modes: Modes::Disk };
    let image = |name: &str| SourceKind::Oci {
        path: path(name),
        platform: "linux/amd64".to_owned(),
        reference: None,
    };
    for (kind, instead) in [
        (tar("layout.tar"), "oci"),
        (tar("saved.tar"), "oci"),
        (tar("layout"), "oci"),
        (tar("root"), "dir"),
        (folder("layout"), "oci"),
        (folder("root.tar"), "tar"),
        (image("root.tar"), "tar"),
        (image("root"), "dir"),
    ] {
        let refused = chain(&assembled(&[spec("source 1", kind.clone())], scratch.path()).unwrap_err());
        assert!(refused.contains(&format!("`kind = \"{instead}\"`")), "{kind:?}\n{refused}");
    }
}

//! GNU tar as the oracle: an archive that it creates, in each of its formats, must give the tree that it packed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{NodeKind, Origin, Tree};
use amiforge_store::blobs::Blobs;

use crate::archive::{assembled, tar_spec};

/// Whether a tool is installed; if not, prints `SKIP`, or fails where `REQUIRE_ORACLES` is set.
fn oracle(tool: &str) -> bool {
    let installed = Command::new(tool).arg("--version").output().is_ok_and(|out| out.status.success());
    if !installed {
        assert!(std::env::var_os("REQUIRE_ORACLES").is_none(), "{tool} is not installed");
        println!("SKIP: {tool} is not installed");
    }
    installed
}

fn run(tool: &str, arguments: &[&str], folder: &Path) -> bool {
    let done = Command::new(tool).args(arguments).current_dir(folder).output().unwrap();
    if !done.status.success() {
        println!("{tool} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
    done.status.success()
}

/// By path: kind, mode, owner, time, first hard link, and content.
type TreeListing = BTreeMap<Vec<u8>, String>;

fn on_disk(root: &Path) -> TreeListing {
    let (mut listing, mut folders, mut firsts) = (TreeListing::new(), vec![root.to_owned()], BTreeMap::new());
    let mut paths = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
            paths.push(entry.path());
        }
    }
    paths.sort();
    for path in paths {
        let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let file_type = metadata.file_type();
        let (content, kind) = if file_type.is_file() {
            let bytes = fs::read(&path).unwrap();
            (format!("{} {}", bytes.len(), amiforge_formats::digest::Digest::of(&bytes)), "file")
        } else if file_type.is_symlink() {
            (format!("{:?}", fs::read_link(&path).unwrap().as_os_str().as_bytes()), "symlink")
        } else if file_type.is_dir() {
            (String::new(), "dir")
        } else {
            (String::new(), "fifo")
        };
        let first = firsts.entry(metadata.ino()).or_insert_with(|| name.clone()).clone();
        let link = if file_type.is_dir() { Vec::new() } else { first };
        let time = format!("{}.{:09}", metadata.mtime(), metadata.mtime_nsec());
        let owner = format!("{}:{}", metadata.uid(), metadata.gid());
        listing.insert(
            name,
            format!("{kind} {:04o} {owner} {time} {link:?} {content}", metadata.mode() & 0o7777),
        );
    }
    listing
}

fn in_tree(tree: &Tree, blobs: &Blobs) -> TreeListing {
    let (mut listing, mut firsts) = (TreeListing::new(), BTreeMap::new());
    for entry in tree.walk() {
        let node = tree.node(entry.id);
        let content = match &node.kind {
            NodeKind::File(content) => {
                let mut bytes = vec![0; content.len() as usize];
                for segment in content.segments() {
                    let part = &mut bytes[segment.offset as usize..(segment.offset + segment.len) as usize];
                    let Origin::Slice { source, at } = segment.origin else { panic!("inline") };
                    blobs.read_exact_at(source, at, part).unwrap();
                }
                format!("{} {}", bytes.len(), amiforge_formats::digest::Digest::of(&bytes))
            }
            NodeKind::Symlink(target) => format!("{:?}", &target[..]),
            _ => String::new(),
        };
        let first = firsts.entry(entry.id).or_insert_with(|| entry.path.clone()).clone();
        let link = if matches!(node.kind, NodeKind::Dir(_)) { Vec::new() } else { first };
        let meta = &node.meta;
        let (owner, kind) = (format!("{}:{}", meta.uid, meta.gid), node.kind.word());
        listing.insert(
            entry.path,
            format!("{kind} {:04o} {owner} {} {link:?} {content}", meta.mode, meta.mtime),
        );
    }
    listing
}

/// Creates a folder with the entries that archivers most often get wrong.
fn folder(root: &Path) {
    let write = |name: &[u8], bytes: &[u8]| {
        let path = root.join(std::ffi::OsStr::from_bytes(name));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    write(b"a/empty", b"");
    write(b"a/block", &[1; 512]);
    write(b"a/more", &[2; 513]);
    write(b"a/big", &vec![3; 200_000]);
    write(&[b'n'; 100], b"name of 100");
    write(&[b"p/", &[b'q'; 80][..], b"/", &[b'r'; 90]].concat(), b"prefix");
    write(&[b"long/", &[b'l'; 255][..]].concat(), b"long");
    write(b"bytes/\xff\xfe\n \\", b"not text");
    write(b"mode", b"x");
    fs::set_permissions(root.join("mode"), fs::Permissions::from_mode(0o6755)).unwrap();
    symlink("t".repeat(300), root.join("a/link")).unwrap();
    symlink("../a", root.join("p/up")).unwrap();
    fs::hard_link(root.join("a/more"), root.join("hard")).unwrap();
    fs::hard_link(root.join("a/link"), root.join("z")).unwrap();
    let sparse = fs::File::create(root.join("sparse")).unwrap();
    for extent in 0..40u64 {
        sparse.write_all_at(&[9; 4096], extent * 65_536).unwrap();
    }
    sparse.set_len(40 * 65_536).unwrap();
    fs::File::create(root.join("hole")).unwrap().set_len(1 << 20).unwrap();
    assert!(Command::new("mkfifo").arg(root.join("fifo")).status().unwrap().success());
}

#[test]
fn every_format_of_gnu_tar_gives_the_packed_tree() {
    if !oracle("tar") {
        return;
    }
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let root = scratch.path().join("root");
    fs::create_dir(&root).unwrap();
    folder(&root);
    // The formats before PAX have no fractions of a second, ustar no holes and no long names.
    let whole: &[&str] = &["--format=gnu", "--mtime=@1700000000"];
    for flags in [
        &["--format=pax"][..],
        &["--format=pax", "--sparse", "--sparse-version=0.0"],
        &["--format=pax", "--sparse", "--sparse-version=0.1"],
        &["--format=pax", "--sparse", "--sparse-version=1.0"],
        &["--format=pax", "--pax-option=delete=mtime,comment=x", "--mtime=@5"],
        whole,
        &[whole, &["--sparse"]].concat(),
        &["--format=oldgnu", "--mtime=@1700000000", "--sparse"],
        &["--format=ustar", "--mtime=@7", "--exclude=./long/*", "--exclude=./a/link", "--exclude=./z"],
    ] {
        let arguments = [flags, &["--numeric-owner", "-cf", "../a.tar", "."]].concat();
        assert!(run("tar", &arguments, &root), "{flags:?}");
        let extracted = scratch.path().join("extracted");
        fs::create_dir(&extracted).unwrap();
        assert!(run("tar", &["--numeric-owner", "-xpf", "../a.tar"], &extracted), "{flags:?}");
        let (ours, blobs) = assembled(&[tar_spec(&scratch.path().join("a.tar"))], scratch.path()).unwrap();
        let (listing, expected) = (in_tree(&ours.tree, &blobs), on_disk(&extracted));
        for (name, line) in &expected {
            assert_eq!(listing.get(name), Some(line), "{flags:?}: {}", String::from_utf8_lossy(name));
        }
        assert_eq!(listing.len(), expected.len(), "{flags:?}");
        fs::remove_dir_all(&extracted).unwrap();
    }
}

#[test]
fn attributes_and_acls_of_gnu_tar_are_kept() {
    if !oracle("tar") || !oracle("setfattr") || !oracle("setfacl") {
        return;
    }
    let scratch = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let root = scratch.path().join("root");
    fs::create_dir_all(root.join("d")).unwrap();
    fs::write(root.join("f"), b"x").unwrap();
    fs::set_permissions(root.join("f"), fs::Permissions::from_mode(0o640)).unwrap();
    let set = run("setfattr", &["-n", "user.note", "-v", "0x00ff3d0a", "f"], &root)
        && run("setfacl", &["-m", "u:1234:rwx,g:77:r", "f"], &root)
        && run("setfacl", &["-d", "-m", "u:1234:rwx", "d"], &root);
    if !set {
        println!("SKIP: this file system has no extended attributes");
        return;
    }
    assert!(run(
        "tar",
        &["--xattrs", "--acls", "--numeric-owner", "--format=pax", "-cf", "../a.tar", "."],
        &root
    ));
    let (ours, _) = assembled(&[tar_spec(&scratch.path().join("a.tar"))], scratch.path()).unwrap();
    for (path, name) in
        [("f", "user.note"), ("f", "system.posix_acl_access"), ("d", "system.posix_acl_default")]
    {
        let node = ours.tree.node(ours.tree.lookup(path.as_bytes()).unwrap());
        let mut value = vec![0; 4096];
        let len = rustix::fs::getxattr(root.join(path), name, &mut value).unwrap();
        let kept = node.meta.xattrs.as_ref().and_then(|xattrs| xattrs.get(name.as_bytes()));
        assert_eq!(kept.map(|value| &value[..]), Some(&value[..len]), "{path} {name}");
        let mode = fs::metadata(root.join(path)).unwrap().mode() & 0o7777;
        assert_eq!(u32::from(node.meta.mode), mode, "{path}");
    }
}

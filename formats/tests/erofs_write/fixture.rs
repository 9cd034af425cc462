//! Options, images, and everything that judges them.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use amiforge_formats::dump;
use amiforge_formats::erofs::check::check;
use amiforge_formats::erofs::read::open;
use amiforge_formats::erofs::write::{ErofsOptions, plan};
use amiforge_formats::guid::Guid;
use amiforge_formats::plan::{Data, Plan, SourceId};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{NodeKind, Tree};
use amiforge_formats::volume::FsKind;

use super::compare::{Fidelity, bytes_of, with_folder};
pub(crate) use super::fixtures::{MIB, add, dirty, empty, node, slice};
use super::fixtures::{Pattern, assert_nothing_below, run, write};

pub(crate) fn options() -> ErofsOptions {
    ErofsOptions {
        uuid: Guid::from_u128(0x1111_1111_2222_3333_4444_5555_5555_5555),
        label: "root".into(),
        time: Time::from_secs(1_700_000_000),
    }
}

/// The bytes of a plan, with garbage where a reader must not look.
pub(crate) fn bytes(plan: &Plan) -> Vec<u8> {
    let mut bytes = vec![0; plan.len() as usize];
    plan.read_exact_at(&Pattern, 0, &mut bytes).unwrap();
    for extent in plan.extents().iter().filter(|extent| extent.data == Data::Free) {
        bytes[extent.offset as usize..extent.end() as usize].fill(0xa5);
    }
    bytes
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Plans a tree at a length, and has the image judged by everybody: it has to be clean, and to hold the tree.
pub(crate) fn judge(tree: &Tree, len: u64) {
    let plan = plan(tree, &options(), len).unwrap();
    assert_nothing_below(FsKind::Erofs, &plan);
    let image = bytes(&plan);
    by_reader(tree, &image);
    by_erofs_rs(tree, &image);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("image");
    fs::write(&file, &image).unwrap();
    by_erofs_utils(tree, &file, folder.path());
    by_kernel(tree, &file, folder.path());
}

/// Our reader gives the same tree and bytes, and our checker has nothing to say.
pub(crate) fn by_reader(tree: &Tree, image: &[u8]) {
    let system = open(image).unwrap_or_else(|error| panic!("{error}"));
    let back = system.tree(SourceId(0)).unwrap_or_else(|error| panic!("{error}"));
    let (expected, found) = (dump::to_string(tree), dump::to_string(&back));
    let first = expected.lines().zip(found.lines()).find(|(a, b)| a != b);
    assert!(expected == found, "the first line that differs (tree, image): {first:#?}");
    for entry in tree.walk() {
        let NodeKind::File(content) = &tree.node(entry.id).kind else { continue };
        let NodeKind::File(read) = &back.node(back.lookup(&entry.path).unwrap()).kind else {
            panic!("not a file")
        };
        assert!(
            bytes_of(content, None) == bytes_of(read, Some(image)),
            "{}",
            String::from_utf8_lossy(&entry.path)
        );
    }
    let report = check(image).unwrap();
    let findings: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{findings:#?}");
}

/// The crate erofs-rs reads the same names, metadata, attributes and contents.
pub(crate) fn by_erofs_rs(tree: &Tree, image: &[u8]) {
    let system = erofs_rs::EroFS::new(erofs_rs::backend::SliceImage::new(image)).unwrap();
    let (links, mut found) = (tree.link_counts(), 0);
    for entry in system.walk_dir("/").unwrap() {
        let entry = entry.unwrap();
        let (path, inode) = (entry.dir_entry.path(), entry.inode);
        let shown = path.display();
        let id = tree.lookup(path.as_bytes()).unwrap_or_else(|| panic!("{shown}"));
        let (node, mode) = (tree.node(id), inode.permissions().mode());
        found += 1;
        assert_eq!(
            (mode & 0o7777, inode.uid(), inode.gid(), inode.nlink(), inode.modified_unix()),
            (
                node.meta.mode.into(),
                node.meta.uid,
                node.meta.gid,
                links[id.index()],
                (node.meta.mtime.secs, node.meta.mtime.nanos)
            ),
            "{shown}"
        );
        let xattrs = system.xattrs_inode(inode).unwrap();
        let expected = node.meta.xattrs.iter().flat_map(|all| all.iter());
        assert!(
            xattrs
                .iter()
                .map(|(name, value)| (&name[..], &value[..]))
                .eq(expected.map(|(n, v)| (&**n, &**v)))
        );
        match &node.kind {
            NodeKind::File(content) => {
                let mut bytes = Vec::new();
                system.open_inode_file(inode).unwrap().read_to_end(&mut bytes).unwrap();
                assert!(bytes == bytes_of(content, None), "content of {shown}");
            }
            NodeKind::Symlink(target) => {
                assert_eq!(system.read_link_inode(inode).unwrap().as_bytes(), &**target, "{shown}");
            }
            NodeKind::CharDevice { major, minor } | NodeKind::BlockDevice { major, minor } => {
                assert_eq!(inode.device(), Some((*major, *minor)), "{shown}");
            }
            _ => {}
        }
    }
    assert_eq!(found, tree.walk().count() - 1);
}

/// fsck.erofs finds the image clean, and extracts the tree.
pub(crate) fn by_erofs_utils(tree: &Tree, file: &Path, folder: &Path) {
    let file = file.to_str().unwrap();
    let Some((ok, text)) = run("fsck.erofs", &["-d1", file]) else { return };
    assert!(ok, "{text}");
    if let Some((ok, text)) = run("dump.erofs", &["-s", file]) {
        assert!(ok && text.contains("11111111-2222-3333-4444-555555555555"), "{text}");
    }
    let to = folder.join("extracted");
    let fidelity = if is_root() { Fidelity::Extracted } else { Fidelity::Unprivileged };
    let (ok, text) =
        run("fsck.erofs", &["--preserve", &format!("--extract={}", to.display()), file]).unwrap();
    assert!(ok, "{text}");
    with_folder(tree, &to, fidelity);
}

/// A mounted image; unmounted when dropped.
pub(crate) struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    pub(crate) fn new(file: &Path, at: &'a Path) -> Self {
        fs::create_dir_all(at).unwrap();
        let args = ["-t", "erofs", "-o", "loop,ro", file.to_str().unwrap(), at.to_str().unwrap()];
        let (ok, text) = run("mount", &args).unwrap();
        assert!(ok, "{text}");
        Self(at)
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

/// The kernel mounts the image, and shows the tree.
pub(crate) fn by_kernel(tree: &Tree, file: &Path, folder: &Path) {
    if !is_root() {
        assert!(std::env::var_os("REQUIRE_ORACLES").is_none(), "only root can mount");
        println!("SKIP: only root can mount");
        return;
    }
    let at = folder.join("mounted");
    let _mounted = Mounted::new(file, &at);
    with_folder(tree, &at, Fidelity::Full);
}

/// Writes a plan to a file and returns it with the clean report of fsck.erofs.
pub(crate) fn sparse_image(plan: &Plan) -> tempfile::NamedTempFile {
    assert_nothing_below(FsKind::Erofs, plan);
    let file = write(plan);
    if let Some((ok, text)) = run("fsck.erofs", &["-d1", file.path().to_str().unwrap()]) {
        assert!(ok, "{text}");
    }
    file
}

//! A short notation for trees in the tests of the steps, and runners for the oracles that check the results.
//!
//! `tree(&[("/etc/motd", "file 0644 hello")])`: `file MODE CONTENT`, `dir MODE`, `link TARGET`, `null`.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use amiforge_formats::plan::{NoSources, SourceId, Sources};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Node, NodeKind, Tree};

use amiforge_formats::path::{self, Last};

/// The time of all entries that a test creates.
pub(crate) const OLD: Time = Time::from_secs(1_000_000);

/// The build time.
pub(crate) const NOW: Time = Time::from_secs(1_700_000_000);

/// An empty root.
pub(crate) fn empty() -> Tree {
    Tree::new(Meta::root_owned(0o755, OLD))
}

/// A tree from paths and entries in the notation above.
pub(crate) fn tree(entries: &[(&str, &str)]) -> Tree {
    let mut tree = empty();
    for (path, entry) in entries {
        add(&mut tree, path, entry);
    }
    tree
}

/// Adds or replaces one entry; parents are created.
pub(crate) fn add(tree: &mut Tree, path: &str, entry: &str) {
    let (kind, rest) = entry.split_once(' ').unwrap_or((entry, ""));
    let (mode, content) = rest.split_once(' ').unwrap_or((rest, ""));
    let mode = u16::from_str_radix(mode, 8).unwrap_or(0o777);
    let kind = match kind {
        "file" => NodeKind::File(Content::Inline(content.as_bytes().into())),
        "dir" => NodeKind::dir(),
        "link" => NodeKind::Symlink(rest.as_bytes().into()),
        "null" => NodeKind::CharDevice { major: 1, minor: 3 },
        other => panic!("`{other}` is not a kind"),
    };
    let target = path::resolve_with_parents(tree, path.as_bytes(), Last::Keep, OLD).unwrap();
    if matches!(kind, NodeKind::Dir(_)) && target.node.is_some() {
        return;
    }
    path::put(tree, &target, Node { meta: Meta::root_owned(mode, OLD), kind }).unwrap();
}

/// The text of a file, links followed.
pub(crate) fn text(tree: &Tree, path: &str) -> String {
    let bytes = path::read(tree, &NoSources, path.as_bytes()).unwrap();
    String::from_utf8(bytes.unwrap_or_else(|| panic!("{path} does not exist"))).unwrap()
}

/// `kind mode uid:gid` of a path, with the target of a symlink; links are not followed; `-` if it does not exist.
pub(crate) fn shape(tree: &Tree, path: &str) -> String {
    let target = path::resolve(tree, path.as_bytes(), Last::Keep).unwrap();
    let Some(id) = target.and_then(|target| target.node) else { return "-".into() };
    let Node { meta, kind } = tree.node(id);
    let target = match kind {
        NodeKind::Symlink(target) => format!(" {}", String::from_utf8_lossy(target)),
        _ => String::new(),
    };
    format!("{} {:04o} {}:{}{target}", kind.word(), meta.mode, meta.uid, meta.gid)
}

/// A source that is one byte array, for files that are not inline.
pub(crate) struct OneSource(pub(crate) Vec<u8>);

impl Sources for OneSource {
    fn read_exact_at(&self, _source: SourceId, at: u64, buf: &mut [u8]) -> std::io::Result<()> {
        let from = self.0.get(at as usize..).and_then(|rest| rest.get(..buf.len()));
        buf.copy_from_slice(from.ok_or(std::io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// A new folder that is deleted when dropped, on `/dev/shm` where that exists.
pub(crate) fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// Writes folders, files and symlinks of a tree below a folder, owned by the current user.
pub(crate) fn extract(tree: &Tree, folder: &Path) {
    for entry in tree.walk() {
        let path = folder.join(std::ffi::OsStr::from_bytes(&entry.path));
        match &tree.node(entry.id).kind {
            NodeKind::Dir(_) => std::fs::create_dir_all(path).unwrap(),
            NodeKind::Symlink(target) => {
                std::os::unix::fs::symlink(std::ffi::OsStr::from_bytes(target), path).unwrap();
            }
            NodeKind::File(content) => {
                std::fs::write(path, path::bytes_of(content, &NoSources).unwrap()).unwrap();
            }
            _ => {}
        }
    }
}

/// Every path below a folder of the host, with `/` after a folder and the target of a symlink, sorted.
pub(crate) fn listing(folder: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut pending = vec![folder.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().map(Result::unwrap) {
            let path = entry.path();
            let name = path.strip_prefix(folder).unwrap().display().to_string();
            match std::fs::read_link(&path) {
                Ok(target) => lines.push(format!("{name} -> {}", target.display())),
                Err(_) if path.is_dir() => {
                    lines.push(format!("{name}/"));
                    pending.push(path);
                }
                Err(_) => lines.push(name),
            }
        }
    }
    lines.sort();
    lines
}

/// Runs an independent tool. `None`, with a note on the output, where it is not installed.
pub(crate) fn oracle(name: &str, args: &[&str]) -> Option<Output> {
    let dirs = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<PathBuf> = std::env::split_paths(&dirs).collect();
    dirs.extend(["/usr/sbin".into(), "/sbin".into()]);
    let Some(program) = dirs.iter().map(|dir| dir.join(name)).find(|path| path.is_file()) else {
        skip(&format!("`{name}` is not installed"));
        return None;
    };
    Some(Command::new(program).args(args).env("LC_ALL", "C").output().unwrap())
}

/// Prints that an oracle is missing; panics where `REQUIRE_ORACLES=1`.
pub(crate) fn skip(why: &str) {
    assert!(std::env::var_os("REQUIRE_ORACLES").is_none_or(|value| value != "1"), "{why}");
    println!("SKIP: {why}");
}

/// A large input of the test suites, which `tests/inputs/make.sh` creates.
pub(crate) fn input(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("AMIFORGE_TEST_INPUTS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/inputs"), PathBuf::from);
    let path = folder.join(name);
    if path.exists() {
        return Some(path);
    }
    skip(&format!("the test inputs have no `{name}`; tests/inputs/make.sh creates it"));
    None
}

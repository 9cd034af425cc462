//! A tree of ours against a folder that rpm made: kinds, modes, owners by name, times, links, attributes, contents.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use amiforge_formats::plan::Sources;
use amiforge_formats::tree::{NodeKind, Printable};
use amiforge_packages::rpm::unpack::UnpackedRpms;

/// Entries by path: all that is compared, as text; the content's digest is of all its bytes.
pub(crate) type Listing = BTreeMap<String, String>;

/// The differences, `- ` of rpm's, `+ ` of ours. Times of folders, which the clock makes, are left out.
pub(crate) fn differences(unpacked: &UnpackedRpms, sources: &dyn Sources, root: &Path) -> Vec<String> {
    let theirs = folder(root);
    let ours = ours(unpacked, sources, &users(root));
    let lines = |sign, one: &Listing, other: &Listing| {
        let missing = one.iter().filter(|(path, line)| other.get(*path) != Some(line));
        missing.map(|(path, line)| format!("{path} {sign} {line}")).collect::<Vec<_>>()
    };
    let mut all = [lines('-', &theirs, &ours), lines('+', &ours, &theirs)].concat();
    all.sort();
    all
}

/// Names of users and groups of a root; rpm gives files of unknown ones to root.
fn users(root: &Path) -> [HashMap<String, u32>; 2] {
    ["etc/passwd", "etc/group"].map(|file| {
        let text = std::fs::read_to_string(root.join(file)).unwrap_or_default();
        let ids = text.lines().filter_map(|line| {
            let mut fields = line.split(':');
            Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
        });
        ids.collect()
    })
}

/// Our tree.
fn ours(unpacked: &UnpackedRpms, sources: &dyn Sources, ids: &[HashMap<String, u32>; 2]) -> Listing {
    let owners: HashMap<_, _> = unpacked.owners.iter().map(|owner| (owner.node, owner)).collect();
    let id = |which: usize, name: &str| ids[which].get(name).copied().unwrap_or(0);
    let tree = &unpacked.tree;
    let mut first = HashMap::new();
    let mut listing = Listing::new();
    for entry in tree.walk().skip(1) {
        let node = tree.node(entry.id);
        let path = Printable(&entry.path).to_string();
        let owner = owners.get(&entry.id);
        let (uid, gid) = owner.map_or((0, 0), |owner| (id(0, &owner.user), id(1, &owner.group)));
        let link = first.entry(entry.id).or_insert_with(|| path.clone()).clone();
        let mut time = node.meta.mtime.secs.to_string();
        let rest = match &node.kind {
            NodeKind::Dir(_) => {
                "-".clone_into(&mut time);
                String::new()
            }
            NodeKind::File(content) => {
                let mut bytes = vec![0; usize::try_from(content.len()).unwrap()];
                content.read_at(sources, 0, &mut bytes).unwrap();
                format!("{} {} as {link}", bytes.len(), amiforge_formats::digest::Digest::of(&bytes))
            }
            NodeKind::Symlink(target) => Printable(target).to_string(),
            NodeKind::CharDevice { major, minor } | NodeKind::BlockDevice { major, minor } => {
                format!("{major},{minor}")
            }
            NodeKind::Fifo | NodeKind::Socket => String::new(),
        };
        let capability = node.meta.xattrs.as_ref().and_then(|xattrs| xattrs.get(&b"security.capability"[..]));
        let capability = capability.map(|value| amiforge_formats::digest::hex(value)).unwrap_or_default();
        let kind = node.kind.word();
        let mode = node.meta.mode;
        listing.insert(path, format!("{kind} {mode:o} {uid}:{gid} {time} {rest} {capability}"));
    }
    listing
}

/// A folder, rpm's database left out.
fn folder(root: &Path) -> Listing {
    let mut first = HashMap::new();
    let mut listing = Listing::new();
    let mut paths: Vec<PathBuf> = below(root);
    paths.retain(|path| !path.starts_with(root.join("rpmdb")));
    paths.sort_by(|a, b| a.components().cmp(b.components()));
    for full in paths {
        let path = Printable(full.strip_prefix(root).unwrap().as_os_str().as_bytes()).to_string();
        let meta = full.symlink_metadata().unwrap();
        let link = first.entry(meta.ino()).or_insert_with(|| path.clone()).clone();
        let kind = meta.file_type();
        let mut time = meta.mtime().to_string();
        let (word, rest) = if kind.is_dir() {
            "-".clone_into(&mut time);
            ("dir", String::new())
        } else if kind.is_symlink() {
            let target = std::fs::read_link(&full).unwrap();
            ("symlink", Printable(target.as_os_str().as_bytes()).to_string())
        } else if kind.is_file() {
            let bytes = std::fs::read(&full).unwrap();
            let digest = amiforge_formats::digest::Digest::of(&bytes);
            ("file", format!("{} {digest} as {link}", bytes.len()))
        } else if kind.is_fifo() {
            ("fifo", String::new())
        } else {
            let word = if kind.is_block_device() { "block" } else { "char" };
            (word, format!("{},{}", rustix::fs::major(meta.rdev()), rustix::fs::minor(meta.rdev())))
        };
        let mut value = [0; 64];
        let len = rustix::fs::lgetxattr(&full, "security.capability", &mut value).unwrap_or(0);
        let capability = amiforge_formats::digest::hex(&value[..len]);
        let (uid, gid, mode) = (meta.uid(), meta.gid(), meta.mode() & 0o7777);
        listing.insert(path, format!("{word} {mode:o} {uid}:{gid} {time} {rest} {capability}"));
    }
    listing
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            all.extend(below(&path));
        }
        all.push(path);
    }
    all
}

//! The names of a file system with what it says of them, and `tree.txt`, which lists them.
//!
//! A line of `tree.txt` is `path kind mode uid:gid mtime`, then the size of a file, `-> target` of a link or
//! `major,minor` of a device, then attributes as `name=hex`; or `path link=path` for a further name of a file. A part
//! begins with `# partition file-system mount-point`.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt::Write as _;

use crate::bytes::{shown, word};
use crate::report::Log;

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file of so many bytes.
    File(u64),
    /// A folder.
    Folder,
    /// A symbolic link with its target.
    Link(Vec<u8>),
    /// A character device.
    CharDevice(u32, u32),
    /// A block device.
    BlockDevice(u32, u32),
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
}

/// An inode as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits.
    pub mode: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Seconds of the modification time since 1970.
    pub secs: i64,
    /// Nanoseconds of it.
    pub nanos: u32,
    /// Extended attributes by full name.
    pub xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// A name: its path, its inode, and what that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Path without the first slash, the parts joined by slashes.
    pub path: Vec<u8>,
    /// Number that tells inodes apart.
    pub inode: u64,
    /// The inode.
    pub facts: FileFacts,
}

/// What a checker saw of a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// UUID, or volume id.
    pub id: Option<String>,
    /// All names, where the format has files and they could be read.
    pub entries: Option<Vec<Entry>>,
    /// Whether the format keeps only names and sizes.
    pub names_only: bool,
}

/// The lines of a file system, sorted by path, a folder before what it holds.
pub fn lines(entries: &[Entry]) -> Vec<String> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    // Parts of paths are compared one by one, so a slash sorts before every other byte.
    sorted.sort_by(|a, b| a.path.split(|byte| *byte == b'/').cmp(b.path.split(|byte| *byte == b'/')));
    let mut names: BTreeMap<u64, usize> = BTreeMap::new();
    for entry in entries {
        *names.entry(entry.inode).or_default() += 1;
    }
    let mut first: BTreeMap<u64, String> = BTreeMap::new();
    let mut all = Vec::new();
    for entry in sorted {
        let path = format!("/{}", word_of_path(&entry.path));
        if let Some(first) = first.get(&entry.inode) {
            all.push(format!("{path} link={first}"));
            continue;
        }
        if names.get(&entry.inode).is_some_and(|count| *count > 1) {
            first.insert(entry.inode, path.clone());
        }
        all.push(line(&path, &entry.facts));
    }
    all
}

fn word_of_path(path: &[u8]) -> String {
    word(path)
}

fn line(path: &str, facts: &FileFacts) -> String {
    let kind = match &facts.kind {
        EntryKind::File(_) => "file",
        EntryKind::Folder => "dir",
        EntryKind::Link(_) => "symlink",
        EntryKind::CharDevice(..) => "char",
        EntryKind::BlockDevice(..) => "block",
        EntryKind::Pipe => "fifo",
        EntryKind::Socket => "socket",
    };
    let FileFacts { mode, uid, gid, secs, nanos, .. } = facts;
    let mut text = format!("{path} {kind} {mode:04o} {uid}:{gid} {secs}.{nanos:09}");
    // Writing to a String cannot fail.
    let _ = match &facts.kind {
        EntryKind::File(size) => write!(text, " {size}"),
        EntryKind::Link(target) => write!(text, " -> {}", word(target)),
        EntryKind::CharDevice(major, minor) | EntryKind::BlockDevice(major, minor) => {
            write!(text, " {major},{minor}")
        }
        EntryKind::Folder | EntryKind::Pipe | EntryKind::Socket => Ok(()),
    };
    for (name, value) in &facts.xattrs {
        let _ = write!(text, " {}={}", word(name), crate::bytes::hex(value));
    }
    text
}

/// The parts of `tree.txt`: numbered lines by the id of their partition.
pub(crate) fn parts<'a>(text: &'a str, log: &mut Log<'_>) -> BTreeMap<&'a str, Vec<(usize, &'a str)>> {
    let mut parts: BTreeMap<&str, Vec<(usize, &str)>> = BTreeMap::new();
    let mut id = None;
    for (index, line) in text.split_terminator('\n').enumerate() {
        let number = index.saturating_add(1);
        if let Some(head) = line.strip_prefix("# ") {
            let name = head.split(' ').next().unwrap_or_default();
            if parts.insert(name, Vec::new()).is_some() {
                log.wrong(None, format!("line {number} begins a second part for {}", shown(name)));
            }
            id = Some(name);
        } else if let Some(part) = id.and_then(|id| parts.get_mut(id)) {
            part.push((number, line));
        } else {
            log.wrong(None, format!("line {number} is in no part: {}", shown(line)));
        }
    }
    parts
}

/// Compares the names of a volume with its part of `tree.txt`.
pub(crate) fn compare(id: &str, listed: &[(usize, &str)], volume: &Volume, log: &mut Log<'_>) {
    let Some(entries) = &volume.entries else { return };
    let key = |line: &str| if volume.names_only { name_and_size(line) } else { line.to_string() };
    let actual = lines(entries);
    let actual: BTreeSet<String> = actual.iter().map(|line| key(line)).collect();
    let mut expected = BTreeSet::new();
    for (number, line) in listed {
        let line_key = key(line);
        if !actual.contains(&line_key) {
            log.wrong(None, format!("line {number} is not so in {id}: {}", shown(line)));
        }
        if !expected.insert(line_key) {
            log.wrong(None, format!("line {number} is there twice"));
        }
    }
    // mke2fs, and every other maker of ext4, adds this folder by itself.
    let extra =
        actual.iter().filter(|line| !expected.contains(*line) && !line.starts_with("/lost+found dir "));
    for line in extra {
        log.wrong(None, format!("a line is missing for what is in {id}: {}", shown(line)));
    }
}

/// Path, kind and size.
fn name_and_size(line: &str) -> String {
    let mut fields = line.split(' ');
    let (path, kind) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    match (kind, fields.nth(3)) {
        ("file", Some(size)) => format!("{path} file {size}"),
        _ => format!("{path} {kind}"),
    }
}

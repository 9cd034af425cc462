//! A small image with a node of every kind, packed as densely as can be, and where its structures are.

use amiforge_formats::erofs::check::check;
use amiforge_formats::erofs::read::{ErofsDefect, ErofsReadError, open};
use amiforge_formats::erofs::write::{ErofsOptions, ErofsWriteError, plan};
use amiforge_formats::guid::Guid;
use amiforge_formats::plan::{NoSources, SourceId};
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Origin, Tree};

/// First byte of the superblock, and of its checksum in it.
pub(crate) const SUPERBLOCK: usize = 1024;
const CHECKSUM: usize = SUPERBLOCK + 4;

pub(crate) fn add(tree: &mut Tree, dir: NodeId, name: &str, kind: NodeKind) -> NodeId {
    let meta = Meta::root_owned(0o755, Time { secs: 1_650_000_000, nanos: 5 });
    tree.add(dir, Name::new(name.as_bytes()).unwrap(), Node { meta, kind }).unwrap()
}

pub(crate) fn file(len: usize) -> NodeKind {
    NodeKind::File(Content::Inline((0..len).map(|at| (at % 251) as u8).collect()))
}

fn tree() -> Tree {
    let mut tree = Tree::new(Meta::root_owned(0o755, Time::from_secs(1_600_000_000)));
    let root = tree.root();
    add(&mut tree, root, "inline", file(700));
    add(&mut tree, root, "run", file(9000));
    add(&mut tree, root, "chunks", file(120_000));
    add(&mut tree, root, "more-chunks", file(50_000));
    add(&mut tree, root, "link", NodeKind::Symlink(b"inline"[..].into()));
    add(&mut tree, root, "null", NodeKind::CharDevice { major: 1, minor: 3 });
    let linked = add(&mut tree, root, "first", file(10));
    tree.link(root, Name::new(b"second").unwrap(), linked).unwrap();
    let dir = add(&mut tree, root, "dir", NodeKind::dir());
    add(&mut tree, dir, "below", NodeKind::dir());
    let attributed = add(&mut tree, dir, "attributed", file(5));
    let xattrs = [(&b"user.a"[..], &b"one"[..]), (b"user.b", b"two")];
    tree.node_mut(attributed).meta.xattrs = Some(Box::new(xattrs.map(|(k, v)| (k.into(), v.into())).into()));
    let many = add(&mut tree, root, "many", NodeKind::dir());
    for number in 0..300 {
        add(&mut tree, many, &format!("a-long-name-of-a-file-{number:04}"), file(number % 7));
    }
    tree
}

/// The image.
#[derive(Clone)]
pub(crate) struct Image {
    pub(crate) bytes: Vec<u8>,
    /// Path and number of each inode.
    pub(crate) nids: Vec<(Vec<u8>, u64)>,
}

impl Image {
    pub(crate) fn new() -> Self {
        let options = ErofsOptions {
            uuid: Guid::from_u128(7),
            label: "hostile".into(),
            time: Time::from_secs(1_700_000_000),
        };
        let Err(ErofsWriteError::NoSpace { needed, .. }) = plan(&tree(), &options, 8192) else {
            panic!("8 KiB are enough")
        };
        let plan = plan(&tree(), &options, needed).unwrap();
        let mut bytes = vec![0; plan.len() as usize];
        plan.read_exact_at(&NoSources, 0, &mut bytes).unwrap();
        let read = open(&bytes).unwrap().numbered_tree(SourceId(0)).unwrap();
        let nids = read.tree.walk().map(|entry| (entry.path, read.nids[entry.id.index()])).collect();
        let image = Self { bytes, nids };
        let (refusal, findings) = image.outcome();
        assert!(refusal.is_none() && findings.is_empty(), "{refusal:?} {findings:?}");
        image
    }

    /// The number of an inode.
    pub(crate) fn nid(&self, path: &str) -> u64 {
        self.nids.iter().find(|(known, _)| known == path.as_bytes()).unwrap().1
    }

    /// First byte of an inode.
    pub(crate) fn inode(&self, path: &str) -> usize {
        self.nid(path) as usize * 32
    }

    /// First byte behind the inode of a node without attributes.
    pub(crate) fn behind(&self, path: &str) -> usize {
        self.inode(path) + 64
    }

    /// First byte of the first block of a node in one run.
    pub(crate) fn block(&self, path: &str) -> usize {
        let at = self.inode(path) + 16;
        u32::from_le_bytes(self.bytes[at..at + 4].try_into().unwrap()) as usize * 4096
    }

    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Makes the checksum right.
    pub(crate) fn repair(&mut self) {
        let end = self.bytes.len().min(4096);
        if end < SUPERBLOCK + 8 {
            return;
        }
        self.put(CHECKSUM, &[0; 4]);
        let sum = !crc32c::crc32c(&self.bytes[SUPERBLOCK..end]);
        self.put(CHECKSUM, &sum.to_le_bytes());
    }

    /// The error of the reader, and the findings of the checker. Contents that the reader gives are within the image.
    pub(crate) fn outcome(&self) -> (Option<ErofsReadError>, Vec<ErofsDefect>) {
        let read = open(&self.bytes).and_then(|system| system.tree(SourceId(0)));
        if let Ok(tree) = &read {
            for entry in tree.walk() {
                let NodeKind::File(content) = &tree.node(entry.id).kind else { continue };
                for segment in content.segments() {
                    let Origin::Slice { at, .. } = segment.origin else { panic!("bytes of nowhere") };
                    assert!(at + segment.len <= self.bytes.len() as u64);
                }
            }
        }
        let findings = match check(&self.bytes) {
            Ok(report) => report.findings.into_iter().map(|finding| finding.corruption.why).collect(),
            Err(error) => vec![defect(error)],
        };
        (read.err(), findings)
    }
}

/// The defect of an error; one that is none stands for errors of other kinds.
pub(crate) fn defect(error: ErofsReadError) -> ErofsDefect {
    match error {
        ErofsReadError::Corrupt(corruption) => corruption.why,
        other => ErofsDefect::Missing { what: Box::leak(other.to_string().into_boxed_str()) },
    }
}

/// Whether the reader refuses too, or only the checker has a finding.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    /// Both.
    Refused,
    /// The checker alone: the bytes can be read, but no writer should have written them so.
    Found,
}

/// A corruption and what is expected of it.
pub(crate) type Case = (&'static str, fn(&mut Image), Outcome, fn(&ErofsDefect) -> bool);

/// Runs cases on copies of the image.
pub(crate) fn run(cases: &[Case]) {
    let image = Image::new();
    for (name, corrupt, outcome, is_right) in cases {
        let mut image = image.clone();
        corrupt(&mut image);
        image.repair();
        let (refusal, findings) = image.outcome();
        assert!(findings.iter().any(is_right), "{name}: findings {findings:#?}");
        match outcome {
            Outcome::Found => assert!(refusal.is_none(), "{name}: {refusal:?}"),
            Outcome::Refused => {
                let why = defect(refusal.unwrap_or_else(|| panic!("{name}: it is read")));
                assert!(is_right(&why), "{name}: {why:?}");
            }
        }
    }
}

//! Random trees and random changes of them; the same number gives the same ones.

use std::sync::Arc;

use amiforge_formats::plan::SourceId;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Origin, Segment, Tree, Xattrs};

/// A generator of numbers (Marsaglia's xorshift).
pub(crate) struct PatchRng(pub(crate) u64);

impl PatchRng {
    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % most.max(1)
    }

    fn chance(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }
}

fn meta(rng: &mut PatchRng) -> Meta {
    let mtime =
        Time { secs: 1_500_000_000 + rng.below(200_000_000) as i64, nanos: rng.below(1_000_000_000) as u32 };
    let mut meta = Meta::root_owned([0o644, 0o755, 0o4755, 0o600][rng.below(4) as usize], mtime);
    if rng.chance(3) {
        (meta.uid, meta.gid) = (rng.below(200_000) as u32, rng.below(70_000) as u32);
    }
    meta
}

/// Attributes: a few that fit the inode, some that need a block, some that several nodes have.
fn xattrs(rng: &mut PatchRng) -> Option<Box<Xattrs>> {
    let mut xattrs = Xattrs::new();
    if rng.chance(4) {
        xattrs.insert(b"user.small"[..].into(), vec![b'v'; rng.below(20) as usize + 1].into());
    }
    if rng.chance(6) {
        xattrs.insert(b"user.shared"[..].into(), vec![b's'; 300].into());
    }
    if rng.chance(9) {
        xattrs.insert(b"trusted.large"[..].into(), vec![b'l'; rng.below(400) as usize + 100].into());
    }
    (!xattrs.is_empty()).then(|| Box::new(xattrs))
}

fn content(rng: &mut PatchRng, small: bool) -> Content {
    let len = match rng.below(8) {
        0 => 0,
        1..=4 => rng.below(3000) + 1,
        5 | 6 => rng.below(40_000) + 1,
        _ if small => rng.below(40_000) + 1,
        _ => rng.below(700_000) + 1,
    };
    if rng.chance(10) {
        // Sparse, with more pieces than a node of an inode has extents.
        let count = rng.below(14) + 1;
        let at = |i: u64| Segment {
            offset: i * 20_000,
            len: 900,
            origin: Origin::Slice { source: SourceId(1), at: i },
        };
        return Content::Sparse {
            len: count * 20_000 + rng.below(9000),
            segments: (0..count).map(at).collect(),
        };
    }
    match (len, rng.chance(2)) {
        (0, _) => Content::empty(),
        (len, true) => Content::Slice { source: SourceId(1), at: rng.below(1 << 30), len },
        (len, false) => Content::Inline(Arc::from(vec![rng.below(256) as u8; len as usize])),
    }
}

fn name(rng: &mut PatchRng) -> Name {
    let len = [3, 8, 20, 60, 200][rng.below(5) as usize];
    let letters: Vec<u8> = (0..len).map(|_| b'a' + rng.below(26) as u8).collect();
    Name::new(&letters).unwrap()
}

fn kind(rng: &mut PatchRng, small: bool) -> NodeKind {
    match rng.below(24) {
        0..=3 => NodeKind::dir(),
        4 => NodeKind::Symlink(vec![b't'; rng.below(58) as usize + 1].into()),
        5 => NodeKind::Symlink(vec![b'T'; rng.below(400) as usize + 60].into()),
        6 => NodeKind::Fifo,
        7 => NodeKind::CharDevice { major: rng.below(300) as u32, minor: rng.below(70_000) as u32 },
        8 => NodeKind::BlockDevice { major: 8, minor: rng.below(20) as u32 },
        _ => NodeKind::File(content(rng, small)),
    }
}

/// Adds `count` nodes to random directories.
pub(crate) fn grow(tree: &mut Tree, rng: &mut PatchRng, count: u64, small: bool) {
    for _ in 0..count {
        let dirs = dirs(tree);
        let parent = dirs[rng.below(dirs.len() as u64) as usize];
        let kind = kind(rng, small);
        let mut meta = meta(rng);
        if matches!(kind, NodeKind::File(_) | NodeKind::Dir(_)) {
            meta.xattrs = xattrs(rng);
        }
        if matches!(kind, NodeKind::Symlink(_)) {
            meta.mode = 0o777;
        }
        let is_file = matches!(kind, NodeKind::File(_));
        let Ok(id) = tree.add(parent, name(rng), Node { meta, kind }) else { continue };
        if is_file && rng.chance(6) {
            let other = dirs[rng.below(dirs.len() as u64) as usize];
            let _ = tree.link(other, name(rng), id);
        }
    }
}

/// Many names in one directory, so that it has an index.
pub(crate) fn crowd(tree: &mut Tree, rng: &mut PatchRng, dir: &[u8], count: u64) {
    let id = tree.lookup(dir).unwrap_or_else(|| {
        let node = Node { meta: meta(rng), kind: NodeKind::dir() };
        tree.add(tree.root(), Name::new(dir).unwrap(), node).unwrap()
    });
    for _ in 0..count {
        let node = Node { meta: meta(rng), kind: NodeKind::File(Content::empty()) };
        let _ = tree.add(id, name(rng), node);
    }
}

pub(crate) fn dirs(tree: &Tree) -> Vec<NodeId> {
    let all = tree.walk().filter(|entry| entry.path != b"lost+found" && tree.entries(entry.id).is_some());
    all.map(|entry| entry.id).collect()
}

/// A few random changes of names, contents and metadata.
pub(crate) fn amend(tree: &mut Tree, rng: &mut PatchRng, count: u64, small: bool) {
    for _ in 0..count {
        let entries: Vec<_> = tree.walk().filter(|entry| !entry.path.starts_with(b"lost+found")).collect();
        let entry = &entries[rng.below(entries.len() as u64) as usize];
        let split = entry.path.iter().rposition(|byte| *byte == b'/');
        let (above, own) =
            split.map_or((&b""[..], &entry.path[..]), |at| (&entry.path[..at], &entry.path[at + 1..]));
        let parent = tree.lookup(above).unwrap();
        match rng.below(10) {
            0 | 1 if !own.is_empty() => drop(tree.unlink(parent, own)),
            2 if !own.is_empty() && tree.entries(entry.id).is_none() => {
                tree.unlink(parent, own);
                let _ = tree.link(parent, name(rng), entry.id);
            }
            3 => {
                let new = meta(rng);
                let node = tree.node_mut(entry.id);
                let mode = if matches!(node.kind, NodeKind::Symlink(_)) { 0o777 } else { new.mode };
                node.meta = Meta { xattrs: node.meta.xattrs.take(), ..new };
                node.meta.mode = mode;
            }
            4 => {
                let new = xattrs(rng);
                let node = tree.node_mut(entry.id);
                if matches!(node.kind, NodeKind::File(_) | NodeKind::Dir(_)) {
                    node.meta.xattrs = new;
                }
            }
            5 | 6 => {
                let (new, target) = (content(rng, small), vec![b'n'; rng.below(300) as usize + 1]);
                match &mut tree.node_mut(entry.id).kind {
                    NodeKind::File(content) => *content = new,
                    NodeKind::Symlink(old) => *old = target.into(),
                    _ => {}
                }
            }
            _ => grow(tree, rng, 2, small),
        }
    }
}

//! Random trees and random changes of them; the same number gives the same ones.

use std::sync::Arc;

use amiforge_formats::plan::SourceId;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeId, NodeKind, Origin, Segment, Tree, Xattrs};

/// A generator of numbers (Marsaglia's xorshift).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
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

fn meta(dice: &mut Dice) -> Meta {
    let mtime = Time {
        secs: 1_500_000_000 + dice.below(200_000_000) as i64,
        nanos: dice.below(1_000_000_000) as u32,
    };
    let mut meta = Meta::root_owned([0o644, 0o755, 0o4755, 0o600][dice.below(4) as usize], mtime);
    if dice.chance(3) {
        (meta.uid, meta.gid) = (dice.below(200_000) as u32, dice.below(70_000) as u32);
    }
    meta
}

/// Attributes: a few that fit the inode, some that need a block, some that several nodes have.
fn xattrs(dice: &mut Dice) -> Option<Box<Xattrs>> {
    let mut xattrs = Xattrs::new();
    if dice.chance(4) {
        xattrs.insert(b"user.small"[..].into(), vec![b'v'; dice.below(20) as usize + 1].into());
    }
    if dice.chance(6) {
        xattrs.insert(b"user.shared"[..].into(), vec![b's'; 300].into());
    }
    if dice.chance(9) {
        xattrs.insert(b"trusted.large"[..].into(), vec![b'l'; dice.below(400) as usize + 100].into());
    }
    (!xattrs.is_empty()).then(|| Box::new(xattrs))
}

fn content(dice: &mut Dice, small: bool) -> Content {
    let len = match dice.below(8) {
        0 => 0,
        1..=4 => dice.below(3000) + 1,
        5 | 6 => dice.below(40_000) + 1,
        _ if small => dice.below(40_000) + 1,
        _ => dice.below(700_000) + 1,
    };
    if dice.chance(10) {
        // Sparse, with more pieces than a node of an inode has extents.
        let count = dice.below(14) + 1;
        let at = |i: u64| Segment {
            offset: i * 20_000,
            len: 900,
            origin: Origin::Slice { source: SourceId(1), at: i },
        };
        return Content::Sparse {
            len: count * 20_000 + dice.below(9000),
            segments: (0..count).map(at).collect(),
        };
    }
    match (len, dice.chance(2)) {
        (0, _) => Content::empty(),
        (len, true) => Content::Slice { source: SourceId(1), at: dice.below(1 << 30), len },
        (len, false) => Content::Inline(Arc::from(vec![dice.below(256) as u8; len as usize])),
    }
}

fn name(dice: &mut Dice) -> Name {
    let len = [3, 8, 20, 60, 200][dice.below(5) as usize];
    let letters: Vec<u8> = (0..len).map(|_| b'a' + dice.below(26) as u8).collect();
    Name::new(&letters).unwrap()
}

fn kind(dice: &mut Dice, small: bool) -> NodeKind {
    match dice.below(24) {
        0..=3 => NodeKind::dir(),
        4 => NodeKind::Symlink(vec![b't'; dice.below(58) as usize + 1].into()),
        5 => NodeKind::Symlink(vec![b'T'; dice.below(400) as usize + 60].into()),
        6 => NodeKind::Fifo,
        7 => NodeKind::CharDevice { major: dice.below(300) as u32, minor: dice.below(70_000) as u32 },
        8 => NodeKind::BlockDevice { major: 8, minor: dice.below(20) as u32 },
        _ => NodeKind::File(content(dice, small)),
    }
}

/// Adds `count` nodes to random directories.
pub(crate) fn grow(tree: &mut Tree, dice: &mut Dice, count: u64, small: bool) {
    for _ in 0..count {
        let dirs = dirs(tree);
        let parent = dirs[dice.below(dirs.len() as u64) as usize];
        let kind = kind(dice, small);
        let mut meta = meta(dice);
        if matches!(kind, NodeKind::File(_) | NodeKind::Dir(_)) {
            meta.xattrs = xattrs(dice);
        }
        if matches!(kind, NodeKind::Symlink(_)) {
            meta.mode = 0o777;
        }
        let is_file = matches!(kind, NodeKind::File(_));
        let Ok(id) = tree.add(parent, name(dice), Node { meta, kind }) else { continue };
        if is_file && dice.chance(6) {
            let other = dirs[dice.below(dirs.len() as u64) as usize];
            let _ = tree.link(other, name(dice), id);
        }
    }
}

/// Many names in one directory, so that it has an index.
pub(crate) fn crowd(tree: &mut Tree, dice: &mut Dice, dir: &[u8], count: u64) {
    let id = tree.lookup(dir).unwrap_or_else(|| {
        let node = Node { meta: meta(dice), kind: NodeKind::dir() };
        tree.add(tree.root(), Name::new(dir).unwrap(), node).unwrap()
    });
    for _ in 0..count {
        let node = Node { meta: meta(dice), kind: NodeKind::File(Content::empty()) };
        let _ = tree.add(id, name(dice), node);
    }
}

pub(crate) fn dirs(tree: &Tree) -> Vec<NodeId> {
    let all = tree.walk().filter(|entry| entry.path != b"lost+found" && tree.entries(entry.id).is_some());
    all.map(|entry| entry.id).collect()
}

/// A few random changes of names, contents and metadata.
pub(crate) fn amend(tree: &mut Tree, dice: &mut Dice, count: u64, small: bool) {
    for _ in 0..count {
        let entries: Vec<_> = tree.walk().filter(|entry| !entry.path.starts_with(b"lost+found")).collect();
        let entry = &entries[dice.below(entries.len() as u64) as usize];
        let split = entry.path.iter().rposition(|byte| *byte == b'/');
        let (above, own) =
            split.map_or((&b""[..], &entry.path[..]), |at| (&entry.path[..at], &entry.path[at + 1..]));
        let parent = tree.lookup(above).unwrap();
        match dice.below(10) {
            0 | 1 if !own.is_empty() => drop(tree.unlink(parent, own)),
            2 if !own.is_empty() && tree.entries(entry.id).is_none() => {
                tree.unlink(parent, own);
                let _ = tree.link(parent, name(dice), entry.id);
            }
            3 => {
                let new = meta(dice);
                let node = tree.node_mut(entry.id);
                let mode = if matches!(node.kind, NodeKind::Symlink(_)) { 0o777 } else { new.mode };
                node.meta = Meta { xattrs: node.meta.xattrs.take(), ..new };
                node.meta.mode = mode;
            }
            4 => {
                let new = xattrs(dice);
                let node = tree.node_mut(entry.id);
                if matches!(node.kind, NodeKind::File(_) | NodeKind::Dir(_)) {
                    node.meta.xattrs = new;
                }
            }
            5 | 6 => {
                let (new, target) = (content(dice, small), vec![b'n'; dice.below(300) as usize + 1]);
                match &mut tree.node_mut(entry.id).kind {
                    NodeKind::File(content) => *content = new,
                    NodeKind::Symlink(old) => *old = target.into(),
                    _ => {}
                }
            }
            _ => grow(tree, dice, 2, small),
        }
    }
}

//! Two trees path by path: names, metadata, links and contents.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;

use amiforge_formats::read_at::ReadAt as _;
use amiforge_formats::tree::{
    Content, Name, Node, NodeId, NodeKind, Origin, Printable, Segment, Tree, Xattrs,
};

use super::DiffError;
use super::byte_diff::ByteDiff;
use super::images::{RangeBytes, RangePair};
use super::report::{DiffChange, DiffCollector, DifferenceWeight, below};
use crate::inspect::{Utc, hex, mode_string};

/// Bytes compared at a time.
const CHUNK: u64 = 1 << 20;

/// Bytes of an attribute that are shown.
const XATTR_SHOWN: usize = 64;

/// A path that both trees have with a node of one kind.
#[derive(Debug, Clone)]
pub(crate) struct Common {
    pub(crate) path: Vec<u8>,
    pub(crate) a: NodeId,
    pub(crate) b: NodeId,
}

/// The result of a comparison of two trees, for the comparison of the structures below it.
#[derive(Debug, Default)]
pub(crate) struct TreeComparison {
    /// Paths of nodes that both have, each pair of nodes once.
    pub(crate) common: Vec<Common>,
    /// Whether anything differs that moves blocks or inodes: names, kinds, lengths, contents, links, attributes.
    pub(crate) structural: bool,
}

/// Two trees, and the ranges that hold their contents.
pub(crate) struct Trees<'a> {
    pub(crate) a: &'a Tree,
    pub(crate) b: &'a Tree,
    pub(crate) pair: &'a RangePair<'a>,
}

/// Shows a path as an absolute one.
pub(crate) fn shown(path: &[u8]) -> String {
    format!("/{}", Printable(path))
}

impl Trees<'_> {
    /// Compares them.
    ///
    /// # Errors
    /// [`DiffError::Content`].
    pub(crate) fn compare(
        &self,
        location: &[String],
        collector: &mut DiffCollector,
    ) -> Result<TreeComparison, DiffError> {
        let mut outcome = TreeComparison::default();
        let mut paths = Vec::new();
        let mut stack = vec![Common { path: Vec::new(), a: self.a.root(), b: self.b.root() }];
        while let Some(common) = stack.pop() {
            let (a, b) = (self.a.node(common.a), self.b.node(common.b));
            if a.kind.word() != b.kind.word() {
                outcome.structural = true;
                collector.value(
                    DifferenceWeight::Own,
                    &below(location, shown(&common.path)),
                    "kind",
                    describe(a),
                    describe(b),
                );
                continue;
            }
            if let (NodeKind::Dir(in_a), NodeKind::Dir(in_b)) = (&a.kind, &b.kind) {
                let children = self.entries(&common.path, in_a, in_b, location, (collector, &mut outcome));
                stack.extend(children.into_iter().rev());
            }
            paths.push(common);
        }
        let mut seen = HashSet::new();
        outcome.structural |= hard_links(&paths, location, collector);
        for common in paths {
            if seen.insert((common.a, common.b)) {
                outcome.structural |= self.nodes(&common, location, collector)?;
                outcome.common.push(common);
            }
        }
        Ok(outcome)
    }

    /// Compares the entries of a directory; gives those that both have.
    fn entries(
        &self,
        path: &[u8],
        a: &BTreeMap<Name, NodeId>,
        b: &BTreeMap<Name, NodeId>,
        location: &[String],
        (collector, outcome): (&mut DiffCollector, &mut TreeComparison),
    ) -> Vec<Common> {
        let join = |name: &Name| {
            let slash: &[u8] = if path.is_empty() { b"" } else { b"/" };
            [path, slash, name.as_bytes()].concat()
        };
        for (name, id) in a.iter().filter(|(name, _)| !b.contains_key(*name)) {
            outcome.structural = true;
            only(self.a, *id, &join(name), location, collector, DiffChange::OnlyA);
        }
        for (name, id) in b.iter().filter(|(name, _)| !a.contains_key(*name)) {
            outcome.structural = true;
            only(self.b, *id, &join(name), location, collector, DiffChange::OnlyB);
        }
        a.iter().filter_map(|(name, a)| Some(Common { path: join(name), a: *a, b: *b.get(name)? })).collect()
    }

    /// Compares two nodes of one kind; gives whether anything differs that moves blocks or inodes.
    fn nodes(
        &self,
        common: &Common,
        location: &[String],
        collector: &mut DiffCollector,
    ) -> Result<bool, DiffError> {
        let location = below(location, shown(&common.path));
        let (a, b) = (self.a.node(common.a), self.b.node(common.b));
        let octal = |mode: u16| format!("{mode:04o}");
        collector.value(DifferenceWeight::Own, &location, "mode", octal(a.meta.mode), octal(b.meta.mode));
        collector.value(DifferenceWeight::Own, &location, "uid", a.meta.uid, b.meta.uid);
        collector.value(DifferenceWeight::Own, &location, "gid", a.meta.gid, b.meta.gid);
        collector.value(DifferenceWeight::Own, &location, "mtime", Utc(a.meta.mtime), Utc(b.meta.mtime));
        let mut moves = xattrs(a.meta.xattrs.as_deref(), b.meta.xattrs.as_deref(), &location, collector);
        match (&a.kind, &b.kind) {
            (NodeKind::File(in_a), NodeKind::File(in_b)) => {
                let content = self.content(in_a, in_b);
                let content =
                    content.map_err(|source| DiffError::Content { path: common.path.clone(), source })?;
                collector.value(DifferenceWeight::Own, &location, "size", in_a.len(), in_b.len());
                moves |= in_a.len() != in_b.len();
                if let Some(bytes) = content.finish() {
                    collector.add(DifferenceWeight::Own, &location, "content", DiffChange::Bytes(bytes));
                    // Bytes that are replaced in place move nothing, but may be written elsewhere.
                    moves = true;
                } else if in_a.len() == in_b.len() && data_ranges(in_a) != data_ranges(in_b) {
                    let stored = |content: &Content| format!("{} bytes stored", stored(content));
                    collector.value(DifferenceWeight::Own, &location, "holes", stored(in_a), stored(in_b));
                    moves = true;
                }
            }
            (NodeKind::Symlink(in_a), NodeKind::Symlink(in_b)) => {
                collector.value(DifferenceWeight::Own, &location, "target", Printable(in_a), Printable(in_b));
                moves |= in_a != in_b;
            }
            _ => {
                collector.value(DifferenceWeight::Own, &location, "device", device(&a.kind), device(&b.kind));
            }
        }
        Ok(moves)
    }

    /// Compares two contents as far as both reach.
    fn content(&self, a: &Content, b: &Content) -> io::Result<ByteDiff> {
        let (in_a, in_b) = (a.segments(), b.segments());
        let len = a.len().min(b.len());
        let mut diff = ByteDiff::default();
        let mut at = 0;
        while at < len {
            let now = CHUNK.min(len - at);
            if !self.known_equal(&in_a, &in_b, at, now) {
                let bytes = (read(&self.pair.a, &in_a, at, now)?, read(&self.pair.b, &in_b, at, now)?);
                diff.compare(at, &bytes.0, &bytes.1);
            }
            at += now;
        }
        Ok(diff)
    }

    /// Whether a range of both files is known to be equal without reading it.
    fn known_equal(&self, a: &[Segment], b: &[Segment], at: u64, len: u64) -> bool {
        match (range_source(a, at, len), range_source(b, at, len)) {
            (Some(RangeSource::Hole), Some(RangeSource::Hole)) => true,
            (Some(RangeSource::At(a)), Some(RangeSource::At(b))) => self.pair.known_equal(a, b, len),
            _ => false,
        }
    }
}

/// The offset of a whole range of a file in its partition.
enum RangeSource {
    Hole,
    At(u64),
}

/// The source of a range of a file, if all of it is contiguous.
fn range_source(segments: &[Segment], at: u64, len: u64) -> Option<RangeSource> {
    let first = segments.partition_point(|segment| segment.offset + segment.len <= at);
    let Some(segment) = segments.get(first).filter(|segment| segment.offset < at + len) else {
        return Some(RangeSource::Hole);
    };
    let whole = segment.offset <= at && at + len <= segment.offset + segment.len;
    match &segment.origin {
        Origin::Slice { at: start, .. } if whole => Some(RangeSource::At(start + (at - segment.offset))),
        _ => None,
    }
}

/// Reads a range of a file, holes as zeros.
fn read(bytes: &RangeBytes<'_>, segments: &[Segment], at: u64, len: u64) -> io::Result<Vec<u8>> {
    let mut buf = vec![0; len as usize];
    let first = segments.partition_point(|segment| segment.offset + segment.len <= at);
    for segment in segments[first..].iter().take_while(|segment| segment.offset < at + len) {
        let from = segment.offset.max(at);
        let to = (segment.offset + segment.len).min(at + len);
        let skip = from - segment.offset;
        let into = &mut buf[(from - at) as usize..(to - at) as usize];
        match &segment.origin {
            Origin::Slice { at: start, .. } => bytes.read_exact_at(start + skip, into)?,
            Origin::Inline { bytes, at: start } => {
                let start = start + skip as usize;
                let held = bytes.get(start..start + into.len());
                into.copy_from_slice(held.ok_or(io::ErrorKind::UnexpectedEof)?);
            }
        }
    }
    Ok(buf)
}

/// The ranges of a file that are no holes, neighbours joined, whatever their offsets on the disk.
fn data_ranges(content: &Content) -> Vec<(u64, u64)> {
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for segment in content.segments() {
        match joined.last_mut() {
            Some(last) if last.1 == segment.offset => last.1 += segment.len,
            _ => joined.push((segment.offset, segment.offset + segment.len)),
        }
    }
    joined
}

/// Bytes that are not in holes.
fn stored(content: &Content) -> u64 {
    content.segments().iter().map(|segment| segment.len).sum()
}

/// Adds a name that only one tree has, and everything below it.
fn only(
    tree: &Tree,
    id: NodeId,
    path: &[u8],
    location: &[String],
    collector: &mut DiffCollector,
    change: fn(String) -> DiffChange,
) {
    let mut stack = vec![(path.to_vec(), id)];
    while let Some((path, id)) = stack.pop() {
        let node = tree.node(id);
        collector.add(DifferenceWeight::Own, &below(location, shown(&path)), "path", change(describe(node)));
        let entries = tree.entries(id).into_iter().flat_map(|entries| entries.iter().rev());
        stack.extend(
            entries.map(|(name, child)| ([&path, b"/".as_slice(), name.as_bytes()].concat(), *child)),
        );
    }
}

/// A short description of a node.
fn describe(node: &Node) -> String {
    let meta = &node.meta;
    let head = format!("{} {}:{}", mode_string(node.kind.word(), meta.mode), meta.uid, meta.gid);
    match &node.kind {
        NodeKind::File(content) => format!("{head} file of {} bytes", content.len()),
        NodeKind::Symlink(target) => format!("{head} symlink to {}", Printable(target)),
        NodeKind::CharDevice { .. } | NodeKind::BlockDevice { .. } => {
            format!("{head} {} device {}", node.kind.word(), device(&node.kind))
        }
        other => format!("{head} {}", other.word()),
    }
}

/// The numbers of a device.
fn device(kind: &NodeKind) -> String {
    match kind {
        NodeKind::CharDevice { major, minor } | NodeKind::BlockDevice { major, minor } => {
            format!("{major},{minor}")
        }
        _ => String::new(),
    }
}

/// Compares attributes; gives whether they differ.
fn xattrs(
    a: Option<&Xattrs>,
    b: Option<&Xattrs>,
    location: &[String],
    collector: &mut DiffCollector,
) -> bool {
    if a == b {
        return false;
    }
    let none = Xattrs::new();
    let (a, b) = (a.unwrap_or(&none), b.unwrap_or(&none));
    let value = |bytes: &[u8]| match bytes.len() {
        0..=XATTR_SHOWN => hex(bytes),
        len => format!("{}… ({len} bytes)", hex(&bytes[..XATTR_SHOWN])),
    };
    let mut differ = false;
    let names: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
    for name in names {
        let change = match (a.get(name), b.get(name)) {
            (Some(a), Some(b)) if a == b => continue,
            (Some(a), Some(b)) => DiffChange::Value { a: value(a), b: value(b) },
            (Some(a), None) => DiffChange::OnlyA(value(a)),
            (None, Some(b)) => DiffChange::OnlyB(value(b)),
            (None, None) => continue,
        };
        differ = true;
        collector.add(DifferenceWeight::Own, location, format!("xattr {}", Printable(name)), change);
    }
    differ
}

/// Compares which of the paths that both have are names of one node; gives whether that differs.
fn hard_links(paths: &[Common], location: &[String], collector: &mut DiffCollector) -> bool {
    let mut firsts: (HashMap<NodeId, usize>, HashMap<NodeId, usize>) = Default::default();
    let mut differ = false;
    for (index, common) in paths.iter().enumerate() {
        let a = *firsts.0.entry(common.a).or_insert(index);
        let b = *firsts.1.entry(common.b).or_insert(index);
        if a != b {
            differ = true;
            let same_as = |first: usize| {
                if first == index {
                    "a file of its own".to_owned()
                } else {
                    format!("link to {}", shown(&paths[first].path))
                }
            };
            let location = below(location, shown(&common.path));
            collector.value(DifferenceWeight::Own, &location, "hard link", same_as(a), same_as(b));
        }
    }
    differ
}

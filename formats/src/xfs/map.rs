//! The map of an XFS file system: which structure or file every byte belongs to.

use std::collections::BTreeMap;

use super::read::group::{self, XfsGroup};
use super::read::{
    self, XfsClaims, XfsFileKind, XfsFileSystem, XfsInode, XfsReadError, XfsRefuse, XfsTreeKind, xattr,
};
use crate::map::{MapBuilder, MapError, NodeName, NodePart, RangeMap, Subject};
use crate::plan::SourceId;
use crate::read_at::ReadAt;

/// Why there is no map.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum XfsMapError {
    /// The file system is damaged, or was not unmounted.
    #[error(transparent)]
    Read(#[from] XfsReadError),
    /// Two structures have the same bytes, or none has bytes that are not free.
    #[error("comparing the ranges of groups, inodes and contents")]
    Map(#[from] MapError),
}

/// The map under way.
struct XfsMap<'m, 'a, R: ?Sized> {
    system: &'m XfsFileSystem<'a, R>,
    builder: MapBuilder,
    claims: XfsClaims,
    /// Nodes by the number of their inode.
    nodes: BTreeMap<u64, u32>,
}

/// Maps the file system that begins at the first byte of `volume`.
///
/// # Errors
/// [`XfsMapError`].
pub fn map<R: ReadAt + ?Sized>(volume: &R) -> Result<RangeMap, XfsMapError> {
    let system = read::open(volume)?;
    let names = system.superblock().features.uncheckable();
    if !names.is_empty() {
        return Err(XfsReadError::Features { names: names.join(", ") }.into());
    }
    let files = system.numbered_tree(SourceId(0))?;
    let mut map = XfsMap {
        system: &system,
        builder: MapBuilder::new(volume.size()),
        claims: XfsClaims::default(),
        nodes: BTreeMap::new(),
    };
    for entry in files.tree.walk() {
        let Some(inode) = files.inodes.get(entry.id.index()).copied() else { continue };
        if let Some(node) = map.nodes.get(&inode) {
            map.builder.alias(&entry.path, *node);
        } else {
            let node = map.builder.node(NodeName::of_path(&entry.path));
            map.nodes.insert(inode, node);
        }
    }
    map.reserved();
    for number in 0..system.superblock().groups {
        let group = group::read(&system, number, &mut map.claims, &mut XfsRefuse)?;
        map.headers(number);
        map.group(&group)?;
    }
    map.log();
    let superblock = system.superblock();
    let end = superblock.offset_of(superblock.blocks);
    map.builder.padding(end, volume.size(), "behind the last block of the file system");
    Ok(map.builder.finish(None)?)
}

fn structure(name: String) -> Subject {
    Subject::Structure { name: name.into() }
}

impl<R: ReadAt + ?Sized> XfsMap<'_, '_, R> {
    /// Names the inodes that hold no files.
    fn reserved(&mut self) {
        for &inode in &self.system.superblock().reserved {
            let builder = &mut self.builder;
            self.nodes.entry(inode).or_insert_with(|| builder.node(NodeName::Reserved("a reserved inode")));
        }
    }

    /// Adds blocks of a group.
    fn blocks(&mut self, group: u32, (start, len): (u32, u32), subject: Subject) {
        let superblock = self.system.superblock();
        let start = superblock.offset_of(superblock.first_block(group) + u64::from(start));
        self.builder.add(start, superblock.offset_of(len.into()), subject);
    }

    /// The four sectors at the beginning of a group.
    fn headers(&mut self, group: u32) {
        let superblock = self.system.superblock();
        let of = |what: &str| if group == 0 { what.to_owned() } else { format!("{what} of group {group}") };
        let names = [of("superblock"), format!("AGF of group {group}"), format!("AGI of group {group}")];
        let names = names.into_iter().chain([format!("AGFL of group {group}")]);
        for (name, sector) in names.zip(0..) {
            let at = superblock.sector_of(group, sector);
            self.builder.add(at, superblock.sector_size.into(), structure(name));
        }
        let end = superblock.offset_of(superblock.first_block(group) + superblock.header_blocks());
        self.builder.padding(superblock.sector_of(group, 4), end, "the headers of a group");
    }

    fn group(&mut self, group: &XfsGroup) -> Result<(), XfsReadError> {
        let number = group.number;
        for (kind, tree) in &group.trees {
            for &block in &tree.blocks {
                self.blocks(number, (block, 1), structure(format!("tree of {kind} of group {number}")));
            }
        }
        for &block in &group.list {
            self.blocks(number, (block, 1), Subject::Free { what: "blocks kept for the trees of a group" });
        }
        for run in group.free_runs(XfsTreeKind::FreeByBlock) {
            self.blocks(number, run, Subject::Free { what: "unallocated blocks" });
        }
        for shared in group.shared_runs().filter(|shared| shared.is_staging) {
            self.blocks(number, shared.run, Subject::Free { what: "blocks kept for copies of shared ones" });
        }
        for chunk in group.chunks(XfsTreeKind::Inodes, self.system.has_sparse_inodes()) {
            for (within, used) in chunk.inodes() {
                self.inode(self.system.superblock().inode_number(number, within), used)?;
            }
        }
        Ok(())
    }

    fn inode(&mut self, inode: u64, used: bool) -> Result<(), XfsReadError> {
        let superblock = self.system.superblock();
        let Some(offset) = superblock.inode_offset(inode) else { return Ok(()) };
        let size = u64::from(superblock.inode_size);
        if !used {
            self.builder.add(offset, size, Subject::Free { what: "unused inodes" });
            return Ok(());
        }
        let node = *self
            .nodes
            .entry(inode)
            .or_insert_with(|| self.builder.node(NodeName::Reserved("an inode without a name")));
        self.builder.add(offset, size, Subject::Node { node, part: NodePart::Inode(inode) });
        let inode = self.system.inode(inode)?;
        self.attributes(&inode, node)?;
        self.content(&inode, node)
    }

    fn attributes(&mut self, inode: &XfsInode, node: u32) -> Result<(), XfsReadError> {
        let superblock = self.system.superblock();
        let (_, mapping) = xattr::read(self.system, inode, &mut self.claims, &mut XfsRefuse)?;
        for run in &mapping.runs {
            let subject = Subject::Node { node, part: NodePart::Attributes };
            self.builder.add(superblock.offset_of(run.physical), superblock.offset_of(run.len), subject);
        }
        self.addresses(&mapping.nodes, node);
        Ok(())
    }

    fn addresses(&mut self, blocks: &[u64], node: u32) {
        let superblock = self.system.superblock();
        for &block in blocks {
            let subject = Subject::Node { node, part: NodePart::Addresses };
            self.builder.add(superblock.offset_of(block), superblock.block_size.into(), subject);
        }
    }

    fn content(&mut self, inode: &XfsInode, node: u32) -> Result<(), XfsReadError> {
        let superblock = self.system.superblock();
        let mapping = self.system.mapping_reporting(inode, &mut self.claims, &mut XfsRefuse)?;
        self.addresses(&mapping.nodes, node);
        for run in &mapping.runs {
            let (at, len) = (superblock.offset_of(run.physical), superblock.offset_of(run.len));
            let offset = superblock.offset_of(run.logical);
            let subject = match inode.kind {
                XfsFileKind::Dir => Subject::Node { node, part: NodePart::Names },
                XfsFileKind::Symlink => Subject::Target { node },
                _ if run.unwritten => Subject::Unwritten { node },
                _ => Subject::Content { node, offset },
            };
            let content = matches!(subject, Subject::Content { .. });
            let used = if content { inode.size.saturating_sub(offset).min(len) } else { len };
            if inode.may_share() {
                self.builder.add_shared(at, used, subject);
                self.builder.add_shared(at + used, len - used, Subject::Tail { node });
            } else {
                self.builder.add(at, used, subject);
                self.builder.add(at + used, len - used, Subject::Tail { node });
            }
        }
        Ok(())
    }

    fn log(&mut self) {
        let superblock = self.system.superblock();
        if let Some(start) = superblock.linear(superblock.log_start, superblock.log_blocks.into()) {
            let len = superblock.offset_of(superblock.log_blocks.into());
            self.builder.add(superblock.offset_of(start), len, structure("log".to_owned()));
        }
    }
}

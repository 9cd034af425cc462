//! Nodes into inodes: what has changed of those that stay, all of those that are new, and what goes with those that go.

use super::attributes::NewAttributeBlocks;
use super::content::{ComparedContents, VolumeSource, are_segments_sound};
use super::mapping::{give_back_nodes, has_mapping};
use super::pairing::PairedNode;
use super::volume::PatchVolume;
use super::{Ext4PatchError, Patching};
use crate::ext4::read::{BlockMapping, FileRun, ReadInode, features, fields};
use crate::ext4::spec::inode::{encode_device, kind};
use crate::ext4::spec::{LINK_MAX, dirent::file_type};
use crate::stable::identity::{ROOT as PATH_ROOT, child};
use crate::tree::{Content, Node, NodeKind};

/// Bytes of a target that `i_block` holds, its NUL left out.
const FAST_SYMLINK: usize = 59;

/// Flag of a file whose content is authenticated.
const VERITY_FL: u32 = 0x10_0000;
/// Flags of encryption and of attributes in inodes, of which nothing may be changed.
const FIXED_FLAGS: u32 = 0x800 | VERITY_FL | 0x20_0000;
/// Flag of a directory whose entries inherit its project.
const PROJECT_INHERIT_FL: u32 = 0x2000_0000;

/// What has changed of a node.
#[expect(clippy::struct_excessive_bools, reason = "each is a part of an inode that is written apart")]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct NodeChange {
    /// Mode or owner or time.
    pub(super) meta: bool,
    /// Extended attributes.
    pub(super) xattrs: bool,
    /// Count of names.
    pub(super) links: bool,
    /// Device or target.
    pub(super) special: bool,
    /// The blocks of a file that differ, and its length, where any do.
    pub(super) content: Option<Vec<std::ops::Range<u64>>>,
}

impl NodeChange {
    /// Whether nothing has.
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// `i_mode` and the type byte of a kind.
pub(super) fn codes(kind_of: &NodeKind) -> (u16, u8) {
    match kind_of {
        NodeKind::Dir(_) => (kind::DIR, file_type::DIR),
        NodeKind::File(_) => (kind::FILE, file_type::FILE),
        NodeKind::Symlink(_) => (kind::SYMLINK, file_type::SYMLINK),
        NodeKind::CharDevice { .. } => (kind::CHAR, file_type::CHAR),
        NodeKind::BlockDevice { .. } => (kind::BLOCK, file_type::BLOCK),
        NodeKind::Fifo => (kind::FIFO, file_type::FIFO),
        NodeKind::Socket => (kind::SOCKET, file_type::SOCKET),
    }
}

impl Patching<'_> {
    /// What has changed of a node that is there.
    pub(super) fn change_of(
        &self,
        pair: &PairedNode,
        inode: &ReadInode,
    ) -> Result<NodeChange, Ext4PatchError> {
        let Some(base) = pair.base else { return Ok(NodeChange::default()) };
        let (old, new) = (self.base.tree.node(base), self.tree.node(pair.id));
        let short = inode.extra_size < 12;
        let same_time =
            if short { old.meta.mtime.secs == new.meta.mtime.secs } else { old.meta.mtime == new.meta.mtime };
        let owners =
            (old.meta.mode, old.meta.uid, old.meta.gid) == (new.meta.mode, new.meta.uid, new.meta.gid);
        let content = match (&old.kind, &new.kind) {
            (NodeKind::File(old), NodeKind::File(new)) => self.content_change(pair, old, new)?,
            _ => None,
        };
        let special = !matches!(new.kind, NodeKind::File(_) | NodeKind::Dir(_)) && old.kind != new.kind;
        let none = crate::tree::Xattrs::new();
        let xattrs = |node: &'_ Node| node.meta.xattrs.as_deref().cloned().unwrap_or_else(|| none.clone());
        Ok(NodeChange {
            meta: !owners || !same_time,
            xattrs: old.meta.xattrs != new.meta.xattrs && xattrs(old) != xattrs(new),
            links: self.stored_links(pair)? != inode.links,
            special,
            content,
        })
    }

    fn content_change(
        &self,
        pair: &PairedNode,
        old: &Content,
        new: &Content,
    ) -> Result<Option<Vec<std::ops::Range<u64>>>, Ext4PatchError> {
        if !are_segments_sound(new) {
            return Err(Ext4PatchError::Segments { path: pair.path.clone() });
        }
        if self.origin.is_same(old, new) {
            return Ok(None);
        }
        let compared = ComparedContents {
            volume: VolumeSource(self.image),
            sources: self.sources,
            block_size: self.block_size,
        };
        let failed = |source| Ext4PatchError::Content { path: pair.path.clone(), source };
        let different = compared.differences(old, new).map_err(failed)?;
        Ok((!different.is_empty() || old.len() != new.len()).then_some(different))
    }

    /// The count of links as an inode stores it.
    pub(super) fn stored_links(&self, pair: &PairedNode) -> Result<u16, Ext4PatchError> {
        let links = self.links.get(pair.id.index()).copied().unwrap_or(0);
        if links <= LINK_MAX {
            return Ok(links as u16);
        }
        if matches!(self.tree.node(pair.id).kind, NodeKind::Dir(_)) && self.has_many_links {
            return Ok(1);
        }
        Err(Ext4PatchError::TooManyLinks { path: pair.path.clone(), links, most: LINK_MAX })
    }

    /// Amends an inode that stays.
    pub(super) fn amend_node(
        &self,
        volume: &mut PatchVolume<'_>,
        pair: &PairedNode,
        inode: &ReadInode,
        change: &NodeChange,
        made: &mut NewAttributeBlocks,
    ) -> Result<(), Ext4PatchError> {
        if change.is_none() {
            return Ok(());
        }
        let node = self.tree.node(pair.id);
        if inode.is(FIXED_FLAGS) && (change.content.is_some() || change.xattrs || change.special) {
            let why = "it is encrypted or authenticated by the file system";
            return Err(Ext4PatchError::Fixed { path: pair.path.clone(), why });
        }
        Self::write_meta(volume, pair, node, inode.number)?;
        let links = self.stored_links(pair)?;
        let time = self.time;
        volume.edit_inode(inode.number, |raw| {
            raw.links(links);
            raw.changed(time)
        })?;
        let mut attribute_block = inode.xattr_block;
        if change.xattrs {
            volume.release_attributes(inode)?;
            let xattrs = node.meta.xattrs.as_deref();
            attribute_block = volume.write_attributes(inode.number, xattrs, &pair.path, made)?;
        }
        let mapping = if has_mapping(inode) { volume.base.mapping(inode)? } else { BlockMapping::default() };
        let mut blocks = mapping.blocks();
        if let (Some(different), NodeKind::File(content)) = (&change.content, &node.kind) {
            let runs = volume.amend_content(&mapping, content, different)?;
            blocks = if runs == mapping.runs {
                volume.edit_inode(inode.number, |raw| raw.size(content.len()))?;
                mapping.blocks()
            } else {
                give_back_nodes(volume, &mapping);
                let extents = volume.maps_by_extents(Some(inode));
                self.write_file(volume, pair, inode.number, (&runs, content.len()), extents)?
            };
        }
        if change.special {
            for run in &mapping.runs {
                volume.give_back(run.physical..run.physical + run.len);
            }
            give_back_nodes(volume, &mapping);
            blocks = self.write_special(volume, pair, node, inode.number)?;
        }
        self.count_blocks(volume, inode.number, blocks + u64::from(attribute_block != 0))
    }

    /// Writes an inode that is new; directories get their blocks with [`Patching::directory`].
    pub(super) fn write_node(
        &self,
        volume: &mut PatchVolume<'_>,
        pair: &PairedNode,
        number: u32,
        made: &mut NewAttributeBlocks,
    ) -> Result<(), Ext4PatchError> {
        let node = self.tree.node(pair.id);
        let attributes = volume.write_attributes(number, node.meta.xattrs.as_deref(), &pair.path, made)?;
        let blocks = match &node.kind {
            NodeKind::File(content) => {
                if !are_segments_sound(content) {
                    return Err(Ext4PatchError::Segments { path: pair.path.clone() });
                }
                let extents = volume.maps_by_extents(None);
                self.check_length(volume, pair, content.len(), extents)?;
                let runs = volume.place_content(content)?;
                self.write_file(volume, pair, number, (&runs, content.len()), extents)?
            }
            NodeKind::Dir(_) => return self.count_attributes(volume, number, attributes),
            _ => self.write_special(volume, pair, node, number)?,
        };
        self.count_blocks(volume, number, blocks + u64::from(attributes != 0))
    }

    fn count_attributes(
        &self,
        volume: &mut PatchVolume<'_>,
        number: u32,
        block: u64,
    ) -> Result<(), Ext4PatchError> {
        self.count_blocks(volume, number, u64::from(block != 0))
    }

    /// Writes the fields of a new inode that need no block, before anything that its generation counts into.
    pub(super) fn begin_node(
        &self,
        volume: &mut PatchVolume<'_>,
        pair: &PairedNode,
        number: u32,
    ) -> Result<(), Ext4PatchError> {
        let node = self.tree.node(pair.id);
        let names = pair.path.split(|byte| *byte == b'/');
        let identity = names.fold(PATH_ROOT ^ self.seed, child);
        let wanted = fields::u16(&volume.superblock.raw, 0x15e);
        volume.edit_inode(number, |raw| raw.clear((identity >> 32) as u32, wanted))?;
        Self::write_meta(volume, pair, node, number)?;
        let (links, mtime) = (self.stored_links(pair)?, node.meta.mtime);
        volume.edit_inode(number, |raw| {
            raw.links(links);
            raw.changed(mtime) && raw.accessed_and_created(mtime)
        })?;
        Ok(())
    }

    /// Has a new inode inherit the project of its directory, where that asks for it.
    pub(super) fn inherit_project(
        volume: &mut PatchVolume<'_>,
        number: u32,
        parent: u32,
        is_dir: bool,
    ) -> Result<(), Ext4PatchError> {
        let (block, at) = volume.inode_block(parent)?;
        let bytes = volume.block(block)?;
        let inherits = fields::u32(&bytes, at + 0x20) & PROJECT_INHERIT_FL != 0;
        if inherits && volume.features.ro_compat(features::PROJECT) && volume.superblock.inode_size > 128 {
            let (project, flag) =
                (fields::u32(&bytes, at + 0x9c), if is_dir { PROJECT_INHERIT_FL } else { 0 });
            volume.edit_inode(number, |raw| {
                raw.project(project);
                raw.flags(flag, 0);
            })?;
        }
        Ok(())
    }

    fn write_meta(
        volume: &mut PatchVolume<'_>,
        pair: &PairedNode,
        node: &Node,
        number: u32,
    ) -> Result<(), Ext4PatchError> {
        let meta = &node.meta;
        if meta.mode > 0o7777 {
            return Err(Ext4PatchError::Mode { path: pair.path.clone(), mode: meta.mode });
        }
        let (kind, _) = codes(&node.kind);
        let held = volume.edit_inode(number, |raw| {
            raw.mode(kind, meta.mode);
            raw.owner(meta.uid, meta.gid);
            raw.modified(meta.mtime)
        })?;
        if held {
            return Ok(());
        }
        let inode_size = volume.superblock.inode_size;
        Err(Ext4PatchError::Time { path: pair.path.clone(), time: meta.mtime, inode_size })
    }

    fn check_length(
        &self,
        volume: &PatchVolume<'_>,
        pair: &PairedNode,
        len: u64,
        extents: bool,
    ) -> Result<(), Ext4PatchError> {
        let most = volume.longest_file(extents).saturating_mul(self.block_size);
        if len > most {
            return Err(Ext4PatchError::FileTooLarge { path: pair.path.clone(), len, most });
        }
        Ok(())
    }

    /// Writes mapping and length of a file; gives the blocks of content and mapping.
    fn write_file(
        &self,
        volume: &mut PatchVolume<'_>,
        pair: &PairedNode,
        number: u32,
        (runs, len): (&[FileRun], u64),
        extents: bool,
    ) -> Result<u64, Ext4PatchError> {
        self.check_length(volume, pair, len, extents)?;
        volume.declare_large_file(len);
        let seed = volume.inode_seed(number)?;
        let written = volume.write_mapping(runs, extents, seed)?;
        volume.edit_inode(number, |raw| {
            raw.block(&written.block, written.extents);
            raw.size(len);
        })?;
        Ok(written.nodes + runs.iter().map(|run| run.len).sum::<u64>())
    }

    /// Writes a target or a device number; gives the blocks that it takes.
    fn write_special(
        &self,
        volume: &mut PatchVolume<'_>,
        pair: &PairedNode,
        node: &Node,
        number: u32,
    ) -> Result<u64, Ext4PatchError> {
        let mut block = [0; 60];
        let mut size = 0;
        match &node.kind {
            NodeKind::Symlink(target) => {
                let most = self.block_size as usize - 1;
                if target.is_empty()
                    || target.len() > most.min(crate::tree::SYMLINK_MAX)
                    || target.contains(&0)
                {
                    let most = most.min(crate::tree::SYMLINK_MAX);
                    return Err(Ext4PatchError::Symlink { path: pair.path.clone(), len: target.len(), most });
                }
                if target.len() > FAST_SYMLINK {
                    let mut bytes = target.to_vec();
                    bytes.resize(self.block_size as usize, 0);
                    let at = volume.take_one()?;
                    volume.put(at, bytes);
                    let run = FileRun { logical: 0, physical: at, len: 1, unwritten: false };
                    let extents = volume.maps_by_extents(None);
                    return self.write_file(volume, pair, number, (&[run], target.len() as u64), extents);
                }
                block[..target.len()].copy_from_slice(target);
                size = target.len() as u64;
            }
            NodeKind::CharDevice { major, minor } | NodeKind::BlockDevice { major, minor } => {
                if *major > 0xfff || *minor > 0xf_ffff {
                    let (major, minor) = (*major, *minor);
                    return Err(Ext4PatchError::Device { path: pair.path.clone(), major, minor });
                }
                block = encode_device(*major, *minor);
            }
            _ => {}
        }
        volume.edit_inode(number, |raw| {
            raw.block(&block, false);
            raw.size(size);
        })?;
        Ok(0)
    }

    pub(super) fn count_blocks(
        &self,
        volume: &mut PatchVolume<'_>,
        number: u32,
        blocks: u64,
    ) -> Result<(), Ext4PatchError> {
        let sectors = blocks * (self.block_size / 512);
        volume.edit_inode(number, |raw| raw.sectors(sectors))
    }
}

//! The file systems of a disk, each read at most once, and the one that is the root.

use amiforge_formats::plan::{SourceId, Sources};
use amiforge_formats::tree::{NodeKind, Tree};
use amiforge_formats::volume::VolumeContent;
use amiforge_formats::volume::format::ReadVolume;

use super::error::DiskSourceError;
use super::layout::DiskPart;
use super::open::OpenDisk;

/// The file systems of a disk. Slices of their trees name the partition by its index as the source, and count from its
/// first byte.
pub(super) struct DiskVolumes<'a> {
    pub(super) disk: &'a OpenDisk,
    pub(super) parts: Vec<DiskPart>,
    read: Vec<Option<ReadVolume>>,
}

impl Sources for DiskVolumes<'_> {
    fn read_exact_at(&self, source: SourceId, at: u64, buf: &mut [u8]) -> std::io::Result<()> {
        let part = self.parts.get(source.0 as usize).ok_or(std::io::ErrorKind::NotFound)?;
        let at = part.start.checked_add(at).ok_or(std::io::ErrorKind::UnexpectedEof)?;
        self.disk.reader().read_exact_at(at, buf)
    }
}

impl<'a> DiskVolumes<'a> {
    pub(super) fn new(disk: &'a OpenDisk, parts: Vec<DiskPart>) -> Self {
        let read = parts.iter().map(|_| None).collect();
        Self { disk, parts, read }
    }

    /// The file system of a partition, which is read if it was not yet.
    ///
    /// # Errors
    /// [`DiskSourceError::NotRead`] for one of a format without a reader, [`DiskSourceError::Volume`].
    pub(super) fn volume(&mut self, index: usize) -> Result<&ReadVolume, DiskSourceError> {
        if self.read[index].is_none() {
            let part = &self.parts[index];
            let Some(kind) = part.content.kind() else {
                return Err(DiskSourceError::NotRead {
                    partition: part.title(),
                    content: part.content.name(),
                });
            };
            let window = part.window(self.disk.reader())?;
            let source = SourceId(u32::try_from(index).unwrap_or(u32::MAX));
            let volume = kind.format().read(&window, source).map_err(|source| DiskSourceError::Volume {
                kind: kind.format().name(),
                partition: part.title(),
                source,
            })?;
            self.read[index] = Some(volume);
        }
        self.read[index].as_ref().ok_or_else(|| DiskSourceError::Read(std::io::ErrorKind::NotFound.into()))
    }

    /// Takes the tree of a partition.
    ///
    /// # Errors
    /// As for [`DiskVolumes::volume`].
    pub(super) fn take_tree(&mut self, index: usize) -> Result<Tree, DiskSourceError> {
        self.volume(index)?;
        let tree = self.read[index].as_mut().and_then(|volume| volume.tree.take());
        let part = &self.parts[index];
        tree.ok_or_else(|| DiskSourceError::NotRead { partition: part.title(), content: part.content.name() })
    }

    /// The partition that holds the root: the one that the recipe names, the one of that type, or the only one with `/etc`
    /// and `/usr`.
    ///
    /// # Errors
    /// When there is none, or no telling which.
    pub(super) fn root(&mut self, named: Option<&str>) -> Result<usize, DiskSourceError> {
        if let Some(named) = named {
            return self.parts.iter().position(|part| part.is_named(named)).ok_or_else(|| {
                DiskSourceError::NoPartition { named: named.to_owned(), available: self.available() }
            });
        }
        let typed: Vec<_> = (0..self.parts.len()).filter(|index| self.parts[*index].is_root_type()).collect();
        if let [only] = typed.as_slice() {
            return Ok(*only);
        }
        let mut candidates = Vec::new();
        for index in 0..self.parts.len() {
            let files = self.parts[index].content.kind().and_then(|kind| kind.format().files());
            if files.is_some() && self.volume(index)?.tree.as_ref().is_some_and(is_system) {
                candidates.push(index);
            }
        }
        match candidates.as_slice() {
            [only] => Ok(*only),
            [] => Err(self.no_root()),
            several => {
                let names: Vec<_> = several.iter().map(|index| self.parts[*index].title()).collect();
                Err(DiskSourceError::Ambiguous { candidates: names.join(", ") })
            }
        }
    }

    /// Why there is no root: a format that is not read, if there is one.
    fn no_root(&self) -> DiskSourceError {
        let foreign = self.parts.iter().find(|part| matches!(part.content, VolumeContent::Foreign(_)));
        match foreign {
            Some(part) => DiskSourceError::NotRead { partition: part.title(), content: part.content.name() },
            None => DiskSourceError::NoRoot { available: self.available() },
        }
    }

    fn available(&self) -> String {
        let all = self.parts.iter().map(|part| format!("{} ({})", part.title(), part.content.name()));
        let all = all.collect::<Vec<_>>().join(", ");
        if all.is_empty() { "no partitions".to_owned() } else { all }
    }
}

/// Whether a tree is that of a system.
fn is_system(tree: &Tree) -> bool {
    ["etc", "usr"].iter().all(|name| {
        tree.child(tree.root(), name.as_bytes())
            .is_some_and(|id| matches!(tree.node(id).kind, NodeKind::Dir(_)))
    })
}

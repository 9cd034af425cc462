//! The documents and layers of an image: in a folder, or in an archive that is indexed in place, so that an
//! uncompressed layer in it is a slice of it. Finds them by name, and does not interpret them.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use amiforge_formats::plan::SourceId;
use amiforge_formats::read_at::ReadAt;
use amiforge_formats::tree::{Content, NodeKind, Tree};
use amiforge_progress::regular;
use amiforge_store::blobs::Blobs;
use amiforge_store::deferred::Deferred;

use super::error::OciError;
use crate::sources::archive::{FileRange, Opening, Plain};
use crate::sources::names::clean;
use crate::sources::tar::{self, ArchiveLocation};
use crate::sources::{DigestPin, SourceError};

/// Links followed from one name in an archive; old archives of `docker save` link a layer to its like.
const LINKS_MAX: usize = 4;

/// The parts of an image by name.
pub(super) struct OciBlobs {
    container: Container,
    /// Files that are among the blobs already.
    sources: HashMap<PathBuf, SourceId>,
}

enum Container {
    Folder(PathBuf),
    Archive { tree: Tree, plain: Plain, path: PathBuf },
}

/// A part: a range of an open file.
pub(super) struct OciBlob {
    pub(super) file: File,
    /// Its path in errors.
    pub(super) path: PathBuf,
    pub(super) at: u64,
    pub(super) len: u64,
}

impl OciBlobs {
    /// Opens the folder or archive.
    pub(super) fn open(
        opening: &Opening<'_>,
        path: &Path,
        blobs: &mut Blobs,
        deferred: &mut Deferred,
    ) -> Result<Self, SourceError> {
        if path.is_dir() {
            return Ok(Self { container: Container::Folder(path.to_owned()), sources: HashMap::new() });
        }
        // The pin is the manifest's, which does not care how the image was packed.
        let plain = opening.archive(path, DigestPin::Unpinned, blobs, deferred)?;
        let location = ArchiveLocation { source: plain.source, at: 0 };
        let tree = tar::index(&plain.bytes(), location, opening.monitor)?.tree;
        let sources = HashMap::from([(path.to_owned(), plain.source)]);
        Ok(Self { container: Container::Archive { tree, plain, path: path.to_owned() }, sources })
    }

    /// Length of the archive; a folder has none.
    pub(super) fn size(&self) -> Option<u64> {
        match &self.container {
            Container::Folder(_) => None,
            Container::Archive { plain, .. } => Some(plain.size),
        }
    }

    /// Whether there is such a part.
    pub(super) fn contains(&self, name: &str) -> bool {
        match &self.container {
            Container::Folder(folder) => folder.join(name).is_file(),
            Container::Archive { tree, .. } => tree.lookup(name.as_bytes()).is_some(),
        }
    }

    /// The kind of source that this would be, if it holds the folders of a system.
    pub(super) fn root_of_a_system(&self) -> Option<&'static str> {
        let top = ["etc", "usr", "bin"];
        match &self.container {
            Container::Folder(folder) => top.iter().any(|name| folder.join(name).is_dir()).then_some("dir"),
            Container::Archive { tree, .. } => {
                top.iter().any(|name| tree.lookup(name.as_bytes()).is_some()).then_some("tar")
            }
        }
    }

    /// A whole document.
    pub(super) fn document(&self, name: &str, max: u64) -> Result<Vec<u8>, OciError> {
        let OciBlob { file, at, len, .. } = self.blob(name)?;
        if len > max {
            return Err(OciError::TooLong { name: name.to_owned(), size: len, max });
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        let read = FileRange { file: &file, at, len }.read_exact_at(0, &mut bytes);
        read.map_err(|source| OciError::Read { name: name.to_owned(), source })?;
        Ok(bytes)
    }

    /// Opens a part.
    pub(super) fn blob(&self, name: &str) -> Result<OciBlob, OciError> {
        let missing = || OciError::Missing { name: name.to_owned() };
        let reading = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => missing(),
            _ => OciError::Read { name: name.to_owned(), source },
        };
        let mut path = Vec::new();
        // Documents give names; one that leads out of the image is not in it.
        clean(name.as_bytes(), &mut path).map_err(|_| missing())?;
        match &self.container {
            Container::Folder(folder) => {
                let path = folder.join(name);
                let file = regular::open(&path).map_err(reading)?;
                let len = file.metadata().map_err(reading)?.len();
                Ok(OciBlob { file, path, at: 0, len })
            }
            Container::Archive { tree, plain, path: archive } => {
                let (at, len) = slice(tree, path).ok_or_else(missing)?;
                Ok(OciBlob { file: plain.file.try_clone().map_err(reading)?, path: archive.clone(), at, len })
            }
        }
    }

    /// The source of a part's file, added to the blobs on first use.
    pub(super) fn source(&mut self, path: &Path, file: &File, blobs: &mut Blobs) -> io::Result<SourceId> {
        if let Some(known) = self.sources.get(path) {
            return Ok(*known);
        }
        let source = blobs.add(file.try_clone()?, path);
        self.sources.insert(path.to_owned(), source);
        Ok(source)
    }
}

/// The range of the archive that a file in it is, links followed within it.
fn slice(tree: &Tree, mut path: Vec<u8>) -> Option<(u64, u64)> {
    for _ in 0..LINKS_MAX {
        match &tree.node(tree.lookup(&path)?).kind {
            NodeKind::File(Content::Slice { at, len, .. }) => return Some((*at, *len)),
            NodeKind::File(content) if content.is_empty() => return Some((0, 0)),
            NodeKind::Symlink(target) => path = beside(&path, target)?,
            _ => return None,
        }
    }
    None
}

/// A link's target seen from the link, by names only.
fn beside(link: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    let mut names: Vec<&[u8]> = link.split(|byte| *byte == b'/').collect();
    names.pop();
    for name in target.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => {
                names.pop()?;
            }
            name => names.push(name),
        }
    }
    Some(names.join(&b'/'))
}

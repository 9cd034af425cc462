//! Unpacks a hand-over to the bundle that it was made of, also from a pipe: the same files, and the image with holes where
//! it has no data.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_image::bundle::{self, BundleWriter, ExistingBundle};
use amiforge_image::image::EmitOptions;
use amiforge_image::inspect::Medium;
use amiforge_image::verify::digest_of;
use amiforge_progress::Monitor;

use crate::check::{HandoverVisitor, check};
use crate::codec::BLOCK_LEN;
use crate::contents::{HandoverContents, NamedManifest, NeededBlock, data_blocks};
use crate::error::{HandoverError, chain};
use crate::header::Header;
use crate::read::Input;
use crate::write::blocks::read_block;

/// A bundle that was unpacked.
#[derive(Debug)]
pub struct UnpackedHandover {
    /// Its manifest.
    pub manifest: NamedManifest,
    /// Number of blocks that were taken from the hand-over.
    pub blocks: u64,
    /// Number of blocks that were taken from the parent.
    pub from_parent: u64,
}

/// Writes the bundle to `out`. `parent` is the bundle that a delta continues. `visitor` sees everything first, and can
/// end the work before anything is written.
///
/// # Errors
/// [`HandoverError`]; then there is no bundle.
pub fn unpack(
    input: Input<'_>,
    parent: Option<&Path>,
    out: &Path,
    visitor: &mut dyn HandoverVisitor,
    monitor: Monitor<'_>,
) -> Result<UnpackedHandover, HandoverError> {
    let writer = BundleWriter::open(out, ExistingBundle::Refuse).map_err(HandoverError::Unpack)?;
    let mut unpacker = Unpacker { writer, parent, image: None, copies: HashMap::new(), visitor };
    let checked = check(input, &mut unpacker, monitor)?;
    if let Some(damage) = checked.damage {
        return Err(damage);
    }
    let Some(contents) = checked.contents else { return Err(HandoverError::Interrupted) };
    let from_parent = unpacker.copy_parent(&contents, monitor)?;
    unpacker.write_documents(&contents)?;
    unpacker.compare_image(&contents, monitor)?;
    unpacker.writer.commit().map_err(HandoverError::Unpack)?;
    Ok(UnpackedHandover { manifest: contents.manifest, blocks: checked.blocks, from_parent })
}

struct Unpacker<'a> {
    writer: BundleWriter,
    parent: Option<&'a Path>,
    image: Option<(File, PathBuf, u64)>,
    /// All indexes of the blocks that occur more than once, by digest.
    copies: HashMap<Digest, Vec<u64>>,
    visitor: &'a mut dyn HandoverVisitor,
}

impl HandoverVisitor for Unpacker<'_> {
    fn contents(&mut self, header: &Header, contents: &HandoverContents) -> Result<(), HandoverError> {
        self.visitor.contents(header, contents)?;
        if let Some(expected) = &contents.parent
            && self.parent.is_none()
        {
            let given = "no `--parent` is given".to_owned();
            return Err(HandoverError::Parent { expected: expected.sha256, given });
        }
        let path = self.writer.folder().join(bundle::DISK);
        let failed = |source| HandoverError::File { path: path.clone(), source };
        let size = contents.manifest.manifest.size;
        let file = OpenOptions::new().write(true).create_new(true).open(&path).map_err(failed)?;
        file.set_len(size).map_err(failed)?;
        self.image = Some((file, path, size));
        for (index, digest) in data_blocks(&contents.manifest.manifest) {
            self.copies.entry(digest).or_default().push(index);
        }
        Ok(())
    }

    fn block(&mut self, block: NeededBlock, bytes: &[u8]) -> Result<(), HandoverError> {
        self.visitor.block(block, bytes)?;
        for index in self.copies.get(&block.sha256).into_iter().flatten() {
            self.write_block(*index, bytes)?;
        }
        Ok(())
    }
}

impl Unpacker<'_> {
    fn write_block(&self, index: u64, bytes: &[u8]) -> Result<(), HandoverError> {
        let Some((file, path, size)) = &self.image else { return Ok(()) };
        let start = index.saturating_mul(BLOCK);
        let used = size.saturating_sub(start).min(bytes.len() as u64) as usize;
        let written = file.write_all_at(&bytes[..used], start);
        written.map_err(|source| HandoverError::File { path: path.clone(), source })
    }

    /// Copies the blocks that a delta leaves out, each compared with the manifest.
    fn copy_parent(
        &mut self,
        contents: &HandoverContents,
        monitor: Monitor<'_>,
    ) -> Result<u64, HandoverError> {
        let (Some(expected), Some(folder)) = (&contents.parent, self.parent) else { return Ok(0) };
        let text = folder.join(bundle::MANIFEST);
        let bytes = amiforge_progress::regular::read(&text);
        let bytes = bytes.map_err(|source| HandoverError::File { path: text, source })?;
        if Digest::of(&bytes) != expected.sha256 {
            let given = format!("the manifest of `{}` is {}", folder.display(), Digest::of(&bytes));
            return Err(HandoverError::Parent { expected: expected.sha256, given });
        }
        let medium = Medium::open(folder).map_err(HandoverError::Image)?;
        let stored: std::collections::HashSet<_> = contents.needed.iter().map(|block| block.sha256).collect();
        let mut block = vec![0; BLOCK_LEN];
        let mut copied = 0;
        for (index, digest) in data_blocks(&contents.manifest.manifest) {
            if stored.contains(&digest) {
                continue;
            }
            if monitor.cancel.is_cancelled() {
                return Err(HandoverError::Interrupted);
            }
            let failed = |source| HandoverError::File { path: medium.path().to_owned(), source };
            read_block(&medium, index, &mut block).map_err(failed)?;
            let computed = Digest::of(&block);
            if computed != digest {
                return Err(HandoverError::BlockChanged { index, stated: digest, computed });
            }
            self.write_block(index, &block)?;
            copied += 1;
        }
        Ok(copied)
    }

    fn write_documents(&self, contents: &HandoverContents) -> Result<(), HandoverError> {
        for (name, bytes) in contents.files() {
            let path = self.writer.folder().join(name);
            let write = || {
                if let Some(folder) = path.parent() {
                    fs::create_dir_all(folder)?;
                }
                let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
                file.write_all(bytes)?;
                file.sync_all()
            };
            write().map_err(|source| HandoverError::File { path: path.clone(), source })?;
        }
        Ok(())
    }

    /// Compares the digest of the whole image with `SHA256SUMS`: the manifest's blocks may be those of another image than
    /// its digest.
    fn compare_image(&self, contents: &HandoverContents, monitor: Monitor<'_>) -> Result<(), HandoverError> {
        let Some((file, path, size)) = &self.image else { return Ok(()) };
        file.sync_all().map_err(|source| HandoverError::File { path: path.clone(), source })?;
        let medium = Medium::open_raw(path).map_err(HandoverError::Image)?;
        let digests = digest_of(&medium, *size, EmitOptions::default(), monitor);
        let digests = digests.map_err(|error| HandoverError::Bundle {
            name: bundle::DISK.to_owned(),
            reason: chain(&error),
        })?;
        let stated = contents.manifest.manifest.plain;
        if digests.plain != stated {
            return Err(HandoverError::Plain { stated, computed: digests.plain });
        }
        Ok(())
    }
}

//! The content of blocks: one file for each distinct block, named by its digest. Knows no snapshot.

use std::collections::HashSet;
use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::sync::RwLock;

use super::atomic;
use crate::digest::Sha256Digest;
use crate::error::Error;
use crate::sync;

/// The size of a block in bytes.
pub(crate) const BLOCK_SIZE: usize = 512 * 1024;

/// The content of all blocks of all regions.
#[derive(Debug)]
pub(crate) struct BlockStore {
    folder: PathBuf,
    /// The digests of the existing files, so that a repeated block costs no system call.
    digests: RwLock<HashSet<Sha256Digest>>,
}

impl BlockStore {
    /// Opens the folder; it need not exist yet.
    pub(crate) fn open(folder: PathBuf) -> Result<Self, Error> {
        let mut digests = HashSet::new();
        for prefix_folder in Self::prefix_folders(&folder)? {
            for path in atomic::files(&prefix_folder)? {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let Some(digest) = Sha256Digest::from_hex(&name) else {
                    return Err(Error::Damaged {
                        path,
                        reason: "its name is not the digest of a block".to_owned(),
                    });
                };
                digests.insert(digest);
            }
        }
        Ok(Self { folder, digests: RwLock::new(digests) })
    }

    /// Opens a folder that another process may have open, for reading only.
    pub(crate) fn read_only(folder: PathBuf) -> Self {
        Self { folder, digests: RwLock::default() }
    }

    /// Whether a block is stored.
    pub(crate) fn contains(&self, digest: Sha256Digest) -> bool {
        sync::read(&self.digests).contains(&digest)
    }

    /// Stores a block under its digest, unless it is stored already.
    pub(crate) fn store(&self, digest: Sha256Digest, bytes: &[u8]) -> Result<(), Error> {
        if self.contains(digest) {
            return Ok(());
        }
        atomic::write(&self.path(digest), bytes)?;
        sync::write(&self.digests).insert(digest);
        Ok(())
    }

    /// Reads a block without comparing its digest.
    ///
    /// # Errors
    /// If its file is missing or does not have the size of a block.
    pub(crate) fn read(&self, digest: Sha256Digest) -> Result<Vec<u8>, Error> {
        let path = self.path(digest);
        let mut bytes = Vec::with_capacity(BLOCK_SIZE + 1);
        File::open(&path)
            .and_then(|file| file.take(BLOCK_SIZE as u64 + 1).read_to_end(&mut bytes))
            .map_err(Error::io("read", &path))?;
        if bytes.len() != BLOCK_SIZE {
            let reason = format!("it has {} bytes instead of {BLOCK_SIZE}", bytes.len());
            return Err(Error::Damaged { path, reason });
        }
        Ok(bytes)
    }

    /// Inverts a bit of a stored block, counted modulo its size: a scripted corruption.
    pub(crate) fn flip_bit(&self, digest: Sha256Digest, bit: u64) -> Result<(), Error> {
        let mut bytes = self.read(digest)?;
        let bit = (bit % (BLOCK_SIZE as u64 * 8)) as usize;
        bytes[bit / 8] ^= 1 << (bit % 8);
        atomic::write(&self.path(digest), &bytes)
    }

    /// Removes every block that is not in `used`.
    pub(crate) fn remove_unused(&self, used: &HashSet<Sha256Digest>) -> Result<(), Error> {
        let mut digests = sync::write(&self.digests);
        let unused: Vec<_> = digests.iter().filter(|digest| !used.contains(digest)).copied().collect();
        for digest in unused {
            atomic::remove(&self.path(digest))?;
            digests.remove(&digest);
        }
        Ok(())
    }

    /// The path of a block's file.
    pub(crate) fn path(&self, digest: Sha256Digest) -> PathBuf {
        let name = digest.hex();
        self.folder.join(&name[..2]).join(name)
    }

    /// The folders that contain the blocks, named by the first byte of the digests.
    fn prefix_folders(folder: &Path) -> Result<Vec<PathBuf>, Error> {
        let list = match std::fs::read_dir(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(Error::io("read", folder))?,
        };
        list.map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()
            .map_err(Error::io("read", folder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_kept_once_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let blocks = BlockStore::open(folder.path().join("blocks")).unwrap();
        let bytes = vec![7; BLOCK_SIZE];
        let digest = Sha256Digest::of(&bytes);
        blocks.store(digest, &bytes).unwrap();
        let written = std::fs::metadata(blocks.path(digest)).unwrap().modified().unwrap();
        let again = BlockStore::open(folder.path().join("blocks")).unwrap();
        again.store(digest, &bytes).unwrap();
        assert_eq!(std::fs::metadata(blocks.path(digest)).unwrap().modified().unwrap(), written);
        assert_eq!(again.read(digest).unwrap(), bytes);
        again.remove_unused(&HashSet::new()).unwrap();
        assert!(again.read(digest).is_err());
    }

    #[test]
    fn an_invalid_block_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let blocks = BlockStore::open(folder.path().to_owned()).unwrap();
        let digest = Sha256Digest::of(b"x");
        blocks.store(digest, b"x").unwrap();
        let error = blocks.read(digest).unwrap_err().to_string();
        assert!(error.contains(&digest.hex()) && error.contains("1 bytes"), "{error}");
        std::fs::write(folder.path().join("2d/stray"), "").unwrap();
        let error = BlockStore::open(folder.path().to_owned()).unwrap_err().to_string();
        assert!(error.contains("stray"), "{error}");
    }
}

//! The form of an image that is stored as an object: what it and its snapshots are, then the blocks.
//!
//! Nobody outside can read what AWS writes there, so the form is our own: a magic, the length of a JSON document
//! (little-endian), the document, and the blocks of all snapshots in the order in which the document lists them.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use crate::digest::Sha256Digest;
use crate::state::blocks::BLOCK_SIZE;
use crate::state::device::BlockDeviceMapping;
use crate::state::image::MachineFields;
use crate::state::tags::Tags;

const MAGIC: &[u8; 8] = b"AMIBIN01";
/// Bytes of the document, at most.
const LONGEST: u64 = 1 << 30;

/// What an image and its snapshots are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredImage {
    /// Of the image.
    pub(crate) name: String,
    /// Of the image.
    pub(crate) description: Option<String>,
    /// Of the image.
    pub(crate) machine: MachineFields,
    /// Of the image; they name the snapshots.
    pub(crate) mappings: Vec<BlockDeviceMapping>,
    /// Of the image.
    pub(crate) tags: Tags,
    /// By id.
    pub(crate) snapshots: BTreeMap<String, StoredSnapshot>,
}

/// What a snapshot is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredSnapshot {
    /// GiB.
    pub(crate) volume_size: u64,
    /// Whether it was.
    pub(crate) encrypted: bool,
    /// Of the maker.
    pub(crate) description: String,
    /// Of the owner.
    pub(crate) tags: Tags,
    /// Which blocks it has, ascending.
    pub(crate) indexes: Vec<u32>,
}

impl StoredImage {
    /// Writes what stands before the blocks.
    pub(crate) fn write(&self, sink: &mut impl Write) -> io::Result<()> {
        let text = serde_json::to_vec(self)?;
        sink.write_all(MAGIC)?;
        sink.write_all(&(text.len() as u64).to_le_bytes())?;
        sink.write_all(&text)
    }

    /// Reads what stands before the blocks.
    pub(crate) fn read(source: &mut impl Read) -> io::Result<Self> {
        let mut head = [0; 16];
        source.read_exact(&mut head)?;
        let (magic, len) = head.split_at(8);
        let len = u64::from_le_bytes(len.try_into().map_err(io::Error::other)?);
        if magic != MAGIC || len > LONGEST {
            return Err(io::Error::other("the object is no stored image"));
        }
        let mut text = Vec::new();
        source.take(len).read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }
}

/// Reads the next block.
pub(crate) fn read_block(source: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<Sha256Digest> {
    bytes.resize(BLOCK_SIZE, 0);
    source.read_exact(bytes)?;
    Ok(Sha256Digest::of(bytes))
}

//! The format of an image that is stored as an object: the description of the image and its snapshots, then
//! the blocks.
//!
//! AWS's format is not documented, so this one is specific to the local region: magic bytes, the length of a
//! JSON document (little-endian), the document, and the blocks of all snapshots in the order of the document.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use crate::digest::Sha256Digest;
use crate::state::blocks::BLOCK_SIZE;
use crate::state::device::BlockDeviceMapping;
use crate::state::image::{ImageWatermark, MachineFields};
use crate::state::tags::Tags;

const MAGIC: &[u8; 8] = b"AMIBIN01";
/// The maximum size of the document in bytes.
const MAX_DOCUMENT: u64 = 1 << 30;

/// The description of an image and its snapshots.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredImage {
    /// The name of the image.
    pub(crate) name: String,
    /// The description of the image.
    pub(crate) description: Option<String>,
    /// The machine properties of the image.
    pub(crate) machine: MachineFields,
    /// The block device mappings of the image, which refer to the snapshots.
    pub(crate) mappings: Vec<BlockDeviceMapping>,
    /// The tags of the image.
    pub(crate) tags: Tags,
    /// The watermarks of the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) watermarks: Vec<ImageWatermark>,
    /// The snapshots by id.
    pub(crate) snapshots: BTreeMap<String, StoredSnapshot>,
}

/// The description of a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredSnapshot {
    /// The size of the volume in GiB.
    pub(crate) volume_size: u64,
    /// Whether the snapshot was encrypted.
    pub(crate) encrypted: bool,
    /// The description of the snapshot.
    pub(crate) description: String,
    /// The tags of the snapshot.
    pub(crate) tags: Tags,
    /// The indexes of its blocks in ascending order.
    pub(crate) indexes: Vec<u32>,
}

impl StoredImage {
    /// Writes everything before the blocks.
    pub(crate) fn write(&self, sink: &mut impl Write) -> io::Result<()> {
        let text = serde_json::to_vec(self)?;
        sink.write_all(MAGIC)?;
        sink.write_all(&(text.len() as u64).to_le_bytes())?;
        sink.write_all(&text)
    }

    /// Reads everything before the blocks.
    pub(crate) fn read(source: &mut impl Read) -> io::Result<Self> {
        let mut head = [0; 16];
        source.read_exact(&mut head)?;
        let (magic, len) = head.split_at(8);
        let len = u64::from_le_bytes(len.try_into().map_err(io::Error::other)?);
        if magic != MAGIC || len > MAX_DOCUMENT {
            return Err(io::Error::other("the object is no stored image"));
        }
        let mut text = Vec::new();
        source.take(len).read_to_end(&mut text)?;
        Ok(serde_json::from_slice(&text)?)
    }
}

/// Reads the next block and returns its digest.
pub(crate) fn read_block(source: &mut impl Read, bytes: &mut Vec<u8>) -> io::Result<Sha256Digest> {
    bytes.resize(BLOCK_SIZE, 0);
    source.read_exact(bytes)?;
    Ok(Sha256Digest::of(bytes))
}

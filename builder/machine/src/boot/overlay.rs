//! Overlays: what a guest writes goes into an empty qcow2 file of ours in front of the disk, which stays as it is and may
//! be shorter than the volume.
//!
//! Format: QEMU's `docs/interop/qcow2.txt`, version 3, clusters of 64 KiB, nothing allocated.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use super::BootError;

/// Bytes that are allocated at a time.
pub(super) const CLUSTER: u64 = 1 << 16;
/// Bytes that one entry of the first table stands for: a table of 8192 clusters.
const BYTES_PER_L1_ENTRY: u64 = CLUSTER * (CLUSTER / 8);
/// Header extension that names the format of the file behind.
const BACKING_FORMAT: u32 = 0xe279_2aca;
/// Longest name of the file behind.
const BACKING_NAME_MAX: usize = 1023;

/// Writes an overlay of `len` bytes, a multiple of 512, in front of a raw disk; of zeros where there is none.
///
/// # Errors
/// [`BootError::File`].
pub fn create(path: &Path, len: u64, backing: Option<&Path>) -> Result<(), BootError> {
    let failed = |source| BootError::File { path: path.to_owned(), source };
    let backing = backing
        .map(|disk| disk.canonicalize().map_err(|source| BootError::File { path: disk.to_owned(), source }));
    let backing = backing.transpose()?;
    let name = backing.as_deref().map(|disk| disk.as_os_str().as_bytes()).unwrap_or_default();
    if name.len() > BACKING_NAME_MAX {
        return Err(failed(std::io::Error::other(format!(
            "the disk's path is longer than {BACKING_NAME_MAX} bytes"
        ))));
    }
    let entries = len.div_ceil(BYTES_PER_L1_ENTRY);
    let table = (entries * 8).div_ceil(CLUSTER).max(1);
    let clusters = 3 + table;
    let mut file = File::create_new(path).map_err(failed)?;
    let mut write_at = |at: u64, bytes: &[u8]| -> std::io::Result<()> {
        use std::io::{Seek as _, SeekFrom};
        file.seek(SeekFrom::Start(at))?;
        file.write_all(bytes)
    };
    write_at(0, &header(len, entries as u32, name)).map_err(failed)?;
    // The table of reference counts has one entry, for the one block of counts behind it.
    write_at(CLUSTER, &(2 * CLUSTER).to_be_bytes()).map_err(failed)?;
    let counts: Vec<u8> = (0..clusters).flat_map(|_| 1_u16.to_be_bytes()).collect();
    write_at(2 * CLUSTER, &counts).map_err(failed)?;
    file.set_len(clusters * CLUSTER).map_err(failed)
}

fn header(len: u64, entries: u32, name: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    let extension = if name.is_empty() { 0 } else { 16_u64 };
    let name_at = if name.is_empty() { 0 } else { 104 + extension + 8 };
    bytes.extend(b"QFI\xfb");
    bytes.extend(3_u32.to_be_bytes());
    bytes.extend(name_at.to_be_bytes());
    bytes.extend((name.len() as u32).to_be_bytes());
    bytes.extend(CLUSTER.trailing_zeros().to_be_bytes());
    bytes.extend(len.to_be_bytes());
    bytes.extend(0_u32.to_be_bytes()); // no encryption
    bytes.extend(entries.to_be_bytes());
    bytes.extend((3 * CLUSTER).to_be_bytes()); // first table
    bytes.extend(CLUSTER.to_be_bytes()); // table of reference counts
    bytes.extend(1_u32.to_be_bytes()); // of one cluster
    bytes.extend([0; 4 + 8]); // no snapshots
    bytes.extend([0; 3 * 8]); // no features
    bytes.extend(4_u32.to_be_bytes()); // reference counts of 16 bits
    bytes.extend(104_u32.to_be_bytes());
    if !name.is_empty() {
        bytes.extend(BACKING_FORMAT.to_be_bytes());
        bytes.extend(3_u32.to_be_bytes());
        bytes.extend(b"raw\0\0\0\0\0");
    }
    bytes.extend([0; 8]);
    bytes.extend(name);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_is_small_and_says_what_is_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let (disk, overlay) = (folder.path().join("disk.raw"), folder.path().join("o.qcow2"));
        std::fs::write(&disk, [1; 512]).unwrap();
        create(&overlay, 64 << 30, Some(&disk)).unwrap();
        let bytes = std::fs::read(&overlay).unwrap();
        assert_eq!(bytes.len() as u64, 4 * CLUSTER);
        let name = disk.canonicalize().unwrap();
        let name = name.as_os_str().as_bytes();
        assert_eq!(&bytes[128..128 + name.len()], name);
        assert_eq!(bytes[24..32], (64_u64 << 30).to_be_bytes());
        assert!(create(&overlay, 1 << 30, None).is_err(), "an overlay is never written over");
    }
}

//! The guest's memory, which this host can read after the guest has ended, and the event logs in it.
//!
//! Firmware and kernel each keep the log in memory, and no image has to help. A guest can write logs there too: which
//! of them is the true one is decided by the registers of the TPM (see [`super::reading`]).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use amiforge_formats::event_log::{self, EventLog, LOG_MAX, SPEC_ID};
use memchr::memmem::Finder;
use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek};

/// Bytes of the header of a log before its signature.
const BEFORE_SIGNATURE: u64 = 32;
/// Bytes that are searched at once.
const CHUNK: usize = 1 << 20;
/// The most logs that are considered: a machine has two or three, a hostile guest may have many.
const LOGS_MAX: usize = 64;

/// Memory of a guest, in a file without a name.
#[derive(Debug)]
pub(in crate::boot) struct GuestMemory(File);

/// A log in memory.
#[derive(Debug)]
pub(super) struct StoredLog {
    pub(super) log: EventLog,
    pub(super) bytes: Vec<u8>,
}

impl GuestMemory {
    /// Memory of this many MiB.
    pub(super) fn new(mib: u32) -> io::Result<Self> {
        let file = File::from(memfd_create("amiforge-guest", MemfdFlags::CLOEXEC)?);
        file.set_len(u64::from(mib) << 20)?;
        Ok(Self(file))
    }

    /// The path by which QEMU opens it, while this process runs.
    pub(super) fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd()).into()
    }

    /// The logs in memory, in the order of their addresses, each distinct one once.
    pub(super) fn logs(&self) -> io::Result<Vec<StoredLog>> {
        let mut logs: Vec<StoredLog> = Vec::new();
        for signature in self.signatures()? {
            let Some(start) = signature.checked_sub(BEFORE_SIGNATURE) else { continue };
            let mut bytes = vec![0; LOG_MAX];
            let len = read_at(&self.0, start, &mut bytes)?;
            bytes.truncate(len);
            let Ok((log, len)) = event_log::read_prefix(&bytes) else { continue };
            bytes.truncate(len);
            if logs.iter().all(|known| known.bytes != bytes) {
                logs.push(StoredLog { log, bytes });
            }
        }
        Ok(logs)
    }

    /// Addresses of the signatures of logs, at most [`LOGS_MAX`].
    fn signatures(&self) -> io::Result<Vec<u64>> {
        let finder = Finder::new(SPEC_ID);
        let overlap = SPEC_ID.len() - 1;
        let mut addresses = Vec::new();
        let mut chunk = vec![0; CHUNK + overlap];
        let mut at = 0;
        while let Some(data) = next_data(&self.0, at)? {
            let len = read_at(&self.0, data, &mut chunk)?;
            let offsets = finder.find_iter(chunk.get(..len).unwrap_or_default());
            addresses.extend(offsets.map(|offset| data + offset as u64).take(LOGS_MAX - addresses.len()));
            if len <= overlap || addresses.len() == LOGS_MAX {
                break;
            }
            at = data + (len - overlap) as u64;
        }
        Ok(addresses)
    }
}

/// The first byte from `at` on that may be other than zero; memory that the guest never touched is skipped.
fn next_data(file: &File, at: u64) -> io::Result<Option<u64>> {
    match seek(file, SeekFrom::Data(at)) {
        Ok(data) => Ok(Some(data.max(at))),
        Err(rustix::io::Errno::NXIO) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Reads as many bytes as there are.
fn read_at(file: &File, at: u64, bytes: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while let Some(rest) = bytes.get_mut(len..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at + len as u64)? {
            0 => break,
            count => len += count,
        }
    }
    Ok(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of a log with the bank of SHA-256 and no event.
    fn header() -> Vec<u8> {
        let mut bytes = [&[0, 0, 0, 0, 3, 0, 0, 0][..], &[0; 20]].concat();
        bytes.extend(33_u32.to_le_bytes());
        bytes.extend(SPEC_ID);
        bytes.extend([0, 0, 0, 0, 0, 2, 0, 2, 1, 0, 0, 0, 0x0b, 0, 32, 0, 0]);
        bytes
    }

    #[test]
    fn logs_are_found_wherever_they_are() {
        let memory = GuestMemory::new(8).unwrap();
        assert!(memory.logs().unwrap().is_empty());
        let mut event = vec![4, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0x0b, 0];
        event.extend([5; 32]);
        event.extend([0, 0, 0, 0]);
        let other = [header(), event].concat();
        // The signature of the second log is divided among two chunks.
        memory.0.write_all_at(&header(), 4096 + 9).unwrap();
        memory.0.write_all_at(&other, (1 << 20) - 36).unwrap();
        memory.0.write_all_at(&header(), 5 << 20).unwrap();
        // A signature without room for a header before it.
        memory.0.write_all_at(SPEC_ID, 3).unwrap();
        let logs = memory.logs().unwrap();
        assert_eq!(logs.iter().map(|log| log.bytes.clone()).collect::<Vec<_>>(), [header(), other]);
        assert_eq!(logs[1].log.events.len(), 1);
    }

    #[test]
    fn memory_full_of_headers_is_bounded() {
        let memory = GuestMemory::new(8).unwrap();
        memory.0.write_all_at(&header().repeat(100_000), 0).unwrap();
        assert_eq!(memory.signatures().unwrap().len(), LOGS_MAX);
        assert_eq!(memory.logs().unwrap().len(), 1);
    }
}

//! Writes tar archives byte by byte, so that a test can corrupt exactly one field.

use std::path::Path;

use amiforge_progress::Monitor;
use amiforge_rootfs::assemble::{AssembleError, Assembled, assemble};
use amiforge_rootfs::sources::{DigestPin, SourceKind, SourceSpec};
use amiforge_store::Store;
use amiforge_store::blobs::Blobs;

/// A header with a valid checksum.
#[derive(Clone)]
pub(crate) struct Header(pub(crate) [u8; 512]);

impl Header {
    /// A header in POSIX format: owned by root, mode 0644, time 1 s after the epoch.
    pub(crate) fn new(name: impl AsRef<[u8]>, typeflag: u8, size: u64) -> Self {
        let mut block = [0; 512];
        let name = name.as_ref();
        block[..name.len()].copy_from_slice(name);
        block[257..265].copy_from_slice(b"ustar\x0000");
        Self(block)
            .set(100, b"0000644\0")
            .set(108, b"0000000\0")
            .set(116, b"0000000\0")
            .set(124, format!("{size:011o}\0").as_bytes())
            .set(136, b"00000000001\0")
            .set(156, &[typeflag])
    }

    /// Writes a field and updates the checksum.
    pub(crate) fn set(mut self, at: usize, bytes: &[u8]) -> Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self.0[148..156].fill(b' ');
        let sum: u32 = self.0.iter().map(|byte| u32::from(*byte)).sum();
        self.0[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self
    }

    pub(crate) fn link(self, target: &str) -> Self {
        self.set(157, target.as_bytes())
    }
}

/// The bytes padded with zeros to a multiple of 512.
pub(crate) fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

pub(crate) fn end() -> Vec<u8> {
    vec![0; 1024]
}

pub(crate) fn file(name: impl AsRef<[u8]>, content: &[u8]) -> Vec<u8> {
    [&Header::new(name, b'0', content.len() as u64).0[..], &padded(content)].concat()
}

pub(crate) fn dir(name: impl AsRef<[u8]>) -> Vec<u8> {
    Header::new(name, b'5', 0).set(100, b"0000755\0").0.to_vec()
}

pub(crate) fn link(typeflag: u8, name: &str, target: &str) -> Vec<u8> {
    Header::new(name, typeflag, 0).link(target).0.to_vec()
}

pub(crate) fn record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let body = [b" ", key, b"=", value, b"\n"].concat();
    let len = (1..99_999).find(|len: &usize| len - len.to_string().len() == body.len()).unwrap();
    [len.to_string().as_bytes(), &body].concat()
}

/// An extended header of raw records.
pub(crate) fn extended(typeflag: u8, records: &[u8]) -> Vec<u8> {
    [&Header::new("pax", typeflag, records.len() as u64).0[..], &padded(records)].concat()
}

pub(crate) fn pax(pairs: &[(&str, &[u8])]) -> Vec<u8> {
    let records: Vec<u8> = pairs.iter().flat_map(|(key, value)| record(key.as_bytes(), value)).collect();
    extended(b'x', &records)
}

pub(crate) fn spec(label: &str, kind: SourceKind) -> SourceSpec {
    SourceSpec {
        label: label.to_owned(),
        kind,
        pin: DigestPin::Unpinned,
        strip: 0,
        prefix: String::new(),
        exclude: Vec::new(),
        overrides: false,
    }
}

pub(crate) fn tar_spec(path: &Path) -> SourceSpec {
    spec("source 1", SourceKind::Tar { path: path.to_owned() })
}

/// Assembles sources with a store in `scratch`.
pub(crate) fn assembled(specs: &[SourceSpec], scratch: &Path) -> Result<(Assembled, Blobs), AssembleError> {
    let mut blobs = Blobs::new();
    let mut assembled = assemble(specs, &Store::at(&scratch.join("store")), &mut blobs, Monitor::none())?;
    assembled.settle(&blobs)?;
    Ok((assembled, blobs))
}

/// The messages of an error and its sources, separated by colons.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

//! Bundles of a few blocks, with every kind of block, and their hand-overs.

use std::fs;
use std::path::{Path, PathBuf};

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_formats::guid::Guid;
use amiforge_formats::plan::{Claims, Data, NoSources};
use amiforge_handover::HandoverError;
use amiforge_handover::check::{CheckedHandover, NoVisitor, check};
use amiforge_handover::read::{Input, files_of};
use amiforge_handover::write::{Destination, ExportOptions, Exported, export};
use amiforge_image::bundle::{BundleTexts, BundleWriter, CYCLONEDX, ExistingBundle};
use amiforge_image::disk::Disk;
use amiforge_image::image::EmitOptions;
use amiforge_image::manifest::ImageOrigin;
use amiforge_progress::{CancelToken, Monitor};

/// The last block is short.
pub(crate) const LEN: u64 = 11 * BLOCK + 4096;

/// Bytes that do not compress, another sequence for each seed.
pub(crate) fn noise(seed: u64, len: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

/// A bundle with noise, text, equal blocks, zeros, free space and a short last block; `seed` decides about one block.
pub(crate) fn bundle(out: &Path, seed: u64) {
    let mut claims = Claims::new(LEN);
    let mut claim = |block: u64, bytes: Vec<u8>| {
        let len = bytes.len() as u64;
        claims.claim(block * BLOCK, len, Data::Bytes { bytes: bytes.into(), at: 0 });
    };
    claim(0, b"text that compresses ".repeat(2000));
    claim(1, noise(1, BLOCK));
    claim(2, noise(seed, 1000));
    claim(4, noise(1, BLOCK));
    claim(5, vec![0; BLOCK as usize]);
    claim(7, b"0123456789abcdef".repeat(BLOCK as usize / 16));
    claim(9, noise(2, BLOCK / 2));
    claim(11, noise(3, 4096));
    let guid = Guid::derive("web", "disk");
    let plan = claims.finish(&Data::Free).unwrap();
    let disk = Disk { plan, guid, partitions: Vec::new(), verity: Vec::new() };
    let origin = ImageOrigin {
        name: "web".to_owned(),
        version: Some(seed.to_string()),
        arch: "x86_64".to_owned(),
        epoch: 0,
        boot_mode: None,
        recipe: Digest::of(b""),
        lock: None,
        inputs: Vec::new(),
        cleaned: Vec::new(),
        secrets: Vec::new(),
        secrets_unknown: Vec::new(),
        leaks_allowed: Vec::new(),
        skipped: Vec::new(),
        measurements: None,
    };
    let cancel = CancelToken::new();
    let writer = BundleWriter::open(out, ExistingBundle::Refuse).unwrap();
    let options = EmitOptions { threads: 2 };
    let emitted =
        writer.write_image(&disk.plan, &NoSources, &options, None, Monitor::silent(&cancel)).unwrap();
    let documents = [(CYCLONEDX, b"{\"components\": [] }\n".repeat(600))];
    let texts = BundleTexts {
        origin,
        secure_boot: None,
        pcr_policy: None,
        listing: "/ dir\n",
        documents: &documents,
        provenance: None,
    };
    writer.finish(&disk, &emitted, texts, &cancel).unwrap();
}

/// A folder with a bundle `web` and its hand-over `web.amx`.
pub(crate) struct Fixture {
    pub(crate) folder: tempfile::TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let fixture = Self { folder: tempfile::tempdir().unwrap() };
        bundle(&fixture.path("web"), 10);
        export_to(&fixture.path("web"), &fixture.path("web.amx"), None).unwrap();
        fixture
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        fs::read(self.path("web.amx")).unwrap()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        names(self.folder.path())
    }
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub(crate) fn export_to(bundle: &Path, out: &Path, split: Option<u64>) -> Result<Exported, HandoverError> {
    let to = Destination::File { path: out.to_owned(), split };
    export(bundle, ExportOptions::default(), to, Monitor::none())
}

pub(crate) fn check_file(path: &Path) -> Result<CheckedHandover, HandoverError> {
    check(Input::Files(files_of(path)?), &mut NoVisitor, Monitor::none())
}

pub(crate) fn check_bytes(bytes: &[u8]) -> CheckedHandover {
    let input = Input::Stream { name: "standard input".to_owned(), reader: Box::new(bytes) };
    check(input, &mut NoVisitor, Monitor::none()).unwrap()
}

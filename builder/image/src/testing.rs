//! A bundle of a small disk, and keys that sign it, for the tests of this crate.

use std::path::Path;

use amiforge_formats::digest::Digest;
use amiforge_formats::guid::Guid;
use amiforge_formats::plan::{Claims, Data, NoSources};
use amiforge_progress::{CancelToken, Monitor};
use amiforge_trust::private::PrivateKeyFile;
use serde_json::Value;

use crate::bundle::{BundleTexts, BundleWriter, Document, ExistingBundle};
use crate::disk::Disk;
use crate::image::EmitOptions;
use crate::manifest::ImageOrigin;

/// How the images of tests are written.
pub(crate) const THREADS: EmitOptions = EmitOptions { threads: 2 };

/// An Ed25519 key whose seed is 32 times a number (RFC 8410, section 7).
pub(crate) fn key(number: u8) -> PrivateKeyFile {
    let head = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    PrivateKeyFile::parse(&[&head[..], &[number; 32]].concat(), Path::new("key")).unwrap()
}

/// The origin of an image of this name, made from nothing.
pub(crate) fn origin(name: &str) -> ImageOrigin {
    ImageOrigin {
        name: name.to_owned(),
        version: None,
        arch: "x86_64".to_owned(),
        epoch: 0,
        boot_mode: None,
        recipe: Digest::of(b"recipe"),
        lock: None,
        inputs: Vec::new(),
        cleaned: Vec::new(),
        secrets: Vec::new(),
        secrets_unknown: Vec::new(),
        leaks_allowed: Vec::new(),
        skipped: Vec::new(),
        measurements: None,
    }
}

/// Three bytes.
pub(crate) fn three_bytes() -> Data {
    Data::Bytes { bytes: b"abc".as_slice().into(), at: 0 }
}

/// A disk of 3 MiB without a partition table, whose second MiB begins with three bytes of `data`.
pub(crate) fn small_disk(data: Data) -> Disk {
    let mut claims = Claims::new(3 << 20);
    claims.claim(1 << 20, 3, data);
    Disk {
        plan: claims.finish(&Data::Free).unwrap(),
        guid: Guid::derive("x", "disk"),
        partitions: Vec::new(),
        verity: Vec::new(),
    }
}

/// The texts of a bundle that nothing was measured or signed for.
pub(crate) fn texts<'a>(
    origin: ImageOrigin,
    listing: &'a str,
    documents: &'a [Document],
    provenance: Option<&'a Value>,
) -> BundleTexts<'a> {
    BundleTexts { origin, secure_boot: None, pcr_policy: None, listing, documents, provenance }
}

/// Writes the bundle of a disk whose plan needs no source.
pub(crate) fn write_bundle(path: &Path, disk: &Disk, texts: BundleTexts<'_>) {
    let writer = BundleWriter::open(path, ExistingBundle::Refuse).unwrap();
    let emitted = writer.write_image(&disk.plan, &NoSources, &THREADS, None, Monitor::none()).unwrap();
    writer.finish(disk, &emitted, texts, &CancelToken::new()).unwrap();
}

//! What an index holds, once it agrees with itself: `SHA256SUMS` with every document, and the manifest with both; and
//! which blocks are stored, in which order, which follows from the manifest and from the parent's.

use std::collections::{BTreeMap, HashMap, HashSet};

use amiforge_formats::digest::Digest;
use amiforge_image::bundle::{self, SumLine};
use amiforge_image::image::Block;
use amiforge_image::manifest::Manifest;

use crate::error::{Damage, chain};
use crate::index::Index;

/// The folder of signatures over `SHA256SUMS`, which the sums do not list.
pub const SIGNATURES: &str = "signatures/";
/// The manifest of the parent of a delta.
pub const PARENT: &str = "parent/manifest.json";
/// What the publication is to be, as the first host proposes.
pub const PUBLICATION: &str = "publication/plan.json";
/// The folder of the proposal and of the signature over it.
const PUBLICATIONS: &str = "publication/";

/// A block of the image that is stored: the first that holds these bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeededBlock {
    /// Its index in the image.
    pub index: u64,
    /// SHA-256 of its bytes.
    pub sha256: Digest,
}

/// A manifest, with the digest of its text.
#[derive(Debug, Clone)]
pub struct NamedManifest {
    /// The manifest.
    pub manifest: Manifest,
    /// SHA-256 of its text.
    pub sha256: Digest,
}

impl NamedManifest {
    /// Reads a text.
    ///
    /// # Errors
    /// The reason, in words.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let manifest = Manifest::parse(text).map_err(|error| chain(&error))?;
        Ok(Self { manifest, sha256: Digest::of(text) })
    }
}

/// The contents of a hand-over beside the bytes of its blocks.
#[derive(Debug)]
pub struct HandoverContents {
    /// The documents by their names, all of them compared with `SHA256SUMS` except those of folders that it does not
    /// list.
    pub documents: BTreeMap<String, Vec<u8>>,
    /// The manifest of the image.
    pub manifest: NamedManifest,
    /// The manifest that a delta continues.
    pub parent: Option<NamedManifest>,
    /// The stored blocks, in their order.
    pub needed: Vec<NeededBlock>,
}

impl HandoverContents {
    /// Compares the documents of an index with each other.
    ///
    /// # Errors
    /// [`Damage::Document`], [`Damage::Index`].
    pub fn of(index: &Index) -> Result<Self, Damage> {
        let mut documents = BTreeMap::new();
        for document in index.documents() {
            let bytes = index.bytes(document).map_err(|reason| wrong(&document.name, reason))?;
            documents.insert(document.name.clone(), bytes);
        }
        let sums = sums(&documents)?;
        compare_sums(&documents, &sums)?;
        let manifest = named_manifest(&documents, bundle::MANIFEST)?;
        let manifest = manifest.ok_or_else(|| wrong(bundle::MANIFEST, "is missing".to_owned()))?;
        compare_manifest(&manifest.manifest, &documents, &sums)?;
        let parent = named_manifest(&documents, PARENT)?;
        let needed = needed_blocks(&manifest.manifest, parent.as_ref().map(|parent| &parent.manifest));
        if needed.len() != index.blocks().len() {
            let (stored, needed) = (index.blocks().len(), needed.len());
            let reason = format!("it has {stored} blocks, and the manifest needs {needed}");
            return Err(Damage::Index(reason));
        }
        Ok(Self { documents, manifest, parent, needed })
    }

    /// `SHA256SUMS`, over which bundles are signed.
    pub fn sums(&self) -> &[u8] {
        self.documents.get(bundle::SUMS).map(Vec::as_slice).unwrap_or_default()
    }

    /// The files of the folder of signatures, with their names in it.
    pub fn signatures(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let all = self.documents.iter();
        all.filter_map(|(name, bytes)| Some((name.strip_prefix(SIGNATURES)?, bytes.as_slice())))
    }

    /// The documents that are files of the bundle.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let own = |name: &str| name != PARENT && !name.starts_with(PUBLICATIONS);
        let all = self.documents.iter().filter(move |(name, _)| own(name));
        all.map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }
}

/// The blocks that are stored: those with data that the parent does not have at the same index, each content once.
pub fn needed_blocks(manifest: &Manifest, parent: Option<&Manifest>) -> Vec<NeededBlock> {
    let there: HashMap<u64, Digest> = parent.map(|parent| data_blocks(parent).collect()).unwrap_or_default();
    let mut known = HashSet::new();
    let blocks = data_blocks(manifest).filter(|(index, sha256)| there.get(index) != Some(sha256));
    let first = blocks.filter(|(_, sha256)| known.insert(*sha256));
    first.map(|(index, sha256)| NeededBlock { index, sha256 }).collect()
}

/// The blocks with data: their indexes and digests. Long runs without data cost nothing.
pub(crate) fn data_blocks(manifest: &Manifest) -> impl Iterator<Item = (u64, Digest)> + '_ {
    let mut next = 0;
    manifest.blocks.runs().iter().flat_map(move |run| {
        let first = next;
        next += run.count;
        let (range, digest) = match run.block {
            Block::Data(digest) => (first..first + run.count, digest),
            block => (0..0, block.digest()),
        };
        range.map(move |index| (index, digest))
    })
}

fn wrong(name: &str, reason: String) -> Damage {
    Damage::Document { name: name.to_owned(), reason }
}

fn sums(documents: &BTreeMap<String, Vec<u8>>) -> Result<Vec<SumLine>, Damage> {
    let text = documents.get(bundle::SUMS).ok_or_else(|| wrong(bundle::SUMS, "is missing".to_owned()))?;
    let text = std::str::from_utf8(text).map_err(|_| wrong(bundle::SUMS, "is not text".to_owned()))?;
    let lines = bundle::parse_sums(text).map_err(|error| wrong(bundle::SUMS, error.to_string()))?;
    if !bundle::is_as_written(text, &lines) {
        return Err(wrong(
            bundle::SUMS,
            "is not sorted, in lower case and with a newline after each line".to_owned(),
        ));
    }
    Ok(lines)
}

/// Every line has its document and every document its line, but for the image, and the folders that are not listed.
fn compare_sums(documents: &BTreeMap<String, Vec<u8>>, sums: &[SumLine]) -> Result<(), Damage> {
    let mut listed = HashSet::new();
    for line in sums {
        if !listed.insert(line.name.as_str()) {
            return Err(wrong(&line.name, "has two lines in `SHA256SUMS`".to_owned()));
        }
        if line.name == bundle::DISK {
            continue;
        }
        let bytes = documents.get(&line.name);
        let bytes = bytes.ok_or_else(|| wrong(&line.name, "is in `SHA256SUMS` and missing".to_owned()))?;
        let computed = Digest::of(bytes);
        if computed != line.sha256 {
            let reason = format!("has the digest {computed}, and `SHA256SUMS` says {}", line.sha256);
            return Err(wrong(&line.name, reason));
        }
    }
    let free = |name: &str| {
        name == bundle::SUMS
            || name == PARENT
            || [SIGNATURES, PUBLICATIONS].iter().any(|own| name.starts_with(own))
    };
    match documents.keys().find(|name| !listed.contains(name.as_str()) && !free(name)) {
        Some(name) => Err(wrong(name, "is not in `SHA256SUMS`".to_owned())),
        None => Ok(()),
    }
}

fn named_manifest(
    documents: &BTreeMap<String, Vec<u8>>,
    name: &str,
) -> Result<Option<NamedManifest>, Damage> {
    let text = documents.get(name);
    text.map(|text| NamedManifest::parse(text).map_err(|reason| wrong(name, reason))).transpose()
}

/// The manifest's digests follow from its blocks, and its documents and image are those of the sums.
fn compare_manifest(
    manifest: &Manifest,
    documents: &BTreeMap<String, Vec<u8>>,
    sums: &[SumLine],
) -> Result<(), Damage> {
    let own = |reason: String| Err(wrong(bundle::MANIFEST, reason));
    let disk = sums.iter().find(|line| line.name == bundle::DISK);
    if disk.is_none_or(|line| line.sha256 != manifest.plain) {
        return own(format!(
            "says that the image has the digest {}, and `SHA256SUMS` does not",
            manifest.plain
        ));
    }
    let blocks = &manifest.blocks;
    if manifest.merkle_root != blocks.merkle_root() {
        return own(format!("has the Merkle root {}, and its blocks another", manifest.merkle_root));
    }
    if (manifest.without_free, manifest.without_zero) != (blocks.without_free(), blocks.without_zero()) {
        return own("has aggregates that its blocks do not have".to_owned());
    }
    for (name, sha256) in &manifest.documents {
        if documents.get(name).is_none_or(|bytes| Digest::of(bytes) != *sha256) {
            return Err(wrong(name, format!("is not the one that the manifest binds ({sha256})")));
        }
    }
    Ok(())
}

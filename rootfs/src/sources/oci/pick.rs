//! Picking one image: from the index or the list of `docker save`, by platform and reference, to its layers.

use amiforge_formats::digest::Digest;
use serde::de::DeserializeOwned;

use super::OciError;
use super::model::{self, Config, DOCUMENT_MAX, Descriptor, Index, Manifest, Platform, Saved};
use super::shelf::Shelf;

/// How deep indexes may name indexes. Two is what tools write.
const DEPTH_MAX: usize = 4;

/// The image that was picked.
pub(super) struct Image {
    /// Digest of its manifest, or of its config if it has none.
    pub(super) digest: Digest,
    /// Length of its documents.
    pub(super) size: u64,
    pub(super) config: serde_json::Value,
    pub(super) layers: Vec<Layer>,
}

/// A layer of it.
pub(super) struct Layer {
    /// Where it lies.
    pub(super) name: String,
    /// What the manifest says of it.
    pub(super) descriptor: Option<Descriptor>,
    /// Digest as it lies there.
    pub(super) digest: Option<Digest>,
    /// Digest of its uncompressed bytes.
    pub(super) diff_id: Digest,
}

/// Picks the image.
pub(super) fn image(shelf: &Shelf, platform: &str, reference: Option<&str>) -> Result<Image, OciError> {
    if shelf.holds("index.json") {
        return from_index(shelf, platform, reference);
    }
    if shelf.holds("manifest.json") {
        return from_saved(shelf, platform, reference);
    }
    Err(OciError::NoImage)
}

fn from_index(shelf: &Shelf, platform: &str, reference: Option<&str>) -> Result<Image, OciError> {
    let index: Index = parse("index.json", &shelf.document("index.json", DOCUMENT_MAX)?)?;
    let wanted = |descriptor: &Descriptor| match reference {
        Some(wanted) => descriptor.references().any(|found| found == wanted),
        None => true,
    };
    let mut found = Vec::new();
    for descriptor in index.manifests.iter().filter(|descriptor| wanted(descriptor)) {
        let name = descriptor.references().next().unwrap_or(&descriptor.digest).clone();
        flatten(shelf, descriptor, &name, 0, &mut found)?;
    }
    // What does not say its platform may fit; its config tells.
    let fits = |found: &Descriptor| found.platform.as_ref().is_none_or(|found| found.text() == platform);
    let mut fitting: Vec<_> = found.iter().filter(|(_, descriptor)| fits(descriptor)).collect();
    fitting.dedup_by(|a, b| a.1.digest == b.1.digest);
    match fitting.as_slice() {
        [(_, one)] => from_manifest(shelf, one, platform),
        [] => {
            let all = if found.is_empty() { index.manifests.iter().map(named).collect() } else { found };
            Err(OciError::NoneFits {
                wanted: asked(platform, reference),
                found: all.iter().map(shown).collect(),
            })
        }
        several => Err(OciError::Several { found: several.iter().map(|one| shown(one)).collect() }),
    }
}

fn named(descriptor: &Descriptor) -> (String, Descriptor) {
    (descriptor.references().next().unwrap_or(&descriptor.digest).clone(), descriptor.clone())
}

fn shown((name, descriptor): &(String, Descriptor)) -> String {
    let platform = descriptor.platform.as_ref().map_or_else(|| "any platform".to_owned(), Platform::text);
    format!("`{}` for {platform}", name.escape_default())
}

fn asked(platform: &str, reference: Option<&str>) -> String {
    reference.map_or_else(|| platform.to_owned(), |reference| format!("{platform} named `{reference}`"))
}

/// The manifests that a descriptor leads to, through indexes.
fn flatten(
    shelf: &Shelf,
    descriptor: &Descriptor,
    name: &str,
    depth: usize,
    found: &mut Vec<(String, Descriptor)>,
) -> Result<(), OciError> {
    if !descriptor.is_index() {
        found.push((name.to_owned(), descriptor.clone()));
        return Ok(());
    }
    if depth == DEPTH_MAX {
        return Err(OciError::TooDeep { max: DEPTH_MAX });
    }
    let (document, bytes) = checked(shelf, descriptor, "the index")?;
    let index: Index = parse(&document, &bytes)?;
    index.manifests.iter().try_for_each(|below| flatten(shelf, below, name, depth + 1, found))
}

fn from_manifest(shelf: &Shelf, descriptor: &Descriptor, platform: &str) -> Result<Image, OciError> {
    let (name, bytes) = checked(shelf, descriptor, "the manifest")?;
    let manifest: Manifest = parse(&name, &bytes)?;
    let (name, text) = checked(shelf, &manifest.config, "the config")?;
    let diff_ids = diff_ids(&name, &text, platform, manifest.layers.len())?;
    let size = bytes.len() as u64 + text.len() as u64;
    let config = parse(&name, &text)?;
    let mut layers = Vec::new();
    for ((descriptor, diff_id), number) in manifest.layers.into_iter().zip(diff_ids).zip(1..) {
        readable(&descriptor.media_type, number)?;
        let digest = Some(descriptor.digest()?);
        layers.push(Layer { name: blob_name(&descriptor)?, descriptor: Some(descriptor), digest, diff_id });
    }
    Ok(Image { digest: descriptor.digest()?, size, config, layers })
}

fn from_saved(shelf: &Shelf, platform: &str, reference: Option<&str>) -> Result<Image, OciError> {
    let all: Vec<Saved> = parse("manifest.json", &shelf.document("manifest.json", DOCUMENT_MAX)?)?;
    let tagged = |saved: &&Saved| match reference {
        Some(wanted) => saved.repo_tags.iter().flatten().any(|tag| tag == wanted),
        None => true,
    };
    let shown =
        |saved: &Saved| format!("`{}`", saved.repo_tags.iter().flatten().next().unwrap_or(&saved.config));
    let fitting: Vec<_> = all.iter().filter(tagged).collect();
    let saved = match fitting.as_slice() {
        [one] => *one,
        [] => {
            let wanted = asked(platform, reference);
            return Err(OciError::NoneFits { wanted, found: all.iter().map(shown).collect() });
        }
        several => return Err(OciError::Several { found: several.iter().map(|one| shown(one)).collect() }),
    };
    let text = shelf.document(&saved.config, DOCUMENT_MAX)?;
    let digest = Digest::of(&text);
    // The config's name is its digest, with `.json` in archives of older versions.
    let stem = saved.config.rsplit('/').next().unwrap_or_default();
    if let Ok(expected) = stem.strip_suffix(".json").unwrap_or(stem).parse::<Digest>()
        && expected != digest
    {
        return Err(OciError::Digest { what: "the config".to_owned(), expected, actual: digest });
    }
    let diff_ids = diff_ids(&saved.config, &text, platform, saved.layers.len())?;
    let layers = saved.layers.iter().zip(diff_ids);
    let layers =
        layers.map(|(name, diff_id)| Layer { name: name.clone(), descriptor: None, digest: None, diff_id });
    let config = parse(&saved.config, &text)?;
    Ok(Image { digest, size: text.len() as u64, config, layers: layers.collect() })
}

/// The digests of the uncompressed layers that a config lists, if it is for the right machine.
fn diff_ids(name: &str, text: &[u8], platform: &str, layers: usize) -> Result<Vec<Digest>, OciError> {
    let config: Config = parse(name, text)?;
    let found = config.platform.text();
    if found != platform {
        return Err(OciError::Platform { wanted: platform.to_owned(), found });
    }
    let diff_ids = config.rootfs.diff_ids;
    if diff_ids.len() != layers {
        return Err(OciError::Layers { layers, diff_ids: diff_ids.len() });
    }
    diff_ids.iter().map(|text| model::digest(text)).collect()
}

/// Refuses layers that are no tar that comes with the image.
fn readable(media_type: &str, number: usize) -> Result<(), OciError> {
    let refused = |why| Err(OciError::LayerType { number, media_type: media_type.to_owned(), why });
    if media_type.contains("nondistributable") || media_type.contains("foreign") {
        return refused("comes from elsewhere and may not be passed on");
    }
    let base = media_type.split_once('+').map_or(media_type, |(base, _)| base);
    match base {
        "application/vnd.oci.image.layer.v1.tar"
        | "application/vnd.docker.image.rootfs.diff.tar"
        | "application/vnd.docker.image.rootfs.diff.tar.gzip"
            if !media_type.contains("encrypted") =>
        {
            Ok(())
        }
        _ => refused("is no file system that we can read"),
    }
}

fn blob_name(descriptor: &Descriptor) -> Result<String, OciError> {
    Ok(format!("blobs/sha256/{}", descriptor.digest()?))
}

/// A document by its descriptor, its size and digest checked, and its name.
fn checked(shelf: &Shelf, descriptor: &Descriptor, what: &str) -> Result<(String, Vec<u8>), OciError> {
    let name = blob_name(descriptor)?;
    let bytes = shelf.document(&name, DOCUMENT_MAX)?;
    let (expected, actual) = (descriptor.size, bytes.len() as u64);
    if expected != actual {
        return Err(OciError::Size { what: what.to_owned(), expected, actual });
    }
    let (expected, actual) = (descriptor.digest()?, Digest::of(&bytes));
    if expected != actual {
        return Err(OciError::Digest { what: what.to_owned(), expected, actual });
    }
    Ok((name, bytes))
}

fn parse<T: DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T, OciError> {
    serde_json::from_slice(bytes).map_err(|source| OciError::Json { name: name.to_owned(), source })
}

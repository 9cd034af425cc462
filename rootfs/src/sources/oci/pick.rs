//! Picking one image: from the index or the list of `docker save`, by platform and reference, to its layers.

use std::fmt;

use amiforge_formats::digest::Digest;
use serde::de::DeserializeOwned;

use super::blobs::OciBlobs;
use super::error::OciError;
use super::model::{self, DOCUMENT_MAX, OciConfig, OciDescriptor, OciIndex, OciManifest, Platform, Saved};
use super::platform::PlatformRequest;

/// Deepest nesting of indexes. Tools write two levels.
const DEPTH_MAX: usize = 4;

/// The image that was picked.
pub(super) struct OciImage {
    /// Digest of its manifest, or of its config if it has none.
    pub(super) digest: Digest,
    /// Length of its documents.
    pub(super) size: u64,
    pub(super) config: serde_json::Value,
    pub(super) layers: Vec<OciLayer>,
}

/// A layer of it.
pub(super) struct OciLayer {
    /// Its name in the image.
    pub(super) name: String,
    /// Its descriptor in the manifest.
    pub(super) descriptor: Option<OciDescriptor>,
    /// Digest of its stored bytes.
    pub(super) digest: Option<Digest>,
    /// Digest of its uncompressed bytes.
    pub(super) diff_id: Digest,
}

/// Picks the image.
pub(super) fn image(parts: &OciBlobs, platform: &str, reference: Option<&str>) -> Result<OciImage, OciError> {
    let choice = ImageChoice {
        platform: PlatformRequest::parse(platform)?,
        reference,
        digest: reference.and_then(by_digest),
    };
    if parts.contains("index.json") {
        return from_index(parts, &choice);
    }
    if parts.contains("manifest.json") {
        return from_saved(parts, &choice);
    }
    Err(OciError::NoImage { instead: parts.root_of_a_system() })
}

/// The request of the recipe.
struct ImageChoice<'a> {
    platform: PlatformRequest,
    reference: Option<&'a str>,
    /// The reference as a digest, if it is one.
    digest: Option<&'a str>,
}

impl fmt::Display for ImageChoice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reference {
            Some(reference) => write!(f, "{} named `{}`", self.platform, reference.escape_default()),
            None => write!(f, "{}", self.platform),
        }
    }
}

/// The digest that a reference is, or that its name is pinned to, such as `name@sha256:…`.
fn by_digest(reference: &str) -> Option<&str> {
    let text = reference.rsplit('@').next().unwrap_or(reference);
    model::digest(text).is_ok().then_some(text)
}

/// A manifest, the name by which it is shown, and whether the reference names it.
struct Candidate {
    name: String,
    descriptor: OciDescriptor,
    chosen: bool,
}

fn from_index(parts: &OciBlobs, choice: &ImageChoice<'_>) -> Result<OciImage, OciError> {
    let index: OciIndex = parse("index.json", &parts.document("index.json", DOCUMENT_MAX)?)?;
    let mut all = Vec::new();
    for descriptor in &index.manifests {
        let name = descriptor.references().next().unwrap_or(&descriptor.digest).clone();
        let chosen = match (choice.reference, choice.digest) {
            (None, _) => true,
            (Some(reference), None) => descriptor.references().any(|found| found == reference),
            // Below, by digest.
            (Some(_), Some(_)) => false,
        };
        // Images that the name does not choose are only listed.
        let look = chosen || choice.digest.is_some();
        let candidate = Candidate { name, descriptor: descriptor.clone(), chosen };
        if look { flatten(parts, candidate, choice, 0, &mut all)? } else { all.push(candidate) }
    }
    // A descriptor without a platform may fit; its config decides.
    let fit = |one: &Candidate| match &one.descriptor.platform {
        Some(platform) => choice.platform.fit(platform),
        None => Some(0),
    };
    let chosen: Vec<&Candidate> = all.iter().filter(|one| one.chosen).collect();
    let best = chosen.iter().filter_map(|one| fit(one)).max();
    let mut fitting: Vec<_> = chosen.iter().filter(|one| fit(one).is_some() && fit(one) == best).collect();
    fitting.dedup_by(|a, b| a.descriptor.digest == b.descriptor.digest);
    match fitting.as_slice() {
        [one] => from_manifest(parts, &one.descriptor, &choice.platform),
        [] => {
            let found = if chosen.is_empty() {
                all.iter().map(shown).collect()
            } else {
                chosen.into_iter().map(shown).collect()
            };
            Err(OciError::NoneFits { requested: choice.to_string(), found })
        }
        several => Err(OciError::Several { found: several.iter().map(|one| shown(one)).collect() }),
    }
}

fn shown(Candidate { name, descriptor, .. }: &Candidate) -> String {
    let platform = descriptor.platform.as_ref().map_or_else(|| "any platform".to_owned(), Platform::text);
    format!("`{}` for {}", name.escape_default(), platform.escape_default())
}

/// The manifests that a descriptor leads to, through indexes.
fn flatten(
    parts: &OciBlobs,
    mut candidate: Candidate,
    choice: &ImageChoice<'_>,
    depth: usize,
    found: &mut Vec<Candidate>,
) -> Result<(), OciError> {
    candidate.chosen |= choice.digest.is_some_and(|digest| digest == candidate.descriptor.digest);
    if !candidate.descriptor.is_index() {
        found.push(candidate);
        return Ok(());
    }
    if depth == DEPTH_MAX {
        return Err(OciError::TooDeep { max: DEPTH_MAX });
    }
    let (document, bytes) = checked(parts, &candidate.descriptor, "the index")?;
    let index: OciIndex = parse(&document, &bytes)?;
    index.manifests.into_iter().try_for_each(|descriptor| {
        let below = Candidate { name: candidate.name.clone(), descriptor, chosen: candidate.chosen };
        flatten(parts, below, choice, depth + 1, found)
    })
}

fn from_manifest(
    parts: &OciBlobs,
    descriptor: &OciDescriptor,
    platform: &PlatformRequest,
) -> Result<OciImage, OciError> {
    let (name, bytes) = checked(parts, descriptor, "the manifest")?;
    let manifest: OciManifest = parse(&name, &bytes)?;
    let (name, text) = checked(parts, &manifest.config, "the config")?;
    let diff_ids = diff_ids(&name, &text, platform, manifest.layers.len())?;
    let size = bytes.len() as u64 + text.len() as u64;
    let config = parse(&name, &text)?;
    let mut layers = Vec::new();
    for ((descriptor, diff_id), number) in manifest.layers.into_iter().zip(diff_ids).zip(1..) {
        readable(&descriptor.media_type, number)?;
        let digest = Some(descriptor.digest()?);
        layers.push(OciLayer {
            name: blob_name(&descriptor)?,
            descriptor: Some(descriptor),
            digest,
            diff_id,
        });
    }
    Ok(OciImage { digest: descriptor.digest()?, size, config, layers })
}

fn from_saved(parts: &OciBlobs, choice: &ImageChoice<'_>) -> Result<OciImage, OciError> {
    let all: Vec<Saved> = parse("manifest.json", &parts.document("manifest.json", DOCUMENT_MAX)?)?;
    let tagged = |saved: &&Saved| match (choice.reference, choice.digest) {
        (None, _) => true,
        // The config's digest is what `docker images` calls the id.
        (Some(_), Some(digest)) => config_digest(saved) == digest.strip_prefix("sha256:"),
        (Some(reference), None) => saved.repo_tags.iter().flatten().any(|tag| tag == reference),
    };
    let shown =
        |saved: &Saved| format!("`{}`", saved.repo_tags.iter().flatten().next().unwrap_or(&saved.config));
    let fitting: Vec<_> = all.iter().filter(tagged).collect();
    let saved = match fitting.as_slice() {
        [one] => *one,
        [] => {
            let found = all.iter().map(shown).collect();
            return Err(OciError::NoneFits { requested: choice.to_string(), found });
        }
        several => return Err(OciError::Several { found: several.iter().map(|one| shown(one)).collect() }),
    };
    let text = parts.document(&saved.config, DOCUMENT_MAX)?;
    let digest = Digest::of(&text);
    if let Some(Ok(expected)) = config_digest(saved).map(str::parse::<Digest>)
        && expected != digest
    {
        return Err(OciError::Digest { what: "the config".to_owned(), expected, actual: digest });
    }
    let diff_ids = diff_ids(&saved.config, &text, &choice.platform, saved.layers.len())?;
    let layers = saved.layers.iter().zip(diff_ids);
    let layers = layers.map(|(name, diff_id)| OciLayer {
        name: name.clone(),
        descriptor: None,
        digest: None,
        diff_id,
    });
    let config = parse(&saved.config, &text)?;
    Ok(OciImage { digest, size: text.len() as u64, config, layers: layers.collect() })
}

/// The digest in a config's name, with `.json` in archives of older versions.
fn config_digest(saved: &Saved) -> Option<&str> {
    let stem = saved.config.rsplit('/').next().unwrap_or_default();
    let stem = stem.strip_suffix(".json").unwrap_or(stem);
    stem.parse::<Digest>().is_ok().then_some(stem)
}

/// The digests of the uncompressed layers that a config lists, if it is for the right machine.
fn diff_ids(
    name: &str,
    text: &[u8],
    platform: &PlatformRequest,
    layers: usize,
) -> Result<Vec<Digest>, OciError> {
    let config: OciConfig = parse(name, text)?;
    if platform.fit(&config.platform).is_none() {
        return Err(OciError::Platform { requested: platform.to_string(), found: config.platform.text() });
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
        // BuildKit 0.10 and 0.11; later ones write the type of OCI.
        | "application/vnd.docker.image.rootfs.diff.tar.zstd"
            if !media_type.contains("encrypted") =>
        {
            Ok(())
        }
        _ => refused("is no file system that we can read"),
    }
}

fn blob_name(descriptor: &OciDescriptor) -> Result<String, OciError> {
    Ok(format!("blobs/sha256/{}", descriptor.digest()?))
}

/// A document by its descriptor, its size and digest checked, and its name.
fn checked(parts: &OciBlobs, descriptor: &OciDescriptor, what: &str) -> Result<(String, Vec<u8>), OciError> {
    let name = blob_name(descriptor)?;
    let bytes = parts.document(&name, DOCUMENT_MAX)?;
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

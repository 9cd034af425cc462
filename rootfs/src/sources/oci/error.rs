//! Why an image was refused.

use amiforge_formats::digest::Digest;
use amiforge_formats::tree::Printable;

use crate::sources::tar::TarError;

/// Why an image was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OciError {
    /// Neither kind of image.
    #[error("no image: it has neither `index.json` nor `manifest.json`{}", instead_of(*instead))]
    NoImage {
        /// The kind of source that it seems to be.
        instead: Option<&'static str>,
    },
    /// A text that names no platform.
    #[error(
        "`{}` is not a platform, such as `{}`: it is written `os/architecture`, perhaps with `/variant`",
        text.escape_default(),
        hint.as_deref().unwrap_or("linux/amd64")
    )]
    NotAPlatform {
        /// The text.
        text: String,
        /// A suggestion.
        hint: Option<String>,
    },
    /// A file that a descriptor names does not exist.
    #[error("`{}` is missing", Printable(name.as_bytes()))]
    Missing {
        /// Its name in the image.
        name: String,
    },
    /// Something cannot be read.
    #[error("reading `{}`", Printable(name.as_bytes()))]
    Read {
        /// Its name in the image.
        name: String,
        /// The error of the system.
        #[source]
        source: std::io::Error,
    },
    /// A document over the bound.
    #[error("`{}` has {size} bytes, allowed are {max}", Printable(name.as_bytes()))]
    TooLong {
        /// Its name in the image.
        name: String,
        /// Its length.
        size: u64,
        /// The bound.
        max: u64,
    },
    /// A document that does not parse.
    #[error("parsing `{}`", Printable(name.as_bytes()))]
    Json {
        /// Its name in the image.
        name: String,
        /// The cause.
        #[source]
        source: serde_json::Error,
    },
    /// A digest of a kind that we do not know.
    #[error("`{}` is not `sha256:` and 64 hexadecimal digits", Printable(digest.as_bytes()))]
    NotADigest {
        /// The text.
        digest: String,
    },
    /// A digest differs from its descriptor.
    #[error("the sha256 of {what} is {actual}, expected {expected}")]
    Digest {
        /// Name of the part.
        what: String,
        /// The value in the descriptor.
        expected: Digest,
        /// As it is.
        actual: Digest,
    },
    /// A length differs from its descriptor.
    #[error("{what} has {actual} bytes, expected {expected}")]
    Size {
        /// Name of the part.
        what: String,
        /// The value in the descriptor.
        expected: u64,
        /// As it is.
        actual: u64,
    },
    /// No image fits.
    #[error("no image for {requested}; there {}", listed(found))]
    NoneFits {
        /// The requested platform.
        requested: String,
        /// The available ones.
        found: Vec<String>,
    },
    /// Several images fit.
    #[error("{} images fit; name one with `reference`: there {}", found.len(), listed(found))]
    Several {
        /// The available ones.
        found: Vec<String>,
    },
    /// Indexes in indexes without end.
    #[error("indexes name indexes more than {max} deep")]
    TooDeep {
        /// The bound.
        max: usize,
    },
    /// The config is for another machine.
    #[error("the config says {found}, expected {requested}")]
    Platform {
        /// The requested platform.
        requested: String,
        /// The platform in the config.
        found: String,
    },
    /// The config lists another number of layers.
    #[error("{layers} layers, but the config lists {diff_ids}")]
    Layers {
        /// In the manifest.
        layers: usize,
        /// In the config.
        diff_ids: usize,
    },
    /// A layer of a kind that we cannot read.
    #[error("layer {number} is of type `{}`, which {why}", Printable(media_type.as_bytes()))]
    LayerType {
        /// Counted from 1.
        number: usize,
        /// Its media type.
        media_type: String,
        /// Why not.
        why: &'static str,
    },
    /// A layer that is neither tar nor compressed.
    #[error("layer {number} is neither tar nor gzip, xz or zstd")]
    LayerContent {
        /// Counted from 1.
        number: usize,
    },
    /// A layer breaks a rule.
    #[error("reading layer {number} ({digest})")]
    Layer {
        /// Counted from 1.
        number: usize,
        /// Digest of its uncompressed bytes.
        digest: Digest,
        /// The cause.
        #[source]
        source: Box<TarError>,
    },
}

fn instead_of(kind: Option<&'static str>) -> String {
    kind.map(|kind| format!(", but the folders of a system; write `kind = \"{kind}\"`")).unwrap_or_default()
}

fn listed(found: &[String]) -> String {
    if found.is_empty() { "is none".to_owned() } else { format!("is {}", found.join(", ")) }
}

//! The documents of an image as JSON: the fields that we use (OCI image format specification 1.1, *image index*,
//! *image manifest*, *image configuration*; `docker save`, `manifest.json`). Unknown fields are passed over.

use std::collections::BTreeMap;

use amiforge_formats::digest::Digest;
use serde::Deserialize;

use super::error::OciError;

/// Longest document that is read. Registries take manifests of 4 MiB; configs are shorter.
pub(super) const DOCUMENT_MAX: u64 = 4 << 20;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OciDescriptor {
    #[serde(default)]
    pub(super) media_type: String,
    pub(super) digest: String,
    pub(super) size: u64,
    pub(super) platform: Option<Platform>,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
}

impl OciDescriptor {
    /// The digest as bytes.
    pub(super) fn digest(&self) -> Result<Digest, OciError> {
        digest(&self.digest)
    }

    /// Whether it names an index.
    pub(super) fn is_index(&self) -> bool {
        self.media_type == "application/vnd.oci.image.index.v1+json"
            || self.media_type == "application/vnd.docker.distribution.manifest.list.v2+json"
    }

    /// The name of the image: the reference that tools write beside it.
    pub(super) fn references(&self) -> impl Iterator<Item = &String> {
        ["io.containerd.image.name", "org.opencontainers.image.ref.name"]
            .into_iter()
            .filter_map(|name| self.annotations.get(name))
    }
}

/// A digest as documents write it.
pub(super) fn digest(text: &str) -> Result<Digest, OciError> {
    let hex = text.strip_prefix("sha256:").and_then(|hex| hex.parse().ok());
    hex.ok_or_else(|| OciError::NotADigest { digest: text.chars().take(100).collect() })
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Platform {
    pub(super) os: String,
    pub(super) architecture: String,
    pub(super) variant: Option<String>,
}

impl Platform {
    /// `os/arch`, and the variant if it names one.
    pub(super) fn text(&self) -> String {
        let variant = self.variant.as_deref().filter(|variant| !variant.is_empty());
        let variant = variant.map(|variant| format!("/{variant}")).unwrap_or_default();
        format!("{}/{}{variant}", self.os, self.architecture)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct OciIndex {
    pub(super) manifests: Vec<OciDescriptor>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OciManifest {
    pub(super) config: OciDescriptor,
    pub(super) layers: Vec<OciDescriptor>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OciConfig {
    #[serde(flatten)]
    pub(super) platform: Platform,
    pub(super) rootfs: RootFs,
}

#[derive(Debug, Deserialize)]
pub(super) struct RootFs {
    pub(super) diff_ids: Vec<String>,
}

/// One image of `docker save`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Saved {
    pub(super) config: String,
    pub(super) repo_tags: Option<Vec<String>>,
    pub(super) layers: Vec<String>,
}

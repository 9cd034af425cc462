//! Where an image comes from, as its tags say: recipe, version, manifest, digest, and the program that built it.

use std::collections::BTreeMap;

use amiforge_publish::api::ec2::{DescribedImage, Watermark};
use amiforge_publish::tags;
use serde::Serialize;

use super::error::ImageError;
use super::region::ImageRegion;
use super::row::RowState;
use crate::api::images::ImageCalls;

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageOrigin {
    /// The image.
    pub image_id: String,
    /// Its region.
    pub region: String,
    /// The account that owns it.
    pub owner: Option<String>,
    /// Its name in EC2.
    pub ami_name: Option<String>,
    /// Its state.
    pub state: RowState,
    /// When it was registered (RFC 3339).
    pub created: Option<String>,
    /// The image that it is a copy of, with its region.
    pub copied_from: Option<String>,
    /// The name of the image in its recipe.
    pub image: String,
    /// The version of the image.
    pub version: Option<String>,
    /// The version of the program that built it.
    pub tool: Option<String>,
    /// SHA-256 of the recipe.
    pub recipe: Option<String>,
    /// SHA-256 of `manifest.json`.
    pub manifest: Option<String>,
    /// The Merkle root over the blocks.
    pub merkle_root: Option<String>,
    /// Number of blocks under the Merkle root.
    pub blocks: Option<u64>,
    /// SHA-256 of the disk as a file.
    pub image_sha256: Option<String>,
    /// SHA-256 of the lock.
    pub lock_sha256: Option<String>,
    /// The predicted PCRs of the SHA-384 bank, by their tags.
    pub pcrs: BTreeMap<String, String>,
    /// The watermarks, its own and those that it carries on.
    pub watermarks: Vec<Watermark>,
    /// The snapshots, that of the root volume first.
    pub snapshots: Vec<String>,
}

/// Where an image comes from, by its tags, if it has some of this program: those of another account are not visible, and a
/// copy may have none.
///
/// # Errors
/// [`ImageError::Missing`], [`ImageError::Call`].
pub async fn origin<C: ImageCalls>(
    region: &ImageRegion<'_, C>,
    id: &str,
    now: i64,
) -> Result<ImageOrigin, ImageError> {
    let missing = || ImageError::Missing { id: id.to_owned(), region: region.name.to_owned() };
    let image = region.find_image(id).await?.ok_or_else(missing)?;
    Ok(of_tags(region.name, &image, now))
}

impl ImageOrigin {
    /// Whether its tags say that this program made it.
    pub fn is_tagged(&self) -> bool {
        !self.image.is_empty()
    }
}

fn of_tags(region: &str, image: &DescribedImage, now: i64) -> ImageOrigin {
    let tag = |key: &str| image.tags.get(key).cloned();
    let source = image.source_image.as_ref().map(|source| match &image.source_region {
        Some(region) => format!("{source} in {region}"),
        None => source.clone(),
    });
    let pcrs = tags::PCRS.into_iter().map(tags::pcr);
    ImageOrigin {
        image_id: image.id.clone(),
        region: region.to_owned(),
        owner: image.owner.clone(),
        ami_name: image.name.clone(),
        state: RowState::of(image, now),
        created: image.created.clone(),
        copied_from: source,
        image: tag(tags::IMAGE).unwrap_or_default(),
        version: tag(tags::VERSION),
        tool: tag(tags::TOOL),
        recipe: tag(tags::RECIPE),
        manifest: tag(tags::MANIFEST),
        merkle_root: tag(tags::MERKLE_ROOT),
        blocks: tag(tags::BLOCKS).and_then(|blocks| blocks.parse().ok()),
        image_sha256: tag(tags::IMAGE_SHA256),
        lock_sha256: tag(tags::LOCK_SHA256),
        pcrs: pcrs.filter_map(|key| Some((key.clone(), tag(&key)?))).collect(),
        watermarks: image.watermarks.clone(),
        snapshots: image.snapshots(),
    }
}

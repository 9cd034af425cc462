//! Finds the AMIs of one image in all regions: those that a bundle was published as, or the copies of an AMI.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use amiforge_publish::ami::ledger::{AmiLedger, PublishStage, read_copies, read_entry};
use amiforge_publish::ami::{AmiError, digests_of};
use amiforge_publish::api::ec2::{DescribedImage, Ec2, ImageOwner, ImageQuery, QueryFilter, Tags};
use amiforge_publish::tags;

use super::region::ChannelRegion;
use super::{ChannelError, Refusal, RefusalReason};
use crate::api::parameters::Parameters;

/// What to promote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// The AMI with an id in the home region, and its copies in others.
    Image(String),
    /// The AMIs that a bundle was published as.
    Bundle(BundleImages),
}

/// The AMIs of a bundle, as far as its folder tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BundleImages {
    /// The bundle as the user named it.
    pub path: String,
    /// The tags that identify the bundle.
    pub tags: Tags,
    /// The published AMIs by region, from the ledgers of its publishes.
    pub published: BTreeMap<String, String>,
}

impl BundleImages {
    /// Reads what a bundle was published as, from the bundle and the folder beside it.
    ///
    /// # Errors
    /// [`ChannelError::Bundle`].
    pub fn read(bundle: &Path) -> Result<Self, ChannelError> {
        let failed =
            |source| ChannelError::Bundle { bundle: bundle.display().to_string(), source: Box::new(source) };
        let tags = digests_of(bundle).map_err(failed)?;
        let published = published(bundle, &tags).map_err(failed)?;
        Ok(Self { path: bundle.display().to_string(), tags, published })
    }
}

/// The published AMIs of a bundle, by region. Ledgers of another state of the bundle do not count.
fn published(bundle: &Path, digests: &Tags) -> Result<BTreeMap<String, String>, AmiError> {
    let mut published = BTreeMap::new();
    // One folder per region, each with the ledger in a folder of its own.
    let sample = AmiLedger::path_for(bundle, "region")?;
    let Some((all, ledger)) =
        sample.parent().and_then(|region| Some((region.parent()?, sample.file_name()?)))
    else {
        return Ok(published);
    };
    let Ok(regions) = fs::read_dir(all) else { return Ok(published) };
    for region in regions.flatten() {
        let folder = region.path().join(ledger);
        if !folder.is_dir() {
            continue;
        }
        let Some(entry) = read_entry(&folder)? else { continue };
        if entry.request.digests.get(tags::MANIFEST) != digests.get(tags::MANIFEST) {
            continue;
        }
        let own = entry.image.clone().filter(|image| entry.is_published(image));
        published.extend(own.map(|image| (entry.request.region.clone(), image)));
        for copy in read_copies(&folder)? {
            let done = copy.image.filter(|_| copy.stage == PublishStage::Done);
            published.extend(done.map(|image| (copy.region, image)));
        }
    }
    Ok(published)
}

/// How the AMIs of an image are recognized in any region.
#[derive(Debug, Clone, Default)]
pub(super) struct Identity {
    /// SHA-256 of the manifest, from tags.
    manifest: Option<String>,
    /// The AMI that was named, and the one that it is a copy of.
    related: Vec<String>,
    /// The ids that are known by region.
    known: BTreeMap<String, String>,
    /// Words for messages.
    title: String,
}

impl Identity {
    /// Of a bundle.
    pub(super) fn of_bundle(bundle: &BundleImages) -> Self {
        Self {
            manifest: bundle.tags.get(tags::MANIFEST).cloned(),
            related: bundle.published.values().cloned().collect(),
            known: bundle.published.clone(),
            title: format!("`{}`", bundle.path),
        }
    }

    /// Of an AMI in a region.
    pub(super) fn of_image(image: &DescribedImage, region: &str) -> Self {
        let mut known = BTreeMap::from([(region.to_owned(), image.id.clone())]);
        if let (Some(source), Some(region)) = (&image.source_image, &image.source_region) {
            known.entry(region.clone()).or_insert_with(|| source.clone());
        }
        Self {
            manifest: image.tags.get(tags::MANIFEST).cloned(),
            related: std::iter::once(image.id.clone()).chain(image.source_image.clone()).collect(),
            known,
            title: image.id.clone(),
        }
    }

    /// The AMI in a region.
    ///
    /// # Errors
    /// A refusal in place of the image if there is none, or if several could be meant.
    pub(super) async fn find<C: Ec2, P: Parameters>(
        &self,
        region: &ChannelRegion<'_, C, P>,
    ) -> Result<Result<DescribedImage, Refusal>, ChannelError> {
        if let Some(id) = self.known.get(region.name)
            && let Some(image) = region.image(id).await?
        {
            return Ok(Ok(image));
        }
        let candidates = self.candidates(region).await?;
        Ok(self.choose(candidates, region.name))
    }

    /// The account's images in a region that are the same by their tags, or by what they were copied from.
    async fn candidates<C: Ec2, P: Parameters>(
        &self,
        region: &ChannelRegion<'_, C, P>,
    ) -> Result<Vec<DescribedImage>, ChannelError> {
        let query = |filter| ImageQuery { ids: Vec::new(), owner: ImageOwner::Own, filters: vec![filter] };
        if let Some(manifest) = &self.manifest {
            let filter = QueryFilter::exact(format!("tag:{}", tags::MANIFEST), manifest);
            return region.images(&query(filter)).await;
        }
        if self.related.is_empty() {
            return Ok(Vec::new());
        }
        let filter = QueryFilter { name: "source-image-id".to_owned(), values: self.related.clone() };
        region.images(&query(filter)).await
    }

    /// The one of several images that is related to the named one, or the only one that is available.
    fn choose(&self, candidates: Vec<DescribedImage>, region: &str) -> Result<DescribedImage, Refusal> {
        let refusal = |reason, problem: String, remedy: &str| Refusal {
            region: region.to_owned(),
            reason,
            problem,
            remedy: remedy.to_owned(),
        };
        let related = |image: &DescribedImage| {
            image.source_image.as_ref().is_some_and(|source| self.related.contains(source))
        };
        let (near, far): (Vec<_>, Vec<_>) = candidates.into_iter().partition(related);
        let mut all = if near.is_empty() { far } else { near };
        if all.len() > 1 && all.iter().any(|image| image.state == "available") {
            all.retain(|image| image.state == "available");
        }
        all.sort_by(|a, b| a.id.cmp(&b.id));
        match all.len() {
            0 => Err(refusal(
                RefusalReason::Missing,
                format!("there is no AMI of {}", self.title),
                "publish it there (`--copy-to`), or leave the region out with `--regions`",
            )),
            1 => Ok(all.swap_remove(0)),
            _ => {
                let ids: Vec<_> = all.iter().map(|image| image.id.as_str()).collect();
                Err(refusal(
                    RefusalReason::Ambiguous,
                    format!("{} AMIs are of {}: {}", ids.len(), self.title, ids.join(", ")),
                    "promote one of them by its id, region by region, or deregister those that are not meant",
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(id: &str, source: Option<&str>, state: &str) -> DescribedImage {
        DescribedImage {
            id: id.to_owned(),
            source_image: source.map(str::to_owned),
            state: state.to_owned(),
            ..DescribedImage::default()
        }
    }

    #[test]
    fn of_several_images_the_copy_of_the_named_one_is_meant() {
        let identity = Identity::of_image(&image("ami-1", None, "available"), "local");
        let chosen = |images: Vec<DescribedImage>| identity.choose(images, "local-2").map(|image| image.id);
        let other = image("ami-8", Some("ami-7"), "available");
        let copy = image("ami-9", Some("ami-1"), "available");
        assert_eq!(chosen(vec![other.clone(), copy.clone()]).unwrap(), "ami-9");
        assert_eq!(chosen(vec![other.clone()]).unwrap(), "ami-8");
        assert_eq!(chosen(vec![image("ami-5", Some("ami-1"), "failed"), copy.clone()]).unwrap(), "ami-9");
        assert_eq!(chosen(vec![image("ami-5", Some("ami-1"), "failed")]).unwrap(), "ami-5");
        assert_eq!(chosen(Vec::new()).unwrap_err().reason, RefusalReason::Missing);
        let twice = vec![copy, image("ami-a", Some("ami-1"), "available")];
        let refused = chosen(twice).unwrap_err();
        assert!(refused.reason == RefusalReason::Ambiguous && refused.problem.contains("ami-9, ami-a"));
    }

    #[test]
    fn a_copy_names_its_source() {
        let copy = DescribedImage {
            source_region: Some("local".to_owned()),
            ..image("ami-9", Some("ami-1"), "available")
        };
        let identity = Identity::of_image(&copy, "local-2");
        assert_eq!(identity.known["local"], "ami-1");
        assert_eq!(identity.related, ["ami-9", "ami-1"]);
    }
}

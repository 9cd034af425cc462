//! The images that a command is for: the one that the user names, and its copies in other regions, which have the same
//! name and the same tags.

use std::future::Future;
use std::pin::Pin;

use amiforge_progress::Monitor;
use amiforge_publish::ami::{AmiRegion, join};
use amiforge_publish::api::ec2::{DescribedImage, ImageOwner, ImageQuery, QueryFilter, Regions};
use amiforge_publish::tags;
use amiforge_publish::timer::Timer;

use super::SharingError;
use crate::api::sharing::SharingCalls;

/// How the user names an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageSelector {
    /// By its id in the home region.
    Id(String),
    /// By its name in every region.
    Name(String),
}

impl ImageSelector {
    /// The id or the name.
    pub fn text(&self) -> &str {
        match self {
            Self::Id(text) | Self::Name(text) => text,
        }
    }
}

/// The regions of a command, besides the home region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum RegionScope {
    /// None.
    #[default]
    Home,
    /// These, each of which must have the image.
    Listed(Vec<String>),
    /// All regions that are enabled for the account, as far as they have the image.
    All,
}

/// An image in a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetImage {
    /// The region.
    pub region: String,
    /// The image.
    pub image: DescribedImage,
}

/// What identifies the copies of an image.
struct CopyKey {
    name: String,
    manifest: Option<String>,
}

/// Finds the image in the home region and in those of the scope.
///
/// # Errors
/// [`SharingError::NoImage`] when the home region or a listed region does not have it; [`SharingError::Ami`].
pub async fn find_targets<C: SharingCalls, R: Regions<Ec2 = C>>(
    regions: &R,
    home: &str,
    selector: &ImageSelector,
    scope: &RegionScope,
    (timer, monitor): (&Timer, Monitor<'_>),
) -> Result<Vec<TargetImage>, SharingError> {
    let ec2 = regions.ec2(home);
    let region = AmiRegion { name: home, ec2: &ec2, timer, monitor };
    let selected = match selector {
        ImageSelector::Id(id) => region.find_image(id).await?,
        ImageSelector::Name(name) => region.image_by_name(name).await?,
    };
    let missing = || SharingError::NoImage { image: selector.text().to_owned(), region: home.to_owned() };
    let image = selected.ok_or_else(missing)?;
    let key = CopyKey {
        name: image.name.clone().unwrap_or_default(),
        manifest: image.tags.get(tags::MANIFEST).cloned(),
    };
    let others: Vec<String> = match scope {
        RegionScope::Home => Vec::new(),
        RegionScope::Listed(names) => names.iter().filter(|name| *name != home).cloned().collect(),
        RegionScope::All => {
            let mut names =
                region.call("asking for the regions of the account", || ec2.enabled_regions()).await?;
            names.retain(|name| name != home);
            names
        }
    };
    let mut targets = vec![TargetImage { region: home.to_owned(), image }];
    let search = |name: &String| -> Pin<Box<dyn Future<Output = SearchOutcome> + Send + '_>> {
        let (name, key, ec2) = (name.clone(), &key, regions.ec2(name));
        Box::pin(async move {
            let region = AmiRegion { name: &name, ec2: &ec2, timer, monitor };
            find_copy(&region, key).await.map(|image| (name.clone(), image))
        })
    };
    for outcome in join::all(others.iter().map(search).collect()).await {
        match (outcome?, scope) {
            ((region, Some(image)), _) => targets.push(TargetImage { region, image }),
            ((_, None), RegionScope::All) => {}
            ((region, None), _) => return Err(SharingError::NoImage { image: key.name, region }),
        }
    }
    Ok(targets)
}

type SearchOutcome = Result<(String, Option<DescribedImage>), SharingError>;

/// The account's image with the same name, and where tags tell of a bundle, of the same bundle.
async fn find_copy<C: SharingCalls>(
    region: &AmiRegion<'_, C>,
    key: &CopyKey,
) -> Result<Option<DescribedImage>, SharingError> {
    let mut filters = vec![QueryFilter::exact("name", &key.name)];
    if let Some(manifest) = &key.manifest {
        filters.push(QueryFilter::exact(format!("tag:{}", tags::MANIFEST), manifest));
    }
    let query = ImageQuery { ids: Vec::new(), owner: ImageOwner::Own, filters };
    let action = format!("looking for copies of `{}`", key.name);
    let images = region.call(&action, || region.ec2.describe_images(&query)).await?;
    Ok(images.into_iter().find(|image| image.name.as_deref() == Some(key.name.as_str())))
}

//! Who uses images: references of resources, channels, groups, and the time of the last launch.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use amiforge_publish::ami::join;

use super::error::ImageError;
use super::region::ImageRegion;
use crate::api::images::{ChannelImage, ImageCalls, ImageReference, ImageUse, MAX_REFERENCED};

/// Concurrent calls: the service allows some fifty per second for this kind of call.
const CONCURRENT: usize = 8;

/// The uses of images in one region.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uses {
    /// Resources of the account that name an image, by image.
    pub references: BTreeMap<String, Vec<ImageReference>>,
    /// Channels that hold or held an image, by image.
    pub channels: BTreeMap<String, Vec<ChannelImage>>,
    /// Times of the last launches by image; the value is none for an image that was never launched.
    pub launched: BTreeMap<String, Option<String>>,
}

impl Uses {
    /// The resources that name an image.
    pub fn references(&self, image: &str) -> &[ImageReference] {
        self.references.get(image).map_or(&[], Vec::as_slice)
    }

    /// The channels that hold or held an image.
    pub fn channels(&self, image: &str) -> &[ChannelImage] {
        self.channels.get(image).map_or(&[], Vec::as_slice)
    }

    /// The time of an image's last launch, if it was looked up and there was one.
    pub fn launched(&self, image: &str) -> Option<&str> {
        self.launched.get(image)?.as_deref()
    }
}

/// Looks up who uses these images.
///
/// # Errors
/// [`ImageError`]; without an answer of every service nothing is known.
pub async fn look_up<C: ImageCalls, U: ImageUse>(
    region: &ImageRegion<'_, C>,
    other: &U,
    below: &str,
    images: &[String],
) -> Result<Uses, ImageError> {
    let mut uses = Uses::default();
    if images.is_empty() {
        return Ok(uses);
    }
    let channels = region.call("reading the channels", || other.channel_images(below)).await?;
    for channel in channels.into_iter().filter(|channel| images.contains(&channel.image)) {
        uses.channels.entry(channel.image.clone()).or_default().push(channel);
    }
    let groups = region.optional("asking for Auto Scaling groups", || other.group_images()).await?;
    add_references(&mut uses, images, groups);
    let chunks: Vec<&[String]> = images.chunks(MAX_REFERENCED).collect();
    for answer in in_parallel(&chunks, |chunk| references(region, chunk)).await {
        add_references(&mut uses, images, answer?);
    }
    for answer in in_parallel(images, |image| launched(region, image)).await {
        let (image, at) = answer?;
        uses.launched.insert(image, at);
    }
    uses.references.values_mut().for_each(|all| all.sort());
    Ok(uses)
}

fn add_references(uses: &mut Uses, images: &[String], all: Vec<ImageReference>) {
    for reference in all.into_iter().filter(|reference| images.contains(&reference.image)) {
        let of_image = uses.references.entry(reference.image.clone()).or_default();
        if !of_image.contains(&reference) {
            of_image.push(reference);
        }
    }
}

/// What names images. The service may refuse all of them for one that is gone; each is then asked for alone.
async fn references<C: ImageCalls>(
    region: &ImageRegion<'_, C>,
    images: &[String],
) -> Result<Vec<ImageReference>, ImageError> {
    let action = "asking what names an image";
    match region.call(action, || region.ec2.image_references(images)).await {
        Err(error) if error.is_missing() => {}
        other => return other,
    }
    let mut all = Vec::new();
    for image in images {
        let one = std::slice::from_ref(image);
        match region.call(action, || region.ec2.image_references(one)).await {
            Err(error) if error.is_missing() => {}
            other => all.extend(other?),
        }
    }
    Ok(all)
}

/// When an image was launched last; never if it is gone.
async fn launched<C: ImageCalls>(
    region: &ImageRegion<'_, C>,
    image: &str,
) -> Result<(String, Option<String>), ImageError> {
    let action = format!("asking when {image} was launched last");
    match region.call(&action, || region.ec2.last_launched(image)).await {
        Err(error) if error.is_missing() => Ok((image.to_owned(), None)),
        at => Ok((image.to_owned(), at?)),
    }
}

/// Runs a call for each item, some at a time, and returns the results in order.
pub(crate) async fn in_parallel<'a, I: Sync, T, F>(items: &'a [I], call: impl Fn(&'a I) -> F) -> Vec<T>
where
    F: Future<Output = T> + Send + 'a,
{
    let mut results = Vec::with_capacity(items.len());
    for some in items.chunks(CONCURRENT) {
        let futures =
            some.iter().map(|item| -> Pin<Box<dyn Future<Output = T> + Send + 'a>> { Box::pin(call(item)) });
        results.extend(join::all(futures.collect()).await);
    }
    results
}

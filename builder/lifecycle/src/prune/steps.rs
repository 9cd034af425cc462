//! The steps that can be taken back: deprecation, disabling, enabling.

use amiforge_publish::api::ec2::{DescribedImage, Grantee, Tags};
use amiforge_publish::service_error::ServiceErrorKind;

use super::marks::{self, DeprecationMark};
use super::run::{Outcome, Run};
use crate::api::images::{ImageCalls, ImageUse};
use crate::inventory::{ImageError, ImageRegion, moment};

/// Deprecates an image from the next minute on. The mark comes first: it keeps the time that is replaced.
pub(super) async fn deprecate<C: ImageCalls, U: ImageUse>(
    run: &Run<'_, C, U>,
    image: &DescribedImage,
) -> Result<Outcome, ImageError> {
    let region = run.region;
    let own = DeprecationMark::of(image).filter(|mark| mark.is_set(image));
    let replaced = image.deprecation_time.as_deref().and_then(moment::parse);
    let mark = DeprecationMark {
        since: run.options.now,
        at: moment::next_minute(run.options.now + elapsed(region)),
        instead_of: own.map_or(replaced, |mark| mark.instead_of),
    };
    set_tag(region, &image.id, marks::DEPRECATED, &mark.value()).await?;
    let (action, at) = (format!("deprecating {}", image.id), moment::show(mark.at));
    region.call(&action, || region.ec2.enable_image_deprecation(&image.id, &at)).await?;
    Ok(Outcome::done())
}

/// Seconds since the clock of the timer began: a run may wait for hours, and a deprecation must be ahead.
fn elapsed<C>(region: &ImageRegion<'_, C>) -> i64 {
    i64::try_from(region.timer.now().as_secs()).unwrap_or(0)
}

/// Begins the grace time of an image that was disabled without this program.
pub(super) async fn mark_disabled<C: ImageCalls, U: ImageUse>(
    run: &Run<'_, C, U>,
    image: &DescribedImage,
) -> Result<Outcome, ImageError> {
    set_tag(run.region, &image.id, marks::DISABLED, &moment::show(run.options.now)).await?;
    Ok(Outcome::done())
}

/// Disables an image, and takes that back if something began to use it meanwhile. The marks come first, so that a
/// disabled image has them whenever the run ends.
pub(super) async fn disable<C: ImageCalls, U: ImageUse>(
    run: &Run<'_, C, U>,
    image: &DescribedImage,
) -> Result<Outcome, ImageError> {
    let region = run.region;
    let id = &image.id;
    let action = format!("asking who may launch {id}");
    let grantees = region.call(&action, || region.ec2.launch_permissions(id)).await?;
    let mut tags = Tags::from([(marks::DISABLED.to_owned(), moment::show(run.options.now))]);
    match marks::shared_value(&grantees) {
        Some(value) => {
            tags.insert(marks::SHARED.to_owned(), value);
        }
        None if image.tags.contains_key(marks::SHARED) => {
            remove_tags(region, id, &[marks::SHARED]).await?;
        }
        None => {}
    }
    let ids = [id.clone()];
    region.call(&format!("marking {id}"), || region.ec2.create_tags(&ids, &tags)).await?;
    let disabled = region.call(&format!("disabling {id}"), || region.ec2.disable_image(id)).await;
    in_state(region, id, "disabled", disabled).await?;
    // From here on it cannot be launched. A launch or a reference since it was looked up is seen now.
    let because = run.used_now(image).await?;
    if because.iter().any(super::KeepReason::is_use) {
        enable_shared(region, id, &grantees).await?;
        return Ok(Outcome::TakenBack { because });
    }
    let lost = grantees.iter().map(ToString::to_string).collect();
    Ok(Outcome::Done { deleted: Vec::new(), kept: Vec::new(), lost })
}

/// Enables an image that the clean-up disabled, and shares it as before.
pub(super) async fn enable<C: ImageCalls>(
    region: &ImageRegion<'_, C>,
    image: &DescribedImage,
) -> Result<Outcome, ImageError> {
    enable_shared(region, &image.id, &marks::shared_with(image)).await?;
    Ok(Outcome::done())
}

/// Enables an image and restores its launch permissions. The marks go last, so that the next run repeats what fails.
pub(super) async fn enable_shared<C: ImageCalls>(
    region: &ImageRegion<'_, C>,
    id: &str,
    grantees: &[Grantee],
) -> Result<(), ImageError> {
    let enabled = region.call(&format!("enabling {id}"), || region.ec2.enable_image(id)).await;
    in_state(region, id, "available", enabled).await?;
    if !grantees.is_empty() {
        let action = format!("sharing {id} as before");
        region.call(&action, || region.ec2.add_launch_permissions(id, grantees)).await?;
    }
    remove_tags(region, id, &[marks::DISABLED, marks::SHARED]).await
}

/// The result of a call that changes the state of an image: a call whose answer was lost is refused when it is repeated.
async fn in_state<C: ImageCalls>(
    region: &ImageRegion<'_, C>,
    id: &str,
    state: &str,
    result: Result<(), ImageError>,
) -> Result<(), ImageError> {
    let Err(error) = result else { return Ok(()) };
    let refused = error.service().is_some_and(|error| error.kind == ServiceErrorKind::Refused);
    if refused && region.find_image(id).await?.is_some_and(|image| image.state == state) {
        return Ok(());
    }
    Err(error)
}

async fn set_tag<C: ImageCalls>(
    region: &ImageRegion<'_, C>,
    id: &str,
    key: &str,
    value: &str,
) -> Result<(), ImageError> {
    let (ids, tags) = ([id.to_owned()], Tags::from([(key.to_owned(), value.to_owned())]));
    region.call(&format!("marking {id}"), || region.ec2.create_tags(&ids, &tags)).await
}

/// Removes tags of an image or a snapshot.
pub(super) async fn remove_tags<C: ImageCalls>(
    region: &ImageRegion<'_, C>,
    id: &str,
    keys: &[&str],
) -> Result<(), ImageError> {
    let ids = [id.to_owned()];
    region.call(&format!("removing marks of {id}"), || region.ec2.delete_tags(&ids, keys)).await
}

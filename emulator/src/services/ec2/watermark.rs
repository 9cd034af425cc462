//! `AttachImageWatermark` and `DetachImageWatermark`.
//!
//! "Use AMI watermarks to track and identify AMIs", Amazon EC2 User Guide: only the owner of an image attaches and detaches,
//! an image has at most five, those that it carries on among them, and one with a watermark is never public. Copies and
//! restored images carry them on, and detaching from an image leaves those of its copies. Error codes, and what happens to
//! a watermark that is attached twice, are not documented and were not tried on AWS.

use super::call::Ec2Call;
use super::errors::Ec2Error;
use super::success::return_true;
use crate::services::xml::Xml;
use crate::state::image::{ImageRecord, ImageState, ImageWatermark};

/// The maximum number of watermarks of an image.
const MAX_WATERMARKS: usize = 5;

/// `AttachImageWatermark`.
pub(crate) fn attach(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let params = call.params();
    let (id, name) = (params.required("ImageId")?, params.required("WatermarkName")?);
    check_name(name)?;
    let image = call.own_image(id)?;
    if image.state(call.now) != ImageState::Available {
        let message = format!("The image {id} is not in the state available");
        return Err(Ec2Error::new("IncorrectState", message));
    }
    if image.grants.is_public() {
        let message = format!("The image {id} is public, and a public image cannot have a watermark");
        return Err(Ec2Error::new("OperationNotPermitted", message));
    }
    let key = format!("{}:{name}", call.account);
    let present = image.watermarks.iter().any(|watermark| watermark.key == key);
    if !present && image.watermarks.len() >= MAX_WATERMARKS {
        let message = format!("An image may have at most {MAX_WATERMARKS} watermarks");
        return Err(Ec2Error::new("ResourceLimitExceeded", message));
    }
    call.commit()?;
    let watermark = ImageWatermark {
        key: key.clone(),
        source: (id.to_owned(), call.region.name.clone()),
        source_created: image.created,
        created: call.now,
    };
    if !present {
        call.edit_image(id, |image| {
            image.watermarks.push(watermark);
            Ok(())
        })?;
    }
    let mut xml = Xml::new();
    xml.value("watermarkKey", &key);
    Ok(xml)
}

/// `DetachImageWatermark`; it succeeds also for a watermark that the image does not have.
pub(crate) fn detach(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let params = call.params();
    let (id, key) = (params.required("ImageId")?, params.required("WatermarkKey")?);
    let is_key = key.split_once(':').is_some_and(|(account, name)| {
        account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()) && check_name(name).is_ok()
    });
    if !is_key {
        return Err(Ec2Error::value(
            "WatermarkKey",
            key,
            "Expected an account and a name, joined by a colon.",
        ));
    }
    call.own_image(id)?;
    call.commit()?;
    call.edit_image(id, |image| {
        image.watermarks.retain(|watermark| watermark.key != key);
        Ok(())
    })?;
    Ok(return_true())
}

/// Refuses to make an image with a watermark public.
pub(crate) fn check_may_be_public(image: &ImageRecord) -> Result<(), Ec2Error> {
    if image.watermarks.is_empty() {
        return Ok(());
    }
    let message = format!("The image {} has a watermark and cannot be made public", image.id);
    Err(Ec2Error::new("OperationNotPermitted", message))
}

fn check_name(name: &str) -> Result<(), Ec2Error> {
    let allowed = |one: char| one.is_ascii_alphanumeric() || "()[] ./-'@_".contains(one);
    if (3..=128).contains(&name.chars().count()) && name.chars().all(allowed) {
        return Ok(());
    }
    let why = "Expected 3 to 128 letters, digits, spaces and characters of ()[]./-'@_.";
    Err(Ec2Error::value("WatermarkName", name, why))
}

//! `DescribeImageAttribute`, `ModifyImageAttribute` and `ResetImageAttribute`: one attribute of an image at a
//! time.

use super::call::Ec2Call;
use super::errors::Ec2Error;
use super::image_xml::whole_seconds;
use super::permissions::{PermissionChange, ShareScope};
use super::register_image;
use super::settings;
use super::success::return_true;
use super::watermark;
use crate::services::xml::Xml;
use crate::state::image::{ImageRecord, ImageState, Life};
use crate::state::sharing::Grants;

const ATTRIBUTES: [&str; 13] = [
    "description",
    "kernel",
    "ramdisk",
    "launchPermission",
    "productCodes",
    "blockDeviceMapping",
    "sriovNetSupport",
    "bootMode",
    "tpmSupport",
    "uefiData",
    "lastLaunchedTime",
    "imdsSupport",
    "deregistrationProtection",
];

/// The maximum number of grants of an image.
const MAX_GRANTS: usize = 1000;

/// `DescribeImageAttribute`.
pub(crate) fn describe(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    let id = params.required("ImageId")?;
    params.required("Attribute")?;
    let attribute = params.one_of("Attribute", &ATTRIBUTES)?.unwrap_or_default();
    let image = call.image(id)?;
    // EC2 refuses the block device mapping to owners too: DescribeImages replaces it.
    let open = matches!(attribute, "description" | "kernel" | "ramdisk" | "productCodes" | "bootMode");
    if attribute == "blockDeviceMapping" || (image.owner != call.account && !open) {
        return Err(Ec2Error::new("AuthFailure", "Unauthorized attempt to access restricted resource"));
    }
    call.commit()?;
    let mut xml = Xml::new();
    xml.value("imageId", id);
    match attribute {
        "launchPermission" => image.grants.write_xml(&mut xml, "launchPermission"),
        "productCodes" => xml.items("productCodes", [(); 0], |_, ()| {}),
        "lastLaunchedTime" => {
            xml.element(attribute, |xml| xml.optional("value", image.last_launched.map(whole_seconds)));
        }
        name => xml.element(name, |xml| xml.optional("value", value(call, &image, name))),
    }
    Ok(xml)
}

fn value<'i>(call: &Ec2Call<'_>, image: &'i ImageRecord, attribute: &str) -> Option<&'i str> {
    let machine = &image.machine;
    match attribute {
        "description" => image.description.as_deref(),
        "kernel" => machine.kernel.as_deref(),
        "ramdisk" => machine.ramdisk.as_deref(),
        "sriovNetSupport" => machine.sriov.as_deref(),
        "bootMode" => machine.boot_mode.as_deref(),
        "tpmSupport" => machine.tpm.as_deref(),
        "uefiData" => machine.uefi_data.as_deref(),
        "imdsSupport" => machine.imds.as_deref(),
        "deregistrationProtection" => Some(image.protection_state(call.now)),
        _ => None,
    }
}

/// The change of a request.
enum AttributeChange {
    Description(String),
    Imds,
    Permission(PermissionChange),
}

/// `ModifyImageAttribute`.
pub(crate) fn modify(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let id = call.params().required("ImageId")?;
    let change = read_change(call)?;
    let image = call.own_image(id)?;
    if let AttributeChange::Permission(permissions) = &change {
        check_sharing(call, &image, permissions)?;
    }
    call.commit()?;
    call.edit_image(id, |image| {
        match change {
            AttributeChange::Description(text) => image.description = (!text.is_empty()).then_some(text),
            AttributeChange::Imds => image.machine.imds = Some("v2.0".to_owned()),
            AttributeChange::Permission(change) => image.grants.apply(&change),
        }
        Ok(())
    })?;
    Ok(return_true())
}

fn read_change(call: &Ec2Call<'_>) -> Result<AttributeChange, Ec2Error> {
    let params = call.params();
    let flat = PermissionChange::read_flat(&params, ShareScope::Organizations)?;
    let mut changes = Vec::new();
    if let Some(structure) = params.structure("LaunchPermission") {
        changes.push((
            "launchPermission",
            AttributeChange::Permission(PermissionChange::read(&structure, ShareScope::Organizations)?),
        ));
    }
    if let Some(flat) = flat {
        changes.push(("launchPermission", AttributeChange::Permission(flat)));
    }
    if let Some(description) =
        params.structure("Description").and_then(|description| description.text("Value"))
    {
        changes.push(("description", description_of(description)?));
    }
    if let Some(imds) = params.structure("ImdsSupport") {
        changes.extend(imds.one_of("Value", &["v2.0"])?.map(|_| ("imdsSupport", AttributeChange::Imds)));
    }
    if params.has("ProductCode") {
        return Err(Ec2Error::new("AuthFailure", "The account is not authorized to set product codes"));
    }
    let attribute =
        params.one_of("Attribute", &["description", "imdsSupport", "launchPermission", "productCodes"])?;
    if let Some(value) = params.text("Value") {
        match attribute {
            Some("description") => changes.push(("description", description_of(value)?)),
            Some("imdsSupport") if value == "v2.0" => changes.push(("imdsSupport", AttributeChange::Imds)),
            Some(name) => return Err(Ec2Error::value(name, value, "The attribute cannot have this value.")),
            None => return Err(Ec2Error::missing("attribute")),
        }
    }
    single_change(changes, attribute)
}

fn single_change(
    mut changes: Vec<(&'static str, AttributeChange)>,
    attribute: Option<&str>,
) -> Result<AttributeChange, Ec2Error> {
    if let (Some(attribute), Some((name, _))) = (attribute, changes.first())
        && attribute != *name
    {
        let message = format!("Fields for multiple attribute types specified: {attribute}, {name}");
        return Err(Ec2Error::combination(message));
    }
    if changes.len() > 1 {
        let names: Vec<_> = changes.iter().map(|(name, _)| *name).collect();
        let message = format!("Fields for multiple attribute types specified: {}", names.join(", "));
        return Err(Ec2Error::combination(message));
    }
    match changes.pop() {
        None => Err(Ec2Error::combination("No attributes specified.")),
        Some((_, AttributeChange::Permission(change))) if change.len() == 0 => {
            Err(Ec2Error::combination("No attributes specified."))
        }
        Some((_, change)) => Ok(change),
    }
}

fn description_of(text: &str) -> Result<AttributeChange, Ec2Error> {
    register_image::check_description(text).map(AttributeChange::Description)
}

fn check_sharing(call: &Ec2Call<'_>, image: &ImageRecord, change: &PermissionChange) -> Result<(), Ec2Error> {
    if image.state(call.now) != ImageState::Available {
        let message = format!("The image {} is not in the state available", image.id);
        return Err(Ec2Error::new("IncorrectState", message));
    }
    if change.publishes() {
        check_public(call, image)?;
        watermark::check_may_be_public(image)?;
    }
    if !change.add.is_empty() && is_default_key(call, image) {
        let message = format!(
            "Snapshots of the image {} are encrypted with the default key and cannot be shared",
            image.id
        );
        return Err(Ec2Error::new("InvalidParameter", message));
    }
    let mut after = image.grants.clone();
    after.apply(change);
    if after.0.len() > MAX_GRANTS {
        let message = format!("An image may be shared with at most {MAX_GRANTS} entities");
        return Err(Ec2Error::new("ResourceLimitExceeded", message));
    }
    Ok(())
}

fn check_public(call: &Ec2Call<'_>, image: &ImageRecord) -> Result<(), Ec2Error> {
    if settings::sharing(call).images_blocked {
        let message = "You can't publicly share this image because block public access for AMIs is enabled";
        return Err(Ec2Error::new("OperationNotPermitted", message));
    }
    if image.is_encrypted() {
        let message = format!("The image {} has encrypted snapshots and cannot be made public", image.id);
        return Err(Ec2Error::new("InvalidParameter", message));
    }
    let Some(max) = call.state.config.quotas.public_images else { return Ok(()) };
    let public = |other: &ImageRecord| {
        other.owner == call.account && other.grants.is_public() && other.life != Life::Deregistered
    };
    let count = call.region.images.all().iter().filter(|(_, other)| public(other)).count();
    if !image.grants.is_public() && count >= max as usize {
        let message = format!("An account may have at most {max} public images in a region");
        return Err(Ec2Error::new("ResourceLimitExceeded", message));
    }
    Ok(())
}

/// Whether a snapshot of an image is encrypted with the region's own key, which no other account can use.
fn is_default_key(call: &Ec2Call<'_>, image: &ImageRecord) -> bool {
    let own = crate::state::account_settings::default_ebs_key_arn(&call.region.name, call.account);
    let snapshots = image.snapshots().filter_map(|id| call.region.snapshots.find(id));
    snapshots.into_iter().any(|snapshot| snapshot.kms_key.as_ref() == Some(&own))
}

/// `ResetImageAttribute`.
pub(crate) fn reset(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let params = call.params();
    let id = params.required("ImageId")?;
    params.required("Attribute")?;
    params.one_of("Attribute", &["launchPermission"])?;
    call.own_image(id)?;
    call.commit()?;
    call.edit_image(id, |image| {
        image.grants = Grants::default();
        Ok(())
    })?;
    Ok(return_true())
}

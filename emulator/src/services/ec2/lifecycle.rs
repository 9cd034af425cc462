//! The life cycle of an image: deprecation, disabling, protection, deregistration.

use std::time::Duration;

use super::call::Ec2Call;
use super::describe_images;
use super::errors::Ec2Error;
use super::snapshot_tier;
use super::success::return_true;
use crate::clock::Timestamp;
use crate::services::xml::Xml;
use crate::state::image::{ImageRecord, ImageState, Life, Protection};
use crate::state::sharing::Grants;

/// The duration of protection after protection with a cooldown is disabled.
const COOLDOWN: Duration = Duration::from_hours(24);
/// The unit of the limit on a deprecation time: ten years, or two for a public image.
const YEAR: Duration = Duration::from_hours(24 * 365);

/// `EnableImageDeprecation`.
pub(crate) fn deprecate(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let params = call.params();
    let (id, text) = (params.required("ImageId")?, params.required("DeprecateAt")?);
    let wrong = |why: &str| Ec2Error::value("DeprecateAt", text, why);
    let at = Timestamp::parse(text)
        .ok_or_else(|| wrong("Expected a date and time such as 2030-01-31T12:00:00Z."))?;
    let image = call.own_image(id)?;
    let years = if image.grants.is_public() { 2 } else { 10 };
    // Three extra days for leap years.
    let latest = call.now.after(YEAR * years + Duration::from_hours(24 * 3));
    if at < call.now {
        return Err(wrong("The deprecation date must be in the future."));
    }
    if at > latest {
        return Err(wrong(&format!("The deprecation date must be within {years} years.")));
    }
    call.commit()?;
    call.edit_image(id, |image| {
        image.deprecated = Some(nearest_minute(at));
        Ok(())
    })?;
    Ok(return_true())
}

fn nearest_minute(moment: Timestamp) -> Timestamp {
    Timestamp((moment.0 + 30_000) / 60_000 * 60_000)
}

/// `DisableImageDeprecation`.
pub(crate) fn undeprecate(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    edit(call, |image| {
        image.deprecated = None;
        Ok(())
    })
}

/// `DisableImage`.
pub(crate) fn disable(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let now = call.now;
    edit(call, |image| {
        expect(image, now, ImageState::Available)?;
        image.life = Life::Disabled;
        image.grants = Grants::default();
        Ok(())
    })
}

/// `EnableImage`.
pub(crate) fn enable(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let now = call.now;
    edit(call, |image| {
        expect(image, now, ImageState::Disabled)?;
        // "Disable an AMI", Amazon EC2 User Guide: archived snapshots have to be restored first. Not tried on AWS.
        if let Some(id) = image.snapshots().find(|id| !call.region.is_usable(id, now)) {
            return Err(snapshot_tier::archived(id));
        }
        image.life = Life::Ready { from: now, failure: None };
        Ok(())
    })
}

/// `EnableImageDeregistrationProtection`.
pub(crate) fn protect(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let cooldown = call.params().boolean("WithCooldown")?.unwrap_or(false);
    edit(call, |image| {
        image.protection = if cooldown { Protection::OnWithCooldown } else { Protection::On };
        Ok(())
    })
}

/// `DisableImageDeregistrationProtection`.
pub(crate) fn unprotect(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let now = call.now;
    edit(call, |image| {
        image.protection = match image.protection {
            Protection::OnWithCooldown => Protection::Until(now.after(COOLDOWN)),
            Protection::Until(end) => Protection::Until(end),
            Protection::Off | Protection::On => Protection::Off,
        };
        Ok(())
    })
}

/// Changes the image of a request; `change` may return an error.
fn edit(
    call: &Ec2Call<'_>,
    change: impl Fn(&mut ImageRecord) -> Result<(), Ec2Error>,
) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let id = call.params().required("ImageId")?;
    let image = call.own_image(id)?;
    // A dry run can only report the error of a change by trying it on a copy.
    change(&mut ImageRecord::clone(&image))?;
    call.commit()?;
    call.edit_image(id, change)?;
    Ok(return_true())
}

fn expect(image: &ImageRecord, now: Timestamp, state: ImageState) -> Result<(), Ec2Error> {
    if image.state(now) == state {
        return Ok(());
    }
    let (id, current, expected) = (&image.id, image.state(now).name(), state.name());
    Err(Ec2Error::new(
        "IncorrectState",
        format!("The image {id} is in the state {current}, expected {expected}"),
    ))
}

/// `DeregisterImage`.
pub(crate) fn deregister(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let params = call.params();
    let id = params.required("ImageId")?;
    let with_snapshots = params.boolean("DeleteAssociatedSnapshots")?.unwrap_or(false);
    let image = call.own_image(id)?;
    if image.protection_state(call.now) != "disabled" {
        let message = format!(
            "The image {id} is protected from deregistration: deregistration protection is {}",
            image.protection_state(call.now)
        );
        return Err(Ec2Error::new("OperationNotPermitted", message));
    }
    call.commit()?;
    call.discard_image(&image)?;
    let mut results = Vec::new();
    if with_snapshots {
        let mut snapshots: Vec<&str> = image.snapshots().collect();
        snapshots.sort_unstable();
        snapshots.dedup();
        for snapshot in snapshots {
            results.push((snapshot, delete_associated(call, snapshot)?));
        }
    }
    let mut xml = return_true();
    xml.items("deleteSnapshotResultSet", results, |xml, (snapshot, code)| {
        xml.value("snapshotId", snapshot);
        xml.value("returnCode", code);
    });
    Ok(xml)
}

fn delete_associated(call: &Ec2Call<'_>, id: &str) -> Result<&'static str, Ec2Error> {
    match call.region.snapshots.find(id) {
        None => Ok("client-error"),
        Some(snapshot) if snapshot.owner != call.account => Ok("missing-permissions"),
        Some(_) if !call.may("ec2:DeleteSnapshot", id) => Ok("missing-permissions"),
        Some(_) if !describe_images::images_using(call, id).is_empty() => Ok("skipped"),
        Some(_) if call.region.is_locked(id, call.now) => Ok("client-error"),
        Some(_) => {
            call.discard_snapshot(id)?;
            Ok("success")
        }
    }
}

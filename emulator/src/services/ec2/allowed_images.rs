//! Allowed AMIs: the setting of an account in a region, and the operations that read and change it. The criteria are in
//! [`image_criteria`](super::image_criteria).
//!
//! "Control the discovery and use of AMIs in Amazon EC2 with Allowed AMIs", Amazon EC2 User Guide. Not tried on AWS.

use super::call::Ec2Call;
use super::errors::Ec2Error;
use super::image_criteria;
use super::image_visibility::setting;
use crate::services::xml::Xml;
use crate::state::allowed_images::{AllowedImages, AllowedState};

/// `GetAllowedImagesSettings`.
pub(crate) fn get(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    call.commit()?;
    let setting = setting(call.region, call.account);
    let mut xml = Xml::new();
    xml.value("state", setting.state.name());
    xml.items("imageCriterionSet", &setting.criteria, |xml, criterion| {
        image_criteria::write_xml(xml, criterion);
    });
    xml.value("managedBy", "account");
    Ok(xml)
}

/// `EnableAllowedImagesSettings`.
pub(crate) fn enable(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    params.required("AllowedImagesSettingsState")?;
    match params.one_of("AllowedImagesSettingsState", &["enabled", "audit-mode"])? {
        Some("enabled") => set_state(call, AllowedState::Enabled),
        _ => set_state(call, AllowedState::AuditMode),
    }
}

/// `DisableAllowedImagesSettings`: the criteria are kept.
pub(crate) fn disable(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    set_state(call, AllowedState::Disabled)
}

fn set_state(call: &Ec2Call<'_>, state: AllowedState) -> Result<Xml, Ec2Error> {
    call.commit()?;
    change(call, |setting| setting.state = state)?;
    let mut xml = Xml::new();
    xml.value("allowedImagesSettingsState", state.name());
    Ok(xml)
}

/// `ReplaceImageCriteriaInAllowedImagesSettings`: without criteria all are removed.
pub(crate) fn replace(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let criteria = image_criteria::read(&call.params())?;
    call.commit()?;
    change(call, |setting| setting.criteria = criteria)?;
    let mut xml = Xml::new();
    xml.value("return", true);
    Ok(xml)
}

fn change(call: &Ec2Call<'_>, change: impl FnOnce(&mut AllowedImages)) -> Result<(), Ec2Error> {
    let _guard = call.lock_region();
    let mut setting = setting(call.region, call.account);
    change(&mut setting);
    Ok(call.region.allowed_images.put(call.account, setting)?)
}

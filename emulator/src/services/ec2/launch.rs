//! The launch of an instance: the rules that image and instance type have to meet, and the record. No machine is
//! started. `RunInstances` and Auto Scaling launch alike.

use std::sync::Arc;

use super::call::{Ec2Call, unavailable};
use super::errors::Ec2Error;
use super::instance_types::InstanceType;
use super::template::no_version;
use super::template_data;
use crate::ids;
use crate::state::image::{ImageRecord, ImageState};
use crate::state::instance::{InstancePhase, InstanceRecord};
use crate::state::tags::Tags;
use crate::state::template::{Template, TemplateMembers, TemplateValue};

/// The tags that EC2 sets on an instance of a launch template (EC2 User Guide, "Launch instances from a launch
/// template").
const TEMPLATE_ID_TAG: &str = "aws:ec2launchtemplate:id";
const TEMPLATE_VERSION_TAG: &str = "aws:ec2launchtemplate:version";

/// What an instance is launched with.
#[derive(Debug, Clone)]
pub(crate) struct LaunchSettings {
    /// The members of launch template data: those of the request, and those of the template that it does not set.
    pub(crate) members: TemplateMembers,
    /// The template and the number of its version.
    pub(crate) template: Option<(String, u64)>,
    /// The availability zone, if it is chosen by the caller.
    pub(crate) zone: Option<String>,
    /// The subnet.
    pub(crate) subnet: Option<String>,
    /// The reservation id.
    pub(crate) reservation: String,
    /// The position in the request.
    pub(crate) index: u64,
    /// Further tags.
    pub(crate) tags: Tags,
    /// The client token and the parameters of the request.
    pub(crate) token: Option<(String, String)>,
}

/// An instance type and an image that fit together.
#[derive(Debug)]
pub(crate) struct LaunchPair {
    pub(crate) image: Arc<ImageRecord>,
    kind: InstanceType,
    boot_mode: &'static str,
}

impl LaunchSettings {
    /// The settings of a version of a launch template.
    pub(crate) fn of_template(template: &Template, selector: &str) -> Result<Self, Ec2Error> {
        let number = template.number(selector)?;
        let version = template.version(number).ok_or_else(|| no_version(number))?;
        Ok(Self {
            members: version.members.clone(),
            template: Some((template.id.clone(), number)),
            zone: None,
            subnet: None,
            reservation: String::new(),
            index: 0,
            tags: Tags::new(),
            token: None,
        })
    }

    fn text(&self, path: &[&str]) -> Option<&str> {
        template_data::text(&self.members, path)
    }

    /// The image and the type, checked. A reference to a parameter is resolved.
    pub(crate) fn check(&self, call: &Ec2Call<'_>) -> Result<LaunchPair, Ec2Error> {
        let members = call.resolve_image(&self.members)?;
        let image =
            template_data::text(&members, &["ImageId"]).ok_or_else(|| Ec2Error::missing("ImageId"))?;
        // The default type of RunInstances (EC2 API Reference).
        let kind = InstanceType::required(self.text(&["InstanceType"]).unwrap_or("m1.small"))?;
        let image = call.image(image)?;
        match image.state(call.now) {
            ImageState::Available => {}
            // A disabled image cannot be launched (EC2 User Guide, "Disable an AMI"). The code was not tried on AWS.
            _ => return Err(unavailable(&image.id)),
        }
        let boot_mode = check_fit(&image, &kind)?;
        Ok(LaunchPair { image, kind, boot_mode })
    }

    /// Records a launch.
    pub(crate) fn launch(&self, call: &Ec2Call<'_>, pair: &LaunchPair) -> Result<InstanceRecord, Ec2Error> {
        let machine = &pair.image.machine;
        let zone = self.zone.as_deref().or_else(|| self.text(&["Placement", "AvailabilityZone"]));
        let window = call.state.config.windows.instances;
        let instance = InstanceRecord {
            id: ids::fresh("i"),
            owner: call.account.to_owned(),
            reservation: self.reservation.clone(),
            launch_index: self.index,
            image: pair.image.id.clone(),
            instance_type: pair.kind.name.clone(),
            architecture: machine.architecture.clone(),
            virtualization: machine.virtualization.clone(),
            root_device: machine.root_device.clone(),
            boot_mode: machine.boot_mode.clone(),
            current_boot_mode: pair.boot_mode.to_owned(),
            ena: machine.ena,
            key_name: self.text(&["KeyName"]).map(str::to_owned),
            zone: zone.map_or_else(|| format!("{}a", call.region.name), str::to_owned),
            subnet: self.subnet.clone(),
            launched: call.now,
            phase: InstancePhase::Running { from: call.now.after(window) },
            tags: self.all_tags(),
            token: self.token.clone(),
        };
        call.region.instances.put(&instance.id, instance.clone())?;
        // A real region reports the time up to a day late (EC2 User Guide, "lastLaunchedTime").
        call.edit_image(&instance.image, |image| {
            image.last_launched = Some(call.now);
            Ok(())
        })?;
        Ok(instance)
    }

    fn all_tags(&self) -> Tags {
        let mut tags = instance_tags(&self.members);
        tags.extend(self.tags.clone());
        if let Some((id, version)) = &self.template {
            tags.insert(TEMPLATE_ID_TAG.to_owned(), id.clone());
            tags.insert(TEMPLATE_VERSION_TAG.to_owned(), version.to_string());
        }
        tags
    }
}

/// The mode in which an image boots on a type; an error if they do not fit.
fn check_fit(image: &ImageRecord, kind: &InstanceType) -> Result<&'static str, Ec2Error> {
    let (of_image, of_type) = (image.machine.architecture.as_str(), kind.architecture);
    // 64-bit types run images of i386 as well.
    if of_image != of_type && !(of_image == "i386" && of_type == "x86_64") {
        let message = format!(
            "The architecture '{of_type}' of the specified instance type does not match the architecture '{of_image}' \
             of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again. \
             You can use 'describe-instance-types' or 'describe-images' to discover the architecture of the instance \
             type or AMI."
        );
        return Err(Ec2Error::new("InvalidParameterValue", message));
    }
    // EC2 User Guide, "Boot modes": uefi-preferred falls back; without a mode the type's default is used.
    let default = if of_type == "arm64" { "uefi" } else { "legacy-bios" };
    let wanted = match image.machine.boot_mode.as_deref() {
        Some("uefi-preferred") if kind.boot_modes.contains(&"uefi") => "uefi",
        Some("uefi") => "uefi",
        Some("legacy-bios" | "uefi-preferred") => "legacy-bios",
        _ => default,
    };
    if kind.boot_modes.contains(&wanted) {
        return Ok(wanted);
    }
    // The code and the message were not tried on AWS.
    let message = format!(
        "The instance type '{}' does not support the boot mode '{wanted}' of the image '{}'",
        kind.name, image.id
    );
    Err(Ec2Error::new("InvalidParameterCombination", message))
}

/// The tags for instances in the tag specifications of launch template data.
pub(crate) fn instance_tags(members: &TemplateMembers) -> Tags {
    let mut tags = Tags::new();
    let Some(TemplateValue::List(specifications)) = members.get("TagSpecification") else { return tags };
    for specification in specifications {
        let TemplateValue::Members(specification) = specification else { continue };
        if template_data::text(specification, &["ResourceType"]) != Some("instance") {
            continue;
        }
        let Some(TemplateValue::List(entries)) = specification.get("Tag") else { continue };
        for entry in entries {
            let TemplateValue::Members(entry) = entry else { continue };
            if let Some(key) = template_data::text(entry, &["Key"]) {
                let value = template_data::text(entry, &["Value"]).unwrap_or_default();
                tags.insert(key.to_owned(), value.to_owned());
            }
        }
    }
    tags
}

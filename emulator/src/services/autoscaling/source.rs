//! What a group launches from: a launch template, or a mixed instances policy with one template and overrides. Parsed,
//! checked, resolved to the settings of a launch, and written.

use super::call::required;
use super::errors::GroupError;
use super::policy;
use crate::clock::Timestamp;
use crate::services::ec2::{Ec2Call, LaunchSettings, ParamNode, Params};
use crate::services::xml::Xml;
use crate::state::group::{GroupRecord, LaunchSource, TemplateReference};
use crate::state::template::{TemplateMembers, TemplateValue};
use crate::state::{Region, State};

/// What the next instance is launched with.
#[derive(Debug, Clone)]
pub(super) struct LaunchChoice {
    pub(super) settings: LaunchSettings,
    /// The template with the number of the version.
    pub(super) template: TemplateReference,
    pub(super) image_override: Option<String>,
    pub(super) weight: Option<String>,
}

/// A call of EC2 that Auto Scaling makes for the owner of a group.
pub(super) fn with_ec2<R>(
    state: &State,
    region: &Region,
    account: &str,
    now: Timestamp,
    run: impl FnOnce(&Ec2Call<'_>) -> R,
) -> R {
    let query = ParamNode::default();
    run(&Ec2Call { account, region, state, now, query: &query, host: "", fail_async: false })
}

/// Parses `LaunchTemplate` or `MixedInstancesPolicy` of a structure; `None` if it has neither.
pub(super) fn read(params: &Params<'_>, ec2: &Ec2Call<'_>) -> Result<Option<LaunchSource>, GroupError> {
    let template = params.structure("LaunchTemplate");
    let mixed = params.structure("MixedInstancesPolicy");
    match (template, mixed) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(GroupError::validation(
            "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or \
             MixedInstancesPolicy parameter.",
        )),
        (Some(template), None) => {
            let reference = reference(&template, ec2)?;
            check_version(&reference, ec2)?;
            Ok(Some(LaunchSource::Template(reference)))
        }
        (None, Some(mixed)) => {
            let mut members = policy::read(&mixed)?;
            complete_policy(&mut members, ec2)?;
            Ok(Some(LaunchSource::Policy(members)))
        }
    }
}

/// Reads a specification of a template. The default version is `$Default` (API reference).
fn reference(params: &Params<'_>, ec2: &Ec2Call<'_>) -> Result<TemplateReference, GroupError> {
    let version = params.non_empty("Version").unwrap_or("$Default").to_owned();
    let template = ec2.named_template(params).map_err(bad_template)?;
    Ok(TemplateReference { id: template.id.clone(), name: template.name.clone(), version })
}

#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
fn bad_template(error: crate::services::ec2::Ec2Error) -> GroupError {
    GroupError::validation(format!("You must use a valid fully-formed launch template. {}", error.message))
}

/// Checks that the version exists.
fn check_version(reference: &TemplateReference, ec2: &Ec2Call<'_>) -> Result<(), GroupError> {
    let template = ec2.template(&reference.id).map_err(bad_template)?;
    LaunchSettings::of_template(&template, &reference.version).map_err(bad_template)?;
    Ok(())
}

/// Checks the templates of a policy, and adds id, name and version to each specification as Auto Scaling does.
fn complete_policy(members: &mut TemplateMembers, ec2: &Ec2Call<'_>) -> Result<(), GroupError> {
    let missing = || {
        GroupError::validation(
            "MixedInstancesPolicy requires LaunchTemplate with a LaunchTemplateSpecification",
        )
    };
    let launch = policy::structure_mut(members, &["LaunchTemplate"]).ok_or_else(missing)?;
    let main = policy::structure_mut(launch, &["LaunchTemplateSpecification"]).ok_or_else(missing)?;
    complete_specification(main, ec2)?;
    if let Some(TemplateValue::List(entries)) = launch.get_mut("Overrides") {
        // "up to 40 instance types" (API reference, LaunchTemplate.Overrides).
        if entries.len() > 40 {
            return Err(GroupError::validation("A mixed instances policy may have at most 40 overrides"));
        }
        for entry in entries {
            let TemplateValue::Members(entry) = entry else { continue };
            if entry.contains_key("InstanceType") && entry.contains_key("InstanceRequirements") {
                let message = "An override may have InstanceType or InstanceRequirements, not both";
                return Err(GroupError::validation(message));
            }
            if let Some(specification) = policy::structure_mut(entry, &["LaunchTemplateSpecification"]) {
                complete_specification(specification, ec2)?;
            }
        }
    }
    Ok(())
}

fn complete_specification(members: &mut TemplateMembers, ec2: &Ec2Call<'_>) -> Result<(), GroupError> {
    let found = match (policy::text(members, "LaunchTemplateId"), policy::text(members, "LaunchTemplateName"))
    {
        (Some(id), None) => ec2.template(id),
        (None, Some(name)) => ec2.template_named(name),
        // What Auto Scaling reports has both, and may be sent back.
        (Some(id), Some(name)) => ec2.template(id).and_then(|template| {
            let same = template.name == name;
            if same { Ok(template) } else { ec2.template_named(name) }
        }),
        (None, None) => {
            return Err(GroupError::validation("A launch template is named by its id or its name"));
        }
    };
    let template = found.map_err(bad_template)?;
    let version = policy::text(members, "Version").unwrap_or("$Default").to_owned();
    let reference = TemplateReference { id: template.id.clone(), name: template.name.clone(), version };
    check_version(&reference, ec2)?;
    for (name, value) in [
        ("LaunchTemplateId", reference.id),
        ("LaunchTemplateName", reference.name),
        ("Version", reference.version),
    ] {
        members.insert(name.to_owned(), TemplateValue::Text(value));
    }
    Ok(())
}

/// Reads a structure that has to name a source.
pub(super) fn read_required(params: &Params<'_>, ec2: &Ec2Call<'_>) -> Result<LaunchSource, GroupError> {
    for name in ["LaunchConfigurationName", "InstanceId"] {
        if params.non_empty(name).is_some() {
            let message = format!("The local region has no launch configurations: {name} cannot be used");
            return Err(GroupError::validation(message));
        }
    }
    let source = read(params, ec2)?;
    source.ok_or_else(|| {
        GroupError::validation(
            "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, InstanceId or \
             MixedInstancesPolicy parameter.",
        )
    })
}

/// The name of the group in a request.
pub(super) fn group_name<'q>(params: &Params<'q>) -> Result<&'q str, GroupError> {
    required(params, "AutoScalingGroupName")
}

impl LaunchSource {
    /// The references to templates, that of the policy first.
    pub(super) fn references(&self) -> Vec<TemplateReference> {
        match self {
            Self::Template(reference) => vec![reference.clone()],
            Self::Policy(members) => {
                let main = policy::structure(members, &["LaunchTemplate", "LaunchTemplateSpecification"]);
                let overrides = policy::overrides(members);
                let own = overrides
                    .iter()
                    .filter_map(|entry| policy::structure(entry, &["LaunchTemplateSpecification"]));
                main.into_iter().chain(own).map(stored_reference).collect()
            }
        }
    }

    /// Whether a rollback to it is possible: numbered versions only, and no image from a parameter ("Undo changes with
    /// a manual or auto rollback").
    pub(super) fn is_reversible(&self, ec2: &Ec2Call<'_>) -> bool {
        self.references().iter().all(|reference| {
            let numbered = !reference.version.starts_with('$');
            let settings = ec2
                .template(&reference.id)
                .and_then(|template| LaunchSettings::of_template(&template, &reference.version));
            let plain = settings.is_ok_and(|settings| {
                policy::text(&settings.members, "ImageId").is_some_and(|image| image.starts_with("ami-"))
            });
            numbered && plain
        })
    }

    /// What the launch with this number is made with. Overrides are used in turn: the local region knows no prices and
    /// no capacity, by which AWS chooses.
    pub(super) fn choice(&self, ec2: &Ec2Call<'_>, number: u64) -> Result<LaunchChoice, GroupError> {
        let (reference, chosen) = match self {
            Self::Template(reference) => (reference.clone(), None),
            Self::Policy(members) => {
                let overrides = policy::overrides(members);
                let index = number.checked_rem(overrides.len() as u64).unwrap_or(0);
                let chosen = overrides.get(usize::try_from(index).unwrap_or(0)).copied();
                let main = policy::structure(members, &["LaunchTemplate", "LaunchTemplateSpecification"]);
                let own = chosen
                    .and_then(|entry| policy::structure(entry, &["LaunchTemplateSpecification"]))
                    .or(main);
                (own.map_or_else(no_reference, stored_reference), chosen)
            }
        };
        let template = ec2.template(&reference.id).map_err(bad_template)?;
        let mut settings =
            LaunchSettings::of_template(&template, &reference.version).map_err(bad_template)?;
        let version = settings.template.as_ref().map_or(0, |(_, number)| *number).to_string();
        let mut image_override = None;
        if let Some(entry) = chosen {
            for name in ["InstanceType", "ImageId"] {
                if let Some(value) = entry.get(name) {
                    settings.members.insert(name.to_owned(), value.clone());
                }
            }
            // A type that a real region would choose by its attributes.
            if entry.contains_key("InstanceRequirements") {
                let value = TemplateValue::Text("m5.large".to_owned());
                settings.members.insert("InstanceType".to_owned(), value);
            }
            image_override = policy::text(entry, "ImageId").map(str::to_owned);
        }
        let weight = chosen.and_then(|entry| policy::text(entry, "WeightedCapacity")).map(str::to_owned);
        let template = TemplateReference { version, ..reference };
        Ok(LaunchChoice { settings, template, image_override, weight })
    }

    /// Writes `LaunchTemplate` or `MixedInstancesPolicy`.
    pub(super) fn write_xml(&self, xml: &mut Xml) {
        match self {
            Self::Template(reference) => xml.element("LaunchTemplate", |xml| reference.write_xml(xml)),
            Self::Policy(members) => {
                xml.element("MixedInstancesPolicy", |xml| policy::write_xml(xml, members));
            }
        }
    }
}

/// A specification that was completed when it was stored.
fn stored_reference(members: &TemplateMembers) -> TemplateReference {
    let text = |name| policy::text(members, name).unwrap_or_default().to_owned();
    TemplateReference {
        id: text("LaunchTemplateId"),
        name: text("LaunchTemplateName"),
        version: text("Version"),
    }
}

fn no_reference() -> TemplateReference {
    TemplateReference { id: String::new(), name: String::new(), version: String::new() }
}

impl TemplateReference {
    /// Writes the members of a `LaunchTemplateSpecification`.
    pub(super) fn write_xml(&self, xml: &mut Xml) {
        xml.value("LaunchTemplateId", &self.id);
        xml.value("LaunchTemplateName", &self.name);
        xml.value("Version", &self.version);
    }
}

/// Whether an instance is what the next launch from a source would be, as far as skip matching compares: template,
/// version and instance type ("Use an instance refresh with skip matching").
pub(super) fn matches(source: &LaunchSource, ec2: &Ec2Call<'_>, group: &GroupRecord, index: usize) -> bool {
    let Some(member) = group.members.get(index) else { return false };
    let count = match source {
        LaunchSource::Template(_) => 1,
        LaunchSource::Policy(members) => policy::overrides(members).len().max(1) as u64,
    };
    (0..count).any(|number| {
        source.choice(ec2, number).is_ok_and(|choice| {
            let kind = policy::text(&choice.settings.members, "InstanceType").unwrap_or("m1.small");
            choice.template.id == member.template.id
                && choice.template.version == member.template.version
                && kind == member.instance_type
                && choice.image_override == member.image_override
        })
    })
}

//! `DescribeImageReferences`: the account's resources that name an image. A new kind of resource is a function in this
//! file and a row in [`SOURCES`].
//!
//! EC2 User Guide, *Identify your resources referencing specified AMIs*: all states of instances and the 20 newest
//! versions of launch templates by default; parameters of the data type `aws:ec2:image`. Not tried on AWS: that a
//! deregistered image may be asked for, and that only the current version of a parameter counts.

use super::call::{Ec2Call, check_image_id};
use super::errors::Ec2Error;
use super::pagination::{PageLimits, PageRequest};
use super::params::Params;
use super::template_data;
use crate::services::xml::Xml;
use crate::state::image_reference::ImageReference;

/// The number of versions of a launch template that are looked at by default.
pub(super) const DEFAULT_DEPTH: u64 = 20;
/// The maximum of that number.
pub(super) const MAX_DEPTH: u64 = 10_000;

const MAX_IMAGES: usize = 10;
const LIMITS: PageLimits = PageLimits { min: 5, max: 1000, default: None };

/// The resource types; the local region has no resources of Image Builder.
const KINDS: [&str; 5] = [
    "ec2:Instance",
    "ec2:LaunchTemplate",
    "ssm:Parameter",
    "imagebuilder:ImageRecipe",
    "imagebuilder:ContainerRecipe",
];

/// What is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ReferenceScope {
    /// The resource types.
    pub(super) kinds: Vec<&'static str>,
    /// The states of instances; empty for all.
    pub(super) states: Vec<String>,
    /// The number of the newest versions of a launch template.
    pub(super) depth: u64,
}

/// The resources of one type in the region, of all accounts.
type Source = fn(&Ec2Call<'_>, &ReferenceScope) -> Vec<ImageReference>;

/// All resource types that the local region has.
const SOURCES: &[(&str, Source)] =
    &[("ec2:Instance", instances), ("ec2:LaunchTemplate", templates), ("ssm:Parameter", parameters)];

/// `DescribeImageReferences`.
pub(crate) fn describe(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    let images = params.text_list("ImageId");
    if images.is_empty() {
        return Err(Ec2Error::missing("ImageId"));
    }
    if images.len() > MAX_IMAGES {
        let message = format!("At most {MAX_IMAGES} images may be specified");
        return Err(Ec2Error::new("InvalidParameterValue", message));
    }
    images.iter().try_for_each(|image| check_image_id(image))?;
    let scope = read_scope(&params)?;
    let page = PageRequest::read(&params, LIMITS)?;
    call.commit()?;
    let mut rows: Vec<(String, ImageReference)> = references(call, &scope)
        .into_iter()
        .filter(|one| one.owner == call.account && images.contains(&one.image.as_str()))
        .map(|one| (format!("{}\n{}\n{}", one.image, one.kind, one.arn), one))
        .collect();
    rows.sort();
    rows.dedup();
    let (page_rows, next) = page.paginate(rows, |(order, _)| order);
    let mut xml = Xml::new();
    xml.items("imageReferenceSet", page_rows, |xml, (_, reference)| {
        xml.value("imageId", &reference.image);
        xml.value("resourceType", reference.kind);
        xml.value("arn", &reference.arn);
    });
    xml.optional("nextToken", next);
    Ok(xml)
}

/// The resources in scope that name an image, of all accounts.
pub(super) fn references(call: &Ec2Call<'_>, scope: &ReferenceScope) -> Vec<ImageReference> {
    let sources = SOURCES.iter().filter(|(kind, _)| scope.kinds.contains(kind));
    sources.flat_map(|(_, source)| source(call, scope)).collect()
}

fn read_scope(params: &Params<'_>) -> Result<ReferenceScope, Ec2Error> {
    let all = params.boolean("IncludeAllResourceTypes")?.unwrap_or(false);
    let types = params.list("ResourceType");
    if !all && types.is_empty() {
        let message = "Either IncludeAllResourceTypes or ResourceTypes must be specified";
        return Err(Ec2Error::new("MissingParameter", message));
    }
    let kinds = if all { KINDS.to_vec() } else { Vec::new() };
    let mut scope = ReferenceScope { kinds, states: Vec::new(), depth: DEFAULT_DEPTH };
    for entry in types {
        entry.required("ResourceType")?;
        let kind = entry.one_of("ResourceType", &KINDS)?.unwrap_or_default();
        if !scope.kinds.contains(&kind) {
            scope.kinds.push(kind);
        }
        for option in entry.list("ResourceTypeOption") {
            let values = option.text_list("OptionValue");
            match (option.required("OptionName")?, kind) {
                ("state-name", "ec2:Instance") => {
                    scope.states = values.into_iter().map(str::to_owned).collect();
                }
                ("version-depth", "ec2:LaunchTemplate") => scope.depth = read_depth(&values)?,
                (name, _) => return Err(wrong_option(name, kind)),
            }
        }
    }
    Ok(scope)
}

/// Parses the value of `version-depth`.
pub(super) fn read_depth(values: &[&str]) -> Result<u64, Ec2Error> {
    let text = values.first().copied().unwrap_or_default();
    let depth = text.parse().ok().filter(|depth| (1..=MAX_DEPTH).contains(depth));
    depth.ok_or_else(|| {
        Ec2Error::value("version-depth", text, &format!("Expecting a number between 1 and {MAX_DEPTH}."))
    })
}

/// An option that a resource type does not have.
pub(super) fn wrong_option(name: &str, kind: &str) -> Ec2Error {
    Ec2Error::value("OptionName", name, &format!("{kind} has no such option."))
}

/// Instances that are still described.
fn instances(call: &Ec2Call<'_>, scope: &ReferenceScope) -> Vec<ImageReference> {
    let mut references = Vec::new();
    for (id, instance) in call.region.instances.all() {
        let state = instance.state(call.now).name();
        let in_scope = scope.states.is_empty() || scope.states.iter().any(|one| one == state);
        if in_scope && !instance.is_forgotten(call.now) {
            references.push(ImageReference {
                image: instance.image.clone(),
                kind: "ec2:Instance",
                arn: format!("arn:aws:ec2:{}:{}:instance/{id}", call.region.name, instance.owner),
                owner: instance.owner.clone(),
            });
        }
    }
    references
}

/// Launch templates: one reference for each image that a version in depth names.
fn templates(call: &Ec2Call<'_>, scope: &ReferenceScope) -> Vec<ImageReference> {
    let mut references = Vec::new();
    for (id, template) in call.region.templates.all() {
        let depth = usize::try_from(scope.depth).unwrap_or(usize::MAX);
        for version in template.versions.iter().rev().take(depth) {
            let Some(image) = template_data::text(&version.members, &["ImageId"]) else { continue };
            references.push(ImageReference {
                image: image.to_owned(),
                kind: "ec2:LaunchTemplate",
                arn: format!("arn:aws:ec2:{}:{}:launch-template/{id}", call.region.name, template.owner),
                owner: template.owner.clone(),
            });
        }
    }
    references
}

/// Parameters whose current value is an image.
fn parameters(call: &Ec2Call<'_>, _scope: &ReferenceScope) -> Vec<ImageReference> {
    let mut references = Vec::new();
    for (_, parameter) in call.region.parameters.all() {
        let current = parameter.visible_versions(call.now).next_back();
        let Some(current) = current.filter(|_| parameter.data_type == "aws:ec2:image") else { continue };
        references.push(ImageReference {
            image: current.value.clone(),
            kind: "ssm:Parameter",
            arn: parameter.arn(&call.region.name),
            owner: parameter.owner.clone(),
        });
    }
    references
}

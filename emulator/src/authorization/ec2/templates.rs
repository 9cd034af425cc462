//! The launch templates of requests, also of those to Auto Scaling, and the roles of their instance profiles.

use std::sync::Arc;

use super::resources::{by_ids, new_resource, template};
use crate::authorization::call::Call;
use crate::authorization::resource::Resource;
use crate::state::template::{Template, TemplateValue};

/// The launch templates of a request, by id or name, also those of Auto Scaling.
fn named_templates(call: &Call<'_>) -> Vec<Arc<Template>> {
    const FIELDS: [&str; 5] = [
        "",
        "LaunchTemplate.",
        "MixedInstancesPolicy.LaunchTemplate.LaunchTemplateSpecification.",
        "DesiredConfiguration.LaunchTemplate.",
        "DesiredConfiguration.MixedInstancesPolicy.LaunchTemplate.LaunchTemplateSpecification.",
    ];
    let named = |field: &str, name: &str| call.text(&format!("{field}{name}")).map(str::to_owned);
    let names: Vec<String> = FIELDS
        .iter()
        .flat_map(|field| [named(field, "LaunchTemplateId"), named(field, "LaunchTemplateName")])
        .flatten()
        .collect();
    let all = call.region.templates.all().into_iter().map(|(_, template)| template);
    let is_named = |one: &Template| names.iter().any(|name| *name == one.id || *name == one.name);
    all.filter(|one| one.owner == call.account && is_named(one)).collect()
}

pub(super) fn templates(call: &Call<'_>) -> Vec<Resource> {
    let known = named_templates(call);
    if known.is_empty() {
        return call.text("LaunchTemplateId").map(|id| template(call, id)).into_iter().collect();
    }
    known.iter().map(|one| template(call, &one.id)).collect()
}

/// The role of the instance profile that a launch uses, by the request or by a template. Which role a profile
/// has is not known to the local region: it is `*`.
pub(in crate::authorization) fn profile_role(call: &Call<'_>) -> Vec<Resource> {
    let profile =
        |value: &TemplateValue| matches!(value, TemplateValue::Members(members) if !members.is_empty());
    let in_template = named_templates(call).iter().any(|template| {
        template.versions.iter().any(|version| version.members.get("IamInstanceProfile").is_some_and(profile))
    });
    if !call.has("IamInstanceProfile.") && !in_template {
        return Vec::new();
    }
    let arn = format!("arn:{}:iam::{}:role/*", call.partition(), call.account);
    vec![Resource::with_arn(arn).with_key("iam:PassedToService", "ec2.amazonaws.com")]
}

/// The image, the instances and their volumes of a launch.
pub(super) fn launched(call: &Call<'_>) -> Vec<Resource> {
    let named = ["ImageId", "SubnetId", "SecurityGroupId"];
    let named = named.into_iter().flat_map(|name| by_ids(call, name));
    let templates = templates(call).into_iter();
    named.chain(templates).chain([new_resource(call, "instance"), new_resource(call, "volume")]).collect()
}

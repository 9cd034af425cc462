//! Where a group names a launch template or an image: the template of the group, that of its policy, and those of its
//! overrides.

use crate::api::groups::{LaunchSource, PolicyNode, TemplateUse};

const SPECIFICATION: [&str; 2] = ["LaunchTemplate", "LaunchTemplateSpecification"];
const OVERRIDES: [&str; 2] = ["LaunchTemplate", "Overrides"];

/// A selector of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Selector {
    /// A fixed version.
    Number(u64),
    /// The default version of the template, at the time of a launch.
    Default,
    /// The latest version of the template, at the time of a launch.
    Latest,
}

impl Selector {
    /// Parses a selector; `None` if it is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "$Latest" => Some(Self::Latest),
            "" | "$Default" => Some(Self::Default),
            digits => digits.parse().ok().map(Self::Number),
        }
    }
}

/// The position of a use in the configuration of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Position {
    /// The template of the group, or of its policy.
    Main,
    /// The template of an override, by its index.
    Override(usize),
}

/// A template that a group launches from, and the instance types that it launches so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SourceUse {
    pub(super) position: Position,
    pub(super) template: TemplateUse,
    /// The types of overrides; empty if the template names the type, or attributes do.
    pub(super) types: Vec<String>,
    /// Whether overrides choose types by attributes.
    pub(super) by_attributes: bool,
    /// Whether any launch uses the image of the template.
    pub(super) is_used: bool,
}

/// An override with an image of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ImageOverride {
    pub(super) index: usize,
    pub(super) image: String,
    pub(super) instance_type: Option<String>,
}

fn template_of(node: &PolicyNode) -> Option<TemplateUse> {
    let id = node.text(&["LaunchTemplateId"])?.to_owned();
    let version = node.text(&["Version"]).unwrap_or("$Default").to_owned();
    Some(TemplateUse { id, version })
}

/// The templates of a source, that of the group first.
pub(super) fn uses(source: &LaunchSource) -> Vec<SourceUse> {
    match source {
        LaunchSource::Template(template) => vec![SourceUse {
            position: Position::Main,
            template: template.clone(),
            types: Vec::new(),
            by_attributes: false,
            is_used: true,
        }],
        LaunchSource::Policy(policy) => policy_uses(policy),
        LaunchSource::Other(_) => Vec::new(),
    }
}

fn policy_uses(policy: &PolicyNode) -> Vec<SourceUse> {
    let mut uses = Vec::new();
    let overrides = policy.entries(&OVERRIDES);
    let own = |entry: &&PolicyNode| entry.at(&["LaunchTemplateSpecification"]).is_some();
    let own_image = |entry: &&PolicyNode| entry.text(&["ImageId"]).is_some();
    let plain: Vec<_> = overrides.iter().filter(|entry| !own(entry) && !own_image(entry)).collect();
    if let Some(template) = policy.at(&SPECIFICATION).and_then(template_of) {
        uses.push(SourceUse {
            position: Position::Main,
            template,
            types: plain
                .iter()
                .filter_map(|entry| entry.text(&["InstanceType"]))
                .map(str::to_owned)
                .collect(),
            by_attributes: plain.iter().any(|entry| entry.at(&["InstanceRequirements"]).is_some()),
            is_used: overrides.is_empty() || !plain.is_empty(),
        });
    }
    for (index, entry) in overrides.iter().enumerate() {
        let Some(template) = entry.at(&["LaunchTemplateSpecification"]).and_then(template_of) else {
            continue;
        };
        uses.push(SourceUse {
            position: Position::Override(index),
            template,
            types: entry.text(&["InstanceType"]).map(str::to_owned).into_iter().collect(),
            by_attributes: entry.at(&["InstanceRequirements"]).is_some(),
            is_used: !own_image(&entry),
        });
    }
    uses
}

/// The overrides with an image of their own.
pub(super) fn image_overrides(source: &LaunchSource) -> Vec<ImageOverride> {
    let LaunchSource::Policy(policy) = source else { return Vec::new() };
    let entries = policy.entries(&OVERRIDES).iter().enumerate();
    entries
        .filter_map(|(index, entry)| {
            let image = entry.text(&["ImageId"])?.to_owned();
            Some(ImageOverride {
                index,
                image,
                instance_type: entry.text(&["InstanceType"]).map(str::to_owned),
            })
        })
        .collect()
}

/// Sets the version at a position.
pub(super) fn set_version(source: &mut LaunchSource, position: Position, version: u64) {
    let specification = match (source, position) {
        (LaunchSource::Template(template), Position::Main) => {
            template.version = version.to_string();
            return;
        }
        (LaunchSource::Policy(policy), Position::Main) => policy.at_mut(&SPECIFICATION),
        (LaunchSource::Policy(policy), Position::Override(index)) => {
            override_mut(policy, index).and_then(|entry| entry.at_mut(&["LaunchTemplateSpecification"]))
        }
        _ => None,
    };
    if let Some(specification) = specification {
        specification.set("Version", &version.to_string());
    }
}

/// Sets the image of an override.
pub(super) fn set_image(source: &mut LaunchSource, index: usize, image: &str) {
    if let LaunchSource::Policy(policy) = source
        && let Some(entry) = override_mut(policy, index)
    {
        entry.set("ImageId", image);
    }
}

fn override_mut(policy: &mut PolicyNode, index: usize) -> Option<&mut PolicyNode> {
    match policy.at_mut(&OVERRIDES)? {
        PolicyNode::List { entries, .. } => entries.get_mut(index),
        _ => None,
    }
}

/// Whether two sources launch the same: templates, versions and images at every position. The service may report more
/// than it was given, such as names.
pub(super) fn same(one: &LaunchSource, other: &LaunchSource) -> bool {
    let templates =
        |source| uses(source).into_iter().map(|found| (found.position, found.template)).collect::<Vec<_>>();
    match (one, other) {
        (LaunchSource::Other(one), LaunchSource::Other(other)) => one == other,
        _ => templates(one) == templates(other) && image_overrides(one) == image_overrides(other),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn members(pairs: &[(&str, PolicyNode)]) -> PolicyNode {
        PolicyNode::Members(
            pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect::<BTreeMap<_, _>>(),
        )
    }

    fn text(text: &str) -> PolicyNode {
        PolicyNode::Text(text.to_owned())
    }

    fn specification(id: &str, version: &str) -> PolicyNode {
        members(&[("LaunchTemplateId", text(id)), ("Version", text(version))])
    }

    fn policy() -> LaunchSource {
        let entries = vec![
            members(&[("InstanceType", text("m5.large"))]),
            members(&[
                ("InstanceType", text("m6g.large")),
                ("LaunchTemplateSpecification", specification("lt-2", "$Latest")),
            ]),
            members(&[("InstanceType", text("c5.large")), ("ImageId", text("ami-1"))]),
        ];
        let launch = members(&[
            ("LaunchTemplateSpecification", specification("lt-1", "3")),
            ("Overrides", PolicyNode::List { item: "member".to_owned(), entries }),
        ]);
        LaunchSource::Policy(members(&[
            ("LaunchTemplate", launch),
            ("InstancesDistribution", members(&[("OnDemandBaseCapacity", text("1"))])),
        ]))
    }

    #[test]
    fn every_position_is_found_and_changed_alone() {
        let before = policy();
        let found = uses(&before);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].types.as_slice(), found[0].is_used), (&["m5.large".to_owned()][..], true));
        assert_eq!(found[1].template, TemplateUse { id: "lt-2".to_owned(), version: "$Latest".to_owned() });
        assert_eq!(image_overrides(&before)[0].index, 2);
        let mut after = before.clone();
        set_version(&mut after, Position::Main, 4);
        set_image(&mut after, 2, "ami-2");
        assert_eq!(uses(&after)[0].template.version, "4");
        assert_eq!(uses(&after)[1], found[1]);
        assert!(!same(&before, &after) && same(&after, &after.clone()));
        let LaunchSource::Policy(node) = &after else { panic!() };
        assert_eq!(node.text(&["InstancesDistribution", "OnDemandBaseCapacity"]), Some("1"));
    }
}

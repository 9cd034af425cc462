//! Which instances of a group run another image. Makes no call.

use std::collections::BTreeMap;

use super::report::KeptUse;
use crate::api::groups::Group;
use crate::api::templates::Instance;

/// An instance that runs another image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outdated {
    pub(super) instance: String,
    pub(super) image: String,
}

/// The instances of a group that run another image. Instances of templates and images that are kept do not count, nor
/// do those that are leaving, or that EC2 does not describe yet.
pub(super) fn outdated(
    group: &Group,
    instances: &BTreeMap<String, Instance>,
    image: &str,
    kept_templates: &[String],
    kept: &[KeptUse],
) -> Vec<Outdated> {
    let is_kept = |instance: &crate::api::groups::GroupInstance, current: &str| {
        instance.template.as_ref().is_some_and(|used| kept_templates.contains(&used.id))
            || kept.iter().any(|one| one.group == group.name && one.what == current)
    };
    let present = group.instances.iter().filter(|instance| !instance.is_leaving());
    present
        .filter_map(|instance| {
            let current = instances.get(&instance.id)?.image.as_deref()?;
            let differs = current != image && !is_kept(instance, current);
            differs.then(|| Outdated { instance: instance.id.clone(), image: current.to_owned() })
        })
        .collect()
}

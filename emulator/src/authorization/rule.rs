//! The rows of the tables.

use super::call::Call;
use super::resource::Resource;

/// The actions that an operation needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// The name of the operation.
    pub(super) operation: &'static str,
    /// All of them are needed; none if everybody may perform the operation.
    pub(super) needs: &'static [Need],
}

/// Actions on resources.
#[derive(Debug, Clone, Copy)]
pub(super) struct Need {
    /// The actions; empty for the action with the name of the operation.
    pub(super) actions: &'static [&'static str],
    resources: Resources,
}

/// The resources of a request.
pub(super) type Resources = fn(&Call<'_>) -> Vec<Resource>;

impl Rule {
    /// What an operation without a row needs.
    pub(super) const DEFAULT: &'static [Need] = &[own(any)];
}

impl Need {
    /// The resources of a request. An action of the operation itself is always checked: on `*` if the request
    /// names no resource.
    pub(super) fn resources_of(&self, call: &Call<'_>) -> Vec<Resource> {
        let resources = (self.resources)(call);
        if resources.is_empty() && self.actions.is_empty() { any(call) } else { resources }
    }
}

/// A row.
pub(super) const fn rule(operation: &'static str, needs: &'static [Need]) -> Rule {
    Rule { operation, needs }
}

/// The action with the name of the operation.
pub(super) const fn own(resources: Resources) -> Need {
    Need { actions: &[], resources }
}

/// Further actions, which are needed if the request has such resources.
pub(super) const fn also(actions: &'static [&'static str], resources: Resources) -> Need {
    Need { actions, resources }
}

/// Of an action that has no resources.
pub(super) fn any(_: &Call<'_>) -> Vec<Resource> {
    vec![Resource::any()]
}

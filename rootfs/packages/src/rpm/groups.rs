//! Groups of packages as requests: from `@core` to its members.

use super::repository::comps::{GroupMembership, RpmGroup};
use super::repository::error::RepodataError;
use super::resolve::{RequestNeed, RequestedRpm};
use crate::locked::LockReason;

/// The packages that a recipe names, as requests: those of groups are their mandatory, default and conditional members. A name of
/// a group is its id, or its name in English; repositories may each have a part of a group.
///
/// # Errors
/// [`RepodataError::NoGroup`].
pub(super) fn requests(packages: &[String], groups: &[RpmGroup]) -> Result<Vec<RequestedRpm>, RepodataError> {
    let mut requests = Vec::new();
    for text in packages {
        let Some(wanted) = text.strip_prefix('@') else {
            requests.push(RequestedRpm::named(text));
            continue;
        };
        let is_it = |group: &&RpmGroup| group.id == wanted || group.name.eq_ignore_ascii_case(wanted);
        let mut members = groups.iter().filter(is_it).peekable();
        if members.peek().is_none() {
            return Err(RepodataError::NoGroup { group: wanted.to_owned(), hint: hint(groups) });
        }
        requests.extend(members.flat_map(|group| &group.members).filter_map(|member| {
            let condition = match &member.membership {
                GroupMembership::Mandatory | GroupMembership::Default => None,
                GroupMembership::Conditional { on } => Some(on.clone()),
                GroupMembership::Optional => return None,
            };
            let (text, need) = (member.package.clone(), RequestNeed::IfThereIsOne);
            Some(RequestedRpm { text, need, condition, reason: LockReason::Base })
        }));
    }
    Ok(requests)
}

fn hint(groups: &[RpmGroup]) -> String {
    let mut ids: Vec<_> = groups.iter().map(|group| group.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        ", for none has groups".to_owned()
    } else {
        format!("; there are {}", ids.join(", "))
    }
}

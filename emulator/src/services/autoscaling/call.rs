//! A request to Auto Scaling while it is being processed, and the checks and pages that many operations share.

use std::sync::{Arc, MutexGuard};

use super::errors::GroupError;
use crate::clock::Timestamp;
use crate::services::ec2::{ParamNode, Params};
use crate::services::xml::Xml;
use crate::state::group::{GroupRecord, group_key};
use crate::state::{Region, State};
use crate::sync;

/// The default number of records in a page, and the maximum of most operations.
const PAGE: usize = 50;

/// A request while it is being processed.
pub(crate) struct GroupCall<'c> {
    /// The account that sent the request.
    pub(crate) account: &'c str,
    /// The region that the request is for.
    pub(crate) region: &'c Region,
    /// The state of all regions.
    pub(crate) state: &'c State,
    /// The time at which processing began.
    pub(crate) now: Timestamp,
    /// The parameters.
    pub(crate) query: &'c ParamNode,
}

impl<'c> GroupCall<'c> {
    /// The parameters.
    pub(crate) fn params(&self) -> Params<'c> {
        self.query.params()
    }

    /// Locks the region against changes until the guard is dropped.
    pub(crate) fn lock_region(&self) -> MutexGuard<'_, ()> {
        sync::lock(&self.region.write_lock)
    }

    /// To be called after all parameters are read and before any change: refuses parameters that no operation has.
    pub(crate) fn commit(&self) -> Result<(), GroupError> {
        Ok(self.query.check_all_read()?)
    }

    /// Finds a group of the account.
    pub(crate) fn group(&self, name: &str) -> Result<Arc<GroupRecord>, GroupError> {
        let group = self.region.groups.find(&group_key(self.account, name));
        group.ok_or_else(|| GroupError::no_group(name))
    }

    /// Finds the group that the request names.
    pub(crate) fn named_group(&self) -> Result<Arc<GroupRecord>, GroupError> {
        self.group(required(&self.params(), "AutoScalingGroupName")?)
    }

    /// All groups of the account by name.
    pub(crate) fn groups(&self) -> Vec<Arc<GroupRecord>> {
        let all = self.region.groups.all().into_iter().map(|(_, group)| group);
        all.filter(|group| group.owner == self.account).collect()
    }

    /// The page of a sorted list: `MaxRecords` (50 by default, at most `max`) entries after `NextToken`.
    pub(crate) fn page<T>(
        &self,
        all: Vec<T>,
        max: usize,
        key: impl Fn(&T) -> String,
    ) -> Result<(Vec<T>, Option<String>), GroupError> {
        let params = self.params();
        let size = match params.number("MaxRecords")? {
            None => PAGE,
            Some(size) => {
                usize::try_from(size).ok().filter(|size| (1..=max).contains(size)).ok_or_else(|| {
                    GroupError::validation(format!("MaxRecords must be between 1 and {max}, not {size}"))
                })?
            }
        };
        let after = params.non_empty("NextToken").map(str::to_owned);
        if after.as_ref().is_some_and(|token| !token.starts_with(TOKEN)) {
            return Err(GroupError::new("InvalidNextToken", "The token is not valid"));
        }
        let after = after.map(|token| token[TOKEN.len()..].to_owned());
        let mut rest = all.into_iter().filter(|one| after.as_ref().is_none_or(|after| key(one) > *after));
        let page: Vec<T> = rest.by_ref().take(size).collect();
        let more = rest.next().is_some();
        let token = page.last().filter(|_| more).map(|last| format!("{TOKEN}{}", key(last)));
        Ok((page, token))
    }
}

/// The prefix of page tokens.
const TOKEN: &str = "after:";

/// The value of a required parameter.
pub(crate) fn required<'q>(params: &Params<'q>, name: &str) -> Result<&'q str, GroupError> {
    params.non_empty(name).ok_or_else(|| {
        let path = if params.path().is_empty() { name.to_owned() } else { format!("{}.{name}", params.path()) };
        GroupError::validation(format!(
            "1 validation error detected: Value null at '{path}' failed to satisfy constraint: Member must not be null"
        ))
    })
}

/// The strings of a list of this protocol: `Name.member.N`.
pub(crate) fn text_members<'q>(params: &Params<'q>, name: &str) -> Vec<&'q str> {
    // SDKs send an empty list as a parameter without a value.
    params.text(name);
    params.structure(name).map(|list| list.text_list("member")).unwrap_or_default()
}

/// The structures of a list of this protocol.
pub(crate) fn members<'q>(params: &Params<'q>, name: &str) -> Vec<Params<'q>> {
    params.text(name);
    params.structure(name).map(|list| list.list("member")).unwrap_or_default()
}

/// A number that is not negative.
pub(crate) fn natural(params: &Params<'_>, name: &str, max: u64) -> Result<Option<u64>, GroupError> {
    let Some(number) = params.number(name)? else { return Ok(None) };
    let fits = u64::try_from(number).ok().filter(|number| *number <= max);
    fits.map(Some)
        .ok_or_else(|| GroupError::validation(format!("{name} is {number}: it must be between 0 and {max}")))
}

/// Writes a list of this protocol.
pub(crate) fn write_members<T>(
    xml: &mut Xml,
    name: &str,
    members: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Xml, T),
) {
    xml.element(name, |xml| {
        for member in members {
            xml.element("member", |xml| write(xml, member));
        }
    });
}

//! `StartInstanceRefresh`, `DescribeInstanceRefreshes`, `CancelInstanceRefresh` and `RollbackInstanceRefresh`.

use super::advance::store_changed;
use super::call::{GroupCall, text_members, write_members};
use super::errors::GroupError;
use super::{preferences, refresh, refresh_state, refresh_xml, source};
use crate::ids;
use crate::services::ec2::Params;
use crate::services::xml::Xml;
use crate::state::group::{GroupRecord, LaunchSource, RefreshPreferences, RefreshRecord, RefreshStatus};

/// The maximum number of refreshes in a page.
const MAX_PAGE: usize = 100;

/// `StartInstanceRefresh`.
pub(crate) fn start(call: &GroupCall<'_>) -> Result<Option<Xml>, GroupError> {
    let _guard = call.lock_region();
    let params = call.params();
    let group = call.named_group()?;
    if params.one_of("Strategy", &["ReplaceRootVolume", "Rolling"])? == Some("ReplaceRootVolume") {
        let message = "The local region knows the strategy Rolling only";
        return Err(GroupError::validation(message));
    }
    let preferences = preferences::read(&params, &group.settings)?;
    let desired = read_desired(call, &params)?;
    check_auto_rollback(call, &group, desired.as_ref(), &preferences)?;
    call.commit()?;
    if group.active_refresh().is_some() {
        let message =
            "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.";
        return Err(GroupError::new("InstanceRefreshInProgress", message));
    }
    let mut group = GroupRecord::clone(&group);
    let record = RefreshRecord {
        id: ids::uuid(),
        status: RefreshStatus::Pending,
        reason: None,
        started: call.now,
        ended: None,
        desired,
        preferences,
        total: 0,
        remaining: Vec::new(),
        updated: 0,
        checkpoint: 0,
        checkpoint_until: None,
        bake_until: None,
        progressed: call.now,
        rollback: None,
    };
    let id = record.id.clone();
    group.refreshes.push(record);
    source::with_ec2(call.state, call.region, &group.owner.clone(), call.now, |ec2| {
        refresh::begin(ec2, &mut group);
    });
    store_changed(call, group)?;
    Ok(Some(id_response(&id)))
}

/// The desired configuration; `None` if there is none.
fn read_desired(call: &GroupCall<'_>, params: &Params<'_>) -> Result<Option<LaunchSource>, GroupError> {
    let Some(desired) = params.structure("DesiredConfiguration") else { return Ok(None) };
    source::with_ec2(call.state, call.region, call.account, call.now, |ec2| source::read(&desired, ec2))
}

/// A rollback needs a desired configuration and a group that it can return to (API reference). The first message is
/// the one that users report, the second was not tried on AWS.
fn check_auto_rollback(
    call: &GroupCall<'_>,
    group: &GroupRecord,
    desired: Option<&LaunchSource>,
    preferences: &RefreshPreferences,
) -> Result<(), GroupError> {
    if !preferences.auto_rollback {
        return Ok(());
    }
    if desired.is_none() {
        return Err(GroupError::validation(
            "The request isn't valid. The AutoRollback parameter cannot be set to true when the DesiredConfiguration \
             parameter is empty. Set AutoRollback to false or specify a desired configuration and try again.",
        ));
    }
    let reversible = source::with_ec2(call.state, call.region, call.account, call.now, |ec2| {
        group.source.is_reversible(ec2)
    });
    if reversible {
        return Ok(());
    }
    Err(GroupError::validation(
        "The AutoRollback parameter cannot be set to true when the Auto Scaling group uses $Latest, $Default or an AMI of \
         a Systems Manager parameter.",
    ))
}

fn id_response(id: &str) -> Xml {
    let mut xml = Xml::new();
    xml.value("InstanceRefreshId", id);
    xml
}

/// `DescribeInstanceRefreshes`: the newest first.
pub(crate) fn describe(call: &GroupCall<'_>) -> Result<Option<Xml>, GroupError> {
    let params = call.params();
    let group = call.named_group()?;
    let ids = text_members(&params, "InstanceRefreshIds");
    let all = group.refreshes.iter().enumerate().rev();
    let chosen: Vec<_> =
        all.filter(|(_, refresh)| ids.is_empty() || ids.contains(&refresh.id.as_str())).collect();
    let (page, next) = call.page(chosen, MAX_PAGE, |(index, _)| format!("{:020}", usize::MAX - index))?;
    call.commit()?;
    let mut xml = Xml::new();
    write_members(&mut xml, "InstanceRefreshes", page, |xml, (_, refresh)| {
        refresh_xml::write(xml, &group, refresh);
    });
    xml.optional("NextToken", next);
    Ok(Some(xml))
}

/// `CancelInstanceRefresh`: what is replaced stays replaced.
pub(crate) fn cancel(call: &GroupCall<'_>) -> Result<Option<Xml>, GroupError> {
    let _guard = call.lock_region();
    let params = call.params();
    let group = call.named_group()?;
    let wait = params.boolean("WaitForTransitioningInstances")?.unwrap_or(true);
    call.commit()?;
    let mut group = GroupRecord::clone(&group);
    let id = {
        let active = active(&mut group, |_| true)?;
        active.status = RefreshStatus::Cancelling;
        active.reason = Some("Cancelled at the request of a user.".to_owned());
        if !wait {
            active.status = RefreshStatus::Cancelled;
            active.ended = Some(call.now);
        }
        active.id.clone()
    };
    store_changed(call, group)?;
    Ok(Some(id_response(&id)))
}

/// `RollbackInstanceRefresh`.
pub(crate) fn rollback(call: &GroupCall<'_>) -> Result<Option<Xml>, GroupError> {
    let _guard = call.lock_region();
    let group = call.named_group()?;
    call.commit()?;
    let mut group = GroupRecord::clone(&group);
    let reversible = source::with_ec2(call.state, call.region, call.account, call.now, |ec2| {
        group.source.is_reversible(ec2)
    });
    let running =
        |status| matches!(status, RefreshStatus::Pending | RefreshStatus::InProgress | RefreshStatus::Baking);
    let has_desired = active(&mut group, running)?.desired.is_some();
    if !has_desired || !reversible {
        return Err(GroupError::new(
            "IrreversibleInstanceRefresh",
            "The instance refresh cannot be rolled back: it has no desired configuration, or the Auto Scaling group uses \
             $Latest, $Default or an AMI of a Systems Manager parameter.",
        ));
    }
    refresh_state::begin_rollback(&mut group, "A manual rollback was initiated.", call.now);
    let id = group.refreshes.last().map(|refresh| refresh.id.clone()).unwrap_or_default();
    store_changed(call, group)?;
    Ok(Some(id_response(&id)))
}

/// The refresh that has not ended, if its status is one of those that the operation can be applied to.
fn active(
    group: &mut GroupRecord,
    fits: impl Fn(RefreshStatus) -> bool,
) -> Result<&mut RefreshRecord, GroupError> {
    let name = group.name.clone();
    let last = group.refreshes.last_mut();
    last.filter(|refresh| refresh.status.is_active() && fits(refresh.status)).ok_or_else(|| {
        let message =
            format!("No in progress or pending Instance Refresh found for Auto Scaling group {name}");
        GroupError::new("ActiveInstanceRefreshNotFound", message)
    })
}

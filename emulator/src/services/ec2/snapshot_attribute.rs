//! Operations on one snapshot: its attributes, and its deletion.

use super::call::Ec2Call;
use super::describe_images;
use super::errors::Ec2Error;
use super::owners;
use super::permissions::{PermissionChange, ShareScope};
use super::settings;
use super::snapshot_lock;
use super::success::return_true;
use crate::services::xml::Xml;
use crate::state::account_settings::SnapshotAccess;
use crate::state::sharing::SharedWith;
use crate::state::snapshot::{Snapshot, SnapshotShares, Status};

/// The maximum number of permission changes in a request.
const MAX_CHANGES: usize = 500;

const ATTRIBUTES: [&str; 2] = ["createVolumePermission", "productCodes"];

/// `DescribeSnapshotAttribute`.
pub(crate) fn describe(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    let id = params.required("SnapshotId")?;
    params.required("Attribute")?;
    let attribute = params.one_of("Attribute", &ATTRIBUTES)?;
    let snapshot = call.own_snapshot(id)?;
    call.commit()?;
    let mut xml = Xml::new();
    xml.value("snapshotId", id);
    if attribute == Some("productCodes") {
        owners::write_product_codes(&mut xml, call.state, &snapshot.owner);
        return Ok(xml);
    }
    let shared = &snapshot.shared_with;
    let everybody = shared.everybody.then_some(("group", "all"));
    let accounts = shared.accounts.iter().map(|account| ("userId", account.as_str()));
    xml.items("createVolumePermission", everybody.into_iter().chain(accounts), |xml, (name, value)| {
        xml.value(name, value);
    });
    Ok(xml)
}

/// `ModifySnapshotAttribute`.
pub(crate) fn modify(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let params = call.params();
    let id = params.required("SnapshotId")?;
    if params.one_of("Attribute", &ATTRIBUTES)? == Some("productCodes") {
        return Err(Ec2Error::new("AuthFailure", "The account is not authorized to set product codes"));
    }
    let structure = params.structure("CreateVolumePermission");
    let structure =
        structure.map(|structure| PermissionChange::read(&structure, ShareScope::Accounts)).transpose()?;
    let change = match (structure, PermissionChange::read_flat(&params, ShareScope::Accounts)?) {
        (Some(_), Some(_)) => {
            let message = "CreateVolumePermission cannot be used with OperationType";
            return Err(Ec2Error::combination(message));
        }
        (Some(change), None) | (None, Some(change)) if change.len() > 0 => change,
        _ => return Err(Ec2Error::missing("createVolumePermission")),
    };
    let snapshot = call.own_snapshot(id)?;
    check(call, &snapshot, &change)?;
    call.commit()?;
    edit(call, id, |snapshot| apply(&mut snapshot.shared_with, &change))?;
    Ok(return_true())
}

fn edit(call: &Ec2Call<'_>, id: &str, change: impl FnOnce(&mut Snapshot)) -> Result<(), Ec2Error> {
    let edited = call.region.snapshots.edit(id, |snapshot| {
        change(snapshot);
        Ok::<_, Ec2Error>(())
    })?;
    edited.ok_or_else(|| {
        Ec2Error::new("InvalidSnapshot.NotFound", format!("The snapshot '{id}' does not exist."))
    })
}

fn check(call: &Ec2Call<'_>, snapshot: &Snapshot, change: &PermissionChange) -> Result<(), Ec2Error> {
    let id = &snapshot.id;
    if change.len() > MAX_CHANGES {
        let message = format!("At most {MAX_CHANGES} permissions may be modified in one call");
        return Err(Ec2Error::new("InvalidParameterValue", message));
    }
    if !change.add.is_empty() && !change.remove.is_empty() {
        return Err(Ec2Error::combination("Permissions cannot be added and removed in one call"));
    }
    if snapshot.status(call.now) != Status::Completed {
        let message = format!("The snapshot '{id}' is not in the state completed");
        return Err(Ec2Error::new("IncorrectState", message));
    }
    if change.publishes() {
        if settings::sharing(call).snapshots != SnapshotAccess::Unblocked {
            let message =
                "You can't publicly share this snapshot because block public access for snapshots is enabled";
            return Err(Ec2Error::new("OperationNotPermitted", message));
        }
        if snapshot.kms_key.is_some() {
            let message = format!("The snapshot '{id}' is encrypted and cannot be made public");
            return Err(Ec2Error::new("InvalidParameterValue", message));
        }
        // EC2 API Reference, `ModifySnapshotAttribute`: "snapshots with AWS Marketplace product codes cannot be made public".
        // Its code was not tried on AWS.
        if owners::is_seller(call.state, &snapshot.owner) {
            let message = format!("The snapshot '{id}' has a product code and cannot be made public");
            return Err(Ec2Error::new("InvalidParameterValue", message));
        }
    }
    let own = crate::state::account_settings::default_ebs_key_arn(&call.region.name, &snapshot.owner);
    if !change.add.is_empty() && snapshot.kms_key.as_ref() == Some(&own) {
        let message = format!("The snapshot '{id}' is encrypted with the default key and cannot be shared");
        return Err(Ec2Error::new("InvalidParameterValue", message));
    }
    Ok(())
}

fn apply(shared: &mut SnapshotShares, change: &PermissionChange) {
    for grantee in &change.add {
        match grantee {
            SharedWith::Everybody => shared.everybody = true,
            SharedWith::Account(id) => {
                shared.accounts.insert(id.clone());
            }
            SharedWith::Organization(_) | SharedWith::Unit(_) => {}
        }
    }
    for grantee in &change.remove {
        match grantee {
            SharedWith::Everybody => shared.everybody = false,
            SharedWith::Account(id) => {
                shared.accounts.remove(id);
            }
            SharedWith::Organization(_) | SharedWith::Unit(_) => {}
        }
    }
}

/// `ResetSnapshotAttribute`.
pub(crate) fn reset(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let params = call.params();
    let id = params.required("SnapshotId")?;
    params.required("Attribute")?;
    params.one_of("Attribute", &["createVolumePermission"])?;
    call.own_snapshot(id)?;
    call.commit()?;
    edit(call, id, |snapshot| snapshot.shared_with = SnapshotShares::default())?;
    Ok(return_true())
}

/// `DeleteSnapshot`.
pub(crate) fn delete(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let id = call.params().required("SnapshotId")?;
    call.own_snapshot(id)?;
    if let Some(user) = describe_images::images_using(call, id).first() {
        let message = format!("The snapshot {id} is currently in use by {user}");
        return Err(Ec2Error::new("InvalidSnapshot.InUse", message));
    }
    if call.region.is_locked(id, call.now) {
        return Err(snapshot_lock::locked(id));
    }
    call.commit()?;
    call.discard_snapshot(id)?;
    Ok(return_true())
}

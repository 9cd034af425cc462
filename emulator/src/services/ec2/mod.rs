//! EC2: the operations for the life cycle of an AMI (API version 2016-11-15, query protocol). A new operation
//! is a function in one of the modules below and a row in [`OPERATIONS`].

mod allowed_images;
mod block_devices;
mod call;
mod copy;
mod describe_images;
mod describe_instances;
mod describe_snapshots;
mod errors;
mod fast_restore;
mod filter;
mod image_attribute;
mod image_criteria;
mod image_metadata;
mod image_references;
mod image_usage;
mod image_visibility;
mod image_xml;
mod import_snapshot;
mod import_task;
mod instance_types;
mod instance_xml;
mod instances;
mod launch;
mod launch_permission;
mod lifecycle;
mod owners;
mod pagination;
mod params;
mod permissions;
mod recycle_bin;
mod regions;
mod register_image;
mod restore_task;
mod settings;
mod snapshot_attribute;
mod snapshot_lock;
mod snapshot_tier;
mod store_task;
mod stored_image;
mod success;
mod tag_operations;
mod tags;
mod template;
mod template_data;
mod template_operations;
mod template_versions;
mod volume_limits;
mod watermark;

use http::StatusCode;

use crate::http::request::SignedRequest;
use crate::http::response::{Response, new_response};
use crate::services::xml::Xml;
use crate::state::{Region, State};

pub(crate) use self::call::Ec2Call;
pub(crate) use self::errors::{Ec2Error, deny, error_response, fail, reject};
pub(crate) use self::launch::LaunchSettings;
pub(crate) use self::params::{ParamNode, Params};
pub(crate) use crate::services::form::action;

const NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";
const VERSION: &str = "2016-11-15";

/// An operation: parses the parameters, checks them, changes the state, and returns the content of the
/// response.
type Operation = fn(&Ec2Call<'_>) -> Result<Xml, Ec2Error>;

/// Responds to a request.
#[expect(clippy::unused_async, reason = "all services are asked in the same way")]
pub(crate) async fn respond(state: &State, region: &Region, request: SignedRequest) -> Response {
    let id = &request.request_id;
    match run_blocking(|| perform(state, region, &request)) {
        Ok((action, xml)) => {
            let body = Xml::document(&format!("{action}Response"), NAMESPACE, |document| {
                document.value("requestId", id);
                document.append(&xml);
            });
            new_response(StatusCode::OK, "text/xml;charset=UTF-8", body)
        }
        Err(error) => {
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            error_response(status, &error.code, &error.message, id)
        }
    }
}

/// Operations read and write files, and storing an image reads all its blocks: on a multi-threaded runtime,
/// other tasks move to another thread meanwhile.
pub(crate) fn run_blocking<R>(call: impl FnOnce() -> R) -> R {
    match tokio::runtime::Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(tokio::runtime::RuntimeFlavor::MultiThread) => tokio::task::block_in_place(call),
        _ => call(),
    }
}

fn perform(state: &State, region: &Region, request: &SignedRequest) -> Result<(&'static str, Xml), Ec2Error> {
    let query = ParamNode::read(form_urlencoded::parse(request.body()))?;
    let params = query.params();
    let action = params.text("Action").ok_or_else(|| Ec2Error::missing("Action"))?;
    let version = params.text("Version").ok_or_else(|| Ec2Error::missing("Version"))?;
    let invalid = || {
        let message = format!("The action {action} is not valid for this web service.");
        Ec2Error::new("InvalidAction", message)
    };
    if version != VERSION {
        return Err(invalid());
    }
    let (name, operation) = operation(action).ok_or_else(invalid)?;
    let host = request.header("host").unwrap_or_default();
    let (account, principal, fail_async) = (&request.account, &request.principal, request.fail_async);
    let (query, now) = (&query, state.now());
    let call = Ec2Call { account, principal, region, state, now, query, host, fail_async };
    Ok((name, operation(&call)?))
}

/// Whether an operation exists.
pub(crate) fn has_operation(name: &str) -> bool {
    operation(name).is_some()
}

/// All operations by name.
#[rustfmt::skip]
const OPERATIONS: &[(&str, Operation)] = &[
    ("AttachImageWatermark", watermark::attach),
    ("CancelImageLaunchPermission", launch_permission::cancel),
    ("CancelImportTask", import_task::cancel),
    ("CopyImage", copy::copy_image),
    ("CopySnapshot", copy::copy_snapshot),
    ("CreateImageUsageReport", image_usage::create),
    ("CreateLaunchTemplate", template_operations::create),
    ("CreateLaunchTemplateVersion", template_versions::create),
    ("CreateRestoreImageTask", restore_task::restore),
    ("CreateStoreImageTask", store_task::store),
    ("CreateTags", tag_operations::create),
    ("DeleteImageUsageReport", image_usage::delete),
    ("DeleteLaunchTemplate", template_operations::delete),
    ("DeleteLaunchTemplateVersions", template_versions::delete),
    ("DeleteSnapshot", snapshot_attribute::delete),
    ("DeleteTags", tag_operations::delete),
    ("DeregisterImage", lifecycle::deregister),
    ("DescribeAvailabilityZones", regions::zones),
    ("DescribeFastSnapshotRestores", fast_restore::describe),
    ("DescribeImageAttribute", image_attribute::describe),
    ("DescribeImageReferences", image_references::describe),
    ("DescribeImageUsageReportEntries", image_usage::entries_of),
    ("DescribeImageUsageReports", image_usage::describe),
    ("DescribeImages", describe_images::describe_images),
    ("DescribeImportSnapshotTasks", import_task::describe),
    ("DescribeInstanceImageMetadata", image_metadata::describe),
    ("DescribeInstanceTypes", instance_types::describe),
    ("DescribeInstances", describe_instances::describe),
    ("DescribeLaunchTemplateVersions", template_versions::describe),
    ("DescribeLaunchTemplates", template_operations::describe),
    ("DescribeLockedSnapshots", snapshot_lock::describe),
    ("DescribeRegions", regions::describe),
    ("DescribeSnapshotAttribute", snapshot_attribute::describe),
    ("DescribeSnapshotTierStatus", snapshot_tier::describe),
    ("DescribeSnapshots", describe_snapshots::describe_snapshots),
    ("DescribeStoreImageTasks", store_task::describe),
    ("DescribeTags", tag_operations::describe),
    ("DetachImageWatermark", watermark::detach),
    ("DisableAllowedImagesSettings", allowed_images::disable),
    ("DisableEbsEncryptionByDefault", settings::disable_encryption_by_default),
    ("DisableFastSnapshotRestores", fast_restore::disable),
    ("DisableImage", lifecycle::disable),
    ("DisableImageBlockPublicAccess", settings::unblock_images),
    ("DisableImageDeprecation", lifecycle::undeprecate),
    ("DisableImageDeregistrationProtection", lifecycle::unprotect),
    ("DisableSnapshotBlockPublicAccess", settings::unblock_snapshots),
    ("EnableAllowedImagesSettings", allowed_images::enable),
    ("EnableEbsEncryptionByDefault", settings::encrypt_by_default),
    ("EnableFastSnapshotRestores", fast_restore::enable),
    ("EnableImage", lifecycle::enable),
    ("EnableImageBlockPublicAccess", settings::block_images),
    ("EnableImageDeprecation", lifecycle::deprecate),
    ("EnableImageDeregistrationProtection", lifecycle::protect),
    ("EnableSnapshotBlockPublicAccess", settings::block_snapshots),
    ("GetAllowedImagesSettings", allowed_images::get),
    ("GetEbsDefaultKmsKeyId", settings::default_key),
    ("GetEbsEncryptionByDefault", settings::encryption_by_default),
    ("GetImageBlockPublicAccessState", settings::image_access),
    ("GetSnapshotBlockPublicAccessState", settings::snapshot_access),
    ("ImportSnapshot", import_snapshot::import),
    ("LockSnapshot", snapshot_lock::lock),
    ("ListImagesInRecycleBin", recycle_bin::images),
    ("ListSnapshotsInRecycleBin", recycle_bin::snapshots),
    ("ModifyEbsDefaultKmsKeyId", settings::set_default_key),
    ("ModifyImageAttribute", image_attribute::modify),
    ("ModifyLaunchTemplate", template_operations::modify),
    ("ModifySnapshotAttribute", snapshot_attribute::modify),
    ("ModifySnapshotTier", snapshot_tier::archive),
    ("RegisterImage", register_image::register_image),
    ("ReplaceImageCriteriaInAllowedImagesSettings", allowed_images::replace),
    ("ResetEbsDefaultKmsKeyId", settings::reset_default_key),
    ("ResetImageAttribute", image_attribute::reset),
    ("ResetSnapshotAttribute", snapshot_attribute::reset),
    ("RestoreSnapshotTier", snapshot_tier::restore),
    ("UnlockSnapshot", snapshot_lock::unlock),
    ("RestoreImageFromRecycleBin", recycle_bin::restore_image),
    ("RestoreSnapshotFromRecycleBin", recycle_bin::restore_snapshot),
    ("RunInstances", instances::run),
    ("StartInstances", instances::start),
    ("StopInstances", instances::stop),
    ("TerminateInstances", instances::terminate),
];

fn operation(action: &str) -> Option<(&'static str, Operation)> {
    OPERATIONS.iter().find(|(name, _)| *name == action).copied()
}

/// Performs the operation that a call names, for tests of other services.
#[cfg(test)]
pub(crate) fn perform_call(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let action = call.params().text("Action").unwrap_or_default();
    let (_, operation) = operation(action).ok_or_else(|| Ec2Error::new("InvalidAction", action))?;
    operation(call)
}

#[cfg(test)]
mod tests;

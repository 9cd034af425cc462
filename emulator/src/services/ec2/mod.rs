//! EC2, as far as an AMI's life needs it (API version 2016-11-15, query protocol).

mod call;
mod copy;
mod fault;
mod filter;
pub(crate) mod image;
mod image_attribute;
mod images;
mod lifecycle;
mod mapping;
mod page;
mod permission;
mod query;
mod regions;
mod register;
mod restore_task;
mod settings;
mod snapshot_attribute;
mod snapshots;
pub(crate) mod store;
mod store_task;
mod stored;
pub(crate) mod tag;
mod tag_calls;
mod template;
mod template_calls;
mod template_members;
mod template_versions;
mod voice;
mod volume;

use http::StatusCode;

use self::call::Ec2Call;
use self::fault::Ec2Error;
use self::query::ParamNode;
use crate::door::reply::{Response, reply};
use crate::door::signed::SignedRequest;
use crate::services::xml::Xml;
use crate::world::{Region, World};

pub(crate) use self::voice::{error, escape, fail, refuse};

const NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";
const VERSION: &str = "2016-11-15";

/// A call: reads, refuses, does, and gives what stands in the answer.
type Operation = fn(&Ec2Call<'_>) -> Result<Xml, Ec2Error>;

/// The name of what a request asks for.
pub(crate) fn action(request: &SignedRequest) -> String {
    let mut fields = form_urlencoded::parse(request.body());
    fields.find(|(name, _)| name == "Action").map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// Answers a request.
#[expect(clippy::unused_async, reason = "all services are asked in the same way")]
pub(crate) async fn answer(world: &World, region: &Region, request: SignedRequest) -> Response {
    let id = &request.request_id;
    match apart(|| perform(world, region, &request)) {
        Ok((action, xml)) => {
            let body = Xml::document(&format!("{action}Response"), NAMESPACE, |document| {
                document.value("requestId", id);
                document.append(&xml);
            });
            reply(StatusCode::OK, "text/xml;charset=UTF-8", body)
        }
        Err(fault) => {
            let status = StatusCode::from_u16(fault.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            error(status, &fault.code, &fault.message, id)
        }
    }
}

/// Calls read and write files, and to store an image all of its blocks: where the runtime can, it is told so.
fn apart<R>(call: impl FnOnce() -> R) -> R {
    match tokio::runtime::Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(tokio::runtime::RuntimeFlavor::MultiThread) => tokio::task::block_in_place(call),
        _ => call(),
    }
}

fn perform(world: &World, region: &Region, request: &SignedRequest) -> Result<(&'static str, Xml), Ec2Error> {
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
    let (account, doomed) = (&request.account, request.doomed);
    let call = Ec2Call { account, region, world, now: world.now(), query: &query, host, doomed };
    Ok((name, operation(&call)?))
}

/// All calls there are.
#[rustfmt::skip]
const OPERATIONS: [(&str, Operation); 46] = [
    ("CopyImage", copy::copy_image),
    ("CopySnapshot", copy::copy_snapshot),
    ("CreateLaunchTemplate", template_calls::create),
    ("CreateLaunchTemplateVersion", template_versions::create),
    ("CreateRestoreImageTask", restore_task::restore),
    ("CreateStoreImageTask", store_task::store),
    ("CreateTags", tag_calls::create),
    ("DeleteLaunchTemplate", template_calls::delete),
    ("DeleteLaunchTemplateVersions", template_versions::delete),
    ("DeleteSnapshot", snapshot_attribute::delete),
    ("DeleteTags", tag_calls::delete),
    ("DeregisterImage", lifecycle::deregister),
    ("DescribeAvailabilityZones", regions::zones),
    ("DescribeImageAttribute", image_attribute::describe),
    ("DescribeImages", images::describe_images),
    ("DescribeLaunchTemplateVersions", template_versions::describe),
    ("DescribeLaunchTemplates", template_calls::describe),
    ("DescribeRegions", regions::describe),
    ("DescribeSnapshotAttribute", snapshot_attribute::describe),
    ("DescribeSnapshots", snapshots::describe_snapshots),
    ("DescribeStoreImageTasks", store_task::describe),
    ("DescribeTags", tag_calls::describe),
    ("DisableEbsEncryptionByDefault", settings::no_encryption_by_default),
    ("DisableImage", lifecycle::disable),
    ("DisableImageBlockPublicAccess", settings::unblock_images),
    ("DisableImageDeprecation", lifecycle::undeprecate),
    ("DisableImageDeregistrationProtection", lifecycle::unprotect),
    ("DisableSnapshotBlockPublicAccess", settings::unblock_snapshots),
    ("EnableEbsEncryptionByDefault", settings::encrypt_by_default),
    ("EnableImage", lifecycle::enable),
    ("EnableImageBlockPublicAccess", settings::block_images),
    ("EnableImageDeprecation", lifecycle::deprecate),
    ("EnableImageDeregistrationProtection", lifecycle::protect),
    ("EnableSnapshotBlockPublicAccess", settings::block_snapshots),
    ("GetEbsDefaultKmsKeyId", settings::default_key),
    ("GetEbsEncryptionByDefault", settings::encryption_by_default),
    ("GetImageBlockPublicAccessState", settings::image_access),
    ("GetSnapshotBlockPublicAccessState", settings::snapshot_access),
    ("ModifyEbsDefaultKmsKeyId", settings::set_default_key),
    ("ModifyImageAttribute", image_attribute::modify),
    ("ModifyLaunchTemplate", template_calls::modify),
    ("ModifySnapshotAttribute", snapshot_attribute::modify),
    ("RegisterImage", register::register_image),
    ("ResetEbsDefaultKmsKeyId", settings::reset_default_key),
    ("ResetImageAttribute", image_attribute::reset),
    ("ResetSnapshotAttribute", snapshot_attribute::reset),
];

fn operation(action: &str) -> Option<(&'static str, Operation)> {
    OPERATIONS.iter().find(|(name, _)| *name == action).copied()
}

#[cfg(test)]
mod tests;

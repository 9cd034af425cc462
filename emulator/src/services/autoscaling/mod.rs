//! Auto Scaling: groups, their instances, and instance refreshes (API version 2011-01-01, query protocol). A new
//! operation is a function in one of the modules below and a row in [`OPERATIONS`].
//!
//! Follows the API reference, botocore's model, and the user guide, in particular "How an instance refresh works in an
//! Auto Scaling group" and "Undo changes with a manual or auto rollback". Nothing was tried on AWS. Not in the local
//! region: launch configurations, lifecycle hooks, standby, warm pools, scaling policies, load balancers, and the
//! refresh strategy `ReplaceRootVolume`.
//!
//! No time passes by itself: [`advance_region`] computes what the groups did up to the region's time, before every
//! request to a service that sees or decides it.

mod advance;
mod call;
mod describe_groups;
mod errors;
mod group_operations;
mod group_settings;
mod instance_operations;
mod policy;
mod preferences;
mod refresh;
mod refresh_counts;
mod refresh_operations;
mod refresh_state;
mod refresh_xml;
mod rollback;
mod scaling;
mod source;
mod tag_operations;

use http::StatusCode;

use self::call::GroupCall;
use self::errors::{GroupError, error_response};
use crate::http::request::SignedRequest;
use crate::http::response::{Response, new_response};
use crate::services::ec2::ParamNode;
use crate::services::xml::Xml;
use crate::state::{Region, State};

pub(crate) use self::advance::advance_region;
pub(crate) use self::errors::{deny, fail, reject};
pub(crate) use crate::services::form::action;

const NAMESPACE: &str = "http://autoscaling.amazonaws.com/doc/2011-01-01/";
const VERSION: &str = "2011-01-01";

/// An operation: parses the parameters, checks them, changes the state, and returns the content of the result; `None`
/// if the operation has no result.
type Operation = fn(&GroupCall<'_>) -> Result<Option<Xml>, GroupError>;

/// All operations by name.
#[rustfmt::skip]
const OPERATIONS: &[(&str, Operation)] = &[
    ("CancelInstanceRefresh", refresh_operations::cancel),
    ("CreateAutoScalingGroup", group_operations::create),
    ("CreateOrUpdateTags", tag_operations::create),
    ("DeleteAutoScalingGroup", group_operations::delete),
    ("DeleteTags", tag_operations::delete),
    ("DescribeAutoScalingGroups", describe_groups::describe),
    ("DescribeAutoScalingInstances", instance_operations::describe),
    ("DescribeInstanceRefreshes", refresh_operations::describe),
    ("DescribeScalingActivities", instance_operations::activities),
    ("DescribeTags", tag_operations::describe),
    ("RollbackInstanceRefresh", refresh_operations::rollback),
    ("SetDesiredCapacity", group_operations::set_desired),
    ("SetInstanceHealth", instance_operations::set_health),
    ("SetInstanceProtection", instance_operations::set_protection),
    ("StartInstanceRefresh", refresh_operations::start),
    ("TerminateInstanceInAutoScalingGroup", instance_operations::terminate),
    ("UpdateAutoScalingGroup", group_operations::update),
];

/// Responds to a request.
pub(crate) fn respond(state: &State, region: &Region, request: &SignedRequest) -> Response {
    let id = &request.request_id;
    match perform(state, region, request) {
        Ok((action, xml)) => {
            let body = Xml::document(&format!("{action}Response"), NAMESPACE, |document| {
                if let Some(xml) = xml {
                    document.element(&format!("{action}Result"), |result| result.append(&xml));
                }
                document.element("ResponseMetadata", |metadata| metadata.value("RequestId", id));
            });
            new_response(StatusCode::OK, "text/xml", body)
        }
        Err(error) => {
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            error_response(status, &error.code, &error.message, id)
        }
    }
}

fn perform(
    state: &State,
    region: &Region,
    request: &SignedRequest,
) -> Result<(&'static str, Option<Xml>), GroupError> {
    let query = ParamNode::read(form_urlencoded::parse(request.body()))?;
    let params = query.params();
    let action = params.text("Action").unwrap_or_default();
    let invalid = || {
        let message = format!("Could not find operation {action} for version {VERSION}");
        GroupError::new("InvalidAction", message)
    };
    if params.text("Version") != Some(VERSION) {
        return Err(invalid());
    }
    let (name, operation) =
        OPERATIONS.iter().find(|(name, _)| *name == action).copied().ok_or_else(invalid)?;
    let call = GroupCall { account: &request.account, region, state, now: state.now(), query: &query };
    Ok((name, operation(&call)?))
}

#[cfg(test)]
mod tests;

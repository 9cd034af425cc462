//! Authorization: the IAM actions that each operation needs and the resources that it needs them on, and the
//! check of a request against the policy of its sender.
//!
//! Each service has a table of [`Rule`]s. An operation that is not listed needs the action of its own name,
//! which has no resource: that is how AWS authorizes nearly all operations that list or describe. A new
//! operation therefore needs one row here if it has a resource or needs more than its own action, else none.
//!
//! Source of all rows without another one: Service Authorization Reference, "Actions, resources, and condition
//! keys" of the service. Where AWS does not document an order, all actions are checked before the operation
//! reads its parameters, in the order of the row.

mod autoscaling;
mod call;
mod ebs;
mod ec2;
mod key_use;
mod kms;
mod resource;
mod rule;
mod s3;
mod ssm;
mod sts;

use crate::iam::{Decision, Keys, Principal};
use crate::state::{Region, State};

use self::call::Call;
use self::resource::Resource;
use self::rule::Rule;

pub(crate) use self::call::Operation;

/// The refusal of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The ARN of the sender.
    principal: String,
    /// The action that is not allowed: `ec2:CopyImage`.
    action: String,
    /// The resource: an ARN, or `*`.
    resource: String,
    /// Whether a statement denies the action.
    explicit: bool,
}

impl Refusal {
    /// The message, in the form that most services share (IAM User Guide, "Troubleshoot access denied error
    /// messages").
    pub(crate) fn message(&self) -> String {
        let Self { principal, action, resource, explicit } = self;
        let why = if *explicit {
            "with an explicit deny in an identity-based policy".to_owned()
        } else {
            format!("because no identity-based policy allows the {action} action")
        };
        format!("User: {principal} is not authorized to perform: {action} on resource: {resource} {why}")
    }

    /// Whether the action belongs to another service than this one, which calls it for the user.
    pub(crate) fn is_of_other_service(&self, service: &str) -> bool {
        self.action.split(':').next() != Some(service)
    }
}

/// Checks whether the sender of a request may perform its operation.
pub(crate) fn check(state: &State, region: &Region, operation: &Operation<'_>) -> Result<(), Refusal> {
    let principal = &operation.request.principal;
    let call = Call::new(state, region, operation);
    let rule = table(operation.service).iter().find(|rule| rule.operation == operation.name);
    // The prefix of a service's actions is its name in credential scopes.
    let own = format!("{}:{}", operation.service, operation.name);
    let own = [own.as_str()];
    for need in rule.map_or(Rule::DEFAULT, |rule| rule.needs) {
        let actions = if need.actions.is_empty() { own.as_slice() } else { need.actions };
        for resource in need.resources_of(&call) {
            for action in actions {
                check_one(principal, action, &resource, &call)?;
            }
        }
    }
    Ok(())
}

/// Checks one action on one resource.
fn check_one(
    principal: &Principal,
    action: &str,
    resource: &Resource,
    call: &Call<'_>,
) -> Result<(), Refusal> {
    let decision = principal.decide(action, resource.arn(), &call.keys(resource));
    if decision == Decision::Allowed {
        return Ok(());
    }
    Err(Refusal {
        principal: principal.arn(call.partition()),
        action: action.to_owned(),
        resource: resource.arn().to_owned(),
        explicit: decision == Decision::Denied,
    })
}

/// Whether a principal may perform an action on a snapshot of a region. For operations that decide for each
/// snapshot and report the decision.
pub(crate) fn allows_on_snapshot(
    (state, region): (&State, &Region),
    principal: &Principal,
    action: &str,
    id: &str,
) -> bool {
    let snapshot = ec2::snapshot_of(region, id);
    let keys = call::keys(state, region, principal, &snapshot);
    principal.decide(action, snapshot.arn(), &keys) == Decision::Allowed
}

/// The condition keys of a request about a KMS key: those that every request has, the key's aliases, and `more`.
pub(crate) fn key_conditions(
    (state, region): (&State, &Region),
    principal: &Principal,
    arn: &str,
    more: Vec<(String, String)>,
) -> Keys {
    let id = arn.rsplit_once("key/").map_or(arn, |(_, id)| id);
    let resource = key_use::with_aliases(Resource::with_arn(arn.to_owned()), region, id);
    let resource = more.into_iter().fold(resource, |resource, (name, value)| resource.with_key(&name, value));
    call::keys(state, region, principal, &resource)
}

/// The table of a service, by its name in credential scopes.
fn table(service: &str) -> &'static [Rule] {
    match service {
        "autoscaling" => autoscaling::RULES,
        "ebs" => ebs::RULES,
        "ec2" => ec2::RULES,
        "kms" => kms::RULES,
        "s3" => s3::RULES,
        "ssm" => ssm::RULES,
        "sts" => sts::RULES,
        _ => &[],
    }
}

#[cfg(test)]
mod tests;

//! IAM policies, identity-based and resource-based: their documents, and the decision whether they allow an action. Knows no
//! service and no state.
//!
//! Follows the IAM User Guide: "IAM JSON policy element reference", "Policy evaluation logic" and "Condition
//! operators". An element, an operator or a condition key that is not implemented is an error when the
//! document is read, so that no part of a policy is ever ignored.

mod condition;
mod document;
mod keys;
mod pattern;
mod resource_policy;
mod trust;

use std::sync::Arc;

pub(crate) use self::document::{Decision, Policy};
pub(crate) use self::keys::Keys;
pub(crate) use self::resource_policy::ResourcePolicy;
pub(crate) use self::trust::TrustPolicy;

/// The sender of a request.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    /// The account: twelve digits.
    pub(crate) account: String,
    /// The id of the access key, which is also the name of the user.
    pub(crate) key: String,
    /// The policy; `None` for the root user, who may do everything.
    pub(crate) policy: Option<Arc<Policy>>,
}

impl Principal {
    /// The ARN in a partition: of the root user, or of the user with the name of the access key.
    pub(crate) fn arn(&self, partition: &str) -> String {
        match self.policy {
            None => format!("arn:{partition}:iam::{}:root", self.account),
            Some(_) => format!("arn:{partition}:iam::{}:user/{}", self.account, self.key),
        }
    }

    /// The id of the principal, as `GetCallerIdentity` reports it.
    pub(crate) fn user_id(&self) -> &str {
        if self.policy.is_none() { &self.account } else { &self.key }
    }

    /// Whether an action on a resource is allowed.
    pub(crate) fn decide(&self, action: &str, resource: &str, keys: &Keys) -> Decision {
        self.policy.as_ref().map_or(Decision::Allowed, |policy| policy.decide(action, resource, keys))
    }
}

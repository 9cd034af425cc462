//! The roles that services assume. Knows no service.
//!
//! They come from `roles.json` in the state folder: `[{"account": "123456789012", "name": "vmimport",
//! "trust": {...}, "policy": {...}}]`, with a trust policy and an identity-based policy, or a list of them. Without the
//! file every account has the role `vmimport`, trusted by the service that imports and with every permission: an account
//! in which that was set up. With the file there are only the roles that it names.

use std::io::ErrorKind;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use crate::iam::{Decision, Keys, Policy, TrustPolicy};

/// The role that exists where no roles are configured.
const DEFAULT: &str = "vmimport";

/// A role in `roles.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleEntry {
    account: String,
    name: String,
    trust: Value,
    policy: Value,
}

/// A role.
#[derive(Debug)]
struct Role {
    account: String,
    name: String,
    trust: TrustPolicy,
    policy: Policy,
}

/// All roles; `None` if none are configured.
#[derive(Debug)]
pub(crate) struct Roles(Option<Vec<Role>>);

impl Roles {
    /// Loads the roles of a folder.
    pub(crate) fn load(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("roles.json");
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self(None)),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        let damaged = |reason: String| Error::Damaged { path: path.clone(), reason };
        let entries: Vec<RoleEntry> =
            serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
        let roles: Result<_, _> = entries.into_iter().map(RoleEntry::read).collect();
        roles.map(|roles| Self(Some(roles))).map_err(damaged)
    }

    /// Whether an account has a role that a service with an external id may assume, and that may do all of these
    /// actions on resources.
    pub(crate) fn allows(
        &self,
        (account, name): (&str, &str),
        (service, external_id): (&str, &str),
        needs: &[(&str, String)],
    ) -> bool {
        let Some(roles) = &self.0 else { return name == DEFAULT };
        let keys = Keys::default();
        let may = |role: &Role| {
            let allows = |(action, resource): &(&str, String)| {
                role.policy.decide(action, resource, &keys) == Decision::Allowed
            };
            role.trust.allows(service, external_id) && needs.iter().all(allows)
        };
        roles.iter().any(|role| role.account == account && role.name == name && may(role))
    }
}

impl RoleEntry {
    fn read(self) -> Result<Role, String> {
        let of = |what: &str, reason: String| format!("the {what} of the role `{}`: {reason}", self.name);
        Ok(Role {
            trust: TrustPolicy::read(&self.trust).map_err(|reason| of("trust policy", reason))?,
            policy: Policy::read(&self.policy).map_err(|reason| of("policy", reason))?,
            account: self.account,
            name: self.name,
        })
    }
}

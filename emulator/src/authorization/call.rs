//! A request as the rules see it: its parameters in the form of its protocol, and what it refers to.

use serde_json::Value;

use super::resource::{Resource, partition};
use crate::http::request::SignedRequest;
use crate::iam::{Keys, Principal};
use crate::state::{Region, State};

/// An operation that a request asks for.
pub(crate) struct Operation<'r> {
    /// The name of the service in credential scopes.
    pub(crate) service: &'static str,
    /// The name of the operation.
    pub(crate) name: &'r str,
    /// What the path of the request names: the snapshot of EBS direct; the bucket and the key of S3.
    pub(crate) path: Vec<String>,
    /// The request.
    pub(crate) request: &'r SignedRequest,
}

/// A request as the rules see it.
pub(super) struct Call<'c> {
    pub(super) state: &'c State,
    pub(super) region: &'c Region,
    pub(super) account: &'c str,
    pub(super) operation: &'c str,
    pub(super) path: &'c [String],
    pub(super) request: &'c SignedRequest,
    /// The parameters of a form.
    form: Vec<(String, String)>,
    /// The members of a JSON body; null if it is none.
    pub(super) json: Value,
}

impl<'c> Call<'c> {
    pub(super) fn new(state: &'c State, region: &'c Region, operation: &'c Operation<'c>) -> Self {
        let (request, service) = (operation.request, operation.service);
        let form = match service {
            "ec2" | "autoscaling" => form_urlencoded::parse(request.body()).into_owned().collect(),
            _ => Vec::new(),
        };
        let json = match service {
            "ssm" | "kms" | "ebs" => serde_json::from_slice(request.body()).unwrap_or(Value::Null),
            _ => Value::Null,
        };
        Self {
            state,
            region,
            account: &request.account,
            operation: operation.name,
            path: &operation.path,
            request,
            form,
            json,
        }
    }

    /// The value of a parameter of a form; `None` if it is empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let value = self.form.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str());
        value.filter(|value| !value.is_empty())
    }

    /// The values of the parameters of a form whose path matches; `*` stands for an index of a list.
    pub(super) fn values(&self, path: &str) -> Vec<&str> {
        let matches = |name: &str| {
            // The query protocol writes `member` before each index, that of EC2 does not.
            let mut parts = name.split('.').filter(|part| *part != "member");
            let mut path = path.split('.');
            loop {
                match (path.next(), parts.next()) {
                    (None, None) => return true,
                    (Some("*"), Some(part)) if is_index(part) => {}
                    (Some(expected), Some(part)) if expected == part => {}
                    _ => return false,
                }
            }
        };
        let found = self.form.iter().filter(|(name, _)| matches(name));
        found.map(|(_, value)| value.as_str()).collect()
    }

    /// Whether a form has a parameter whose name begins so.
    pub(super) fn has(&self, prefix: &str) -> bool {
        self.form.iter().any(|(name, _)| name.starts_with(prefix))
    }

    /// The entries of a list in the order of the form: the path of each, such as `Tag.1`, and a member of it.
    pub(super) fn entries(&self, list: &str, member: &str) -> Vec<(&str, &str)> {
        let entry = |name: &str| -> Option<usize> {
            let path = name.strip_suffix(member)?.strip_suffix('.')?;
            let index = path.strip_prefix(list)?.strip_prefix('.')?;
            let index = index.strip_prefix("member.").unwrap_or(index);
            is_index(index).then_some(path.len())
        };
        let found = self.form.iter();
        found.filter_map(|(name, value)| Some((&name[..entry(name)?], value.as_str()))).collect()
    }

    /// The tags of a list: `Tag.1.Key` and `Tag.1.Value` for `Tag`.
    pub(super) fn tags(&self, list: &str) -> Vec<(String, String)> {
        let value = |entry: &str| self.text(&format!("{entry}.Value")).unwrap_or_default().to_owned();
        let keys = self.entries(list, "Key").into_iter();
        keys.map(|(entry, key)| (key.to_owned(), value(entry))).collect()
    }

    /// A text member of a JSON body.
    pub(super) fn member(&self, name: &str) -> Option<&str> {
        self.json[name].as_str().filter(|text| !text.is_empty())
    }

    /// The partition of the region.
    pub(super) fn partition(&self) -> &'static str {
        partition(&self.region.name)
    }

    /// The ARN of a resource of the account in the region.
    pub(super) fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.partition(), self.region.name, self.account)
    }

    /// The condition keys of the request and of one of its resources.
    pub(super) fn keys(&self, resource: &Resource) -> Keys {
        keys(self.state, self.region, &self.request.principal, resource)
    }
}

/// Whether a part of a path is the index of a list, by the same rule as that of the services.
fn is_index(part: &str) -> bool {
    part.parse::<u64>().is_ok()
}

/// The condition keys of a request of a principal and of one of its resources.
pub(super) fn keys(state: &State, region: &Region, principal: &Principal, resource: &Resource) -> Keys {
    let (mut keys, now) = (resource.keys().clone(), state.now());
    keys.set("aws:RequestedRegion", &region.name);
    keys.set("ec2:Region", &region.name);
    keys.set("aws:PrincipalAccount", &principal.account);
    keys.set("kms:CallerAccount", &principal.account);
    keys.set("aws:PrincipalArn", principal.arn(partition(&region.name)));
    keys.set("aws:userid", principal.user_id());
    keys.set("aws:SecureTransport", "false");
    keys.set("aws:CurrentTime", now.iso());
    keys.set("aws:EpochTime", (now.0 / 1000).to_string());
    keys
}

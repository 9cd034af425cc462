//! The accounts of the local region and their access keys. Knows nothing of signatures.
//!
//! Additional accounts come from `accounts.json` in the state folder: `[{"account": "222222222222",
//! "access_key_id": "...", "secret_access_key": "...", "policy": {...}}]`. The policy is an IAM policy document,
//! or a list of them. A key with one is of a user who may do what it allows; a key without one is of the root
//! user, who may do everything.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::error::Error;
use crate::iam::{Policy, Principal};

/// The account of the demo key.
pub const ACCOUNT: &str = "123456789012";
/// The id of the demo key, which belongs to [`ACCOUNT`] and is not secret.
pub const ACCESS_KEY_ID: &str = "AKIALOCALREGION00000";
/// The demo key, which is not secret.
pub const SECRET_ACCESS_KEY: &str = "local-region-secret-key";

/// An access key.
#[derive(Debug, Clone)]
pub(crate) struct AccessKey {
    /// Who signs with it.
    pub(crate) principal: Principal,
    /// The secret key.
    pub(crate) secret: String,
}

/// An access key in `accounts.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccessKeyEntry {
    account: String,
    access_key_id: String,
    secret_access_key: String,
    policy: Option<Value>,
}

/// All access keys by their ids.
#[derive(Debug)]
pub(crate) struct Accounts(BTreeMap<String, AccessKey>);

impl Accounts {
    /// Loads the demo keys and those of `accounts.json` in the folder.
    pub(crate) fn load(folder: &Path) -> Result<Self, Error> {
        let built_in = [(ACCESS_KEY_ID, SECRET_ACCESS_KEY), ("testing", "testing")];
        let built_in = built_in.map(|(id, secret)| AccessKeyEntry {
            account: ACCOUNT.to_owned(),
            access_key_id: id.to_owned(),
            secret_access_key: secret.to_owned(),
            policy: None,
        });
        let path = folder.join("accounts.json");
        let configured: Vec<AccessKeyEntry> = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|error| Error::Damaged { path: path.clone(), reason: error.to_string() })?,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(Error::io("read", path)(error)),
        };
        let all = built_in.into_iter().chain(configured).map(AccessKeyEntry::read);
        let all: Result<_, String> = all.map(|key| key.map(|key| (key.principal.key.clone(), key))).collect();
        all.map(Self).map_err(|reason| Error::Damaged { path, reason })
    }

    /// The access key with this id.
    pub(crate) fn key(&self, id: &str) -> Option<&AccessKey> {
        self.0.get(id)
    }
}

impl AccessKeyEntry {
    /// Checks the entry.
    fn read(self) -> Result<AccessKey, String> {
        let Self { account, access_key_id: key, secret_access_key: secret, policy } = self;
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("account `{account}` is not twelve digits"));
        }
        let policy = policy.as_ref().map(Policy::read).transpose();
        let policy = policy.map_err(|reason| format!("the policy of the access key `{key}`: {reason}"))?;
        Ok(AccessKey { principal: Principal { account, key, policy: policy.map(Arc::new) }, secret })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Accounts, Error> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("accounts.json"), text).unwrap();
        Accounts::load(folder.path())
    }

    #[test]
    fn a_key_with_a_policy_is_of_a_user() {
        let accounts = load(
            r#"[{"account": "222222222222", "access_key_id": "CI", "secret_access_key": "s", "policy":
            {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}}}]"#,
        );
        let accounts = accounts.unwrap();
        let arn = |id: &str| accounts.key(id).unwrap().principal.arn("aws");
        assert_eq!(arn("CI"), "arn:aws:iam::222222222222:user/CI");
        assert_eq!(arn(ACCESS_KEY_ID), format!("arn:aws:iam::{ACCOUNT}:root"));
    }

    #[test]
    fn a_policy_that_is_not_understood_is_an_error_that_names_the_key() {
        let error = load(
            r#"[{"account": "222222222222", "access_key_id": "CI", "secret_access_key": "s", "policy":
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:*", "Resource": "*",
            "Condition": {"StringRoughly": {"aws:RequestedRegion": "x"}}}]}}]"#,
        );
        let error = error.unwrap_err().to_string();
        for part in ["accounts.json", "the access key `CI`", "statement 1", "operator `StringRoughly`"] {
            assert!(error.contains(part), "{error}");
        }
    }
}

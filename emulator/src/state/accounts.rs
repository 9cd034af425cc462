//! The accounts of the local region and their access keys. Knows nothing of signatures.
//!
//! Additional accounts come from `accounts.json` in the state folder: `[{"account": "222222222222",
//! "access_key_id": "...", "secret_access_key": "...", "policy": {...}}]`. The policy is an IAM policy document,
//! or a list of them. A key with one is of a user who may do what it allows; a key without one is of the root
//! user, who may do everything. `"alias": "amazon"` makes the account an owner of images that have that alias, as those of
//! Amazon have (Amazon EC2 API Reference, `DescribeImages`, `Owner`).

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
    alias: Option<OwnerAlias>,
    access_key_id: String,
    secret_access_key: String,
    policy: Option<Value>,
}

/// The alias of an account that owns images: an Amazon-maintained list (Amazon EC2 API Reference, `Image`, `imageOwnerAlias`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OwnerAlias {
    /// Amazon, who has public parameters, too.
    Amazon,
    /// Backups.
    AwsBackupVault,
    /// Sellers of the Marketplace: their images have product codes.
    AwsMarketplace,
}

impl OwnerAlias {
    /// The value on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Amazon => "amazon",
            Self::AwsBackupVault => "aws-backup-vault",
            Self::AwsMarketplace => "aws-marketplace",
        }
    }

    /// The alias of a name.
    pub(crate) fn by_name(name: &str) -> Option<Self> {
        [Self::Amazon, Self::AwsBackupVault, Self::AwsMarketplace]
            .into_iter()
            .find(|alias| alias.name() == name)
    }
}

/// All access keys by their ids, and the aliases of accounts.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    keys: BTreeMap<String, AccessKey>,
    aliases: BTreeMap<String, OwnerAlias>,
}

impl Accounts {
    /// Loads the demo keys and those of `accounts.json` in the folder.
    pub(crate) fn load(folder: &Path) -> Result<Self, Error> {
        let built_in = [(ACCESS_KEY_ID, SECRET_ACCESS_KEY), ("testing", "testing")];
        let built_in = built_in.map(|(id, secret)| AccessKeyEntry {
            account: ACCOUNT.to_owned(),
            alias: None,
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
        let mut accounts = Self::default();
        for entry in built_in.into_iter().chain(configured) {
            accounts.add(entry).map_err(|reason| Error::Damaged { path: path.clone(), reason })?;
        }
        Ok(accounts)
    }

    fn add(&mut self, entry: AccessKeyEntry) -> Result<(), String> {
        if let Some(alias) = entry.alias {
            let before = self.aliases.insert(entry.account.clone(), alias);
            if before.is_some_and(|before| before != alias) {
                return Err(format!("account `{}` has two aliases", entry.account));
            }
        }
        let key = entry.read()?;
        self.keys.insert(key.principal.key.clone(), key);
        Ok(())
    }

    /// The access key with this id.
    pub(crate) fn key(&self, id: &str) -> Option<&AccessKey> {
        self.keys.get(id)
    }

    /// The alias of an account.
    pub(crate) fn alias(&self, account: &str) -> Option<OwnerAlias> {
        self.aliases.get(account).copied()
    }
}

impl AccessKeyEntry {
    /// Checks the entry.
    fn read(self) -> Result<AccessKey, String> {
        let Self { account, alias: _, access_key_id: key, secret_access_key: secret, policy } = self;
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
    fn an_account_has_one_alias_of_the_list() {
        let entry = |alias: &str, key: &str| {
            format!(
                r#"{{"account": "137112412989", "alias": "{alias}", "access_key_id": "{key}", "secret_access_key": "s"}}"#
            )
        };
        let accounts = load(&format!("[{}]", entry("amazon", "A"))).unwrap();
        assert_eq!(accounts.alias("137112412989"), Some(OwnerAlias::Amazon));
        assert_eq!(accounts.alias(ACCOUNT), None);
        assert!(load(&format!("[{}]", entry("amazonas", "A"))).is_err());
        let two = load(&format!("[{}, {}]", entry("amazon", "A"), entry("aws-marketplace", "B")));
        assert!(two.unwrap_err().to_string().contains("two aliases"));
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

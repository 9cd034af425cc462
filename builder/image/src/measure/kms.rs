//! A statement of a KMS key policy that allows the use of a key to machines of one image.
//!
//! Follows the AWS KMS Developer Guide, "`KmsCondition` keys for attested platforms", and the EC2 User Guide, "NitroTPM
//! attestation". The condition counts only in calls with a `Recipient`, so the answer is encrypted to the machine.

use std::collections::BTreeMap;

use amiforge_formats::pcr::Bank;
use amiforge_formats::tree::Printable;
use serde::Serialize;

use super::Registers;

/// Calls on a key whose answer is for the machine of the document only.
const ACTIONS: [&str; 4] =
    ["kms:Decrypt", "kms:DeriveSharedSecret", "kms:GenerateDataKey", "kms:GenerateDataKeyPair"];

/// The most characters of a role's name with its path (IAM, "IAM and AWS STS quotas").
const ROLE_MAX: usize = 512 + 64;

/// The role that machines of the image have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal(String);

/// Why a text is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAPrincipal {
    /// The account.
    #[error("`{0}` is no account: 12 digits are needed, such as 111122223333")]
    Account(String),
    /// The role.
    #[error("`{0}` is no role: a name such as web, with its path such as service/web, or an ARN is needed")]
    Role(String),
    /// An ARN names its account.
    #[error("the role is an ARN, which names its account: leave the account out")]
    TwoAccounts,
    /// A name alone does not.
    #[error("the role `{0}` is a name: the account is needed, too")]
    NoAccount(String),
}

impl Principal {
    /// A role by its name and account, or by its ARN.
    ///
    /// # Errors
    /// [`NotAPrincipal`].
    pub fn role(role: &str, account: Option<&str>) -> Result<Self, NotAPrincipal> {
        let shown = |text: &str| Printable(text.as_bytes()).to_string();
        if let Some(rest) = role.strip_prefix("arn:") {
            let mut parts = rest.splitn(5, ':');
            let (partition, service, region) = (parts.next(), parts.next(), parts.next());
            let (own, name) = (parts.next(), parts.next().and_then(|name| name.strip_prefix("role/")));
            let sound = partition.is_some_and(|name| matches!(name, "aws" | "aws-cn" | "aws-us-gov"))
                && (service, region) == (Some("iam"), Some(""))
                && own.is_some_and(is_account)
                && name.is_some_and(is_role);
            return match (sound, account) {
                (false, _) => Err(NotAPrincipal::Role(shown(role))),
                (true, Some(_)) => Err(NotAPrincipal::TwoAccounts),
                (true, None) => Ok(Self(role.to_owned())),
            };
        }
        if !is_role(role) {
            return Err(NotAPrincipal::Role(shown(role)));
        }
        let account = account.ok_or_else(|| NotAPrincipal::NoAccount(role.to_owned()))?;
        if !is_account(account) {
            return Err(NotAPrincipal::Account(shown(account)));
        }
        Ok(Self(format!("arn:aws:iam::{account}:role/{role}")))
    }
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A name with its path: no part is empty.
fn is_role(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"+=,.@_-".contains(&byte);
    text.len() <= ROLE_MAX && text.split('/').all(|part| !part.is_empty() && part.bytes().all(letter))
}

/// The statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct KmsStatement {
    sid: &'static str,
    effect: &'static str,
    principal: PrincipalJson,
    action: [&'static str; 4],
    resource: &'static str,
    condition: KmsCondition,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct PrincipalJson {
    #[serde(rename = "AWS")]
    aws: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
struct KmsCondition {
    string_equals_ignore_case: BTreeMap<String, String>,
}

impl KmsStatement {
    /// Allows the role the use of the key where the attestation document has these registers. Those that are not predicted
    /// are left out.
    pub fn new(principal: &Principal, registers: &Registers, pcrs: &[u8]) -> Self {
        let named = registers.iter().filter(|(number, _)| pcrs.contains(number));
        let values = named.map(|(number, value)| {
            (format!("kms:RecipientAttestation:NitroTPMPCR{number}"), value.hex(Bank::Sha384))
        });
        Self {
            sid: "AllowOnlyThisImage",
            effect: "Allow",
            principal: PrincipalJson { aws: principal.0.clone() },
            action: ACTIONS,
            resource: "*",
            condition: KmsCondition { string_equals_ignore_case: values.collect() },
        }
    }

    /// The text, ending in a line break.
    pub fn text(&self) -> String {
        // Plain maps of strings cannot fail to become JSON.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }
}

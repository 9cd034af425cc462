//! Launch permissions of an AMI: accounts, organisations, organisational units, public.

use serde::{Deserialize, Serialize};

use super::{Audience, AwsPartition, RequestMistake};
use crate::api::ec2::Grantee;

/// Maximum number of launch permissions of an AMI.
const MAX_GRANTEES: usize = 1_000;

/// Launch permissions of an AMI.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The grantees, sorted.
    pub with: Vec<Grantee>,
    /// Whether the accounts among them may use the snapshots.
    pub snapshots: SnapshotSharing,
}

/// Whether snapshots are shared with their AMI.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotSharing {
    /// They are not shared: other accounts can launch the AMI, but not copy it.
    #[default]
    Kept,
    /// They are shared.
    Shared,
}

impl Share {
    /// The accounts among the grantees.
    pub fn accounts(&self) -> Vec<String> {
        let account = |who: &Grantee| match who {
            Grantee::Account(account) => Some(account.clone()),
            _ => None,
        };
        self.with.iter().filter_map(account).collect()
    }

    /// Whether the AMI is public.
    pub fn is_public(&self) -> bool {
        self.with.contains(&Grantee::Everybody)
    }
}

/// Validates `--share`, `--public` and `--share-snapshots`.
pub(super) fn check(
    with: &[String],
    audience: Audience,
    snapshots: SnapshotSharing,
    partition: AwsPartition,
    mistakes: &mut Vec<RequestMistake>,
) -> Share {
    let mut refuse =
        |option, problem: String, remedy: &str| mistakes.push(RequestMistake::new(option, problem, remedy));
    let mut share = Share { with: Vec::new(), snapshots };
    for who in with {
        match grantee(who) {
            Some((_, Some(other))) if other != partition => {
                let problem =
                    format!("`{who}` is of the partition `{other}`, and the region is of `{partition}`");
                refuse("--share", problem, "share within one partition");
            }
            Some((grantee, _)) => share.with.push(grantee),
            None => {
                let problem = format!("`{who}` is neither an account nor an organisation");
                refuse(
                    "--share",
                    problem,
                    "write 12 digits, `arn:aws:organizations::…:organization/o-…` or `arn:aws:organizations::…:ou/o-…/ou-…`; \
                     everybody is `--public`",
                );
            }
        }
    }
    if audience == Audience::Public {
        share.with.push(Grantee::Everybody);
    }
    share.with.sort();
    share.with.dedup();
    if share.with.len() > MAX_GRANTEES {
        let problem = format!("these are {}, and {MAX_GRANTEES} are the most for one AMI", share.with.len());
        refuse("--share", problem, "share with an organisation instead");
    }
    if snapshots == SnapshotSharing::Shared && share.accounts().is_empty() {
        refuse(
            "--share-snapshots",
            "snapshots can be shared with accounts only, and none is named".to_owned(),
            "name them with `--share`",
        );
    }
    share
}

/// Parses a grantee: an account, or the ARN of an organisation or of an organisational unit. Also returns the
/// partition of an ARN.
pub fn grantee(text: &str) -> Option<(Grantee, Option<&str>)> {
    if is_account(text) {
        return Some((Grantee::Account(text.to_owned()), None));
    }
    let parts: Vec<_> = text.splitn(6, ':').collect();
    let ["arn", partition, "organizations", "", account, resource] = parts[..] else { return None };
    let id = |text: &str, prefix: &str| {
        text.strip_prefix(prefix).is_some_and(|rest| {
            !rest.is_empty()
                && rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        })
    };
    let grantee = match resource.split('/').collect::<Vec<_>>()[..] {
        ["organization", organization] if id(organization, "o-") => Grantee::Organization(text.to_owned()),
        ["ou", organization, unit] if id(organization, "o-") && id(unit, "ou-") => {
            Grantee::OrganizationalUnit(text.to_owned())
        }
        _ => return None,
    };
    (is_account(account) && partition.starts_with("aws")).then_some((grantee, Some(partition)))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

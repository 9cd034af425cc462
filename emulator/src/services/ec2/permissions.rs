//! Changes of the grants of an image or a snapshot: accounts, everybody, organizations and organizational
//! units.

use super::errors::Ec2Error;
use super::params::Params;
use crate::services::xml::Xml;
use crate::state::sharing::{Grants, SharedWith};

/// The change of a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct PermissionChange {
    /// The grantees to add.
    pub(crate) add: Vec<SharedWith>,
    /// The grantees to remove.
    pub(crate) remove: Vec<SharedWith>,
}

/// The allowed kinds of grantees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShareScope {
    /// Accounts and everybody: for snapshots.
    Accounts,
    /// Organizations and organizational units too: for images.
    Organizations,
}

impl Grants {
    /// Applies a change.
    pub(crate) fn apply(&mut self, change: &PermissionChange) {
        self.0.extend(change.add.iter().cloned());
        for grantee in &change.remove {
            self.0.remove(grantee);
        }
    }

    /// Writes the grants as a list with this name.
    pub(crate) fn write_xml(&self, xml: &mut Xml, list: &str) {
        xml.items(list, &self.0, |xml, grantee| match grantee {
            SharedWith::Everybody => xml.value("group", "all"),
            SharedWith::Account(id) => xml.value("userId", id),
            SharedWith::Organization(arn) => xml.value("organizationArn", arn),
            SharedWith::Unit(arn) => xml.value("organizationalUnitArn", arn),
        });
    }
}

impl PermissionChange {
    /// Parses `Add.n` and `Remove.n` of a structure.
    pub(crate) fn read(params: &Params<'_>, scope: ShareScope) -> Result<Self, Ec2Error> {
        let side = |name: &str| {
            let entries = params.list(name);
            entries.iter().map(|entry| one(entry, scope)).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self { add: side("Add")?, remove: side("Remove")? })
    }

    /// Parses the flat form: `OperationType` with lists of accounts, groups and ARNs.
    pub(crate) fn read_flat(params: &Params<'_>, scope: ShareScope) -> Result<Option<Self>, Ec2Error> {
        let mut all = Vec::new();
        for id in params.text_list("UserId") {
            all.push(account(id)?);
        }
        for group in params.text_list("UserGroup") {
            all.push(everybody(group)?);
        }
        if scope == ShareScope::Organizations {
            for arn in params.text_list("OrganizationArn") {
                all.push(organization(arn)?);
            }
            for arn in params.text_list("OrganizationalUnitArn") {
                all.push(unit(arn)?);
            }
        }
        let operation = params.one_of("OperationType", &["add", "remove"])?;
        match (operation, all.is_empty()) {
            (None, true) => Ok(None),
            (None, false) => Err(Ec2Error::missing("operationType")),
            (Some(_), true) => {
                Err(Ec2Error::missing("userId, userGroup, organizationArn or organizationalUnitArn"))
            }
            (Some("add"), false) => Ok(Some(Self { add: all, remove: Vec::new() })),
            (Some(_), false) => Ok(Some(Self { add: Vec::new(), remove: all })),
        }
    }

    /// The number of additions and removals.
    pub(crate) fn len(&self) -> usize {
        self.add.len() + self.remove.len()
    }

    /// Whether the change makes the resource public.
    pub(crate) fn publishes(&self) -> bool {
        self.add.contains(&SharedWith::Everybody)
    }
}

fn one(entry: &Params<'_>, scope: ShareScope) -> Result<SharedWith, Ec2Error> {
    let mut grantees = Vec::new();
    if let Some(id) = entry.text("UserId") {
        grantees.push(account(id)?);
    }
    if let Some(group) = entry.text("Group") {
        grantees.push(everybody(group)?);
    }
    if scope == ShareScope::Organizations {
        if let Some(arn) = entry.text("OrganizationArn") {
            grantees.push(organization(arn)?);
        }
        if let Some(arn) = entry.text("OrganizationalUnitArn") {
            grantees.push(unit(arn)?);
        }
    }
    match grantees.len() {
        1 => Ok(grantees.remove(0)),
        0 => Err(Ec2Error::missing("userId, group, organizationArn or organizationalUnitArn")),
        _ => Err(Ec2Error::combination(
            "A permission may be of one account, group, organization or unit only.",
        )),
    }
}

fn item(value: &str, kind: &str) -> Ec2Error {
    let message = format!("Invalid attribute item value \"{value}\" for {kind} item type.");
    Ec2Error::new("InvalidAMIAttributeItemValue", message)
}

fn account(id: &str) -> Result<SharedWith, Ec2Error> {
    // Only the console writes account ids in three groups.
    let valid = id.len() == 12 && id.bytes().all(|digit| digit.is_ascii_digit());
    if valid { Ok(SharedWith::Account(id.to_owned())) } else { Err(item(id, "userId")) }
}

fn everybody(group: &str) -> Result<SharedWith, Ec2Error> {
    if group == "all" { Ok(SharedWith::Everybody) } else { Err(item(group, "userGroup")) }
}

fn organization(arn: &str) -> Result<SharedWith, Ec2Error> {
    let valid = organizations_part(arn).and_then(|part| part.strip_prefix("organization/o-"));
    let valid = valid.is_some_and(is_id);
    if valid { Ok(SharedWith::Organization(arn.to_owned())) } else { Err(item(arn, "organizationArn")) }
}

fn unit(arn: &str) -> Result<SharedWith, Ec2Error> {
    let valid = organizations_part(arn).and_then(|part| part.strip_prefix("ou/o-"));
    let valid = valid.and_then(|part| part.split_once("/ou-"));
    let valid = valid.is_some_and(|(organization, unit)| {
        let unit = unit.split_once('-');
        is_id(organization) && unit.is_some_and(|(root, own)| is_id(root) && is_id(own))
    });
    if valid { Ok(SharedWith::Unit(arn.to_owned())) } else { Err(item(arn, "organizationalUnitArn")) }
}

/// The part of an ARN after `arn:PARTITION:organizations::ACCOUNT:`.
fn organizations_part(arn: &str) -> Option<&str> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match parts.as_slice() {
        ["arn", partition, "organizations", "", owner, rest] => {
            let known = partition.starts_with("aws");
            let digits = owner.len() == 12 && owner.bytes().all(|digit| digit.is_ascii_digit());
            (known && digits).then_some(*rest)
        }
        _ => None,
    }
}

fn is_id(id: &str) -> bool {
    !id.is_empty() && id.bytes().all(|one| one.is_ascii_lowercase() || one.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::super::params::ParamNode;
    use super::*;

    fn flat(text: &str) -> Result<Option<PermissionChange>, Ec2Error> {
        let node = ParamNode::read(form_urlencoded::parse(text.as_bytes())).unwrap();
        PermissionChange::read_flat(&node.params(), ShareScope::Organizations)
    }

    #[test]
    fn grantees_are_checked_by_kind() {
        for (text, valid) in [
            ("UserId.1=123456789012", true),
            ("UserId.1=123%20", false),
            ("UserId.1=12345678901x", false),
            ("UserGroup.1=all", true),
            ("UserGroup.1=some", false),
            ("OrganizationArn.1=arn:aws:organizations::123456789012:organization/o-123example", true),
            ("OrganizationArn.1=o-123example", false),
            (
                "OrganizationalUnitArn.1=arn:aws:organizations::123456789012:ou/o-123example/ou-1234-5example",
                true,
            ),
            ("OrganizationalUnitArn.1=arn:aws:organizations::123456789012:ou/ou-1234-5example", false),
        ] {
            let read = flat(&format!("OperationType=add&{text}"));
            match read {
                Ok(change) => assert!(valid && change.unwrap().add.len() == 1, "{text}"),
                Err(error) => {
                    assert!(!valid && error.code == "InvalidAMIAttributeItemValue", "{text}: {error}");
                }
            }
        }
    }

    #[test]
    fn the_flat_form_needs_both_halves() {
        assert_eq!(flat("UserId.1=123456789012").unwrap_err().code, "MissingParameter");
        assert_eq!(flat("OperationType=add").unwrap_err().code, "MissingParameter");
        assert_eq!(flat("OperationType=grow&UserGroup.1=all").unwrap_err().code, "InvalidParameterValue");
        assert_eq!(flat("").unwrap(), None);
    }

    #[test]
    fn the_captured_message_of_a_bad_account() {
        let error = flat("OperationType=add&UserId.1=123%20").unwrap_err();
        assert_eq!(error.message, "Invalid attribute item value \"123 \" for userId item type.");
    }
}

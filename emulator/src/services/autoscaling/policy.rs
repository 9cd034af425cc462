//! Mixed instances policies: stored as sent, checked for names and types, and written back under the same names.
//!
//! The members are listed in `policy_fields.txt`, one per line: the path (without list indexes), the kind, and for
//! lists the name of an entry. They are those of botocore's model of `MixedInstancesPolicy`.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::errors::GroupError;
use crate::services::ec2::Params;
use crate::services::xml::Xml;
use crate::state::template::{TemplateMembers, TemplateValue};

const FIELDS: &str = include_str!("policy_fields.txt");

/// The kind of a member and the name of a list's entries.
type PolicyField = (&'static str, &'static str);

fn fields() -> &'static BTreeMap<&'static str, PolicyField> {
    static TABLE: OnceLock<BTreeMap<&'static str, PolicyField>> = OnceLock::new();
    TABLE.get_or_init(|| {
        let field = |line: &'static str| {
            let mut columns = line.split(' ');
            Some((columns.next()?, (columns.next()?, columns.next().unwrap_or("member"))))
        };
        FIELDS.lines().filter_map(field).collect()
    })
}

/// Parses a policy.
pub(crate) fn read(params: &Params<'_>) -> Result<TemplateMembers, GroupError> {
    read_members(params, "")
}

fn read_members(params: &Params<'_>, path: &str) -> Result<TemplateMembers, GroupError> {
    let mut members = TemplateMembers::new();
    for (name, member) in params.members() {
        let path = join(path, name);
        let Some((kind, item)) = fields().get(path.as_str()) else {
            return Err(GroupError::validation(format!("The parameter {} is not recognized", member.path())));
        };
        let value = match *kind {
            "structure" => TemplateValue::Members(read_members(&member, &path)?),
            "list" => {
                let entries = member.list(item);
                let entries =
                    entries.iter().map(|entry| read_members(entry, &path).map(TemplateValue::Members));
                TemplateValue::List(entries.collect::<Result<_, _>>()?)
            }
            "text_list" => {
                let texts = member.text_list(item).into_iter();
                TemplateValue::List(texts.map(|text| TemplateValue::Text(text.to_owned())).collect())
            }
            kind => TemplateValue::Text(read_text(&member, kind)?),
        };
        members.insert(name.to_owned(), value);
    }
    Ok(members)
}

fn read_text(member: &Params<'_>, kind: &str) -> Result<String, GroupError> {
    let text = member.own_text().unwrap_or_default();
    let valid = match kind {
        "boolean" => matches!(text, "true" | "false"),
        "integer" => text.parse::<i64>().is_ok(),
        "decimal" => text.parse::<f64>().is_ok_and(f64::is_finite),
        _ => true,
    };
    if valid {
        return Ok(text.to_owned());
    }
    Err(GroupError::validation(format!("{} is {text}: it has the wrong type", member.path())))
}

/// Writes a policy.
pub(crate) fn write_xml(xml: &mut Xml, policy: &TemplateMembers) {
    write_members(xml, policy, "");
}

fn write_members(xml: &mut Xml, members: &TemplateMembers, path: &str) {
    for (name, value) in members {
        let path = join(path, name);
        match value {
            TemplateValue::Text(text) => xml.value(name, text),
            TemplateValue::Members(members) => xml.element(name, |xml| write_members(xml, members, &path)),
            TemplateValue::List(entries) => {
                let item = fields().get(path.as_str()).map_or("member", |(_, item)| item);
                xml.element(name, |xml| {
                    for entry in entries {
                        match entry {
                            TemplateValue::Text(text) => xml.value(item, text),
                            TemplateValue::Members(members) => {
                                xml.element(item, |xml| write_members(xml, members, &path));
                            }
                            // There are no lists of lists.
                            TemplateValue::List(_) => {}
                        }
                    }
                });
            }
        }
    }
}

/// The structure at a path of members.
pub(crate) fn structure<'m>(members: &'m TemplateMembers, path: &[&str]) -> Option<&'m TemplateMembers> {
    path.iter().try_fold(members, |members, name| match members.get(*name) {
        Some(TemplateValue::Members(members)) => Some(members),
        _ => None,
    })
}

/// The structure at a path of members, for changes.
pub(crate) fn structure_mut<'m>(
    members: &'m mut TemplateMembers,
    path: &[&str],
) -> Option<&'m mut TemplateMembers> {
    path.iter().try_fold(members, |members, name| match members.get_mut(*name) {
        Some(TemplateValue::Members(members)) => Some(members),
        _ => None,
    })
}

/// The string of a member.
pub(crate) fn text<'m>(members: &'m TemplateMembers, name: &str) -> Option<&'m str> {
    match members.get(name) {
        Some(TemplateValue::Text(text)) => Some(text),
        _ => None,
    }
}

/// The overrides of a policy.
pub(crate) fn overrides(policy: &TemplateMembers) -> Vec<&TemplateMembers> {
    let Some(TemplateValue::List(entries)) =
        structure(policy, &["LaunchTemplate"]).and_then(|template| template.get("Overrides"))
    else {
        return Vec::new();
    };
    entries.iter().filter_map(members_of).collect()
}

/// The members of a structure.
fn members_of(entry: &TemplateValue) -> Option<&TemplateMembers> {
    match entry {
        TemplateValue::Members(members) => Some(members),
        TemplateValue::Text(_) | TemplateValue::List(_) => None,
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

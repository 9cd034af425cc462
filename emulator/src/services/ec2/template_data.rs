//! Launch template data: stored as sent, checked for names and types, and written with the names of the
//! response.
//!
//! The members are listed in `template_data_fields.txt`, one per line: the path in the request (without list
//! indexes), the kind, and for lists the name in the response, followed by the name of an entry if it is not
//! `item`. The response name of any other member is its request name with a lower-case first letter.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::errors::Ec2Error;
use super::params::Params;
use crate::clock::Timestamp;
use crate::services::xml::Xml;
use crate::state::template::{TemplateMembers, TemplateValue};

const FIELDS: &str = include_str!("template_data_fields.txt");

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MemberKind {
    Structure,
    List,
    TextList,
    Text,
    Boolean,
    Integer,
    Decimal,
    Time,
}

/// A row of the member table.
#[derive(Debug)]
struct TemplateMember {
    kind: MemberKind,
    list: Option<(&'static str, &'static str)>,
}

fn fields() -> &'static BTreeMap<&'static str, TemplateMember> {
    static TABLE: OnceLock<BTreeMap<&'static str, TemplateMember>> = OnceLock::new();
    TABLE.get_or_init(|| FIELDS.lines().filter_map(field_of).collect())
}

fn field_of(line: &'static str) -> Option<(&'static str, TemplateMember)> {
    let mut columns = line.split(' ');
    let (path, kind) = (columns.next()?, columns.next()?);
    let kind = match kind {
        "structure" => MemberKind::Structure,
        "list" => MemberKind::List,
        "text_list" => MemberKind::TextList,
        "boolean" => MemberKind::Boolean,
        "integer" => MemberKind::Integer,
        "decimal" => MemberKind::Decimal,
        "time" => MemberKind::Time,
        _ => MemberKind::Text,
    };
    let list = columns.next().map(|name| name.split_once('/').unwrap_or((name, "item")));
    Some((path, TemplateMember { kind, list }))
}

/// Parses the structure `LaunchTemplateData`.
pub(crate) fn read(params: &Params<'_>) -> Result<TemplateMembers, Ec2Error> {
    read_members(params, "")
}

/// Parses the members of a request whose other parameters have the names of launch template data; `others` are parsed
/// by the caller.
pub(crate) fn read_except(params: &Params<'_>, others: &[&str]) -> Result<TemplateMembers, Ec2Error> {
    read_chosen(params, "", |name| !others.contains(&name))
}

fn read_members(params: &Params<'_>, path: &str) -> Result<TemplateMembers, Ec2Error> {
    read_chosen(params, path, |_| true)
}

fn read_chosen(
    params: &Params<'_>,
    path: &str,
    chosen: impl Fn(&str) -> bool,
) -> Result<TemplateMembers, Ec2Error> {
    let mut members = TemplateMembers::new();
    for (name, member) in params.members().into_iter().filter(|(name, _)| chosen(name)) {
        let path = join(path, name);
        let field = fields().get(path.as_str()).ok_or_else(|| Ec2Error::unknown(member.path()))?;
        let value = match field.kind {
            MemberKind::Structure => TemplateValue::Members(read_members(&member, &path)?),
            MemberKind::List => {
                let entries = params.list(name);
                let entries =
                    entries.iter().map(|entry| read_members(entry, &path).map(TemplateValue::Members));
                TemplateValue::List(entries.collect::<Result<_, _>>()?)
            }
            MemberKind::TextList => {
                let texts = params.text_list(name);
                TemplateValue::List(
                    texts.into_iter().map(|text| TemplateValue::Text(text.to_owned())).collect(),
                )
            }
            kind => TemplateValue::Text(read_text(&member, kind)?),
        };
        members.insert(name.to_owned(), value);
    }
    Ok(members)
}

fn read_text(member: &Params<'_>, kind: MemberKind) -> Result<String, Ec2Error> {
    let text = member.own_text().ok_or_else(|| Ec2Error::unknown(member.path()))?;
    let valid = match kind {
        MemberKind::Boolean => matches!(text, "true" | "false"),
        MemberKind::Integer => text.parse::<i64>().is_ok(),
        MemberKind::Decimal => text.parse::<f64>().is_ok_and(f64::is_finite),
        MemberKind::Time => Timestamp::parse(text).is_some(),
        MemberKind::Structure | MemberKind::List | MemberKind::TextList | MemberKind::Text => true,
    };
    if valid {
        Ok(text.to_owned())
    } else {
        Err(Ec2Error::value(member.path(), text, "It has the wrong type."))
    }
}

/// Writes members with the names of the response.
pub(crate) fn write_xml(xml: &mut Xml, members: &TemplateMembers) {
    write_members(xml, members, "");
}

fn write_members(xml: &mut Xml, members: &TemplateMembers, path: &str) {
    for (name, value) in members {
        let path = join(path, name);
        let list = fields().get(path.as_str()).and_then(|field| field.list);
        match (value, list) {
            (TemplateValue::Text(text), _) => xml.value(&lower_first(name), text),
            (TemplateValue::Members(members), _) => {
                xml.element(&lower_first(name), |xml| write_members(xml, members, &path));
            }
            (TemplateValue::List(entries), list) => {
                let (set, item) = list.unwrap_or(("", "item"));
                xml.element(set, |xml| entries.iter().for_each(|entry| write_entry(xml, item, entry, &path)));
            }
        }
    }
}

fn write_entry(xml: &mut Xml, item: &str, entry: &TemplateValue, path: &str) {
    match entry {
        TemplateValue::Text(text) => xml.value(item, text),
        TemplateValue::Members(members) => xml.element(item, |xml| write_members(xml, members, path)),
        // There are no lists of lists.
        TemplateValue::List(_) => {}
    }
}

/// The string at a path of members.
pub(crate) fn text<'m>(members: &'m TemplateMembers, path: &[&str]) -> Option<&'m str> {
    let (first, rest) = path.split_first()?;
    match (members.get(*first)?, rest) {
        (TemplateValue::Text(text), []) => Some(text),
        (TemplateValue::Members(members), rest) => text_of(members, rest),
        _ => None,
    }
}

fn text_of<'m>(members: &'m TemplateMembers, path: &[&str]) -> Option<&'m str> {
    if path.is_empty() { None } else { text(members, path) }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// A name with a lower-case first letter.
fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::params::ParamNode;
    use super::*;

    fn members_of(text: &str) -> Result<TemplateMembers, Ec2Error> {
        let node = ParamNode::read(form_urlencoded::parse(text.as_bytes())).unwrap();
        let read = read(&node.params())?;
        node.check_all_read()?;
        Ok(read)
    }

    #[test]
    fn members_are_shown_in_the_names_of_the_response() {
        let read = members_of(
            "ImageId=ami-1&BlockDeviceMapping.1.Ebs.VolumeSize=8&NetworkInterface.1.SecurityGroupId.1=sg-1&\
             TagSpecification.1.Tag.1.Key=k&MetadataOptions.HttpTokens=required",
        );
        let text = Xml::document("D", "urn:x", |xml| write_xml(xml, &read.unwrap()));
        let expected = "<blockDeviceMappingSet><item><ebs><volumeSize>8</volumeSize></ebs></item></blockDeviceMappingSet>\
             <imageId>ami-1</imageId><metadataOptions><httpTokens>required</httpTokens></metadataOptions>\
             <networkInterfaceSet><item><groupSet><groupId>sg-1</groupId></groupSet></item></networkInterfaceSet>\
             <tagSpecificationSet><item><tagSet><item><key>k</key></item></tagSet></item></tagSpecificationSet>";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn the_debug_form_that_is_stored_with_a_token_is_stable() {
        let members =
            members_of("ImageId=ami-1&SecurityGroupId.1=sg-1&MetadataOptions.HttpTokens=required").unwrap();
        let expected = "{\"ImageId\": Text(\"ami-1\"), \"MetadataOptions\": Members({\"HttpTokens\": Text(\"required\")}), \
                        \"SecurityGroupId\": List([Text(\"sg-1\")])}";
        assert_eq!(format!("{members:?}"), expected);
    }

    #[test]
    fn unknown_names_and_wrong_types_are_refused() {
        assert_eq!(members_of("Colour=red").unwrap_err().code, "UnknownParameter");
        assert_eq!(members_of("EbsOptimized=perhaps").unwrap_err().code, "InvalidParameterValue");
        assert_eq!(
            members_of("BlockDeviceMapping.1.Ebs.VolumeSize=big").unwrap_err().code,
            "InvalidParameterValue"
        );
    }
}

//! Tags: parsed from requests, checked as AWS does, and written to responses. Knows no resource.

use std::collections::BTreeMap;

use super::errors::Ec2Error;
use super::params::Params;
use crate::services::xml::Xml;

/// The maximum number of tags of a resource.
const MAX_TAGS: usize = 50;
/// The maximum number of characters in a key.
const MAX_KEY: usize = 127;
/// The maximum number of characters in a value.
const MAX_VALUE: usize = 255;

/// Values by key; keys are case-sensitive, values may be empty.
pub(crate) type Tags = BTreeMap<String, String>;

/// Parses a list of tags, such as `Tag.n.Key` and `Tag.n.Value`.
pub(crate) fn read(params: &Params<'_>, list: &str) -> Result<Tags, Ec2Error> {
    let mut tags = Tags::new();
    for entry in params.list(list) {
        let key = entry.text("Key").ok_or_else(|| Ec2Error::missing(&format!("{}.Key", entry.path())))?;
        let value = entry.text("Value").unwrap_or_default();
        check(key, value)?;
        if tags.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(Ec2Error::new("InvalidParameterValue", format!("Duplicate tag keys found: {key}")));
        }
    }
    Ok(tags)
}

/// Parses `TagSpecification.n` and returns the tags for each of the allowed resource types.
pub(crate) fn read_specifications(
    params: &Params<'_>,
    kinds: &[&'static str],
) -> Result<Vec<(&'static str, Tags)>, Ec2Error> {
    let mut by_kind: Vec<(&'static str, Tags)> = Vec::new();
    for entry in params.list("TagSpecification") {
        let Some(kind) = entry.non_empty("ResourceType") else {
            let message = "Tag specification resource type must have a value";
            return Err(Ec2Error::new("InvalidParameterValue", message));
        };
        let Some(kind) = kinds.iter().find(|known| **known == kind) else {
            let message = format!("'{kind}' is not a valid taggable resource type for this operation.");
            return Err(Ec2Error::new("InvalidParameterValue", message));
        };
        if by_kind.iter().any(|(other, _)| other == kind) {
            let message = format!("The same resource type may not be specified more than once: {kind}");
            return Err(Ec2Error::new("InvalidParameterValue", message));
        }
        let tags = read(&entry, "Tag")?;
        if tags.is_empty() {
            let message = "Tag specification must have at least one tag";
            return Err(Ec2Error::new("InvalidParameterValue", message));
        }
        if tags.len() > MAX_TAGS {
            return Err(too_many());
        }
        by_kind.push((kind, tags));
    }
    Ok(by_kind)
}

/// The tags for one resource type in the result of [`read_specifications`].
pub(crate) fn of_kind(specifications: &[(&'static str, Tags)], kind: &str) -> Tags {
    let specification = specifications.iter().find(|(other, _)| *other == kind);
    specification.map(|(_, tags)| tags.clone()).unwrap_or_default()
}

/// Adds tags to a resource; an existing key gets the new value.
pub(crate) fn merge(current: &mut Tags, tags: &Tags) -> Result<(), Ec2Error> {
    let added = tags.keys().filter(|key| !current.contains_key(*key)).count();
    if current.len() + added > MAX_TAGS {
        return Err(too_many());
    }
    current.extend(tags.iter().map(|(key, value)| (key.clone(), value.clone())));
    Ok(())
}

/// Writes tags as `tagSet`, which is omitted if there are none.
pub(crate) fn write_xml(xml: &mut Xml, tags: &Tags) {
    if tags.is_empty() {
        return;
    }
    xml.items("tagSet", tags, |xml, (key, value)| {
        xml.value("key", key);
        xml.value("value", value);
    });
}

/// Checks a tag.
fn check(key: &str, value: &str) -> Result<(), Ec2Error> {
    let wrong = |message: String| Err(Ec2Error::new("InvalidParameterValue", message));
    if key.to_ascii_lowercase().starts_with("aws:") {
        let reserved = "Tag keys starting with 'aws:' are reserved for internal use";
        return wrong(format!("{reserved}: value ( {key} ) for parameter key is invalid."));
    }
    if key.is_empty() {
        return wrong("Tag key cannot be empty.".to_owned());
    }
    if key.chars().count() > MAX_KEY {
        return wrong(format!("Tag key exceeds the maximum length of {MAX_KEY} characters"));
    }
    if value.chars().count() > MAX_VALUE {
        return wrong(format!("Tag value exceeds the maximum length of {MAX_VALUE} characters"));
    }
    Ok(())
}

fn too_many() -> Ec2Error {
    Ec2Error::new(
        "TagLimitExceeded",
        format!("The maximum number of Tags for a resource has been reached: {MAX_TAGS}"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::params::ParamNode;
    use super::*;

    fn code(text: &str) -> String {
        let node = ParamNode::read(form_urlencoded::parse(text.as_bytes())).unwrap();
        read(&node.params(), "Tag").map_or_else(|error| error.code, |_| "ok".to_owned())
    }

    #[test]
    fn reserved_and_too_long_tags_are_refused() {
        for (text, expected) in [
            ("Tag.1.Key=a&Tag.1.Value=".to_owned(), "ok"),
            ("Tag.1.Value=a".to_owned(), "MissingParameter"),
            ("Tag.1.Key=aws:x&Tag.1.Value=".to_owned(), "InvalidParameterValue"),
            ("Tag.1.Key=&Tag.1.Value=".to_owned(), "InvalidParameterValue"),
            (format!("Tag.1.Key={}", "k".repeat(127)), "ok"),
            (format!("Tag.1.Key={}", "k".repeat(128)), "InvalidParameterValue"),
            (format!("Tag.1.Key=k&Tag.1.Value={}", "v".repeat(256)), "InvalidParameterValue"),
            ("Tag.1.Key=a&Tag.2.Key=a".to_owned(), "InvalidParameterValue"),
        ] {
            assert_eq!(code(&text), expected, "{text}");
        }
    }

    #[test]
    fn the_fifty_first_tag_is_refused_and_a_new_value_is_not() {
        let tags = |key: &str, value: &str| Tags::from([(key.to_owned(), value.to_owned())]);
        let mut current: Tags = (0..50).map(|number| (number.to_string(), "v".to_owned())).collect();
        let error = merge(&mut current, &tags("more", "v")).unwrap_err();
        assert_eq!(error.code, "TagLimitExceeded");
        merge(&mut current, &tags("7", "new")).unwrap();
        assert_eq!(current["7"], "new");
    }
}

//! Tags of groups: `CreateOrUpdateTags`, `DeleteTags` and `DescribeTags`.

use std::collections::BTreeMap;

use super::advance::store_changed;
use super::call::{GroupCall, members, required, text_members, write_members};
use super::errors::GroupError;
use crate::services::ec2::Params;
use crate::services::xml::Xml;
use crate::state::group::{GroupRecord, GroupTag};

/// The maximum number of tags of a group ("Tag Auto Scaling groups and instances").
const MAX_TAGS: usize = 50;
/// The maximum number of tags in a page.
const MAX_PAGE: usize = 100;

/// A tag of a request, with the group that it is for.
struct TagInput<'q> {
    group: Option<&'q str>,
    key: &'q str,
    value: Option<&'q str>,
    propagate: bool,
}

fn read_one<'q>(entry: &Params<'q>) -> Result<TagInput<'q>, GroupError> {
    let key = required(entry, "Key")?;
    let value = entry.text("Value");
    let kind = entry.non_empty("ResourceType");
    if kind.is_some_and(|kind| kind != "auto-scaling-group") {
        return Err(GroupError::validation("The only ResourceType of a tag is auto-scaling-group"));
    }
    if key.to_ascii_lowercase().starts_with("aws:") {
        return Err(GroupError::validation("Tag keys starting with 'aws:' are reserved for internal use"));
    }
    if key.chars().count() > 128 || value.is_some_and(|value| value.chars().count() > 256) {
        return Err(GroupError::validation(
            "A tag has a key of at most 128 characters and a value of at most 256",
        ));
    }
    let propagate = entry.boolean("PropagateAtLaunch")?.unwrap_or(false);
    Ok(TagInput { group: entry.non_empty("ResourceId"), key, value, propagate })
}

/// Reads the tags of a new group.
pub(super) fn read_own(params: &Params<'_>, group: &str) -> Result<BTreeMap<String, GroupTag>, GroupError> {
    let mut tags = BTreeMap::new();
    for entry in members(params, "Tags") {
        let tag = read_one(&entry)?;
        if tag.group.is_some_and(|name| name != group) {
            return Err(GroupError::validation("The ResourceId of a tag must be the name of the group"));
        }
        tags.insert(tag.key.to_owned(), stored(&tag));
    }
    check_count(&tags)?;
    Ok(tags)
}

fn stored(tag: &TagInput<'_>) -> GroupTag {
    GroupTag { value: tag.value.unwrap_or_default().to_owned(), propagate: tag.propagate }
}

fn check_count(tags: &BTreeMap<String, GroupTag>) -> Result<(), GroupError> {
    if tags.len() > MAX_TAGS {
        return Err(GroupError::new("LimitExceeded", format!("A group may have at most {MAX_TAGS} tags")));
    }
    Ok(())
}

/// `CreateOrUpdateTags`.
pub(crate) fn create(call: &GroupCall<'_>) -> Result<Option<Xml>, GroupError> {
    change(call, |group, tag| {
        group.tags.insert(tag.key.to_owned(), stored(tag));
        check_count(&group.tags)
    })
}

/// `DeleteTags`: a given value has to match.
pub(crate) fn delete(call: &GroupCall<'_>) -> Result<Option<Xml>, GroupError> {
    change(call, |group, tag| {
        let same = |old: &GroupTag| tag.value.is_none_or(|value| value.is_empty() || value == old.value);
        if group.tags.get(tag.key).is_some_and(same) {
            group.tags.remove(tag.key);
        }
        Ok(())
    })
}

/// Changes the tags of all groups of a request, or of none.
fn change(
    call: &GroupCall<'_>,
    change: impl Fn(&mut GroupRecord, &TagInput<'_>) -> Result<(), GroupError>,
) -> Result<Option<Xml>, GroupError> {
    let _guard = call.lock_region();
    let entries = members(&call.params(), "Tags");
    if entries.is_empty() {
        required(&call.params(), "Tags")?;
    }
    let mut changed: BTreeMap<String, GroupRecord> = BTreeMap::new();
    for entry in &entries {
        let tag = read_one(entry)?;
        let name = tag.group.ok_or_else(|| GroupError::validation("A tag needs a ResourceId"))?;
        if !changed.contains_key(name) {
            changed.insert(name.to_owned(), GroupRecord::clone(&*call.group(name)?));
        }
        if let Some(group) = changed.get_mut(name) {
            change(group, &tag)?;
        }
    }
    call.commit()?;
    for group in changed.into_values() {
        store_changed(call, group)?;
    }
    Ok(None)
}

/// `DescribeTags`.
pub(crate) fn describe(call: &GroupCall<'_>) -> Result<Option<Xml>, GroupError> {
    let params = call.params();
    params.boolean("IncludeManagedResources")?;
    let mut filters = Vec::new();
    for entry in members(&params, "Filters") {
        let name = required(&entry, "Name")?;
        if !matches!(name, "auto-scaling-group" | "key" | "propagate-at-launch" | "value") {
            return Err(GroupError::validation(format!("Filter type {name} is not correct.")));
        }
        filters.push((name, text_members(&entry, "Values")));
    }
    let mut rows = Vec::new();
    for group in call.groups() {
        for (key, tag) in &group.tags {
            let field = |name: &str| match name {
                "auto-scaling-group" => group.name.clone(),
                "key" => key.clone(),
                "value" => tag.value.clone(),
                _ => tag.propagate.to_string(),
            };
            if filters.iter().all(|(name, values)| values.contains(&field(name).as_str())) {
                rows.push((group.name.clone(), key.clone(), tag.clone()));
            }
        }
    }
    let (page, next) = call.page(rows, MAX_PAGE, |row| format!("{}\n{}", row.0, row.1))?;
    call.commit()?;
    let mut xml = Xml::new();
    write_members(&mut xml, "Tags", page, |xml, (group, key, tag)| write_tag(xml, &group, &key, &tag));
    xml.optional("NextToken", next);
    Ok(Some(xml))
}

/// Writes a tag.
pub(super) fn write_tag(xml: &mut Xml, group: &str, key: &str, tag: &GroupTag) {
    xml.value("ResourceId", group);
    xml.value("ResourceType", "auto-scaling-group");
    xml.value("Key", key);
    xml.value("Value", &tag.value);
    xml.value("PropagateAtLaunch", tag.propagate);
}

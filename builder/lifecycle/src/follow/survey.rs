//! The fleet as it is: groups and templates that opt in, the versions that they use, what runs, and the groups that do
//! not opt in. Makes no call that changes anything.

use std::collections::{BTreeMap, BTreeSet};

use super::error::FollowError;
use super::region::FollowRegion;
use super::request::{Selection, TagChoice};
use super::source::{self, GroupSelector};
use crate::api::groups::{Group, Groups, LaunchSource, Refresh};
use crate::api::templates::{Instance, InstanceType, Template, TemplateQuery, TemplateVersion, Templates};

/// The most ids or names in one call.
const CHUNK: usize = 100;

/// A launch template with all its versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TemplateState {
    pub(super) template: Template,
    pub(super) versions: Vec<TemplateVersion>,
}

/// The fleet as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fleet {
    /// The groups that opt in: first those that are listed, in their order.
    pub(super) groups: Vec<Group>,
    /// The groups that do not.
    pub(super) bystanders: Vec<Group>,
    /// The templates that the groups use, and those that opt in themselves, by id.
    pub(super) templates: BTreeMap<String, TemplateState>,
    /// The ids of templates that opt in themselves.
    pub(super) listed: Vec<String>,
    /// The refresh that runs, by group.
    pub(super) running: BTreeMap<String, Refresh>,
    /// The instances of the groups by id.
    pub(super) instances: BTreeMap<String, Instance>,
    /// The instance types that the groups launch or run, by name.
    pub(super) types: BTreeMap<String, InstanceType>,
}

impl Fleet {
    /// The names of the groups that opt in.
    pub fn group_names(&self) -> Vec<&str> {
        self.groups.iter().map(|group| group.name.as_str()).collect()
    }

    /// The values that a tag has on the groups that opt in, each once.
    pub fn tag_values(&self, key: &str) -> BTreeSet<String> {
        self.groups.iter().filter_map(|group| group.tags.get(key).cloned()).collect()
    }
}

impl TemplateState {
    /// The number for a selector.
    pub(super) fn number(&self, selector: GroupSelector) -> u64 {
        match selector {
            GroupSelector::Number(number) => number,
            GroupSelector::Default => self.template.default,
            GroupSelector::Latest => self.template.latest,
        }
    }

    /// The version with a number.
    pub(super) fn version(&self, number: u64) -> Option<&TemplateVersion> {
        self.versions.iter().find(|version| version.number == number)
    }
}

/// Reads the fleet.
///
/// # Errors
/// [`FollowError::Call`], [`FollowError::Missing`] if something that is listed does not exist, [`FollowError::NoFollower`]
/// if nothing opts in.
pub async fn survey<G: Groups, T: Templates>(
    region: &FollowRegion<'_, G, T>,
    selection: &Selection,
) -> Result<Fleet, FollowError> {
    let all = region.call("listing the Auto Scaling groups", || region.groups.describe_groups(&[])).await?;
    let mut fleet = Fleet::default();
    choose_groups(&mut fleet, all, selection)?;
    read_templates(region, &mut fleet, selection).await?;
    if fleet.groups.is_empty() && fleet.listed.is_empty() {
        return Err(FollowError::NoFollower { selection: describe(selection) });
    }
    for group in &fleet.groups {
        if let Some(refresh) = active_refresh(region, &group.name).await? {
            fleet.running.insert(group.name.clone(), refresh);
        }
    }
    fleet.instances = read_instances(region, &fleet.groups).await?;
    read_types(region, &mut fleet).await?;
    Ok(fleet)
}

fn describe(selection: &Selection) -> String {
    match &selection.tag {
        Some(TagChoice { key, value: Some(value) }) => format!("the tag `{key}` is `{value}` on none"),
        Some(TagChoice { key, value: None }) => format!("none has the tag `{key}`"),
        None => "none is listed".to_owned(),
    }
}

fn choose_groups(fleet: &mut Fleet, all: Vec<Group>, selection: &Selection) -> Result<(), FollowError> {
    let mut rest: BTreeMap<String, Group> =
        all.into_iter().map(|group| (group.name.clone(), group)).collect();
    for name in &selection.groups {
        if fleet.groups.iter().any(|group| group.name == *name) {
            continue;
        }
        let group = rest.remove(name);
        let group = group.ok_or_else(|| FollowError::Missing { kind: "group", name: name.clone() })?;
        fleet.groups.push(group);
    }
    for (_, group) in rest {
        if selection.tag.as_ref().is_some_and(|tag| tag.matches(&group.tags)) {
            fleet.groups.push(group);
        } else {
            fleet.bystanders.push(group);
        }
    }
    Ok(())
}

/// Reads the templates that the groups use and those that opt in themselves.
async fn read_templates<G: Groups, T: Templates>(
    region: &FollowRegion<'_, G, T>,
    fleet: &mut Fleet,
    selection: &Selection,
) -> Result<(), FollowError> {
    let mut found: Vec<Template> = Vec::new();
    let (ids, names): (Vec<_>, Vec<_>) =
        selection.templates.iter().cloned().partition(|name| name.starts_with("lt-"));
    let mut queries = vec![TemplateQuery::Ids(ids), TemplateQuery::Names(names)];
    if let Some(TagChoice { key, value: Some(value) }) = &selection.tag {
        queries.push(TemplateQuery::Tag(key.clone(), value.clone()));
    }
    for query in queries {
        found.extend(describe_templates(region, query).await?);
    }
    fleet.listed = found.iter().map(|template| template.id.clone()).collect();
    let used: BTreeSet<String> = fleet
        .groups
        .iter()
        .flat_map(|group| source::uses(&group.source))
        .map(|found| found.template.id)
        .filter(|id| !fleet.listed.contains(id))
        .collect();
    let used: Vec<_> = used.into_iter().collect();
    found.extend(describe_templates(region, TemplateQuery::Ids(used)).await?);
    for template in found {
        let id = &template.id;
        let action = format!("listing the versions of {id}");
        let versions = region.call(action, || region.templates.describe_versions(id)).await?;
        fleet.templates.insert(id.clone(), TemplateState { template, versions });
    }
    Ok(())
}

async fn describe_templates<G, T: Templates>(
    region: &FollowRegion<'_, G, T>,
    query: TemplateQuery,
) -> Result<Vec<Template>, FollowError> {
    let named = match &query {
        TemplateQuery::Ids(named) | TemplateQuery::Names(named) => named.clone(),
        TemplateQuery::Tag(..) => Vec::new(),
    };
    if named.is_empty() && !matches!(query, TemplateQuery::Tag(..)) {
        return Ok(Vec::new());
    }
    let action = match named.as_slice() {
        [] => "listing the launch templates".to_owned(),
        named => format!("describing the launch templates {}", named.join(", ")),
    };
    region.call(action, || region.templates.describe_templates(&query)).await
}

/// The refresh of a group that has not ended.
pub(super) async fn active_refresh<G: Groups, T>(
    region: &FollowRegion<'_, G, T>,
    group: &str,
) -> Result<Option<Refresh>, FollowError> {
    let action = format!("listing the instance refreshes of `{group}`");
    let refreshes = region.call(action, || region.groups.describe_refreshes(group)).await?;
    Ok(refreshes.into_iter().next().filter(Refresh::is_active))
}

/// The instances of groups by id.
pub(super) async fn read_instances<G, T: Templates>(
    region: &FollowRegion<'_, G, T>,
    groups: &[Group],
) -> Result<BTreeMap<String, Instance>, FollowError> {
    let ids: Vec<String> =
        groups.iter().flat_map(|group| &group.instances).map(|instance| instance.id.clone()).collect();
    let mut instances = BTreeMap::new();
    for chunk in ids.chunks(CHUNK) {
        let found =
            region.call("describing instances", || region.templates.describe_instances(chunk)).await?;
        instances.extend(found.into_iter().map(|instance| (instance.id.clone(), instance)));
    }
    Ok(instances)
}

/// Reads the instance types that the groups and templates launch.
async fn read_types<G, T: Templates>(
    region: &FollowRegion<'_, G, T>,
    fleet: &mut Fleet,
) -> Result<(), FollowError> {
    let mut names: BTreeSet<String> = BTreeSet::new();
    let add_version = |names: &mut BTreeSet<String>, id: &str, selector: GroupSelector| {
        let state = fleet.templates.get(id);
        let version = state.and_then(|state| state.version(state.number(selector)));
        names.extend(version.and_then(|version| version.instance_type.clone()));
    };
    for group in &fleet.groups {
        for found in source::uses(&group.source) {
            names.extend(found.types.iter().cloned());
            if found.types.is_empty()
                && let Some(selector) = GroupSelector::parse(&found.template.version)
            {
                add_version(&mut names, &found.template.id, selector);
            }
        }
        if let LaunchSource::Policy(_) = &group.source {
            names.extend(
                source::image_overrides(&group.source).into_iter().filter_map(|one| one.instance_type),
            );
        }
    }
    for id in &fleet.listed {
        add_version(&mut names, id, GroupSelector::Default);
    }
    let names: Vec<_> = names.into_iter().collect();
    for chunk in names.chunks(CHUNK) {
        let found = region
            .call("describing instance types", || region.templates.describe_instance_types(chunk))
            .await?;
        fleet.types.extend(found.into_iter().map(|kind| (kind.name.clone(), kind)));
    }
    Ok(())
}

//! `CreateTags`, `DeleteTags` and `DescribeTags`, on images, instances, snapshots and launch templates.

use super::call::Ec2Call;
use super::errors::Ec2Error;
use super::filter::{self, FieldValue};
use super::pagination::{PageLimits, PageRequest};
use super::params::Params;
use super::success::return_true;
use super::tags;
use crate::services::xml::Xml;
use crate::state::tags::Tags;

const LIMITS: PageLimits = PageLimits { min: 5, max: 1000, default: None };

/// The maximum number of resources in a request.
const MAX_RESOURCES: usize = 1000;

const FILTERS: [&str; 4] = ["key", "resource-id", "resource-type", "value"];

/// The resource types that can be tagged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TaggedKind {
    Image,
    Instance,
    Snapshot,
    Template,
}

/// One tag of one resource.
struct TagRow {
    /// The sort key for pagination.
    order: String,
    id: String,
    kind: TaggedKind,
    key: String,
    value: String,
}

impl TaggedKind {
    fn of(id: &str) -> Option<Self> {
        let prefix = id.split_once('-').map(|(prefix, _)| prefix)?;
        match prefix {
            "ami" => Some(Self::Image),
            "i" => Some(Self::Instance),
            "snap" => Some(Self::Snapshot),
            "lt" => Some(Self::Template),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Instance => "instance",
            Self::Snapshot => "snapshot",
            Self::Template => "launch-template",
        }
    }
}

/// `CreateTags`.
pub(crate) fn create(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let params = call.params();
    let resources = read_resources(call, &params)?;
    let tags = tags::read(&params, "Tag")?;
    if tags.is_empty() {
        return Err(Ec2Error::missing("Tag"));
    }
    change(call, &resources, |current| tags::merge(current, &tags))
}

/// `DeleteTags`: a given value has to match; without tags all are deleted.
pub(crate) fn delete(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let params = call.params();
    let resources = read_resources(call, &params)?;
    let mut to_delete: Vec<(&str, Option<&str>)> = Vec::new();
    for entry in params.list("Tag") {
        to_delete.push((entry.required("Key")?, entry.text("Value")));
    }
    change(call, &resources, |current| {
        let is_deleted = |key: &str, value: &str| {
            let selected =
                |(name, with): &(&str, Option<&str>)| *name == key && with.is_none_or(|with| with == value);
            to_delete.is_empty() || to_delete.iter().any(selected)
        };
        // The tags that services set stay.
        current.retain(|key, value| key.starts_with("aws:") || !is_deleted(key, value));
        Ok(())
    })
}

fn read_resources<'q>(
    call: &Ec2Call<'_>,
    params: &Params<'q>,
) -> Result<Vec<(TaggedKind, &'q str)>, Ec2Error> {
    let ids = params.text_list("ResourceId");
    if ids.is_empty() {
        return Err(Ec2Error::missing("ResourceId"));
    }
    if ids.len() > MAX_RESOURCES {
        let message = format!("At most {MAX_RESOURCES} resources may be tagged in one call");
        return Err(Ec2Error::new("InvalidParameterValue", message));
    }
    ids.into_iter().map(|id| Ok((check(call, id)?, id))).collect()
}

/// The type of a resource, which has to exist and belong to the account.
fn check(call: &Ec2Call<'_>, id: &str) -> Result<TaggedKind, Ec2Error> {
    let kind = TaggedKind::of(id)
        .ok_or_else(|| Ec2Error::new("InvalidID", format!("The ID '{id}' is not valid")))?;
    match kind {
        TaggedKind::Image => call.own_image(id).map(|_| ())?,
        TaggedKind::Instance => call.instance(id).map(|_| ())?,
        TaggedKind::Snapshot => call.own_snapshot(id).map(|_| ())?,
        TaggedKind::Template => call.template(id).map(|_| ())?,
    }
    Ok(kind)
}

/// Changes the tags of all resources, or of none.
fn change(
    call: &Ec2Call<'_>,
    resources: &[(TaggedKind, &str)],
    change: impl Fn(&mut Tags) -> Result<(), Ec2Error>,
) -> Result<Xml, Ec2Error> {
    for (kind, id) in resources {
        change(&mut tags_of(call, *kind, id))?;
    }
    call.commit()?;
    for (kind, id) in resources {
        let edited = match kind {
            TaggedKind::Image => call.region.images.edit(id, |image| change(&mut image.tags))?,
            TaggedKind::Instance => call.region.instances.edit(id, |instance| change(&mut instance.tags))?,
            TaggedKind::Snapshot => call.region.snapshots.edit(id, |snapshot| change(&mut snapshot.tags))?,
            TaggedKind::Template => call.region.templates.edit(id, |template| change(&mut template.tags))?,
        };
        edited.ok_or_else(|| Ec2Error::new("InvalidID", format!("The ID '{id}' is not valid")))?;
    }
    Ok(return_true())
}

fn tags_of(call: &Ec2Call<'_>, kind: TaggedKind, id: &str) -> Tags {
    let state = call.region;
    let tags = match kind {
        TaggedKind::Image => state.images.find(id).map(|image| image.tags.clone()),
        TaggedKind::Instance => state.instances.find(id).map(|instance| instance.tags.clone()),
        TaggedKind::Snapshot => call.region.snapshots.find(id).map(|snapshot| snapshot.tags.clone()),
        TaggedKind::Template => state.templates.find(id).map(|template| template.tags.clone()),
    };
    tags.unwrap_or_default()
}

/// `DescribeTags`.
pub(crate) fn describe(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    let filters = filter::read(&params, |name| FILTERS.contains(&name) || name.starts_with("tag:"))?;
    let page = PageRequest::read(&params, LIMITS)?;
    call.commit()?;
    let mut rows = all_rows(call);
    push_binned(call, &mut rows)?;
    rows.retain(|row| filter::all_match(&filters, |name| field(row, name)));
    rows.sort_by(|a, b| a.order.cmp(&b.order));
    let (page_rows, next) = page.paginate(rows, |row| &row.order);
    let mut xml = Xml::new();
    xml.items("tagSet", page_rows, |xml, row| {
        xml.value("resourceId", &row.id);
        xml.value("resourceType", row.kind.name());
        xml.value("key", &row.key);
        xml.value("value", &row.value);
    });
    xml.optional("nextToken", next);
    Ok(xml)
}

fn field(row: &TagRow, name: &str) -> FieldValue {
    match name {
        "key" => FieldValue::one(&row.key),
        "value" => FieldValue::one(&row.value),
        "resource-id" => FieldValue::one(&row.id),
        "resource-type" => FieldValue::one(row.kind.name()),
        _ => FieldValue::maybe((name.strip_prefix("tag:") == Some(&row.key)).then_some(&row.value)),
    }
}

fn all_rows(call: &Ec2Call<'_>) -> Vec<TagRow> {
    let state = call.region;
    let mut rows = Vec::new();
    for (id, image) in state.images.all() {
        if image.owner == call.account && call.image(&id).is_ok() {
            push(&mut rows, TaggedKind::Image, &id, &image.tags);
        }
    }
    for (id, instance) in state.instances.all() {
        if call.instance(&id).is_ok() {
            push(&mut rows, TaggedKind::Instance, &id, &instance.tags);
        }
    }
    for snapshot in call.region.snapshots.all() {
        if snapshot.owner == call.account {
            push(&mut rows, TaggedKind::Snapshot, &snapshot.id, &snapshot.tags);
        }
    }
    for (id, template) in state.templates.all() {
        if template.owner == call.account {
            push(&mut rows, TaggedKind::Template, &id, &template.tags);
        }
    }
    rows
}

/// Adds the tags of images and snapshots in the recycle bin, which keep them (EBS User Guide, *Recycle Bin*).
fn push_binned(call: &Ec2Call<'_>, rows: &mut Vec<TagRow>) -> Result<(), Ec2Error> {
    for (_, image) in call.binned_images()? {
        push(rows, TaggedKind::Image, &image.id, &image.tags);
    }
    for binned in call.binned_snapshots()? {
        push(rows, TaggedKind::Snapshot, &binned.snapshot.id, &binned.snapshot.tags);
    }
    Ok(())
}

fn push(rows: &mut Vec<TagRow>, kind: TaggedKind, id: &str, tags: &Tags) {
    rows.extend(tags.iter().map(|(key, value)| TagRow {
        order: format!("{id}\n{key}"),
        id: id.to_owned(),
        kind,
        key: key.clone(),
        value: value.clone(),
    }));
}

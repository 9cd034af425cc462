//! `DescribeInstanceImageMetadata`: the images of instances, also of images that are gone or not shared any more.

use std::sync::Arc;

use super::call::Ec2Call;
use super::describe_instances::field;
use super::errors::Ec2Error;
use super::filter::{self, FieldValue};
use super::image_xml::whole_seconds;
use super::instance_xml::write_state;
use super::pagination::{PageLimits, PageRequest};
use super::tags;
use crate::services::xml::Xml;
use crate::state::instance::InstanceRecord;

const LIMITS: PageLimits = PageLimits { min: 1, max: 1000, default: Some(1000) };

/// The filters besides `tag:KEY` and `tag-key`.
const FILTERS: [&str; 8] = [
    "availability-zone",
    "image-allowed",
    "instance-id",
    "instance-state-name",
    "instance-type",
    "launch-time",
    "owner-id",
    "zone-id",
];

/// `DescribeInstanceImageMetadata`.
pub(crate) fn describe(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    let ids = params.text_list("InstanceId");
    let filters = filter::read(&params, |name| FILTERS.contains(&name) || filter::is_tag_filter(name))?;
    let page = PageRequest::read(&params, LIMITS)?;
    let named = if ids.is_empty() { None } else { Some(call.named_instances(&ids)?) };
    call.commit()?;
    let mut instances: Vec<Arc<InstanceRecord>> = named.unwrap_or_else(|| {
        let all = call.region.instances.all().into_iter().map(|(_, instance)| instance);
        all.filter(|instance| call.shows(instance)).collect()
    });
    instances.retain(|instance| {
        filter::all_match(&filters, |name| match name {
            "image-allowed" => FieldValue::one(true),
            "zone-id" => FieldValue::Unknown,
            // The owner of the image, not that of the instance.
            "owner-id" => {
                FieldValue::maybe(call.region.images.find(&instance.image).map(|image| image.owner.clone()))
            }
            name => field(call, instance, name),
        })
    });
    let (instances, next) = page.paginate(instances, |instance| &instance.id);
    let mut xml = Xml::new();
    xml.items("instanceImageMetadataSet", instances, |xml, instance| write_xml(xml, call, &instance));
    xml.optional("nextToken", next);
    Ok(xml)
}

fn write_xml(xml: &mut Xml, call: &Ec2Call<'_>, instance: &InstanceRecord) {
    xml.value("instanceId", &instance.id);
    xml.value("instanceType", &instance.instance_type);
    xml.value("launchTime", whole_seconds(instance.launched));
    xml.value("availabilityZone", &instance.zone);
    write_state(xml, "instanceState", instance.state(call.now));
    xml.value("instanceOwnerId", &instance.owner);
    tags::write_xml(xml, &instance.tags);
    xml.element("imageMetadata", |xml| {
        xml.value("imageId", &instance.image);
        let Some(image) = call.region.images.find(&instance.image) else { return };
        xml.value("name", &image.name);
        xml.value("imageOwnerId", &image.owner);
        xml.value("imageState", image.state(call.now).name());
        xml.value("creationDate", whole_seconds(image.created));
        xml.optional("deprecationTime", image.deprecated.map(whole_seconds));
        xml.value("imageAllowed", true);
        xml.value("isPublic", image.grants.is_public());
        image.write_watermarks_xml(xml);
    });
}

//! `DescribeImages`: selection by id, owner, permission and filters, with pagination.

use std::sync::Arc;

use super::call::Ec2Call;
use super::errors::Ec2Error;
use super::filter::{self, FieldValue};
use super::image_visibility;
use super::image_xml::whole_seconds;
use super::owners;
use super::pagination::{PageLimits, PageRequest};
use super::params::Params;
use crate::services::ssm::parameters::{self, NamedWhen};
use crate::services::xml::Xml;
use crate::state::OwnerAlias;
use crate::state::device::EbsVolume;
use crate::state::image::{ImageRecord, ImageState, Life};

const LIMITS: PageLimits = PageLimits { min: 5, max: 1000, default: None };

/// The supported filters besides `tag:KEY` and `tag-key`.
const FILTERS: [&str; 44] = [
    "architecture",
    "block-device-mapping.delete-on-termination",
    "block-device-mapping.device-name",
    "block-device-mapping.encrypted",
    "block-device-mapping.snapshot-id",
    "block-device-mapping.volume-size",
    "block-device-mapping.volume-type",
    "boot-mode",
    "creation-date",
    "description",
    "ena-support",
    "free-tier-eligible",
    "hypervisor",
    "image-allowed",
    "image-id",
    "image-type",
    "image-watermark.source-image-creation-time",
    "image-watermark.source-image-id",
    "image-watermark.source-image-region",
    "image-watermark.watermark-creation-time",
    "image-watermark.watermark-key",
    "imds-support",
    "is-public",
    "kernel-id",
    "manifest-location",
    "name",
    "owner-alias",
    "owner-id",
    "platform",
    "product-code",
    "product-code.type",
    "public-ssm-parameter-name",
    "ramdisk-id",
    "root-device-name",
    "root-device-type",
    "source-image-id",
    "source-image-region",
    "source-instance-id",
    "sriov-net-support",
    "state",
    "state-reason-code",
    "state-reason-message",
    "tpm-support",
    "virtualization-type",
];

/// The selection of images besides the filters.
struct ImageScope<'q> {
    ids: Vec<&'q str>,
    owners: Vec<&'q str>,
    executable_by: Vec<&'q str>,
    deprecated: bool,
    disabled: bool,
}

/// `DescribeImages`.
pub(crate) fn describe_images(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    let scope = read_scope(&params)?;
    let filters = filter::read(&params, |name| FILTERS.contains(&name) || filter::is_tag_filter(name))?;
    if !scope.ids.is_empty() && PageRequest::is_sized(&params) {
        let message = "The parameter imageIdSet cannot be used with the parameter maxResults";
        return Err(Ec2Error::combination(message));
    }
    let page = PageRequest::read(&params, LIMITS)?;
    let named = named(call, &scope)?;
    call.commit()?;
    let mut images = named.unwrap_or_else(|| visible_images(call));
    images.retain(|image| in_scope(call, image, &scope));
    images.retain(|image| filter::all_match(&filters, |name| field(call, image, name)));
    let (page_images, next) = page.paginate(images, |image| &image.id);
    let mut xml = Xml::new();
    xml.items("imagesSet", page_images, |xml, image| {
        image.write_xml(xml, call.account, call.now);
        xml.optional("imageOwnerAlias", owners::alias(call.state, &image.owner));
        owners::write_product_codes(xml, call.state, &image.owner);
        xml.optional("publicSsmParameterName", public_names(call, &image, NamedWhen::Now).first());
        xml.optional("imageAllowed", image_visibility::is_allowed(call.viewer(call.region), &image));
    });
    xml.optional("nextToken", next);
    Ok(xml)
}

fn read_scope<'q>(params: &Params<'q>) -> Result<ImageScope<'q>, Ec2Error> {
    let (by, executable_by) = (params.text_list("Owner"), params.text_list("ExecutableBy"));
    owners::check(&by, &owners::aliases())?;
    owners::check(&executable_by, &["all"])?;
    Ok(ImageScope {
        ids: params.text_list("ImageId"),
        owners: by,
        executable_by,
        deprecated: params.boolean("IncludeDeprecated")?.unwrap_or(false),
        disabled: params.boolean("IncludeDisabled")?.unwrap_or(false),
    })
}

/// The images selected by id, all of which have to exist. All missing ones are reported at once.
fn named(call: &Ec2Call<'_>, scope: &ImageScope<'_>) -> Result<Option<Vec<Arc<ImageRecord>>>, Ec2Error> {
    if scope.ids.is_empty() {
        return Ok(None);
    }
    let (mut images, mut missing) = (Vec::new(), Vec::new());
    for id in &scope.ids {
        match call.image(id) {
            Ok(image) => images.push(image),
            Err(error) if error.code == "InvalidAMIID.NotFound" => missing.push(*id),
            Err(error) => return Err(error),
        }
    }
    if !missing.is_empty() {
        let (noun, verb) = if missing.len() == 1 { ("id", "does") } else { ("ids", "do") };
        let message = format!("The image {noun} '[{}]' {verb} not exist", missing.join(", "));
        return Err(Ec2Error::new("InvalidAMIID.NotFound", message));
    }
    images.sort_by(|a, b| a.id.cmp(&b.id));
    images.dedup_by(|a, b| a.id == b.id);
    Ok(Some(images))
}

/// All images that are visible to the account.
fn visible_images(call: &Ec2Call<'_>) -> Vec<Arc<ImageRecord>> {
    let all = call.region.images.all().into_iter().map(|(_, image)| image);
    let visible = |image: &Arc<ImageRecord>| {
        image.life != Life::Deregistered && call.can_use(image) && call.is_visible(image.created)
    };
    all.filter(visible).collect()
}

fn in_scope(call: &Ec2Call<'_>, image: &ImageRecord, scope: &ImageScope<'_>) -> bool {
    let own = image.owner == call.account;
    let owner = |owner: &&str| owners::names((call.state, call.account), owner, &image.owner);
    let executable = |by: &&str| match *by {
        "all" => image.grants.is_public(),
        "self" => image.grants.names(call.account),
        account => image.grants.names(account) && (own || account == call.account),
    };
    let any_or_all = |list: &[&str], test: &dyn Fn(&&str) -> bool| list.is_empty() || list.iter().any(test);
    let deprecated = own || scope.deprecated || !scope.ids.is_empty() || !image.is_deprecated(call.now);
    let disabled = scope.disabled || image.state(call.now) != ImageState::Disabled;
    any_or_all(&scope.owners, &owner)
        && any_or_all(&scope.executable_by, &executable)
        && deprecated
        && disabled
}

fn field(call: &Ec2Call<'_>, image: &ImageRecord, name: &str) -> FieldValue {
    let machine = &image.machine;
    match name {
        "architecture" => FieldValue::one(&machine.architecture),
        "boot-mode" => FieldValue::maybe(machine.boot_mode.as_ref()),
        "creation-date" => FieldValue::one(whole_seconds(image.created)),
        "description" => FieldValue::maybe(image.description.as_ref()),
        "ena-support" => FieldValue::maybe(machine.ena),
        "free-tier-eligible" => FieldValue::one(true),
        "image-allowed" => {
            FieldValue::one(image_visibility::is_allowed(call.viewer(call.region), image).unwrap_or(true))
        }
        "hypervisor" => FieldValue::one("xen"),
        "image-id" => FieldValue::one(&image.id),
        "image-type" => FieldValue::one("machine"),
        "imds-support" => FieldValue::maybe(machine.imds.as_ref()),
        "is-public" => FieldValue::one(image.grants.is_public()),
        "kernel-id" => FieldValue::maybe(machine.kernel.as_ref()),
        "manifest-location" => FieldValue::one(&image.location),
        "name" => FieldValue::one(&image.name),
        "owner-alias" => FieldValue::maybe(owners::alias(call.state, &image.owner)),
        "owner-id" => FieldValue::one(&image.owner),
        "product-code" => FieldValue::maybe(owners::product_code(call.state, &image.owner)),
        "product-code.type" => {
            FieldValue::maybe(owners::is_seller(call.state, &image.owner).then_some("marketplace"))
        }
        "public-ssm-parameter-name" => FieldValue::many(public_names(call, image, NamedWhen::Ever)),
        "ramdisk-id" => FieldValue::maybe(machine.ramdisk.as_ref()),
        "root-device-name" => FieldValue::one(&machine.root_device),
        "root-device-type" => FieldValue::one("ebs"),
        "source-image-id" => FieldValue::maybe(image.source.as_ref().map(|source| &source.0)),
        "source-image-region" => FieldValue::maybe(image.source.as_ref().map(|source| &source.1)),
        "sriov-net-support" => FieldValue::maybe(machine.sriov.as_ref()),
        "state" => FieldValue::one(image.state(call.now).name()),
        "state-reason-code" => FieldValue::maybe(image.failure(call.now).map(|_| "Client.InternalError")),
        "state-reason-message" => FieldValue::maybe(image.failure(call.now)),
        "tpm-support" => FieldValue::maybe(machine.tpm.as_ref()),
        "virtualization-type" => FieldValue::one(&machine.virtualization),
        _ if name.starts_with("image-watermark.") => watermark_field(image, name),
        _ => match name.strip_prefix("block-device-mapping.") {
            Some(part) => mapping_field(image, part),
            // Tags are only visible to the owner. The other filters of AWS are for fields that no image of
            // the local region has.
            None if image.owner == call.account => filter::tag_field(name, &image.tags),
            None => FieldValue::Unknown,
        },
    }
}

/// The public parameters that name an image of Amazon's.
fn public_names(call: &Ec2Call<'_>, image: &ImageRecord, when: NamedWhen) -> Vec<String> {
    if call.state.accounts.alias(&image.owner) != Some(OwnerAlias::Amazon) {
        return Vec::new();
    }
    parameters::public_names(call.region, &image.id, call.now, when)
}

fn watermark_field(image: &ImageRecord, name: &str) -> FieldValue {
    let all = image.watermarks.iter();
    match name {
        "image-watermark.watermark-key" => FieldValue::many(all.map(|one| &one.key)),
        "image-watermark.source-image-id" => FieldValue::many(all.map(|one| &one.source.0)),
        "image-watermark.source-image-region" => FieldValue::many(all.map(|one| &one.source.1)),
        "image-watermark.source-image-creation-time" => {
            FieldValue::many(all.map(|one| whole_seconds(one.source_created)))
        }
        _ => FieldValue::many(all.map(|one| whole_seconds(one.created))),
    }
}

fn mapping_field(image: &ImageRecord, part: &str) -> FieldValue {
    let volumes = || image.mappings.iter().filter_map(|mapping| mapping.ebs());
    match part {
        "device-name" => FieldValue::many(image.mappings.iter().map(|mapping| &mapping.device)),
        "delete-on-termination" => FieldValue::many(volumes().map(|ebs| ebs.delete_on_termination)),
        "encrypted" => FieldValue::many(volumes().map(|ebs| ebs.encrypted)),
        "snapshot-id" => FieldValue::many(image.snapshots()),
        "volume-size" => FieldValue::many(volumes().map(|ebs| ebs.volume.size)),
        "volume-type" => FieldValue::many(volumes().map(|ebs: &EbsVolume| ebs.volume.kind.name())),
        _ => FieldValue::Unknown,
    }
}

/// The images that use a snapshot.
pub(crate) fn images_using(call: &Ec2Call<'_>, snapshot: &str) -> Vec<String> {
    let uses = |image: &ImageRecord| {
        image.life != Life::Deregistered && image.snapshots().any(|used| used == snapshot)
    };
    call.region.images.all().into_iter().filter(|(_, image)| uses(image)).map(|(id, _)| id).collect()
}

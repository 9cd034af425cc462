//! `CopyImage` and `CopySnapshot`, called in the destination region. All regions share the stored blocks, so
//! a copy only creates records. It is pending for the duration of the window.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::call::{self, Ec2Call, NO_SNAPSHOT};
use super::errors::Ec2Error;
use super::owners;
use super::params::Params;
use super::register_image;
use super::settings;
use super::snapshot_tier;
use super::tags;
use crate::ids;
use crate::services::xml::Xml;
use crate::state::Region;
use crate::state::device::{BlockDeviceMapping, DeviceKind};
use crate::state::image::{ImageRecord, ImageState, Life};
use crate::state::snapshot::{Snapshot, SnapshotOutcome, SnapshotShares, Status};
use crate::state::tags::Tags;

/// The maximum number of characters in a client token.
const MAX_TOKEN: usize = 128;
/// The maximum number of concurrent snapshot copies into a region.
const MAX_COPIES: usize = 20;

/// The encryption of a copied snapshot.
enum CopyEncryption {
    /// As the source; an encrypted source from another region or account changes to the key of this region.
    AsSource,
    /// With this key.
    Key(String),
}

/// `CopyImage`.
pub(crate) fn copy_image(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let params = call.params();
    let name = params.required("Name")?;
    let (id, from) = (params.required("SourceImageId")?, params.required("SourceRegion")?);
    register_image::check_name(name)?;
    let description = register_image::read_description(&params)?;
    let encryption = read_encryption(call, &params)?;
    let with_tags = params.boolean("CopyImageTags")?.unwrap_or(false);
    let requested = tags::read_specifications(&params, &["image", "snapshot"])?;
    check_destination_kind(&params)?;
    check_duration(params.number("SnapshotCopyCompletionDurationMinutes")?)?;
    let fingerprint = fingerprint(&params);
    if let Some(done) = find_repeated(call, &params, &fingerprint)? {
        call.commit()?;
        return Ok(register_image::image_id_response(&done));
    }
    let region = source_region(call, from)?;
    let image = source_image(call, &region, id)?;
    let tags = tags_of_copy(call, &image, with_tags, &tags::of_kind(&requested, "image"))?;
    register_image::check_free(call, name)?;
    let sources = sources_of(call, &image, &region)?;
    check_copies_in_progress(call, sources.len())?;
    call.commit()?;
    let template = format!("Copied for DestinationAmi {{}} from SourceAmi {id} for SourceSnapshot {{}}.");
    let mut copies = BTreeMap::new();
    let ready = call.now.after(call.state.config.windows.copy);
    let mut copy = register_image::image_like(call, &image, name, Vec::new(), tags, ready);
    for (source_id, source) in &sources {
        let why = template.replacen("{}", &copy.id, 1).replacen("{}", source_id, 1);
        let snapshot = new_copy(
            call,
            source,
            &why,
            tags::of_kind(&requested, "snapshot"),
            key(call, source, &encryption),
        );
        call.region.snapshots.copy(snapshot.clone(), &region.snapshots, source_id)?;
        copies.insert(source_id.clone(), snapshot);
    }
    if call.fail_async {
        copy.life = Life::Ready { from: ready, failure: Some("The copy failed on purpose.".to_owned()) };
    }
    copy.mappings = image.mappings.iter().map(|mapping| map_device(mapping, &copies)).collect();
    copy.description = description.or_else(|| image.description.clone());
    copy.source = Some((id.to_owned(), from.to_owned()));
    copy.token = params.non_empty("ClientToken").map(|token| (token.to_owned(), fingerprint));
    call.region.images.put(&copy.id, copy.clone())?;
    Ok(register_image::image_id_response(&copy.id))
}

/// The parameters in a canonical form that is the same for equal requests.
fn fingerprint(params: &Params<'_>) -> String {
    let names =
        ["Name", "SourceImageId", "SourceRegion", "Description", "Encrypted", "KmsKeyId", "CopyImageTags"];
    let duration = params.text("SnapshotCopyCompletionDurationMinutes");
    let values = names.map(|name| format!("{name}={:?}", params.text(name)));
    let duration = duration.map(|minutes| format!("&duration={minutes}")).unwrap_or_default();
    values.join("&") + &duration
}

/// The image that an equal request with the same client token created.
fn find_repeated(
    call: &Ec2Call<'_>,
    params: &Params<'_>,
    fingerprint: &str,
) -> Result<Option<String>, Ec2Error> {
    let Some(token) = params.non_empty("ClientToken") else { return Ok(None) };
    if token.len() > MAX_TOKEN {
        return Err(Ec2Error::value("clientToken", token, "It may have at most 128 characters."));
    }
    let same = |image: &ImageRecord| {
        let with = image.token.as_ref().filter(|(other, _)| other == token);
        with.filter(|_| image.owner == call.account).map(|(_, fingerprint)| fingerprint.clone())
    };
    let previous = call.region.images.all().into_iter().find_map(|(id, image)| Some((id, same(&image)?)));
    match previous {
        None => Ok(None),
        Some((id, before)) if before == fingerprint => Ok(Some(id)),
        Some(_) => {
            let message = "The request uses the same client token as a previous, but non-identical request.";
            Err(Ec2Error::new("IdempotentParameterMismatch", message))
        }
    }
}

fn read_encryption(call: &Ec2Call<'_>, params: &Params<'_>) -> Result<CopyEncryption, Ec2Error> {
    let encrypted = params.boolean("Encrypted")?;
    match (encrypted, params.non_empty("KmsKeyId")) {
        (Some(true), Some(key)) => Ok(CopyEncryption::Key(settings::key_arn(call, key)?)),
        (_, Some(_)) => {
            let message = "The parameter KmsKeyId requires the parameter Encrypted to be set.";
            Err(Ec2Error::new("InvalidParameterDependency", message))
        }
        (Some(true), None) => Ok(CopyEncryption::Key(settings::default_key_arn(call))),
        (_, None) if settings::encryption(call).encrypt_by_default => {
            Ok(CopyEncryption::Key(settings::default_key_arn(call)))
        }
        // Encryption is permanent: `false` cannot remove it.
        (_, None) => Ok(CopyEncryption::AsSource),
    }
}

fn key(call: &Ec2Call<'_>, source: &Snapshot, encryption: &CopyEncryption) -> Option<String> {
    match encryption {
        CopyEncryption::Key(key) => Some(key.clone()),
        CopyEncryption::AsSource => source.kms_key.as_ref().map(|_| settings::default_key_arn(call)),
    }
}

fn check_destination_kind(params: &Params<'_>) -> Result<(), Ec2Error> {
    let unsupported =
        ["DestinationOutpostArn", "DestinationAvailabilityZone", "DestinationAvailabilityZoneId"];
    match unsupported.iter().find(|name| params.non_empty(name).is_some()) {
        None => Ok(()),
        Some(name) => {
            let message = format!("{name} names a place that this region does not have");
            Err(Ec2Error::new("InvalidParameterValue", message))
        }
    }
}

/// "Time-based copies for Amazon EBS snapshots and EBS-backed AMIs", Amazon EBS User Guide: from 15 minutes to 48 hours,
/// in steps of 15 minutes.
fn check_duration(minutes: Option<i64>) -> Result<(), Ec2Error> {
    match minutes {
        Some(minutes) if !(15..=2880).contains(&minutes) || minutes % 15 != 0 => {
            let why = "Expected a multiple of 15 between 15 and 2880.";
            Err(Ec2Error::value("completionDurationMinutes", &minutes.to_string(), why))
        }
        _ => Ok(()),
    }
}

fn source_region(call: &Ec2Call<'_>, name: &str) -> Result<Arc<Region>, Ec2Error> {
    let wrong = |_| Ec2Error::value("sourceRegion", name, "The region does not exist.");
    call.state.region(name).map_err(wrong)
}

fn source_image(call: &Ec2Call<'_>, region: &Region, id: &str) -> Result<Arc<ImageRecord>, Ec2Error> {
    call::check_image_id(id)?;
    let image = region.images.find(id);
    let image = image.filter(|image| call.can_use_in(region, image) && call.is_visible(image.created));
    let image = image.ok_or_else(|| call::no_image(id))?;
    match image.state(call.now) {
        ImageState::Available => Ok(image),
        ImageState::Deregistered => Err(call::unavailable(id)),
        state => {
            let message = format!("The image {id} is in the state {}, expected available", state.name());
            Err(Ec2Error::new("IncorrectState", message))
        }
    }
}

/// The snapshots of an image. An image shared by another account can only be copied if its snapshots are
/// shared too.
fn sources_of(
    call: &Ec2Call<'_>,
    image: &ImageRecord,
    region: &Region,
) -> Result<Vec<(String, Arc<Snapshot>)>, Ec2Error> {
    let mut sources: Vec<(String, Arc<Snapshot>)> = Vec::new();
    let denied =
        || Ec2Error::new("InvalidRequest", "You do not have permission to access the storage of this ami");
    // What is of the Marketplace cannot be copied to another account (awsdocs/amazon-ec2-user-guide#133; the message of this
    // case was not tried on AWS).
    if image.owner != call.account && owners::is_seller(call.state, &image.owner) {
        return Err(denied());
    }
    for id in image.snapshots() {
        if sources.iter().any(|(other, _)| other == id) {
            continue;
        }
        let snapshot = region.snapshots.find(id).filter(|snapshot| snapshot.readable_by(call.account));
        let snapshot = snapshot.ok_or_else(denied)?;
        if !region.is_usable(id, call.now) {
            return Err(snapshot_tier::archived(id));
        }
        sources.push((id.to_owned(), snapshot));
    }
    Ok(sources)
}

fn tags_of_copy(
    call: &Ec2Call<'_>,
    image: &ImageRecord,
    with_tags: bool,
    requested: &Tags,
) -> Result<Tags, Ec2Error> {
    let mut tags = Tags::new();
    if with_tags && image.owner == call.account {
        tags::merge(&mut tags, &image.tags)?;
    }
    // A tag of the request takes precedence over a copied one.
    tags::merge(&mut tags, requested)?;
    Ok(tags)
}

fn check_copies_in_progress(call: &Ec2Call<'_>, more: usize) -> Result<(), Ec2Error> {
    let all = call.region.snapshots.all();
    let copying = |snapshot: &&Arc<Snapshot>| {
        snapshot.owner == call.account
            && snapshot.start.is_none()
            && snapshot.outcome.as_ref().is_some_and(|outcome| call.now < outcome.at)
            && snapshot.volume_id == COPIED
    };
    if all.iter().filter(copying).count() + more > MAX_COPIES {
        let message =
            format!("Too many snapshot copies in progress. The limit is {MAX_COPIES} for this destination");
        return Err(Ec2Error::new("ResourceLimitExceeded", message));
    }
    Ok(())
}

/// The placeholder volume id of a copied snapshot.
const COPIED: &str = "vol-ffffffff";

fn new_copy(
    call: &Ec2Call<'_>,
    source: &Snapshot,
    description: &str,
    tags: Tags,
    kms_key: Option<String>,
) -> Snapshot {
    let id = ids::fresh("snap");
    let blocks = source.outcome.as_ref().map_or(0, |outcome| outcome.blocks);
    let at = call.now.after(call.state.config.windows.copy);
    Snapshot {
        lineage: id.clone(),
        id,
        owner: call.account.to_owned(),
        description: description.to_owned(),
        volume_size: source.volume_size,
        volume_id: COPIED.to_owned(),
        parent: None,
        kms_key,
        start_time: call.now,
        timeout: source.timeout,
        outcome: Some(SnapshotOutcome { at, failure: None, blocks }),
        start: None,
        tags,
        shared_with: SnapshotShares::default(),
    }
}

/// The mapping of the source image with the copied snapshot.
fn map_device(mapping: &BlockDeviceMapping, copies: &BTreeMap<String, Snapshot>) -> BlockDeviceMapping {
    let mut mapping = mapping.clone();
    if let DeviceKind::Ebs(ebs) = &mut mapping.target
        && let Some(copy) = ebs.snapshot.as_ref().and_then(|id| copies.get(id))
    {
        ebs.snapshot = Some(copy.id.clone());
        ebs.encrypted = copy.kms_key.is_some();
    }
    mapping
}

/// `CopySnapshot`.
pub(crate) fn copy_snapshot(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let _guard = call.lock_region();
    let params = call.params();
    let (id, from) = (params.required("SourceSnapshotId")?, params.required("SourceRegion")?);
    // The presigned URL lets the source region authorize the copy; here one server serves all regions.
    params.text("PresignedUrl");
    check_destination(call, &params)?;
    let description = register_image::read_description(&params)?;
    let encryption = read_encryption(call, &params)?;
    let requested = tags::read_specifications(&params, &["snapshot"])?;
    check_destination_kind(&params)?;
    check_duration(params.number("CompletionDurationMinutes")?)?;
    let region = source_region(call, from)?;
    let source = source_snapshot(call, &region, id)?;
    check_copies_in_progress(call, 1)?;
    call.commit()?;
    let tags = tags::of_kind(&requested, "snapshot");
    let copied = format!("[Copied {id} from {from}]");
    let description = description.unwrap_or(copied);
    let copy = new_copy(call, &source, &description, tags, key(call, &source, &encryption));
    call.region.snapshots.copy(copy.clone(), &region.snapshots, id)?;
    let mut xml = Xml::new();
    xml.value("snapshotId", &copy.id);
    tags::write_xml(&mut xml, &copy.tags);
    Ok(xml)
}

fn check_destination(call: &Ec2Call<'_>, params: &Params<'_>) -> Result<(), Ec2Error> {
    match params.non_empty("DestinationRegion") {
        Some(name) if name != call.region.name => Err(Ec2Error::value(
            "destinationRegion",
            name,
            "The call has to be sent to the destination region.",
        )),
        _ => Ok(()),
    }
}

fn source_snapshot(call: &Ec2Call<'_>, region: &Region, id: &str) -> Result<Arc<Snapshot>, Ec2Error> {
    call::check_snapshot_id(id)?;
    let readable =
        |snapshot: &Arc<Snapshot>| snapshot.readable_by(call.account) && call.is_visible(snapshot.start_time);
    let missing = || Ec2Error::new(NO_SNAPSHOT, format!("The snapshot '{id}' does not exist."));
    let snapshot = region.snapshots.find(id).filter(readable).ok_or_else(missing)?;
    if snapshot.status(call.now) != Status::Completed {
        let message = format!("The snapshot '{id}' is not in the state completed");
        return Err(Ec2Error::new("IncorrectState", message));
    }
    if !region.is_usable(id, call.now) {
        return Err(snapshot_tier::archived(id));
    }
    Ok(snapshot)
}

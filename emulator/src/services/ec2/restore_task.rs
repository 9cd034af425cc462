//! `CreateRestoreImageTask`: restores an image from the object that it was stored as.

use std::collections::BTreeMap;
use std::io::Read;

use super::call::Ec2Call;
use super::errors::Ec2Error;
use super::register_image;
use super::settings;
use super::store_task::check_bucket;
use super::stored_image::{StoredImage, StoredSnapshot, read_block};
use super::tags;
use crate::ids;
use crate::services::s3;
use crate::services::xml::Xml;
use crate::state::device::{BlockDeviceMapping, DeviceKind};
use crate::state::image::{ImageRecord, Life, Protection};
use crate::state::sharing::Grants;
use crate::state::snapshot::{Snapshot, SnapshotOutcome, SnapshotShares};
use crate::state::tags::Tags;
use crate::sync;

/// `CreateRestoreImageTask`.
pub(crate) fn restore(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    let (bucket, key) = (params.required("Bucket")?, params.required("ObjectKey")?);
    let name = params.non_empty("Name");
    name.map_or(Ok(()), register_image::check_name)?;
    let requested = tags::read_specifications(&params, &["image", "snapshot"])?;
    check_bucket(call, bucket)?;
    let missing = |why: &dyn std::fmt::Display| {
        let message = format!("The object {key} cannot be read from the bucket {bucket}: {why}");
        Ec2Error::new("InvalidParameterValue", message)
    };
    let mut source =
        s3::reader(&call.region.object_store, (bucket, key), call.now).map_err(|error| missing(&error))?;
    let stored = StoredImage::read(&mut source).map_err(|error| missing(&error))?;
    let name = name.unwrap_or(&stored.name).to_owned();
    register_image::check_free(call, &name)?;
    call.commit()?;
    let mut restored = BTreeMap::new();
    for (id, snapshot) in &stored.snapshots {
        let tags = merged(&snapshot.tags, &tags::of_kind(&requested, "snapshot"))?;
        restored.insert(id.clone(), restore_snapshot(call, snapshot, tags, &mut source)?);
    }
    let _guard = call.lock_region();
    register_image::check_free(call, &name)?;
    let image =
        image(call, &stored, name, merged(&stored.tags, &tags::of_kind(&requested, "image"))?, &restored);
    call.region.images.put(&image.id, image.clone())?;
    Ok(register_image::image_id_response(&image.id))
}

fn merged(stored: &Tags, requested: &Tags) -> Result<Tags, Ec2Error> {
    let mut tags = stored.clone();
    tags::merge(&mut tags, requested)?;
    Ok(tags)
}

fn image(
    call: &Ec2Call<'_>,
    stored: &StoredImage,
    name: String,
    tags: Tags,
    restored: &BTreeMap<String, Snapshot>,
) -> ImageRecord {
    let failure = call.fail_async.then(|| "The restore failed on purpose.".to_owned());
    ImageRecord {
        id: ids::fresh("ami"),
        owner: call.account.to_owned(),
        location: format!("{}/{name}", call.account),
        name,
        description: stored.description.clone(),
        created: call.now,
        machine: stored.machine.clone(),
        mappings: stored.mappings.iter().map(|mapping| map_device(mapping, restored)).collect(),
        tags,
        grants: Grants::default(),
        life: Life::Ready { from: call.now.after(call.state.config.windows.task), failure },
        deprecated: None,
        protection: Protection::Off,
        source: None,
        token: None,
        watermarks: stored.watermarks.clone(),
        last_launched: None,
    }
}

/// The mapping of the stored image with the restored snapshot.
fn map_device(mapping: &BlockDeviceMapping, restored: &BTreeMap<String, Snapshot>) -> BlockDeviceMapping {
    let mut mapping = mapping.clone();
    if let DeviceKind::Ebs(ebs) = &mut mapping.target
        && let Some(snapshot) = ebs.snapshot.as_ref().and_then(|id| restored.get(id))
    {
        ebs.snapshot = Some(snapshot.id.clone());
        ebs.encrypted = snapshot.kms_key.is_some();
    }
    mapping
}

fn restore_snapshot(
    call: &Ec2Call<'_>,
    stored: &StoredSnapshot,
    tags: Tags,
    source: &mut impl Read,
) -> Result<Snapshot, Ec2Error> {
    let encrypted = stored.encrypted || settings::encryption(call).encrypt_by_default;
    let id = ids::fresh("snap");
    let snapshot = Snapshot {
        lineage: id.clone(),
        id,
        owner: call.account.to_owned(),
        description: stored.description.clone(),
        volume_size: stored.volume_size,
        volume_id: "vol-ffffffff".to_owned(),
        parent: None,
        kms_key: encrypted.then(|| settings::default_key_arn(call)),
        start_time: call.now,
        timeout: 60,
        outcome: None,
        start: None,
        tags,
        shared_with: SnapshotShares::default(),
    };
    call.region.snapshots.start(snapshot.clone())?;
    let result = fill(call, &snapshot.id, stored, source);
    if result.is_err() {
        call.remove_snapshot(&snapshot.id)?;
    }
    result?;
    Ok(snapshot)
}

/// Writes the blocks of a snapshot and completes it.
fn fill(
    call: &Ec2Call<'_>,
    id: &str,
    stored: &StoredSnapshot,
    source: &mut impl Read,
) -> Result<(), Ec2Error> {
    let map = call.region.snapshots.map(id)?;
    let mut bytes = Vec::new();
    for index in &stored.indexes {
        let digest = read_block(source, &mut bytes).map_err(Ec2Error::internal)?;
        call.state.blocks.store(digest, &bytes)?;
        sync::lock(&*map).record(*index, digest)?;
    }
    sync::lock(&*map).seal();
    let at = call.now.after(call.state.config.windows.task);
    let outcome = SnapshotOutcome { at, failure: None, blocks: stored.indexes.len() as u64 };
    call.region.snapshots.edit(id, |snapshot| {
        snapshot.outcome = Some(outcome);
        Ok::<_, Ec2Error>(())
    })?;
    Ok(())
}

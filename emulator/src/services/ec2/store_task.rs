//! `CreateStoreImageTask` and `DescribeStoreImageTasks`: an image stored as one object of S3.

use std::io::Write as _;
use std::sync::Arc;

use super::call::{Ec2Call, check_image_id};
use super::errors::Ec2Error;
use super::filter::{self, FieldValue};
use super::pagination::{PageLimits, PageRequest};
use super::stored_image::{StoredImage, StoredSnapshot};
use crate::services::s3;
use crate::services::xml::Xml;
use crate::state::image::{ImageRecord, ImageState};
use crate::state::store_task::StoreTask;
use crate::state::tags::Tags;
use crate::sync;

const LIMITS: PageLimits = PageLimits { min: 1, max: 200, default: Some(200) };

/// `CreateStoreImageTask`.
pub(crate) fn store(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    let (id, bucket) = (params.required("ImageId")?, params.required("Bucket")?);
    let mut tags = Tags::new();
    for entry in params.list("S3ObjectTag") {
        let value = entry.text("Value").unwrap_or_default();
        tags.insert(entry.required("Key")?.to_owned(), value.to_owned());
    }
    let image = call.own_image(id)?;
    if image.state(call.now) != ImageState::Available {
        let message = format!("The image {id} is not in the state available");
        return Err(Ec2Error::new("IncorrectState", message));
    }
    check_bucket(call, bucket)?;
    call.commit()?;
    let key = format!("{id}.bin");
    let (stored, blocks) = collect_blocks(call, &image)?;
    let mut writer = s3::ObjectWriter::new(&call.region.object_store).map_err(from_s3)?;
    stored.write(&mut writer).map_err(Ec2Error::internal)?;
    for digest in blocks {
        writer.write_all(&call.state.blocks.read(digest)?).map_err(Ec2Error::internal)?;
    }
    let _guard = call.lock_region();
    writer.finish(&call.region.object_store, (bucket, &key), call.now, tags).map_err(from_s3)?;
    let task = StoreTask {
        image: id.to_owned(),
        owner: call.account.to_owned(),
        bucket: bucket.to_owned(),
        key: key.clone(),
        begun: call.now,
        done: call.now.after(call.state.config.windows.task),
    };
    call.region.store_tasks.put(id, task)?;
    let mut xml = Xml::new();
    xml.value("objectKey", key);
    Ok(xml)
}

/// Checks that a bucket belongs to the account and is in this region.
pub(crate) fn check_bucket(call: &Ec2Call<'_>, bucket: &str) -> Result<(), Ec2Error> {
    let record = call.region.object_store.buckets.find(bucket).filter(|bucket| bucket.owner == call.account);
    let missing = || {
        let message = format!("The bucket {bucket} does not exist in this region or is not accessible");
        Ec2Error::new("InvalidParameterValue", message)
    };
    record.map(|_| ()).ok_or_else(missing)
}

/// Converts an error of S3.
pub(crate) fn from_s3(error: s3::S3Error) -> Ec2Error {
    Ec2Error::internal(error)
}

/// The description of an image and its snapshots, and the digests of all blocks in order.
fn collect_blocks(
    call: &Ec2Call<'_>,
    image: &ImageRecord,
) -> Result<(StoredImage, Vec<crate::digest::Sha256Digest>), Ec2Error> {
    let mut stored = StoredImage {
        name: image.name.clone(),
        description: image.description.clone(),
        machine: image.machine.clone(),
        mappings: image.mappings.clone(),
        tags: image.tags.clone(),
        snapshots: std::collections::BTreeMap::new(),
    };
    for id in image.snapshots() {
        let snapshot = call.snapshot(id, super::call::NO_SNAPSHOT)?;
        let map = call.region.snapshots.map(id)?;
        let indexes = sync::lock(&*map).entries_from(0).map(|(index, _)| index).collect();
        let stored_snapshot = StoredSnapshot {
            volume_size: snapshot.volume_size,
            encrypted: snapshot.kms_key.is_some(),
            description: snapshot.description.clone(),
            tags: snapshot.tags.clone(),
            indexes,
        };
        stored.snapshots.insert(id.to_owned(), stored_snapshot);
    }
    let mut digests = Vec::new();
    for id in stored.snapshots.keys() {
        let map = call.region.snapshots.map(id)?;
        digests.extend(sync::lock(&*map).entries_from(0).map(|(_, entry)| entry.digest));
    }
    Ok((stored, digests))
}

/// `DescribeStoreImageTasks`.
pub(crate) fn describe(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    let ids = params.text_list("ImageId");
    ids.iter().try_for_each(|id| check_image_id(id))?;
    let filters = filter::read(&params, |name| matches!(name, "task-state" | "bucket"))?;
    if !ids.is_empty() && PageRequest::is_sized(&params) {
        return Err(Ec2Error::combination("MaxResults cannot be used with ImageIds"));
    }
    let page = PageRequest::read(&params, LIMITS)?;
    call.commit()?;
    let field = |task: &StoreTask, name: &str| match name {
        "task-state" => FieldValue::one(task.state(call.now)),
        _ => FieldValue::one(&task.bucket),
    };
    let mut tasks: Vec<Arc<StoreTask>> =
        call.region.store_tasks.all().into_iter().map(|(_, task)| task).collect();
    tasks.retain(|task| task.owner == call.account && (ids.is_empty() || ids.contains(&task.image.as_str())));
    tasks.retain(|task| filter::all_match(&filters, |name| field(task, name)));
    let (page_tasks, next) = page.paginate(tasks, |task| &task.image);
    let mut xml = Xml::new();
    xml.items("storeImageTaskResultSet", page_tasks, |xml, task| {
        xml.value("amiId", &task.image);
        xml.value("taskStartTime", task.begun.iso());
        xml.value("bucket", &task.bucket);
        xml.value("s3objectKey", &task.key);
        xml.value("progressPercentage", task.percentage(call.now));
        xml.value("storeTaskState", task.state(call.now));
    });
    xml.optional("nextToken", next);
    Ok(xml)
}

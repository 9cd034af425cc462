//! `CreateStoreImageTask` and `DescribeStoreImageTasks`: an image stored as one object of S3.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use super::call::{Ec2Call, check_image_id};
use super::errors::Ec2Error;
use super::filter::{self, FieldValue};
use super::pagination::{PageLimits, PageRequest};
use super::snapshot_tier;
use super::stored_image::{StoredImage, StoredSnapshot};
use crate::clock::Timestamp;
use crate::services::s3;
use crate::services::xml::Xml;
use crate::state::image::{ImageRecord, ImageState};
use crate::state::store_task::StoreTask;
use crate::state::tags::Tags;
use crate::sync;

const LIMITS: PageLimits = PageLimits { min: 1, max: 200, default: Some(200) };

/// The maximum size of an image in GiB; AWS documents 5,000 GB.
const MAX_SIZE: u64 = 5000;
/// The maximum of bytes of the snapshots that are being stored at a time: AWS documents 1,200 GB.
const MAX_IN_PROGRESS: u64 = 1_200_000_000_000;
/// The maximum number of image ids in a request.
const MAX_IDS: usize = 20;
/// The time for which a task is listed.
const LISTED: Duration = Duration::from_hours(24 * 31);

/// `CreateStoreImageTask`.
///
/// "Store and restore an AMI using S3", Amazon EC2 User Guide: what can be stored, and how much at a time. Error codes
/// are not documented and were not tried on AWS.
pub(crate) fn store(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    let (id, bucket) = (params.required("ImageId")?, params.required("Bucket")?);
    let mut tags = Tags::new();
    for entry in params.list("S3ObjectTag") {
        let value = entry.text("Value").unwrap_or_default();
        tags.insert(entry.required("Key")?.to_owned(), value.to_owned());
    }
    let image = call.image(id)?;
    check_image(call, &image)?;
    check_bucket(call, bucket)?;
    let _storing = sync::lock(&call.region.storing);
    let bytes = check_in_progress(call, &image, bucket)?;
    call.commit()?;
    let key = format!("{id}.bin");
    let done = call.now.after(call.state.config.windows.task);
    let failure = call.fail_async.then(|| "The task failed on purpose.".to_owned());
    if failure.is_none() {
        write_object(call, &image, (bucket, &key), done, tags)?;
    }
    let task = StoreTask {
        image: id.to_owned(),
        owner: call.account.to_owned(),
        bucket: bucket.to_owned(),
        key: key.clone(),
        begun: call.now,
        done,
        bytes: Some(bytes),
        failure,
    };
    let _guard = call.lock_region();
    call.region.store_tasks.put(&format!("{id}/{bucket}"), task)?;
    let mut xml = Xml::new();
    xml.value("objectKey", key);
    Ok(xml)
}

/// Writes the object, which appears when the task completes.
fn write_object(
    call: &Ec2Call<'_>,
    image: &ImageRecord,
    (bucket, key): (&str, &str),
    done: Timestamp,
    tags: Tags,
) -> Result<(), Ec2Error> {
    let (stored, blocks) = collect_blocks(call, image)?;
    let mut writer = s3::ObjectWriter::new(&call.region.object_store).map_err(from_s3)?;
    stored.write(&mut writer).map_err(Ec2Error::internal)?;
    for digest in blocks {
        writer.write_all(&call.state.blocks.read(digest)?).map_err(Ec2Error::internal)?;
    }
    let _guard = call.lock_region();
    writer.finish(&call.region.object_store, (bucket, key), done, tags).map_err(from_s3)
}

/// An image has to be available and backed by EBS, and owned by the account or shared with it directly, with its
/// snapshots.
fn check_image(call: &Ec2Call<'_>, image: &ImageRecord) -> Result<(), Ec2Error> {
    let id = &image.id;
    if image.owner != call.account && !image.grants.names(call.account) {
        let message = format!("The image {id} is public, but not shared with the account {}", call.account);
        return Err(Ec2Error::new("AuthFailure", message));
    }
    if image.state(call.now) != ImageState::Available {
        let message = format!("The image {id} is not in the state available");
        return Err(Ec2Error::new("IncorrectState", message));
    }
    if image.machine.virtualization != "hvm" {
        let message = format!("The image {id} is paravirtual and cannot be stored");
        return Err(Ec2Error::new("InvalidParameterValue", message));
    }
    let mut size = 0;
    for snapshot in image.snapshots() {
        let usable = call.region.snapshots.find(snapshot).filter(|record| {
            record.owner == call.account || record.shared_with.accounts.contains(call.account)
        });
        let record = usable.ok_or_else(|| {
            let message = format!("The snapshot {snapshot} of {id} is not shared with the account");
            Ec2Error::new("AuthFailure", message)
        })?;
        if !call.region.is_usable(snapshot, call.now) {
            return Err(snapshot_tier::archived(snapshot));
        }
        size += record.volume_size;
    }
    if size > MAX_SIZE {
        let message = format!("The image {id} is larger than 5,000 GB and cannot be stored");
        return Err(Ec2Error::new("InvalidParameterValue", message));
    }
    Ok(())
}

/// The bytes of the snapshots' blocks, if they can be stored besides what is being stored.
fn check_in_progress(call: &Ec2Call<'_>, image: &ImageRecord, bucket: &str) -> Result<u64, Ec2Error> {
    let snapshots = image.snapshots().filter_map(|id| call.region.snapshots.find(id));
    let bytes: u64 = snapshots.filter_map(|snapshot| snapshot.full_size(call.now)).sum();
    let tasks = call.region.store_tasks.all();
    let running: Vec<_> = tasks
        .iter()
        .map(|(_, task)| task)
        .filter(|task| task.owner == call.account && task.state(call.now) == "InProgress")
        .collect();
    if running.iter().any(|task| task.image == image.id && task.bucket == bucket) {
        let message = format!("The image {} is being stored in the bucket {bucket}", image.id);
        return Err(Ec2Error::new("IncorrectState", message));
    }
    let in_progress: u64 = running.iter().filter_map(|task| task.bytes).sum();
    if in_progress + bytes > MAX_IN_PROGRESS {
        let message = "Too much data of store tasks in progress. The limit is 1,200 GB";
        return Err(Ec2Error::new("ResourceLimitExceeded", message));
    }
    Ok(bytes)
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
        watermarks: image.watermarks.clone(),
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

/// `DescribeStoreImageTasks`: the tasks of the last 31 days, the newest first. With image ids, filters are ignored.
pub(crate) fn describe(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    let ids = params.text_list("ImageId");
    ids.iter().try_for_each(|id| check_image_id(id))?;
    let filters = filter::read(&params, |name| matches!(name, "task-state" | "bucket"))?;
    if ids.len() > MAX_IDS {
        let message = format!("At most {MAX_IDS} image ids can be specified");
        return Err(Ec2Error::new("InvalidParameterValue", message));
    }
    if !ids.is_empty() && PageRequest::is_sized(&params) {
        return Err(Ec2Error::combination("MaxResults cannot be used with ImageIds"));
    }
    let page = PageRequest::read(&params, LIMITS)?;
    call.commit()?;
    let field = |task: &StoreTask, name: &str| match name {
        "task-state" => FieldValue::one(task.state(call.now)),
        _ => FieldValue::one(&task.bucket),
    };
    let storing = sync::lock(&call.region.storing);
    let mut tasks: Vec<(String, Arc<StoreTask>)> = call.region.store_tasks.all();
    drop(storing);
    tasks.retain(|(_, task)| task.owner == call.account && call.now.since(task.begun) <= LISTED);
    if ids.is_empty() {
        tasks.retain(|(_, task)| filter::all_match(&filters, |name| field(task, name)));
    } else {
        tasks.retain(|(_, task)| ids.contains(&task.image.as_str()));
    }
    for (key, task) in &mut tasks {
        *key = format!("{:020} {key}", u64::MAX - task.begun.0);
    }
    tasks.sort_by(|(one, _), (other, _)| one.cmp(other));
    let (page_tasks, next) = page.paginate(tasks, |(key, _)| key);
    let mut xml = Xml::new();
    xml.items("storeImageTaskResultSet", page_tasks, |xml, (_, task)| {
        xml.value("amiId", &task.image);
        xml.value("taskStartTime", task.begun.iso());
        xml.value("bucket", &task.bucket);
        xml.value("s3objectKey", &task.key);
        xml.value("progressPercentage", task.percentage(call.now));
        xml.value("storeTaskState", task.state(call.now));
        xml.optional("storeTaskFailureReason", task.failure(call.now));
    });
    xml.optional("nextToken", next);
    Ok(xml)
}

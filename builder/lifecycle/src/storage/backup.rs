//! Stores an AMI as an object of S3, and waits until it is there.
//!
//! "Store and restore an AMI using S3", Amazon EC2 User Guide: the object is `AMI.bin`, appears when the task is
//! completed, and has the data decrypted; only EBS-backed HVM images of at most 5,000 GB can be stored.

use std::time::Duration;

use amiforge_publish::ami::AmiRegion;
use amiforge_publish::api::Tier;
use amiforge_publish::api::ec2::{DescribedImage, Tags};
use amiforge_publish::tags;
use serde::Serialize;

use super::{StorageError, check_bucket, object_size};
use crate::api::storage::{ObjectCalls, StorageCalls, StoreTask};

/// Maximum size of an image in GiB; the service documents 5,000 GB.
const MAX_GIB: u64 = 5000;
/// Tags of an object in S3: at most 10, of which these identify the image.
const OBJECT_TAGS: [&str; 8] = [
    tags::NAME,
    tags::IMAGE,
    tags::VERSION,
    tags::TOOL,
    tags::MANIFEST,
    tags::MERKLE_ROOT,
    tags::BLOCKS,
    tags::RECIPE,
];
/// First and longest interval between two polls.
const INTERVALS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(15)];
/// How long a task that was begun may not be listed, and a stored object not be there.
const LISTING_LAG: Duration = Duration::from_mins(2);

/// An image to store.
#[derive(Debug, Clone, Copy)]
pub struct BackupRequest<'a> {
    /// The image.
    pub image: &'a str,
    /// The bucket, in the region of the image.
    pub bucket: &'a str,
    /// What happens to encrypted images.
    pub encrypted: EncryptedSource,
    /// Maximum time to wait.
    pub wait: Duration,
}

/// What happens to encrypted images, whose data the object holds decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptedSource {
    /// They are refused.
    Refuse,
    /// They are stored decrypted.
    Decrypt,
}

/// A stored image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredImage {
    /// The region.
    pub region: String,
    /// The image.
    pub image_id: String,
    /// The bucket.
    pub bucket: String,
    /// The key of the object.
    pub key: String,
    /// The size of the object in bytes.
    pub bytes: u64,
    /// Where it comes from.
    pub origin: BackupOrigin,
}

/// What a run did for a stored image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackupOrigin {
    /// It stored it.
    Stored,
    /// It joined a task that was in progress.
    Joined,
    /// It was stored already.
    Present,
}

/// Stores an image, or joins or adopts what an earlier run has begun or finished.
///
/// # Errors
/// [`StorageError`].
pub async fn backup<C: StorageCalls, O: ObjectCalls>(
    region: &AmiRegion<'_, C>,
    objects: &O,
    request: &BackupRequest<'_>,
) -> Result<StoredImage, StorageError> {
    let missing =
        || StorageError::NoImage { image: request.image.to_owned(), region: region.name.to_owned() };
    let image = region.find_image(request.image).await?.ok_or_else(missing)?;
    check_bucket(region, objects, request.bucket).await?;
    let key = format!("{}.bin", image.id);
    let tasks = tasks(region, request).await?;
    let (origin, before) = match newest(&tasks) {
        Some(task) if task.state == "InProgress" => (BackupOrigin::Joined, Vec::new()),
        // A task of long ago is not listed any more; an image never changes, so its object is the same.
        task if task.is_none_or(|task| task.state == "Completed")
            && object_size(region, objects, (request.bucket, &key)).await?.is_some() =>
        {
            (BackupOrigin::Present, Vec::new())
        }
        task => {
            if let Some(reason) = task.and_then(|task| task.failure.as_ref()) {
                region.monitor.progress.message(&format!("{}: stored again: {reason}", image.id));
            }
            check_image(region, &image, request).await?;
            begin(region, &image, request, &tasks).await?;
            (BackupOrigin::Stored, tasks)
        }
    };
    if origin != BackupOrigin::Present {
        until_stored(region, request, &before).await?;
    }
    let bytes = stored_size(region, objects, (request.bucket, &key)).await?;
    Ok(StoredImage {
        region: region.name.to_owned(),
        image_id: image.id,
        bucket: request.bucket.to_owned(),
        key,
        bytes,
        origin,
    })
}

/// The tasks that store the image in the bucket.
async fn tasks<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    request: &BackupRequest<'_>,
) -> Result<Vec<StoreTask>, StorageError> {
    let action = format!("asking how far {} is stored", request.image);
    let mut tasks = region.call(&action, || region.ec2.store_tasks(request.image)).await?;
    tasks.retain(|task| task.bucket == request.bucket);
    Ok(tasks)
}

fn newest(tasks: &[StoreTask]) -> Option<&StoreTask> {
    tasks.iter().max_by_key(|task| (task.started, task.state == "InProgress"))
}

/// Refuses what the service refuses, before anything is begun.
async fn check_image<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    image: &DescribedImage,
    request: &BackupRequest<'_>,
) -> Result<(), StorageError> {
    let unsuitable = |reason: String| StorageError::Unsuitable {
        image: image.id.clone(),
        region: region.name.to_owned(),
        reason,
    };
    if image.state != "available" {
        return Err(unsuitable(format!("it is `{}`, and only an available AMI can be stored", image.state)));
    }
    if image.virtualization.as_deref() == Some("paravirtual") {
        return Err(unsuitable("it is paravirtual, and only HVM can be stored".to_owned()));
    }
    if image.root_snapshot().is_none() {
        return Err(unsuitable(
            "its root volume has no snapshot, and only volumes of EBS can be stored".to_owned(),
        ));
    }
    let mut gib = 0;
    for snapshot in image.snapshots() {
        let action = format!("asking for {snapshot}");
        let described = region.call_eventual(&action, || region.ec2.describe_snapshot(&snapshot)).await?;
        if described.tier == Tier::Archive {
            return Err(unsuitable(format!("{snapshot} is archived")));
        }
        if described.encrypted && request.encrypted == EncryptedSource::Refuse {
            return Err(StorageError::Decrypted {
                image: image.id.clone(),
                region: region.name.to_owned(),
                snapshot,
                bucket: request.bucket.to_owned(),
            });
        }
        gib += described.volume_gib;
    }
    if gib > MAX_GIB {
        return Err(unsuitable(format!("its volumes have {gib} GiB, and 5,000 GB can be stored")));
    }
    Ok(())
}

/// Begins the task. After an error without a response, a task may be there: it is looked for before the call is
/// repeated, because another call would be refused, or store the image twice. A refusal because of a task that a request of
/// an earlier run began meanwhile is none.
async fn begin<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    image: &DescribedImage,
    request: &BackupRequest<'_>,
    before: &[StoreTask],
) -> Result<(), StorageError> {
    let object_tags = object_tags(image);
    let mut first = true;
    let action = format!("storing {} in `{}`", image.id, request.bucket);
    let begin = || {
        let again = !std::mem::replace(&mut first, false);
        let object_tags = &object_tags;
        async move {
            if again {
                let tasks = region.ec2.store_tasks(&image.id).await?;
                if tasks.iter().any(|task| task.bucket == request.bucket && !before.contains(task)) {
                    return Ok(());
                }
            }
            match region.ec2.create_store_task(&image.id, request.bucket, object_tags).await {
                Err(error) if error.code.as_deref() == Some("IncorrectState") => {
                    let tasks = region.ec2.store_tasks(&image.id).await?;
                    let is_new = |task: &StoreTask| task.bucket == request.bucket && !before.contains(task);
                    if tasks.iter().any(is_new) { Ok(()) } else { Err(error) }
                }
                begun => begun.map(drop),
            }
        }
    };
    Ok(region.copy(request.wait, &action, begin).await?)
}

/// The tags that identify the image; S3 allows fewer tags, and longer values, than EC2.
fn object_tags(image: &DescribedImage) -> Tags {
    let tag = |key: &&str| Some(((*key).to_owned(), image.tags.get(*key)?.clone()));
    OBJECT_TAGS.iter().filter_map(tag).collect()
}

/// Waits until the task is completed. `before` are tasks that ended before it was begun.
async fn until_stored<C: StorageCalls>(
    region: &AmiRegion<'_, C>,
    request: &BackupRequest<'_>,
    before: &[StoreTask],
) -> Result<(), StorageError> {
    let (started, mut interval, mut reported) = (region.timer.now(), INTERVALS[0], None);
    loop {
        let mut tasks = tasks(region, request).await?;
        tasks.retain(|task| !before.contains(task));
        let waited = region.timer.now().saturating_sub(started);
        let limit = match newest(&tasks) {
            Some(task) if task.state == "Completed" => return Ok(()),
            Some(task) if task.state == "Failed" => {
                return Err(StorageError::TaskFailed {
                    image: request.image.to_owned(),
                    bucket: request.bucket.to_owned(),
                    reason: task.failure.clone().unwrap_or_else(|| "it gives no reason".to_owned()),
                });
            }
            Some(task) => {
                if reported.replace(task.progress) != Some(task.progress) {
                    let line = format!("{}: {} is stored, {} %", region.name, request.image, task.progress);
                    region.monitor.progress.message(&line);
                }
                request.wait
            }
            None => request.wait.min(LISTING_LAG),
        };
        if waited >= limit {
            let what = format!("storing {}", request.image);
            return Err(StorageError::Unfinished { what, seconds: waited.as_secs() });
        }
        region.pause(interval).await?;
        interval = (interval * 3 / 2).min(INTERVALS[1]);
    }
}

/// The size of the stored object, which may appear a moment after its task is completed.
async fn stored_size<C: StorageCalls, O: ObjectCalls>(
    region: &AmiRegion<'_, C>,
    objects: &O,
    (bucket, key): (&str, &str),
) -> Result<u64, StorageError> {
    let started = region.timer.now();
    loop {
        if let Some(bytes) = object_size(region, objects, (bucket, key)).await? {
            return Ok(bytes);
        }
        if region.timer.now().saturating_sub(started) >= LISTING_LAG {
            return Err(StorageError::NoObject { bucket: bucket.to_owned(), key: key.to_owned() });
        }
        region.pause(INTERVALS[0]).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_task_counts() {
        let task =
            |started, state: &str| StoreTask { started, state: state.to_owned(), ..StoreTask::default() };
        let tasks = [task(2, "Failed"), task(1, "Completed"), task(2, "InProgress")];
        assert_eq!(newest(&tasks).map(|task| task.state.as_str()), Some("InProgress"));
        assert_eq!(newest(&[]), None);
    }

    #[test]
    fn objects_have_the_tags_that_identify_the_image() {
        let tag = |key: &str| (key.to_owned(), "v".to_owned());
        let image = DescribedImage {
            tags: [tag("team"), tag(tags::MANIFEST), tag(tags::NAME)].into(),
            ..DescribedImage::default()
        };
        assert_eq!(object_tags(&image), [tag(tags::NAME), tag(tags::MANIFEST)].into());
    }
}

//! `DescribeImportSnapshotTasks` and `CancelImportTask`, and what a task does when its time has come.
//!
//! The states of a task are `active`, `completed`, `deleting` and `deleted` (VM Import/Export User Guide, "Importing a
//! disk as a snapshot"; a task that failed is `deleted` and says why: osbuild/osbuild-composer#706). The snapshot is
//! made when a request looks at the task after its end, of the object as it is then.

use std::io::Read as _;
use std::sync::Arc;

use super::call::Ec2Call;
use super::errors::Ec2Error;
use super::filter::{self, FieldValue};
use super::pagination::{PageLimits, PageRequest};
use super::tags;
use crate::clock::Timestamp;
use crate::digest::Sha256Digest;
use crate::ids;
use crate::services::s3;
use crate::services::xml::Xml;
use crate::state::blocks::BLOCK_SIZE;
use crate::state::import_task::{ImportEnd, ImportTask};
use crate::state::snapshot::{Snapshot, SnapshotOutcome, SnapshotShares};
use crate::state::tags::Tags;
use crate::sync;

const LIMITS: PageLimits = PageLimits { min: 1, max: 1000, default: Some(1000) };
const GIB: u64 = 1 << 30;
/// The message of a task that its owner cancelled.
const CANCELLED: &str = "User initiated task cancellation.";
/// The message of AWS for an object that cannot be read any more (keithvassallomt/windows10-ec2#3).
const NO_ACCESS: &str =
    "ClientError: Disk validation failed [We do not have access to the given resource. Reason 403 Forbidden]";

/// `DescribeImportSnapshotTasks`.
pub(crate) fn describe(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    let ids = params.text_list("ImportTaskId");
    // AWS calls the list `Filters`, unlike other operations.
    let filters = filter::read_list(&params, "Filters", |name| name == "task-state")?;
    let page = PageRequest::read(&params, LIMITS)?;
    let named = ids.iter().map(|id| find(call, id)).collect::<Result<Vec<_>, _>>()?;
    call.commit()?;
    let all = || call.region.import_tasks.all().into_iter().map(|(_, task)| task);
    let tasks = if ids.is_empty() { all().collect() } else { named };
    let mut current = Vec::new();
    for task in tasks.iter().filter(|task| task.owner == call.account) {
        let task = advanced(call, task)?;
        if filter::all_match(&filters, |_| FieldValue::one(state(&task))) {
            current.push(task);
        }
    }
    let (shown, next) = page.paginate(current, |task| &task.id);
    let mut xml = Xml::new();
    xml.items("importSnapshotTaskSet", shown, |xml, task| write(xml, &task, call.now));
    xml.optional("nextToken", next);
    Ok(xml)
}

/// `CancelImportTask`. That a task which has ended cannot be cancelled is chosen here.
pub(crate) fn cancel(call: &Ec2Call<'_>) -> Result<Xml, Ec2Error> {
    let params = call.params();
    params.text("CancelReason");
    let task = find(call, params.required("ImportTaskId")?)?;
    call.commit()?;
    let task = advanced(call, &task)?;
    if !task.is_active() {
        let message = format!("The task {} is {} and cannot be cancelled", task.id, state(&task));
        return Err(Ec2Error::new("InvalidParameter", message));
    }
    let _guard = call.lock_region();
    let ended =
        ImportTask { end: Some(ImportEnd::Deleted(CANCELLED.to_owned())), ..ImportTask::clone(&task) };
    call.region.import_tasks.put(&task.id, ended)?;
    let mut xml = Xml::new();
    xml.value("importTaskId", &task.id);
    xml.value("previousState", "active");
    xml.value("state", "deleting");
    Ok(xml)
}

/// The task with an id. The code is that of EC2's other tasks of conversion; not tried on AWS.
fn find(call: &Ec2Call<'_>, id: &str) -> Result<Arc<ImportTask>, Ec2Error> {
    let task = call.region.import_tasks.find(id).filter(|task| task.owner == call.account);
    task.ok_or_else(|| {
        Ec2Error::new("InvalidConversionTaskId", format!("The import task ID {id} does not exist"))
    })
}

fn state(task: &ImportTask) -> &'static str {
    match &task.end {
        None => "active",
        Some(ImportEnd::Completed(_)) => "completed",
        Some(ImportEnd::Deleted(_)) => "deleted",
    }
}

/// Writes a task.
pub(crate) fn write(xml: &mut Xml, task: &ImportTask, now: Timestamp) {
    xml.optional("description", task.description.as_ref());
    xml.value("importTaskId", &task.id);
    xml.element("snapshotTaskDetail", |xml| {
        xml.optional("description", task.description.as_ref());
        // A number with a fraction, and of bytes, although the documentation says GiB.
        xml.value("diskImageSize", format!("{}.0", task.size));
        xml.value("encrypted", task.kms_key.is_some());
        xml.value("format", &task.format);
        xml.optional("kmsKeyId", task.kms_key.as_ref());
        if task.is_active() {
            let percentage = task.percentage(now);
            xml.value("progress", percentage.min(99));
            xml.value("statusMessage", message(percentage));
        }
        match &task.end {
            Some(ImportEnd::Completed(snapshot)) => xml.value("snapshotId", snapshot),
            Some(ImportEnd::Deleted(why)) => xml.value("statusMessage", why),
            None => {}
        }
        xml.value("status", state(task));
        xml.element("userBucket", |xml| {
            xml.value("s3Bucket", &task.bucket);
            xml.value("s3Key", &task.key);
        });
    });
    tags::write_xml(xml, &task.tags);
}

/// What an active task is doing.
fn message(percentage: u64) -> &'static str {
    match percentage {
        0..10 => "pending",
        10..90 => "downloading/converting",
        _ => "completing",
    }
}

/// The task as it is now: at its end it makes the snapshot.
fn advanced(call: &Ec2Call<'_>, task: &Arc<ImportTask>) -> Result<Arc<ImportTask>, Ec2Error> {
    if !task.is_active() || call.now < task.done {
        return Ok(Arc::clone(task));
    }
    let _guard = call.lock_region();
    // Another request may have ended it meanwhile.
    let task = find(call, &task.id)?;
    if !task.is_active() {
        return Ok(task);
    }
    let end = match &task.failure {
        Some(why) => ImportEnd::Deleted(why.clone()),
        None => match make_snapshot(call, &task)? {
            Some(id) => ImportEnd::Completed(id),
            None => ImportEnd::Deleted(NO_ACCESS.to_owned()),
        },
    };
    let ended = ImportTask { end: Some(end), ..ImportTask::clone(&task) };
    call.region.import_tasks.put(&task.id, ended.clone())?;
    Ok(Arc::new(ended))
}

/// Makes the snapshot; `None` if the object is gone. Its description is that of AWS. The tags of the task do not become
/// tags of the snapshot: not documented, and the stricter assumption.
fn make_snapshot(call: &Ec2Call<'_>, task: &ImportTask) -> Result<Option<String>, Ec2Error> {
    let Ok(mut source) = s3::reader(&call.region.object_store, (&task.bucket, &task.key), call.now) else {
        return Ok(None);
    };
    let id = ids::fresh("snap");
    let snapshot = Snapshot {
        lineage: id.clone(),
        id: id.clone(),
        owner: task.owner.clone(),
        description: format!("Created by AWS-VMImport service for {}", task.id),
        volume_size: task.size.div_ceil(GIB).max(1),
        volume_id: "vol-ffffffff".to_owned(),
        parent: None,
        kms_key: task.kms_key.clone(),
        start_time: call.now,
        timeout: 60,
        outcome: None,
        start: None,
        tags: Tags::new(),
        shared_with: SnapshotShares::default(),
    };
    call.region.snapshots.start(snapshot)?;
    match write_blocks(call, &id, &mut source) {
        Ok(()) => Ok(Some(id)),
        Err(error) => {
            call.remove_snapshot(&id)?;
            Err(error)
        }
    }
}

/// Writes all blocks of the object, zeros too, and completes the snapshot.
fn write_blocks(call: &Ec2Call<'_>, id: &str, source: &mut dyn std::io::Read) -> Result<(), Ec2Error> {
    let map = call.region.snapshots.map(id)?;
    let mut bytes = Vec::with_capacity(BLOCK_SIZE);
    let mut blocks = 0;
    loop {
        bytes.clear();
        (&mut *source).take(BLOCK_SIZE as u64).read_to_end(&mut bytes).map_err(Ec2Error::internal)?;
        if bytes.is_empty() {
            break;
        }
        bytes.resize(BLOCK_SIZE, 0);
        let digest = Sha256Digest::of(&bytes);
        call.state.blocks.store(digest, &bytes)?;
        sync::lock(&*map).record(blocks, digest)?;
        blocks += 1;
    }
    sync::lock(&*map).seal();
    let outcome = SnapshotOutcome { at: call.now, failure: None, blocks: u64::from(blocks) };
    call.region.snapshots.edit(id, |snapshot| {
        snapshot.outcome = Some(outcome);
        Ok::<_, Ec2Error>(())
    })?;
    Ok(())
}

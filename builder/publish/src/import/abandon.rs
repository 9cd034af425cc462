//! Takes an unfinished import back: cancels its task, deletes its snapshot, its object and its upload, and then its
//! ledger.

use std::path::Path;

use super::ledger::{self, ImportEntry, ImportLedger};
use crate::api::Ebs;
use crate::api::ec2::Ec2;
use crate::api::imports::{ImportCalls, PartUpload};
use crate::error::{PublishError, call_failed};
use crate::folder::LockedFolder;
use crate::retry::{CallStep, NoObserver, RetryExhausted, retry};
use crate::service_error::ServiceErrorKind;
use crate::services::Services;

/// What was deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Abandoned {
    /// Tasks that were cancelled, objects and snapshots that were deleted: their ids and addresses.
    pub deleted: Vec<String>,
}

/// Describes the resources of an unfinished import; `None` if there is none.
pub fn unfinished(image: &Path, region: &str) -> Option<String> {
    let folder = LockedFolder::path_for(image, region).ok()?;
    let entry = ledger::read(&folder).ok()?.filter(|entry| !entry.finished)?;
    let mut parts = vec![match (entry.stored, &entry.upload) {
        (true, _) => entry.url(),
        (false, Some(_)) => format!("parts of {}", entry.url()),
        (false, None) => format!("perhaps an upload of {}", entry.url()),
    }];
    parts.extend(entry.snapshot.or(entry.task).map(|id| format!("{id} in {region}")));
    Some(parts.join(", "))
}

/// Takes the unfinished import of an image back; `None` if there is none.
///
/// # Errors
/// The error of a call or of the ledger; the same call continues.
pub async fn abandon<E: Ebs, C: Ec2, I: ImportCalls>(
    services: &Services<E, C>,
    calls: &I,
    image: &Path,
) -> Result<Option<Abandoned>, PublishError> {
    let path = LockedFolder::path_for(image, &services.region)?;
    if ledger::read(&path)?.is_none_or(|entry| entry.finished) {
        return Ok(None);
    }
    let ledger = ImportLedger::new(LockedFolder::open(&path)?);
    let Some(mut entry) = ledger.entry()?.filter(|entry| !entry.finished) else { return Ok(None) };
    let mut abandoned = Abandoned::default();
    let cleanup = Cleanup { services, calls };
    if entry.snapshot.is_none() && entry.stored {
        entry.snapshot = cleanup.end_task(&entry, &mut abandoned).await?;
        ledger.save(&entry)?;
    }
    if let Some(snapshot) = &entry.snapshot {
        services.delete_snapshot(snapshot).await?;
        abandoned.deleted.push(snapshot.clone());
    }
    cleanup.delete_upload(&entry).await?;
    cleanup.delete_object(&entry, &mut abandoned).await?;
    ledger.remove()?;
    Ok(Some(abandoned))
}

struct Cleanup<'a, E, C, I> {
    services: &'a Services<E, C>,
    calls: &'a I,
}

impl<E: Ebs, C: Ec2, I: ImportCalls> Cleanup<'_, E, C, I> {
    /// Cancels the task; returns its snapshot if it was completed already. A call whose answer was lost may have begun a
    /// task: the same call, with its token, tells its id.
    async fn end_task(
        &self,
        entry: &ImportEntry,
        abandoned: &mut Abandoned,
    ) -> Result<Option<String>, PublishError> {
        let timer = &self.services.timer;
        let id = if let Some(id) = &entry.task {
            id.clone()
        } else {
            let import = entry.new_import();
            let call = || self.calls.import_snapshot(&import);
            match retry(timer, CallStep::Idempotent, &NoObserver, call).await {
                Ok(id) => id,
                // Nothing was begun, and nothing can be: no role, no object.
                Err(exhausted) if exhausted.error.kind == ServiceErrorKind::Refused => return Ok(None),
                Err(exhausted) => {
                    return Err(call_failed("asking which task was begun")(exhausted));
                }
            }
        };
        let cancelled =
            retry(timer, CallStep::Idempotent, &NoObserver, || self.calls.cancel_import(&id)).await;
        match cancelled {
            Ok(()) => abandoned.deleted.push(id.clone()),
            Err(exhausted) if is_ended(&exhausted) => {}
            Err(exhausted) => return Err(call_failed(format!("cancelling {id}"))(exhausted)),
        }
        let task = retry(timer, CallStep::Idempotent, &NoObserver, || self.calls.import_task(&id)).await;
        match task {
            Ok(task) => Ok(task.snapshot),
            Err(exhausted) if exhausted.error.kind == ServiceErrorKind::NotFound => Ok(None),
            Err(exhausted) => Err(call_failed(format!("asking for {id}"))(exhausted)),
        }
    }

    /// Aborts the upload, also one of a call whose answer was lost.
    async fn delete_upload(&self, entry: &ImportEntry) -> Result<(), PublishError> {
        if entry.stored {
            return Ok(());
        }
        let (timer, object) = (&self.services.timer, entry.object());
        let ids = if let Some(id) = &entry.upload {
            vec![id.clone()]
        } else {
            let call = || self.calls.uploads(&object);
            let ids = retry(timer, CallStep::Idempotent, &NoObserver, call).await;
            ids.map_err(call_failed("asking for unfinished uploads"))?
        };
        for id in ids {
            let upload = PartUpload { object: object.clone(), id };
            match retry(timer, CallStep::Idempotent, &NoObserver, || self.calls.abort_upload(&upload)).await {
                Err(exhausted) if exhausted.error.kind != ServiceErrorKind::NotFound => {
                    return Err(call_failed(format!("aborting the upload of {}", entry.url()))(exhausted));
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn delete_object(
        &self,
        entry: &ImportEntry,
        abandoned: &mut Abandoned,
    ) -> Result<(), PublishError> {
        let object = entry.object();
        let call = || self.calls.delete_object(&object);
        let deleted = retry(&self.services.timer, CallStep::Idempotent, &NoObserver, call).await;
        deleted.map_err(call_failed(format!("deleting {}", entry.url())))?;
        abandoned.deleted.push(entry.url());
        Ok(())
    }
}

/// Whether a task that cannot be cancelled has ended.
fn is_ended(exhausted: &RetryExhausted) -> bool {
    matches!(exhausted.error.kind, ServiceErrorKind::Refused | ServiceErrorKind::NotFound)
}

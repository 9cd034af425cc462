//! The disk of a snapshot that others own: read as it is where the EBS direct APIs do so, else from a copy in the account that
//! is deleted afterwards.
//!
//! The EBS direct APIs read snapshots of the account and those that are shared with it by name, and no public ones (Amazon
//! EBS User Guide, "EBS direct APIs concepts": *Public snapshots are not supported*), as those of Amazon's own AMIs are.
//! Only the snapshot of the root volume is copied, not the AMI: that needs the same permission to read its storage, and leaves
//! one thing to delete instead of several. A copy costs and takes minutes, so the user has to agree to it.

mod copier;
mod error;
mod identify;
mod ledger;

use std::path::Path;

use amiforge_progress::Monitor;

pub use self::error::SourceCopyError;
pub use self::identify::{SourceIdentity, identify, identify_image};
pub use self::ledger::CopyLedger;

use self::copier::Copier;
use crate::api::{Ebs, SnapshotCopies};
use crate::download::{DownloadForm, Downloaded, SnapshotContent, download_as};
use crate::error::PublishError;
use crate::services::Services;

/// Whether the user agreed to a copy in the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyConsent {
    /// Nobody did.
    Missing,
    /// The user did.
    Given,
}

/// The disk of a snapshot to read.
#[derive(Debug, Clone, Copy)]
pub struct SourceDownload<'a> {
    /// The snapshot.
    pub snapshot: &'a str,
    /// The file to write.
    pub out: &'a Path,
    /// The ledger of copies: a file that is there only while a copy may be.
    pub ledger: &'a Path,
    /// Whether a copy may be begun.
    pub consent: CopyConsent,
    /// The time in seconds since 1970, by which leftovers are known.
    pub now: i64,
    /// Requests in a second at most; 0 for no limit.
    pub rate: u32,
}

/// Writes the disk of a snapshot into a file that follows from its blocks alone ([`DownloadForm::Packed`]). If a copy was made
/// for it, the copy is there until [`delete_copies`].
///
/// # Errors
/// [`SourceCopyError`]. What was read, and the copy, are kept: the next call goes on with them.
pub async fn download_source<E: Ebs, S: SnapshotCopies>(
    services: &Services<E, S>,
    request: &SourceDownload<'_>,
    monitor: Monitor<'_>,
) -> Result<Downloaded, SourceCopyError> {
    let services = &services.with_cancel(monitor.cancel);
    let read = async |read: &str| {
        let content = SnapshotContent { read, identity: Some(request.snapshot) };
        download_as(services, content, (request.out, DownloadForm::Packed), request.rate, monitor).await
    };
    if !CopyLedger::exists(request.ledger) {
        match read(request.snapshot).await {
            Err(error) if is_refusal_of_public(&error) => {}
            other => return Ok(other?),
        }
        if request.consent == CopyConsent::Missing {
            return Err(needs_copy(services, request).await?);
        }
    }
    let copier = Copier::open(services, request, monitor)?;
    let copy = copier.obtain().await?;
    Ok(read(&copy).await?)
}

/// Deletes the copies of a snapshot that a ledger knows, and the ledger. Without a ledger nothing is done.
///
/// # Errors
/// [`SourceCopyError`]; the ledger is kept then.
pub async fn delete_copies<E: Ebs, S: SnapshotCopies>(
    services: &Services<E, S>,
    request: &SourceDownload<'_>,
    monitor: Monitor<'_>,
) -> Result<(), SourceCopyError> {
    if !CopyLedger::exists(request.ledger) {
        return Ok(());
    }
    let services = &services.with_cancel(monitor.cancel);
    Copier::open(services, request, monitor)?.discard().await
}

/// Why a copy is needed, with what it is of.
async fn needs_copy<E: Ebs, S: SnapshotCopies>(
    services: &Services<E, S>,
    request: &SourceDownload<'_>,
) -> Result<SourceCopyError, SourceCopyError> {
    let source = services.lookup_snapshot(request.snapshot).await?;
    let owner = source.owner.unwrap_or_else(|| "that is not named".to_owned());
    Ok(SourceCopyError::NeedsCopy { snapshot: source.id, owner, gib: source.volume_gib })
}

/// Whether the EBS direct APIs refused a snapshot because it is public. The model has no reason of its own for that, so the
/// message says it.
fn is_refusal_of_public(error: &PublishError) -> bool {
    let PublishError::Call { source, .. } = error else { return false };
    source.error.message.to_ascii_lowercase().contains("public snapshot")
}

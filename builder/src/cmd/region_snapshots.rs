//! Disks of snapshots for `lock`, `fetch` and `import`: read from their regions through the EBS direct APIs, public ones from a
//! copy in the account.

use std::error::Error;

use amiforge::fetch::{NamedSnapshot, SnapshotFiles, SnapshotPlace};
use amiforge_progress::{CancelToken, Monitor};
use amiforge_publish::rate_limiter;
use amiforge_publish::source_copy::{
    CopyConsent, SourceCopyError, SourceDownload, delete_copies, download_source, identify,
};

use super::region::{self, ConnectedRegion};

type BoxedError = Box<dyn Error + Send + Sync>;

/// The regions of this machine's configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct RegionSnapshots {
    /// Whether snapshots may be copied to read them.
    pub(super) consent: CopyConsent,
    /// The time in seconds since 1970.
    pub(super) now: i64,
}

impl RegionSnapshots {
    /// The region of a snapshot, and what is asked of it.
    fn connected<'a>(
        &self,
        snapshot: &'a NamedSnapshot,
        files: &'a SnapshotPlace,
        monitor: Monitor<'_>,
    ) -> Result<(ConnectedRegion, SourceDownload<'a>), BoxedError> {
        Ok((connect(Some(&snapshot.region), monitor.cancel)?, self.request(snapshot, files)))
    }

    fn request<'a>(&self, snapshot: &'a NamedSnapshot, files: &'a SnapshotPlace) -> SourceDownload<'a> {
        let local = arguments(Some(&snapshot.region)).is_local();
        SourceDownload {
            snapshot: &snapshot.snapshot,
            out: &files.disk,
            ledger: &files.copies,
            consent: self.consent,
            now: self.now,
            rate: if local { 0 } else { rate_limiter::DEFAULT_RATE },
        }
    }
}

fn arguments(region: Option<&str>) -> region::Args {
    region::Args { region: region.map(str::to_owned), profile: None, endpoint_url: None }
}

fn connect(region: Option<&str>, cancel: &CancelToken) -> Result<ConnectedRegion, BoxedError> {
    Ok(arguments(region).connect(cancel).map_err(|failure| failure.error)?)
}

impl SnapshotFiles for RegionSnapshots {
    fn identify(
        &self,
        id: &str,
        region: Option<&str>,
        monitor: Monitor<'_>,
    ) -> Result<NamedSnapshot, BoxedError> {
        let connected = connect(region, monitor.cancel)?;
        let services = connected.services().with_cancel(monitor.cancel);
        let identity = connected.block_on(identify(&services, id))?;
        // The name that the recipe has for the local region is not that which its service gives itself.
        let region = region.map_or_else(|| services.region.clone(), str::to_owned);
        Ok(NamedSnapshot { snapshot: identity.snapshot, region })
    }

    fn download(
        &self,
        snapshot: &NamedSnapshot,
        files: &SnapshotPlace,
        monitor: Monitor<'_>,
    ) -> Result<(), BoxedError> {
        let (connected, request) = self.connected(snapshot, files, monitor)?;
        connected.block_on(download_source(&connected.services(), &request, monitor))?;
        Ok(())
    }

    fn delete_copies(
        &self,
        snapshot: &NamedSnapshot,
        files: &SnapshotPlace,
        monitor: Monitor<'_>,
    ) -> Result<(), BoxedError> {
        let (connected, request) = self.connected(snapshot, files, monitor)?;
        connected.block_on(delete_copies(&connected.services(), &request, monitor))?;
        Ok(())
    }
}

/// The consent of an option.
pub(super) fn consent(given: bool) -> CopyConsent {
    if given { CopyConsent::Given } else { CopyConsent::Missing }
}

/// Whether an error says that a copy is needed.
pub(super) fn needs_copy(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(SourceCopyError::NeedsCopy { .. }) = error.downcast_ref() {
            return true;
        }
        cause = error.source();
    }
    false
}

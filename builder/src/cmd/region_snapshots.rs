//! Disks of snapshots for `lock` and `fetch`: read from their regions through the EBS direct APIs.

use std::error::Error;
use std::path::Path;

use amiforge::fetch::{NamedSnapshot, SnapshotFiles};
use amiforge_progress::Monitor;
use amiforge_publish::download::{DownloadForm, download_as};
use amiforge_publish::rate_limiter;

use super::region;

/// The regions of this machine's configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct RegionSnapshots;

impl SnapshotFiles for RegionSnapshots {
    fn download(
        &self,
        id: &str,
        region: Option<&str>,
        out: &Path,
        monitor: Monitor<'_>,
    ) -> Result<NamedSnapshot, Box<dyn Error + Send + Sync>> {
        let args = region::Args { region: region.map(str::to_owned), profile: None, endpoint_url: None };
        let connected = args.connect(monitor.cancel).map_err(|failure| failure.error)?;
        let services = connected.services();
        let rate = if args.is_local() { 0 } else { rate_limiter::DEFAULT_RATE };
        let work = download_as(&services, id, (out, DownloadForm::Packed), rate, monitor);
        let done = connected.block_on(work)?;
        // The name that the recipe has for the local region is not that which its service gives itself.
        let region = region.map_or_else(|| services.region.clone(), str::to_owned);
        Ok(NamedSnapshot { snapshot: done.snapshot, region })
    }
}

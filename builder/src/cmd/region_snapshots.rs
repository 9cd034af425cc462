//! Disks of snapshots for `lock`, `fetch` and `import`: read from their regions through the EBS direct APIs, public ones from a
//! copy in the account.

use std::error::Error;

use amiforge::fetch::{FoundDisk, NamedSnapshot, SnapshotFiles, SnapshotPlace, WantedDisk};
use amiforge::recipe::{Arch, DiskChoice};
use amiforge_aws::{EbsClient, Ec2Client};
use amiforge_lifecycle::image_choice::{ChoiceRegion, ImageNaming, ImageTerms, choose, remarks};
use amiforge_progress::{CancelToken, Monitor};
use amiforge_publish::rate_limiter;
use amiforge_publish::retry::RetryExhausted;
use amiforge_publish::service_error::ServiceErrorKind;
use amiforge_publish::services::Services;
use amiforge_publish::source_copy::{
    CopyConsent, SourceCopyError, SourceDownload, SourceIdentity, delete_copies, download_source, identify,
    identify_image,
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

impl RegionSnapshots {
    /// The snapshot that is meant, and how it was chosen.
    async fn identity(
        &self,
        connected: &ConnectedRegion,
        services: &Services<EbsClient, Ec2Client>,
        wanted: &WantedDisk<'_>,
    ) -> Result<(SourceIdentity, Vec<String>), BoxedError> {
        let naming = match wanted.choice {
            DiskChoice::Id(id) => return Ok((identify(services, id).await?, Vec::new())),
            DiskChoice::Parameter(name) => ImageNaming::Parameter(name),
            DiskChoice::Newest { owner, name } => ImageNaming::Newest { owner, name },
        };
        let (ec2, ssm) = (services.ec2.as_ref(), connected.config().ssm());
        let region = ChoiceRegion { name: &services.region, ec2, parameters: &ssm, timer: &services.timer };
        let terms = ImageTerms { naming, arch: wanted.arch.map(Arch::ec2_name), now: self.now };
        let chosen = choose(&region, &terms).await?;
        Ok((identify_image(services, chosen.image).await?, chosen.notes))
    }
}

fn arguments(region: Option<&str>) -> region::Args {
    region::Args { region: region.map(str::to_owned), profile: None, endpoint_url: None }
}

fn connect(region: Option<&str>, cancel: &CancelToken) -> Result<ConnectedRegion, BoxedError> {
    Ok(arguments(region).connect(cancel).map_err(|failure| failure.error)?)
}

impl SnapshotFiles for RegionSnapshots {
    fn identify(&self, wanted: &WantedDisk<'_>, monitor: Monitor<'_>) -> Result<FoundDisk, BoxedError> {
        let connected = connect(wanted.region, monitor.cancel)?;
        let services = connected.services().with_cancel(monitor.cancel);
        let (identity, mut notes) = connected.block_on(self.identity(&connected, &services, wanted))?;
        if let (Some(image), DiskChoice::Id(_)) = (&identity.image, wanted.choice) {
            notes.extend(remarks(image, self.now));
        }
        // The name that the recipe has for the local region is not that which its service gives itself.
        let region = wanted.region.map_or_else(|| services.region.clone(), str::to_owned);
        let name = NamedSnapshot { snapshot: identity.snapshot, region };
        Ok(FoundDisk { name, image: identity.image.map(|image| image.id), notes })
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
    let mut causes = causes(error);
    causes.any(|cause| matches!(cause.downcast_ref(), Some(SourceCopyError::NeedsCopy { .. })))
}

/// Whether an error says that a resource does not exist, or is not shared any more.
pub(super) fn is_gone(error: &(dyn Error + 'static)) -> bool {
    let gone = |kind: ServiceErrorKind| kind == ServiceErrorKind::NotFound;
    causes(error)
        .any(|cause| cause.downcast_ref().is_some_and(|tried: &RetryExhausted| gone(tried.error.kind)))
}

/// An error and its causes.
fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| (*error).source())
}

//! A raw disk or a bundle, a local region with a bucket, and publishing by import.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use amiforge_aws::{EbsClient, Ec2Client};
use amiforge_progress::{CancelToken, Monitor};
use amiforge_publish::ami::{self, AmiError, Deleted, PublishJob, Published, Route};
use amiforge_publish::api::SnapshotCalls as _;
use amiforge_publish::api::ec2::{DescribedImage, Ec2 as _, ImageOwner, ImageQuery};
use amiforge_publish::api::imports::ImportRegions;
use amiforge_publish::error::PublishError;
use amiforge_publish::import::ImportOptions;
use amiforge_publish::request::{AmiOptions, Arch, BootMode};
use amiforge_publish::services::Services;
use amiforge_publish::upload::UploadOptions;
use amiforge_tests::archive::noise;
use amiforge_tests::region::Region;
use amiforge_tests::{error_chain, scratch};
use tempfile::TempDir;

use crate::register::fixture::request;

/// The bucket of the region `local`, and one of the region `local-2`.
pub(crate) const BUCKET: &str = "imports";
pub(crate) const ELSEWHERE: &str = "elsewhere";
/// Number of parts of the raw disk: two of 8 MiB, and a rest.
pub(crate) const PARTS: usize = 3;

/// A disk, a region, and a bucket.
pub(crate) struct ImportFixture {
    pub(crate) folder: TempDir,
    pub(crate) region: Region,
    pub(crate) image: PathBuf,
}

impl ImportFixture {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// With the configuration of the region that `set` changes.
    pub(crate) fn with(set: impl FnOnce(&mut amiforge_emulator::RegionConfig)) -> Self {
        let folder = scratch::folder();
        let image = folder.path().join("disk.raw");
        let mut bytes = noise(17 << 20, 1);
        // Zeros, and a last block that is not full.
        bytes[1 << 20..3 << 20].fill(0);
        bytes.extend([7; 1000]);
        fs::write(&image, bytes).unwrap();
        let region = Region::with(&folder.path().join("region"), set);
        region.running.region().create_bucket("local", BUCKET).unwrap();
        region.running.region().create_bucket("local-2", ELSEWHERE).unwrap();
        Self { folder, region, image }
    }

    pub(crate) fn services(&self) -> Services<EbsClient, Ec2Client> {
        let services = self.region.services();
        Services {
            ebs: services.ebs,
            ec2: Arc::new(self.region.config.ec2()),
            timer: services.timer,
            region: services.region,
        }
    }

    /// Publishes the disk through the bucket.
    pub(crate) fn publish(&self) -> Result<Published, AmiError> {
        self.publish_by(&self.region.config, &options(), &CancelToken::new())
    }

    pub(crate) fn must(&self) -> Published {
        self.publish().unwrap_or_else(|error| panic!("{}", error_chain(&error)))
    }

    /// Publishes with the clients of `regions`.
    pub(crate) fn publish_by<R: ImportRegions<Ec2 = Ec2Client>>(
        &self,
        regions: &R,
        options: &AmiOptions,
        cancel: &CancelToken,
    ) -> Result<Published, AmiError> {
        let services = self.services();
        let job = job(&self.image, options, BUCKET);
        self.region.block_on(ami::publish(&services, regions, &job, Monitor::silent(cancel)))
    }

    pub(crate) fn abandon(&self) -> Result<Vec<Deleted>, AmiError> {
        let services = self.services();
        let work = ami::abandon(&services, &self.region.config, &self.image, Monitor::none());
        self.region.block_on(work)
    }

    pub(crate) fn images(&self) -> Vec<DescribedImage> {
        let query = ImageQuery { owner: ImageOwner::Own, ..ImageQuery::default() };
        self.region.block_on(self.region.config.ec2().describe_images(&query)).unwrap()
    }

    /// The account's snapshots, by id.
    pub(crate) fn snapshots(&self) -> Vec<String> {
        let all = self.region.block_on(self.region.config.ec2().describe_tagged_snapshots(&[])).unwrap();
        let mut ids: Vec<_> = all.into_iter().map(|snapshot| snapshot.id).collect();
        ids.sort();
        ids
    }

    /// Number of objects and of unfinished uploads in the region: their records in its folder.
    pub(crate) fn stored(&self) -> (usize, usize) {
        let records = |kind: &str| count(&self.folder.path().join("region/local").join(kind));
        (records("objects"), records("uploads"))
    }

    /// Checks that there is one AMI of one snapshot and nothing else.
    pub(crate) fn assert_published(&self) {
        let images = self.images();
        assert_eq!(images.len(), 1, "{images:?}");
        assert_eq!(images[0].snapshots(), self.snapshots(), "one snapshot");
        assert_eq!(self.stored(), (0, 0), "objects and uploads are deleted");
    }

    /// Checks that nothing is left.
    pub(crate) fn assert_nothing(&self) {
        assert_eq!((self.images().len(), self.snapshots().len(), self.stored()), (0, 0, (0, 0)));
    }
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).map_or(0, std::iter::Iterator::count)
}

/// Options of the AMI of a raw disk.
pub(crate) fn options() -> AmiOptions {
    AmiOptions {
        name: Some("appliance".to_owned()),
        architecture: Some(Arch::X86_64),
        boot_mode: Some(BootMode::Uefi),
        ..AmiOptions::default()
    }
}

pub(crate) fn job(image: &Path, options: &AmiOptions, bucket: &str) -> PublishJob {
    PublishJob {
        image: image.to_owned(),
        request: request(image, options),
        upload: UploadOptions { rate: 0, ..UploadOptions::default() },
        route: Route::Import(ImportOptions {
            bucket: bucket.to_owned(),
            role: None,
            wait: Duration::from_mins(30),
        }),
        wait: Duration::from_mins(10),
    }
}

/// The error of the upload of a failed publish.
pub(crate) fn upload_error(outcome: Result<Published, AmiError>) -> PublishError {
    match outcome {
        Err(AmiError::Upload { source, .. }) => source,
        Err(error) => panic!("{}", error_chain(&error)),
        Ok(published) => panic!("{published:?}"),
    }
}

//! A bundle, a local region, and publishing the bundle to the region.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use amiforge_aws::{EbsClient, Ec2Client};
use amiforge_progress::{CancelToken, Monitor};
use amiforge_publish::ami::{self, AmiError, Deleted, PublishJob, Published};
use amiforge_publish::api::SnapshotCalls as _;
use amiforge_publish::api::ec2::{DescribedImage, Ec2 as _, ImageOwner, ImageQuery};
use amiforge_publish::request::{AmiOptions, Request, check};
use amiforge_publish::services::Services;
use amiforge_publish::source::ImageSource;
use amiforge_publish::upload;
use amiforge_tests::archive::noise;
use amiforge_tests::error_chain;
use amiforge_tests::region::Region;
use amiforge_tests::{program, scratch};
use tempfile::TempDir;

/// 2026-11-21.
pub(crate) const NOW: i64 = 1_795_240_800;

/// A bundle and a region.
pub(crate) struct AmiFixture {
    pub(crate) folder: TempDir,
    pub(crate) region: Region,
    pub(crate) bundle: PathBuf,
}

impl AmiFixture {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(crate) fn with(set: impl FnOnce(&mut amiforge_emulator::RegionConfig)) -> Self {
        let folder = scratch::folder();
        let bundle = build(folder.path(), "web", 1);
        let region = Region::with(&folder.path().join("region"), set);
        Self { folder, region, bundle }
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

    pub(crate) fn publish(&self, options: &AmiOptions) -> Result<Published, AmiError> {
        self.publish_bundle(&self.bundle, options)
    }

    pub(crate) fn publish_bundle(&self, bundle: &Path, options: &AmiOptions) -> Result<Published, AmiError> {
        let job = PublishJob {
            image: bundle.to_owned(),
            request: request(bundle, options),
            upload: upload::UploadOptions { rate: 0, ..upload::UploadOptions::default() },
            route: ami::Route::Direct,
            wait: Duration::from_mins(10),
        };
        self.run(&job, &CancelToken::new())
    }

    /// Publishes what `cancel` may stop.
    pub(crate) fn publish_until(
        &self,
        options: &AmiOptions,
        cancel: &CancelToken,
    ) -> Result<Published, AmiError> {
        let job = PublishJob {
            image: self.bundle.clone(),
            request: request(&self.bundle, options),
            upload: upload::UploadOptions { rate: 0, ..upload::UploadOptions::default() },
            route: ami::Route::Direct,
            wait: Duration::from_mins(10),
        };
        self.run(&job, cancel)
    }

    fn run(&self, job: &PublishJob, cancel: &CancelToken) -> Result<Published, AmiError> {
        let services = self.services();
        let work = ami::publish(&services, &self.region.config, job, Monitor::silent(cancel));
        self.region.block_on(work)
    }

    /// Publishes; the AMI and all copies have to succeed.
    pub(crate) fn must(&self, options: &AmiOptions) -> Published {
        let published = self.publish(options).unwrap_or_else(|error| panic!("{}", error_chain(&error)));
        for copy in &published.copies {
            assert!(copy.outcome.is_ok(), "{}: {:?}", copy.region, copy.outcome);
        }
        published
    }

    pub(crate) fn abandon(&self) -> Result<Vec<Deleted>, AmiError> {
        let services = self.services();
        let work = ami::abandon(&services, &self.region.config, &self.bundle, Monitor::none());
        self.region.block_on(work)
    }

    /// The EC2 client of a region.
    pub(crate) fn ec2(&self, region: &str) -> Ec2Client {
        self.region.config.in_region(region).ec2()
    }

    /// The account's images of a region.
    pub(crate) fn images(&self, region: &str) -> Vec<DescribedImage> {
        let query = ImageQuery { owner: ImageOwner::Own, ..ImageQuery::default() };
        self.region.block_on(self.ec2(region).describe_images(&query)).unwrap()
    }

    /// The account's snapshots of a region, by id.
    pub(crate) fn snapshots(&self, region: &str) -> Vec<String> {
        let all = self.region.block_on(self.ec2(region).describe_tagged_snapshots(&[])).unwrap();
        let mut ids: Vec<_> = all.into_iter().map(|snapshot| snapshot.id).collect();
        ids.sort();
        ids
    }

    /// Checks that a region has one image, made from its only snapshot.
    pub(crate) fn assert_one(&self, region: &str) {
        let images = self.images(region);
        let ids: Vec<_> = images.iter().map(|image| &image.id).collect();
        assert_eq!(ids.len(), 1, "{region}: {ids:?}");
        assert_eq!(images[0].state, "available");
        assert_eq!(images[0].snapshots(), self.snapshots(region), "{region}");
    }
}

/// The request for a bundle with options.
pub(crate) fn request(bundle: &Path, options: &AmiOptions) -> Request {
    let source = ImageSource::open(bundle).unwrap();
    check(options, &ami::image_facts(&source), "local", NOW).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

/// Builds an image of a few MiB with an EFI system partition.
pub(crate) fn build(folder: &Path, name: &str, version: u32) -> PathBuf {
    let tree = folder.join(format!("{name}-{version}.tree"));
    fs::create_dir_all(tree.join("etc")).unwrap();
    fs::write(tree.join("etc/noise"), noise(5 << 20, version)).unwrap();
    let recipe = folder.join(format!("{name}-{version}.toml"));
    let text = format!(
        "[image]\nname = \"{name}\"\nversion = \"{version}\"\narch = \"x86_64\"\nepoch = 1700000000\n\n\
         [disk]\nsize = \"96 MiB\"\n\n[[partition]]\nrole = \"esp\"\nsize = \"34 MiB\"\n\n\
         [[partition]]\nrole = \"root\"\n\n[[source]]\nkind = \"dir\"\npath = \"{name}-{version}.tree\"\n"
    );
    fs::write(&recipe, text).unwrap();
    let out = folder.join(format!("{name}-{version}"));
    program::must(&["build", &recipe.to_string_lossy(), "-o", &out.to_string_lossy()]);
    out
}

/// Owned copies of texts.
pub(crate) fn texts(all: &[&str]) -> Vec<String> {
    all.iter().map(|&text| text.to_owned()).collect()
}

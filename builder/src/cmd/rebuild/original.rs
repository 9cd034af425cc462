//! The image that is to be proven: a file or a bundle on this machine, or a snapshot.

use std::path::Path;

use amiforge::embedded::Embedded;
use amiforge::rebuild::{self, RebuildComparison};
use amiforge_image::image::EmitOptions;
use amiforge_image::inspect::Medium;
use amiforge_image::manifest::Manifest;
use amiforge_image::verify::digest_of;
use amiforge_progress::{CancelToken, Monitor};
#[cfg(feature = "aws")]
use amiforge_publish::{rate_limiter, snapshot_reader};
use anyhow::Context as _;

use super::Args;
#[cfg(feature = "aws")]
use crate::cmd::region::{self, ConnectedRegion};
use crate::outcome::Failure;
use crate::ui::Ui;

/// An image.
pub(super) enum Original {
    /// A file, or the disk of a bundle.
    Local(Medium),
    /// A snapshot, with the connection that its blocks come over.
    #[cfg(feature = "aws")]
    Snapshot(Box<(snapshot_reader::SnapshotReader<amiforge_aws::EbsClient>, ConnectedRegion)>),
}

impl Original {
    pub(super) fn open(args: &Args, cancel: &CancelToken) -> Result<Self, Failure> {
        #[cfg(feature = "aws")]
        if let Some(Ok(name)) = args.target.to_str().map(region::resource_id) {
            let connected = args.aws.connect(cancel)?;
            let work = async {
                snapshot_reader::SnapshotReader::open(&connected.services(), &name, args.rate(), cancel).await
            };
            let reader = connected.block_on(work).with_context(|| args.cannot())?;
            return Ok(Self::Snapshot(Box::new((reader, connected))));
        }
        let _ = cancel;
        Ok(Self::Local(Medium::open(&args.target).with_context(|| args.cannot())?))
    }

    /// The path of an image on this machine.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Local(medium) => Some(medium.bundle().unwrap_or(medium.path())),
            #[cfg(feature = "aws")]
            Self::Snapshot(_) => None,
        }
    }

    /// What the image says of itself.
    pub(super) fn embedded(&self, args: &Args) -> Result<Option<Embedded>, Failure> {
        let read = match self {
            Self::Local(medium) => Embedded::read(medium, medium.path()),
            #[cfg(feature = "aws")]
            Self::Snapshot(snapshot) => {
                let read = Embedded::read(&snapshot.0, Path::new(snapshot.0.snapshot()));
                if let Some(error) = snapshot.0.take_failure() {
                    return Err(anyhow::Error::from(error).context(args.cannot()).into());
                }
                read
            }
        };
        Ok(read.with_context(|| args.cannot())?)
    }

    /// Reads every block, and compares the image with its rebuild.
    pub(super) fn compare(
        &self,
        args: &Args,
        (manifest, rebuilt): (&Manifest, &Medium),
        ui: &Ui,
        cancel: &CancelToken,
    ) -> Result<RebuildComparison, Failure> {
        let monitor = Monitor::new(ui, cancel);
        let compared = match self {
            Self::Local(medium) => {
                let options = args
                    .threads
                    .map_or_else(EmitOptions::default, |threads| EmitOptions { threads: threads.into() });
                let original =
                    digest_of(medium, u64::MAX, options, monitor).with_context(|| args.cannot())?;
                rebuild::compare((&original.blocks, medium), (manifest, rebuilt))
            }
            #[cfg(feature = "aws")]
            Self::Snapshot(snapshot) => {
                let (reader, connected) = &**snapshot;
                let services = connected.services();
                let work = snapshot_reader::block_map(&services, reader.snapshot(), args.rate(), monitor);
                let original = connected.block_on(work).with_context(|| args.cannot())?;
                rebuild::compare((&original, reader), (manifest, rebuilt))
            }
        };
        Ok(compared.context("comparing the images").with_context(|| args.cannot())?)
    }
}

#[cfg(feature = "aws")]
impl Args {
    /// The limit of blocks per second: none for a local region, which has no quota.
    fn rate(&self) -> u32 {
        if self.aws.is_local() { 0 } else { rate_limiter::DEFAULT_RATE }
    }
}

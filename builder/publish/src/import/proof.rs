//! The proof that the snapshot is the image: all blocks are read back, where that is allowed.

use amiforge_formats::digest::{BLOCK, Digest};
use amiforge_image::image::{Block, BlockMap};
use amiforge_image::verify::BundleDifference;

use super::ImportRun;
use crate::api::Ebs;
use crate::api::ec2::Ec2;
use crate::api::imports::ImportCalls;
use crate::error::PublishError;
use crate::service_error::ServiceErrorKind;
use crate::source::ImageSource;
use crate::verify::{Sample, SnapshotReport, verify, verify_blocks};

impl<E: Ebs, C: Ec2, I: ImportCalls> ImportRun<'_, E, C, I> {
    /// Reads the snapshot back; returns the number of blocks that were read: none if that is not allowed.
    ///
    /// # Errors
    /// [`PublishError::ReadBack`] when a block differs.
    pub(super) async fn prove(&self, snapshot: &str) -> Result<u64, PublishError> {
        let report = match self.read_back(snapshot).await {
            Err(error) if is_not_allowed(&error) => {
                self.monitor.progress.message(&format!(
                    "{snapshot} was not read back, so nothing proves yet that it is the image: {}",
                    reason(&error)
                ));
                return Ok(0);
            }
            report => report?,
        };
        match report.differences.first() {
            None => Ok(report.read),
            Some(first) => Err(PublishError::ReadBack {
                snapshot: snapshot.to_owned(),
                first: BundleDifference::to_string(first),
                count: report.differences.len(),
            }),
        }
    }

    async fn read_back(&self, snapshot: &str) -> Result<SnapshotReport, PublishError> {
        let (rate, monitor) = (self.upload.rate, self.monitor);
        if self.source.manifest().is_some() {
            return verify(self.services, snapshot, Some(self.image), Sample::All, rate, monitor).await;
        }
        let source = std::sync::Arc::clone(&self.source);
        let blocks = tokio::task::spawn_blocking(move || blocks_of(&source)).await;
        let blocks = blocks.map_err(|_| PublishError::Interrupted)??;
        self.source.check_unchanged()?;
        verify_blocks(self.services, snapshot, (&self.source.name(), blocks), rate, monitor).await
    }
}

/// The blocks of a raw file. Its holes are zeros.
fn blocks_of(source: &ImageSource) -> Result<BlockMap, PublishError> {
    let mut map = BlockMap::default();
    let mut bytes = vec![0; BLOCK as usize];
    for run in source.known_runs()? {
        if let Some(block) = run.block {
            map.push(block, run.count);
            continue;
        }
        for index in run.first..run.first + run.count {
            source.read(index, &mut bytes).map_err(|source| PublishError::Read { block: index, source })?;
            map.push(Block::hashed(Digest::of(&bytes)), 1);
        }
    }
    Ok(map)
}

/// Whether reading is not possible for this caller at all.
fn is_not_allowed(error: &PublishError) -> bool {
    let (PublishError::Call { source, .. } | PublishError::Block { source, .. }) = error else {
        return false;
    };
    matches!(
        source.error.kind,
        ServiceErrorKind::Denied | ServiceErrorKind::Unreachable | ServiceErrorKind::Untrusted
    )
}

fn reason(error: &PublishError) -> String {
    match error {
        PublishError::Call { source, .. } | PublishError::Block { source, .. } => source.error.to_string(),
        error => error.to_string(),
    }
}

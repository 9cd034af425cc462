//! `PutSnapshotBlock`: a block into a pending snapshot, if it is what its checksum says.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;

use super::errors::EbsRefusal;
use super::validation::{Pattern, RequestShape, integer};
use super::{EbsAnswer, answered, owned};
use crate::clock::Moment;
use crate::digest::BlockDigest;
use crate::http::request::{Payload, SignedRequest};
use crate::state::block_map::SnapshotMap;
use crate::state::blocks::{BLOCK, BlockStore};
use crate::state::snapshot::Snapshot;
use crate::state::{Region, World};
use crate::sync::lock;

/// Answers the call.
pub(super) async fn answer(
    world: &World,
    region: &Region,
    request: &SignedRequest,
    id: &str,
    index: &str,
) -> Result<EbsAnswer, EbsRefusal> {
    let Payload::Whole { bytes, digest } = &request.payload else { return Err(EbsRefusal::no_operation()) };
    let index = shape(request, id, index)?;
    let snapshot = owned(region, &request.account, id).ok_or_else(|| EbsRefusal::no_snapshot(id))?;
    check_open(world, region, &snapshot)?;
    let index = check_place(request, &snapshot, index)?;
    if bytes.len() != BLOCK {
        return Err(EbsRefusal::invalid("INVALID_PARAMETER_VALUE", "Failed to read block data"));
    }
    check_sum(request, *digest)?;
    let map = region.snapshots.map(id)?;
    keep(&world.blocks, map, index, *digest, bytes.clone()).await?;
    region.snapshots.wrote(id, world.now());
    let mut answer = answered(StatusCode::CREATED, "{}");
    answer.headers.push(("x-amz-checksum", digest.base64()));
    answer.headers.push(("x-amz-checksum-algorithm", "SHA256".to_owned()));
    Ok(answer)
}

/// Checks the shape of the request and gives the index.
fn shape(request: &SignedRequest, id: &str, index: &str) -> Result<i64, EbsRefusal> {
    let index = integer(Some(index))?.unwrap_or_default();
    let (checksum, algorithm) =
        (request.header("x-amz-checksum"), request.header("x-amz-checksum-algorithm"));
    let length = integer(request.header("x-amz-data-length"))?;
    let mut shape = RequestShape::default();
    shape.text("snapshotId", Some(id), 64, Pattern::SnapshotId);
    shape.number("blockIndex", Some(index), 0, None);
    shape.required("dataLength", length.as_ref());
    shape.number("progress", integer(request.header("x-amz-progress"))?, 0, Some(100));
    shape.required("checksum", checksum.as_ref());
    shape.text("checksum", checksum, 64, Pattern::Base64);
    shape.required("checksumAlgorithm", algorithm.as_ref());
    shape.text("checksumAlgorithm", algorithm, 32, Pattern::Word);
    shape.done()?;
    Ok(index)
}

/// Whether the snapshot can be written to now.
fn check_open(world: &World, region: &Region, snapshot: &Snapshot) -> Result<(), EbsRefusal> {
    let now: Moment = world.now();
    if now < snapshot.start_time.after(world.config.windows.put_after_start) {
        return Err(EbsRefusal::no_snapshot(&snapshot.id));
    }
    let cancelled = region.snapshots.cancel_if_idle(snapshot, now, &world.config.windows)?;
    if snapshot.outcome.is_some() || cancelled { Err(sealed()) } else { Ok(()) }
}

fn sealed() -> EbsRefusal {
    EbsRefusal::invalid("INVALID_SNAPSHOT_ID", "Snapshot is already completed")
}

/// Whether such a block can be there.
fn check_place(request: &SignedRequest, snapshot: &Snapshot, index: i64) -> Result<u32, EbsRefusal> {
    let algorithm = request.header("x-amz-checksum-algorithm").unwrap_or_default();
    if algorithm != "SHA256" {
        let message =
            format!("Unsupported Checksum Algorithm '{algorithm}', supported algorithms are SHA256");
        return Err(EbsRefusal::invalid("INVALID_PARAMETER_VALUE", message));
    }
    let length = integer(request.header("x-amz-data-length"))?.unwrap_or_default();
    if length != BLOCK as i64 {
        let message = format!("Block data length {length} is not valid, expected {BLOCK}");
        return Err(EbsRefusal::invalid("INVALID_BLOCK", message));
    }
    super::check_index(index, snapshot)
}

/// Whether the block is what its checksum says.
fn check_sum(request: &SignedRequest, digest: BlockDigest) -> Result<(), EbsRefusal> {
    let said = request.header("x-amz-checksum").unwrap_or_default();
    if STANDARD.decode(said).is_ok_and(|bytes| bytes == digest.0) {
        return Ok(());
    }
    Err(EbsRefusal::checksum(&digest.base64(), said))
}

/// Keeps the block, then notes that the snapshot has it. What touches the disk is done off the threads that serve
/// connections; a block that is known already needs none.
async fn keep(
    blocks: &Arc<BlockStore>,
    map: Arc<Mutex<SnapshotMap>>,
    index: u32,
    digest: BlockDigest,
    bytes: Bytes,
) -> Result<(), EbsRefusal> {
    if !lock(&map).begin(index, digest) {
        let message = format!("Block index {index} is being updated with different data");
        return Err(EbsRefusal::invalid("CONFLICTING_BLOCK_UPDATE", message));
    }
    let known = blocks.knows(digest);
    let blocks = Arc::clone(blocks);
    // All in one, so that a client that goes away leaves no writer behind.
    let write = move || {
        let kept = blocks.keep(digest, &bytes);
        let mut map = lock(&map);
        map.end(index);
        kept.and_then(|()| map.add(index, digest))
    };
    let added = if known { write() } else { super::aside(write).await? };
    if added? { Ok(()) } else { Err(sealed()) }
}

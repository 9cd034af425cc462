//! `PutSnapshotBlock`: writes a block into a pending snapshot, if its content matches the checksum.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;

use super::errors::EbsError;
use super::validation::{Pattern, RequestValidator, integer};
use super::{EbsResponse, json_response, owned_snapshot};
use crate::clock::Timestamp;
use crate::digest::Sha256Digest;
use crate::http::request::{Payload, SignedRequest};
use crate::state::block_map::BlockMap;
use crate::state::blocks::{BLOCK_SIZE, BlockStore};
use crate::state::snapshot::Snapshot;
use crate::state::{Region, State};
use crate::sync::lock;

/// Responds to the operation.
pub(super) async fn respond(
    state: &State,
    region: &Region,
    request: &SignedRequest,
    id: &str,
    index: &str,
) -> Result<EbsResponse, EbsError> {
    let Payload::Buffered { bytes, digest } = &request.payload else {
        return Err(EbsError::unknown_operation());
    };
    let index = validate(request, id, index)?;
    let snapshot =
        owned_snapshot(region, &request.account, id).ok_or_else(|| EbsError::snapshot_not_found(id))?;
    check_writable(state, region, &snapshot)?;
    let index = check_block(request, &snapshot, index)?;
    if bytes.len() != BLOCK_SIZE {
        return Err(EbsError::invalid("INVALID_PARAMETER_VALUE", "Failed to read block data"));
    }
    check_checksum(request, *digest)?;
    let map = region.snapshots.map(id)?;
    store_block(&state.blocks, map, index, *digest, bytes.clone()).await?;
    region.snapshots.record_write(id, state.now());
    let mut response = json_response(StatusCode::CREATED, "{}");
    response.headers.push(("x-amz-checksum", digest.base64()));
    response.headers.push(("x-amz-checksum-algorithm", "SHA256".to_owned()));
    Ok(response)
}

/// Validates the request and returns the block index.
fn validate(request: &SignedRequest, id: &str, index: &str) -> Result<i64, EbsError> {
    let index = integer(Some(index))?.unwrap_or_default();
    let (checksum, algorithm) =
        (request.header("x-amz-checksum"), request.header("x-amz-checksum-algorithm"));
    let length = integer(request.header("x-amz-data-length"))?;
    let mut validator = RequestValidator::default();
    validator.text("snapshotId", Some(id), 64, Pattern::SnapshotId);
    validator.number("blockIndex", Some(index), 0, None);
    validator.required("dataLength", length.as_ref());
    validator.number("progress", integer(request.header("x-amz-progress"))?, 0, Some(100));
    validator.required("checksum", checksum.as_ref());
    validator.text("checksum", checksum, 64, Pattern::Base64);
    validator.required("checksumAlgorithm", algorithm.as_ref());
    validator.text("checksumAlgorithm", algorithm, 32, Pattern::Word);
    validator.finish()?;
    Ok(index)
}

/// Checks that the snapshot accepts blocks at this time.
fn check_writable(state: &State, region: &Region, snapshot: &Snapshot) -> Result<(), EbsError> {
    let now: Timestamp = state.now();
    if now < snapshot.start_time.after(state.config.windows.put_after_start) {
        return Err(EbsError::snapshot_not_found(&snapshot.id));
    }
    let cancelled = region.snapshots.cancel_if_idle(snapshot, now, &state.config.windows)?;
    if snapshot.outcome.is_some() || cancelled { Err(already_completed()) } else { Ok(()) }
}

fn already_completed() -> EbsError {
    EbsError::invalid("INVALID_SNAPSHOT_ID", "Snapshot is already completed")
}

/// Checks the algorithm, the length and the index of the block.
fn check_block(request: &SignedRequest, snapshot: &Snapshot, index: i64) -> Result<u32, EbsError> {
    let algorithm = request.header("x-amz-checksum-algorithm").unwrap_or_default();
    if algorithm != "SHA256" {
        let message =
            format!("Unsupported Checksum Algorithm '{algorithm}', supported algorithms are SHA256");
        return Err(EbsError::invalid("INVALID_PARAMETER_VALUE", message));
    }
    let length = integer(request.header("x-amz-data-length"))?.unwrap_or_default();
    if length != BLOCK_SIZE as i64 {
        let message = format!("Block data length {length} is not valid, expected {BLOCK_SIZE}");
        return Err(EbsError::invalid("INVALID_BLOCK", message));
    }
    super::check_index(index, snapshot)
}

/// Checks the content of the block against its checksum.
fn check_checksum(request: &SignedRequest, digest: Sha256Digest) -> Result<(), EbsError> {
    let declared = request.header("x-amz-checksum").unwrap_or_default();
    if STANDARD.decode(declared).is_ok_and(|bytes| bytes == digest.0) {
        return Ok(());
    }
    Err(EbsError::checksum(&digest.base64(), declared))
}

/// Stores the block, then adds it to the snapshot's map. File accesses run outside the threads that serve
/// connections; a block that is already stored needs none.
async fn store_block(
    blocks: &Arc<BlockStore>,
    map: Arc<Mutex<BlockMap>>,
    index: u32,
    digest: Sha256Digest,
    bytes: Bytes,
) -> Result<(), EbsError> {
    if !lock(&map).begin_write(index, digest) {
        let message = format!("Block index {index} is being updated with different data");
        return Err(EbsError::invalid("CONFLICTING_BLOCK_UPDATE", message));
    }
    let known = blocks.contains(digest);
    let blocks = Arc::clone(blocks);
    // A single step, so that a client that disconnects leaves no registered writer behind.
    let write = move || {
        let stored = blocks.store(digest, &bytes);
        let mut map = lock(&map);
        map.end_write(index);
        stored.and_then(|()| map.record(index, digest))
    };
    let added = if known { write() } else { super::run_blocking(write).await? };
    if added? { Ok(()) } else { Err(already_completed()) }
}

//! `CompleteSnapshot`: seals a snapshot. A mismatch of its blocks with the client's count or checksum becomes
//! visible later, in its status.

use http::StatusCode;

use super::errors::EbsError;
use super::validation::{Pattern, RequestValidator, integer};
use super::{EbsResponse, json_response, owned_snapshot};
use crate::digest::Sha256Digest;
use crate::http::request::SignedRequest;
use crate::state::block_map::BlockMap;
use crate::state::snapshot::{Snapshot, SnapshotOutcome, Status};
use crate::state::{Region, State};
use crate::sync::lock;

/// The failure reason if the checksum of the blocks differs from the client's.
const WRONG_CHECKSUM: &str = "Checksum mismatch for snapshot";
/// The failure reason if the number of blocks differs from the client's.
const WRONG_COUNT: &str = "Changed blocks count mismatch for snapshot";

/// Responds to the operation.
pub(super) fn respond(
    state: &State,
    region: &Region,
    request: &SignedRequest,
    id: &str,
) -> Result<EbsResponse, EbsError> {
    let (count, checksum) = read(request, id)?;
    let snapshot =
        owned_snapshot(region, &request.account, id).ok_or_else(|| EbsError::snapshot_not_found(id))?;
    region.snapshots.cancel_if_idle(&snapshot, state.now(), &state.config.windows)?;
    let map = region.snapshots.map(id)?;
    // While the map is locked no block can be added between the check and the seal.
    let mut map = lock(&map);
    let now = state.now();
    let completed = region.snapshots.edit(id, |snapshot: &mut Snapshot| {
        if snapshot.outcome.is_some() {
            return Ok::<_, EbsError>(snapshot.status(now));
        }
        let failure = failure(&map, count, checksum.as_deref());
        let at = now.after(state.config.windows.completion);
        let outcome = SnapshotOutcome { at, failure: failure.map(str::to_owned), blocks: map.len() as u64 };
        snapshot.outcome = Some(outcome);
        Ok(Status::Pending)
    })?;
    map.seal();
    let status = completed.ok_or_else(|| EbsError::snapshot_not_found(id))?;
    Ok(json_response(StatusCode::ACCEPTED, serde_json::json!({"Status": status.as_str()}).to_string()))
}

/// Validates the request and returns the client's number of blocks and checksum.
fn read(request: &SignedRequest, id: &str) -> Result<(i64, Option<String>), EbsError> {
    let count = integer(request.header("x-amz-changedblockscount"))?;
    let checksum = request.header("x-amz-checksum");
    let algorithm = request.header("x-amz-checksum-algorithm");
    let method = request.header("x-amz-checksum-aggregation-method");
    let mut validator = RequestValidator::default();
    validator.text("snapshotId", Some(id), 64, Pattern::SnapshotId);
    validator.required("changedBlocksCount", count.as_ref());
    validator.number("changedBlocksCount", count, 0, None);
    validator.text("checksum", checksum, 64, Pattern::Base64);
    validator.text("checksumAlgorithm", algorithm, 32, Pattern::Word);
    validator.text("checksumAggregationMethod", method, 32, Pattern::Word);
    validator.finish()?;
    let refuse = |message: String| Err(EbsError::invalid("INVALID_PARAMETER_VALUE", message));
    let missing = |what| refuse(format!("Invalid parameter combination. {what} is missing."));
    match (checksum, algorithm, method) {
        (None, None, None) => Ok((count.unwrap_or_default(), None)),
        (None, ..) => missing("Snapshot checksum"),
        (_, None, _) => missing("Checksum algorithm"),
        (.., None) => missing("Checksum aggregation method"),
        (Some(checksum), Some("SHA256"), Some("LINEAR")) => {
            Ok((count.unwrap_or_default(), Some(checksum.to_owned())))
        }
        (_, Some(algorithm), Some("LINEAR")) => {
            refuse(format!("Unsupported Checksum Algorithm '{algorithm}', supported algorithms are SHA256"))
        }
        (.., Some(method)) => refuse(format!(
            "Unsupported Checksum Aggregation Method '{method}', supported methods are LINEAR"
        )),
    }
}

/// The reason why the blocks of a snapshot do not match the client's count or checksum.
fn failure(map: &BlockMap, count: i64, checksum: Option<&str>) -> Option<&'static str> {
    if checksum.is_some_and(|checksum| checksum != linear(map).base64()) {
        return Some(WRONG_CHECKSUM);
    }
    (usize::try_from(count) != Ok(map.written().count())).then_some(WRONG_COUNT)
}

/// The linear checksum: the digest of the digests of the written blocks in the order of their indexes.
fn linear(map: &BlockMap) -> Sha256Digest {
    let digests: Vec<u8> = map.written().flat_map(|(_, digest)| digest.0).collect();
    Sha256Digest::of(&digests)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn digest(text: &str) -> Sha256Digest {
        Sha256Digest(STANDARD.decode(text).unwrap().try_into().unwrap())
    }

    #[test]
    fn the_checksum_of_one_block_is_the_one_that_a_real_region_accepted() {
        let folder = tempfile::tempdir().unwrap();
        let mut map = BlockMap::create(folder.path().join("s.blocks"), None).unwrap();
        map.record(5, digest("Qib0wLZSCPxxAsnoZ1mqGTwYYUfxBvjcHbuEUOOwNdw=")).unwrap();
        let accepted = "hm74cqkUPpcI9ua01PNSVN2PLTzQAAMPsYCbeHfLIX4=";
        assert_eq!(failure(&map, 1, Some(accepted)), None);
        assert_eq!(failure(&map, 1, None), None);
        assert_eq!(failure(&map, 2, Some(accepted)), Some(WRONG_COUNT));
        assert_eq!(failure(&map, -1, None), Some(WRONG_COUNT));
        map.record(4, digest(accepted)).unwrap();
        assert_eq!(failure(&map, 2, Some(accepted)), Some(WRONG_CHECKSUM));
    }
}

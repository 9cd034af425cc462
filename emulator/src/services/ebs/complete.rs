//! `CompleteSnapshot`: seals a snapshot. Whether its blocks are what the client thinks shows later, in its status.

use http::StatusCode;

use super::errors::EbsRefusal;
use super::validation::{Pattern, RequestShape, integer};
use super::{EbsAnswer, answered, owned};
use crate::digest::BlockDigest;
use crate::http::request::SignedRequest;
use crate::state::block_map::SnapshotMap;
use crate::state::snapshot::{Snapshot, SnapshotOutcome, Status};
use crate::state::{Region, World};
use crate::sync::lock;

/// What the status of a snapshot says when its blocks are others than the client thought.
const WRONG_CHECKSUM: &str = "Checksum mismatch for snapshot";
/// What it says when they are more or fewer.
const WRONG_COUNT: &str = "Changed blocks count mismatch for snapshot";

/// Answers the call.
pub(super) fn answer(
    world: &World,
    region: &Region,
    request: &SignedRequest,
    id: &str,
) -> Result<EbsAnswer, EbsRefusal> {
    let (count, checksum) = read(request, id)?;
    let snapshot = owned(region, &request.account, id).ok_or_else(|| EbsRefusal::no_snapshot(id))?;
    region.snapshots.cancel_if_idle(&snapshot, world.now(), &world.config.windows)?;
    let map = region.snapshots.map(id)?;
    // While the map is held no block comes in between the check and the seal.
    let mut map = lock(&map);
    let now = world.now();
    let completed = region.snapshots.edit(id, |snapshot: &mut Snapshot| {
        if snapshot.outcome.is_some() {
            return Ok::<_, EbsRefusal>(snapshot.status(now));
        }
        let failure = failure(&map, count, checksum.as_deref());
        let at = now.after(world.config.windows.completion);
        let outcome = SnapshotOutcome { at, failure: failure.map(str::to_owned), blocks: map.len() as u64 };
        snapshot.outcome = Some(outcome);
        Ok(Status::Pending)
    })?;
    map.seal();
    let status = completed.ok_or_else(|| EbsRefusal::no_snapshot(id))?;
    Ok(answered(StatusCode::ACCEPTED, serde_json::json!({"Status": status.word()}).to_string()))
}

/// Checks the shape of the request and gives the number of blocks and the checksum that the client thinks of.
fn read(request: &SignedRequest, id: &str) -> Result<(i64, Option<String>), EbsRefusal> {
    let count = integer(request.header("x-amz-changedblockscount"))?;
    let checksum = request.header("x-amz-checksum");
    let algorithm = request.header("x-amz-checksum-algorithm");
    let method = request.header("x-amz-checksum-aggregation-method");
    let mut shape = RequestShape::default();
    shape.text("snapshotId", Some(id), 64, Pattern::SnapshotId);
    shape.required("changedBlocksCount", count.as_ref());
    shape.number("changedBlocksCount", count, 0, None);
    shape.text("checksum", checksum, 64, Pattern::Base64);
    shape.text("checksumAlgorithm", algorithm, 32, Pattern::Word);
    shape.text("checksumAggregationMethod", method, 32, Pattern::Word);
    shape.done()?;
    let refuse = |message: String| Err(EbsRefusal::invalid("INVALID_PARAMETER_VALUE", message));
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

/// Why a snapshot with these blocks is not what the client thinks, if it is not.
fn failure(map: &SnapshotMap, count: i64, checksum: Option<&str>) -> Option<&'static str> {
    if checksum.is_some_and(|checksum| checksum != linear(map).base64()) {
        return Some(WRONG_CHECKSUM);
    }
    (usize::try_from(count) != Ok(map.written().count())).then_some(WRONG_COUNT)
}

/// The digest of the digests of the written blocks, in the order of their indexes.
fn linear(map: &SnapshotMap) -> BlockDigest {
    let digests: Vec<u8> = map.written().flat_map(|(_, digest)| digest.0).collect();
    BlockDigest::of(&digests)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn digest(text: &str) -> BlockDigest {
        BlockDigest(STANDARD.decode(text).unwrap().try_into().unwrap())
    }

    #[test]
    fn the_checksum_of_one_block_is_the_one_that_a_real_region_took() {
        let folder = tempfile::tempdir().unwrap();
        let mut map = SnapshotMap::create(folder.path().join("s.blocks"), None).unwrap();
        map.add(5, digest("Qib0wLZSCPxxAsnoZ1mqGTwYYUfxBvjcHbuEUOOwNdw=")).unwrap();
        let taken = "hm74cqkUPpcI9ua01PNSVN2PLTzQAAMPsYCbeHfLIX4=";
        assert_eq!(failure(&map, 1, Some(taken)), None);
        assert_eq!(failure(&map, 1, None), None);
        assert_eq!(failure(&map, 2, Some(taken)), Some(WRONG_COUNT));
        assert_eq!(failure(&map, -1, None), Some(WRONG_COUNT));
        map.add(4, digest(taken)).unwrap();
        assert_eq!(failure(&map, 2, Some(taken)), Some(WRONG_CHECKSUM));
    }
}

//! The values of a manifest that follow from its list of blocks.

use alloc::format;
use alloc::string::ToString;

use sha2::{Digest as _, Sha256};

use super::{exact, zero_block, BlockRun, BlockUse, Claims};
use crate::bytes::hex;
use crate::digest::MerkleTree;
use crate::json::Json;
use crate::report::Log;

/// Compares the values that follow from the list of blocks with it.
pub(super) fn totals(json: &Json, claims: &Claims, log: &mut Log<'_>) {
    let (mut tree, zero) = (MerkleTree::default(), zero_block());
    let (mut all, mut full) = ((0_u64, Sha256::new()), (0_u64, Sha256::new()));
    for run in &claims.blocks {
        let (digest, count) = match run {
            BlockRun::Data(digest) => {
                full.0 = full.0.saturating_add(1);
                full.1.update(digest);
                (digest, 1)
            }
            BlockRun::Empty(count, _) => (&zero, *count),
        };
        let free = matches!(run, BlockRun::Empty(_, BlockUse::Free));
        for _ in 0..count {
            tree.push(digest);
            if !free {
                all.0 = all.0.saturating_add(1);
                all.1.update(digest);
            }
        }
    }
    let text = |key: &str| json.get(key).and_then(Json::text).unwrap_or_default().to_string();
    log.equal(None, "`merkle_root` does not follow from `blocks`", hex(&tree.root()), text("merkle_root"));
    let ebs = json.get("ebs").unwrap_or(&Json::Null);
    if let Err(reason) = exact("ebs", ebs, &["without_free", "without_zero"], &[]) {
        log.wrong(None, reason);
    }
    for (key, (blocks, hash)) in [("without_free", all), ("without_zero", full)] {
        let claim = ebs.get(key).unwrap_or(&Json::Null);
        if let Err(reason) = exact(key, claim, &["blocks", "sha256"], &[]) {
            log.wrong(None, reason);
        }
        let is = claim.get("blocks").and_then(Json::number).zip(claim.get("sha256").and_then(Json::text));
        let is =
            is.map_or_else(|| "nothing".to_string(), |(blocks, sum)| format!("{sum} over {blocks} blocks"));
        let should = format!("{} over {blocks} blocks", hex(&hash.finalize()));
        log.equal(None, &format!("`ebs.{key}` does not follow from `blocks`"), should, is);
    }
}

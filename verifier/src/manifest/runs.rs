//! The list of blocks: digests, and runs of blocks without data.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{list, BlockRun, BlockUse, BLOCK};
use crate::bytes::from_hex;
use crate::digest::Sha;
use crate::json::Json;

/// The runs of an image of `size` bytes.
pub(super) fn block_runs(json: &Json, size: u64) -> Result<Vec<BlockRun>, String> {
    let needed = size.div_ceil(BLOCK);
    let mut runs = Vec::new();
    let mut count = 0_u64;
    for entry in list(json, "blocks") {
        let run = entry.text().and_then(block_run);
        let run = run.ok_or("an entry of `blocks` is no digest, `zero*N` or `free*N`")?;
        let same = |last: &BlockRun| match (last, &run) {
            (BlockRun::Empty(_, last), BlockRun::Empty(_, this)) => last == this,
            _ => false,
        };
        if runs.last().is_some_and(same) {
            return Err("`blocks` has two entries for neighbouring blocks of a kind".to_string());
        }
        count = count.saturating_add(match run {
            BlockRun::Data(_) => 1,
            BlockRun::Empty(count, _) => count,
        });
        runs.push(run);
    }
    if count == needed {
        Ok(runs)
    } else {
        Err(format!("`blocks` lists {count} blocks, and {size} bytes have {needed}"))
    }
}

fn block_run(entry: &str) -> Option<BlockRun> {
    if let Some((word, digits)) = entry.split_once('*') {
        let count = digits.parse::<u64>().ok().filter(|count| *count > 0 && count.to_string() == digits)?;
        let kind = match word {
            "zero" => BlockUse::Zero,
            "free" => BlockUse::Free,
            _ => return None,
        };
        return Some(BlockRun::Empty(count, kind));
    }
    let digest = from_hex(entry)?;
    (digest != zero_block()).then_some(BlockRun::Data(digest))
}

/// The digest of a block of zeros.
pub(crate) fn zero_block() -> Sha {
    const ZERO: &str = "07854d2fef297a06ba81685e660c332de36d5d18d546927d30daad6d7fda1541";
    from_hex(ZERO).unwrap_or([0; 32])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::hex;
    use crate::digest::sha256;

    #[test]
    fn blocks_are_digests_and_runs() {
        assert_eq!(sha256(&alloc::vec![0; 524_288]), zero_block());
        assert_eq!(block_run("zero*7"), Some(BlockRun::Empty(7, BlockUse::Zero)));
        for wrong in
            ["zero*0", "zero*07", "zero*", "none*1", "zero*18446744073709551616", "00", &hex(&zero_block())]
        {
            assert_eq!(block_run(wrong), None, "{wrong}");
        }
    }
}

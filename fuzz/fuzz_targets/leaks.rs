//! Fuzzes the rules of the leak gate with arbitrary bytes as the content of a file, and as one at every path of the tables:
//! they may find something or nothing, they may not panic or hang. What is found does not depend on what is before it.
#![no_main]

use std::sync::LazyLock;

use amiforge_leaks::{ContentCoverage, ContentFinder, RuleFilter, count_in_file};
use libfuzzer_sys::fuzz_target;

/// Bytes of a file that are looked at: no rule reaches further, so what is longer only takes longer.
const LONGEST: usize = 32 << 10;

/// All rules.
static FINDER: LazyLock<ContentFinder> = LazyLock::new(|| ContentFinder::new(&RuleFilter::default()));

fuzz_target!(|bytes: &[u8]| {
    let bytes = &bytes[..bytes.len().min(LONGEST)];
    let strict = FINDER.count(bytes, ContentCoverage::Strict);
    FINDER.count(bytes, ContentCoverage::Full);
    let _ = count_in_file(b"etc/any", bytes);
    // The pass looks at every other byte, so what is found must not depend on the offset.
    let moved = [b" ".as_slice(), bytes].concat();
    // A key of GnuPG is one at the start of a file only.
    assert!(FINDER.count(&moved, ContentCoverage::Strict) + 1 >= strict);
});

//! Fuzzes the reader of event logs with arbitrary bytes: it may refuse them, it may not panic, hang or take unbounded
//! memory. What it takes can be replayed and described, and the words have no control characters.
#![no_main]

use amiforge_formats::event_log::{self, HashAlgorithm};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let prefix = event_log::read_prefix(bytes);
    if let Ok((_, len)) = &prefix {
        assert!(*len <= bytes.len());
    }
    let Ok(log) = event_log::read(bytes) else { return };
    assert_eq!(prefix.map(|(log, _)| log), Ok(log.clone()), "both readers agree");
    for bank in HashAlgorithm::COMPUTED {
        let value = log.replay(bank, 0);
        assert_eq!(value.is_some(), log.banks.contains(&bank));
    }
    for event in &log.events {
        assert!(event.describe().chars().all(|character| !character.is_control()));
    }
});

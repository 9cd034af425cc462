//! Fuzzes the readers of containers with arbitrary bytes, each as every format: they may refuse them, they may not panic,
//! hang or take unbounded memory, and a run is never past the end of the file.
#![no_main]

use amiforge_formats::container::{DiskContainer, ContainerKind, StoredAs};
use amiforge_formats::read_at::ReadAt;
use libfuzzer_sys::fuzz_target;

/// Runs that are followed from the start of a disk.
const RUNS: usize = 256;

fuzz_target!(|bytes: &[u8]| {
    let _ = ContainerKind::probe(&bytes);
    for kind in ContainerKind::ALL {
        let Ok(container) = DiskContainer::open(bytes, kind) else { continue };
        let size = container.size();
        let mut at = 0;
        for _ in 0..RUNS {
            let Ok(run) = container.run(at) else { break };
            assert!(run.start <= at && at < run.end());
            if let StoredAs::Plain { at } = run.stored {
                assert!(at + run.len <= bytes.len() as u64);
            }
            at = run.end();
        }
        for at in [0, size / 2, size.saturating_sub(4096)] {
            let mut buf = vec![0; size.saturating_sub(at).min(4096) as usize];
            let _ = container.read_exact_at(at, &mut buf);
        }
        let _ = container.data_from(0, size.min(1 << 26));
    }
});

//! Random bytes in a container, and as one, cause no panic.

use amiforge_formats::container::{ContainerKind, DiskContainer};
use amiforge_formats::read_at::ReadAt;
use proptest::prelude::*;

use super::fixture::{all, seal_vhd, seal_vhdx};

/// Opens and reads a part of a container.
fn read(file: &Vec<u8>, kind: ContainerKind) {
    let Ok(container) = DiskContainer::open(file, kind) else { return };
    let size = container.size();
    for at in [0, size / 2, size.saturating_sub(8192)] {
        let mut bytes = vec![0; size.saturating_sub(at).min(8192) as usize];
        let _ = container.read_exact_at(at, &mut bytes);
    }
    let _ = container.data_from(0, size.min(1 << 30));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn flipped_bytes_never_panic(
        which in 0..5_usize,
        flips in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let (kind, mut file, _) = all().swap_remove(which);
        for (head, index, byte) in flips {
            let len = if head { 2048 } else { file.len() };
            let at = index.index(len);
            file[at] = byte;
        }
        read(&file, kind);
        // The same with the check sums repaired, so that what they protect is reached.
        if kind == ContainerKind::Vhd {
            seal_vhd(&mut file[512..1536], 36);
            seal_vhd(&mut file[..512], 64);
            let end = file.len() - 512;
            seal_vhd(&mut file[end..], 64);
        } else if kind == ContainerKind::Vhdx {
            seal_vhdx(&mut file[64 << 10..68 << 10]);
            seal_vhdx(&mut file[192 << 10..256 << 10]);
        }
        read(&file, kind);
    }

    #[test]
    fn any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        for kind in ContainerKind::ALL {
            read(&bytes, kind);
        }
        let _ = ContainerKind::probe(&bytes);
    }
}

//! Random bytes never cause a panic.

use amiforge_formats::fat::{check, read};
use amiforge_formats::plan::SourceId;
use proptest::prelude::*;

use super::fixture::{SECTORS, link, root, volume};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn flipped_bytes_never_panic(flips in prop::collection::vec((0..6_usize, any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut volume = volume();
        for (area, index, byte) in flips {
            let (start, len) = match area {
                0 => (0, 90),
                1 => (512, 512),
                2 => (link(0), 600),
                3 | 4 => (root(0), 1024),
                _ => (0, SECTORS * 512),
            };
            volume[start + index.index(len)] = byte;
        }
        let _ = read::read(&volume, SourceId(0), 0);
        let _ = check::check(&volume);
    }

    #[test]
    fn any_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 512..8192), fat12 in any::<bool>()) {
        bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
        bytes[11..17].copy_from_slice(&[0, 2, 1, 1, 0, 1]);
        if fat12 {
            let sectors = (bytes.len() / 512) as u16;
            bytes[17..24].copy_from_slice(&[16, 0, sectors as u8, 0, 0xf8, 1, 0]);
        }
        let _ = read::read(&bytes, SourceId(0), 0);
        let _ = check::check(&bytes);
    }
}

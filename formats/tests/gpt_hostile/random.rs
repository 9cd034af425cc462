//! Random tables, and random bytes in place of one.

use amiforge_formats::finding::Severity;
use amiforge_formats::gpt::{Copy, Lba, Partition, PartitionTable, check, read, types};
use amiforge_formats::guid::Guid;
use proptest::prelude::*;

use super::fixture::{disk, table};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_tables_come_back(table in tables()) {
        let disk = disk(&table);
        let reading = read::read(&disk).unwrap();
        prop_assert_eq!(reading.copy, Copy::Primary);
        let mut sorted = table.clone();
        sorted.partitions.sort_by_key(|partition| partition.number);
        prop_assert_eq!(reading.table, sorted);
        let findings = check::check(&disk).unwrap();
        prop_assert!(findings.iter().all(|finding| finding.severity == Severity::Oddity), "{:?}", findings);
    }

    #[test]
    fn flipped_bytes_never_panic_and_are_never_passed_over(at in 0..512 * 67_usize, bits in 1..=255_u8) {
        let mut disk = disk(&table());
        let at = if at < 512 * 34 { at } else { disk.len() - 512 * 67 + at };
        disk[at] ^= bits;
        prop_assert_eq!(read::read(&disk).unwrap().table, table());
        // Boot code, the disk signature and CHS addresses are nobody's business.
        let free = at < 446 || (446..450).contains(&at) || (451..454).contains(&at) || (462..510).contains(&at);
        prop_assert!(free || !check::check(&disk).unwrap().is_empty());
    }

    #[test]
    fn any_bytes_do_not_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..4096), sealed in any::<bool>()) {
        if sealed && bytes.len() >= 1536 {
            bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
            bytes[512..524].copy_from_slice(b"EFI PART\0\0\x01\0");
            bytes[524..528].copy_from_slice(&[92, 0, 0, 0]);
            bytes[528..532].fill(0);
            let crc = crc32fast::hash(&bytes[512..604]);
            bytes[528..532].copy_from_slice(&crc.to_le_bytes());
        }
        let _ = read::read(&bytes);
        let _ = check::check(&bytes);
    }
}

fn tables() -> impl Strategy<Value = PartitionTable> {
    let partition = (1..=128_u32, any::<u128>(), any::<u64>(), "[ -~äß€🙂]{0,18}", 1..300_u64, 0..100_u64);
    (prop::collection::vec(partition, 0..40), any::<u128>(), 1..5000_u64).prop_map(|(wanted, disk, rest)| {
        let mut next = 34;
        let mut numbers = std::collections::BTreeSet::new();
        let mut partitions = Vec::new();
        for (number, guid, attributes, name, len, gap) in wanted {
            if !numbers.insert(number) {
                continue;
            }
            let (first, last) = (Lba(next + gap), Lba(next + gap + len - 1));
            next = last.0 + 1;
            let (_, type_guid) = types::NAMES[number as usize % types::NAMES.len()];
            let guid = Guid::from_u128(guid | 1 << 127);
            partitions.push(Partition { number, type_guid, guid, first, last, attributes, name });
        }
        PartitionTable { guid: Guid::from_u128(disk), sectors: next + rest + 33, partitions }
    })
}

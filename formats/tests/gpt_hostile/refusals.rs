//! Tables that are not written.

use amiforge_formats::gpt::write::GptWriteError;
use amiforge_formats::gpt::{Lba, PartitionTable, write};
use amiforge_formats::guid::Guid;

use super::fixture::{SECTORS, table};

/// A change that no table can have, and the error that it gives.
type Refused = (fn(&mut PartitionTable), GptWriteError);

#[test]
fn tables_that_cannot_be_are_not_written() {
    let guid = table().partitions[0].guid;
    let long = "😀".repeat(19);
    let (usable_first, usable_last) = (Lba(34), Lba(SECTORS - 34));
    let outside = GptWriteError::OutsideUsable {
        number: 1,
        first: Lba(33),
        last: Lba(4095),
        usable_first,
        usable_last,
    };
    let cases: [Refused; 10] = [
        (|table| table.sectors = 67, GptWriteError::DiskTooSmall { sectors: 67 }),
        (|table| table.partitions[0].number = 0, GptWriteError::Number { number: 0 }),
        (|table| table.partitions[0].number = 129, GptWriteError::Number { number: 129 }),
        (|table| table.partitions[0].number = 5, GptWriteError::SameNumber { number: 5 }),
        (|table| table.partitions[0].type_guid = Guid::from_u128(0), GptWriteError::ZeroGuid { number: 1 }),
        (
            |table| table.partitions[0].name = "😀".repeat(19),
            GptWriteError::NameTooLong { number: 1, name: long, units: 38 },
        ),
        (|table| table.partitions[0].name = "a\0".into(), GptWriteError::NameNul { number: 1 }),
        (|table| table.partitions[0].first = Lba(33), outside),
        (
            |table| table.partitions[2].first = Lba(8191),
            GptWriteError::Overlap { a: 2, b: 5, sector: Lba(8191) },
        ),
        (
            |table| table.partitions[2].guid = table.partitions[0].guid,
            GptWriteError::SameGuid { a: 1, b: 5, guid },
        ),
    ];
    for (change, error) in cases {
        let mut table = table();
        change(&mut table);
        assert_eq!(write::encode(&table).unwrap_err(), error);
    }
}

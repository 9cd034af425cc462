//! Whole disks: sgdisk, sfdisk, blkid, mkswap and the crates `gptman` and `gpt` agree with our layout.
#![expect(clippy::unwrap_used, reason = "a test's own steps must not fail")]

use std::collections::BTreeSet;
use std::io::Cursor;
use std::path::Path;

use amiforge_formats::arch::Arch;
use amiforge_formats::gpt::{self, Lba, Partition, PartitionTable, attributes, types};
use amiforge_formats::guid::Guid;
use amiforge_formats::swap::{self, SwapReadError, SwapWriteError};
use amiforge_formats::time::Time;
use amiforge_formats::tree::ChangeGroups;
use amiforge_formats::volume::VolumeOptions;
use amiforge_image::disk::{
    Disk, DiskSize, DiskSpec, PartitionContent, PartitionSize, PartitionSpec, VolumeSpec, lay_out,
};
use amiforge_tests::{oracle, scratch, volume};
use proptest::prelude::*;

const MIB: u64 = 1 << 20;

fn partition(
    number: u32,
    id: &str,
    type_guid: Guid,
    size: PartitionSize,
    content: PartitionContent,
) -> PartitionSpec {
    PartitionSpec {
        number: Some(number),
        id: id.to_owned(),
        label: id.to_owned(),
        type_guid,
        guid: None,
        attributes: 0,
        size,
        content,
    }
}

/// A disk like those of cloud images: partition numbers out of order, a BIOS boot partition in the first MiB, an ESP,
/// swap, and a root that grows.
fn cloud() -> DiskSpec {
    let tree = volume::tree(&[("EFI/BOOT/BOOTX64.EFI", vec![1; 100_000])], 1_700_000_000);
    let empty = volume::tree(&[], 0);
    let content = |options, tree| {
        PartitionContent::Volume(VolumeSpec { options, tree, groups: ChangeGroups::default() })
    };
    let esp = content(VolumeOptions::Fat32 { label: "ESP".to_owned(), volume_id: None }, tree);
    let swap = content(VolumeOptions::Swap { label: "pages".to_owned(), uuid: None }, empty);
    let mut root =
        partition(1, "root-x86-64", Arch::X86_64.root_type(), PartitionSize::Fill, PartitionContent::Empty);
    root.attributes = attributes::GROW_FILE_SYSTEM;
    let partitions = vec![
        partition(14, "bios", types::BIOS_BOOT, PartitionSize::Exact(2014 * 512), PartitionContent::Empty),
        partition(15, "ESP", types::ESP, PartitionSize::Exact(40 * MIB), esp),
        root,
        partition(3, "swap", types::SWAP, PartitionSize::Exact(4 * MIB), swap),
    ];
    DiskSpec {
        name: "cloud".to_owned(),
        size: DiskSize::Exact(128 * MIB),
        guid: None,
        time: Time::from_secs(1_700_000_000),
        partitions,
    }
}

fn written(folder: &Path) -> (Disk, String) {
    let disk = lay_out(&cloud()).unwrap();
    let path = folder.join("disk");
    volume::write(&disk.plan, &path, 0xcc);
    (disk, path.to_string_lossy().into_owned())
}

#[test]
fn sgdisk_and_sfdisk_verify_the_disk() {
    if !oracle::ready(&["sgdisk", "sfdisk"], false) {
        return;
    }
    let folder = scratch::folder();
    let (disk, path) = written(folder.path());
    let output = oracle::must("sgdisk", &["-v", &path]);
    assert!(output.contains("No problems found"), "{output}");
    let output = oracle::must("sfdisk", &["--verify", &path]);
    assert!(output.contains("No errors detected"), "{output}");
    let dump: serde_json::Value = serde_json::from_str(&oracle::must("sfdisk", &["--json", &path])).unwrap();
    let table = &dump["partitiontable"];
    assert_eq!(table["id"].as_str().unwrap().to_lowercase(), disk.guid.to_string());
    for placed in &disk.partitions {
        let node = format!("{path}{}", placed.number);
        let seen = table["partitions"]
            .as_array()
            .unwrap()
            .iter()
            .find(|seen| seen["node"] == node.as_str())
            .unwrap();
        assert_eq!(seen["start"].as_u64().unwrap() * 512, placed.start);
        assert_eq!(seen["size"].as_u64().unwrap() * 512, placed.len);
        assert_eq!(seen["type"].as_str().unwrap().to_lowercase(), placed.type_guid.to_string());
        assert_eq!(seen["uuid"].as_str().unwrap().to_lowercase(), placed.guid.to_string());
        assert_eq!(seen["name"].as_str().unwrap(), placed.label);
        let attrs = seen["attrs"].as_str();
        assert_eq!(attrs, (placed.number == 1).then_some("GUID:59"));
    }
}

#[test]
fn util_linux_knows_our_types_by_the_same_names() {
    if !oracle::ready(&["sfdisk"], false) {
        return;
    }
    let known = oracle::must("sfdisk", &["--label", "gpt", "--list-types"]).to_lowercase();
    let words = [
        ("esp", "efi system"),
        ("bios-boot", "bios boot"),
        ("root-x86-64", "linux root (x86-64)"),
        ("root-arm64", "linux root (arm-64)"),
        ("usr-x86-64", "linux /usr (x86-64)"),
        ("usr-arm64", "linux /usr (arm-64)"),
        ("root-x86-64-verity", "linux root verity (x86-64)"),
        ("root-arm64-verity", "linux root verity (arm-64)"),
        ("usr-x86-64-verity", "linux /usr verity (x86-64)"),
        ("usr-arm64-verity", "linux /usr verity (arm-64)"),
        ("swap", "linux swap"),
        ("home", "linux home"),
        ("srv", "linux server data"),
        ("linux-generic", "linux filesystem"),
    ];
    for (name, word) in words {
        let line = format!("{}  {word}", types::by_name(name).unwrap());
        assert!(known.lines().any(|known| known.trim() == line), "{line}\n{known}");
    }
}

#[test]
fn blkid_sees_the_file_systems_by_our_ids() {
    if !oracle::ready(&["blkid"], false) {
        return;
    }
    let folder = scratch::folder();
    let (disk, path) = written(folder.path());
    for placed in disk.partitions.iter().filter(|placed| placed.uuid.is_some()) {
        let (offset, size) = (placed.start.to_string(), placed.len.to_string());
        let output = oracle::must("blkid", &["-p", "-o", "export", "-O", &offset, "-S", &size, &path]);
        let line = format!("UUID={}", placed.uuid.as_deref().unwrap());
        assert!(output.lines().any(|output| output == line), "{line}: {output}");
        let label = if placed.number == 15 { "LABEL=ESP" } else { "LABEL=pages" };
        assert!(output.lines().any(|output| output == label), "{output}");
    }
}

#[test]
fn swap_areas_are_those_of_mkswap() {
    if !oracle::ready(&["mkswap"], false) {
        return;
    }
    let folder = scratch::folder();
    let path = folder.path().join("swap");
    let uuid = Guid::derive("swap", "oracle");
    for (label, pages) in [("", 10), ("fifteen bytes15", 1000), ("odd", 4097)] {
        std::fs::File::create(&path).unwrap().set_len(pages * swap::PAGE + 100).unwrap();
        let (uuid_text, name) = (uuid.to_string(), path.to_string_lossy().into_owned());
        oracle::must("mkswap", &["-p", "4096", "-U", &uuid_text, "-L", label, &name]);
        let theirs = std::fs::read(&path).unwrap();
        let plan = swap::plan(uuid, label, theirs.len() as u64).unwrap();
        assert!(volume::bytes(&plan, 0) == theirs, "{label}");
        let read = swap::read(&theirs).unwrap();
        assert_eq!((read.uuid, read.label.as_str(), read.pages, read.bad_pages), (uuid, label, pages, 0));
    }
}

#[test]
fn damaged_swap_headers_are_refused_with_what_is_wrong() {
    let good = volume::bytes(&swap::plan(Guid::derive("a", "b"), "x", 20 * 4096).unwrap(), 0);
    let read = |at: usize, bytes: &[u8]| {
        let mut area = good.clone();
        area[at..at + bytes.len()].copy_from_slice(bytes);
        swap::read(&area).unwrap_err()
    };
    let refused = read(4086, b"SWAP-SPACE");
    assert!(matches!(&refused, SwapReadError::Signature { found } if found == b"SWAP-SPACE"), "{refused}");
    let refused = read(1024, &[0, 0, 0, 1]);
    assert!(matches!(refused, SwapReadError::Version { found: 0x0100_0000 }), "{refused}");
    for (last, counted) in [([20, 0, 0, 0], 21), ([255; 4], 1 << 32)] {
        let refused = read(1028, &last);
        assert!(
            matches!(refused, SwapReadError::TooManyPages { pages, available: 20 } if pages == counted),
            "{refused}"
        );
    }
    let refused = read(1028, &[8, 0, 0, 0]);
    assert!(matches!(refused, SwapReadError::TooFewPages { pages: 9 }), "{refused}");
    let refused = read(1032, &[126, 2, 0, 0]);
    assert!(matches!(refused, SwapReadError::BadPages { found: 638 }), "{refused}");
    let refused = swap::read(&vec![0_u8; 4095]).unwrap_err();
    assert!(matches!(refused, SwapReadError::TooShort { len: 4095 }), "{refused}");
    let refused = swap::plan(Guid::derive("a", "b"), "x", 9 * 4096 + 4095).unwrap_err();
    assert_eq!(refused, SwapWriteError::TooSmall { len: 40_959 });
}

/// The table written by `gptman`, onto a disk of zeros.
fn by_gptman(table: &PartitionTable) -> Vec<u8> {
    let mut disk = Cursor::new(vec![0; table.sectors as usize * 512]);
    let mut theirs = gptman::GPT::new_from(&mut disk, 512, table.guid.to_bytes_le()).unwrap();
    for partition in &table.partitions {
        theirs[partition.number] = gptman::GPTPartitionEntry {
            partition_type_guid: partition.type_guid.to_bytes_le(),
            unique_partition_guid: partition.guid.to_bytes_le(),
            starting_lba: partition.first.0,
            ending_lba: partition.last.0,
            attribute_bits: partition.attributes,
            partition_name: partition.name.as_str().into(),
        };
    }
    theirs.write_into(&mut disk).unwrap();
    gptman::GPT::write_protective_mbr_into(&mut disk, 512).unwrap();
    disk.into_inner()
}

/// The table written by us.
fn by_us(table: &PartitionTable) -> Vec<u8> {
    let (head, tail) = gpt::write::encode(table).unwrap();
    let mut disk = head;
    disk.resize(table.sectors as usize * 512 - tail.len(), 0);
    disk.extend_from_slice(&tail);
    disk
}

fn tables() -> impl Strategy<Value = PartitionTable> {
    let partition = (1..=128_u32, any::<u128>(), any::<u64>(), "[ -~äß€🙂]{0,18}", 1..300_u64, 0..100_u64);
    (prop::collection::vec(partition, 0..30), any::<u128>(), 1..5000_u64).prop_map(|(specs, disk, rest)| {
        let mut next = 34;
        let mut numbers = BTreeSet::new();
        let mut partitions = Vec::new();
        for (number, guid, attributes, name, len, gap) in specs {
            if !numbers.insert(number) {
                continue;
            }
            let (first, last) = (Lba(next + gap), Lba(next + gap + len - 1));
            next = last.0 + 1;
            let (_, type_guid) = types::NAMES[number as usize % types::NAMES.len()];
            let guid = Guid::from_u128(guid | 1 << 127);
            partitions.push(Partition { number, type_guid, guid, first, last, attributes, name });
        }
        partitions.sort_by_key(|partition| partition.number);
        PartitionTable { guid: Guid::from_u128(disk), sectors: next + rest + 33, partitions }
    })
}

/// The table that the crate `gpt` reads.
fn by_gpt(disk: &[u8]) -> PartitionTable {
    let sectors = disk.len() as u64 / 512;
    let device: Box<dyn gpt_crate::DiskDevice> = Box::new(Cursor::new(disk.to_vec()));
    let read = gpt_crate::GptConfig::new().writable(false).open_from_device(device).unwrap();
    let partition = |(number, seen): (&u32, &gpt_crate::partition::Partition)| Partition {
        number: *number,
        type_guid: seen.part_type_guid.guid.to_string().parse().unwrap(),
        guid: seen.part_guid.to_string().parse().unwrap(),
        first: Lba(seen.first_lba),
        last: Lba(seen.last_lba),
        attributes: seen.flags,
        name: seen.name.clone(),
    };
    let guid = read.guid().to_string().parse().unwrap();
    PartitionTable { guid, sectors, partitions: read.partitions().iter().map(partition).collect() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn gptman_writes_the_same_bytes_and_the_crate_gpt_reads_them(table in tables()) {
        let ours = by_us(&table);
        prop_assert!(ours == by_gptman(&table));
        prop_assert_eq!(by_gpt(&ours), table.clone());
        prop_assert_eq!(gpt::read::read(&ours).unwrap().table, table);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn sgdisk_verifies_random_tables(table in tables()) {
        if oracle::ready(&["sgdisk"], false) {
            let folder = scratch::folder();
            let path = folder.path().join("disk");
            std::fs::write(&path, by_us(&table)).unwrap();
            let output = oracle::must("sgdisk", &["-v", &path.to_string_lossy()]);
            prop_assert!(output.contains("No problems found"), "{}", output);
        }
    }
}

#[test]
fn tables_of_sgdisk_and_sfdisk_are_read_without_a_finding() {
    if !oracle::ready(&["sgdisk", "sfdisk"], false) {
        return;
    }
    let folder = scratch::folder();
    let path = folder.path().join("disk");
    let name = path.to_string_lossy().into_owned();
    std::fs::File::create(&path).unwrap().set_len(64 * MIB).unwrap();
    oracle::must(
        "sgdisk",
        &["-n", "7:2048:+5M", "-t", "7:ef00", "-c", "7:Ünïcode", "-A", "7:set:2", "-n", "2:0:0", &name],
    );
    let disk = std::fs::read(&path).unwrap();
    assert_eq!(gpt::check::check(&disk).unwrap(), []);
    let table = gpt::read::read(&disk).unwrap().table;
    let seven = &table.partitions[1];
    assert_eq!((seven.number, seven.name.as_str(), seven.type_guid), (7, "Ünïcode", types::ESP));
    assert_eq!((seven.attributes, seven.len()), (attributes::LEGACY_BIOS_BOOTABLE, 5 * MIB));
    oracle::must("sfdisk", &["--part-attrs", &name, "2", "GUID:59,GUID:63"]);
    let disk = std::fs::read(&path).unwrap();
    assert_eq!(gpt::check::check(&disk).unwrap(), []);
    let table = gpt::read::read(&disk).unwrap().table;
    assert_eq!(table.partitions[0].attributes, attributes::GROW_FILE_SYSTEM | attributes::NO_AUTO);
}

#[test]
fn partx_finds_the_partitions() {
    if !oracle::ready(&["partx"], false) {
        return;
    }
    let folder = scratch::folder();
    let (disk, path) = written(folder.path());
    let output = oracle::must(
        "partx",
        &["--show", "--bytes", "--noheadings", "--output", "NR,START,SIZE,UUID", &path],
    );
    for placed in &disk.partitions {
        let words = [
            placed.number.to_string(),
            (placed.start / 512).to_string(),
            placed.len.to_string(),
            placed.guid.to_string(),
        ];
        assert!(
            output.lines().any(|line| line.split_whitespace().eq(words.iter().map(String::as_str))),
            "{words:?}: {output}"
        );
    }
}

#[test]
#[ignore = "writes into the repository: seeds for the fuzz target"]
fn seeds_for_the_fuzz_target_are_written() {
    if !oracle::ready(&["sgdisk"], false) {
        return;
    }
    let corpus = scratch::repository().join("fuzz/corpus/gpt");
    std::fs::create_dir_all(&corpus).unwrap();
    let seed = corpus.join("seed-two-partitions");
    std::fs::write(&seed, vec![0; 256 << 10]).unwrap();
    let text = seed.to_string_lossy().into_owned();
    oracle::must("sgdisk", &["-a", "1", "-n", "1:64:127", "-n", "3:200:300", "-c", "1:one", &text]);
}

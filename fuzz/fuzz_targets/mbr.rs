//! Fuzzes the reader of MBR partition tables, with the chain of logical partitions: it may refuse any bytes, it may not panic,
//! hang or take unbounded memory. Partitions that it gives are on the disk.
#![no_main]

use amiforge_formats::mbr;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut sealed = bytes.to_vec();
    // The signature, which no mutation would keep hitting, of the first sectors: each may be a link of the chain.
    for sector in sealed.chunks_exact_mut(512).take(64) {
        sector[510..].copy_from_slice(&[0x55, 0xaa]);
    }
    for disk in [bytes, &sealed] {
        let Ok(Some(table)) = mbr::read(&disk) else { continue };
        for partition in &table.partitions {
            // A protective table only points at a GPT: its entry may be longer than the disk.
            let on_disk = partition.start + partition.len <= disk.len() as u64;
            assert!(partition.len > 0 && (table.protective || on_disk));
            let _ = table.part_uuid(partition.number);
        }
    }
});

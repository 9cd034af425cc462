//! Containers whose numbers are wrong: refused with what is wrong, and without reading or taking more than there is.

use amiforge_formats::read_at::ReadAt;

use super::fixture::{contents, open, put, qcow2, seal_vhd, seal_vhdx, unit, vhd, vhdx, vmdk};

/// What is said of a file: when it is opened, or else when its disk is read.
fn said(file: &[u8]) -> String {
    let file = file.to_vec();
    match open(&file) {
        Err(error) => error.to_string(),
        Ok(container) => contents(&container, 1000).expect_err("it cannot be read").to_string(),
    }
}

#[test]
fn a_disk_that_is_larger_than_its_tables_is_refused() {
    let mut file = qcow2();
    put(&mut file, 24, &(1u64 << 40).to_be_bytes());
    assert!(said(&file).contains("a table of 1 entries for a disk of 1099511627776 bytes"));
    put(&mut file, 36, &u32::MAX.to_be_bytes());
    assert!(said(&file).contains("past its end") || said(&file).contains("holds a disk"));
    put(&mut file, 24, &u64::MAX.to_be_bytes());
    assert!(!said(&file).is_empty());

    let mut file = vmdk(false);
    put(&mut file, 12, &u64::MAX.to_le_bytes());
    assert!(said(&file).contains("2^64"));
    put(&mut file, 12, &(1u64 << 50).to_le_bytes());
    assert!(said(&file).contains("holds a disk of"));
    put(&mut file, 12, &(1u64 << 28).to_le_bytes());
    assert!(said(&file).contains("directory"));

    for (size, word) in [(1u64 << 62, "the largest has"), (1 << 30, "takes 262144")] {
        let mut file = vhd();
        let end = file.len() - 512;
        for at in [0, end] {
            put(&mut file, at + 48, &size.to_be_bytes());
            seal_vhd(&mut file[at..at + 512], 64);
        }
        assert!(said(&file).contains(word), "{}", said(&file));
    }

    for (size, word) in [(u64::MAX, "a disk of"), (1 << 45, "which take")] {
        let mut file = vhdx();
        put(&mut file, (2 << 20) + 0x1_0008, &size.to_le_bytes());
        assert!(said(&file).contains(word), "{}", said(&file));
    }
}

#[test]
fn units_past_the_end_of_the_file_are_named_when_they_are_read() {
    let mut file = qcow2();
    put(&mut file, 1024, &(1 << 63 | 1u64 << 40).to_be_bytes());
    assert!(said(&file).contains("byte 0 of the disk is at byte 1099511627776, past the end"));
    let mut file = vmdk(false);
    put(&mut file, 1536, &u32::MAX.to_le_bytes());
    assert!(said(&file).contains("past the end"));
    let mut file = vhd();
    put(&mut file, 1536, &0xffff_fff0_u32.to_be_bytes());
    assert!(!said(&file).is_empty());
    let mut file = vhdx();
    put(&mut file, 1 << 20, &(!0xf_ffff_u64 | 6).to_le_bytes());
    assert!(said(&file).contains("past the end"));
    put(&mut file, 1 << 20, &7u64.to_le_bytes());
    assert!(said(&file).contains("state 7"));
}

#[test]
fn tables_that_are_no_tables_are_named() {
    let mut file = qcow2();
    put(&mut file, 512, &(1 << 63 | 1u64 << 50).to_be_bytes());
    assert!(!said(&file).is_empty());
    let mut file = qcow2();
    put(&mut file, 20, &63u32.to_be_bytes());
    assert!(said(&file).contains("clusters of 2^63"));
    let mut file = vmdk(false);
    put(&mut file, 20, &3u64.to_le_bytes());
    assert!(said(&file).contains("grains of 1536"));
    put(&mut file, 20, &u64::MAX.to_le_bytes());
    assert!(said(&file).contains("grains of"));
    let mut file = vhd();
    put(&mut file, 512 + 32, &4097u32.to_be_bytes());
    assert!(said(&file).contains("no header"), "its check sum is wrong");
    seal_vhd(&mut file[512..1536], 36);
    assert!(said(&file).contains("blocks of 4097"));
    let mut file = vhdx();
    put(&mut file, (2 << 20) + 0x1_0000, &1u32.to_le_bytes());
    assert!(said(&file).contains("blocks of 1 bytes"));
    let mut file = vhdx();
    put(&mut file, (192 << 10) + 16, &[0]);
    assert!(said(&file).contains("region tables"));
    seal_vhdx(&mut file[192 << 10..256 << 10]);
    assert!(said(&file).contains("unknown region"));
}

#[test]
fn a_compressed_unit_that_is_damaged_short_or_too_long_is_refused() {
    // A bomb: a cluster that unpacks to more than a cluster.
    for (len, word) in [(100_000, "longer than it may be"), (100, "holds 100 bytes of 512")] {
        let mut file = qcow2();
        file.truncate(2560);
        let packed = miniz_oxide::deflate::compress_to_vec(&unit(4, len), 9);
        put(&mut file, 2560, &packed);
        file.resize(file.len().max(3072), 0);
        // As many sectors as it takes.
        let sectors = packed.len().div_ceil(512) as u64 - 1;
        put(&mut file, 1048, &(1 << 62 | sectors << 61 | 0xa00_u64).to_be_bytes());
        let text = said(&file);
        assert!(text.contains(word), "{text}");
    }
    let mut file = qcow2();
    file[2560..3072].fill(0xff);
    assert!(said(&file).contains("not a deflate stream"));

    let mut file = vmdk(true);
    let at = u32::from_le_bytes(file[1536..1540].try_into().unwrap()) as usize * 512;
    let good = file.clone();
    put(&mut file, at, &8u64.to_le_bytes());
    assert!(said(&file).contains("is of sector 8, not of byte 0"));
    let mut file = good.clone();
    put(&mut file, at + 8, &u32::MAX.to_le_bytes());
    assert!(said(&file).contains("compressed bytes"));
    let mut file = good;
    file[at + 30] ^= 1;
    assert!(!said(&file).is_empty());
}

#[test]
fn a_file_that_was_cut_is_refused_at_any_length() {
    for (_, file, _) in super::fixture::all() {
        for len in [0, 1, 8, 100, 511, 512, 1024, file.len() / 2] {
            let cut = file[..len].to_vec();
            let Ok(Some(kind)) = amiforge_formats::container::ContainerKind::probe(&cut) else { continue };
            let Ok(container) = amiforge_formats::container::DiskContainer::open(cut, kind) else { continue };
            let mut bytes = vec![0; 4096];
            let len = (container.size().min(4096)) as usize;
            let _ = container.read_exact_at(0, &mut bytes[..len]);
            let _ = container.data_from(0, container.size());
        }
    }
}

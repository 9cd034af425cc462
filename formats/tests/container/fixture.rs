//! Small containers made here, byte by byte, from the specifications: a disk of four units of which one is not there.

use amiforge_formats::container::{ContainerError, ContainerKind, DiskContainer};
use amiforge_formats::read_at::ReadAt;

/// Puts bytes at an offset of a file, which grows as needed.
pub(crate) fn put(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if file.len() < at + bytes.len() {
        file.resize(at + bytes.len(), 0);
    }
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The content of a unit.
pub(crate) fn unit(number: u8, len: usize) -> Vec<u8> {
    (0..len).map(|at| (at as u8).wrapping_mul(number).wrapping_add(number)).collect()
}

/// The disk that every container holds: units 0, 2 and 3 of `len` bytes, and zeros for unit 1.
pub(crate) fn disk(len: usize) -> Vec<u8> {
    [unit(1, len), vec![0; len], unit(3, len), unit(4, len)].concat()
}

/// A qcow2 of version 3 with clusters of 512 bytes; the last one is compressed.
pub(crate) fn qcow2() -> Vec<u8> {
    let mut file = Vec::new();
    put(&mut file, 0, b"QFI\xfb");
    put(&mut file, 4, &3u32.to_be_bytes());
    put(&mut file, 20, &9u32.to_be_bytes());
    put(&mut file, 24, &2048u64.to_be_bytes());
    put(&mut file, 36, &1u32.to_be_bytes());
    put(&mut file, 40, &512u64.to_be_bytes());
    put(&mut file, 96, &4u32.to_be_bytes());
    put(&mut file, 100, &104u32.to_be_bytes());
    put(&mut file, 512, &(1 << 63 | 1024u64).to_be_bytes());
    put(&mut file, 1024, &(1 << 63 | 0x600_u64).to_be_bytes());
    put(&mut file, 1032, &1u64.to_be_bytes());
    put(&mut file, 1040, &(1 << 63 | 2048u64).to_be_bytes());
    put(&mut file, 1048, &(1 << 62 | 0xa00_u64).to_be_bytes());
    put(&mut file, 1536, &unit(1, 512));
    put(&mut file, 2048, &unit(3, 512));
    let packed = miniz_oxide::deflate::compress_to_vec(&unit(4, 512), 6);
    assert!(packed.len() <= 512);
    put(&mut file, 2560, &packed);
    file.resize(3072, 0);
    file
}

/// A VMDK with grains of 4 KiB, compressed or not.
pub(crate) fn vmdk(compressed: bool) -> Vec<u8> {
    let mut file = Vec::new();
    put(&mut file, 0, b"KDMV");
    put(&mut file, 4, &3u32.to_le_bytes());
    put(&mut file, 8, &(if compressed { 3u32 << 16 | 1 } else { 1 }).to_le_bytes());
    put(&mut file, 12, &32u64.to_le_bytes());
    put(&mut file, 20, &8u64.to_le_bytes());
    put(&mut file, 28, &1u64.to_le_bytes());
    put(&mut file, 36, &1u64.to_le_bytes());
    put(&mut file, 44, &512u32.to_le_bytes());
    put(&mut file, 56, &2u64.to_le_bytes());
    put(&mut file, 77, &u16::from(compressed).to_le_bytes());
    put(
        &mut file,
        512,
        b"# Disk DescriptorFile\nversion=1\nparentCID=ffffffff\ncreateType=\"monolithicSparse\"\n\
          RW 32 SPARSE \"disk.vmdk\"\n",
    );
    put(&mut file, 1024, &3u32.to_le_bytes());
    put(&mut file, 1536 + 2048 - 4, &[0; 4]);
    for (index, number) in [(0u64, 1u8), (2, 3), (3, 4)] {
        let at = file.len().next_multiple_of(512);
        put(&mut file, 1536 + 4 * index as usize, &((at / 512) as u32).to_le_bytes());
        if compressed {
            let packed = miniz_oxide::deflate::compress_to_vec_zlib(&unit(number, 4096), 6);
            put(&mut file, at, &(index * 8).to_le_bytes());
            put(&mut file, at + 8, &(packed.len() as u32).to_le_bytes());
            put(&mut file, at + 12, &packed);
        } else {
            put(&mut file, at, &unit(number, 4096));
        }
    }
    file
}

/// The check sum of a VHD, put where it belongs.
pub(crate) fn seal_vhd(bytes: &mut [u8], at: usize) {
    bytes[at..at + 4].fill(0);
    let sum = !bytes.iter().fold(0u32, |sum, byte| sum.wrapping_add(u32::from(*byte)));
    bytes[at..at + 4].copy_from_slice(&sum.to_be_bytes());
}

/// A dynamic VHD with blocks of 4 KiB; of the last block only the first sector is used.
pub(crate) fn vhd() -> Vec<u8> {
    let mut footer = Vec::new();
    put(&mut footer, 0, b"conectix");
    put(&mut footer, 16, &512u64.to_be_bytes());
    put(&mut footer, 48, &16384u64.to_be_bytes());
    put(&mut footer, 60, &3u32.to_be_bytes());
    footer.resize(512, 0);
    seal_vhd(&mut footer, 64);
    let mut header = Vec::new();
    put(&mut header, 0, b"cxsparse");
    put(&mut header, 16, &1536u64.to_be_bytes());
    put(&mut header, 28, &4u32.to_be_bytes());
    put(&mut header, 32, &4096u32.to_be_bytes());
    header.resize(1024, 0);
    seal_vhd(&mut header, 36);
    let mut file = [footer.clone(), header].concat();
    put(&mut file, 1536, &[0xff; 512]);
    for (index, number, bitmap) in [(0, 1, 0xffu8), (2, 3, 0xff), (3, 4, 0x80)] {
        let at = file.len();
        put(&mut file, 1536 + 4 * index, &((at / 512) as u32).to_be_bytes());
        put(&mut file, at, &[bitmap]);
        put(&mut file, at + 512, &unit(number, 4096));
    }
    file.extend(footer);
    file
}

/// The check sum of a VHDX structure, put where it belongs.
pub(crate) fn seal_vhdx(bytes: &mut [u8]) {
    bytes[4..8].fill(0);
    let sum = crc32c::crc32c(bytes);
    bytes[4..8].copy_from_slice(&sum.to_le_bytes());
}

/// A dynamic VHDX with blocks of 1 MiB.
pub(crate) fn vhdx() -> Vec<u8> {
    let id = |text: &str| text.parse::<amiforge_formats::guid::Guid>().unwrap().to_bytes_le();
    let mut file = b"vhdxfile".to_vec();
    let mut header = vec![0; 4096];
    put(&mut header, 0, b"head");
    put(&mut header, 8, &7u64.to_le_bytes());
    put(&mut header, 66, &1u16.to_le_bytes());
    seal_vhdx(&mut header);
    put(&mut file, 64 << 10, &header);
    let mut regions = vec![0; 64 << 10];
    put(&mut regions, 0, b"regi");
    put(&mut regions, 8, &2u32.to_le_bytes());
    for (at, name, place) in [
        (16, "2dc27766-f623-4200-9d64-115e9bfd4a08", 1u64 << 20),
        (48, "8b7ca206-4790-4b9a-b8fe-575f050f886e", 2 << 20),
    ] {
        put(&mut regions, at, &id(name));
        put(&mut regions, at + 16, &place.to_le_bytes());
        put(&mut regions, at + 24, &(1u32 << 20).to_le_bytes());
        put(&mut regions, at + 28, &1u32.to_le_bytes());
    }
    seal_vhdx(&mut regions);
    put(&mut file, 192 << 10, &regions);
    let metadata = 2 << 20;
    put(&mut file, metadata, b"metadata");
    put(&mut file, metadata + 10, &3u16.to_le_bytes());
    for (index, name, value) in [
        (0, "caa16737-fa36-4d43-b3b6-33f0aa44e76b", 1u64 << 20),
        (1, "2fa54224-cd1b-4876-b211-5dbed83bf4b8", 4 << 20),
        (2, "8141bf1d-a96f-4709-ba47-f233a8faab5f", 512),
    ] {
        let entry = metadata + 32 + 32 * index;
        put(&mut file, entry, &id(name));
        put(&mut file, entry + 16, &(0x1_0000 + 8 * index as u32).to_le_bytes());
        put(&mut file, entry + 24, &4u32.to_le_bytes());
        put(&mut file, metadata + 0x1_0000 + 8 * index, &value.to_le_bytes());
    }
    for (index, number) in [(0u64, 1u8), (2, 3), (3, 4)] {
        let at = (3 + index) << 20;
        put(&mut file, (1 << 20) + 8 * index as usize, &(at | 6).to_le_bytes());
        put(&mut file, at as usize, &unit(number, 1 << 20));
    }
    file
}

/// Every container, with the length of its units.
pub(crate) fn all() -> Vec<(ContainerKind, Vec<u8>, usize)> {
    vec![
        (ContainerKind::Qcow2, qcow2(), 512),
        (ContainerKind::Vmdk, vmdk(false), 4096),
        (ContainerKind::Vmdk, vmdk(true), 4096),
        (ContainerKind::Vhd, vhd(), 4096),
        (ContainerKind::Vhdx, vhdx(), 1 << 20),
    ]
}

/// Opens a file as what it looks like.
pub(crate) fn open(file: &dyn ReadAt) -> Result<DiskContainer<&dyn ReadAt>, ContainerError> {
    let kind = ContainerKind::probe(file).unwrap().expect("a container");
    DiskContainer::open(file, kind)
}

/// The whole disk of a container, read in pieces of `step` bytes; also by its data ranges alone, which has to be the same.
pub(crate) fn contents(disk: &dyn ReadAt, step: usize) -> std::io::Result<Vec<u8>> {
    let len = usize::try_from(disk.size()).unwrap();
    let mut bytes = vec![0; len];
    for from in (0..len).step_by(step) {
        let to = (from + step).min(len);
        disk.read_exact_at(from as u64, &mut bytes[from..to])?;
    }
    let mut by_ranges = vec![0; len];
    let mut at = 0;
    while let Some(data) = disk.data_from(at, disk.size())? {
        assert!(data.start >= at && data.start < data.end && data.end <= disk.size());
        disk.read_exact_at(data.start, &mut by_ranges[data.start as usize..data.end as usize])?;
        at = data.end;
    }
    assert!(bytes == by_ranges, "what is outside of the data ranges is zeros");
    Ok(bytes)
}

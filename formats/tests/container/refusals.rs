//! What is read of the containers made here, and what is refused by name.

use amiforge_formats::container::{Codec, ContainerKind, DiskContainer, StoredAs};
use amiforge_formats::read_at::ReadAt;

use super::fixture::{all, contents, disk, open, put, qcow2, seal_vhd, seal_vhdx, vhd, vhdx, vmdk};

/// The error for a file.
fn refused(file: &[u8]) -> String {
    open(&file.to_vec()).expect_err("it is refused").to_string()
}

#[test]
fn every_container_reads_like_its_disk() {
    for (kind, file, len) in all() {
        let container = open(&file).unwrap();
        assert_eq!(container.kind(), kind);
        assert_eq!(container.size(), 4 * len as u64);
        let mut expected = disk(len);
        if kind == ContainerKind::Vhd {
            expected[3 * len + 512..].fill(0);
        }
        for step in [100, len, 3 * len + 1] {
            assert!(contents(&container, step).unwrap() == expected, "{}", kind.name());
        }
        assert!(container.read_exact_at(4 * len as u64 - 1, &mut [0; 2]).is_err());
        assert_eq!(container.data_from(len as u64, 2 * len as u64).unwrap(), None);
    }
}

#[test]
fn runs_say_where_the_bytes_of_a_disk_are_in_the_file() {
    let file = qcow2();
    let container = open(&file).unwrap();
    assert_eq!(container.run(700).unwrap().stored, StoredAs::Zeros);
    assert_eq!(container.run(1100).unwrap().stored, StoredAs::Plain { at: 2048 });
    let packed = container.run(1536).unwrap();
    assert!(
        matches!(packed.stored, StoredAs::Packed(unit) if unit.codec == Codec::Deflate && unit.at == 2560)
    );
    assert!(container.run(2048).is_err());
}

#[test]
fn a_raw_disk_is_no_container_whatever_it_is_called() {
    for bytes in [vec![], vec![0; 100], vec![0; 4096], b"QFI".to_vec()] {
        assert_eq!(ContainerKind::probe(&bytes).unwrap(), None);
    }
    let mut fixed = vec![7; 8192];
    fixed.extend(vhd()[..512].to_vec());
    let footer = &mut fixed[8192..];
    put_in(footer, 48, &8192u64.to_be_bytes());
    put_in(footer, 60, &2u32.to_be_bytes());
    seal_vhd(footer, 64);
    let container = open(&fixed).unwrap();
    assert_eq!(container.size(), 8192);
    assert_eq!(container.run(5).unwrap().stored, StoredAs::Plain { at: 0 });
    assert!(DiskContainer::open(vec![0u8; 100], ContainerKind::Vhd).is_err());
}

fn put_in(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

#[test]
fn a_qcow2_that_needs_another_file_or_a_key_is_refused_by_name() {
    let with = |at: usize, value: &[u8]| {
        let mut file = qcow2();
        put(&mut file, at, value);
        refused(&file)
    };
    assert!(with(4, &1u32.to_be_bytes()).contains("version 1"));
    let mut file = qcow2();
    put(&mut file, 8, &3000u64.to_be_bytes());
    put(&mut file, 16, &9u32.to_be_bytes());
    put(&mut file, 3000, b"base\x1b.img");
    let text = refused(&file);
    assert!(text.contains("backing file `base\\x1b.img`") && text.contains("qemu-img convert"), "{text}");
    for (bits, word) in [(2u64, "corrupt"), (4, "another file"), (1 << 9, "unknown features 0x200")] {
        assert!(with(72, &bits.to_be_bytes()).contains(word));
    }
    for (method, word) in [(1u32, "AES"), (2, "LUKS"), (3, "method 3")] {
        let text = with(32, &method.to_be_bytes());
        assert!(text.contains("encrypted") && text.contains(word), "{text}");
    }
    let mut file = qcow2();
    put(&mut file, 72, &8u64.to_be_bytes());
    put(&mut file, 104, &[2]);
    assert!(refused(&file).contains("compressed with method 2"));
}

#[test]
fn a_vmdk_of_several_files_or_with_a_parent_is_refused_by_name() {
    let with = |text: &str| {
        let mut file = vmdk(false);
        file[512..1024].fill(0);
        put(&mut file, 512, text.as_bytes());
        refused(&file)
    };
    assert!(with("parentCID=12345678\nRW 32 SPARSE \"a\"\n").contains("parent"));
    assert!(with("createType=\"monolithicFlat\"\nRW 32 FLAT \"a-flat\" 0\n").contains("monolithicFlat"));
    assert!(with("RW 16 SPARSE \"a\"\nRW 16 SPARSE \"b\"\n").contains("2 extents"));
    assert!(with("encryption.keySafe = \"x\"\nRW 32 SPARSE \"a\"\n").contains("encrypted"));
    assert!(refused(b"# Disk DescriptorFile\nversion=1\n").contains("descriptor"));
    assert!(refused(b"COWD").contains("ESX"));
    let mut file = vmdk(false);
    put(&mut file, 28, &0u64.to_le_bytes());
    assert!(refused(&file).contains("split"));
}

#[test]
fn differencing_disks_and_a_log_are_refused_by_name() {
    let mut file = vhd();
    let end = file.len() - 512;
    for at in [0, end] {
        put(&mut file, at + 60, &4u32.to_be_bytes());
        seal_vhd(&mut file[at..at + 512], 64);
    }
    assert!(refused(&file).contains("differencing"));
    let mut file = vhdx();
    put(&mut file, (2 << 20) + 0x1_0004, &2u32.to_le_bytes());
    assert!(refused(&file).contains("differencing"));
    let mut file = vhdx();
    put(&mut file, (64 << 10) + 48, &[1]);
    seal_vhdx(&mut file[64 << 10..68 << 10]);
    let text = refused(&file);
    assert!(text.contains("log") && text.contains("qemu-img check"), "{text}");
}

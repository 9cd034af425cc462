//! Containers that `qemu-img` writes, over its options, read as `qemu-img` reads them: by the digest of the whole disk.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use amiforge_formats::container::{ContainerKind, PackedDisk, StoredAs};
use amiforge_formats::digest::Digest;
use amiforge_formats::read_at::ReadAt;

use super::fixture::{contents, open, unit};
use crate::fixtures::run;

/// A file of this machine.
struct Opened(File);

impl ReadAt for Opened {
    fn size(&self) -> u64 {
        self.0.metadata().unwrap().len()
    }

    fn read_exact_at(&self, offset: u64, buf: &mut [u8]) -> std::io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }
}

/// Length of the sample, which is no multiple of any cluster but the smallest.
const LEN: u64 = (20 << 20) + 7 * 512;

/// A disk with text, noise, zeros and holes, at clusters and across them.
fn sample(path: &Path) {
    let file = File::create(path).unwrap();
    file.set_len(LEN).unwrap();
    let text: Vec<u8> = (0..3_000_000_u32).flat_map(|n| (n / 97).to_le_bytes()).take(3 << 20).collect();
    let mut state = 1u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    })
    .take(1 << 20)
    .collect();
    file.write_all_at(&text, 1000).unwrap();
    file.write_all_at(&noise, (5 << 20) + 512).unwrap();
    file.write_all_at(&vec![0; 1 << 20], 8 << 20).unwrap();
    for step in 0..40 {
        file.write_all_at(&noise[..5000], (10 << 20) + step * 70_000).unwrap();
    }
    file.write_all_at(&text[..6000], LEN - 6000).unwrap();
}

/// Runs `qemu-img` or `qemu-io`; `false` when it is not installed.
fn qemu(program: &str, args: &[&str]) -> bool {
    let Some((done, text)) = run(program, args) else { return false };
    assert!(done, "{program} {args:?}: {text}");
    true
}

/// Holds a container against what `qemu-img` makes of it.
fn compare(file: &Path, kind: ContainerKind, format: &str) {
    let raw = file.with_extension("back");
    let (from, to) = (file.to_str().unwrap(), raw.to_str().unwrap());
    assert!(qemu("qemu-img", &["convert", "-f", format, "-O", "raw", from, to]));
    let opened = Opened(File::open(file).unwrap());
    let container = open(&opened).unwrap_or_else(|error| panic!("{from}: {error}"));
    assert_eq!(container.kind(), kind, "{from}");
    let expected = std::fs::read(&raw).unwrap();
    let found = contents(&container, 300_000).unwrap();
    assert_eq!(found.len(), expected.len(), "{from}");
    assert_eq!(Digest::of(&found), Digest::of(&expected), "{from}");
}

#[test]
fn what_qemu_writes_reads_as_it_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let raw = folder.path().join("disk.raw");
    sample(&raw);
    let variants: [(&str, ContainerKind, &str); 24] = [
        ("qcow2", ContainerKind::Qcow2, "compat=0.10"),
        ("qcow2", ContainerKind::Qcow2, "compat=1.1"),
        ("qcow2", ContainerKind::Qcow2, "cluster_size=512"),
        ("qcow2", ContainerKind::Qcow2, "cluster_size=4k,lazy_refcounts=on"),
        ("qcow2", ContainerKind::Qcow2, "cluster_size=2M"),
        ("qcow2", ContainerKind::Qcow2, "preallocation=metadata"),
        ("qcow2", ContainerKind::Qcow2, "preallocation=full,refcount_bits=1"),
        ("qcow2", ContainerKind::Qcow2, "extended_l2=on,cluster_size=64k"),
        ("qcow2", ContainerKind::Qcow2, "extended_l2=on,cluster_size=2M"),
        ("-c qcow2", ContainerKind::Qcow2, "compression_type=zlib"),
        ("-c qcow2", ContainerKind::Qcow2, "cluster_size=512"),
        ("-c qcow2", ContainerKind::Qcow2, "cluster_size=2M,compat=0.10"),
        ("-c qcow2", ContainerKind::Qcow2, "compression_type=zstd"),
        ("-c qcow2", ContainerKind::Qcow2, "compression_type=zstd,cluster_size=2M,extended_l2=on"),
        ("vmdk", ContainerKind::Vmdk, "subformat=monolithicSparse"),
        ("vmdk", ContainerKind::Vmdk, "subformat=monolithicSparse,zeroed_grain=on,compat6=on"),
        ("vmdk", ContainerKind::Vmdk, "subformat=streamOptimized"),
        ("vpc", ContainerKind::Vhd, "subformat=dynamic"),
        ("vpc", ContainerKind::Vhd, "subformat=dynamic,force_size=on"),
        ("vpc", ContainerKind::Vhd, "subformat=fixed"),
        ("vpc", ContainerKind::Vhd, "subformat=fixed,force_size=on"),
        ("vhdx", ContainerKind::Vhdx, "subformat=dynamic"),
        ("vhdx", ContainerKind::Vhdx, "subformat=fixed"),
        ("vhdx", ContainerKind::Vhdx, "block_size=2M,log_size=2M"),
    ];
    for (number, (format, kind, options)) in variants.into_iter().enumerate() {
        let file = folder.path().join(format!("{number}.img"));
        let (from, to) = (raw.to_str().unwrap(), file.to_str().unwrap());
        let mut args = vec!["convert", "-f", "raw", from, "-o", options];
        let format = format.strip_prefix("-c ").inspect(|_| args.push("-c")).unwrap_or(format);
        args.extend(["-O", format, to]);
        if !qemu("qemu-img", &args) {
            return;
        }
        compare(&file, kind, format);
    }
}

#[test]
fn what_qemu_writes_piece_by_piece_reads_as_it_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("qcow2", ContainerKind::Qcow2, "extended_l2=on"),
        ("qcow2", ContainerKind::Qcow2, "cluster_size=4k"),
        ("vmdk", ContainerKind::Vmdk, "zeroed_grain=on"),
        ("vpc", ContainerKind::Vhd, "subformat=dynamic"),
        ("vhdx", ContainerKind::Vhdx, "block_size=1M"),
    ];
    for (number, (format, kind, options)) in cases.into_iter().enumerate() {
        let file = folder.path().join(format!("{number}.img"));
        let path = file.to_str().unwrap();
        if !qemu("qemu-img", &["create", "-f", format, "-o", options, path, "40M"]) {
            return;
        }
        let mut args = vec!["-f", format];
        for command in [
            "write -P 1 3k 7k",
            "write -P 2 1030k 4k",
            "write -P 3 5M 3M",
            "write -z 6M 100k",
            "discard 7M 64k",
            "write -P 4 7100k 512",
            "write -P 5 39M 1M",
            "write -z 2k 3k",
        ] {
            args.extend(["-c", command]);
        }
        args.push(path);
        let Some((_, text)) = run("qemu-io", &args) else { return };
        // Not every format takes zeros and discards; the writes have to succeed.
        assert!(text.matches("wrote ").count() >= 5, "{text}");
        compare(&file, kind, format);
    }
}

#[test]
fn what_qemu_keeps_in_other_files_or_under_a_key_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let base = path("base.qcow2");
    if !qemu("qemu-img", &["create", "-q", "-f", "qcow2", &base, "10M"]) {
        return;
    }
    let create = |name: &str, format: &str, options: &[&str]| {
        let file = path(name);
        let args = [&["create", "-q", "-f", format], options, &[&file, "10M"]].concat();
        assert!(qemu("qemu-img", &args));
        let opened = Opened(File::open(&file).unwrap());
        open(&opened).expect_err("it is refused").to_string()
    };
    let text = create("over.qcow2", "qcow2", &["-b", &base, "-F", "qcow2"]);
    assert!(text.contains("has the backing file") && text.contains("base.qcow2"), "{text}");
    let data = format!("data_file={}", path("data.raw"));
    assert!(create("external.qcow2", "qcow2", &["-o", &data]).contains("in another file"));
    let key = [
        "--object",
        "secret,id=s,data=abc",
        "-o",
        "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10",
    ];
    assert!(create("luks.qcow2", "qcow2", &key).contains("LUKS"));
    assert!(create("flat.vmdk", "vmdk", &["-o", "subformat=monolithicFlat"]).contains("descriptor"));
    assert!(create("split.vmdk", "vmdk", &["-o", "subformat=twoGbMaxExtentSparse"]).contains("descriptor"));
    let part = Opened(File::open(path("split-s001.vmdk")).unwrap());
    assert!(open(&part).expect_err("it is refused").to_string().contains("split"));
}

#[test]
fn a_container_of_blocks_is_what_qemu_checks_and_reads() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(u64, Vec<u64>); 5] = [
        (64 << 20, vec![]),
        (64 << 20, vec![0]),
        (64 << 20, vec![0, 1, 5, 6, 100, 127]),
        (64 << 20, (0..128).collect()),
        (200 << 30, vec![3, 65_535, 65_536, 200_000]),
    ];
    for (number, (size, blocks)) in cases.into_iter().enumerate() {
        let packed = PackedDisk::new(size, &blocks).unwrap();
        let path = folder.path().join(format!("{number}.qcow2"));
        let file = File::create(&path).unwrap();
        file.set_len(packed.len).unwrap();
        for (at, bytes) in &packed.head {
            assert!(at + bytes.len() as u64 <= packed.data_at);
            file.write_all_at(bytes, *at).unwrap();
        }
        for (place, index) in (0u64..).zip(&blocks) {
            file.write_all_at(&unit(*index as u8 | 1, 512 << 10), packed.data_at + place * (512 << 10))
                .unwrap();
        }
        if !qemu("qemu-img", &["check", "-q", "-f", "qcow2", path.to_str().unwrap()]) {
            return;
        }
        if size < 1 << 30 {
            compare(&path, ContainerKind::Qcow2, "qcow2");
        }
        let opened = Opened(File::open(&path).unwrap());
        let container = open(&opened).unwrap();
        for (place, index) in (0u64..).zip(&blocks) {
            let run = container.run(index * (512 << 10)).unwrap();
            assert_eq!(run.stored, StoredAs::Plain { at: packed.data_at + place * (512 << 10) });
        }
    }
    for wrong in [vec![1, 0], vec![7, 7], vec![128]] {
        assert_eq!(PackedDisk::new(64 << 20, &wrong), None);
    }
}

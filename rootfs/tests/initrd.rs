//! Reads initial RAM disks and cpio archives of other tools, and checks ours with other tools.
#![expect(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
#![expect(clippy::print_stdout, reason = "a missing oracle is reported on the output")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use amiforge_formats::cpio::read::EntryKind;
use amiforge_formats::cpio::write::{CpioWriter, NewEntry};
use amiforge_rootfs::initrd::read::{self as initrd, InitrdArchive, InitrdReadError};

/// More bytes than any archive of these tests has.
const MOST: u64 = 1 << 24;

fn module() -> Vec<u8> {
    (0..=255).cycle().take(70_001).collect()
}

fn archive() -> Vec<u8> {
    let mut archive = CpioWriter::new();
    archive.add("lib", 0o755, NewEntry::Folder);
    archive.add("lib/nvme.ko", 0o644, NewEntry::File(&module()));
    archive.add("init", 0o755, NewEntry::File(b"#!/bin/sh\n"));
    archive.finish()
}

/// The output of a program with these bytes as its input; `None` where it is not installed.
fn piped(program: &str, args: &[&str], input: &[u8], folder: &Path) -> Option<Vec<u8>> {
    let child = Command::new(program)
        .args(args)
        .current_dir(folder)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        assert!(std::env::var_os("REQUIRE_ORACLES").is_none_or(|value| value != "1"), "no {program}");
        println!("SKIP: `{program}` is not installed");
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{program} {args:?}");
    Some(output.stdout)
}

fn names(initrd: &InitrdArchive) -> Vec<String> {
    initrd.entries.keys().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

#[test]
fn gnu_cpio_unpacks_our_archives_and_we_read_its() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_) = piped("cpio", &["-i", "--quiet", "-m"], &archive(), folder.path()) else { return };
    let at = |path: &str| folder.path().join(path);
    assert_eq!(std::fs::read(at("lib/nvme.ko")).unwrap(), module());
    let list = piped("cpio", &["-t", "--quiet"], &archive(), folder.path()).unwrap();
    assert_eq!(String::from_utf8(list).unwrap(), "lib\nlib/nvme.ko\ninit\n");
    std::fs::hard_link(at("lib/nvme.ko"), at("again")).unwrap();
    std::os::unix::fs::symlink("lib", at("bin")).unwrap();
    assert!(Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
    for form in ["newc", "crc"] {
        let list = b".\n./init\n./lib\n./lib/nvme.ko\n./again\n./bin\n./pipe\n";
        let theirs = piped("cpio", &["-o", "--quiet", "-H", form], list, folder.path()).unwrap();
        let initrd = initrd::read(&theirs, MOST).unwrap();
        assert_eq!(names(&initrd), ["", "again", "bin", "init", "lib", "lib/nvme.ko", "pipe"], "{form}");
        assert_eq!(initrd.get("/init").unwrap().mode, 0o755);
        assert_eq!(initrd.get("pipe").unwrap().kind, EntryKind::Fifo);
        assert_eq!(initrd.get("bin").unwrap().kind, EntryKind::Symlink);
    }
}

#[test]
fn several_archives_compressed_or_not_are_read_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let plain = archive();
    let mut all = plain.clone();
    all.extend([0; 512]);
    let mut expected = vec!["cpio"];
    for (program, args) in
        [("gzip", &["-n"][..]), ("xz", &["--check=crc32"]), ("zstd", &["-q", "-c"]), ("gzip", &["-1"])]
    {
        // Also two archives in one stream.
        let twice = [plain.as_slice(), &[0; 1024], &plain].concat();
        let Some(packed) = piped(program, args, &twice, folder.path()) else { return };
        let one = initrd::read(&packed, MOST).unwrap();
        assert_eq!(one.archives, [program]);
        all.extend(packed);
        all.extend([0; 3]);
        expected.push(program);
    }
    all.resize(all.len().next_multiple_of(4), 0);
    all.extend(&plain);
    expected.push("cpio");
    let initrd = initrd::read(&all, MOST).unwrap();
    assert_eq!((initrd.archives.as_slice(), initrd.entries.len()), (expected.as_slice(), 3));
    all.push(0);
    all.extend(&plain);
    assert!(matches!(initrd::read(&all, MOST), Err(InitrdReadError::Unaligned { .. })));
}

#[test]
fn archives_that_the_kernel_would_not_unpack_are_refused() {
    let refusal = |bytes: &[u8], most| initrd::read(bytes, most).unwrap_err().to_string();
    assert_eq!(refusal(&[0; 100], MOST), "it is empty");
    assert!(refusal(b"\0\0\0\0MZ\x90\0\x03\0\0", MOST).contains("at byte 4, but `MZ\\x90"));
    assert!(refusal(b"\x02\x21\x4c\x18....", MOST).contains("packed by lz4"));
    assert!(refusal(&archive()[..400], MOST).contains("reading the archive at byte 0"));
    let pack = |bytes: &[u8]| {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(bytes).unwrap();
        gz.finish().unwrap()
    };
    let packed = pack(&archive());
    assert!(refusal(&packed, 10_000).contains("unpacking the gzip archive at byte 0"));
    assert!(refusal(&packed[..packed.len() - 9], MOST).contains("unpacking the gzip archive"));
    let mut damaged = packed.clone();
    let last = damaged.len() - 5;
    damaged[last] ^= 1;
    assert!(refusal(&damaged, MOST).contains("unpacking the gzip archive"));
    let junk = pack(&[archive().as_slice(), b"junk"].concat());
    assert!(refusal(&junk, MOST).contains("has other bytes behind its archives: `junk`"));
}

#[test]
#[ignore = "writes seeds for the fuzz target into the repository"]
fn seeds_for_the_fuzz_target_are_written() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/cpio");
    std::fs::create_dir_all(&corpus).unwrap();
    let plain = archive();
    std::fs::write(corpus.join("plain"), &plain).unwrap();
    for (program, args) in [("gzip", &["-n"][..]), ("xz", &[]), ("zstd", &["-q", "-c"])] {
        let Some(packed) = piped(program, args, &plain, &corpus) else { return };
        std::fs::write(corpus.join(program), packed).unwrap();
    }
}

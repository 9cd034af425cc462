//! The sample disk, and changes of it by tools of others.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use amiforge_tests::oracle;

/// First byte and length of the partitions of the sample disk.
pub(crate) const ESP: (u64, u64) = (1 << 20, 34 << 20);

pub(crate) const ROOT: (u64, u64) = (35 << 20, 16 << 20);

pub(crate) const SWAP: (u64, u64) = (51 << 20, 1 << 20);

/// The time of everything in the samples.
const TIME: &str = "1700000000";

/// Runs a tool that must succeed, at a fixed time where it lets itself be told one.
pub(crate) fn tool(name: &str, args: &[&str]) -> String {
    let program = oracle::find(name).unwrap_or_else(|| PathBuf::from(name));
    let output = std::process::Command::new(program)
        .args(args)
        .env("SOURCE_DATE_EPOCH", TIME)
        .env("E2FSPROGS_FAKE_TIME", TIME)
        .env("MTOOLS_SKIP_CHECK", "1")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {args:?}: {error}");
    format!("{}{error}", String::from_utf8_lossy(&output.stdout))
}

/// Makes the files of the sample's root.
fn files(folder: &Path) -> PathBuf {
    let root = folder.join("files");
    std::fs::create_dir_all(root.join("etc")).unwrap();
    std::fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
    std::fs::write(root.join("big"), vec![7; 300_000]).unwrap();
    std::fs::write(root.join("gone"), "soon\n").unwrap();
    std::os::unix::fs::symlink("big", root.join("link")).unwrap();
    std::fs::hard_link(root.join("gone"), root.join("also")).unwrap();
    tool("find", &[root.to_str().unwrap(), "-exec", "touch", "-h", "-d", &format!("@{TIME}"), "{}", "+"]);
    root
}

/// Makes one partition's file system and puts it into the disk.
fn put(disk: &Path, (start, len): (u64, u64), make: impl FnOnce(&str)) {
    let part = disk.with_extension("part");
    File::create(&part).unwrap().set_len(len).unwrap();
    make(part.to_str().unwrap());
    let bytes = std::fs::read(&part).unwrap();
    OpenOptions::new().write(true).open(disk).unwrap().write_all_at(&bytes, start).unwrap();
    std::fs::remove_file(part).unwrap();
}

/// The sample: GPT, a FAT32 ESP, an ext4 root and a swap area.
pub(crate) fn sample(folder: &Path) -> PathBuf {
    let disk = folder.join("a.raw");
    let root = files(folder);
    File::create(&disk).unwrap().set_len(56 << 20).unwrap();
    let guid = |last: u8| format!("11111111-2222-3333-4444-5555555555{last:02x}");
    let (esp, ext4, swap) = (ESP.0 / 512, ROOT.0 / 512, SWAP.0 / 512);
    tool(
        "sgdisk",
        &[
            "-a1",
            "-U",
            &guid(0),
            "-n",
            &format!("1:{esp}:+34M"),
            "-t1:ef00",
            "-c1:ESP",
            "-u",
            &format!("1:{}", guid(1)),
            "-n",
            &format!("2:{ext4}:+16M"),
            "-t2:8304",
            "-c2:root",
            "-u",
            &format!("2:{}", guid(2)),
            "-n",
            &format!("3:{swap}:+1M"),
            "-t3:8200",
            "-c3:swap",
            "-u",
            &format!("3:{}", guid(3)),
            disk.to_str().unwrap(),
        ],
    );
    put(&disk, ESP, |part| {
        tool("mkfs.fat", &["-F32", "-s1", "-i", "12345678", "-n", "ESP", "--invariant", part]);
        tool("mmd", &["-i", part, "::/EFI"]);
        tool("mcopy", &["-m", "-i", part, root.join("etc/hosts").to_str().unwrap(), "::/EFI/hosts.txt"]);
        tool("mcopy", &["-m", "-i", part, root.join("gone").to_str().unwrap(), "::/gone"]);
    });
    put(&disk, ROOT, |part| {
        let id = "-Uaaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee";
        let seed = "hash_seed=aaaaaaaa-bbbb-cccc-dddd-ffffffffffff,root_owner=0:0,lazy_itable_init=0";
        let root = root.to_str().unwrap();
        tool("mke2fs", &["-q", "-Fb4096", "-text4", "-Lroot", id, "-E", seed, "-d", root, part]);
    });
    put(&disk, SWAP, |part| {
        tool("mkswap", &["-q", "-U", "99999999-bbbb-cccc-dddd-eeeeeeeeeeee", "-L", "swap", part]);
    });
    disk
}

/// Changes a file system of the sample with a tool that needs it in a file of its own.
pub(crate) fn within(disk: &Path, (start, len): (u64, u64), change: impl FnOnce(&str)) {
    let part = disk.with_extension("part");
    let file = OpenOptions::new().read(true).write(true).open(disk).unwrap();
    let mut bytes = vec![0; len as usize];
    file.read_exact_at(&mut bytes, start).unwrap();
    std::fs::write(&part, &bytes).unwrap();
    change(part.to_str().unwrap());
    file.write_all_at(&std::fs::read(&part).unwrap(), start).unwrap();
    std::fs::remove_file(part).unwrap();
}

/// Runs debugfs on the root.
pub(crate) fn debugfs(disk: &Path, command: &str) {
    within(disk, ROOT, |part| {
        tool("debugfs", &["-w", "-R", command, part]);
    });
}

/// Runs tune2fs on the root.
pub(crate) fn tune2fs(disk: &Path, args: &[&str]) {
    within(disk, ROOT, |part| {
        tool("tune2fs", &[args, &[part]].concat());
    });
}

/// Runs sgdisk on the disk.
pub(crate) fn sgdisk(disk: &Path, args: &[&str]) {
    tool("sgdisk", &[args, &[disk.to_str().unwrap()]].concat());
}

/// Overwrites bytes.
pub(crate) fn poke(disk: &Path, at: u64, bytes: &[u8]) {
    OpenOptions::new().write(true).open(disk).unwrap().write_all_at(bytes, at).unwrap();
}

/// First byte of the first block of a file of the root.
pub(crate) fn block_of(disk: &Path, path: &str) -> u64 {
    let mut at = 0;
    within(disk, ROOT, |part| {
        let output = tool("debugfs", &["-R", &format!("blocks {path}"), part]);
        let block = output.split_whitespace().find_map(|word| word.parse::<u64>().ok());
        at = ROOT.0 + block.unwrap() * 4096;
    });
    at
}

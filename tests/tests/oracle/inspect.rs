//! What `inspect` says of an image is what debugfs, dumpe2fs, sgdisk and mtools say, and what it extracts is what
//! went in.
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

mod terminal;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use amiforge_tests::{oracle, program, scratch};
use serde_json::Value;

const ESP: (u64, u64) = (1 << 20, 34 << 20);
const ROOT: (u64, u64) = (35 << 20, 16 << 20);

/// Makes a folder with names and nodes of many kinds.
fn files(folder: &Path) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    let root = folder.join("files");
    fs::create_dir_all(root.join("etc/deep/er")).unwrap();
    fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
    fs::write(root.join("etc/deep/er/big"), vec![7; 300_000]).unwrap();
    fs::write(root.join(std::ffi::OsStr::from_bytes(b"\x1b[2Jevil\nname\xff")), "x").unwrap();
    fs::hard_link(root.join("etc/hosts"), root.join("etc/again")).unwrap();
    std::os::unix::fs::symlink("../../etc", root.join("etc/deep/up")).unwrap();
    let sparse = File::create(root.join("sparse")).unwrap();
    sparse.set_len(5 << 20).unwrap();
    sparse.write_all_at(b"middle", 3 << 20).unwrap();
    for (path, mode) in [("etc/hosts", 0o640), ("etc/deep", 0o2751)] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        fs::set_permissions(root.join(path), mode).unwrap();
    }
    oracle::must("find", &[root.to_str().unwrap(), "-exec", "touch", "-h", "-d", "@1700000000", "{}", "+"]);
    root
}

/// A disk with an ESP and a root, both made by other tools.
fn sample(folder: &Path) -> (PathBuf, PathBuf) {
    let root = files(folder);
    let disk = folder.join("disk.img");
    File::create(&disk).unwrap().set_len(54 << 20).unwrap();
    let (esp, ext4) = (format!("1:{}:+34M", ESP.0 / 512), format!("2:{}:+16M", ROOT.0 / 512));
    let disk_name = disk.to_str().unwrap();
    oracle::must(
        "sgdisk",
        &[
            "-n",
            &esp,
            "-t1:ef00",
            "-c1:EFI system",
            "-n",
            &ext4,
            "-t2:8304",
            "-c2:root",
            "-A2:set:59",
            disk_name,
        ],
    );
    let part = folder.join("part");
    let name = part.to_str().unwrap();
    for (start, len) in [ESP, ROOT] {
        File::create(&part).unwrap().set_len(len).unwrap();
        if start == ESP.0 {
            oracle::must("mkfs.fat", &["-F32", "-s1", "-i", "A1B2C3D4", "-n", "ESP", name]);
            oracle::must("mmd", &["-i", name, "::/EFI"]);
            let hosts = root.join("etc/hosts");
            oracle::must("mcopy", &["-m", "-i", name, hosts.to_str().unwrap(), "::/EFI/A long name.txt"]);
        } else {
            oracle::must(
                "mke2fs",
                &["-q", "-Fb4096", "-text4", "-Lroot", "-d", root.to_str().unwrap(), name],
            );
            fs::copy(&part, folder.join("bare.ext4")).unwrap();
        }
        let bytes = fs::read(&part).unwrap();
        OpenOptions::new().write(true).open(&disk).unwrap().write_all_at(&bytes, start).unwrap();
    }
    (disk, root)
}

fn ready() -> bool {
    oracle::ready(
        &["sgdisk", "mkfs.fat", "mmd", "mcopy", "mdir", "mtype", "mke2fs", "debugfs", "dumpe2fs"],
        false,
    )
}

fn json(args: &[&str]) -> Value {
    serde_json::from_str(&program::must(args)).unwrap()
}

/// What dumpe2fs says, by name.
fn dumpe2fs(image: &Path) -> BTreeMap<String, String> {
    let output = oracle::must("dumpe2fs", &["-h", image.to_str().unwrap()]);
    let pairs = output.lines().filter_map(|line| line.split_once(':'));
    pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

#[test]
fn facts_are_those_that_other_tools_tell() {
    if !ready() {
        return;
    }
    let folder = scratch::folder();
    let (disk, _) = sample(folder.path());
    let disk = disk.to_str().unwrap();
    let report = json(&["inspect", disk, "--json"]);
    let gpt = oracle::must("sgdisk", &["-p", disk]).to_lowercase();
    assert!(gpt.contains(report["guid"].as_str().unwrap()));
    assert_eq!(report["findings"], Value::Array(vec![]));
    for (index, number) in ["1", "2"].iter().enumerate() {
        let partition = &report["partitions"][index];
        let entry = oracle::must("sgdisk", &["-i", number, disk]).to_lowercase();
        for key in ["guid", "type_guid"] {
            assert!(entry.contains(partition[key].as_str().unwrap()), "{key}: {entry}");
        }
        let sector = partition["start"].as_u64().unwrap() / 512;
        assert!(entry.contains(&format!("first sector: {sector} ")), "{entry}");
        assert!(
            entry.contains(&format!("partition size: {} sectors", partition["len"].as_u64().unwrap() / 512))
        );
        let name = partition["name"].as_str().unwrap().to_lowercase();
        assert!(entry.contains(&format!("partition name: '{name}'")), "{entry}");
    }
    assert_eq!(report["partitions"][1]["attributes"], serde_json::json!(["growfs"]));
    assert_eq!(report["partitions"][0]["file_system"]["uuid"], "A1B2-C3D4");
    let bare = folder.path().join("bare.ext4");
    let oracle = dumpe2fs(&bare);
    let alone = json(&["inspect", bare.to_str().unwrap(), "--json"]);
    let system = &alone["partitions"][0]["file_system"];
    assert_eq!(*system, report["partitions"][1]["file_system"]);
    let number = |name: &str| oracle[name].parse::<u64>().unwrap();
    assert_eq!(system["uuid"], oracle["Filesystem UUID"].as_str());
    assert_eq!(system["label"], oracle["Filesystem volume name"].as_str());
    assert_eq!(system["size"], number("Block count") * 4096);
    assert_eq!(system["free"], number("Free blocks") * 4096);
    assert_eq!(system["inodes"], number("Inode count"));
    assert_eq!(system["free_inodes"], number("Free inodes"));
    let features: Vec<_> = oracle["Filesystem features"].split_whitespace().collect();
    assert_eq!(system["features"], serde_json::json!(features));
}

#[test]
fn files_are_listed_printed_and_extracted_as_they_went_in() {
    if !ready() {
        return;
    }
    let folder = scratch::folder();
    let (disk, _) = sample(folder.path());
    let at = |inside: &str| format!("{}:{inside}", disk.to_str().unwrap());
    let listing = json(&["inspect", &at("root"), "-R", "--json"]);
    let hosts = listing.as_array().unwrap().iter().find(|row| row["path"] == "etc/hosts").unwrap();
    assert_eq!((&hosts["mode"], &hosts["links"]), (&Value::from("0640"), &Value::from(2)));
    assert_eq!(hosts["mtime"], "2023-11-14T22:13:20Z");
    let text = program::must(&["inspect", &at("2"), "-R"]);
    assert!(text.contains("\\x1b[2Jevil\\x0aname\\xff") && !text.contains('\x1b'), "{text:?}");
    assert!(text.contains("etc/deep/up -> ../../etc"), "{text}");
    assert_eq!(program::must(&["inspect", &at("root/etc/hosts"), "--cat"]), "127.0.0.1 localhost\n");
    // Through a link on the way, within the image.
    assert_eq!(program::must(&["inspect", &at("root/etc/deep/up/hosts"), "--cat"]), "127.0.0.1 localhost\n");
}

#[test]
fn extraction_gives_the_folder_back() {
    if !ready() {
        return;
    }
    let folder = scratch::folder();
    let (disk, root) = sample(folder.path());
    let at = |inside: &str| format!("{}:{inside}", disk.to_str().unwrap());
    let out = folder.path().join("out");
    program::must(&["inspect", &at("root"), "--extract", out.to_str().unwrap(), "-q"]);
    fs::remove_dir(out.join("lost+found")).unwrap();
    let different =
        oracle::run("diff", &["-r", "--no-dereference", root.to_str().unwrap(), out.to_str().unwrap()]);
    assert!(different.status.success(), "{}", String::from_utf8_lossy(&different.stdout));
    for path in ["etc/hosts", "etc/deep/er/big", "etc/deep/up", "sparse", "etc"] {
        let stat = |root: &Path| fs::symlink_metadata(root.join(path)).unwrap();
        let (a, b) = (stat(&root), stat(&out));
        assert_eq!((a.mode(), a.mtime(), a.len()), (b.mode(), b.mtime(), b.len()), "{path}");
    }
    assert_eq!(fs::metadata(out.join("etc/hosts")).unwrap().nlink(), 2);
    assert!(fs::metadata(out.join("sparse")).unwrap().blocks() < 1024);
    let again = program::run(&["inspect", &at("root"), "--extract", out.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(1));
    program::must(&["inspect", &at("root"), "--extract", out.to_str().unwrap(), "--force", "-q"]);
    let esp = folder.path().join("esp");
    program::must(&["inspect", &at("esp"), "--extract", esp.to_str().unwrap(), "-q"]);
    assert_eq!(fs::read(esp.join("EFI/A long name.txt")).unwrap(), fs::read(root.join("etc/hosts")).unwrap());
}

#[test]
fn mistakes_are_told_apart_from_failures() {
    if !ready() {
        return;
    }
    let folder = scratch::folder();
    let (disk, _) = sample(folder.path());
    let disk = disk.to_str().unwrap();
    let ends = |inside: &str, args: &[&str]| {
        let target = format!("{disk}{inside}");
        let output = program::run(&[&["inspect", &target], args].concat());
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(ends(":3", &[]).0, Some(2));
    assert_eq!(ends(":root/../etc", &[]).0, Some(2));
    let (code, text) = ends(":root/none", &[]);
    assert_eq!(code, Some(1));
    assert!(text.contains("there is no `/none`"), "{text}");
    assert_eq!(ends(":root/etc", &["--cat"]).0, Some(1));
    // A partition name with control characters never reaches the terminal as it is.
    let (_, text) = ends(":\x1b[31mx", &[]);
    assert!(!text.contains('\x1b'), "{text:?}");
    // With its magic number gone the file system is told of as something else, not a crash.
    OpenOptions::new().write(true).open(disk).unwrap().write_all_at(&[0xff; 64], ROOT.0 + 1024).unwrap();
    assert_eq!(program::run(&["inspect", disk]).status.code(), Some(0));
}

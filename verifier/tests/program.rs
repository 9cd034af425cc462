//! The program on bundles of version 0.1: what it prints, and its exit codes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use amiforge_verify::json::Json;

/// A bundle, unpacked for one test.
fn unpack(name: &str, test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("verifier-{test}"));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let archive =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../fixtures/bundles/0.1/{name}.tar.xz"));
    let status = Command::new("tar").arg("-xJf").arg(archive).arg("-C").arg(&folder).status().unwrap();
    assert!(status.success());
    folder
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_amiforge-verify")).args(arguments).output().unwrap()
}

fn outcome(folder: &Path, options: &[&str]) -> (Option<i32>, String) {
    let path = folder.to_string_lossy().into_owned();
    let output = run(&[options, &[path.as_str()]].concat());
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn bundles_of_version_0_1_are_good() {
    for name in ["ext4", "journal", "verity-erofs", "verity-ext4"] {
        let folder = unpack(name, &format!("good-{name}"));
        let (code, text) = outcome(&folder, &[]);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.ends_with(&format!("{name}: good\n")), "{text}");
        fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn a_changed_bit_is_named_with_its_place_and_both_digests() {
    let folder = unpack("verity-erofs", "bit");
    let disk = OpenOptions::new().write(true).open(folder.join("disk.raw")).unwrap();
    // In the data of the verified root.
    let at = 36 << 20;
    disk.write_all_at(&[0xaa], at).unwrap();
    let (code, text) = outcome(&folder, &["--json"]);
    assert_eq!(code, Some(3), "{text}");
    let report = Json::parse(text.as_bytes()).unwrap();
    let all = report.get("differences").and_then(Json::list).unwrap();
    let words = |one: &Json| one.get("problem").and_then(Json::text).unwrap().to_owned();
    let block = all.iter().find(|one| words(one) == format!("block {} differs", at / 524_288)).unwrap();
    assert_eq!(block.get("offset").and_then(Json::number), Some(at / 524_288 * 524_288));
    for key in ["expected", "actual"] {
        assert_eq!(block.get(key).and_then(Json::text).map(str::len), Some(64));
    }
    assert!(all.iter().any(|one| words(one).ends_with("is not what its hash tree says")), "{text}");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn exit_codes_tell_what_is_wrong_from_what_is_not_known() {
    assert_eq!(run(&[]).status.code(), Some(2));
    assert_eq!(run(&["--unknown", "x"]).status.code(), Some(2));
    assert_eq!(run(&["a", "b"]).status.code(), Some(2));
    assert_eq!(run(&["/nonexistent"]).status.code(), Some(1));
    assert_eq!(run(&["--help"]).status.code(), Some(0));
    let folder = unpack("ext4", "codes");
    // A file of a later version, bound by the sums: nothing is wrong with it, and nothing is known of it.
    fs::write(folder.join("later.json"), "{}\n").unwrap();
    let sums = fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    let line = "ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356  later.json";
    let mut lines: Vec<&str> = sums.lines().chain([line]).collect();
    lines.sort_by_key(|line| &line[66..]);
    fs::write(folder.join("SHA256SUMS"), lines.join("\n") + "\n").unwrap();
    let (code, text) = outcome(&folder, &["--quick"]);
    assert_eq!(code, Some(1), "{text}");
    fs::remove_file(folder.join("later.json")).unwrap();
    assert_eq!(outcome(&folder, &["--quick"]).0, Some(3));
    fs::write(folder.join("SHA256SUMS"), sums).unwrap();
    // A policy that no signature meets, and one that is none.
    // The base point of the curve: a key that nobody signs with.
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFhmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZm";
    let policy = folder.with_extension("toml");
    let signer = format!("[[signer]]\nname = \"a\"\nkeys = [\"{key}\"]\n");
    fs::write(&policy, format!("{signer}[[rule]]\nnames = [\"*\"]\nsigners = [\"a\"]\n")).unwrap();
    let option = format!("--signed-by={}", policy.display());
    let (code, text) = outcome(&folder, &["--quick", &option]);
    assert!(code == Some(3) && text.contains("asks for 1 signers, and there are 0"), "{text}");
    fs::write(&policy, "signer = 1\n").unwrap();
    assert_eq!(outcome(&folder, &["--quick", &option]).0, Some(1));
    fs::remove_dir_all(folder).unwrap();
}

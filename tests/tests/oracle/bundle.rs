//! A bundle comes whole or not at all, and verification names what was damaged.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use amiforge_tests::{oracle, program, scratch};

/// A recipe whose only source is a folder with a file of `mib` MiB that no other byte is like, and a small one.
fn recipe(folder: &Path, mib: usize) -> PathBuf {
    let tree = folder.join("tree");
    fs::create_dir_all(tree.join("etc")).unwrap();
    let mut state = 1_u64;
    let bytes: Vec<u8> = (0..mib << 17)
        .flat_map(|_| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (state ^ (state >> 33)).to_le_bytes()
        })
        .collect();
    fs::write(tree.join("big"), bytes).unwrap();
    fs::write(tree.join("etc/motd"), "a line that stands in one file only\n").unwrap();
    let text = "[image]\nname = \"web\"\narch = \"x86_64\"\nepoch = \"2030-01-01T00:00:00Z\"\n\n\
                [disk]\nsize = \"minimal\"\n\n[[source]]\nkind = \"dir\"\npath = \"tree\"\n";
    let path = folder.join("recipe.toml");
    fs::write(&path, text).unwrap();
    path
}

fn build(recipe: &Path, out: &Path) -> Command {
    let mut command = Command::new(program::path());
    command.arg("build").arg(recipe).arg("-o").arg(out).stdin(Stdio::null());
    command
}

/// Names in a folder, but for the inputs.
fn left(folder: &Path) -> Vec<String> {
    let entries =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.filter(|name| name != "tree" && name != "recipe.toml").collect();
    names.sort();
    names
}

#[test]
fn a_killed_build_leaves_nothing_under_the_final_name_and_the_next_one_clears_up() {
    let folder = scratch::folder();
    let recipe = recipe(folder.path(), 48);
    let out = folder.path().join("out");
    let mut killed_while_writing = 0;
    for delay in [0, 10, 20, 40, 60, 80, 120, 160] {
        let mut child = build(&recipe, &out).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let partial = folder.path().join(".out.partial/disk.raw");
        let begun = Instant::now();
        while !partial.exists()
            && begun.elapsed() < Duration::from_mins(1)
            && child.try_wait().unwrap().is_none()
        {
            std::hint::spin_loop();
        }
        std::thread::sleep(Duration::from_millis(delay));
        child.kill().unwrap();
        child.wait().unwrap();
        if partial.exists() {
            killed_while_writing += 1;
            assert!(!out.exists(), "killed after {delay} ms");
        } else if out.exists() {
            // It was done before the signal came, so it has to be whole.
            program::must(&["verify", &out.to_string_lossy()]);
            fs::remove_dir_all(&out).unwrap();
        }
    }
    assert!(killed_while_writing > 0, "every build was done before it was killed");
    assert!(build(&recipe, &out).output().unwrap().status.success());
    assert_eq!(left(folder.path()), ["out"]);
    program::must(&["verify", &out.to_string_lossy()]);
}

#[test]
fn a_full_disk_is_told_with_what_is_needed_and_leaves_nothing() {
    if !oracle::ready(&["mount", "umount"], true) {
        return;
    }
    let folder = scratch::folder();
    let recipe = recipe(folder.path(), 32);
    let small = folder.path().join("small");
    fs::create_dir(&small).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=16m", "small"]).arg(&small).status();
    assert!(mounted.unwrap().success());
    let output = build(&recipe, &small.join("out")).output();
    let names = left(&small);
    assert!(Command::new("umount").arg(&small).status().unwrap().success());
    let output = output.unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("bytes of disk space, and its file system has 16777216 left"), "{err}");
    assert_eq!(names, [""; 0]);
}

#[test]
fn a_place_that_cannot_be_written_is_told() {
    let folder = scratch::folder();
    let recipe = recipe(folder.path(), 1);
    // What even root cannot write to.
    let output = build(&recipe, Path::new("/proc/out")).output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("/proc"), "{err}");
}

#[test]
fn verification_names_the_partition_and_the_file_of_a_flipped_bit() {
    let folder = scratch::folder();
    let recipe = recipe(folder.path(), 3);
    let out = folder.path().join("out");
    assert!(build(&recipe, &out).output().unwrap().status.success());
    let verify = || {
        let output = program::run(&["verify", &out.to_string_lossy()]);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert_eq!(verify().0, Some(0));
    let image = fs::read(out.join("disk.raw")).unwrap();
    let needle = b"a line that stands in one file only";
    let at = image.windows(needle.len()).position(|bytes| bytes == needle).unwrap();
    let disk = OpenOptions::new().write(true).open(out.join("disk.raw")).unwrap();
    disk.write_all_at(&[image[at] ^ 1], at as u64).unwrap();
    let (code, text) = verify();
    assert_eq!(code, Some(3), "{text}");
    let line = text.lines().find(|line| line.starts_with(&format!("block {} ", at >> 19))).expect(&text);
    assert!(line.contains("`root`") && line.contains("`/etc/motd`"), "{line}");
    assert_eq!(text.lines().filter(|line| line.starts_with("block ")).count(), 1, "{text}");
    let json = program::run(&["verify", "--json", &out.to_string_lossy()]);
    assert_eq!(json.status.code(), Some(3));
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let kinds: Vec<_> =
        json["differences"].as_array().unwrap().iter().map(|one| one["kind"].clone()).collect();
    assert_eq!(kinds, ["sum", "block", "image"], "{json}");
    disk.write_all_at(&[image[at]], at as u64).unwrap();
    assert_eq!(verify().0, Some(0));
}

#[test]
fn sha256sum_agrees_with_the_sums() {
    if !oracle::ready(&["sha256sum"], false) {
        return;
    }
    let folder = scratch::folder();
    let recipe = recipe(folder.path(), 1);
    let out = folder.path().join("out");
    assert!(build(&recipe, &out).output().unwrap().status.success());
    let checked =
        Command::new("sha256sum").args(["-c", "--strict", "SHA256SUMS"]).current_dir(&out).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

//! A real Debian root of over 50,000 entries becomes an image that every other tool agrees on.

use std::path::{Path, PathBuf};

use amiforge_tests::archive;
use amiforge_tests::oracle::{self, Mounted};
use amiforge_tests::program::{self, Bundle};
use amiforge_tests::scratch;

fn recipe(folder: &Path, tar: &Path, size: &str) -> PathBuf {
    let text = format!(
        r#"
[image]
name = "real root"
version = "1"
arch = "x86_64"
provenance = false
# Later than every file of the root, so that no time is clamped and all can be compared.
epoch = "2200-01-01T00:00:00Z"

[disk]
size = {size}

# Not mounted, so that the tree of the root stays that of the tar.
[[partition]]
role = "esp"
size = "128 MiB"
mount = "none"

[[partition]]
role = "root"

[system]
fstab = "keep"

[normalize]
skip = ["machine-id", "ssh-host-keys", "service-keys", "random-seeds", "package-caches", "caches", "logs", "container-files", "selinux-labels", "root-directory"]

[[source]]
kind = "tar"
path = "{}"
"#,
        tar.display()
    );
    let path = folder.join("recipe.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// Copies a partition out of an image, with its holes, for oracles that read a file system only from its own file.
fn cut(image: &Path, start: u64, len: u64, to: &Path) {
    let block = 1 << 20;
    assert_eq!((start % block, len % block), (0, 0));
    oracle::must(
        "dd",
        &[
            format!("if={}", image.display()),
            format!("of={}", to.display()),
            format!("bs={block}"),
            format!("skip={}", start / block),
            format!("count={}", len / block),
            "conv=sparse".to_owned(),
            "status=none".to_owned(),
        ],
    );
}

fn judged_by_all(tar: &Path, size: &str) {
    let folder = scratch::folder();
    let bundle = Bundle::build(&recipe(folder.path(), tar, size), &folder.path().join("out"));
    let image = bundle.image();
    let text = image.to_string_lossy().into_owned();
    assert!(oracle::must("sgdisk", &["-v", &text]).contains("No problems found"));
    oracle::must("sfdisk", &["--verify", &text]);
    let esp = bundle.partition("fat32");
    let esp_file = folder.path().join("esp");
    cut(&image, esp.start, esp.len, &esp_file);
    oracle::must("fsck.fat", &["-n", &esp_file.to_string_lossy()]);
    let root = bundle.partition("ext4");
    oracle::must("e2fsck", &["-fn", &format!("{text}?offset={}", root.start)]);
    let sums = format!("cd '{}' && sha256sum --quiet -c SHA256SUMS", bundle.folder.display());
    oracle::must("sh", &["-c", &sums]);
    program::must(&["verify", &bundle.folder.to_string_lossy()]);
    let at = folder.path().join("mounted");
    let mounted = Mounted::new(&image, root.start, root.len, &at);
    let compare = scratch::repository().join("tests/oracles/compare_tree.py");
    let output = oracle::must("python3", &[compare.as_os_str(), tar.as_os_str(), at.as_os_str()]);
    println!("{}", output.lines().last().unwrap_or_default());
    drop(mounted);
}

const ORACLES: [&str; 7] = ["e2fsck", "fsck.fat", "sgdisk", "sfdisk", "python3", "mount", "dd"];

#[test]
fn one_of_everything_is_clean_and_equal_to_its_tar() {
    if !oracle::ready(&ORACLES, true) {
        return;
    }
    let folder = scratch::folder();
    let tar = folder.path().join("root.tar");
    std::fs::write(&tar, archive::one_of_everything()).unwrap();
    judged_by_all(&tar, "1");
}

#[test]
fn a_small_debian_root_is_clean_and_equal_to_its_tar() {
    if !oracle::ready(&ORACLES, true) {
        return;
    }
    let Some(tar) = scratch::input("min.tar") else { return };
    judged_by_all(&tar, "2");
    judged_by_all(&tar, "\"minimal\"");
}

#[test]
fn a_debian_root_of_two_gigabytes_is_clean_and_equal_to_its_tar() {
    if !oracle::ready(&ORACLES, true) {
        return;
    }
    let Some(tar) = scratch::input("big.tar") else { return };
    judged_by_all(&tar, "8");
}

#[test]
#[ignore = "writes into the repository: seeds for the fuzz target"]
fn seeds_for_the_fuzz_target_are_written() {
    let corpus = scratch::repository().join("fuzz/corpus/tar");
    std::fs::create_dir_all(&corpus).unwrap();
    // libFuzzer truncates inputs to its `-max_len`, 1 MiB.
    let archive = archive::one_of_everything();
    let part = archive.len().min(1 << 20);
    std::fs::write(corpus.join("seed-everything"), &archive[..part]).unwrap();
}

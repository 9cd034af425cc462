//! The bytes of images did not move: one digest per image, and a readable dump beside it, so that a change reads as
//! a difference. A commit that moves one says what moved; `UPDATE_GOLDEN=1 cargo test -p amiforge-tests --test fast golden` writes them anew.

use std::fmt::Write as _;
use std::path::Path;

use amiforge_tests::archive;
use amiforge_tests::program::{self, Bundle};
use amiforge_tests::scratch;

const RECIPE: &str = r#"
[image]
name = "golden"
version = "1"
arch = "ARCH"
epoch = 4_100_000_000

[disk]
size = SIZE

[[source]]
kind = "tar"
path = "root.tar"

[[file]]
path = "/etc/motd"
content = "golden\n"

[[user]]
name = "admin"
authorized-keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0k admin"]

[system]
hostname = "golden"
"#;

/// Builds the image and gives what is compared: digests first, then the disk and its trees in words.
fn portrait(folder: &Path, arch: &str, size: &str) -> String {
    std::fs::write(folder.join("root.tar"), archive::one_of_everything()).unwrap();
    let recipe = folder.join("recipe.toml");
    std::fs::write(&recipe, RECIPE.replace("ARCH", arch).replace("SIZE", size)).unwrap();
    let out = folder.join("out");
    let bundle = Bundle::build(&recipe, &out);
    let mut portrait = format!("{}  disk.raw\n", bundle.digest());
    for key in ["disk", "partitions"] {
        let text = serde_json::to_string_pretty(&bundle.manifest[key]).unwrap();
        writeln!(portrait, "{key} = {text}").unwrap();
    }
    portrait.push_str(&std::fs::read_to_string(out.join("tree.txt")).unwrap());
    std::fs::remove_dir_all(&out).unwrap();
    portrait
}

fn compare(name: &str, arch: &str, size: &str) {
    let folder = scratch::folder();
    let ours = portrait(folder.path(), arch, size);
    let path = scratch::repository().join("fixtures/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &ours).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let first = golden.lines().zip(ours.lines()).find(|(a, b)| a != b);
    assert!(golden == ours, "{name} moved; the first line that differs (golden, now): {first:#?}");
}

#[test]
fn an_image_of_everything_has_the_golden_bytes() {
    program::path();
    compare("x86_64-minimal.txt", "x86_64", "\"minimal\"");
}

#[test]
fn an_image_for_arm_has_the_golden_bytes() {
    compare("aarch64-2gib.txt", "aarch64", "2");
}

//! What a newcomer does first, judged by the programs of others; and a build on a disk that is full.

use std::fs;
use std::path::Path;

use amiforge_tests::program::{self, Bundle};
use amiforge_tests::recipe::Recipe;
use amiforge_tests::{oracle, scratch};

/// Copies a partition out of an image.
fn cut(image: &Path, start: u64, len: u64, to: &Path) {
    let file = fs::File::open(image).expect("the image");
    let mut part = vec![0; usize::try_from(len).expect("a length")];
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut part, start).expect("the partition");
    fs::write(to, part).expect("a copy of the partition");
}

#[test]
fn the_recipe_that_new_writes_builds_and_every_oracle_agrees() {
    let folder = scratch::folder();
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    program::must(&["new", &at("web")]);
    // Two GiB of holes are read as zeros by every oracle; a smaller disk says the same sooner.
    let recipe = fs::read_to_string(at("web/recipe.toml")).expect("the recipe");
    let recipe = Recipe::parse(&recipe).change("disk.size", "256 MiB");
    fs::write(at("web/recipe.toml"), recipe.to_string()).expect("the recipe");
    let bundle = Bundle::build(Path::new(&at("web/recipe.toml")), Path::new(&at("out/web")));
    program::must(&["verify", &at("out/web")]);
    if !oracle::ready(&["e2fsck", "debugfs", "fsck.fat", "sgdisk"], false) {
        return;
    }
    let image = bundle.image().to_string_lossy().into_owned();
    let table = oracle::must("sgdisk", &["-v", &image]);
    assert!(table.contains("No problems found"), "{table}");
    for partition in bundle.manifest["partitions"].as_array().expect("partitions") {
        let number = |key: &str| partition[key].as_u64().expect("a number");
        let part = at("part");
        cut(&bundle.image(), number("start"), number("len"), Path::new(&part));
        match partition["file_system"].as_str() {
            Some("ext4") => {
                oracle::must("e2fsck", &["-fn", &part]);
                let motd = oracle::must("debugfs", &["-R", "cat /etc/motd", &part]);
                assert_eq!(motd, "This machine was built from a recipe.\n");
                assert_eq!(oracle::must("debugfs", &["-R", "cat /etc/hostname", &part]), "web\n");
            }
            Some("fat32") => drop(oracle::must("fsck.fat", &["-n", &part])),
            other => panic!("{other:?}"),
        }
    }
}

/// A small file system in memory, mounted until dropped.
struct Small(String);

impl Small {
    fn mount(at: String, size: &str) -> Self {
        fs::create_dir(&at).expect("a mount point");
        oracle::must("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs", &at]);
        Self(at)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        oracle::run("umount", &[&self.0]);
    }
}

#[test]
fn a_full_disk_fails_with_the_bytes_that_are_missing_and_leaves_nothing() {
    if !oracle::ready(&["mount", "umount"], true) {
        return;
    }
    let folder = scratch::folder();
    let at = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    program::must(&["new", &at("web")]);
    fs::write(at("web/files/large"), vec![7; 24 << 20]).expect("a large file");
    let small = Small::mount(at("small"), "16m");
    let out = format!("{}/out", small.0);
    let output = program::run(&["build", &at("web/recipe.toml"), "-o", &out]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("bytes of disk space") && stderr.contains("hint: make room"), "{stderr}");
    assert_eq!(fs::read_dir(&small.0).expect("the small disk").count(), 0, "nothing is left");
}

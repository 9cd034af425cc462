//! An update of one small package of a real root sends few blocks: the whole way from the package database of the tree
//! to the blocks of the image.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use amiforge_tests::program::{self, Bundle};
use amiforge_tests::{oracle, scratch};
use serde_json::Value;

/// Most blocks that it may send.
const FEW: u64 = 12;

/// The files of the package that its update changes, with the package database.
const FILES: [&str; 3] = ["usr/bin/sed", "var/lib/dpkg/info/sed.md5sums", "var/lib/dpkg/status"];

const RECIPE: &str = r#"
[image]
name = "small-update"
version = "1"
arch = "x86_64"
epoch = "2030-01-01T00:00:00Z"

[disk]
size = 2
"#;

/// Writes a recipe for the root in which these files have the content of those in a folder.
fn recipe(folder: &Path, name: &str, tar: &Path) -> std::path::PathBuf {
    let mut text = format!("{RECIPE}\n[[source]]\nkind = \"tar\"\npath = \"{}\"\n", tar.display());
    for file in FILES {
        let _ = writeln!(text, "[[file]]\npath = \"/{file}\"\nsource = \"{name}/{file}\"");
    }
    let path = folder.join(format!("{name}.toml"));
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn an_update_of_one_small_package_of_a_real_root_sends_few_blocks() {
    let Some(tar) = scratch::input("min.tar") else { return };
    if !oracle::ready(&["tar"], false) {
        return;
    }
    let folder = scratch::folder();
    for name in ["old", "new"] {
        let to = folder.path().join(name);
        fs::create_dir(&to).unwrap();
        let names = FILES.map(|file| format!("./{file}"));
        let mut args =
            vec!["-xf".to_owned(), tar.display().to_string(), "-C".to_owned(), to.display().to_string()];
        args.extend(names);
        oracle::must("tar", &args);
    }
    let new = |file: &str| folder.path().join("new").join(file);
    let mut program = fs::read(new(FILES[0])).unwrap();
    program.iter_mut().step_by(100).for_each(|byte| *byte ^= 0x55);
    fs::write(new(FILES[0]), program).unwrap();
    for file in &FILES[1..] {
        let mut text = fs::read(new(file)).unwrap();
        let at = text.windows(3).position(|window| window == b"sed").unwrap();
        text.splice(at..at, *b"used ");
        fs::write(new(file), text).unwrap();
    }
    let bundles = ["old", "new"].map(|name| {
        Bundle::build(&recipe(folder.path(), name, &tar), &folder.path().join(format!("{name}.out")))
    });
    let [a, b] = bundles.map(|bundle| bundle.folder.to_string_lossy().into_owned());
    let output = program::run(&["diff", "--blocks", "--json", &a, &b]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let sent = report["sent"].as_u64().unwrap();
    println!("{sent} blocks: {report}");
    assert!((3..=FEW).contains(&sent), "{report}");
    // Three files of the package, and the recipe and the provenance in the image.
    assert_eq!(report["new_files"], 5, "{report}");
}

//! A small image of our own, with its origins.

use std::fs;
use std::path::{Path, PathBuf};

use amiforge_tests::archive::{Member, tar};
use amiforge_tests::program::{self, Bundle};
use amiforge_tests::{explained, scratch};

use super::judged;

/// Two sources, the second of which replaces a file of the first, a file of the recipe, and a file that is cleaned.
fn recipe(folder: &Path) -> PathBuf {
    let dir = Member { kind: b'5', mode: 0o755, ..Member::default() };
    let large = vec![7; 300_000];
    let first = tar(&[
        Member { name: "etc/", ..dir },
        Member { name: "etc/kept", bytes: b"kept\n", ..Member::default() },
        Member { name: "etc/replaced", bytes: b"old\n", ..Member::default() },
        Member { name: "etc/machine-id", bytes: b"0123456789abcdef0123456789abcdef\n", ..Member::default() },
        Member { name: "usr/", ..dir },
        Member { name: "usr/large", bytes: &large, ..Member::default() },
    ]);
    let second = tar(&[Member { name: "etc/replaced", bytes: b"new\n", ..Member::default() }]);
    fs::write(folder.join("first.tar"), first).unwrap();
    fs::write(folder.join("second.tar"), second).unwrap();
    fs::write(folder.join("motd"), "hello\n").unwrap();
    let text = "[image]\nname = \"web\"\narch = \"x86_64\"\nepoch = \"2030-01-01T00:00:00Z\"\n\n\
                [disk]\nsize = \"minimal\"\n\n\
                [[source]]\nkind = \"tar\"\npath = \"first.tar\"\n\n\
                [[source]]\nkind = \"tar\"\npath = \"second.tar\"\noverride = true\n\n\
                [[file]]\npath = \"/etc/motd\"\nsource = \"motd\"\n\n\
                [[file]]\npath = \"/srv/www/index.html\"\ncontent = \"<p>\"\n";
    let path = folder.join("recipe.toml");
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn each_path_has_the_source_the_line_or_the_rule_that_it_comes_from() {
    let folder = scratch::folder();
    let bundle = Bundle::build(&recipe(folder.path()), &folder.path().join("out"));
    explained::coverage(&bundle.folder);
    let origins = fs::read_to_string(bundle.folder.join("origins.txt")).unwrap();
    let digest = |name: &str| {
        amiforge_formats::digest::Digest::of(&fs::read(folder.path().join(name)).unwrap()).to_string()
    };
    println!("{origins}");
    for expected in [
        "amiforge origins 1\n".to_owned(),
        format!(" file number=1 name=motd line=18 sha256={}\n", digest("motd")),
        " file number=2 line=22\n".to_owned(),
        " source number=1 name=first.tar line=9 kind=tar".to_owned(),
        " source number=2 name=second.tar line=13 kind=tar".to_owned(),
        "# root ext4 /\n".to_owned(),
    ] {
        assert!(origins.contains(&expected), "{expected} is not in {origins}");
    }
    let out = bundle.folder.to_string_lossy().into_owned();
    let kind = |path: &str| {
        let report = program::must(&["explain", &out, path, "--json"]);
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        let words = |what: &str| {
            let facts = &report[what]["facts"];
            let number = facts["number"].as_str().unwrap_or_default();
            format!("{} {number}", report[what]["kind"].as_str().unwrap()).trim().to_owned()
        };
        (words("content"), words("metadata"))
    };
    let both = |word: &str| (word.to_owned(), word.to_owned());
    assert_eq!(kind("/etc/kept"), both("source 1"));
    assert_eq!(kind("/etc/replaced"), both("source 2"));
    assert_eq!(kind("/etc/motd"), both("file 1"));
    assert_eq!(kind("/srv/www"), both("file 2"));
    assert_eq!(kind("root:/usr/large"), both("source 1"));
    assert_eq!(kind("/etc/machine-id").0, "normalize");
    // One byte of a file, from its offset on the disk back to its path.
    let report = program::must(&["explain", &out, "/usr/large", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let content = report["ranges"].as_array().unwrap().iter().find(|one| one["kind"] == "content").unwrap();
    let at = content["start"].as_u64().unwrap() + 5;
    let text = program::must(&["explain", &out, "--offset", &at.to_string()]);
    assert!(text.contains("content of /usr/large") && text.contains("source 1 `first.tar`"), "{text}");
    let block = (at >> 19).to_string();
    let text = program::must(&["explain", &out, "--block", &block]);
    assert!(text.contains("content of /usr/large"), "{text}");
    judged(&bundle.image(), folder.path(), 3000, 11);
}

#[test]
fn origins_that_were_edited_are_refused() {
    let folder = scratch::folder();
    let bundle = Bundle::build(&recipe(folder.path()), &folder.path().join("out"));
    let path = bundle.folder.join("origins.txt");
    let edited = fs::read_to_string(&path).unwrap().replace("first.tar", "other.tar");
    fs::write(&path, edited).unwrap();
    let output = program::run(&["explain", &bundle.folder.to_string_lossy(), "--coverage"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && stderr.contains("the manifest has"), "{stderr}");
    let output = program::run(&["verify", &bundle.folder.to_string_lossy()]);
    assert_eq!(output.status.code(), Some(3));
}

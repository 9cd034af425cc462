//! The predicate of a recipe with packages, a stage and files.

use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;
use amiforge_packages::PackageKind;
use amiforge_packages::locked::{LockReason, LockedArchive, LockedPackage};

use super::*;
use crate::lock::{LockedSnapshot, LockedSource, LockedStage};

const RECIPE: &str = r#"
[image]
name = "web"
version = "7"
arch = "x86_64"
[[source]]
kind = "deb"
distribution = "debian"
suites = ["trixie"]
[[source]]
kind = "dir"
path = "site files"
prefix = "/srv"
[[source]]
kind = "tar"
path = "base.tar"
[[stage]]
name = "tool"
packages = ["gcc"]
patches = ["fix.patch"]
run = ["make"]
[[stage.source]]
git = "https://user:secret@git.example/tool"
commit = "0123456789abcdef0123456789abcdef01234567"
[[stage.source]]
url = "https://example.org/x-1.tar.gz"
sha256 = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
[[stage.install]]
from = "/usr"
"#;

fn package(name: &str, reason: LockReason) -> LockedPackage {
    LockedPackage {
        kind: PackageKind::Deb,
        name: name.into(),
        version: "1:2.0+b1".into(),
        arch: "amd64".into(),
        sha256: Digest::of(name.as_bytes()),
        size: 1,
        path: format!("pool/{name}.deb"),
        archive: "debian".into(),
        header: None,
        reason,
    }
}

fn lock() -> Lock {
    let source =
        |label: &str| LockedSource { label: label.into(), sha256: Digest::of(label.as_bytes()), size: 1 };
    Lock {
        inputs: Digest::of(b"inputs"),
        archives: vec![LockedArchive {
            name: "debian".into(),
            suite: "trixie".into(),
            date: 1_793_491_201,
            release: Digest::of(b"release"),
            signer: Some("ABCD".into()),
            base: None,
            package_signers: Vec::new(),
        }],
        image: vec![package("bash", LockReason::Base)],
        removed: Vec::new(),
        snapshots: Vec::new(),
        stages: vec![LockedStage {
            name: "tool".into(),
            packages: vec![package("gcc", LockReason::Named)],
            sources: vec![source("tool"), source("x-1.tar.gz")],
        }],
    }
}

fn input(kind: &str, name: &str, sha256: Option<Digest>) -> ManifestInput {
    ManifestInput { kind: kind.to_owned(), name: name.to_owned(), sha256 }
}

fn made(epoch: Option<i64>) -> Value {
    let recipe = Recipe::parse(RECIPE, Path::new("/home/user/recipe.toml")).unwrap();
    let inputs = [
        input("dir", "source 2 (site files)", None),
        input("tar", "source 3 (base.tar)", Some(Digest::of(b"base"))),
        input("file", "keys/motd", Some(Digest::of(b"motd"))),
    ];
    let patches = [input("patch", "fix.patch", Some(Digest::of(b"fix")))];
    let lock = lock();
    let facts = BuildFacts {
        recipe: &recipe,
        lock: Some(&lock),
        source_date_epoch: epoch,
        inputs: &inputs,
        patches: &patches,
    };
    predicate(&facts)
}

#[test]
fn every_line_of_the_lock_and_every_input_is_a_dependency_with_its_digest_and_address() {
    let predicate = made(None);
    let all = predicate["buildDefinition"]["resolvedDependencies"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let lines: Vec<String> = all
        .iter()
        .map(|one| {
            format!("{} {} {}", text(&one["annotations"]["kind"]), text(&one["name"]), text(&one["uri"]))
        })
        .collect();
    assert_eq!(
        lines,
        [
            "release debian trixie -",
            "deb bash 1:2.0+b1 amd64 pkg:deb/debian/bash@1:2.0%2Bb1?arch=amd64&distro=trixie",
            "source tool: tool git+https://git.example/tool@0123456789abcdef0123456789abcdef01234567",
            "source tool: x-1.tar.gz https://example.org/x-1.tar.gz",
            "tool gcc 1:2.0+b1 amd64 pkg:deb/debian/gcc@1:2.0%2Bb1?arch=amd64&distro=trixie",
            "dir source 2 (site files) file:site%20files",
            "tar source 3 (base.tar) file:base.tar",
            "file keys/motd file:keys/motd",
            "patch fix.patch file:fix.patch",
        ]
    );
    for one in all {
        assert!(one["digest"]["sha256"].is_string() || one["uri"].is_string(), "{one}");
    }
    let external = &predicate["buildDefinition"]["externalParameters"];
    assert_eq!(external["recipe"]["digest"]["sha256"], Digest::of(RECIPE.as_bytes()).to_string());
    assert_eq!(external["lock"]["digest"]["sha256"], predicate["runDetails"]["metadata"]["invocationId"]);
    assert_eq!(predicate["buildDefinition"]["internalParameters"]["notHermetic"], json!([]));
}

#[test]
fn a_disk_of_a_region_has_the_arn_of_what_the_recipe_names_and_of_its_snapshot() {
    let text = "boot = \"keep\"\n[image]\nname = \"web\"\nversion = \"7\"\narch = \"x86_64\"\n[[source]]\nkind = \"image\"\nami \
                = \"ami-0123456789abcdef0\"\nregion = \"eu-west-1\"\n";
    let recipe = Recipe::parse(text, Path::new("recipe.toml")).unwrap();
    let sha256 = Digest::of(b"blocks");
    let mut lock = Lock { archives: Vec::new(), image: Vec::new(), stages: Vec::new(), ..lock() };
    lock.snapshots = vec![LockedSnapshot {
        label: recipe.sources[0].label.clone(),
        image: Some("ami-0123456789abcdef0".to_owned()),
        chosen_by: None,
        snapshot: "snap-0a".to_owned(),
        region: "eu-west-1".to_owned(),
        sha256,
        size: 1,
    }];
    let inputs = [
        input("image", &recipe.sources[0].label, Some(sha256)),
        ManifestInput::of_base("snap-0a", "eu-west-1", sha256),
    ];
    let facts = BuildFacts {
        recipe: &recipe,
        lock: Some(&lock),
        source_date_epoch: None,
        inputs: &inputs,
        patches: &[],
    };
    let predicate = predicate(&facts);
    let all = &predicate["buildDefinition"]["resolvedDependencies"];
    assert_eq!(all[0]["uri"], "arn:aws:ec2:eu-west-1::image/ami-0123456789abcdef0", "{all}");
    assert_eq!(all[0]["annotations"]["snapshot"], "arn:aws:ec2:eu-west-1::snapshot/snap-0a");
    assert_eq!(all[0]["digest"]["sha256"], sha256.to_string());
    assert_eq!(all[1]["uri"], "arn:aws:ec2:eu-west-1::snapshot/snap-0a");
    assert!(!predicate.to_string().contains("file:"), "{predicate}");
}

#[test]
fn neither_a_path_of_the_host_nor_a_credential_is_in_it_and_options_are() {
    let (plain, with_epoch) = (text(&made(None)), text(&made(Some(5))));
    assert!(!plain.contains("/home/user") && !plain.contains("secret"), "{plain}");
    assert_ne!(plain, with_epoch);
    assert!(with_epoch.contains("\"options\": {\n        \"sourceDateEpoch\": 5\n      }"), "{with_epoch}");
}

#[test]
fn a_clock_of_the_host_is_named_as_what_was_not_hermetic() {
    let text = RECIPE.replace("[[stage]]", "[sandbox]\nclock = \"real\"\n[[stage]]");
    let recipe = Recipe::parse(&text, Path::new("recipe.toml")).unwrap();
    assert_eq!(not_hermetic(&recipe), ["clock"]);
}

/// A Python with the packages of in-toto, as the suites have it; none fails where oracles are required.
fn python() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/venv/bin/python");
    let python = std::env::var_os("AMIFORGE_TEST_PYTHON").map_or(own, PathBuf::from);
    if python.is_file() {
        return Some(python);
    }
    let required = std::env::var_os("REQUIRE_ORACLES").is_some_and(|value| value == "1");
    assert!(!required, "an oracle is missing: {}", python.display());
    eprintln!("SKIP {} is missing", python.display());
    None
}

#[test]
fn the_predicate_has_the_fields_and_types_of_slsa() {
    let Some(python) = python() else { return };
    let digest = Digest::of(b"disk").to_string();
    let statement = |predicate: Value| {
        json!({
            "_type": "https://in-toto.io/Statement/v1",
            "predicate": predicate,
            "predicateType": amiforge_image::provenance::PREDICATE_TYPE,
            "subject": [{ "digest": { "sha256": digest }, "name": "disk.raw" }],
        })
    };
    let folder = tempfile::tempdir().unwrap();
    let judge = |name: &str, predicate: Value| {
        let path = folder.path().join(name);
        std::fs::write(&path, statement(predicate).to_string()).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/oracles/provenance.py");
        std::process::Command::new(&python).arg("-B").arg(script).arg(path).output().unwrap()
    };
    let output = judge("good", made(Some(5)));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{err}");
    assert_eq!(out.trim(), "1 subjects, 9 dependencies");
    for (pointer, value) in [
        ("/buildDefinition/buildType", json!(1)),
        ("/buildDefinition", json!({ "buildtype": "x" })),
        ("/buildDefinition/resolvedDependencies/1/digest", json!({ "sha256": 7 })),
        ("/buildDefinition/resolvedDependencies/1", json!({ "names": "x" })),
        ("/runDetails/metadata/invocationId", json!({})),
        ("/runDetails/builder/version", json!("0.1.0")),
        ("/runDetails/builder/id", json!("")),
    ] {
        let mut predicate = made(None);
        *predicate.pointer_mut(pointer).unwrap() = value;
        assert!(!judge("bad", predicate).status.success(), "{pointer}");
    }
}

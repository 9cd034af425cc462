//! A small tree with two packages, in both formats.

use amiforge_formats::digest::Digest;
use amiforge_formats::plan::NoSources;
use amiforge_formats::tree::{Content, Meta, Name, Node, NodeKind, Tree};
use amiforge_packages::locked::LockReason;
use amiforge_store::blobs::Blobs;

use super::*;

fn add(tree: &mut Tree, path: &str, kind: NodeKind) {
    let mut dir = tree.root();
    let (folders, name) = path.rsplit_once('/').unwrap_or(("", path));
    for folder in folders.split('/').filter(|folder| !folder.is_empty()) {
        dir = tree.child(dir, folder.as_bytes()).unwrap_or_else(|| {
            let node = Node { meta: Meta::root_owned(0o755, Time::EPOCH), kind: NodeKind::dir() };
            tree.add(dir, Name::new(folder.as_bytes()).unwrap(), node).unwrap()
        });
    }
    let node = Node { meta: Meta::root_owned(0o644, Time::EPOCH), kind };
    tree.add(dir, Name::new(name.as_bytes()).unwrap(), node).unwrap();
}

fn package(name: &str, files: &[&str]) -> InstalledPackage {
    let licence = |stated: &str, expression: &str| Licence {
        stated: stated.to_owned(),
        expression: expression.to_owned(),
    };
    InstalledPackage {
        kind: PackageKind::Deb,
        name: name.into(),
        version: "1:2.0+x-1".into(),
        arch: "amd64".into(),
        source: ("big".into(), "1:2.0".into()),
        summary: format!("a {name}"),
        homepage: None,
        licences: vec![
            licence("GPL-2+ or Expat", "(GPL-2.0-or-later OR MIT)"),
            licence("odd one", "LicenseRef-odd-one"),
        ],
        files: files.iter().map(|path| path.as_bytes().to_vec()).collect(),
        file: Some((Digest::of(name.as_bytes()), format!("pool/{name}.deb"))),
    }
}

fn sample() -> Inventory {
    let file = |text: &str| NodeKind::File(Content::Inline(text.as_bytes().into()));
    let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
    add(&mut tree, "usr/bin/b", file("abc"));
    add(&mut tree, "bin", NodeKind::Symlink(b"usr/bin".as_slice().into()));
    add(&mut tree, "etc/own", file(""));
    add(&mut tree, "usr/share/doc/lib/copyright", file("odd one"));
    let packages = [package("lib", &["/usr/share/doc/lib/copyright"]), package("tool", &["/.", "/bin/b"])];
    inventory(&tree, &Blobs::new(), &packages).unwrap()
}

const SUBJECT: Subject<'_> = Subject {
    name: "web",
    version: "1",
    distribution: "debian",
    suite: "bookworm",
    created: Time::from_secs(1_700_000_000),
    tool: "0.1.0",
    base: None,
};

#[test]
fn files_have_digests_and_owners_through_merged_usr() {
    let inventory = sample();
    let lines: Vec<String> = inventory
        .files
        .iter()
        .map(|file| format!("{} {:?} {}", file.path, file.owner, &file.sha1[..8]))
        .collect();
    assert_eq!(
        lines,
        [
            "etc/own None da39a3ee",
            "usr/bin/b Some(1) a9993e36",
            "usr/share/doc/lib/copyright Some(0) 0a5b7e2a"
        ]
        .map(|line| line.replace("0a5b7e2a", &inventory.files[2].sha1[..8]))
    );
    let [lib, tool] = &inventory.components[..] else { panic!("{:?}", inventory.components) };
    assert_eq!(
        (tool.source.0.as_str(), tool.source.1.as_str(), tool.summary.as_str()),
        ("big", "1:2.0", "a tool")
    );
    let expressions: Vec<_> = tool.licences.iter().map(|licence| licence.expression.as_str()).collect();
    assert_eq!(expressions, ["(GPL-2.0-or-later OR MIT)", "LicenseRef-odd-one"]);
    assert_eq!(purl(&SUBJECT, lib), "pkg:deb/debian/lib@1:2.0%2Bx-1?arch=amd64&distro=bookworm");
}

#[test]
fn both_documents_say_the_same_twice_and_link_files_to_packages() {
    let inventory = sample();
    let (first, second) = (spdx(&SUBJECT, &inventory), cyclonedx(&SUBJECT, &inventory));
    assert_eq!(first, spdx(&SUBJECT, &sample()));
    assert_eq!(second, cyclonedx(&SUBJECT, &sample()));
    let document: serde_json::Value = serde_json::from_str(&first).unwrap();
    assert_eq!(document["creationInfo"]["created"], "2023-11-14T22:13:20Z");
    assert_eq!(document["packages"].as_array().unwrap().len(), 3);
    let owner = document["relationships"].as_array().unwrap().iter().find(|relationship| {
        relationship["relatedSpdxElement"] == "SPDXRef-File-1"
            && relationship["relationshipType"] == "CONTAINS"
    });
    assert_eq!(owner.unwrap()["spdxElementId"], "SPDXRef-Package-1");
    let document: serde_json::Value = serde_json::from_str(&second).unwrap();
    assert_eq!(document["components"][1]["components"][0]["name"], "/usr/bin/b");
    assert_eq!(document["components"][2]["name"], "/etc/own");
}

#[test]
fn installed_packages_come_with_their_files_of_the_lock() {
    let file = |text: &str| NodeKind::File(Content::Inline(text.as_bytes().into()));
    let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
    assert_eq!(installed(&tree, &NoSources, &[]).unwrap(), []);
    let status = "Package: tool\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n\
                  Package: lib\nStatus: install ok unpacked\nArchitecture: i386\nVersion: 1\n";
    add(&mut tree, "var/lib/dpkg/status", file(status));
    let locked = LockedPackage {
        kind: PackageKind::Deb,
        name: "tool".into(),
        version: "1".into(),
        arch: "all".into(),
        sha256: Digest::of(b"tool"),
        size: 1,
        path: "pool/tool.deb".into(),
        archive: "debian".into(),
        header: None,
        reason: LockReason::Named,
    };
    let found = installed(&tree, &NoSources, &[locked]).unwrap();
    let files: Vec<_> = found.iter().map(|package| (package.name.as_str(), package.file.clone())).collect();
    assert_eq!(files, [("lib", None), ("tool", Some((Digest::of(b"tool"), "pool/tool.deb".into())))]);
    let inventory = inventory(&tree, &Blobs::new(), &found).unwrap();
    let cyclonedx: serde_json::Value = serde_json::from_str(&cyclonedx(&SUBJECT, &inventory)).unwrap();
    assert_eq!(cyclonedx["components"][0]["hashes"], serde_json::Value::Null);
}

#[test]
fn packages_of_a_base_image_are_said_to_be_so() {
    let mut inventory = sample();
    inventory.components[0].file = None;
    let subject = Subject { base: Some("base.raw"), ..SUBJECT };
    let properties = |document: &serde_json::Value, at: usize| {
        let all = document["components"][at]["properties"].as_array().unwrap().clone();
        all.iter().any(|one| one["name"] == "amiforge:deb:base-image" && one["value"] == "base.raw")
    };
    let document = serde_json::from_str(&cyclonedx(&subject, &inventory)).unwrap();
    assert!(properties(&document, 0) && !properties(&document, 1), "the second has a pinned file");
    let document: serde_json::Value = serde_json::from_str(&spdx(&subject, &inventory)).unwrap();
    assert!(document["packages"][1]["comment"].as_str().unwrap().contains("the base image base.raw"));
    assert!(document["packages"][2].get("comment").is_none());
    for document in [cyclonedx(&SUBJECT, &inventory), spdx(&SUBJECT, &inventory)] {
        assert!(!document.contains("base"), "nothing is said where there is no base image");
    }
}

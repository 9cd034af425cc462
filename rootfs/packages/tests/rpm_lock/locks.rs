//! Locks of the test distribution, and what they pin.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use amiforge_formats::digest::Digest;
use amiforge_packages::backend::Backend as _;
use amiforge_packages::locked::LockReason;
use amiforge_packages::rpm::source::RepositoryAddress;

use crate::access::FolderAccess;
use crate::repository::{Variant, distribution, lock, repository, source};

#[test]
fn packages_are_pinned_by_file_header_and_key() {
    let Some(folder) = distribution() else { return };
    let main = repository("mini", &folder.join("packages"), &folder.join("key.asc"));
    let source =
        source(vec![main], &["bash", "httpd"].map(|name| if has(&folder, name) { name } else { "bash" }));
    let access = FolderAccess::default();
    let sets = lock(&source, &[], &access).unwrap();
    let packages = &sets.sets[0];
    assert!(packages.len() > 5, "{packages:?}");
    let mut whole = 0;
    for package in packages {
        let path = folder.join("packages").join(&package.path);
        let bytes = std::fs::read(&path).unwrap();
        whole += bytes.len() as u64;
        assert_eq!(
            (Digest::of(&bytes), bytes.len() as u64),
            (package.sha256, package.size),
            "{}",
            package.name
        );
        assert_eq!(package.archive, "mini");
        if let Some(header) = sha256_header(&path) {
            assert_eq!(package.header.unwrap().to_string(), header, "{}", package.name);
        }
    }
    let read = *access.ranged.lock().unwrap();
    assert!(read > 0 && read < whole, "{read} of {whole} bytes were read");
    println!("{} packages, {whole} bytes, of which {read} were read", packages.len());
    let bash = packages.iter().find(|package| package.name == "bash").unwrap();
    assert_eq!(bash.reason, LockReason::Named);
    let [archive] = sets.archives.as_slice() else { panic!("{:?}", sets.archives) };
    assert_eq!(archive.date, 1_700_000_000);
    assert_eq!(archive.suite, "1");
    assert_eq!(archive.package_signers.len(), 1);
    assert!(sets.notes.iter().any(|note| note.contains("its metadata is not")), "{:?}", sets.notes);
    let again = lock(&source, &sets.archives, &FolderAccess::default()).unwrap();
    assert_eq!((&again.sets, &again.archives), (&sets.sets, &sets.archives));
}

fn has(folder: &Path, name: &str) -> bool {
    let files = std::fs::read_dir(folder.join("packages")).unwrap();
    files
        .into_iter()
        .any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with(&format!("{name}-")))
}

/// `SHA256HEADER` of a package by rpm; none where rpm is not installed.
fn sha256_header(path: &Path) -> Option<String> {
    let output = Command::new("rpm")
        .args(["-qp", "--nosignature", "--qf", "%{SHA256HEADER}"])
        .arg(path)
        .output()
        .ok()?;
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn lists_of_mirrors_pin_the_address_that_was_read() {
    let Some(folder) = distribution() else { return };
    // As Amazon Linux has it: packages beside the folders that list them.
    let variant = Variant::of(&folder.join("packages"));
    let root = tempfile::tempdir().unwrap();
    let lists = root.path().join("core/guids/0001/x86_64");
    std::fs::create_dir_all(&lists).unwrap();
    std::os::unix::fs::symlink(folder.join("packages"), root.path().join("blobstore")).unwrap();
    let variant = variant
        .replaced("<location href=\"", "<location href=\"../../../../blobstore/")
        .write(1_700_000_000, &[]);
    std::os::unix::fs::symlink(variant.path().join("repodata"), lists.join("repodata")).unwrap();
    let at = format!("file://{}", root.path().display());
    let list = root.path().join("mirror.list");
    std::fs::write(&list, format!("# one\n{at}/core/guids/0001/$basearch/\n")).unwrap();
    let mut main = repository("mini", &folder, &folder.join("key.asc"));
    main.address = RepositoryAddress::MirrorList(format!("file://{}", list.display()));
    let source = source(vec![main], &["bash"]);
    let access = FolderAccess::default();
    let sets = lock(&source, &[], &access).unwrap();
    assert_eq!(sets.archives[0].base.as_deref(), Some(at.as_str()));
    let bash = sets.sets[0].iter().find(|package| package.name == "bash").unwrap();
    assert!(bash.path.starts_with("blobstore/bash-"), "{}", bash.path);
    // What fetch asks for is there.
    let host = amiforge_packages::host::HostSettings::default();
    let url = source.archive_url("mini", &sets.archives, &host).unwrap();
    let path = format!("{}/{}", url.strip_prefix("file://").unwrap(), bash.path);
    assert_eq!(Digest::of(&std::fs::read(path).unwrap()), bash.sha256);
}

#[test]
fn groups_paths_and_security_updates_are_read() {
    let Some(folder) = distribution() else { return };
    let comps = "<comps><group><id>core</id><name>Core</name><packagelist><packagereq type=\"mandatory\">bash</packagereq>\
                 <packagereq type=\"optional\">zstd</packagereq><packagereq type=\"conditional\" requires=\"bash\">tar</packagereq>\
                 <packagereq type=\"default\">not-there</packagereq></packagelist></group></comps>";
    let updates = "<updates><update type=\"security\"><pkglist><collection><package name=\"bash\" epoch=\"0\" version=\"99\" \
                   release=\"1\" arch=\"x86_64\"/></collection></pkglist></update></updates>";
    let variant = Variant::of(&folder.join("packages"))
        .write(1_700_000_000, &[("group", comps), ("updateinfo", updates)]);
    let main = repository("mini", variant.path(), &folder.join("key.asc"));
    let sets = lock(&source(vec![main.clone()], &["@core"]), &[], &FolderAccess::default()).unwrap();
    let reasons: BTreeMap<_, _> =
        sets.sets[0].iter().map(|package| (package.name.as_str(), package.reason)).collect();
    assert_eq!(reasons.get("bash"), Some(&LockReason::Base));
    assert!(reasons.contains_key("tar") && !reasons.contains_key("zstd"), "{reasons:?}");
    let bash = sets.records.iter().find(|record| record.name == "bash").unwrap();
    assert_eq!(bash.security.as_deref(), Some("99-1"));
    let said = lock(&source(vec![main], &["@kore"]), &[], &FolderAccess::default()).unwrap_err();
    assert!(said.contains("`kore`; there are core"), "{said}");
}

//! Repositories that are damaged, or that changed while they were read: each is refused with its reason.

use amiforge_packages::rpm::source::{MetadataSignature, ModularPackages};

use crate::access::FolderAccess;
use crate::repository::{Variant, distribution, lock, repository, source};

/// The message for a repository that is as `change` makes it.
fn refused(change: impl FnOnce(Variant) -> Variant) -> Option<String> {
    let folder = distribution()?;
    let variant = change(Variant::of(&folder.join("packages"))).write(1_700_000_000, &[]);
    let main = repository("mini", variant.path(), &folder.join("key.asc"));
    Some(lock(&source(vec![main], &["bash"]), &[], &FolderAccess::default()).unwrap_err())
}

/// The element of a package in the primary metadata.
fn element<'a>(primary: &'a str, name: &str) -> &'a str {
    let at = primary.find(&format!("<name>{name}</name>")).unwrap();
    let start = primary[..at].rfind("<package ").unwrap();
    &primary[start..start + primary[start..].find("</package>").unwrap() + "</package>".len()]
}

#[test]
fn metadata_that_lies_about_a_package_is_refused() {
    let other_version = refused(|variant| {
        let bash = element(variant.primary(), "bash").to_owned();
        let at = bash.find("ver=\"").unwrap() + 5;
        let lied = format!("{}9{}", &bash[..at], &bash[at..]);
        variant.replaced(&bash, &lied)
    });
    let Some(said) = other_version else { return };
    assert!(said.contains("its header is that of `bash-") && said.contains("`mini`"), "{said}");
    let fewer = refused(|variant| {
        let bash = element(variant.primary(), "bash").to_owned();
        let start = bash.find("<rpm:requires>").unwrap();
        let end = bash.find("</rpm:requires>").unwrap() + "</rpm:requires>".len();
        variant.replaced(&bash, &format!("{}{}", &bash[..start], &bash[end..]))
    });
    assert!(fewer.unwrap().contains("leaves out that it requires"));
    let more = refused(|variant| {
        let bash = element(variant.primary(), "bash").to_owned();
        let lied = bash.replace("<rpm:provides>", "<rpm:provides><rpm:entry name=\"openssl-libs\"/>");
        variant.replaced(&bash, &lied)
    });
    assert!(more.unwrap().contains("says that it provides `openssl-libs`"));
    let another = refused(|variant| {
        let (bash, tar) =
            (element(variant.primary(), "bash").to_owned(), element(variant.primary(), "tar").to_owned());
        let location = |text: &str| {
            let start = text.find("<location href=\"").unwrap();
            text[start..start + text[start..].find("/>").unwrap()].to_owned()
        };
        let lied = bash.replace(&location(&bash), &location(&tar));
        variant.replaced(&bash, &lied)
    });
    let said = another.unwrap();
    assert!(said.contains("its header is that of `tar-") || said.contains("header"), "{said}");
}

#[test]
fn foreign_keys_and_damaged_headers_are_refused() {
    let Some(folder) = distribution() else { return };
    let main = repository("mini", &folder.join("packages"), &folder.join("foreign.asc"));
    let said = lock(&source(vec![main], &["bash"]), &[], &FolderAccess::default()).unwrap_err();
    assert!(said.contains("no keyring given has any"), "{said}");
    let variant = Variant::of(&folder.join("packages")).write(1_700_000_000, &[]);
    let path = std::fs::read_dir(variant.path()).unwrap().map(|entry| entry.unwrap().path());
    let bash = path
        .into_iter()
        .find(|path| path.file_name().unwrap().to_string_lossy().starts_with("bash-"))
        .unwrap();
    let mut bytes = std::fs::read(&bash).unwrap();
    // A byte of the header, which the signature covers: its name.
    let at = bytes.windows(5).rposition(|five| five == b"bash\0").unwrap();
    bytes[at] = b'd';
    std::fs::remove_file(&bash).unwrap();
    std::fs::write(&bash, &bytes).unwrap();
    let main = repository("mini", variant.path(), &folder.join("key.asc"));
    let said = lock(&source(vec![main.clone()], &["bash"]), &[], &FolderAccess::default()).unwrap_err();
    assert!(said.contains("checking the signature of `bash-") || said.contains("header"), "{said}");
    // Somebody removed it between the metadata and the package.
    std::fs::remove_file(&bash).unwrap();
    let said = lock(&source(vec![main], &["bash"]), &[], &FolderAccess::default()).unwrap_err();
    assert!(said.contains("run the command again"), "{said}");
}

#[test]
fn metadata_that_goes_back_or_changes_is_refused() {
    let Some(folder) = distribution() else { return };
    let variant = Variant::of(&folder.join("packages")).write(1_700_000_000, &[]);
    let main = repository("mini", variant.path(), &folder.join("key.asc"));
    let source = source(vec![main], &["bash"]);
    let sets = lock(&source, &[], &FolderAccess::default()).unwrap();
    let older = variant.write(1_600_000_000, &[]);
    let said = lock(&source, &sets.archives, &FolderAccess::default()).unwrap_err();
    assert!(said.contains("goes back on purpose"), "{said}");
    // `repomd.xml` of one state, the primary metadata of another: only the program's own fetch says it in more words.
    std::fs::write(older.path().join("repodata/primary.xml"), "<metadata/>").unwrap();
    let said = lock(&source, &[], &FolderAccess::default()).unwrap_err();
    assert!(said.contains("another digest"), "{said}");
    std::fs::remove_file(older.path().join("repodata/primary.xml")).unwrap();
    let said = lock(&source, &[], &FolderAccess::default()).unwrap_err();
    assert!(said.contains("changed while it was read"), "{said}");
}

#[test]
fn what_cannot_be_honoured_is_refused_by_name() {
    let Some(folder) = distribution() else { return };
    let modules =
        "---\ndocument: modulemd\ndata:\n  name: php\n  artifacts:\n    rpms:\n    - bash-0:1-1.x86_64\n";
    let variant = Variant::of(&folder.join("packages")).write(1_700_000_000, &[("modules", modules)]);
    let mut main = repository("mini", variant.path(), &folder.join("key.asc"));
    let access = FolderAccess::default();
    let said = lock(&source(vec![main.clone()], &["bash"]), &[], &access).unwrap_err();
    assert!(said.contains("has modules (php)") && said.contains("modules = []"), "{said}");
    main.modules = ModularPackages::Hide;
    lock(&source(vec![main.clone()], &["bash"]), &[], &access).unwrap();
    main.metadata = MetadataSignature::Required;
    let said = lock(&source(vec![main.clone()], &["bash"]), &[], &access).unwrap_err();
    assert!(said.contains("repomd.xml.asc") && said.contains("signed-metadata"), "{said}");
    main.metadata = MetadataSignature::NotRequired;
    let repomd = variant.path().join("repodata/repomd.xml");
    let text = std::fs::read_to_string(&repomd).unwrap();
    std::fs::write(&repomd, text.replace("repodata/primary.xml", "repodata/primary.xml.zck")).unwrap();
    let said = lock(&source(vec![main], &["bash"]), &[], &access).unwrap_err();
    assert!(said.contains("zchunk"), "{said}");
}

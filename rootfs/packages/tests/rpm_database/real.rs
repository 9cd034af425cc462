//! Databases that others wrote: SQLite's own settings, and what is refused by name.

use std::io::Read as _;
use std::path::Path;

use std::sync::Arc;

use amiforge_formats::path::{self, Last};
use amiforge_formats::plan::NoSources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Node, NodeKind, Tree};
use amiforge_packages::rpm::database::{self, RpmDatabaseError, RpmDatabaseSettings};
use amiforge_packages::rpm::installed::installed;
use amiforge_packages::rpm::owned::owned;
use amiforge_packages::rpm::published::published;

use super::fixture::{Bench, FOLDER, have};

fn with(files: &[(&str, &[u8])]) -> Tree {
    let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
    for (name, bytes) in files {
        let at = path::resolve_with_parents(&mut tree, name.as_bytes(), Last::Keep, Time::EPOCH).unwrap();
        let kind = NodeKind::File(Content::Inline(Arc::from(*bytes)));
        path::put(&mut tree, &at, Node { meta: Meta::root_owned(0o644, Time::EPOCH), kind }).unwrap();
    }
    tree
}

#[test]
fn the_folder_and_the_kind_are_those_of_the_macros() {
    let write = |files: &[(&str, &[u8])]| {
        let mut tree = with(files);
        let settings = RpmDatabaseSettings { at: Time::EPOCH, keys: &[] };
        database::write(&mut tree, &[], &settings, &NoSources).map(|()| tree)
    };
    let has = |tree: &Tree, path: &[u8]| path::find(tree, path).unwrap().is_some();
    let tree = write(&[]).unwrap();
    assert!(has(&tree, b"/var/lib/rpm/rpmdb.sqlite"));
    let tree = write(&[("/usr/lib/sysimage/rpm/x", b"")]).unwrap();
    assert!(has(&tree, b"/usr/lib/sysimage/rpm/rpmdb.sqlite") && !has(&tree, b"/var/lib/rpm"));
    let macros: &[u8] = b"%_var /var\n%_dbpath\t%{_var}/lib/rpm\n%_db_backend sqlite\n";
    let own: &[u8] = b"%_dbpath /own\n";
    let shipped: &[(&str, &[u8])] = &[
        ("/usr/lib/rpm/macros", macros),
        ("/usr/lib/rpm/macros.d/macros.own", own),
        ("/own/rpmdb.sqlite", b"shipped"),
        ("/own/rpmdb.sqlite-wal", &[1; 100]),
    ];
    let tree = write(shipped).unwrap();
    assert!(has(&tree, b"/own/rpmdb.sqlite") && !has(&tree, b"/own/rpmdb.sqlite-wal"));
    assert_eq!(database::read(&tree, &NoSources).unwrap().unwrap().path, b"/own/rpmdb.sqlite");
    let ndb: &[u8] = b"%_db_backend ndb\n";
    assert!(matches!(write(&[("/usr/lib/rpm/macros", ndb)]), Err(RpmDatabaseError::WritesNo(_))));
}

#[test]
fn what_is_not_read_is_refused_by_name_and_only_where_it_matters() {
    let tree = with(&[("/var/lib/rpm/Packages", b"bdb")]);
    assert!(installed(&tree, &NoSources).unwrap_err().to_string().contains("Berkeley DB"));
    assert_eq!(owned(&tree, &NoSources).unwrap(), []);
    assert_eq!(published(&tree, &NoSources).unwrap(), []);
    assert_eq!(installed(&with(&[]), &NoSources).unwrap(), []);
    let damaged = with(&[("/var/lib/rpm/rpmdb.sqlite", b"SQLite format 3\0")]);
    assert!(installed(&damaged, &NoSources).is_err());
}

/// A file as it is, or what a gzip holds.
fn whole(file: &Path) -> Vec<u8> {
    let bytes = std::fs::read(file).unwrap();
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return bytes;
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).unwrap();
    plain
}

/// Databases of distributions: files of a folder that `AMIFORGE_RPM_DATABASES` names, or of the one with the data of others
/// beside the repository. They are others' work, and not kept here.
#[test]
fn databases_of_distributions_are_read_whole() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/mariner-rpmdb");
    let shared = shared.is_dir().then(|| shared.into_os_string());
    let given = std::env::var_os("AMIFORGE_RPM_DATABASES").or(shared);
    let Some(folder) = given.filter(|_| have(&["rpm"])) else {
        println!("SKIP: AMIFORGE_RPM_DATABASES names no folder");
        return;
    };
    let bench = Bench::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let bytes = whole(&file);
        let name = if bytes.starts_with(b"SQLite") { "rpmdb.sqlite" } else { "Packages.db" };
        let tree = with(&[(&format!("/{FOLDER}/{name}"), &bytes)]);
        let read = database::read(&tree, &NoSources).unwrap().unwrap();
        let all = installed(&tree, &NoSources).unwrap();
        let paths =
            owned(&tree, &NoSources).unwrap().iter().map(|package| package.paths.len()).sum::<usize>();
        println!("{}: {} headers, {} packages, {paths} paths", file.display(), read.headers.len(), all.len());
        let mut own: Vec<_> =
            all.iter().map(|one| format!("{} {} {}", one.name, one.version, one.arch)).collect();
        own.sort();
        // rpm reads what it has the format of; what we wrote of the headers it reads in any case.
        let rewritten = database::encode(&read.headers, read.highest).unwrap();
        let mut roots = vec![bench.root(&format!("own-{name}"), &rewritten)];
        if name == "rpmdb.sqlite" {
            roots.push(bench.root("real", &bytes));
        }
        for root in roots {
            let format = "%{NAME} %|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE} %{ARCH}\n";
            let listed = bench.output("rpm", &["--root", &root, "-qa", "--qf", format]);
            let mut listed: Vec<_> = listed.lines().filter(|line| !line.starts_with("gpg-pubkey ")).collect();
            listed.sort_unstable();
            assert_eq!(own, listed.iter().map(|line| line.replace(" 0:", " ")).collect::<Vec<_>>());
            let files = bench.output("rpm", &["--root", &root, "-qa", "--qf", "[%{FILENAMES}\n]"]);
            assert_eq!(files.lines().count(), paths);
        }
    }
}

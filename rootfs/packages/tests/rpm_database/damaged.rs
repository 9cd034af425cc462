//! Damaged databases, as that of an image that packages shall go over: cut short, of another schema, with bytes that were flipped.
//! Each is refused with what is damaged and what to do, or holds what rpm itself lists of it.

use std::error::Error as _;
use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

use amiforge_formats::path::{self, Last};
use amiforge_formats::plan::NoSources;
use amiforge_formats::time::Time;
use amiforge_formats::tree::{Content, Meta, Node, NodeKind, Tree};
use amiforge_packages::over::{InstalledSystem, UpgradePolicy};
use amiforge_packages::rpm::over::RpmBase;

use super::fixture::{Bench, FOLDER, have};

/// A package with some files.
const PACKAGE: &str = "BuildArch: noarch\nProvides: virtual = 1:2-3\n%description\n%prep\n%install\n\
                       mkdir -p %{buildroot}/usr/share/x\necho a > %{buildroot}/usr/share/x/%{name}\n%files\n/usr/share/x\n";

/// Files of a database in its folder.
type DatabaseFiles<'a> = &'a [(&'a str, &'a [u8])];

fn tree(files: DatabaseFiles<'_>) -> Tree {
    let mut tree = Tree::new(Meta::root_owned(0o755, Time::EPOCH));
    for (name, bytes) in files {
        let path = format!("/{FOLDER}/{name}");
        let at = path::resolve_with_parents(&mut tree, path.as_bytes(), Last::Keep, Time::EPOCH).unwrap();
        let kind = NodeKind::File(Content::Inline(Arc::from(*bytes)));
        path::put(&mut tree, &at, Node { meta: Meta::root_owned(0o644, Time::EPOCH), kind }).unwrap();
    }
    tree
}

/// The packages as `NAME EVR`, sorted; or the error with its causes.
fn read(files: DatabaseFiles<'_>) -> Result<Vec<String>, String> {
    let tree = tree(files);
    let system = InstalledSystem { tree: &tree, sources: &NoSources, upgrade: UpgradePolicy::default() };
    let base = RpmBase::read(&system, "x86_64").map_err(|error| {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(one) = cause {
            // Writing to a string cannot fail.
            let _ = write!(text, ": {one}");
            cause = one.source();
        }
        text
    })?;
    let mut all: Vec<_> = base.packages.iter().map(|one| format!("{} {}", one.name, one.evr)).collect();
    all.sort();
    Ok(all)
}

/// The packages of the databases.
const NAMES: [&str; 3] = ["one 1.0-1", "three 1.0-1", "two 1.0-1"];

/// A database of three packages, as rpm writes it.
fn made(bench: &Bench) -> Vec<u8> {
    let root = bench.path("made");
    let packages = ["one", "two", "three"].map(|name| bench.build(name, PACKAGE));
    let mut args = vec!["--root", root.to_str().unwrap()];
    args.extend(["-i", "--justdb", "--nodeps", "--noscripts", "--notriggers"]);
    args.extend(packages.iter().map(|path| path.to_str().unwrap()));
    bench.output("rpm", &args);
    let path = root.join(FOLDER).join("rpmdb.sqlite");
    let quiet = "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE;";
    bench.output("sqlite3", &[path.to_str().unwrap(), quiet]);
    fs::read(path).unwrap()
}

/// What rpm lists of a database of SQLite; none where it complains.
fn listed(bench: &Bench, bytes: &[u8]) -> Option<Vec<String>> {
    let root = bench.path("judged");
    let _ = fs::remove_dir_all(&root);
    fs::create_dir_all(root.join(FOLDER)).unwrap();
    fs::write(root.join(FOLDER).join("rpmdb.sqlite"), bytes).unwrap();
    let format = "%{NAME} %|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\\n";
    let output = bench.run("rpm", &["--root", root.to_str().unwrap(), "-qa", "--qf", format]);
    let silent = output.status.success() && output.stderr.is_empty();
    let mut all: Vec<_> = String::from_utf8(output.stdout).ok()?.lines().map(str::to_owned).collect();
    all.sort();
    silent.then_some(all)
}

/// Changes a byte of a database in so many ways: every other one where one of the structures begins. Gives where, and all bytes.
fn changed<'g>(
    good: &'g [u8],
    structures: &'g [usize],
    rounds: usize,
) -> impl Iterator<Item = (usize, Vec<u8>)> + 'g {
    let mut state = 7_u64;
    (0..rounds).map(move |round| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let random = (state >> 33) as usize;
        let at = if round % 2 == 0 {
            structures[random / 32 % structures.len()] + random % 32
        } else {
            random % good.len()
        };
        let mut bytes = good.to_vec();
        bytes[at] ^= 1 << (state >> 20 & 7);
        (at, bytes)
    })
}

/// Asserts that an error says which database is damaged, and what to do.
fn assert_named(error: &str) {
    assert!(error.contains("database of rpm") && error.contains("rpmdb --rebuilddb"), "{error}");
}

#[test]
fn a_database_of_sqlite_that_is_damaged_is_refused_with_what_to_do() {
    if !have(&["rpm", "rpmbuild", "sqlite3"]) {
        return;
    }
    let bench = Bench::new();
    let file = "rpmdb.sqlite";
    let good = made(&bench);
    assert_eq!(read(&[(file, &good)]).unwrap(), NAMES);
    let other = |sql: &str| {
        let path = bench.path("other.sqlite");
        let _ = fs::remove_file(&path);
        bench.output("sqlite3", &[path.to_str().unwrap(), sql]);
        fs::read(&path).unwrap()
    };
    let page = usize::from(u16::from_be_bytes([good[16], good[17]]));
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = good.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    let table = "CREATE TABLE Packages(hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL);";
    let cases = [
        ("nothing", Vec::new()),
        ("a text", b"no database at all\n".repeat(50)),
        ("a header", good[..100].to_vec()),
        ("a page less", good[..good.len() - page].to_vec()),
        ("half", good[..good.len() / 2].to_vec()),
        ("another size of pages", with(16, &[0, 7])),
        ("a first page of zeros", with(100, &vec![0; page - 100])),
        ("no table", other("CREATE TABLE x(y)")),
        ("another schema", other("CREATE TABLE Packages(name TEXT); INSERT INTO Packages VALUES('a')")),
        ("no header", other(&format!("{table} INSERT INTO Packages VALUES(1, x'0102')"))),
    ];
    for (what, bytes) in cases {
        assert_named(&read(&[(file, &bytes)]).expect_err(what));
    }
    let none = read(&[(file, &other(table))]).unwrap_err();
    assert!(none.contains("the database of rpm in it has no packages"), "{none}");
    // What is still in a journal is not in the file.
    assert_named(&read(&[(file, &good), ("rpmdb.sqlite-wal", &[7; 4096])]).unwrap_err());
    let (mut refused, mut same) = (0, 0);
    let file_of = bench.path("made").join(FOLDER).join(file);
    let root = "SELECT rootpage FROM sqlite_master WHERE name = 'Packages'";
    let root = bench.output("sqlite3", &[file_of.to_str().unwrap(), root]);
    let root = (root.trim().parse::<usize>().unwrap() - 1) * page;
    for (at, bytes) in changed(&good, &[100, root], 100) {
        match read(&[(file, &bytes)]) {
            Ok(own) => {
                if let Some(listed) = listed(&bench, &bytes) {
                    assert_eq!(own, listed, "byte {at} becomes {:#04x}", bytes[at]);
                    same += 1;
                }
            }
            Err(error) => {
                assert!(error.contains("database of rpm"), "{error}");
                refused += 1;
            }
        }
    }
    println!("{refused} of 100 refused, {same} listed as rpm lists them");
    assert!(refused >= 5 && same >= 20, "{refused} {same}");
}

/// A database in ndb of these headers, as rpm's `lib/backend/ndb/rpmpkg.c` writes it: slots of 16 bytes in the first page, and
/// blobs with their heads and ends behind it.
fn ndb(headers: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = b"RpmP".to_vec();
    for number in [0_u32, 1, 1, headers.len() as u32 + 1] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.resize(32, 0);
    let mut blobs = Vec::new();
    for (number, header) in (1_u32..).zip(headers) {
        let at = (4096 + blobs.len()) / 16;
        let start = blobs.len();
        let len = header.len() as u32;
        blobs.extend_from_slice(b"BlbS");
        for word in [number, 1, len] {
            blobs.extend_from_slice(&word.to_le_bytes());
        }
        blobs.extend_from_slice(header);
        blobs.resize((blobs.len() + 12).next_multiple_of(16) - 12, 0);
        // The reader does not look at the sum of a blob.
        for word in [0, len] {
            blobs.extend_from_slice(&word.to_le_bytes());
        }
        blobs.extend_from_slice(b"BlbE");
        bytes.extend_from_slice(b"Slot");
        for word in [number, at as u32, ((blobs.len() - start) / 16) as u32] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
    }
    while bytes.len() < 4096 {
        bytes.extend_from_slice(b"Slot\0\0\0\0\0\0\0\0\0\0\0\0");
    }
    bytes.extend_from_slice(&blobs);
    bytes
}

#[test]
fn a_database_of_ndb_that_is_damaged_is_refused_with_what_to_do() {
    if !have(&["rpm", "rpmbuild", "sqlite3"]) {
        return;
    }
    let bench = Bench::new();
    made(&bench);
    let path = bench.path("made").join(FOLDER).join("rpmdb.sqlite");
    let hex =
        bench.output("sqlite3", &[path.to_str().unwrap(), "SELECT hex(blob) FROM Packages ORDER BY hnum"]);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    let headers: Vec<Vec<u8>> =
        hex.lines().map(|line| line.as_bytes().chunks(2).map(byte).collect()).collect();
    let (file, good) = ("Packages.db", ndb(&headers));
    assert_eq!(read(&[(file, &good)]).unwrap(), NAMES);
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = good.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    let cases = [
        ("nothing", Vec::new()),
        ("a text", b"no database at all\n".repeat(500)),
        ("a header", good[..32].to_vec()),
        ("half", good[..good.len() / 2].to_vec()),
        ("another magic number", with(0, b"rpmX")),
        ("more pages of slots than there are", with(12, &u32::MAX.to_le_bytes())),
        ("a slot past the end", with(32 + 8, &u32::MAX.to_le_bytes())),
        ("slots of zeros", with(32, &[0; 4064])),
    ];
    for (what, bytes) in cases {
        assert_named(&read(&[(file, &bytes)]).expect_err(what));
    }
    let mut refused = 0;
    for (at, bytes) in changed(&good, &[0, 32, 48, 64, 4096], 200) {
        if let Err(error) = read(&[(file, &bytes)]) {
            assert!(error.contains("database of rpm"), "byte {at}: {error}");
            refused += 1;
        }
    }
    println!("{refused} of 200 refused");
    assert!(refused >= 20, "{refused}");
}

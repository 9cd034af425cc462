//! Packages with everything that has rows of its own: triggers, file triggers, boolean dependencies, requirements of scripts,
//! ghosts, documentation, keys; the same rows as rpm's.

use std::collections::BTreeSet;
use std::fs;

use amiforge_formats::plan::NoSources;
use amiforge_formats::time::Time;
use amiforge_packages::rpm::database::{self, RpmDatabaseSettings};
use amiforge_packages::rpm::installed::installed;
use amiforge_packages::rpm::owned::owned;
use amiforge_packages::rpm::package::FilePresence;
use amiforge_packages::rpm::published::published;

use super::fixture::{AT, Bench, FOLDER, assert_same_dump, database_of, have, tree, unpacked};

const LIB: &str = "BuildArch: noarch\nProvides: virtual = 1:2-3\nProvides: with(parentheses)\n%description\n%prep\n%install\n\
                   mkdir -p %{buildroot}/usr/share/lib\necho a > %{buildroot}/usr/share/lib/a\n\
                   %filetriggerin -- /usr/share /usr/lib\n:\n%transfiletriggerin -P 2000000 -p <lua> -- /usr/lib64 /etc\n\
                   posix.stat('/')\n%transfiletriggerpostun -- /opt\n:\n%triggerin -- app, app > 1, other\n:\n%triggerun -- app\n:\n\
                   %files\n/usr/share/lib\n";
const APP: &str = "Epoch: 2\nURL: http://example.org/\nGroup: Some/Group\nRequires: virtual >= 1\nRequires(pre): lib\n\
                   Requires(post): with(parentheses)\nRequires(pre,preun): lib = 1.0\nRequires(meta): lib\n\
                   Requires: (lib or other >= 1:2)\nRequires: (lib if (none and nothing) else lib)\n\
                   Requires: ((lib with virtual) or (a and b))\nRecommends: (x if y)\nSuggests: weak\nSupplements: (p and q)\n\
                   Enhances: e\nConflicts: (c and d)\nObsoletes: old < 2\n%description\n%prep\n%install\n\
                   mkdir -p %{buildroot}/etc %{buildroot}/usr/share/doc/app %{buildroot}/usr/bin %{buildroot}/var/log\n\
                   echo c > %{buildroot}/etc/app.conf\necho d > %{buildroot}/usr/share/doc/app/README\n\
                   ln -s ../x %{buildroot}/usr/bin/link\n\
                   echo b > %{buildroot}/usr/bin/app\nln %{buildroot}/usr/bin/app %{buildroot}/usr/bin/hard\n\
                   %post\n:\n%preun\n:\n%files\n%config(noreplace) /etc/app.conf\n%doc /usr/share/doc/app/README\n\
                   %ghost /var/log/app.log\n/usr/bin/link\n/usr/bin/app\n/usr/bin/hard\n%dir /usr/share/doc/app\n";
/// A package without files and with little else.
const META: &str = "BuildArch: noarch\n%description\n%files\n";

#[test]
fn rows_and_headers_are_those_that_rpm_writes() {
    if !have(&["rpm", "rpmbuild", "sqlite3"]) {
        return;
    }
    let bench = Bench::new();
    let files = [bench.build("lib", LIB), bench.build("app", APP), bench.build("meta", META)];
    let reference = bench.path("reference");
    let root = reference.to_str().unwrap();
    let names: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    let install = ["--root", root, "-i", "--nodeps", "--noorder", "--noscripts", "--notriggers"];
    bench.output("rpm", &[&install, names.as_slice()].concat());
    let packages: Vec<_> = files.iter().map(|file| unpacked(file)).collect();
    let made = tree(&packages, &[]);
    let own = bench.root("own", &database_of(&made));
    let own_file = bench.path("own").join(FOLDER).join("rpmdb.sqlite");
    assert_eq!(bench.output("sqlite3", &[own_file.to_str().unwrap(), "PRAGMA integrity_check"]), "ok\n");
    let expected = bench.dump(&reference.join(FOLDER).join("rpmdb.sqlite"));
    let dumped = bench.dump(&own_file);
    assert_same_dump(&dumped, &expected);
    // Everything but the database is missing from the root; of the ghost that is no fault.
    let missing = bench.run("rpm", &["--root", &own, "-Va", "--nodeps"]);
    let missing = String::from_utf8_lossy(&missing.stdout).into_owned();
    assert_eq!(missing.lines().filter(|line| line.starts_with("missing")).count(), 8, "{missing}");
    judge(&bench, &own, root);
}

/// What rpm answers from our database, and from its own.
fn judge(bench: &Bench, root: &str, reference: &str) {
    let rpm = |root: &str, args: &[&str]| bench.output("rpm", &[&["--root", root], args].concat());
    bench.output("rpmdb", &["--root", root, "--verifydb"]);
    let of_package = |name: &'static str, answer: &'static str| (vec!["-q", "--whatprovides", name], answer);
    for (query, answer) in [
        of_package("virtual", "lib-1.0-1.noarch\n"),
        of_package("app", "app-1.0-1.x86_64\n"),
        (vec!["-q", "--whatrequires", "virtual"], "app-1.0-1.x86_64\napp-1.0-1.x86_64\n"),
        (vec!["-q", "--whatrequires", "with(parentheses)"], ""),
        (vec!["-q", "--whatrecommends", "x"], "app-1.0-1.x86_64\n"),
        (vec!["-q", "--whatsupplements", "q"], "app-1.0-1.x86_64\n"),
        (vec!["-q", "--whatconflicts", "d"], "app-1.0-1.x86_64\n"),
        (vec!["-q", "--whatobsoletes", "old"], "app-1.0-1.x86_64\n"),
        (vec!["-qf", "/usr/bin/hard"], "app-1.0-1.x86_64\n"),
        (vec!["-q", "--triggeredby", "app"], "lib-1.0-1.noarch\n"),
        (vec!["-qg", "Some/Group"], "app-1.0-1.x86_64\n"),
    ] {
        // A query without an answer fails.
        let asked = |root: &str| bench.run("rpm", &[&["--root", root], query.as_slice()].concat()).stdout;
        let own = String::from_utf8_lossy(&asked(root)).into_owned();
        assert_eq!(own.as_bytes(), asked(reference), "{query:?}");
        assert!(
            if answer.is_empty() { own.starts_with("no package") } else { own == answer },
            "{query:?} {own}"
        );
    }
    assert_eq!(
        rpm(root, &["-qa", "--last"]).lines().next().unwrap().split(' ').next(),
        Some("meta-1.0-1.noarch")
    );
    assert_eq!(rpm(root, &["-q", "app", "--qf", "%{INSTALLTIME} %{INSTALLTID}"]), format!("{} {AT}", AT + 1));
    // rpm writes on: what it removes is gone from every index.
    bench.output("rpm", &["--root", root, "-e", "--nodeps", "--noscripts", "--notriggers", "lib"]);
    assert_eq!(rpm(root, &["-qa"]).lines().count(), 2);
    bench.output("rpmdb", &["--root", root, "--verifydb"]);
}

#[test]
fn left_out_files_are_not_installed_and_the_readers_say_so() {
    if !have(&["rpm", "rpmbuild"]) {
        return;
    }
    let bench = Bench::new();
    let file = bench.build("app", APP);
    let mut package = unpacked(&file);
    let readme = package.header.texts(amiforge_packages::rpm::header::tag::BASENAMES);
    let readme = readme.collect::<Vec<_>>().iter().position(|name| *name == b"README").unwrap();
    package.files[readme].presence = FilePresence::LeftOut;
    let made = tree(&[package.clone()], &[]);
    let root = bench.root("own", &database_of(&made));
    let states = bench.output("rpm", &["--root", &root, "-q", "--state", "app"]);
    let state = |path: &str| {
        let line = states.lines().find(|line| line.ends_with(path)).unwrap();
        line.rsplit_once(' ').unwrap().0.trim().to_owned()
    };
    assert_eq!(state("README"), "not installed");
    assert_eq!(state("app.conf"), "normal");
    let all = installed(&made, &NoSources).unwrap();
    assert_eq!(
        (all[0].name.as_str(), all[0].version.as_str(), all[0].arch.as_str()),
        ("app", "2:1.0-1", "x86_64")
    );
    assert_eq!(all[0].source, ("app".to_owned(), "1.0-1".to_owned()));
    assert_eq!(all[0].homepage.as_deref(), Some("http://example.org/"));
    assert_eq!(all[0].licences[0].expression, "MIT");
    let has = |path: &[u8]| all[0].files.iter().any(|file| file == path);
    assert!(has(b"/usr/bin/app") && !has(b"/var/log/app.log") && !has(b"/usr/share/doc/app/README"));
    let paths = owned(&made, &NoSources).unwrap();
    assert!(paths[0].paths.contains(&b"/var/log/app.log".to_vec()));
    assert_eq!((paths[0].source.as_str(), paths.len()), ("app", 1));
    let files = published(&made, &NoSources).unwrap();
    let digest = |path: &[u8]| files.iter().find(|file| file.path == path).unwrap().digest;
    let content = amiforge_formats::digest::Digest::of(b"b\n");
    assert_eq!(digest(b"usr/bin/app"), Some(amiforge_formats::digest::StatedDigest::Sha256(content)));
    assert_eq!((digest(b"usr/bin/link"), digest(b"var/log/app.log")), (None, None));
}

#[test]
fn a_change_of_a_database_keeps_the_other_headers_byte_for_byte() {
    if !have(&["rpm", "rpmbuild", "sqlite3"]) {
        return;
    }
    let bench = Bench::new();
    let files = [bench.build("lib", LIB), bench.build("app", APP), bench.build("meta", META)];
    let packages: Vec<_> = files.iter().map(|file| unpacked(file)).collect();
    let mut made = tree(&packages[..2], &[]);
    let settings = RpmDatabaseSettings { at: Time::from_secs(AT + 10), keys: &[] };
    let removed = BTreeSet::from([1]);
    database::update(&mut made, &packages[2..], &removed, &settings, &NoSources).unwrap();
    let root = bench.root("own", &database_of(&made));
    bench.output("rpmdb", &["--root", &root, "--verifydb"]);
    let times = bench.output("rpm", &["--root", &root, "-qa", "--qf", "%{NAME} %{INSTALLTIME}\n"]);
    assert_eq!(times.lines().collect::<BTreeSet<_>>(), BTreeSet::from(["app 1700000001", "meta 1700000010"]));
    // The same by rpm: what is behind the change has the number behind the highest.
    let reference = bench.path("reference");
    let rpm = |args: &[&str]| {
        let root =
            ["--root", reference.to_str().unwrap(), "--nodeps", "--noscripts", "--notriggers", "--noorder"];
        bench.output("rpm", &[&root, args].concat())
    };
    let names: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    rpm(&["-i", names[0], names[1]]);
    rpm(&["-e", "lib"]);
    rpm(&["-i", names[2]]);
    let (own, expected) = (bench.path("own").join(FOLDER), reference.join(FOLDER));
    let sql = "SELECT hnum, key FROM Name UNION SELECT hnum, hex(blob) FROM Packages WHERE hnum = 2 UNION SELECT hnum, key || idx \
               FROM Requirename UNION SELECT seq, name FROM sqlite_sequence";
    let rows = |folder: &std::path::Path| {
        bench.output("sqlite3", &[folder.join("rpmdb.sqlite").to_str().unwrap(), sql])
    };
    assert_eq!(rows(&own), rows(&expected));
}

#[test]
fn keys_are_imported_as_rpmkeys_imports_them() {
    if !have(&["rpm", "rpmkeys", "gpg", "sqlite3"]) {
        return;
    }
    let bench = Bench::new();
    let home = bench.path("gnupg");
    fs::create_dir(&home).unwrap();
    let home = home.to_str().unwrap();
    let make = [
        "--homedir",
        home,
        "--batch",
        "--passphrase",
        "",
        "--quick-generate-key",
        "Test Key <a@b.c>",
        "rsa2048",
    ];
    bench.output("gpg", &make);
    let list = bench.output("gpg", &["--homedir", home, "--list-keys", "--with-colons"]);
    let fingerprint = list.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap();
    let fingerprint = fingerprint.trim_end_matches(':');
    let add =
        ["--homedir", home, "--batch", "--passphrase", "", "--quick-add-key", fingerprint, "rsa2048", "sign"];
    bench.output("gpg", &add);
    let armored = bench.output("gpg", &["--homedir", home, "--armor", "--export"]);
    let binary = bench.run("gpg", &["--homedir", home, "--export"]).stdout;
    let key = bench.path("key.asc");
    fs::write(&key, &armored).unwrap();
    let reference = bench.path("reference");
    fs::create_dir(&reference).unwrap();
    bench.output("rpmkeys", &["--root", reference.to_str().unwrap(), "--import", key.to_str().unwrap()]);
    let expected = bench.dump(&reference.join(FOLDER).join("rpmdb.sqlite"));
    for keyring in [armored.into_bytes(), binary] {
        let made = tree(&[], &[keyring]);
        let root = bench.root("own", &database_of(&made));
        let dumped = bench.dump(&bench.path("own").join(FOLDER).join("rpmdb.sqlite"));
        assert_same_dump(&dumped, &expected);
        assert_eq!(bench.output("rpm", &["--root", &root, "-qa"]).lines().count(), 1);
        assert_eq!(installed(&made, &NoSources).unwrap(), []);
        let read = database::read(&made, &NoSources).unwrap().unwrap();
        assert_eq!(read.headers.len(), 1);
    }
}

//! rpm packages over an image that exists already: the lock resolves against its database, its own rpm installs them. dnf does the
//! same to a copy of the image, and rpm judges what came of both.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use amiforge_formats::digest::Digest;
use amiforge_tests::oracle::Mounted;
use amiforge_tests::program::Bundle;
use amiforge_tests::{oracle, program, scratch};

use crate::fixtures::{assert_same, has_line, must, read_file, verified_listing};

/// What the base has by name.
const BASE: [&str; 6] = ["systemd-sysv", "dnf", "rpm", "iputils-ping", "note", "lamp"];

/// What the build changes of files of packages.
const CHANGED: [&str; 6] = [
    " /etc/group",
    " /etc/gshadow",
    " /etc/passwd",
    " /etc/shadow",
    " /etc/note.conf",
    " /var/www/html/index.html",
];

/// A package in two versions that notes the arguments of its scripts, and has a configuration file; one that needs another.
const SPECS: &str = "
Name: note
Version: %{v}
Release: 1
Summary: notes what its scripts are called with
License: MIT
BuildArch: noarch
%description
A package of a test.
%install
mkdir -p %{buildroot}/etc
echo %{v} >%{buildroot}/etc/note.conf
%post
echo \"note %{v} post $1\" >>/var/note.log
%preun
echo \"note %{v} preun $1\" >>/var/note.log
%files
%config(noreplace) /etc/note.conf
%package -n lamp
Summary: is removed
%description -n lamp
A package of a test.
%files -n lamp
%package -n shade
Summary: needs a lamp
Requires: lamp
%description -n shade
A package of a test.
%files -n shade
%package -n broken
Summary: has a script that fails
%description -n broken
A package of a test.
%post -n broken
exit 3
%files -n broken
";

/// A folder with recipes and a repository of its own.
struct OverBench {
    folder: tempfile::TempDir,
    inputs: PathBuf,
}

impl OverBench {
    /// `None` where the test distribution was not made, or a program is missing.
    fn new() -> Option<Self> {
        let inputs = scratch::repository().join("target/inputs/rpm");
        if !inputs.join("packages/repodata").is_dir() {
            oracle::skip("no test distribution: tests/inputs/rpm.sh makes it");
            return None;
        }
        if !oracle::ready(&["rpm", "rpmbuild", "createrepo_c", "dnf", "mount", "cp", "sqlite3"], true) {
            return None;
        }
        let bench = Self { folder: scratch::folder(), inputs: inputs.canonicalize().unwrap() };
        fs::copy(inputs.join("key.asc"), bench.path("key.asc")).unwrap();
        fs::write(bench.path("note.spec"), SPECS).unwrap();
        for version in ["1", "2"] {
            let built = bench.path(&format!("own{version}"));
            oracle::must(
                "rpmbuild",
                &[
                    "-bb",
                    "--quiet",
                    "--define",
                    &format!("_topdir {}", bench.path("rpmbuild").display()),
                    "--define",
                    &format!("_rpmdir {}", built.display()),
                    "--define",
                    &format!("v {version}"),
                    &bench.path("note.spec").display().to_string(),
                ],
            );
            oracle::must("createrepo_c", &["--quiet", &built.display().to_string()]);
        }
        Some(bench)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The source of packages of a recipe, with the own repository in a version.
    fn source(&self, version: &str, words: &str) -> String {
        format!(
            "[[source]]\nkind = \"rpm\"\ndistribution = \"mini\"\nrelease = \"1\"\n{words}\n[[source.repository]]\nname = \"mini\"\n\
             url = \"file://{}/packages\"\nkeyring = \"key.asc\"\n[[source.repository]]\nname = \"own\"\nurl = \"file://{}\"\n\
             trusted = true\n",
            self.inputs.display(),
            self.path(&format!("own{version}")).display()
        )
    }

    /// Writes a recipe; gives its name.
    fn write(&self, name: &str, sources: &str) -> String {
        let text = format!(
            "[image]\nname = \"{name}\"\nversion = \"1\"\narch = \"x86_64\"\n{sources}[disk]\nsize = \"2GiB\"\n"
        );
        fs::write(self.path(&format!("{name}.toml")), text).unwrap();
        name.to_owned()
    }

    /// Runs a command of the program on a recipe.
    fn run(&self, command: &[&str], recipe: &str, store: &str) -> Output {
        let mut program = Command::new(program::path());
        program.args(command).arg("--store").arg(self.path(store));
        program.arg(self.path(&format!("{recipe}.toml"))).output().unwrap()
    }

    fn must(&self, command: &[&str], recipe: &str, store: &str) -> String {
        let output = self.run(command, recipe, store);
        must(&output) + &String::from_utf8_lossy(&output.stderr)
    }

    /// Locks, fetches and builds.
    fn build(&self, recipe: &str, store: &str, out: &str) -> Bundle {
        self.must(&["lock"], recipe, store);
        self.must(&["fetch"], recipe, store);
        let folder = self.path(out);
        self.must(&["build", "--force", "-o", &folder.display().to_string()], recipe, store);
        Bundle::open(&folder)
    }

    /// The base, with the first source of a recipe over it.
    fn base(&self) -> (Bundle, String) {
        let words = format!("packages = {BASE:?}");
        let recipe = self.write("base", &self.source("1", &words));
        let base = self.build(&recipe, "store", "base");
        let digest = Digest::of(&fs::read(base.image()).unwrap());
        let image = format!(
            "[[source]]\nkind = \"image\"\npath = \"{}\"\nsha256 = \"{digest}\"\n",
            base.image().display()
        );
        (base, image)
    }

    /// Runs dnf on a root, without scripts: they are for the sandbox.
    fn dnf(&self, root: &Path, arguments: &[&str]) {
        let (mini, own) = (self.inputs.join("packages"), self.path("own2"));
        let config = format!(
            "[main]\nplugins=0\nreposdir=/nonexistent\ngpgcheck=0\ninstall_weak_deps=0\nbest=1\n[mini]\nname=mini\nbaseurl=file://{}\n\
             [own]\nname=own\nbaseurl=file://{}\n",
            mini.display(),
            own.display()
        );
        fs::write(self.path("dnf.conf"), config).unwrap();
        fs::create_dir_all(self.path("log")).unwrap();
        // A host's rpm may have its database elsewhere.
        fs::write(self.path(".rpmmacros"), "%_dbpath /var/lib/rpm\n").unwrap();
        let text = |path: &str| self.path(path).display().to_string();
        let (config, root) = (text("dnf.conf"), format!("--installroot={}", root.display()));
        let (cache, log) =
            (format!("--setopt=cachedir={}", text("cache")), format!("--setopt=logdir={}", text("log")));
        let common =
            ["-c", &config, &root, "--releasever=1", "-y", &cache, &log, "--setopt=tsflags=noscripts"];
        let mut dnf = Command::new("dnf");
        dnf.args(common).args(arguments).env("HOME", self.folder.path());
        must(&dnf.output().unwrap());
    }
}

/// What rpm lists in a root.
fn installed(root: &Path) -> Vec<String> {
    let format = "%{NAME}-%{EVR}.%{ARCH}\\n";
    let listed = rpm(root, &["-qa", "--qf", format]);
    let mut lines: Vec<String> = listed.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn rpm(root: &Path, arguments: &[&str]) -> String {
    let database = format!("--dbpath={}", root.join("var/lib/rpm").display());
    oracle::must("rpm", &[&[database.as_str()], arguments].concat())
}

/// Lets rpm compare a copy of a root with its database.
fn verify_files(root: &Path, whole: &Path) {
    oracle::must("cp", &["-a", &root.display().to_string(), &whole.display().to_string()]);
    let verified = Command::new("rpm")
        .args(["--root", &whole.display().to_string(), "--dbpath", "/var/lib/rpm", "-Va", "--noscripts"])
        .output()
        .unwrap();
    let verified = String::from_utf8_lossy(&verified.stdout).into_owned();
    // Accounts and the page are the build's; the times of what rpmbuild has just made are clamped.
    let others: Vec<&str> =
        verified.lines().filter(|line| !CHANGED.iter().any(|path| line.ends_with(path))).collect();
    assert_eq!(others, [""; 0], "rpm -Va: {verified}");
}

#[test]
fn rpm_packages_go_over_an_image_by_its_own_rpm() {
    let Some(bench) = OverBench::new() else { return };
    let (base, image) = bench.base();
    let words =
        "packages = [\"apache2\", \"note\", \"shade\"]\nwithout = [\"iputils-ping\"]\nupgrade = \"all\"";
    let changed = "[[file]]\npath = \"/var/www/html/index.html\"\ncontent = \"over\"\n";
    let recipe = bench.write(
        "web",
        &format!("{image}{}{changed}[system]\nfstab = \"replace\"\n", bench.source("2", words)),
    );
    let bundle = bench.build(&recipe, "store", "out");
    let lock = fs::read_to_string(bench.path("web.lock")).unwrap();
    assert!(lock.contains("name = \"apache2\"") && !lock.contains("name = \"libc6\""), "{lock}");
    assert!(lock.contains("[[removed]]\nname = \"iputils-ping\""), "{lock}");

    let listing = verified_listing(&bundle);
    assert!(has_line(&listing, "/usr/sbin/apache2 file "), "apache2 is there");
    for gone in ["/usr/bin/ping ", "/.amiforge-scripts "] {
        assert!(!has_line(&listing, gone), "{gone}");
    }
    let noted = read_file(&bundle, "/var/note.log");
    assert_eq!(noted, "note 1 post 1\nnote 2 post 2\nnote 1 preun 1\n", "scripts see an upgrade");

    // dnf does the same to a copy of the base.
    let copy = bench.path("copy");
    fs::create_dir(&copy).unwrap();
    {
        let root = base.partition("ext4");
        let mounted = Mounted::new(&base.image(), root.start, root.len, &bench.path("below"));
        oracle::must(
            "cp",
            &["-a", &format!("{}/.", bench.path("below").display()), &copy.display().to_string()],
        );
        drop(mounted);
    }
    bench.dnf(&copy, &["remove", "--noautoremove", "iputils-ping"]);
    bench.dnf(&copy, &["upgrade"]);
    bench.dnf(&copy, &["install", "apache2", "note", "shade"]);

    let root = bundle.partition("ext4");
    let over = bench.path("over");
    let mounted = Mounted::new(&bundle.image(), root.start, root.len, &over);
    // rpm makes its lock beside the database, which is on a read-only mount here.
    let database = bench.path("database/var/lib/rpm");
    fs::create_dir_all(&database).unwrap();
    fs::copy(over.join("var/lib/rpm/rpmdb.sqlite"), database.join("rpmdb.sqlite")).unwrap();
    let judged = bench.path("database");
    assert_eq!(installed(&judged), installed(&copy), "the packages and versions of dnf");
    rpm(&judged, &["--verifydb"]);
    verify_files(&over, &bench.path("whole"));
    let history = over.join("var/lib/dnf/history.sqlite").display().to_string();
    let reason = |name: &str| {
        let sql = format!(
            "SELECT action || ' ' || reason FROM trans_item JOIN rpm USING (item_id) WHERE name = '{name}' ORDER BY id"
        );
        oracle::must("sqlite3", &[&format!("file:{history}?immutable=1"), &sql]).replace('\n', ", ")
    };
    assert_eq!(reason("apache2"), "1 2, ", "it is wished for");
    assert_eq!(reason("libapr1"), "1 1, ", "it is a dependency");
    assert_eq!(reason("iputils-ping"), "1 2, 8 2, ", "it is removed");
    drop(mounted);

    // The same inputs give the same image, whatever the store holds.
    assert_same(&bundle, &bench.build(&recipe, "fresh", "again"));
}

#[test]
fn what_cannot_go_over_an_image_says_why() {
    let Some(bench) = OverBench::new() else { return };
    let (_, image) = bench.base();
    let recipe = |name: &str, words: &str| bench.write(name, &format!("{image}{}", bench.source("1", words)));
    let said = |output: &Output| String::from_utf8_lossy(&output.stderr).into_owned();

    let failing = recipe("failing", "packages = [\"broken\"]");
    bench.must(&["lock"], &failing, "store");
    bench.must(&["fetch"], &failing, "store");
    let output = bench.run(&["build", "-o", &bench.path("no").display().to_string()], &failing, "store");
    assert!(
        !output.status.success() && said(&output).contains("scriptlet failed, exit status 3"),
        "{}",
        said(&output)
    );

    let protected = recipe("protected", "packages = []\nwithout = [\"python3-dnf\"]");
    let output = bench.run(&["lock"], &protected, "store");
    assert!(!output.status.success() && said(&output).contains("is protected"), "{}", said(&output));

    let stranded = recipe("stranded", "packages = [\"shade\"]\nwithout = [\"lamp\"]");
    let output = bench.run(&["lock"], &stranded, "store");
    assert!(!output.status.success() && said(&output).contains("lamp"), "{}", said(&output));

    let deb = "[[source]]\nkind = \"deb\"\ndistribution = \"debian\"\nsuites = [\"bookworm\"]\npackages = [\"hello\"]\n";
    let other = bench.write("other", &format!("{image}{deb}"));
    let output = bench.run(&["lock"], &other, "store");
    assert!(!output.status.success() && said(&output).contains("kind = \"rpm\""), "{}", said(&output));
}

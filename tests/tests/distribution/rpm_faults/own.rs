//! A repository with one package of our own, signed by a key of our own, beside the test distribution.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use amiforge_tests::{oracle, program, scratch};

/// What makes such repositories.
const PROGRAMS: [&str; 5] = ["rpmbuild", "rpmsign", "createrepo_c", "gpg", "faketime"];

/// Who signs the package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PackageSigner {
    /// The key that the recipe names.
    Own,
    /// A key that it does not name.
    Foreign,
    /// The key that it names, which has expired since.
    Expired,
    /// Nobody.
    Nobody,
}

/// A recipe of the test distribution and of a repository with the package `own`.
pub(super) struct OwnPackage {
    folder: tempfile::TempDir,
}

impl OwnPackage {
    /// A package with these lines of its spec (scripts, and what `%install` and `%files` have); `None` where an oracle is
    /// missing.
    pub(super) fn new(scripts: &str, install: &str, files: &str, signer: PackageSigner) -> Option<Self> {
        if !oracle::ready(&PROGRAMS, true) {
            return None;
        }
        if !scratch::repository().join("target/inputs/rpm/packages/repodata").is_dir() {
            oracle::skip("no test distribution: tests/inputs/rpm.sh makes it");
            return None;
        }
        let own = Self { folder: scratch::folder() };
        own.make_keys(signer);
        let spec = format!(
            "Name: own\nVersion: 1\nRelease: 1\nSummary: own\nLicense: MIT\nBuildArch: noarch\n%description\nown\n%install\n\
             mkdir -p %{{buildroot}}\n{install}\n{scripts}\n%files\n{files}\n"
        );
        own.build_package(&spec, signer);
        own.index("1700000000");
        Some(own)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The file of the package in the repository.
    pub(super) fn package(&self) -> PathBuf {
        self.path("own/own-1-1.noarch.rpm")
    }

    fn tool(&self, program: &str, args: &[&str]) {
        let mut command = Command::new(oracle::find(program).unwrap());
        command.env("HOME", self.folder.path()).env("GNUPGHOME", self.path("gnupg"));
        command.env("SOURCE_DATE_EPOCH", "1700000000").env("RPM_FORCE_DEBIAN", "1").args(args);
        let output = command.current_dir(self.folder.path()).output().unwrap();
        assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Makes the keys, and `own.asc`, which the recipe names.
    fn make_keys(&self, signer: PackageSigner) {
        use std::os::unix::fs::PermissionsExt as _;
        fs::create_dir(self.path("gnupg")).unwrap();
        fs::set_permissions(self.path("gnupg"), fs::Permissions::from_mode(0o700)).unwrap();
        let quick = ["--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""];
        let make = |name: &str, more: &[&str], expire: &str| {
            let args =
                [&quick[..], more, &["--quick-generate-key", name, "rsa3072", "sign", expire]].concat();
            self.tool("gpg", &args);
        };
        match signer {
            PackageSigner::Expired => make("own", &["--faked-system-time", "20200101T000000"], "30d"),
            _ => make("own", &[], "0"),
        }
        make("foreign", &[], "0");
        let key = self.path("own.asc").display().to_string();
        self.tool("gpg", &["--armor", "--output", &key, "--export", "own"]);
    }

    fn build_package(&self, spec: &str, signer: PackageSigner) {
        fs::write(self.path("own.spec"), spec).unwrap();
        let top = format!("_topdir {}", self.path("build").display());
        let fixed =
            [top.as_str(), "debug_package %{nil}", "__os_install_post %{nil}", "_build_id_links none"];
        let mut args = vec!["-bb", "--quiet", "--nodeps"];
        args.extend(fixed.iter().flat_map(|define| ["--define", *define]));
        self.tool("rpmbuild", &[&args[..], &["own.spec"]].concat());
        fs::create_dir(self.path("own")).unwrap();
        fs::copy(self.path("build/RPMS/noarch/own-1-1.noarch.rpm"), self.package()).unwrap();
        let gpg = format!("__gpg {}", oracle::find("gpg").unwrap().display());
        let package = self.package().display().to_string();
        let sign = |name: &str| {
            let name = format!("_gpg_name {name}");
            ["rpmsign", "--addsign", "--define", &name, "--define", &gpg, &package]
                .map(str::to_owned)
                .to_vec()
        };
        let words = |words: Vec<String>, before: &[&str]| {
            let all: Vec<&str> = before.iter().copied().chain(words.iter().map(String::as_str)).collect();
            self.tool(all[0], &all[1..]);
        };
        match signer {
            PackageSigner::Nobody => {}
            PackageSigner::Own => words(sign("own"), &[]),
            PackageSigner::Foreign => words(sign("foreign"), &[]),
            PackageSigner::Expired => words(sign("own"), &["faketime", "2020-01-10"]),
        }
    }

    /// Writes the repository's metadata with this time in seconds since 1970.
    pub(super) fn index(&self, revision: &str) {
        self.tool("createrepo_c", &["--quiet", "--revision", revision, "--set-timestamp-to-revision", "own"]);
    }

    /// Writes the recipe anew, without a lock.
    pub(super) fn write_recipe(&self, scripts: &str, packages: &[&str], more: &str) {
        let inputs = scratch::repository().join("target/inputs/rpm").canonicalize().unwrap();
        fs::copy(inputs.join("key.asc"), self.path("key.asc")).unwrap();
        let (mini, own) = (inputs.join("packages"), self.path("own"));
        let text = format!(
            "[image]\nname = \"faults\"\nversion = \"1\"\narch = \"x86_64\"\n{more}\n[[source]]\nkind = \"rpm\"\ndistribution = \
             \"mini\"\nrelease = \"1\"\nscripts = \"{scripts}\"\npackages = {packages:?}\n[[source.repository]]\nname = \"mini\"\n\
             url = \"file://{}\"\nkeyring = \"key.asc\"\nmachine-url = \"https://rpm.example/$releasever\"\n\
             [[source.repository]]\nname = \"own\"\nurl = \"file://{}\"\nkeyring = \"own.asc\"\nmachine-url = \
             \"https://own.example/$releasever\"\n",
            mini.display(),
            own.display()
        );
        fs::write(self.path("recipe.toml"), text).unwrap();
        let _ = fs::remove_file(self.path("recipe.lock"));
    }

    /// A command of the program on the recipe, with the store of this name.
    pub(super) fn command(&self, store: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program::path());
        command.args(args).arg("--store").arg(store).arg(self.path("recipe.toml"));
        command.current_dir(self.folder.path());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(&self.path("store"), args).output().unwrap()
    }

    /// Runs a command that has to succeed.
    pub(super) fn must(&self, args: &[&str]) {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", said(&output));
    }

    /// Runs a command that has to fail with this code, and to say these words. Returns all that it says.
    pub(super) fn refused(&self, code: i32, args: &[&str], words: &[&str]) -> String {
        let output = self.run(args);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
        for word in words {
            assert!(text.contains(word), "{args:?}: no `{word}` in {text}");
        }
        text
    }
}

/// What a program says to its user.
pub(super) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

//! A recipe with packages of two suites, one of them of security updates, its archive in three states, and a region.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use amiforge_tests::archive::noise;
use amiforge_tests::debs::{Deb, Signing, Suite};
use amiforge_tests::lock_fixture::LockFixture;
use amiforge_tests::region::Region;
use serde_json::Value;

/// 2026-11-01.
const FIRST: i64 = 1_793_491_200;
const DAY: i64 = 86_400;

pub(super) const RECIPE: &str = "[image]\nname = \"tested\"\narch = \"x86_64\"\n[disk]\nsize = \"128 MiB\"\n\
    [[partition]]\nrole = \"esp\"\nsize = \"34 MiB\"\n[[partition]]\nrole = \"root\"\n\
    [[source]]\nkind = \"deb\"\ndistribution = \"tests\"\nsuites = [\"stable\", \"stable-security\"]\nbase = \"none\"\n\
    keyring = \"archive.gpg\"\nscripts = \"none\"\npackages = [\"app\"]\n";

/// A recipe, its archive, and a region.
pub(super) struct UpdateFixture {
    pub(super) files: LockFixture,
    pub(super) region: Region,
}

impl UpdateFixture {
    /// The recipe is not locked, and the archive is in its first state; `None` when gpg is not installed.
    pub(super) fn new() -> Option<Self> {
        let files = LockFixture::new(&[])?;
        fs::write(files.path("recipe.toml"), RECIPE).unwrap();
        let region = Region::start(&files.path("region"));
        let fixture = Self { files, region };
        fixture.archive(1, 0);
        Some(fixture)
    }

    /// The same with the first version published, in `out`.
    pub(super) fn published() -> Option<(Self, Value)> {
        let fixture = Self::new()?;
        let first = fixture.must(&[]);
        Some((fixture, first))
    }

    /// Writes a state of the archive, as of some days after the first.
    pub(super) fn archive(&self, state: u32, days: i64) {
        let app = |version: &str| Deb::new("app", version).field("Depends", "lib (>= 2)");
        let lib = |version: &str| {
            Deb::new("lib", version).field("Source", "libsrc").file("/usr/lib/noise", &noise(6 << 20, 5))
        };
        let mut stable = vec![app("1.0"), lib("2.1"), Deb::new("unrelated", "3")];
        let mut security = Vec::new();
        if state >= 2 {
            stable.push(Deb::new("app", "1.1").field("Depends", "lib (>= 2), extra"));
            stable.push(Deb::new("extra", "1").file("/usr/share/extra", b"extra\n"));
            security.push(lib("2.2"));
        }
        if state >= 3 {
            stable.push(app("1.2"));
        }
        let folder = self.files.path("archive");
        let date = FIRST + days * DAY;
        let signing = Signing::Inline(&self.files.key);
        Suite::new("stable", stable).date(date).write(&folder, signing);
        Suite::new("stable-security", security).date(date).write(&folder, signing);
    }

    pub(super) fn mirror(&self) -> String {
        format!("file://{}", self.files.path("archive").display())
    }

    pub(super) fn out(&self) -> PathBuf {
        self.files.path("out")
    }

    /// The command that updates to `out`, without a boot, in the region.
    pub(super) fn command(&self, more: &[&str]) -> Command {
        let mut command = self.files.command("update", &self.mirror());
        command.args(["--json", "--no-boot", "--region", "local"]);
        command.args(["--endpoint-url", &self.region.running.endpoint()]);
        command.arg("--out").arg(self.out()).args(more);
        command
    }

    pub(super) fn run(&self, more: &[&str]) -> Output {
        self.command(more).output().unwrap()
    }

    /// Updates, which has to succeed.
    pub(super) fn must(&self, more: &[&str]) -> Value {
        let output = self.run(more);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{more:?}: {}\n{err}", output.status);
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Updates, which has to fail with an exit code and leave lock and bundle as they are. Returns standard error.
    pub(super) fn must_fail(&self, code: i32, command: &mut Command) -> String {
        let before = self.version();
        let output = command.output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{err}");
        assert_eq!(self.version(), before, "{err}");
        err
    }

    /// Lock and bundle: the texts of `recipe.lock` and of the files of `out` but its image, which the manifest identifies.
    pub(super) fn version(&self) -> BTreeMap<String, Option<String>> {
        let names = ["recipe.lock", "out/manifest.json", "out/SHA256SUMS", "out/tree.txt"];
        names
            .iter()
            .map(|name| ((*name).to_owned(), fs::read_to_string(self.files.path(name)).ok()))
            .collect()
    }

    /// Whether nothing of an update in progress is left.
    pub(super) fn is_clean(&self) -> bool {
        !self.files.path("out.update").exists() && !self.files.path("recipe.lock.next").exists()
    }

    /// Requests of the region since the last call of `clear` that changed something.
    pub(super) fn changes(&self) -> usize {
        let actions = [
            "StartSnapshot",
            "PutSnapshotBlock",
            "CompleteSnapshot",
            "RegisterImage",
            "CopyImage",
            "CreateTags",
        ];
        actions.iter().map(|action| self.region.successes(action)).sum()
    }

    pub(super) fn clear(&self) {
        self.region.request_log.clear();
    }

    /// Compares an AMI, read back from the region, with a bundle.
    pub(super) fn verify(&self, ami: &str, bundle: &Path) {
        let bundle = bundle.to_string_lossy();
        let endpoint = self.region.running.endpoint();
        amiforge_tests::program::must(&[
            "verify",
            ami,
            "--bundle",
            &bundle,
            "--region",
            "local",
            "--endpoint-url",
            &endpoint,
        ]);
    }
}

/// Changed packages of a report, as `name change from to`.
pub(super) fn packages(report: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let all = report["packages"].as_array().unwrap().iter();
    all.map(|one| ["name", "change", "from", "to"].map(|key| text(&one[key])).join(" ")).collect()
}

//! Recipes of the test distribution of rpm packages (`tests/inputs/rpm.sh`).

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use amiforge_tests::program::Bundle;
use amiforge_tests::{oracle, program, scratch};

use crate::fixtures::{LockedRecipe, must};

/// The stub of systemd, which the test distribution has no package of.
const STUB: &str = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";

/// A folder with a recipe of the test distribution.
pub(crate) struct RpmRecipe {
    folder: tempfile::TempDir,
}

/// The folder of the test distribution; `None` where it was not made.
pub(crate) fn inputs() -> Option<PathBuf> {
    let inputs = scratch::repository().join("target/inputs/rpm");
    if inputs.join("packages/repodata").is_dir() {
        return Some(inputs.canonicalize().unwrap());
    }
    oracle::skip("no test distribution: tests/inputs/rpm.sh makes it");
    None
}

impl RpmRecipe {
    /// A recipe of an image that does not boot; `None` where the test distribution was not made.
    pub(crate) fn new(scripts: &str, packages: &[&str]) -> Option<Self> {
        Self::with(scripts, packages, "")
    }

    /// A recipe with more text at its end.
    pub(crate) fn with(scripts: &str, packages: &[&str], rest: &str) -> Option<Self> {
        let inputs = inputs()?;
        let recipe = Self { folder: scratch::folder() };
        fs::copy(inputs.join("key.asc"), recipe.path("key.asc")).unwrap();
        let url = format!("file://{}", inputs.join("packages").display());
        let text = format!(
            "[image]\nname = \"mini\"\nversion = \"1\"\narch = \"x86_64\"\n[[source]]\nkind = \"rpm\"\ndistribution = \"mini\"\n\
             release = \"1\"\nscripts = \"{scripts}\"\npackages = {packages:?}\n[[source.repository]]\nname = \"mini\"\n\
             url = \"{url}\"\nkeyring = \"key.asc\"\nmachine-url = \"https://rpm.example/$releasever\"\n{rest}"
        );
        fs::write(recipe.path("recipe.toml"), text).unwrap();
        Some(recipe)
    }

    /// A recipe of a machine that boots by either firmware and is set up by units of amiforge's own; `None` where the test
    /// distribution or the stub of systemd is missing.
    pub(crate) fn machine(scripts: &str, packages: &[&str], boot: &str, rest: &str) -> Option<Self> {
        let base = [
            "systemd-sysv",
            "bash",
            "coreutils",
            "udev",
            "kmod",
            "kernel",
            "openssh-server",
            "e2fsprogs",
            "iproute2",
            "netbase",
            "procps",
        ];
        let words =
            ["util-linux", "mount", "login", "hostname", "grep", "sed", "findutils", "diffutils", "gzip"];
        let packages = [&base[..], &words[..], packages].concat();
        let Ok(stub) = fs::read(STUB) else {
            oracle::skip("not installed: systemd-boot-efi");
            return None;
        };
        let disk = "[disk]\nsize = \"2 GiB\"\n";
        let source = "[[source]]\nkind = \"dir\"\npath = \"stub\"\nprefix = \"/usr/lib/systemd/boot/efi\"\n";
        let rest = format!("[boot]\nfirst-boot = \"own\"\n{boot}{disk}{source}{rest}");
        let recipe = Self::with(scripts, &packages, &rest)?;
        fs::create_dir(recipe.path("stub")).unwrap();
        fs::write(recipe.path("stub/linuxx64.efi.stub"), stub).unwrap();
        Some(recipe)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs a command of the program on the recipe; returns what it says.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let recipe = self.path("recipe.toml");
        let mut command = Command::new(program::path());
        command.args(arguments).arg("--store").arg(self.path("store")).arg(&recipe);
        let output = command.output().unwrap();
        must(&output) + &String::from_utf8_lossy(&output.stderr)
    }

    pub(crate) fn build(&self, out: &str) -> Bundle {
        let out = self.path(out);
        self.run(&["build", "--force", "-o", &out.display().to_string()]);
        Bundle::open(&out)
    }

    /// The recipe with its lock and a store that has the packages.
    pub(crate) fn locked(self) -> LockedRecipe {
        self.run(&["lock"]);
        self.run(&["fetch"]);
        LockedRecipe { folder: self.folder }
    }
}
